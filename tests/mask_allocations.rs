//! A segmenter allocates nothing once it runs.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

use bgcam::{
    frame::{Frame, Mask, Size},
    mask::{self, MaskError, Quality, Settings},
};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks for.
struct Counting;

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory came from `alloc`, thus from the system's allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_segmenter_allocates_nothing_per_frame() {
    for quality in [Quality::Eco, Quality::Balanced, Quality::High] {
        let settings = Settings { quality, ..Settings::default() };
        let mut segmenter = match mask::open(&settings, Size::HD) {
            Ok(segmenter) => segmenter,
            Err(error @ MaskError::NoLibrary { .. }) => {
                #[expect(clippy::print_stderr, reason = "the word of a skipped test")]
                {
                    eprintln!("skipped: {error}");
                }
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let mut mask = Mask::new(Size::HD);
        let frames: Vec<_> = (0..20).map(|seq| Arc::new(frame(seq))).collect();
        frames[..2].iter().for_each(|frame| drop(segmenter.segment(frame, &mut mask).unwrap()));
        let before = COUNT.get();
        for frame in &frames[2..] {
            let of = segmenter.segment(frame, &mut mask).unwrap().unwrap();
            assert_eq!((mask.seq, of.seq + segmenter.delay() as u64), (of.seq, frame.seq));
        }
        assert_eq!(COUNT.get() - before, 0, "{quality}");
    }
}

/// Something everywhere, that moves.
fn frame(seq: u64) -> Frame {
    let mut frame = Frame::new(Size::HD);
    frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = ((i + 3 * seq as usize) * 7919 % 251) as u8);
    frame.seq = seq;
    frame
}
