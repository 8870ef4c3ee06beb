//! The placeholder card shown while there is no camera frame.

use super::{
    Scene,
    paint::{Ink, rounded, stroke},
};
use crate::frame::blur::BAYER;
use crate::{
    background::Background,
    frame::{Frame, Yuv},
};

/// Why there is no camera frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// The camera is being opened.
    Starting,
    /// The camera is gone.
    CameraLost,
    /// No camera has been found yet.
    NoCamera,
    /// The camera is there, but has not worked yet.
    CameraFailed,
    /// Another program uses the camera.
    CameraBusy,
    /// The user paused the camera.
    Paused,
    /// The person cannot be separated from the room.
    ModelFailed,
}

impl Card {
    /// The title, and a second line with more detail.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Starting => ("Starting camera", ""),
            Self::CameraLost => ("Camera disconnected", "Waiting for the camera"),
            Self::NoCamera => ("No camera", "Waiting for a camera"),
            Self::CameraFailed => ("Camera unavailable", "Waiting for the camera"),
            Self::CameraBusy => ("Camera in use", "Another program is using it"),
            Self::Paused => ("Camera paused", ""),
            Self::ModelFailed => ("Camera hidden", "The background effect has stopped working"),
        }
    }
}

/// Draws `card` to `into`; `detail` replaces its second line unless it is empty. The card is drawn over the dimmed
/// background of `scene` if that is an image or a colour, otherwise over a plain dark one. Nothing from the camera is
/// visible.
///
/// Takes a few milliseconds and allocates: meant for changes of state, not for every frame.
///
/// # Panics
/// When the scene's background does not have the size of `into`.
pub fn draw(card: Card, detail: &str, scene: Option<&Scene>, into: &mut Frame) {
    match scene.map(|scene| &scene.background) {
        Some(Background::Image(background)) => dimmed(background, into),
        Some(Background::Moving(player)) => dimmed(&player.frame(), into),
        Some(Background::Colour(colour)) => {
            into.fill(*colour);
            dim(into);
        }
        Some(Background::Off | Background::Blur { .. }) | None => draw_default(into),
    }
    let mut ink = Ink::new(into.size());
    let (width, height) = (into.size().width() as f32, into.size().height() as f32);
    let unit = height.min(width * 0.62);
    let middle = (width / 2.0, height / 2.0 - unit * 0.085);
    let (title, line) = card.text();
    let line = if detail.is_empty() { line } else { detail };
    let lift = if line.is_empty() { 0.0 } else { unit * 0.025 };
    let middle = (middle.0, middle.1 - lift);
    camera(&mut ink, middle, unit * 0.2, card != Card::Starting);
    ink.text(title, (middle.0, middle.1 + unit * 0.235), unit * 0.082, 0.94);
    ink.text(line, (middle.0, middle.1 + unit * 0.305), unit * 0.046, 0.62);
    ink.blend_onto(into);
}

fn dimmed(background: &Frame, into: &mut Frame) {
    into.data_mut().copy_from_slice(background.data());
    dim(into);
}

/// Reduces luma to a third and chroma to a half, so that white text is readable on any background.
fn dim(frame: &mut Frame) {
    let (y, u, v) = frame.planes_mut();
    y.iter_mut().for_each(|luma| *luma = 16 + (u16::from(luma.saturating_sub(16)) * 84 / 256) as u8);
    u.iter_mut().chain(v).for_each(|chroma| *chroma = ((u16::from(*chroma) + 128) / 2) as u8);
}

/// Dark blue, a little lighter above the centre, dithered to avoid banding.
fn draw_default(frame: &mut Frame) {
    // a constant chroma: steps in chroma would show as coloured rings
    let Yuv { y: light, u: blue, v: red } = Yuv::from_rgb(50, 56, 70);
    let (light, dark) = (f32::from(light), 26.0);
    let (width, height) = (frame.size().width(), frame.size().height());
    let (luma, u, v) = frame.planes_mut();
    u.fill(blue);
    v.fill(red);
    for (row, line) in luma.chunks_exact_mut(width).enumerate() {
        for (column, luma) in line.iter_mut().enumerate() {
            let (x, y) = (column as f32 / width as f32 - 0.5, row as f32 / height as f32 - 0.36);
            let far = (x.hypot(y) / 0.8).min(1.0);
            let far = far * far * (3.0 - 2.0 * far);
            let threshold = (f32::from(BAYER[row % 8][column % 8]) + 0.5) / 64.0;
            *luma = (light + (dark - light) * far + threshold) as u8;
        }
    }
}

/// A video camera on a disc of width `size`, optionally crossed out.
fn camera(ink: &mut Ink, middle: (f32, f32), size: f32, crossed_out: bool) {
    ink.shape(middle, size, 0.12, |x, y| x.hypot(y) - size * 0.72);
    let s = size * 0.86;
    ink.shape(middle, size, 0.94, |x, y| {
        let body = rounded((x + s * 0.13, y), (s * 0.34, s * 0.27), s * 0.09);
        let lens = lens((x - s * 0.27, y), s);
        let camera = body.min(lens);
        if !crossed_out {
            return camera;
        }
        let (from, to) = ((-s * 0.44, -s * 0.42), (s * 0.44, s * 0.42));
        let bar = stroke((x, y), from, to, s * 0.075);
        // the bar has a transparent outline
        let rim = stroke((x, y), from, to, s * 0.23);
        camera.max(-rim).min(bar)
    });
}

/// The lens of the video camera: a trapezium, narrow at the body.
fn lens((x, y): (f32, f32), s: f32) -> f32 {
    let round = s * 0.04;
    let slope = 0.62f32;
    let side = (y.abs() - s * 0.07 - slope * x) / (1.0 + slope * slope).sqrt();
    side.max(x - s * 0.22 + round).max(-x + round) - round
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::Size;

    const CARDS: [Card; 7] = [
        Card::Starting,
        Card::CameraLost,
        Card::NoCamera,
        Card::CameraFailed,
        Card::CameraBusy,
        Card::Paused,
        Card::ModelFailed,
    ];

    fn card(card: Card, size: Size, scene: Option<&Scene>) -> Frame {
        let mut frame = Frame::new(size);
        frame.data_mut().fill(1);
        draw(card, "", scene, &mut frame);
        frame
    }

    #[test]
    fn cards_differ_and_fit_every_size() {
        for (width, height) in [(16, 16), (160, 120), (640, 480), (1280, 720), (480, 848)] {
            let size = Size::new(width, height).unwrap();
            let cards = CARDS.map(|kind| card(kind, size, None));
            assert!(cards.iter().flat_map(Frame::data).all(|byte| (16..=240).contains(byte)), "{size}");
            if width > 100 {
                assert!(cards.windows(2).all(|pair| pair[0].data() != pair[1].data()), "{size}");
                // text stays within the frame
                let edge = |frame: &Frame| frame.planes().0.chunks_exact(size.width()).any(|row| row[0] > 100);
                assert!(!cards.iter().any(edge), "{size}");
            }
        }
    }

    #[test]
    fn a_long_message_fits_every_size() {
        for (width, height) in [(160, 120), (640, 480), (1280, 720), (480, 848)] {
            let size = Size::new(width, height).unwrap();
            let mut frame = Frame::new(size);
            draw(Card::Paused, &"W".repeat(60), None, &mut frame);
            let margin = size.width() / 25;
            let is_dark =
                |row: &[u8]| row[..margin].iter().chain(&row[size.width() - margin..]).all(|luma| *luma < 100);
            assert!(frame.planes().0.chunks_exact(size.width()).all(is_dark), "{size}");
        }
    }

    #[test]
    fn a_card_is_drawn_over_the_dimmed_background() {
        let mut image = Frame::new(Size::HD);
        image.fill(Yuv::from_rgb(255, 99, 71));
        let colour = Background::Colour(Yuv::from_rgb(255, 99, 71));
        for background in [Background::Image(Arc::new(image)), colour] {
            let scene = Scene { background, ..Scene::off() };
            let frame = card(Card::Paused, Size::HD, Some(&scene));
            let (y, u, v) = frame.planes();
            assert!((40..80).contains(&y[0]) && u[0] < 128 && v[0] > 135, "{} {} {}", y[0], u[0], v[0]);
            assert!(y.iter().filter(|luma| **luma > 200).count() > 2000);
        }
    }

    #[test]
    fn a_blurred_scene_shows_nothing_of_the_room() {
        let scene = Scene { background: Background::Blur { strength: 50 }, ..Scene::off() };
        assert_eq!(card(Card::Paused, Size::HD, Some(&scene)).data(), card(Card::Paused, Size::HD, None).data());
    }
}
