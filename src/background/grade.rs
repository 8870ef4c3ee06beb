//! Grading of background images and videos: blur, brightness, saturation.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use crate::{
    frame::blur::Defocus,
    frame::{Frame, Size},
    look::Look,
};

/// The adjustment of an image or video; each value does nothing at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grade {
    /// 0 to 100 (nothing recognizable), as strong as the blurred room of that strength.
    pub blur: u8,
    /// -100 (black) to 100 (white).
    pub brightness: i8,
    /// -100 (grey) to 100 (twice the saturation).
    pub saturation: i8,
}

impl Grade {
    /// The background settings of `look`.
    pub fn of(look: &Look) -> Self {
        Self {
            blur: look.background_blur.clamp(0, 100) as u8,
            brightness: look.background_brightness.clamp(-100, 100) as i8,
            saturation: look.background_saturation.clamp(-100, 100) as i8,
        }
    }

    /// Whether it changes nothing.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Grades frames; owns the buffers.
#[derive(Debug)]
pub(super) struct Grader {
    grade: Grade,
    size: Size,
    /// Allocated on the first use.
    defocus: Option<Defocus>,
}

impl Grader {
    pub(super) fn new(grade: Grade, size: Size) -> Self {
        Self { grade, size, defocus: None }
    }

    pub(super) fn change(&mut self, grade: Grade) {
        self.grade = grade;
    }

    /// Grades `frame` in place. Allocates nothing after the first blur.
    pub(super) fn apply(&mut self, frame: &mut Frame) {
        let Grade { blur, brightness, saturation } = self.grade;
        if blur > 0 {
            self.defocus.get_or_insert_with(|| Defocus::new(self.size)).apply(frame, blur);
        }
        if brightness == 0 && saturation == 0 {
            return;
        }
        let (keep, to) = light(brightness);
        let colour = i32::from(keep) * (100 + i32::from(saturation.clamp(-100, 100))) / 200;
        let (y, u, v) = frame.planes_mut();
        lighten(y, keep, to);
        saturate(u, colour as i16); // 0 to 256
        saturate(v, colour as i16);
    }
}

/// The share of luma that is kept, in 1/256, and the value the rest moves to: black or white.
fn light(brightness: i8) -> (u16, u16) {
    let brightness = brightness.clamp(-100, 100);
    let keep = 256 - u16::from(brightness.unsigned_abs()) * 256 / 100;
    (keep, if brightness < 0 { 16 } else { 235 })
}

/// Blends luma with `to`.
#[multiversion(targets = "simd")]
fn lighten(plane: &mut [u8], keep: u16, to: u16) {
    let add = to * (256 - keep) + 128;
    for luma in plane {
        *luma = ((u16::from(*luma) * keep + add) >> 8) as u8; // at most 255 * 256 + 128
    }
}

/// Multiplies chroma by `factor`, in 1/128.
#[multiversion(targets = "simd")]
fn saturate(plane: &mut [u8], factor: i16) {
    for chroma in plane {
        let colour = (i16::from(*chroma) - 128) * factor; // at least -128 * 256
        *chroma = (128 + (colour >> 7)).clamp(16, 240) as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Yuv;

    fn graded(colour: Yuv, grade: Grade) -> Yuv {
        let size = Size::new(16, 16).unwrap();
        let mut frame = Frame::new(size);
        frame.fill(colour);
        Grader::new(grade, size).apply(&mut frame);
        let (y, u, v) = frame.planes();
        Yuv { y: y[33], u: u[9], v: v[9] }
    }

    #[test]
    fn the_extremes_are_black_white_and_grey() {
        let red = Yuv::from_rgb(200, 30, 30);
        let of = |brightness, saturation| graded(red, Grade { blur: 0, brightness, saturation });
        assert_eq!(of(-100, 0), Yuv::BLACK);
        assert_eq!(of(100, 0), Yuv::from_rgb(255, 255, 255));
        assert_eq!(of(0, -100), Yuv { u: 128, v: 128, ..red });
        assert_eq!(of(0, 0), red);
        assert!(of(0, 50).v > red.v && of(0, 50).y == red.y);
        assert_eq!(graded(red, Grade { blur: 70, ..Grade::default() }), red, "a flat image stays flat");
    }

    #[test]
    fn blur_removes_detail() {
        let size = Size::new(64, 64).unwrap();
        let mut frame = Frame::new(size);
        frame
            .planes_mut()
            .0
            .iter_mut()
            .enumerate()
            .for_each(|(at, luma)| *luma = if at / 4 % 2 == 0 { 40 } else { 200 });
        Grader::new(Grade { blur: 100, ..Grade::default() }, size).apply(&mut frame);
        // at the sides the outermost stripes are repeated
        let middle = frame.planes().0.chunks_exact(64).flat_map(|row| &row[16..48]);
        assert!(middle.into_iter().all(|luma| (100..140).contains(luma)));
    }

    proptest! {
        #[test]
        fn it_matches_the_formula(
            y in 16..=235u8, u in 16..=240u8, v in 16..=240u8, brightness in -100..=100i8, saturation in -100..=100i8,
        ) {
            let got = graded(Yuv { y, u, v }, Grade { blur: 0, brightness, saturation });
            let keep = 1.0 - f64::from(brightness).abs() / 100.0;
            let to = if brightness < 0 { 16.0 } else { 235.0 };
            prop_assert!((f64::from(got.y) - (f64::from(y) * keep + to * (1.0 - keep))).abs() <= 1.6);
            for (got, chroma) in [(got.u, u), (got.v, v)] {
                let exact = 128.0 + (f64::from(chroma) - 128.0) * keep * (1.0 + f64::from(saturation) / 100.0);
                prop_assert!((f64::from(got) - exact.clamp(16.0, 240.0)).abs() <= 2.5, "{got} for {exact}");
            }
        }
    }
}
