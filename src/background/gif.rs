//! Repairs GIF headers with a screen too small for the first image.

/// Enlarges the screen to contain the first image, as browsers do: some programs write a screen of 0x0. Does nothing if
/// this is not a GIF, or has no image.
pub(super) fn show_first_image(bytes: &mut [u8]) {
    let Some(at) = first_image(bytes) else { return };
    for side in 0..2 {
        let number = |at: usize| bytes.get(at..)?.first_chunk().map(|number| u16::from_le_bytes(*number));
        let (Some(start), Some(length), Some(screen)) =
            (number(at + 2 * side), number(at + 4 + 2 * side), number(6 + 2 * side))
        else {
            return;
        };
        let needed = screen.max(start.saturating_add(length)).to_le_bytes();
        bytes[6 + 2 * side..][..2].copy_from_slice(&needed);
    }
}

/// The offset of the first image's left, top, width and height.
fn first_image(bytes: &[u8]) -> Option<usize> {
    const EXTENSION: u8 = 0x21;
    const IMAGE: u8 = 0x2c;
    if !bytes.starts_with(b"GIF8") {
        return None;
    }
    let flags = *bytes.get(10)?;
    let colours = if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    let mut at = 13 + colours;
    loop {
        match *bytes.get(at)? {
            EXTENSION => at = after_blocks(bytes, at + 2)?,
            IMAGE => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The end of the sub-blocks at `at`: each is preceded by its length, and the last has length zero.
fn after_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &[u8] = b"GIF89a\0\0\0\0\x80\0\0\xc8\x28\x28\0\0\0\x21\xfe\x03abc\0,\x02\0\x01\0\x08\0\x09\0\0\x02\0;";

    fn screen(mut bytes: Vec<u8>) -> Vec<u8> {
        show_first_image(&mut bytes);
        bytes[6..10].to_vec()
    }

    #[test]
    fn the_screen_grows_to_the_first_image_and_never_shrinks() {
        assert_eq!(screen(TINY.to_vec()), [10, 0, 10, 0]);
        let mut large = TINY.to_vec();
        large[6..10].copy_from_slice(&[20, 0, 1, 0]);
        assert_eq!(screen(large), [20, 0, 10, 0]);
    }

    #[test]
    fn damaged_headers_are_not_changed() {
        for length in 0..TINY.len() {
            let mut bytes = TINY[..length].to_vec();
            show_first_image(&mut bytes);
            assert!(length >= 33 || bytes == TINY[..length], "{length}");
        }
    }
}
