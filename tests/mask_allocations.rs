//! A running segmenter allocates nothing, on any of its threads.
#![allow(clippy::unwrap_used)]

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
        let Some(found) = allocations_of_18_frames(&settings) else { return };
        assert_eq!(found, 0, "{quality}");
    }
    let Some(found) = allocations_of_18_frames(&recurrent("running_mean", "")) else { return };
    assert_eq!(found, 0, "a recurrent model");
    // for more than four outputs, the ort crate allocates its lists of them
    let Some(found) = allocations_of_18_frames(&recurrent("like_rvm", "constants = { downsample_ratio = 0.5 }")) else {
        return;
    };
    assert!(found <= 18 * MAX_ORT_LISTS, "{found} allocations");
}

/// The lists of names and values that the ort crate allocates per run of a model with more than four outputs.
const MAX_ORT_LISTS: u64 = 12;

/// The settings for one of the recurrent models of the tests.
fn recurrent(file: &str, more: &str) -> mask::Settings {
    let path = format!("{}/tests/data/recurrent/{file}.onnx", env!("CARGO_MANIFEST_DIR"));
    let spec = format!(
        "name = \"mine\"\nfile = {path:?}\nlayout = \"nchw\"\nwidth = 128\nheight = 64\nrange = \"0..1\"\n\
         output = \"alpha\"\n{more}"
    );
    let custom = vec![toml::from_str(&spec).unwrap()];
    mask::Settings { model: "mine".to_owned(), custom, ..mask::Settings::default() }
}

/// The number of allocations after the first two frames; `None` and a message if ONNX Runtime is not installed.
fn allocations_of_18_frames(settings: &mask::Settings) -> Option<u64> {
    let mut segmenter = match mask::open(settings, Size::HD) {
        Ok(segmenter) => segmenter,
        Err(error @ MaskError::NoLibrary { .. }) => {
            #[expect(clippy::print_stderr, reason = "reports a skipped test")]
            {
                eprintln!("skipped: {error}");
            }
            return None;
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
    Some(allocations() - before)
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
