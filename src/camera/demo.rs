//! The `demo` source: a person in a room, without hardware.
//!
//! The person is NASA's portrait of the astronaut Eileen Collins, cut out at head and shoulders: the segmentation
//! models detect a photographed person but no computer-drawn figure. The photograph is in the public domain (NASA
//! Great Images, "no known copyright restrictions"); it is `skimage/data/astronaut.png` of the PyPI package
//! `scikit-image`. The cut-out was made for bgcam. The room is drawn by code. The person sways slightly so that
//! frames differ and a stale background is noticeable.
//!
//! Everything is drawn once; a frame costs a copy of the room and a blend of the figure.

use std::{
    f64::consts::TAU,
    time::{Duration, Instant},
};

use image::{ImageFormat, RgbImage, imageops::FilterType};
use multiversion::multiversion;

use super::{CameraError, FrameSource, SourceInfo, pace::Pacer};
use crate::frame::{Frame, Size, Yuv};

const FIGURE: &[u8] = include_bytes!("demo/figure.jpg");
const FIGURE_ALPHA: &[u8] = include_bytes!("demo/figure-alpha.png");

/// Height of the figure as a fraction of the frame's height; the lower end is below the frame.
const FIGURE_HEIGHT: f64 = 1.02;
/// Horizontal and vertical amplitude of the sway as a fraction of the frame's height, and its period.
const SWAY: (f64, f64) = (0.06, 0.02);
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
    Ok(Box::new(Demo { info, room: room(size), figure, pace: Pacer::new(fps), started: None, seq: 0 }))
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
        let load =
            |bytes, format| image::load_from_memory_with_format(bytes, format).map_err(|error| error.to_string());
        let (image, alpha) = (load(FIGURE, ImageFormat::Jpeg)?.into_rgb8(), load(FIGURE_ALPHA, ImageFormat::Png)?);
        let even = |side: f64| ((side / 2.0).round() as u32 * 2).clamp(16, 8192);
        let zoom = size.height() as f64 * FIGURE_HEIGHT / f64::from(image.height());
        let (width, height) = (even(f64::from(image.width()) * zoom), even(f64::from(image.height()) * zoom));
        let image: RgbImage = image::imageops::resize(&image, width, height, FilterType::CatmullRom);
        let alpha = |width, height| {
            let scaled = image::imageops::resize(&alpha.to_luma8(), width, height, FilterType::Triangle);
            scaled.into_raw().into_boxed_slice()
        };
        Ok(Self {
            image: crate::media::image_file::to_frame(&image).map_err(|error| error.to_string())?,
            alpha: alpha(width, height),
            alpha_half: alpha(width / 2, height / 2),
        })
    }

    /// Blends the figure into `into`, at `phase` turns of its sway.
    fn draw(&self, phase: f64, into: &mut Frame) {
        let (width, height) = (into.size().width(), into.size().height());
        let (own_width, own_height) = (self.image.size().width(), self.image.size().height());
        let span = height as f64;
        // In steps of chroma samples; the vertical motion has twice the horizontal frequency, as natural swaying
        // does.
        let offset = (SWAY.0 * span * (phase * TAU).sin() / 2.0).round() as isize;
        let down = (SWAY.1 * span * (1.0 - (2.0 * phase * TAU).cos()) / 4.0).round() as isize;
        let left = (width as isize / 2 - own_width as isize / 2) / 2 + offset;
        let top = (height as isize - own_height as isize) / 2 + (SWAY.1 * span / 2.0) as isize + down;

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

/// A room with a window, a shelf and a floor.
fn room(size: Size) -> Frame {
    let mut frame = Frame::new(size);
    let (width, height) = (size.width(), size.height());
    let mut rectangle = |[left, top, right, bottom]: [f64; 4], colour: Yuv| {
        let at = |share: f64, side: usize| (share * side as f64 / 2.0).round() as usize;
        let (columns, rows) = (at(left, width)..at(right, width), at(top, height)..at(bottom, height));
        let (y, u, v) = frame.planes_mut();
        for row in rows.start * 2..rows.end * 2 {
            y[row * width..][columns.start * 2..columns.end * 2].fill(colour.y);
        }
        for row in rows {
            u[row * width / 2..][columns.clone()].fill(colour.u);
            v[row * width / 2..][columns.clone()].fill(colour.v);
        }
    };
    let wall = Yuv::from_rgb(196, 188, 170);
    let floor = Yuv::from_rgb(120, 96, 72);
    let wood = Yuv::from_rgb(110, 78, 50);
    let (sky, frame_white) = (Yuv::from_rgb(150, 190, 224), Yuv::from_rgb(236, 234, 228));
    rectangle([0.0, 0.0, 1.0, 1.0], wall);
    rectangle([0.0, 0.86, 1.0, 1.0], floor);
    rectangle([0.0, 0.84, 1.0, 0.86], frame_white);
    rectangle([0.05, 0.10, 0.29, 0.58], frame_white); // the window
    rectangle([0.065, 0.13, 0.165, 0.55], sky);
    rectangle([0.175, 0.13, 0.275, 0.55], sky);
    rectangle([0.72, 0.36, 0.98, 0.385], wood); // the shelf and its books
    let spines = [(168, 60, 52), (60, 92, 136), (208, 168, 84), (84, 124, 88), (132, 84, 128), (220, 212, 196)];
    for (index, (red, green, blue)) in spines.into_iter().enumerate() {
        let left = 0.75 + 0.03 * index as f64;
        let top = [0.17, 0.20, 0.18, 0.22, 0.16, 0.19][index];
        rectangle([left, top, left + 0.025, 0.36], Yuv::from_rgb(red, green, blue));
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_person_moves_and_the_room_does_not() {
        let figure = Figure::new(Size::HD).unwrap();
        let drawn = |phase| {
            let mut frame = room(Size::HD);
            figure.draw(phase, &mut frame);
            frame
        };
        let (middle, offset) = (drawn(0.0), drawn(0.25));
        let differ = |row: usize, columns: std::ops::Range<usize>| {
            let at = |frame: &Frame| frame.planes().0[row * 1280..][columns.clone()].to_vec();
            at(&middle) != at(&offset)
        };
        assert!(differ(300, 400..900));
        assert!(!differ(300, 0..200));
        assert!(!differ(300, 1150..1280));
    }

    #[test]
    fn every_size_can_be_drawn() {
        for text in ["16x16", "640x480", "480x640", "8192x16", "16x1000", "1920x1080"] {
            let size: Size = text.parse().unwrap();
            let figure = Figure::new(size).unwrap();
            for step in 0..8 {
                figure.draw(f64::from(step) / 8.0, &mut room(size));
            }
        }
    }
}
