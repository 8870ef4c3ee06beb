//! Tests of the key: a person with strands of hair in front of drawn screens and rooms.

use super::{key::PERSON, *};
use crate::frame::Yuv;

const SIZES: [(u32, u32); 4] = [(640, 360), (1280, 720), (642, 362), (16, 16)];
const GREEN: Yuv = Yuv { y: 100, u: 90, v: 60 };
const SHIRT: Yuv = Yuv { y: 150, u: 110, v: 160 };

/// A person of one colour between two columns, with an edge of 8 pixels, and hair as vertical strands of 2 pixels on
/// the left, in front of an unevenly lit `screen`.
struct Picture {
    frame: Frame,
    truth: Vec<u8>,
    mask: Mask,
}

fn picture(size: Size, person: Yuv, screen: impl Fn(usize, usize) -> Yuv) -> Picture {
    let (width, height) = (size.width(), size.height());
    let (left, right) = (width * 3 / 8, width * 5 / 8);
    let mut truth = vec![0; width * height];
    let mut mask = Mask::new(size);
    for y in 0..height {
        for x in 0..width {
            let inside = (x as i32 - left as i32).min(right as i32 - x as i32);
            let strand = (left - width / 32..left).contains(&x) && x / 2 % 3 == 0 && y < height / 2;
            truth[y * width + x] = if strand { 160 } else { (inside * 32).clamp(0, 255) as u8 };
            // the models: no strands, and an edge in the wrong place
            mask.alpha_mut()[y * width + x] = ((inside - 6) * 16).clamp(0, 255) as u8;
        }
    }
    let mut frame = Frame::new(size);
    let noise = |x: usize, y: usize| ((x * 31 + y * 17 + x * y * 7) % 5) as i32 - 2;
    let mix = |alpha: u8, a: u8, b: u8, noise: i32| {
        let alpha = i32::from(alpha);
        ((i32::from(a) * alpha + i32::from(b) * (255 - alpha)) / 255 + noise).clamp(0, 255) as u8
    };
    let (luma, u, v) = frame.planes_mut();
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            luma[at] = mix(truth[at], person.y, screen(x, y).y, noise(x, y));
            if x % 2 == 0 && y % 2 == 0 {
                let four = [at, at + 1, at + width, at + width + 1].map(|at| u32::from(truth[at]));
                let alpha = (four.iter().sum::<u32>() / 4) as u8;
                let at = y / 2 * (width / 2) + x / 2;
                u[at] = mix(alpha, person.u, screen(x, y).u, noise(y, x));
                v[at] = mix(alpha, person.v, screen(x, y).v, noise(y + 3, x));
            }
        }
    }
    Picture { frame, truth, mask }
}

/// A green screen that is darker at the sides.
fn green(width: usize) -> impl Fn(usize, usize) -> Yuv {
    move |x, _| {
        let shade = 10 - 3 * x.abs_diff(width / 2) / width;
        let chroma = |value: u8| (128 - (128 - i32::from(value)) * shade as i32 / 10) as u8;
        Yuv { y: GREEN.y, u: chroma(GREEN.u), v: chroma(GREEN.v) }
    }
}

fn look() -> Look {
    Look { green_screen: true, green_screen_tolerance: 50, green_screen_spill: 100, ..Look::neutral() }
}

fn error(alpha: &[u8], truth: &[u8]) -> f32 {
    alpha.iter().zip(truth).map(|(&a, &b)| f32::from(a.abs_diff(b))).sum::<f32>() / alpha.len() as f32
}

#[test]
fn the_edge_is_as_the_camera_sees_it() {
    for (width, height) in &SIZES[..3] {
        let size = Size::new(*width, *height).unwrap();
        let Picture { frame, truth, mask } = picture(size, SHIRT, green(size.width()));
        let mut screen = Screen::new(size);
        let (clean, keyed) = screen.key(&frame, Some(&mask), &look());
        let keyed = keyed.unwrap().alpha();
        let (before, after) = (error(mask.alpha(), &truth), error(keyed, &truth));
        assert!(after < 0.25 * before && after < 1.6, "{size}: {before} before, {after} after");
        let (_, u, v) = clean.planes();
        for (&u, &v) in u.iter().zip(v) {
            let share = Key { u: -38.0, v: -68.0, full: 1.0 }.share(f32::from(u) - 128.0, f32::from(v) - 128.0);
            assert!(share < 0.15, "{size}: green is left: {u} {v}");
        }
    }
}

#[test]
fn without_a_screen_nothing_changes() {
    let size = Size::new(640, 360).unwrap();
    let grey = |x: usize, y: usize| Yuv { y: (x * y % 200) as u8, u: 126, v: 131 };
    let colourful = |x: usize, y: usize| Yuv { y: 90, u: (x / 40 * 37 % 200) as u8, v: (y / 40 * 61 % 200) as u8 };
    let rooms: [&dyn Fn(usize, usize) -> Yuv; 2] = [&grey, &colourful];
    for room in rooms {
        let Picture { frame, mask, .. } = picture(size, SHIRT, room);
        let mut screen = Screen::new(size);
        let (same, keyed) = screen.key(&frame, Some(&mask), &look());
        assert!(std::ptr::eq(same, &frame) && std::ptr::eq(keyed.unwrap(), &mask));
    }
    let Picture { frame, mask, .. } = picture(size, SHIRT, green(640));
    let mut screen = Screen::new(size);
    let (same, keyed) = screen.key(&frame, Some(&mask), &Look::neutral());
    assert!(std::ptr::eq(same, &frame) && std::ptr::eq(keyed.unwrap(), &mask), "switched off");
    assert!(screen.key(&frame, None, &look()).1.is_none(), "no person");
}

#[test]
fn a_screen_that_is_gone_is_noticed_at_once() {
    let size = Size::new(640, 360).unwrap();
    let mut screen = Screen::new(size);
    let Picture { frame, mask, .. } = picture(size, SHIRT, green(640));
    for _ in 0..3 {
        assert!(!std::ptr::eq(screen.key(&frame, Some(&mask), &look()).0, &frame));
    }
    let room =
        |x: usize, y: usize| Yuv { y: (x ^ y) as u8, u: (x / 40 * 37 % 200) as u8, v: (y / 40 * 61 % 200) as u8 };
    let Picture { frame, mask, .. } = picture(size, SHIRT, room);
    assert!(std::ptr::eq(screen.key(&frame, Some(&mask), &look()).0, &frame));
}

#[test]
fn beside_the_screen_the_room_stays_hidden() {
    let size = Size::new(640, 360).unwrap();
    let red = Yuv { y: 80, u: 100, v: 200 };
    let narrow = |x: usize, y: usize| if (130..510).contains(&x) { green(640)(x, y) } else { red };
    let Picture { frame, mask, .. } = picture(size, SHIRT, narrow);
    let mut screen = Screen::new(size);
    let keyed = screen.key(&frame, Some(&mask), &look()).1.unwrap();
    for (at, alpha) in keyed.alpha().iter().enumerate() {
        assert!((150..490).contains(&(at % 640)) || *alpha == 0, "column {}", at % 640);
    }
}

#[test]
fn a_chosen_colour_keys_a_screen_that_most_of_the_surroundings_are_not() {
    let size = Size::new(640, 360).unwrap();
    let red = Yuv { y: 80, u: 100, v: 200 };
    let small = |x: usize, y: usize| if (100..420).contains(&x) && y > 150 { green(640)(x, y) } else { red };
    let Picture { frame, truth, mask } = picture(size, SHIRT, small);
    let key = |color: ScreenColour| {
        let mut screen = Screen::new(size);
        let keyed = screen.key(&frame, Some(&mask), &Look { green_screen_color: color, ..look() }).1.unwrap();
        keyed.alpha().to_vec()
    };
    assert_eq!(key(ScreenColour::Auto), mask.alpha(), "too little of it to be found");
    assert_eq!(key(ScreenColour::Chosen([200, 20, 220])), mask.alpha(), "another colour");
    let keyed = key(ScreenColour::Chosen([20, 150, 50]));
    let lower_left =
        |alpha: &[u8]| alpha.chunks(640).skip(240).flat_map(|row| row[180..280].to_vec()).collect::<Vec<_>>();
    let (before, after) = (mask.alpha(), &keyed);
    let truth = lower_left(&truth);
    let (before, after) = (error(&lower_left(before), &truth), error(&lower_left(after), &truth));
    assert!(after < 0.25 * before, "{before} before, {after} after");
    for (at, (found, model)) in keyed.iter().zip(mask.alpha()).enumerate() {
        let (x, y) = (at % 640, at / 640);
        assert!(y > 120 || found.abs_diff(*model) < 20, "the room beside it: {found}, not {model}, at {x}, {y}");
    }
}

#[test]
fn clothes_in_the_colour_of_the_screen_stay() {
    let size = Size::new(640, 360).unwrap();
    let Picture { frame, mask, .. } = picture(size, GREEN, green(640));
    let mut screen = Screen::new(size);
    let keyed = screen.key(&frame, Some(&mask), &look()).1.unwrap();
    assert!(keyed.alpha()[180 * 640 + 300..][..40].iter().all(|alpha| *alpha == 255));
}

#[test]
fn whole_numbers_are_exact_enough() {
    for (u, v) in [(-38.0, -68.0), (100.0, -20.0), (-13.0, -13.0), (0.0, 18.0), (127.0, 127.0)] {
        for full in [PERSON + 0.05, 0.5, 1.2] {
            let key = Key { u, v, full };
            let fixed = Fixed::new(key, 1.0);
            for (x, y) in (0..=255).step_by(5).flat_map(|x| (0..=255).step_by(5).map(move |y| (x, y))) {
                let (mut into_u, mut into_v, mut alpha) = ([0], [0], [0]);
                key_row(&[x], &[y], fixed, &mut into_u, &mut into_v, &mut alpha);
                let (from_u, from_v) = (f32::from(x) - 128.0, f32::from(y) - 128.0);
                let share = key.share(from_u, from_v).max(0.0);
                let expected = 255.0 - 255.0 * (share - PERSON) / (full - PERSON);
                let tolerance = 1.0 + 255.0 / (key.square() * (full - PERSON));
                assert!((f32::from(alpha[0]) - expected.clamp(0.0, 255.0)).abs() <= tolerance, "{key:?} {x} {y}");
                for (found, from, part) in [(into_u[0], from_u, u), (into_v[0], from_v, v)] {
                    let expected = (128.0 + from - share * part).clamp(0.0, 255.0);
                    assert!((f32::from(found) - expected).abs() <= 1.0, "{key:?} {x} {y}");
                }
            }
        }
    }
}

#[test]
fn a_screen_that_ends_close_to_the_person_does_not_show_the_room_behind_it() {
    let size = Size::new(640, 360).unwrap();
    let mut keyed_frames = 0;
    for room in [Yuv { y: 80, u: 100, v: 200 }, Yuv { y: 140, u: 128, v: 128 }, Yuv { y: 60, u: 150, v: 110 }] {
        for end in [402, 408, 415, 424] {
            let short = |x: usize, y: usize| if (100..end).contains(&x) { green(640)(x, y) } else { room };
            let Picture { frame, mask, .. } = picture(size, SHIRT, short);
            let mut screen = Screen::new(size);
            let whole = picture(size, SHIRT, green(640));
            screen.key(&whole.frame, Some(&whole.mask), &look());
            let (used, keyed) = screen.key(&frame, Some(&mask), &look());
            keyed_frames += u32::from(!std::ptr::eq(used, &frame)); // otherwise, the models' mask is used everywhere
            for (at, (found, model)) in keyed.unwrap().alpha().iter().zip(mask.alpha()).enumerate() {
                let x = at % 640;
                assert!(x < end + 2 || found.abs_diff(*model) < 8, "{room:?}, screen to {end}: {found} at {x}");
            }
        }
    }
    assert!(keyed_frames >= 6, "{keyed_frames}");
}

#[test]
fn any_size_works_and_enlarging_is_exact() {
    for (width, height) in SIZES {
        let size = Size::new(width, height).unwrap();
        let mut screen = Screen::new(size);
        for value in [0, 1, 77, 254, 255] {
            screen.alpha.fill(value);
            screen.enlarge();
            assert!(screen.mask.alpha().iter().all(|alpha| *alpha == value));
        }
        let Picture { frame, mask, .. } = picture(size, SHIRT, green(size.width()));
        screen.key(&frame, Some(&mask), &look());
    }
}
