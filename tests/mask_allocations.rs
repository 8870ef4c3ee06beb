//! A running segmenter allocates nothing, on any of its threads.

use std::{path::Path, sync::Arc};

use bgcam::{
    frame::{Frame, Mask, Size},
    mask::{self, MaskError, Quality},
    stats::{CountingAllocator, allocations},
};

#[path = "support/rooms.rs"]
#[allow(dead_code, reason = "the census uses the rest")]
mod rooms;

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
        let frames = frames();
        frames[..2].iter().for_each(|frame| drop(segmenter.segment(frame, &mut mask).unwrap()));
        let before = allocations();
        for frame in &frames[2..] {
            let of = segmenter.segment(frame, &mut mask).unwrap().unwrap();
            assert_eq!((mask.seq, of.seq + segmenter.delay() as u64), (of.seq, frame.seq));
        }
        assert_eq!(allocations() - before, 0, "{quality}");
    }
}

/// Frames with texture everywhere that moves, and a person with hair if the package has people.
fn frames() -> Vec<Arc<Frame>> {
    let people = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/people");
    let person = people.is_dir().then(|| rooms::Person::load(&people, "p007"));
    let wall = rooms::draw(rooms::ROOMS[0]);
    let mut frames: Vec<_> = (0..20).map(frame).collect();
    for frame in frames.iter_mut().skip(5) {
        let Some(person) = &person else { break };
        let (small, _) = rooms::frame(&wall, person, frame.seq as usize);
        let (luma, chroma) = small.split_at(rooms::WIDTH * rooms::HEIGHT);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let (big_luma, big_u, big_v) = frame.planes_mut();
        enlarge(luma, rooms::WIDTH, big_luma);
        enlarge(u, rooms::WIDTH / 2, big_u);
        enlarge(v, rooms::WIDTH / 2, big_v);
    }
    frames.into_iter().map(Arc::new).collect()
}

/// Doubles both sides of a plane.
fn enlarge(plane: &[u8], width: usize, big: &mut [u8]) {
    big.iter_mut().enumerate().for_each(|(at, byte)| *byte = plane[at / (4 * width) * width + at % (2 * width) / 2]);
}

/// A frame with texture everywhere that moves.
fn frame(seq: u64) -> Frame {
    let mut frame = Frame::new(Size::HD);
    frame.data_mut().iter_mut().enumerate().for_each(|(i, byte)| *byte = ((i + 3 * seq as usize) * 7919 % 251) as u8);
    frame.seq = seq;
    frame
}
