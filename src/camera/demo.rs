//! The `demo` source: a person in a room, without hardware.
//!
//! The person sways slightly, so that frames differ and a stale background is noticeable. The segmentation models detect
//! a photographed person but no drawn one. Person and room are P001's selfie of the PyPI package `openpeople` 0.1.2
//! (MIT, see `NOTICE`); it was made by a generator, and the person does not exist. The selfie was widened to 16:9 at its
//! sides, cut out with `bgcam render --quality high`, and what the person hides was filled from around it.
//!
//! Everything is scaled once; a frame costs a copy of the room and a blend of the person.

use std::{
    f64::consts::TAU,
    time::{Duration, Instant},
};

use image::{
    DynamicImage, ImageFormat,
    imageops::{FilterType, resize},
};
use multiversion::multiversion;

use super::{CameraError, FrameSource, SourceInfo, pace::Pacer};
use crate::{
    background::{Fit, fit_image},
    frame::{Frame, Size},
    media::image_file::to_frame,
};

const ROOM: &[u8] = include_bytes!("demo/room.jpg");
const FIGURE: &[u8] = include_bytes!("demo/figure.jpg");
const FIGURE_ALPHA: &[u8] = include_bytes!("demo/figure-alpha.png");

/// The height of the picture of the room; the figure has the same scale.
const ROOM_HEIGHT: f64 = 720.0;
/// The centre of the figure, from that of the room, and its upper end, in pixels of the room. Its lower end stays below
/// the frame.
const FIGURE_AT: (f64, f64) = (-120.0, 52.0);
/// Amplitude of the sway to each side, and how far it goes up, as a fraction of the frame's height, and its period.
const SWAY: (f64, f64) = (0.034, 0.02);
const SWAY_PERIOD: Duration = Duration::from_secs(5);

/// The demo scene.
#[derive(Debug)]
struct Demo {
    info: SourceInfo,
    room: Frame,
    figure: Figure,
    pace: Pacer,
    started: Option<Instant>,
    seq: u64,
}

/// Opens the demo scene.
pub(super) fn open(size: Size, fps: u32) -> Result<Box<dyn FrameSource>, CameraError> {
    let broken = |why: String| CameraError::NotVideo { path: "demo".into(), why };
    let native = (size.width() as u32, size.height() as u32);
    let fps = f64::from(fps.clamp(1, 240));
    let info = SourceInfo { name: "demo".into(), path: None, id: None, fourcc: "YU12".into(), native, fps };
    let figure = Figure::new(size).map_err(broken)?;
    let room = room(size).map_err(broken)?;
    Ok(Box::new(Demo { info, room, figure, pace: Pacer::new(fps), started: None, seq: 0 }))
}

impl FrameSource for Demo {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn size(&self) -> Size {
        self.room.size()
    }

    fn next(&mut self, into: &mut Frame) -> Result<(), CameraError> {
        self.pace.wait();
        let now = Instant::now();
        let phase = now.duration_since(*self.started.get_or_insert(now)).as_secs_f64() / SWAY_PERIOD.as_secs_f64();
        into.copy_from(&self.room);
        self.figure.draw(phase, into);
        self.seq += 1;
        into.seq = self.seq;
        into.captured_at = now;
        Ok(())
    }
}

/// The figure at the size at which it is drawn.
#[derive(Debug)]
struct Figure {
    image: Frame,
    alpha: Box<[u8]>,
    alpha_half: Box<[u8]>,
}

impl Figure {
    fn new(size: Size) -> Result<Self, String> {
        let (image, alpha) = (decode(FIGURE, ImageFormat::Jpeg)?, decode(FIGURE_ALPHA, ImageFormat::Png)?);
        let even = |side: f64| ((side / 2.0).round() as u32 * 2).clamp(16, 8192);
        let zoom = size.height() as f64 / ROOM_HEIGHT;
        let (width, height) = (even(f64::from(image.width()) * zoom), even(f64::from(image.height()) * zoom));
        let image = resize(&image.into_rgb8(), width, height, FilterType::CatmullRom);
        let alpha = alpha.into_luma8();
        let alpha = |width, height| resize(&alpha, width, height, FilterType::Triangle).into_raw().into_boxed_slice();
        Ok(Self {
            image: to_frame(&image).map_err(|error| error.to_string())?,
            alpha: alpha(width, height),
            alpha_half: alpha(width / 2, height / 2),
        })
    }

    /// Blends the figure into `into`, at `phase` turns of its sway.
    fn draw(&self, phase: f64, into: &mut Frame) {
        let (width, height) = (into.size().width(), into.size().height());
        let own_width = self.image.size().width();
        let span = height as f64;
        let zoom = span / ROOM_HEIGHT;
        // In steps of chroma samples. The person rises at the ends of the sway: the picture ends below the frame.
        let to_the_side = FIGURE_AT.0 * zoom + SWAY.0 * span * (phase * TAU).sin();
        let up = SWAY.1 * span * (1.0 - (2.0 * phase * TAU).cos()) / 2.0;
        let left = ((width as f64 - own_width as f64) / 4.0 + to_the_side / 2.0).round() as isize;
        let top = ((FIGURE_AT.1 * zoom - up) / 2.0).round() as isize;

        let (own_y, own_u, own_v) = self.image.planes();
        let (y, u, v) = into.planes_mut();
        blend_at(own_y, &self.alpha, own_width, y, width, (2 * left, 2 * top));
        blend_at(own_u, &self.alpha_half, own_width / 2, u, width / 2, (left, top));
        blend_at(own_v, &self.alpha_half, own_width / 2, v, width / 2, (left, top));
    }
}

/// Blends a plane into another one with its corner at (`x`, `y`), clipped at the edges.
fn blend_at(own: &[u8], alpha: &[u8], own_stride: usize, into: &mut [u8], stride: usize, (x, y): (isize, isize)) {
    let skip = x.min(0).unsigned_abs();
    let start = x.max(0) as usize;
    let rows = own.chunks_exact(own_stride).zip(alpha.chunks_exact(own_stride));
    let targets = into.chunks_exact_mut(stride).skip(y.max(0) as usize);
    for ((own, alpha), target) in rows.skip(y.min(0).unsigned_abs()).zip(targets) {
        if let (Some(own), Some(alpha), Some(target)) = (own.get(skip..), alpha.get(skip..), target.get_mut(start..)) {
            blend(own, alpha, target);
        }
    }
}

#[multiversion(targets = "simd")]
fn blend(own: &[u8], alpha: &[u8], into: &mut [u8]) {
    for (into, (own, alpha)) in into.iter_mut().zip(own.iter().zip(alpha)) {
        let alpha = u16::from(*alpha);
        let sum = u16::from(*own) * alpha + u16::from(*into) * (255 - alpha) + 128;
        *into = ((sum + (sum >> 8)) >> 8) as u8;
    }
}

/// The room, enlarged or reduced to fill the frame.
fn room(size: Size) -> Result<Frame, String> {
    let picture = decode(ROOM, ImageFormat::Jpeg)?;
    Ok(fit_image(picture.into_rgb8(), Fit::Cover, size))
}

fn decode(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, String> {
    image::load_from_memory_with_format(bytes, format).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 300 of the scene at 1280x720.
    fn row(phase: f64) -> Vec<u8> {
        let mut frame = room(Size::HD).unwrap();
        Figure::new(Size::HD).unwrap().draw(phase, &mut frame);
        frame.planes().0[300 * 1280..][..1280].to_vec()
    }

    #[test]
    fn the_person_moves_and_the_room_does_not() {
        let [left, middle, right] = [-0.25, 0.0, 0.25].map(row);
        assert!(left[330..700] != middle[330..700] && middle[330..700] != right[330..700]);
        for side in [0..180, 880..1280] {
            assert!(left[side.clone()] == middle[side.clone()] && middle[side.clone()] == right[side]);
        }
    }

    #[test]
    fn the_person_reaches_the_lower_edge_at_any_time() {
        for text in ["1280x720", "640x480", "360x640"] {
            let size: Size = text.parse().unwrap();
            let figure = Figure::new(size).unwrap();
            for step in 0..20 {
                let mut frame = Frame::new(size);
                figure.draw(f64::from(step) / 20.0, &mut frame);
                let (width, height) = (size.width(), size.height());
                let middle = width / 2 - height / 6;
                assert!(frame.planes().0[(height - 1) * width + middle] > 20, "{text} at {step}/20");
            }
        }
    }

    #[test]
    fn every_size_can_be_drawn() {
        for text in ["16x16", "640x480", "480x640", "8192x16", "16x1000", "1920x1080"] {
            let size: Size = text.parse().unwrap();
            let figure = Figure::new(size).unwrap();
            let room = room(size).unwrap();
            for step in 0..8 {
                figure.draw(f64::from(step) / 8.0, &mut room.clone());
            }
        }
    }
}
