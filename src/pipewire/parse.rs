//! Reads PODs from other processes: every length is checked, and anything unexpected is ignored.

use super::{ffi::array, library};

/// Maximum size of a parameter; those of cameras have a few hundred bytes.
const MAX_BYTES: u32 = 1 << 16;

/// Types of values.
const ID: u32 = 3;
const INT: u32 = 4;
const RECTANGLE: u32 = 10;
const FRACTION: u32 = 11;
const OBJECT: u32 = 15;
const CHOICE: u32 = 19;

/// The bytes of a POD of the library; `None` if it is null or implausibly large.
///
/// # Safety
/// `pod` must be null or a POD that is valid for `'a`, with the size in its header.
pub(super) unsafe fn bytes<'a>(pod: *const library::Pod) -> Option<&'a [u8]> {
    if pod.is_null() {
        return None;
    }
    // SAFETY: guaranteed by the contract of this function.
    unsafe {
        let size = pod.cast::<u32>().read();
        (size <= MAX_BYTES).then(|| array(pod.cast(), size + 8))
    }
}

/// An object and its properties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    /// Its type, such as [`super::pod::OBJECT_FORMAT`].
    pub(crate) kind: u32,
    properties: &'a [u8],
}

impl<'a> Object<'a> {
    /// The object in `bytes`, if they begin with one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (kind, body) = value(bytes)?;
        let object = (kind == OBJECT).then_some(body)?;
        Some(Self { kind: word(object, 0)?, properties: object.get(8..)? })
    }

    /// The type and bytes of a property; the default of a choice.
    fn get(&self, key: u32) -> Option<(u32, &'a [u8])> {
        let mut rest = self.properties;
        loop {
            let (kind, body) = value(rest.get(8..)?)?;
            if word(rest, 0)? == key {
                return if kind == CHOICE { Some((word(body, 12)?, body.get(16..)?)) } else { Some((kind, body)) };
            }
            rest = rest.get(16 + body.len().next_multiple_of(8)..)?;
        }
    }

    /// A property that is an id.
    pub(crate) fn id(&self, key: u32) -> Option<u32> {
        let (kind, body) = self.get(key)?;
        matches!(kind, ID | INT).then(|| word(body, 0))?
    }

    /// A property that is a rectangle: width and height.
    pub(crate) fn rectangle(&self, key: u32) -> Option<(u32, u32)> {
        self.pair(key, RECTANGLE)
    }

    /// A property that is a fraction: numerator and denominator.
    pub(crate) fn fraction(&self, key: u32) -> Option<(u32, u32)> {
        self.pair(key, FRACTION)
    }

    fn pair(&self, key: u32, expected: u32) -> Option<(u32, u32)> {
        let (kind, body) = self.get(key)?;
        (kind == expected).then(|| Some((word(body, 0)?, word(body, 4)?)))?
    }
}

/// The type and bytes of the value at the start of `bytes`.
fn value(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let size = word(bytes, 0)? as usize;
    Some((word(bytes, 4)?, bytes.get(8..size.checked_add(8)?)?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::pipewire::pod::{self, Pod, Value, key, object};

    fn bytes(pod: &Pod) -> Vec<u8> {
        pod.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn what_is_built_can_be_read() {
        let pod = bytes(&object(
            pod::OBJECT_FORMAT,
            pod::PARAM_FORMAT,
            &[
                (key::MEDIA_TYPE, Value::Id(2)),
                (key::FORMAT, Value::Ids(vec![23, 2, 4])),
                (key::SIZE, Value::Rectangles([(1280, 720), (16, 16), (8192, 8192)])),
                (key::FRAMERATE, Value::Fraction(30000, 1001)),
            ],
        ));
        let object = Object::parse(&pod).unwrap();
        assert_eq!(object.kind, pod::OBJECT_FORMAT);
        assert_eq!((object.id(key::MEDIA_TYPE), object.id(key::FORMAT)), (Some(2), Some(23)));
        assert_eq!((object.rectangle(key::SIZE), object.id(key::SIZE)), (Some((1280, 720)), None));
        assert_eq!((object.fraction(key::FRAMERATE), object.id(key::COLOR_RANGE)), (Some((30000, 1001)), None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_their_bounds(bytes in vec(any::<u8>(), 0..200), key: u32) {
            if let Some(object) = Object::parse(&bytes) {
                let _ = (object.id(key), object.rectangle(key), object.fraction(key));
            }
        }

        #[test]
        fn damaged_and_cut_objects_are_read_within_their_bounds(at in 0..200_usize, by: u32, len in 0..240_usize) {
            let mut bytes = bytes(&pod::format(crate::frame::Size::HD, (30, 1)));
            let at = at / 4 * 4;
            bytes[at..at + 4].copy_from_slice(&by.to_ne_bytes());
            bytes.truncate(len);
            if let Some(object) = Object::parse(&bytes) {
                let _ = (object.id(key::COLOR_PRIMARIES), object.rectangle(key::SIZE), object.fraction(key::FRAMERATE));
            }
        }
    }
}
