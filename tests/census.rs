//! The census: people in front of many walls and rooms, at every quality. No frame may be without the person, and none
//! may show the room.
//!
//! `CENSUS=long` (scripts/census --long) combines every person with every room, for longer, and
//! `CENSUS_PART=2/8` runs the second eighth of it. Skipped without ONNX Runtime.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bgcam::{
    frame::{Frame, Mask, Size},
    mask::{self, InputKind, Quality, Segmenter},
};

#[path = "support/rooms.rs"]
mod rooms;

use rooms::{HEIGHT, Person, ROOMS, Room, WIDTH};

const PEOPLE: [&str; 4] = ["p001", "p003", "p005", "p007"];
const QUALITIES: [Quality; 3] = [Quality::Eco, Quality::Balanced, Quality::High];

/// The rooms in which the models disagreed most.
const HARD: [&str; 4] = ["dots", "tiny dots", "zigzag", "plants"];

/// The side of a cell, in pixels.
const CELL: usize = 4;

/// The distance from the person, in cells, within which anything may be shown.
const NEAR: isize = 4;

/// The maximum visible share of the room, and the minimum visible share of the person.
const MAX_ROOM: f32 = 0.01;
const MIN_PERSON: f32 = 0.5;

/// The background, #20c040, in limited-range YUV.
const BACKGROUND: &str = "#20c040";
const BACKGROUND_YUV: [f32; 3] = [119.0, 97.0, 74.0];

fn is_long() -> bool {
    std::env::var("CENSUS").is_ok_and(|value| value == "long")
}

fn size() -> Size {
    Size::new(WIDTH as u32, HEIGHT as u32).unwrap()
}

fn open(quality: Quality, input: InputKind) -> Box<dyn Segmenter> {
    let models_dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("models")];
    mask::open(&mask::Settings { quality, input, models_dirs, ..mask::Settings::default() }, size()).unwrap()
}

fn is_ready() -> bool {
    if !people_folder().is_dir() {
        eprintln!("skipped: {} is not part of the package", people_folder().display());
        return false;
    }
    match mask::library(&mask::Settings::default()) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error} (scripts/setup installs it)");
            false
        }
    }
}

fn people_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/people")
}

/// The combinations of rooms and people, with the number of frames.
fn cases(rooms: impl Iterator<Item = Room>, frames: usize) -> Vec<(Room, usize, usize)> {
    let cases = rooms.enumerate().flat_map(|(at, room)| {
        let people = if is_long() { 0..PEOPLE.len() } else { at % PEOPLE.len()..at % PEOPLE.len() + 1 };
        people.map(move |person| (room, person, if is_long() { 90 } else { frames }))
    });
    let (part, parts) = part();
    cases.enumerate().filter(|(number, _)| number % parts == part).map(|(_, case)| case).collect()
}

/// The part of the combinations to run, from 0, and the number of parts.
fn part() -> (usize, usize) {
    let Ok(value) = std::env::var("CENSUS_PART") else { return (0, 1) };
    let numbers = value.split_once('/').map(|(part, parts)| (part.parse::<usize>(), parts.parse::<usize>()));
    match numbers {
        Some((Ok(part @ 1..), Ok(parts))) if part <= parts => (part - 1, parts),
        _ => panic!("CENSUS_PART = {value:?}: expected a part and their number, as in 2/8"),
    }
}

fn hard_rooms() -> impl Iterator<Item = Room> {
    ROOMS.iter().copied().filter(|(name, _)| is_long() || HARD.contains(name))
}

/// The faults in the frames of one person in one room.
#[derive(Default)]
struct Evaluation {
    frames: usize,
    without_person: usize,
    with_room: usize,
    most_room: f32,
}

/// The mean of each cell of a plane.
fn cells(plane: &[f32]) -> Vec<f32> {
    let (columns, rows) = (WIDTH / CELL, HEIGHT / CELL);
    let mean = |at: usize| {
        let first = at / columns * CELL * WIDTH + at % columns * CELL;
        let rows = (0..CELL).map(|row| plane[first + row * WIDTH..][..CELL].iter().sum::<f32>());
        rows.sum::<f32>() / (CELL * CELL) as f32
    };
    (0..columns * rows).map(mean).collect()
}

impl Evaluation {
    /// Evaluates a frame in which these cells are visible, given the true alpha.
    fn add(&mut self, shown: &[bool], alpha: &[f32]) {
        let (columns, rows) = ((WIDTH / CELL) as isize, (HEIGHT / CELL) as isize);
        let truth = cells(alpha);
        let is_near = |at: usize| {
            let (x, y) = (at as isize % columns, at as isize / columns);
            let across = (x - NEAR).max(0)..(x + NEAR + 1).min(columns);
            let mut down = (y - NEAR).max(0)..(y + NEAR + 1).min(rows);
            down.any(|y| across.clone().any(|x| truth[(y * columns + x) as usize] > 0.01))
        };
        let share = |is_one: &dyn Fn(usize) -> bool| {
            let ones: Vec<bool> = (0..truth.len()).filter(|&at| is_one(at)).map(|at| shown[at]).collect();
            ones.iter().filter(|&&shown| shown).count() as f32 / ones.len().max(1) as f32
        };
        let (person, room) = (share(&|at| truth[at] > 0.8), share(&|at| !is_near(at)));
        self.frames += 1;
        self.without_person += usize::from(person < MIN_PERSON);
        self.with_room += usize::from(room > MAX_ROOM);
        self.most_room = self.most_room.max(room);
    }

    fn add_mask(&mut self, mask: &Mask, alpha: &[f32]) {
        let shown: Vec<f32> = mask.alpha().iter().map(|&alpha| f32::from(alpha)).collect();
        let shown: Vec<bool> = cells(&shown).iter().map(|&alpha| alpha > 50.0).collect();
        self.add(&shown, alpha);
    }
}

/// All faults found.
#[derive(Default)]
struct Census {
    frames: usize,
    faults: String,
}

impl Census {
    fn count(&mut self, quality: Quality, room: &str, person: usize, found: &Evaluation) {
        self.frames += found.frames;
        let Evaluation { frames, without_person, with_room, most_room } = found;
        if without_person + with_room > 0 {
            let who = PEOPLE[person];
            writeln!(
                self.faults,
                "{quality}, {room}, {who}: {without_person} of {frames} frames without the person, {with_room} with the room (up to {most_room:.3} of it)",
            )
            .unwrap();
        }
    }

    fn finish(self) {
        eprintln!("{} frames evaluated", self.frames);
        assert!(self.faults.is_empty(), "\n{}", self.faults);
    }
}

#[test]
fn no_wall_hides_the_person_or_is_shown() {
    if !is_ready() {
        return;
    }
    let people = PEOPLE.map(|name| Person::load(&people_folder(), name));
    let mut census = Census::default();
    let mut segmenters = QUALITIES.map(|quality| open(quality, InputKind::File));
    for (room, person, frames) in cases(ROOMS.iter().copied(), 8) {
        let wall = rooms::draw(room);
        let frames: Vec<_> = (0..frames).map(|number| rooms::frame(&wall, &people[person], number)).collect();
        for (segmenter, quality) in segmenters.iter_mut().zip(QUALITIES) {
            segmenter.reset();
            census.count(quality, room.0, person, &evaluate(&mut **segmenter, &frames, None));
        }
    }
    census.finish();
}

#[test]
fn the_same_holds_live_at_30_frames_per_second() {
    if !is_ready() {
        return;
    }
    let people = PEOPLE.map(|name| Person::load(&people_folder(), name));
    let mut census = Census::default();
    for quality in QUALITIES {
        let mut segmenter = open(quality, InputKind::Live);
        for (room, person, frames) in cases(hard_rooms(), 24) {
            let wall = rooms::draw(room);
            let frames: Vec<_> = (0..frames).map(|number| rooms::frame(&wall, &people[person], number)).collect();
            segmenter.reset();
            let found = evaluate(&mut *segmenter, &frames, Some(Duration::from_nanos(33_333_333)));
            census.count(quality, room.0, person, &found);
        }
    }
    census.finish();
}

/// Evaluates the masks of frames, passed as fast as possible or one every `pace`.
fn evaluate(segmenter: &mut dyn Segmenter, frames: &[(Vec<u8>, Vec<f32>)], pace: Option<Duration>) -> Evaluation {
    let mut found = Evaluation::default();
    let mut mask = Mask::new(size());
    let start = Instant::now();
    for (number, (data, _)) in frames.iter().enumerate() {
        if let Some(pace) = pace {
            let due = start + pace * number as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let mut frame = Frame::new(size());
        frame.data_mut().copy_from_slice(data);
        frame.seq = number as u64;
        frame.captured_at = Instant::now();
        if let Some(of) = segmenter.segment(&Arc::new(frame), &mut mask).unwrap() {
            found.add_mask(&mask, &frames[of.seq as usize].1);
        }
    }
    if let Some(of) = segmenter.flush(&mut mask) {
        found.add_mask(&mask, &frames[of.seq as usize].1);
    }
    assert_eq!(found.frames, frames.len(), "every frame has a mask");
    found
}

#[test]
fn the_same_holds_for_the_output_of_render() {
    if !is_ready() {
        return;
    }
    let people = PEOPLE.map(|name| Person::load(&people_folder(), name));
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.y4m"), folder.path().join("out.y4m"));
    let mut census = Census::default();
    for (room, person, frames) in cases(hard_rooms(), 12) {
        let wall = rooms::draw(room);
        let frames: Vec<_> = (0..frames).map(|number| rooms::frame(&wall, &people[person], number)).collect();
        fs::write(&input, y4m(&frames)).unwrap();
        for quality in QUALITIES {
            let mut render = Command::new(env!("CARGO_BIN_EXE_bgcam"));
            render.args(["render", "--background", BACKGROUND, "--quality", &quality.to_string()]);
            let done = render.arg(&input).arg(&output).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            census.count(quality, room.0, person, &evaluate_output(&fs::read(&output).unwrap(), &frames));
        }
    }
    census.finish();
}

fn y4m(frames: &[(Vec<u8>, Vec<f32>)]) -> Vec<u8> {
    let mut file = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n").into_bytes();
    for (data, _) in frames {
        file.extend_from_slice(b"FRAME\n");
        file.extend_from_slice(data);
    }
    file
}

/// Evaluates output frames: everything that differs from the background is visible.
fn evaluate_output(file: &[u8], frames: &[(Vec<u8>, Vec<f32>)]) -> Evaluation {
    let header = file.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let outputs = file[header..].chunks_exact(b"FRAME\n".len() + WIDTH * HEIGHT * 3 / 2);
    assert_eq!(outputs.len(), frames.len());
    let mut found = Evaluation::default();
    for (output, (_, alpha)) in outputs.zip(frames) {
        let output = &output[b"FRAME\n".len()..];
        let chroma = |plane: usize, at: usize| {
            let (x, y) = (at % WIDTH / 2, at / WIDTH / 2);
            output[WIDTH * HEIGHT + plane * WIDTH * HEIGHT / 4 + y * WIDTH / 2 + x]
        };
        let distance = |at: usize| {
            let yuv = [output[at], chroma(0, at), chroma(1, at)];
            yuv.iter().zip(BACKGROUND_YUV).map(|(&value, background)| (f32::from(value) - background).abs()).sum()
        };
        let distances: Vec<f32> = (0..WIDTH * HEIGHT).map(distance).collect();
        let shown: Vec<bool> = cells(&distances).iter().map(|&distance| distance > 30.0).collect();
        found.add(&shown, alpha);
    }
    found
}
