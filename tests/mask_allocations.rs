//! A running segmenter allocates nothing, on any of its threads.

use std::sync::Arc;

use bgcam::{
    frame::{Frame, Mask, Size},
    mask::{self, MaskError, Quality},
    stats::{CountingAllocator, allocations},
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_segmenter_allocates_nothing_per_frame() {
    for quality in [Quality::Eco, Quality::Balanced, Quality::High] {
        let settings = mask::Settings { quality, ..mask::Settings::default() };
        let mut segmenter = match mask::open(&settings, Size::HD) {
            Ok(segmenter) => segmenter,
            Err(error @ MaskError::NoLibrary { .. }) => {
                #[expect(clippy::print_stderr, reason = "reports a skipped test")]
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
        let before = allocations();
        for frame in &frames[2..] {
            let of = segmenter.segment(frame, &mut mask).unwrap().unwrap();
            assert_eq!((mask.seq, of.seq + segmenter.delay() as u64), (of.seq, frame.seq));
        }
        assert_eq!(allocations() - before, 0, "{quality}");
    }
}

/// A frame with texture everywhere that moves.
fn frame(seq: u64) -> Frame {
    let mut frame = Frame::new(Size::HD);
    frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = ((i + 3 * seq as usize) * 7919 % 251) as u8);
    frame.seq = seq;
    frame
}
