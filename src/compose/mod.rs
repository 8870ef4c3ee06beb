//! Stage 4, compositing: blends the person over the background.
//!
//! In order: `screen` keys out a green screen, `framing` crops the camera frame, `edge` moves and feathers the mask,
//! `cell_means` averages frame, mask and background over a grid of cells, from which `fringe` removes the room's colour
//! along the edge and `tone` adjusts the person's brightness, `layers` blends them over the background, and an
//! [`Overlay`] comes last. The scene's [`Look`](crate::look::Look) decides which of these run.

pub mod card;
mod cell_means;
mod edge;
mod framing;
mod fringe;
mod layers;
mod overlay;
mod paint;
mod room;
mod scene;
mod screen;
mod tone;

pub use overlay::Overlay;
pub use room::{MIN_HIDING_BLUR, RoomVisible};
pub use scene::{Freeze, Scene};

use self::{edge::Edge, framing::Framing, layers::Layers, screen::Screen};
use crate::frame::{Frame, Mask, Size};

/// Composites frames with the background of a [`Scene`]; owns all buffers.
#[derive(Debug)]
pub struct Compositor {
    size: Size,
    screen: Screen,
    framing: Framing,
    edge: Edge,
    layers: Layers,
}

impl Compositor {
    /// Creates a compositor for frames of `size`.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            screen: Screen::new(size),
            framing: Framing::new(size),
            edge: Edge::new(size),
            layers: Layers::new(size),
        }
    }

    /// Writes `frame` to `into` as specified by `scene`, with the frame's number and time. Allocates nothing.
    ///
    /// Without a mask, the person is unknown, and nothing of the frame is shown except with
    /// [`Background::Off`](crate::background::Background::Off): the output is the background alone, and a blurred room
    /// is blurred strongly as a whole.
    ///
    /// [`Scene::mirror`] mirrors the camera image; a background image stays as it is, so that text in it is readable.
    /// [`Scene::paused`] is ignored: a [`card`] is shown then.
    ///
    /// Returns the mask as it was blended: framed and with the edge of [`Scene::look`], but not mirrored.
    ///
    /// # Panics
    /// When `frame`, `mask`, `into` or the scene's background does not have the compositor's size.
    pub fn compose<'a>(
        &'a mut self,
        frame: &'a Frame,
        mask: Option<&'a Mask>,
        scene: &Scene,
        into: &mut Frame,
    ) -> Option<&'a Mask> {
        assert_eq!((frame.size(), into.size()), (self.size, self.size), "frames of another size");
        assert!(mask.is_none_or(|mask| mask.size() == self.size), "a mask of another size");
        into.seq = frame.seq;
        into.captured_at = frame.captured_at;
        let (frame, mask) = self.screen.key(frame, mask, &scene.look);
        let (frame, mask) = self.framing.frame(frame, mask, &scene.look);
        let mask = mask.map(|mask| self.edge.shape(mask, &scene.look));
        self.layers.compose(frame, mask, scene, into);
        if let Some(overlay) = &scene.overlay {
            overlay.blend(into);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::*;
    use crate::{background::Background, frame::Yuv, look::Look};

    /// Represents the room: no background below has a similar colour.
    const FORBIDDEN: Yuv = Yuv { y: 235, u: 240, v: 16 };
    const SIZES: [(u32, u32); 3] = [(64, 48), (1280, 720), (66, 50)];

    fn frame(size: Size, pixel: impl Fn(usize) -> u8) -> Frame {
        let mut frame = Frame::new(size);
        frame.data_mut().iter_mut().enumerate().for_each(|(at, byte)| *byte = pixel(at));
        frame
    }

    /// Some texture, different for each `seed`, between black and middle grey.
    fn texture(size: Size, seed: usize) -> Frame {
        frame(size, |at| 16 + ((at * (7 + seed) + at / 11) % 100) as u8)
    }

    fn mask(size: Size, alpha: impl Fn(usize) -> u8) -> Mask {
        let mut mask = Mask::new(size);
        mask.alpha_mut().iter_mut().enumerate().for_each(|(at, value)| *value = alpha(at));
        mask
    }

    fn scene(background: Background) -> Scene {
        Scene { background, ..Scene::off() }
    }

    fn backgrounds(size: Size) -> [Background; 2] {
        [Background::Colour(Yuv::from_rgb(32, 60, 64)), Background::Image(Arc::new(texture(size, 5)))]
    }

    fn compose(frame: &Frame, mask: Option<&Mask>, scene: &Scene) -> Frame {
        // earlier content must not show through either
        let mut into = self::frame(frame.size(), |_| 77);
        Compositor::new(frame.size()).compose(frame, mask, scene, &mut into);
        into
    }

    fn sizes() -> impl Iterator<Item = Size> {
        SIZES.into_iter().map(|(width, height)| Size::new(width, height).unwrap())
    }

    fn mirrored(frame: &Frame) -> Frame {
        let mut into = frame.clone();
        let width = frame.size().width();
        let (y, u, v) = into.planes_mut();
        y.chunks_exact_mut(width)
            .chain(u.chunks_exact_mut(width / 2))
            .chain(v.chunks_exact_mut(width / 2))
            .for_each(<[u8]>::reverse);
        into
    }

    #[test]
    fn the_room_never_shows_without_a_person() {
        for size in sizes() {
            let mut room = Frame::new(size);
            room.fill(FORBIDDEN);
            let empty = Mask::new(size);
            for background in backgrounds(size) {
                for mirror in [false, true] {
                    let scene = Scene { mirror, ..scene(background.clone()) };
                    for mask in [None, Some(&empty)] {
                        let out = compose(&room, mask, &scene);
                        let (y, u, v) = out.planes();
                        assert!(y.iter().all(|y| *y < 200) && u.iter().all(|u| *u < 200) && v.iter().all(|v| *v > 15));
                    }
                }
            }
        }
    }

    #[test]
    fn the_returned_mask_is_the_one_that_was_blended() {
        let size = Size::new(64, 48).unwrap();
        let (room, person) = (texture(size, 1), mask(size, |at| if at % 64 < 32 { 255 } else { 0 }));
        let look = Look { edge_shift: -100, softness: 100, ..Look::neutral() };
        let scene = Scene { look, ..scene(Background::Colour(Yuv { y: 200, u: 128, v: 128 })) };
        let (mut compositor, mut into) = (Compositor::new(size), Frame::new(size));
        let blended = compositor.compose(&room, Some(&person), &scene, &mut into).unwrap();
        let (luma, shown) = (room.planes().0, into.planes().0);
        assert_ne!(blended.alpha(), person.alpha(), "the look has no effect");
        for ((&alpha, &luma), &shown) in blended.alpha().iter().zip(luma).zip(shown) {
            let expected = (i32::from(luma) * i32::from(alpha) + 200 * i32::from(255 - alpha)) / 255;
            assert!((i32::from(shown) - expected).abs() <= 2, "{shown} for {expected}");
        }
    }

    #[test]
    fn without_a_mask_only_the_background_is_shown() {
        for size in sizes() {
            let room = texture(size, 1);
            for background in backgrounds(size) {
                let empty = compose(&room, Some(&Mask::new(size)), &scene(background.clone()));
                let unmasked = compose(&room, None, &scene(background.clone()));
                assert_eq!(empty.data(), unmasked.data());
                if let Background::Image(image) = background {
                    assert_eq!(unmasked.data(), image.data());
                }
            }
        }
    }

    #[test]
    fn a_blur_without_a_mask_hides_everything_at_any_strength() {
        // stripes as wide as the strokes of a headline must disappear
        let room = frame(Size::HD, |at| if at / 12 % 2 == 0 { 40 } else { 200 });
        let out = compose(&room, None, &scene(Background::Blur { strength: 1 }));
        let row = &out.planes().0[360 * 1280 + 200..][..800];
        let (darkest, brightest) = (row.iter().min().unwrap(), row.iter().max().unwrap());
        assert!(brightest - darkest < 6, "{darkest} to {brightest}");
    }

    #[test]
    fn the_person_is_shown_unchanged() {
        for size in sizes() {
            let person = texture(size, 2);
            let full = mask(size, |_| 255);
            let blur = [1, 40, 100].map(|strength| Background::Blur { strength });
            for background in backgrounds(size).into_iter().chain(blur).chain([Background::Off]) {
                let plain = compose(&person, Some(&full), &scene(background.clone()));
                assert_eq!(plain.data(), person.data());
                let scene = Scene { mirror: true, ..scene(background) };
                assert_eq!(compose(&person, Some(&full), &scene).data(), mirrored(&person).data());
            }
        }
    }

    #[test]
    fn each_pixel_is_blended_by_its_own_alpha() {
        let size = Size::new(64, 48).unwrap();
        let (front, back) = (texture(size, 1), texture(size, 2));
        let mask = mask(size, |at| (at * 37 % 256) as u8);
        let out = compose(&front, Some(&mask), &scene(Background::Image(Arc::new(back.clone()))));
        let blend = |f: u8, b: u8, alpha: u32| ((u32::from(f) * alpha + u32::from(b) * (255 - alpha)) * 2 + 255) / 510;
        let f = front.planes();
        let b = back.planes();
        let o = out.planes();
        for (at, &alpha) in mask.alpha().iter().enumerate() {
            assert_eq!(u32::from(o.0[at]), blend(f.0[at], b.0[at], u32::from(alpha)));
        }
        for at in 0..size.chroma_len() {
            let corner = at / 32 * 128 + at % 32 * 2;
            let four = [corner, corner + 1, corner + 64, corner + 65].map(|at| u32::from(mask.alpha()[at]));
            let alpha = (four.iter().sum::<u32>() + 2) / 4;
            assert_eq!(u32::from(o.1[at]), blend(f.1[at], b.1[at], alpha));
            assert_eq!(u32::from(o.2[at]), blend(f.2[at], b.2[at], alpha));
        }
    }

    #[test]
    fn mirroring_affects_the_camera_and_not_the_background() {
        for size in sizes() {
            let (person, image) = (texture(size, 1), texture(size, 2));
            let half = mask(size, |at| if at % size.width() < size.width() / 2 { 255 } else { 0 });
            let scene = Scene { mirror: true, ..scene(Background::Image(Arc::new(image.clone()))) };
            let out = compose(&person, Some(&half), &scene);
            let (width, half) = (size.width(), size.width() / 2);
            assert_eq!(out.data()[..half], image.data()[..half]);
            assert_eq!(out.data()[half..width], mirrored(&person).data()[half..width]);

            let blurred =
                |mirror| compose(&person, None, &Scene { mirror, ..self::scene(Background::Blur { strength: 50 }) });
            let (plain, mirrored_back) = (blurred(false), mirrored(&blurred(true)));
            // only the thresholds of the dither are not mirrored
            assert!(plain.data().iter().zip(mirrored_back.data()).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }

    #[test]
    fn reused_buffers_never_leak_into_the_next_frame() {
        for (width, height) in [(66, 50), (130, 98), (854, 480), (1280, 720)] {
            let size = Size::new(width, height).unwrap();
            let mut used = Compositor::new(size);
            for seed in 1..5 {
                let frame = texture(size, seed);
                let edge = size.width() * seed / 5;
                let mask = mask(size, |at| ((at % size.width()).saturating_sub(edge) * 16).min(255) as u8);
                let look =
                    Look { light_wrap: if seed % 2 == 0 { 60 } else { 0 }, decontaminate: 80, ..Look::neutral() };
                let scene = Scene { look, ..scene(Background::Image(Arc::new(texture(size, 9)))) };
                let mut into = Frame::new(size);
                used.compose(&frame, Some(&mask), &scene, &mut into);
                assert!(into.data() == compose(&frame, Some(&mask), &scene).data(), "{size}, frame {seed}");
            }
        }
    }

    #[test]
    fn number_and_time_are_those_of_the_frame() {
        let size = Size::new(64, 48).unwrap();
        let mut camera = texture(size, 1);
        camera.seq = 41;
        camera.captured_at = Instant::now();
        let blur = Background::Blur { strength: 9 };
        for background in backgrounds(size).into_iter().chain([blur, Background::Off]) {
            for mask in [None, Some(&Mask::new(size))] {
                let out = compose(&camera, mask, &scene(background.clone()));
                assert_eq!((out.seq, out.captured_at), (41, camera.captured_at));
            }
        }
    }
}
