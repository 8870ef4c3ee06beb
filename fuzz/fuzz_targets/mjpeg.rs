//! A frame from a webcam that says it is JPEG.
#![no_main]

use std::cell::RefCell;

use bgcam::{
    camera::mjpeg::Mjpeg,
    frame::{Frame, Size},
};

thread_local! {
    static STATE: RefCell<Option<(Mjpeg, Frame)>> = RefCell::new(None);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    STATE.with_borrow_mut(|state| {
        let (decoder, frame) = state.get_or_insert_with(|| {
            let size = Size::new(64, 48).unwrap();
            (Mjpeg::new(size).unwrap(), Frame::new(size))
        });
        let _ = decoder.decode(bytes, frame);
    });
});
