//! Reads a Y4M file, header and frames.
#![no_main]

use bgcam::{frame::Frame, media::y4m::{Reader, parse_header}};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = parse_header(bytes);
    let Ok(mut reader) = Reader::new(bytes) else { return };
    if reader.header().size().luma_len() > 1 << 20 {
        return; // larger frames take too long
    }
    let mut frame = Frame::new(reader.header().size());
    while let Ok(true) = reader.read(&mut frame) {}
});
