//! Decodes a frame that a webcam sends as MJPEG, repeatedly until its size is accepted.
#![no_main]

use std::cell::RefCell;

use bgcam::{
    camera::{mjpeg::Mjpeg, sample},
    frame::{Frame, Size},
};

thread_local! {
    static STATE: RefCell<Option<(Mjpeg, Frame, Vec<u8>)>> = const { RefCell::new(None) };
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    STATE.with_borrow_mut(|state| {
        let (decoder, frame, good) = state.get_or_insert_with(|| {
            let size = Size::new(64, 48).unwrap();
            let good = sample::mjpeg(&Frame::new(size)).unwrap();
            (Mjpeg::new(size).unwrap(), Frame::new(size), good)
        });
        for _ in 0..4 {
            let _ = decoder.decode(bytes, frame);
        }
        decoder.decode(good, frame).expect("a bad frame does not spoil the next");
    });
});
