//! Plays a GIF, WebP or PNG, animated or not, for a second.
#![no_main]

use std::{cell::LazyCell, fs, path::PathBuf, time::Duration};

use bgcam::{
    background::{self, Background, BackgroundSpec, Fit},
    frame::Size,
};

/// The limit on pixels; larger canvases take too long.
const MAX_PIXELS: u64 = 1 << 18;

thread_local! {
    static PATH: LazyCell<PathBuf> =
        LazyCell::new(|| std::env::temp_dir().join(format!("bgcam-fuzz-{}", std::process::id())));
}

/// The pixel count in an image's header; `None` for files that would be passed to ffmpeg.
fn pixels(bytes: &[u8]) -> Option<u64> {
    let number = |at: usize, length: usize, big: bool| {
        let digits = bytes.get(at..at + length)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if big { digits.iter().fold(0, add) } else { digits.iter().rev().fold(0, add) })
    };
    if bytes.starts_with(b"GIF8") {
        Some(number(6, 2, false)? * number(8, 2, false)?)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(number(16, 4, true)?.saturating_mul(number(20, 4, true)?))
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..16) == Some(b"WEBPVP8X") {
        Some((number(24, 3, false)? + 1) * (number(27, 3, false)? + 1))
    } else {
        None
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if pixels(bytes).is_none_or(|pixels| pixels > MAX_PIXELS) {
        return;
    }
    let path = PATH.with(|path| PathBuf::clone(path));
    fs::write(&path, bytes).unwrap();
    let options = background::Options::new(Size::new(32, 24).unwrap());
    let fit = [Fit::Cover, Fit::Contain, Fit::Stretch][bytes.len() % 3];
    let background = Background::load(&BackgroundSpec::Image { path, fit }, &options);
    if let Ok(Background::Moving(player)) = background {
        for millis in [0, 100, 400, 1000] {
            player.seek(Duration::from_millis(millis));
            assert_eq!(player.frame().size(), options.size);
        }
    }
});
