//! Synthetic results of a keyframe model, judged next to a fast model's.

use super::*;

const SIZE: (usize, usize) = (160, 90);

/// Columns and rows: from, to.
type Area = (usize, usize, usize, usize);

const PERSON_AREA: Area = (60, 100, 20, 90);

fn plane(base: f32, areas: &[(Area, f32)]) -> Plane<f32> {
    let mut plane = Plane::new(SIZE.0, SIZE.1);
    plane.raw_mut().fill(base);
    for &((left, right, top, bottom), value) in areas {
        (top..bottom).for_each(|y| plane.row_mut(y)[left..right].fill(value));
    }
    plane.replicate();
    plane
}

fn fast() -> Plane<f32> {
    plane(0.0, &[(PERSON_AREA, 1.0)])
}

/// A frame in which an area has just moved.
fn moving(area: Option<Area>) -> Motion {
    let mut motion = Motion::new(SIZE.0 / 2, SIZE.1 / 2);
    let mut luma = Plane::new(SIZE.0 / 2, SIZE.1 / 2);
    motion.update(&luma, 1);
    if let Some((left, right, top, bottom)) = area {
        (top / 2..bottom / 2).for_each(|y| luma.row_mut(y)[left / 2..right / 2].fill(90));
    }
    motion.update(&luma, 1);
    motion
}

struct Stream {
    gate: Gate,
    has_keyframe: bool,
}

impl Stream {
    fn new() -> Self {
        Self { gate: Gate::new(SIZE.0, SIZE.1), has_keyframe: false }
    }

    fn judge(&mut self, fast: &Plane<f32>, key: &Plane<f32>, motion: &Motion) -> (Verdict, Plane<f32>) {
        let verdict = self.gate.judge(fast, key, motion, self.has_keyframe);
        self.has_keyframe |= verdict == Verdict::Use;
        let mut alpha = key.clone();
        if verdict == Verdict::Use {
            self.gate.apply(fast, (0.3, 0.8), &mut alpha);
        }
        (verdict, alpha)
    }
}

/// The mean alpha of an area.
fn mean(alpha: &Plane<f32>, (left, right, top, bottom): Area) -> f32 {
    let sum = (top..bottom).map(|y| alpha.row(y)[left..right].iter().sum::<f32>()).sum::<f32>();
    sum / ((right - left) * (bottom - top)) as f32
}

#[test]
fn a_wall_taken_for_clothes_makes_the_result_unusable() {
    let mut stream = Stream::new();
    for key in [plane(0.95, &[]), plane(0.9, &[(PERSON_AREA, 0.1)]), plane(0.08, &[(PERSON_AREA, 0.15)])] {
        assert_eq!(stream.judge(&fast(), &key, &moving(None)).0, Verdict::Reject);
    }
    assert!(stream.gate.rejects());
}

#[test]
fn one_implausible_result_is_skipped_and_trust_returns_slowly() {
    let mut stream = Stream::new();
    let (good, odd) = (fast(), plane(0.95, &[]));
    let mut next = |key: &Plane<f32>| {
        let verdict = stream.judge(&fast(), key, &moving(None)).0;
        (verdict, stream.gate.rejects())
    };
    assert_eq!(next(&good), (Verdict::Use, false));
    assert_eq!(next(&odd), (Verdict::Skip, false), "the previous keyframe is still good");
    assert_eq!(next(&good), (Verdict::Use, false));
    assert_eq!(next(&odd), (Verdict::Skip, false));
    assert_eq!(next(&odd), (Verdict::Reject, true));
    for _ in 0..20 {
        assert_eq!([&good, &good, &odd].map(&mut next), [(Verdict::Reject, true); 3], "no flapping");
    }
    assert_eq!([&good; 3].map(&mut next), [(Verdict::Reject, true); 3]);
    assert_eq!(next(&good), (Verdict::Use, false));
}

#[test]
fn only_the_implausible_part_of_a_result_is_rejected() {
    let lamp = (120, 150, 30, 90);
    let chair = (100, 122, 60, 90);
    let hair = (58, 102, 16, 20);
    let key = plane(0.08, &[(PERSON_AREA, 0.95), (lamp, 0.95), (hair, 0.95)]);
    let fast = plane(0.0, &[(hair, 0.1), (PERSON_AREA, 1.0)]);
    let (verdict, alpha) = Stream::new().judge(&fast, &key, &moving(None));
    assert_eq!(verdict, Verdict::Use);
    assert_eq!(mean(&alpha, lamp), 0.0, "a lamp");
    assert!(mean(&alpha, PERSON_AREA) > 0.9 && mean(&alpha, hair) > 0.9, "the person, with all hair");
    let key = plane(0.08, &[(PERSON_AREA, 0.95), (chair, 0.95)]);
    let (verdict, alpha) = Stream::new().judge(&fast, &key, &moving(None));
    assert_eq!(verdict, Verdict::Use);
    assert!(mean(&alpha, (103, 122, 60, 90)) < 0.05, "a chair touched by the person");
    assert!(mean(&alpha, PERSON_AREA) > 0.9, "the person stays");
}

#[test]
fn a_hand_at_the_end_of_a_thin_arm_stays() {
    let (arm, hand) = ((100, 118, 40, 44), (118, 128, 34, 48));
    let key = plane(0.08, &[(PERSON_AREA, 0.95), (arm, 0.95), (hand, 0.95)]);
    // the fast model finds only a faint arm
    let fast = plane(0.0, &[(PERSON_AREA, 1.0), (arm, 0.3), (hand, 0.8)]);
    let (_, alpha) = Stream::new().judge(&fast, &key, &moving(None));
    assert!(mean(&alpha, arm) > 0.9 && mean(&alpha, hand) > 0.9);
}

#[test]
fn a_hole_in_the_person_is_filled_unless_the_keyframe_model_is_certain() {
    let hole = (70, 90, 40, 60);
    for (raw, sure_fast, filled) in [(0.2, 1.0, true), (0.11, 1.0, true), (0.085, 1.0, false), (0.11, 0.95, false)] {
        let fast = plane(0.0, &[(PERSON_AREA, 1.0), (hole, sure_fast)]);
        let key = plane(0.08, &[(PERSON_AREA, 0.95), (hole, raw)]);
        let (verdict, alpha) = Stream::new().judge(&fast, &key, &moving(None));
        assert_eq!(verdict, Verdict::Use);
        assert_eq!(mean(&alpha, hole) > 0.9, filled, "key {raw}, fast {sure_fast}");
    }
}

#[test]
fn a_person_who_enters_is_accepted_before_the_fast_model_finds_them() {
    let entrant = (0, 20, 30, 90);
    let key = plane(0.08, &[(PERSON_AREA, 0.95), (entrant, 0.95)]);
    let (_, alpha) = Stream::new().judge(&fast(), &key, &moving(Some(entrant)));
    assert!(mean(&alpha, entrant) > 0.9);
    let (_, alpha) = Stream::new().judge(&fast(), &key, &moving(None));
    assert_eq!(mean(&alpha, entrant), 0.0, "a chair does not move");
    let wall = (0, 58, 0, 90);
    let key = plane(0.08, &[(PERSON_AREA, 0.95), (wall, 0.95)]);
    let (verdict, _) = Stream::new().judge(&fast(), &key, &moving(Some(wall)));
    assert_eq!(verdict, Verdict::Reject, "a wall that moves with the camera");
}

#[test]
fn an_empty_room_is_not_reported_as_a_contradiction() {
    let mut stream = Stream::new();
    let chair = (20, 60, 30, 90);
    let (_, alpha) = stream.judge(&plane(0.0, &[]), &plane(0.08, &[(chair, 0.95)]), &moving(None));
    assert!(mean(&alpha, chair) == 0.0 || !stream.has_keyframe);
    assert!(!stream.gate.rejects());
}
