//! Decodes an image file as a background, and marks it as generated.
#![no_main]

use bgcam::{
    background::{Fit, Limits, still_image},
    frame::Size,
    media::image_file::provenance::{Mark, SourceType, marks, with_source_type},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 20 };
    let size = Size::new(64, 48).unwrap();
    let fit = [Fit::Cover, Fit::Contain, Fit::Stretch][bytes.len() % 3];
    if let Ok(frame) = still_image::from_bytes(bytes, "fuzz", fit, size, &limits) {
        assert_eq!(frame.size(), size);
    }
    if let Some(marked) = with_source_type(bytes, SourceType::Generated) {
        assert!(marks(&marked).contains(&Mark::DigitalSourceType));
    }
});
