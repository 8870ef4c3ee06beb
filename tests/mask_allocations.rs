//! A segmenter allocates nothing once it runs.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use bgcam::{
    frame::{Frame, Mask, Size},
    mask::{self, MaskError, Settings},
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
    let mut frame = Frame::new(Size::HD);
    frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7919 % 251) as u8);
    let mut mask = Mask::new(Size::HD);
    let mut segmenter = match mask::open(&Settings::default(), Size::HD) {
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
    segmenter.segment(&frame, &mut mask).unwrap();
    let before = COUNT.get();
    for seq in 1..=10 {
        frame.seq = seq;
        segmenter.segment(&frame, &mut mask).unwrap();
        assert_eq!(mask.seq, seq);
    }
    assert_eq!(COUNT.get() - before, 0);
}
