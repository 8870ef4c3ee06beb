//! Components of synthetic alphas, single frames and streams.

use proptest::prelude::*;

use super::*;

const WIDTH: usize = 64;
const HEIGHT: usize = 37;

fn blocks(blocks: &[(usize, usize, usize, usize)]) -> Plane<f32> {
    let mut alpha = Plane::new(WIDTH, HEIGHT);
    for &(x, y, width, height) in blocks {
        (y..y + height).for_each(|y| alpha.row_mut(y)[x..x + width].fill(1.0));
    }
    alpha
}

fn area(alpha: &Plane<f32>) -> f32 {
    (0..HEIGHT).flat_map(|y| alpha.row(y)).sum()
}

const PERSON: (usize, usize, usize, usize) = (20, 7, 24, 30);

#[test]
fn specks_are_removed_and_people_and_hands_stay() {
    let mut components = Components::new(WIDTH, HEIGHT);
    let mut alpha = blocks(&[PERSON, (2, 2, 2, 2), (54, 10, 9, 27), (50, 2, 8, 6)]);
    components.remove_non_persons(&mut alpha, None, None, false);
    assert_eq!(area(&alpha), 720.0 + 243.0 + 48.0, "only the speck of 4 cells is removed");
    let mut alone = blocks(&[(4, 4, 1, 1)]);
    components.remove_non_persons(&mut alone, None, None, false);
    assert_eq!(area(&alone), 0.0, "a speck is not a person, even alone");
}

#[test]
fn the_nearest_person_is_kept_until_another_is_clearly_nearer() {
    let mut components = Components::new(WIDTH, HEIGHT);
    let other = |width| (52 - width, 2, width, 30);
    let left = (2, 2, 18, 30);
    for (width, expected) in [(16, 18), (20, 18), (22, 18), (26, 26)] {
        let mut alpha = blocks(&[left, other(width)]);
        components.remove_non_persons(&mut alpha, None, None, true);
        assert_eq!(area(&alpha), (expected * 30) as f32, "the other is {width} wide");
    }
}

#[test]
fn a_kept_component_may_shrink_before_it_is_removed() {
    let mut components = Components::new(WIDTH, HEIGHT);
    let kept = |components: &mut Components, width: usize| {
        let mut alpha = blocks(&[PERSON, (2, 2, width, 4)]);
        components.remove_non_persons(&mut alpha, None, None, false);
        area(&alpha) > 720.0
    };
    assert!(!kept(&mut components, 4), "too small to appear");
    assert!(kept(&mut components, 8));
    assert!(kept(&mut components, 4), "large enough to stay");
    assert!(!kept(&mut components, 2));
    components.reset();
    assert!(!kept(&mut components, 4));
}

const LAMP: (usize, usize, usize, usize) = (0, 20, 12, 17);

/// Whether the lamp next to a person is kept, given the fast model's alpha for it.
fn keeps_lamp(components: &mut Components, fast: f32) -> bool {
    let mut fast_alpha = blocks(&[PERSON]);
    (20..37).for_each(|y| fast_alpha.row_mut(y)[..12].fill(fast));
    let mut alpha = blocks(&[PERSON, LAMP]);
    components.remove_non_persons(&mut alpha, Some(&fast_alpha), None, false);
    assert!(area(&alpha) >= 720.0, "the person");
    area(&alpha) > 720.0
}

#[test]
fn a_lamp_found_only_by_the_keyframe_model_is_removed() {
    let mut components = Components::new(WIDTH, HEIGHT);
    assert!((0..100).all(|_| !keeps_lamp(&mut components, 0.4)), "from the first frame");
    assert!(keeps_lamp(&mut components, 0.5));
    assert!((0..100).all(|_| keeps_lamp(&mut components, 0.4)), "doubtful, but known");
    let shown = (0..100).filter(|_| keeps_lamp(&mut components, 0.1)).count();
    assert_eq!(shown, 8, "removed within a quarter of a second");
    let mut alone = blocks(&[LAMP]);
    Components::new(WIDTH, HEIGHT).remove_non_persons(&mut alone, Some(&blocks(&[])), None, false);
    assert_eq!(area(&alone), 0.0, "the room is empty");
}

#[test]
fn a_person_who_enters_is_shown_before_the_fast_model_finds_them() {
    let mut components = Components::new(WIDTH, HEIGHT);
    for _ in 0..80 {
        components.remove_non_persons(&mut blocks(&[PERSON]), Some(&blocks(&[PERSON])), None, false);
    }
    assert!((0..6).all(|_| keeps_lamp(&mut components, 0.2)));
    assert!((0..100).all(|_| keeps_lamp(&mut components, 0.9)));
    let mut components = Components::new(WIDTH, HEIGHT);
    for _ in 0..80 {
        components.remove_non_persons(&mut blocks(&[PERSON]), Some(&blocks(&[PERSON])), None, false);
    }
    let shown = (0..100).filter(|_| keeps_lamp(&mut components, 0.4)).count();
    assert_eq!(shown, 8, "being shown does not reduce distrust");
}

/// A stream of frames with blocks of alpha, and blocks of motion.
struct Stream {
    components: Components,
    motion: Motion,
    luma: Plane<u8>,
}

type Block = (usize, usize, usize, usize);

impl Stream {
    fn new() -> Self {
        let half = (WIDTH.div_ceil(STEP), HEIGHT.div_ceil(STEP));
        let luma = Plane::new(half.0, half.1);
        let mut motion = Motion::new(half.0, half.1);
        motion.update(&luma, 1);
        Self { components: Components::new(WIDTH, HEIGHT), motion, luma }
    }

    /// The share of each block that is shown in the next frame.
    fn next<const N: usize>(&mut self, visible: [Block; N], moved: &[Block]) -> [f32; N] {
        for &(x, y, width, height) in moved {
            for row in y / STEP..(y + height).div_ceil(STEP) {
                let cells = &mut self.luma.row_mut(row)[x / STEP..(x + width) / STEP];
                cells.iter_mut().for_each(|luma| *luma = luma.wrapping_add(40));
            }
        }
        self.motion.update(&self.luma, 1);
        let mut alpha = blocks(&visible);
        self.components.remove_non_persons(&mut alpha, None, Some((&self.motion, 1)), false);
        visible.map(|(x, y, width, height)| {
            let sum: f32 = (y..y + height).map(|y| alpha.row(y)[x..x + width].iter().sum::<f32>()).sum();
            sum / (width * height) as f32
        })
    }
}

const PHOTO: Block = (50, 4, 12, 16);

#[test]
fn a_photo_behind_the_person_is_removed_from_the_first_frame_on() {
    let mut stream = Stream::new();
    for _ in 0..100 {
        assert_eq!(stream.next([PERSON, PHOTO], &[PERSON]), [1.0, 0.0]);
    }
    assert!(!stream.components.shows_others());
    // the person leans over: everything in front of the photo is the person
    let arm = (44, 10, 8, 6);
    let shown = stream.next([PERSON, arm, PHOTO], &[PERSON, arm]);
    assert_eq!(shown[..2], [1.0, 1.0]);
    assert!(shown[2] < 0.3, "the rest of the photo stays hidden: {}", shown[2]);
    let frames = (0..200).take_while(|_| stream.next([PHOTO], &[]) != [0.0]).count();
    assert!(frames <= usize::from(MOVED), "nor does it stay after they leave: {frames}");
    assert!((0..100).all(|_| stream.next([PHOTO], &[]) == [0.0]), "alone");
}

#[test]
fn a_second_person_who_moves_or_reaches_the_bottom_stays_and_is_reported() {
    let (behind, beside) = ((50, 4, 12, 16), (2, 12, 14, 25));
    let mut stream = Stream::new();
    for frame in 0..120 {
        // a person in the background looks up occasionally
        let moved = if frame % 30 == 0 { &[PERSON, behind][..] } else { &[PERSON] };
        assert_eq!(stream.next([PERSON, behind], moved), [1.0, 1.0], "frame {frame}");
    }
    assert!(stream.components.shows_others());
    assert!((0..70).all(|_| stream.next([PERSON], &[PERSON]) == [1.0]));
    assert!(!stream.components.shows_others(), "alone again");
    let mut stream = Stream::new();
    assert!((0..100).all(|_| stream.next([PERSON, beside], &[]) == [1.0, 1.0]), "a person sitting still");
}

#[test]
fn a_raised_hand_stays() {
    let (arm, hand) = ((44, 10, 8, 6), (52, 4, 8, 12));
    let mut stream = Stream::new();
    assert!((0..10).all(|_| stream.next([PERSON, arm, hand], &[PERSON, arm, hand]) == [1.0; 3]));
    for frame in 0..200 {
        assert_eq!(stream.next([PERSON, hand], &[]), [1.0, 1.0], "frame {frame} after the arm was lost");
    }
}

#[test]
fn a_distant_person_alone_is_shown() {
    let mut stream = Stream::new();
    assert!((0..100).all(|_| stream.next([(28, 4, 8, 20)], &[]) == [1.0]));
}

#[test]
fn parts_that_join_further_down_are_one_component() {
    // a fork: two prongs joined only by their handle
    let mut alpha = blocks(&[(10, 2, 2, 20), (30, 2, 2, 20), (10, 22, 22, 2), (2, 30, 2, 2)]);
    Components::new(WIDTH, HEIGHT).remove_non_persons(&mut alpha, None, None, true);
    assert_eq!(area(&alpha), 40.0 + 40.0 + 44.0);
}

/// The cells of the largest connected component, found with a flood fill.
fn largest(inside: &[bool], width: usize) -> Vec<usize> {
    let (mut left, mut best): (Vec<bool>, Vec<usize>) = (inside.to_vec(), Vec::new());
    for start in 0..inside.len() {
        let (mut part, mut open) = (Vec::new(), vec![start]);
        while let Some(at) = open.pop() {
            if !std::mem::take(&mut left[at]) {
                continue;
            }
            part.push(at);
            let (x, y) = ((at % width) as isize, (at / width) as isize);
            let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
            let rows = (inside.len() / width) as isize;
            let near = around.filter(|&(x, y)| (0..width as isize).contains(&x) && (0..rows).contains(&y));
            open.extend(near.map(|(x, y)| y as usize * width + x as usize));
        }
        if part.len() > best.len() {
            best = part;
        }
    }
    best.sort_unstable();
    best
}

proptest! {
    #[test]
    fn the_largest_component_is_found(
        inside in (32usize..64, 16usize..24).prop_flat_map(|(w, h)| prop::collection::vec(prop::bool::weighted(0.4), w * h).prop_map(move |v| (w, v)))
    ) {
        let (width, inside) = inside;
        let height = inside.len() / width;
        let mut alpha = Plane::new(width * STEP, height * STEP);
        for (at, _) in inside.iter().enumerate().filter(|(_, inside)| **inside) {
            alpha.row_mut(at / width * STEP)[at % width * STEP] = 1.0;
        }
        let mut components = Components::new(width * STEP, height * STEP);
        components.find(&alpha, None, None);
        let wanted = largest(&inside, width);
        let max_cells = components.components.iter().map(|component| component.cells).max().unwrap_or(0);
        prop_assert_eq!(max_cells, wanted.len());
    }

    #[test]
    fn alpha_is_only_ever_set_to_zero(cells in prop::collection::vec(0.0f32..1.0, WIDTH * HEIGHT), one in any::<bool>()) {
        let mut alpha = Plane::new(WIDTH, HEIGHT);
        (0..HEIGHT).for_each(|y| alpha.row_mut(y).copy_from_slice(&cells[y * WIDTH..][..WIDTH]));
        let before = alpha.clone();
        Components::new(WIDTH, HEIGHT).remove_non_persons(&mut alpha, None, None, one);
        for y in 0..HEIGHT {
            for (after, before) in alpha.row(y).iter().zip(before.row(y)) {
                prop_assert!(*after == 0.0 || after == before);
            }
        }
    }
}
