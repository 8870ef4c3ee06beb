//! Selects the part of the camera frame that is shown: zoomed, panned, or following the person.

use multiversion::multiversion;

use crate::{
    frame::{Frame, Mask, Size},
    look::Look,
};

/// The distance in pixels between samples of the mask.
const STRIDE: usize = 8;

/// The minimum alpha of a sample of the person.
const MIN_ALPHA: u8 = 128;

/// The share of a person's height, from the top, that contains the head.
const HEAD_SHARE: f32 = 0.3;

/// The height of an automatic crop and the space above the head, in head widths.
const HEIGHT_IN_HEADS: f32 = 3.2;
const HEADROOM: f32 = 0.45;

/// The maximum zoom of automatic framing, if no zoom is set.
const MAX_AUTO_ZOOM: f32 = 2.0;

/// How far the person may move before the crop follows, as a share of the crop's height.
const DEAD_ZONE: f32 = 0.06;

/// The share of the remaining distance that the crop moves per frame.
const STEP_SHARE: f32 = 0.06;

/// The maximum number of frames to catch up after a gap.
const MAX_GAP: u64 = 8;

/// A part of the frame with the frame's aspect ratio, in luma pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Crop {
    /// The centre.
    x: f32,
    y: f32,
    /// 1 is the whole frame.
    zoom: f32,
}

/// Crops the frame, following the person if set.
#[derive(Debug)]
pub(super) struct Framing {
    size: Size,
    frame: Frame,
    mask: Mask,
    /// The current crop, and the one it moves to.
    now: Option<(Crop, Crop)>,
    /// The number of the last frame.
    seq: u64,
    scaler: Scaler,
}

impl Framing {
    pub(super) fn new(size: Size) -> Self {
        Self { size, frame: Frame::new(size), mask: Mask::new(size), now: None, seq: 0, scaler: Scaler::new(size) }
    }

    /// The part of `frame` and `mask` selected by `look`, at full size; the originals if that is all of them.
    pub(super) fn frame<'a>(
        &'a mut self,
        frame: &'a Frame,
        mask: Option<&'a Mask>,
        look: &Look,
    ) -> (&'a Frame, Option<&'a Mask>) {
        let crop = if look.auto_frame {
            self.follow(frame.seq, mask, look)
        } else {
            self.now = None;
            self.fixed(look)
        };
        let crop = self.within(crop);
        if crop.zoom <= 1.001 {
            return (frame, mask);
        }
        let (width, height) = (self.size.width() as f32 / crop.zoom, self.size.height() as f32 / crop.zoom);
        let (left, top) = (crop.x - width / 2.0, crop.y - height / 2.0);
        let (columns, rows) = (self.size.width(), self.size.height());
        let (y, u, v) = frame.planes();
        let (into_y, into_u, into_v) = self.frame.planes_mut();
        self.scaler.run(y, (columns, rows), (left, top), crop.zoom, into_y);
        for (from, into) in [(u, into_u), (v, into_v)] {
            self.scaler.run(from, (columns / 2, rows / 2), (left / 2.0, top / 2.0), crop.zoom, into);
        }
        self.frame.seq = frame.seq;
        self.frame.captured_at = frame.captured_at;
        let mask = mask.map(|mask| {
            self.scaler.run(mask.alpha(), (columns, rows), (left, top), crop.zoom, self.mask.alpha_mut());
            self.mask.seq = mask.seq;
            self.mask.captured_at = mask.captured_at;
            &self.mask
        });
        (&self.frame, mask)
    }

    fn whole(&self) -> Crop {
        Crop { x: self.size.width() as f32 / 2.0, y: self.size.height() as f32 / 2.0, zoom: 1.0 }
    }

    fn fixed(&self, look: &Look) -> Crop {
        let (width, height) = (self.size.width() as f32, self.size.height() as f32);
        let zoom = look.zoom.max(100) as f32 / 100.0;
        let off = |pan: i32, side: f32| side / 2.0 * (1.0 + (1.0 - 1.0 / zoom) * pan as f32 / 100.0);
        Crop { x: off(look.pan_x, width), y: off(look.pan_y, height), zoom }
    }

    /// Moves towards the person's head, or to the whole frame if there is no person. A frame that is composed twice, as
    /// during a fade, counts as one step.
    fn follow(&mut self, seq: u64, mask: Option<&Mask>, look: &Look) -> Crop {
        let frames = match seq.checked_sub(self.seq) {
            Some(frames) => frames.min(MAX_GAP) as i32,
            None if self.seq - seq <= MAX_GAP => 0, // an earlier frame whose mask was late
            None => 1,                              // another stream
        };
        if frames > 0 {
            self.seq = seq;
        }
        let max_zoom = if look.zoom > 100 { look.zoom as f32 / 100.0 } else { MAX_AUTO_ZOOM };
        let found = mask.and_then(|mask| self.target(mask, max_zoom));
        let wanted = self.within(found.unwrap_or_else(|| self.whole()));
        let (now, goal) = self.now.unwrap_or((wanted, wanted));
        let height = self.size.height() as f32 / goal.zoom;
        let has_moved = (wanted.x - goal.x).hypot(wanted.y - goal.y) > DEAD_ZONE * height
            || (wanted.zoom / goal.zoom - 1.0).abs() > 2.0 * DEAD_ZONE;
        let goal = if has_moved { wanted } else { goal };
        let left = (1.0 - STEP_SHARE).powi(frames);
        let step = |from: f32, to: f32| to + (from - to) * left;
        let now = Crop { x: step(now.x, goal.x), y: step(now.y, goal.y), zoom: step(now.zoom, goal.zoom) };
        self.now = Some((now, goal));
        now
    }

    /// The crop that places the person's head.
    fn target(&self, mask: &Mask, max_zoom: f32) -> Option<Crop> {
        let (width, height) = (self.size.width(), self.size.height());
        let rows = || mask.alpha().chunks_exact(width).step_by(STRIDE);
        let inside = |row: &[u8]| row.iter().step_by(STRIDE).filter(|alpha| **alpha >= MIN_ALPHA).count();
        let top = rows().position(|row| inside(row) >= 2)?;
        let head = (((height / STRIDE - top) as f32 * HEAD_SHARE) as usize).max(1);
        let mut count = 0_usize;
        let mut sum = 0_usize;
        let mut widest = 0_usize;
        for row in rows().skip(top).take(head) {
            let columns = row.iter().step_by(STRIDE).enumerate().filter(|(_, alpha)| **alpha >= MIN_ALPHA);
            let (n, at) = columns.fold((0, 0), |(n, at), (x, _)| (n + 1, at + x));
            count += n;
            sum += at;
            widest = widest.max(n);
        }
        let head_width = (count as f32 / head as f32 * STRIDE as f32).max(1.0);
        let zoom = (height as f32 / (HEIGHT_IN_HEADS * head_width)).clamp(1.0, max_zoom);
        let x = (sum as f32 / count.max(1) as f32 + 0.5) * STRIDE as f32;
        let shown = height as f32 / zoom;
        let y = (top * STRIDE) as f32 - HEADROOM * head_width + shown / 2.0;
        Some(Crop { x, y, zoom })
    }

    /// The nearest crop within the frame.
    fn within(&self, Crop { x, y, zoom }: Crop) -> Crop {
        let zoom = zoom.max(1.0);
        let keep = |at: f32, side: usize| {
            let half = side as f32 / zoom / 2.0;
            at.clamp(half, side as f32 - half)
        };
        Crop { x: keep(x, self.size.width()), y: keep(y, self.size.height()), zoom }
    }
}

/// Enlarges a part of a plane bilinearly.
#[derive(Debug)]
struct Scaler {
    /// For each column: the first of its two source columns, and the weight of the second in 1/256.
    columns: Box<[(u32, u16)]>,
    /// Two source rows enlarged to the full width, and their numbers.
    rows: [Box<[u8]>; 2],
    held: [Option<usize>; 2],
}

impl Scaler {
    fn new(size: Size) -> Self {
        let row = || vec![0; size.width()].into_boxed_slice();
        Self { columns: vec![(0, 0); size.width()].into(), rows: [row(), row()], held: [None; 2] }
    }

    fn run(
        &mut self,
        from: &[u8],
        (width, height): (usize, usize),
        (left, top): (f32, f32),
        zoom: f32,
        into: &mut [u8],
    ) {
        let columns = &mut self.columns[..width];
        for (x, column) in columns.iter_mut().enumerate() {
            let (first, weight) = source(x, left, zoom, width);
            *column = (first as u32, weight);
        }
        self.held = [None; 2];
        for (y, into) in into.chunks_exact_mut(width).enumerate() {
            let (first, weight) = source(y, top, zoom, height);
            for row in [first, (first + 1).min(height - 1)] {
                let slot = &mut self.rows[row % 2][..width];
                if self.held[row % 2] != Some(row) {
                    widen(&from[row * width..][..width], columns, slot);
                    self.held[row % 2] = Some(row);
                }
            }
            let (above, below) = (&self.rows[first % 2][..width], &self.rows[(first + 1).min(height - 1) % 2][..width]);
            between(above, below, weight, into);
        }
    }
}

/// The source of pixel `at`: the first of two pixels, and the weight of the second in 1/256.
fn source(at: usize, start: f32, zoom: f32, side: usize) -> (usize, u16) {
    let place = (start + (at as f32 + 0.5) / zoom - 0.5).clamp(0.0, (side - 1) as f32);
    let first = place as usize;
    (first, ((place - first as f32) * 256.0) as u16)
}

fn widen(from: &[u8], columns: &[(u32, u16)], into: &mut [u8]) {
    let last = from.len() - 1;
    for (into, &(first, weight)) in into.iter_mut().zip(columns) {
        let first = first as usize;
        let (a, b) = (u16::from(from[first]), u16::from(from[(first + 1).min(last)]));
        *into = ((u32::from(a) * u32::from(256 - weight) + u32::from(b) * u32::from(weight) + 128) >> 8) as u8;
    }
}

#[multiversion(targets = "simd")]
fn between(above: &[u8], below: &[u8], weight: u16, into: &mut [u8]) {
    for ((into, &above), &below) in into.iter_mut().zip(above).zip(below) {
        *into = ((u16::from(above) * (256 - weight) + u16::from(below) * weight + 127) >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person whose head is `width` pixels wide, centred at `x`, and starts at `top`.
    fn person(x: usize, top: usize, width: usize) -> Mask {
        let mut mask = Mask::new(Size::HD);
        for (at, alpha) in mask.alpha_mut().iter_mut().enumerate() {
            *alpha = u8::from((at % 1280).abs_diff(x) < width / 2 && at / 1280 >= top) * 255;
        }
        mask
    }

    fn gradient() -> Frame {
        let mut frame = Frame::new(Size::HD);
        frame.data_mut().iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 640 / 3) as u8);
        frame
    }

    #[test]
    fn without_zoom_nothing_is_copied() {
        let (frame, mask) = (gradient(), person(640, 200, 200));
        let mut framing = Framing::new(Size::HD);
        let (shown, cut) = framing.frame(&frame, Some(&mask), &Look::neutral());
        assert!(std::ptr::eq(shown, &frame) && std::ptr::eq(cut.unwrap(), &mask));
    }

    #[test]
    fn zoom_and_pan_select_a_part() {
        let mut frame = Frame::new(Size::HD);
        let (y, ..) = frame.planes_mut();
        y.iter_mut()
            .enumerate()
            .for_each(|(at, y)| *y = u8::from(at % 1280 >= 640) * 100 + u8::from(at / 1280 >= 360) * 50);
        let quarter = |pan_x, pan_y| {
            let look = Look { zoom: 200, pan_x, pan_y, ..Look::neutral() };
            let mut framing = Framing::new(Size::HD);
            let (shown, _) = framing.frame(&frame, None, &look);
            (shown.planes().0[10 * 1280 + 10], shown.planes().0[700 * 1280 + 1270])
        };
        assert_eq!(quarter(0, 0), (0, 150));
        assert_eq!(quarter(-100, -100), (0, 0));
        assert_eq!(quarter(100, 100), (150, 150));
        assert_eq!(quarter(100, -100), (100, 100));
    }

    #[test]
    fn it_follows_the_head_smoothly_and_ignores_small_moves() {
        let (mut frame, look) = (gradient(), Look { auto_frame: true, ..Look::neutral() });
        frame.seq = 100;
        let mut framing = Framing::new(Size::HD);
        let mut run = |framing: &mut Framing, mask: &Mask, frames: usize| {
            let mut last = None;
            let mut longest: f32 = 0.0;
            for _ in 0..frames {
                frame.seq += 1;
                framing.frame(&frame, Some(mask), &look);
                let once = framing.now;
                framing.frame(&frame, Some(mask), &look);
                assert_eq!(framing.now, once, "the same frame twice");
                frame.seq -= 1;
                framing.frame(&frame, Some(mask), &look);
                assert_eq!(framing.now, once, "the previous frame");
                frame.seq += 1;
                let (now, _) = framing.now.unwrap();
                longest = longest.max(last.map_or(0.0, |last: f32| (now.x - last).abs()));
                last = Some(now.x);
            }
            (framing.now.unwrap().0, longest)
        };
        let (first, _) = run(&mut framing, &person(500, 200, 120), 1);
        assert!((first.x - 500.0).abs() < 12.0 && first.zoom > 1.7, "it starts at the person: {first:?}");
        let (moved, longest) = run(&mut framing, &person(800, 200, 120), 150);
        assert!((moved.x - 800.0).abs() < 12.0 && longest < 25.0, "{moved:?}, steps up to {longest}");
        let (rested, _) = run(&mut framing, &person(810, 204, 120), 60);
        assert!((rested.x - moved.x).abs() < 2.0, "a small move is ignored");
        let (empty, _) = run(&mut framing, &Mask::new(Size::HD), 200);
        assert!(empty.zoom < 1.01, "{empty:?}");
    }

    #[test]
    fn a_large_head_is_not_enlarged_and_a_crop_stays_within_the_frame() {
        let (frame, look) = (gradient(), Look { auto_frame: true, zoom: 400, ..Look::neutral() });
        for (x, top, width) in [(640, 40, 500), (5, 0, 60), (1275, 700, 60), (0, 360, 16)] {
            let mut framing = Framing::new(Size::HD);
            framing.frame(&frame, Some(&person(x, top, width)), &look);
            let crop = framing.within(framing.now.unwrap().0);
            let (half_x, half_y) = (640.0 / crop.zoom, 360.0 / crop.zoom);
            assert!(crop.x - half_x > -0.1 && crop.x + half_x < 1280.1, "{crop:?}");
            assert!(crop.y - half_y > -0.1 && crop.y + half_y < 720.1, "{crop:?}");
        }
    }
}
