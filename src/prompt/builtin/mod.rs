//! The painter that needs no account and no network: words become a soft, out-of-focus scene for behind a person.
//!
//! A scene is painted in linear light at a small work size, blurred as a lens would, then enlarged, graded and
//! dithered to 8 bits. The same words, seed and size give the same picture.

mod abstracts;
mod canvas;
mod colour;
mod forest;
mod furniture;
mod land;
mod noise;
mod rooms;
mod shelves;
mod sky;
mod space;
mod terrain;
mod town;
mod vocabulary;
mod water;
mod words;

pub use words::{Mood, Reading, Scene, Season, Time, Weather, understand};

use canvas::Canvas;
use colour::{Rgb, srgb};
use image::RgbImage;
use noise::{Rng, stable_hash};

/// The longest side of a picture.
const LONGEST: u32 = 4096;

/// Paints `words` at `width` x `height` pixels, each held to 1..=4096. Every prompt and size gives a picture.
pub fn paint(words: &str, seed: u64, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.clamp(1, LONGEST), height.clamp(1, LONGEST));
    let reading = understand(words);
    let folded = words.trim().to_lowercase();
    let mut rng = Rng::new(stable_hash(folded.as_bytes()) ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let (w, h) = work_size(width, height, work_height(reading.scene));
    let mut stage = Stage { canvas: Canvas::new(w, h), seed: rng.seed(), rng, reading: &reading };
    stage.scene();
    stage.grade();
    stage.canvas.develop(width, height, stage.seed)
}

/// The tallest picture of a scene that is painted point by point; larger ones are enlarged from it. The softer the
/// scene, the less it takes.
fn work_height(scene: Scene) -> u32 {
    match scene {
        Scene::Forest => 440,
        Scene::Gradient | Scene::Studio => 360,
        _ => 540,
    }
}

/// The size to paint at: the shape asked for, at most as many pixels as 16:9 at the work height.
fn work_size(width: u32, height: u32, most: u32) -> (usize, usize) {
    let (w, h) = (f64::from(width), f64::from(height));
    let most = f64::from(most * most) * 16.0 / 9.0;
    let scale = (most / (w * h)).sqrt().min(1.0);
    let side = |x: f64| ((x * scale).round() as usize).max(1);
    (side(w), side(h))
}

/// What a scene is painted with.
#[derive(Debug)]
struct Stage<'a> {
    canvas: Canvas,
    rng: Rng,
    /// For noise that stays put while `rng` moves on.
    seed: u32,
    reading: &'a Reading,
}

impl Stage<'_> {
    fn scene(&mut self) {
        match self.reading.scene {
            Scene::Library => shelves::library(self),
            Scene::Cafe => rooms::cafe(self),
            Scene::LivingRoom => rooms::living_room(self),
            Scene::Office => rooms::office(self),
            Scene::Gradient => abstracts::gradient(self),
            Scene::Bokeh => abstracts::bokeh(self),
            Scene::Brick => abstracts::brick(self),
            Scene::Studio => abstracts::studio(self),
            Scene::Beach => water::beach(self),
            Scene::Lake => water::lake(self),
            Scene::City => town::city(self),
            Scene::Aurora => space::aurora(self),
            Scene::Forest => forest::forest(self),
            Scene::Desert => land::desert(self),
            Scene::Sea => water::sea(self),
            Scene::Mountains => land::mountains(self),
            Scene::Meadow => land::meadow(self),
            Scene::Snow => land::snow(self),
            Scene::Space => space::space(self),
            Scene::Sky => land::sky(self),
        }
    }

    fn time(&self, otherwise: Time) -> Time {
        self.reading.time.unwrap_or(otherwise)
    }

    /// The colours that were named, in linear light.
    fn colours(&self) -> Vec<Rgb> {
        self.reading.colours.iter().map(|&bytes| srgb(bytes)).collect()
    }

    /// Bends the whole picture to the mood and, where the scene did not use them itself, to the colours named.
    fn grade(&mut self) {
        let Mood { warmth, vividness, brightness } = self.reading.mood;
        let balance = Rgb([1.0 + 0.16 * warmth, 1.0 + 0.01 * warmth, 1.0 - 0.2 * warmth]);
        let gain = (brightness * 0.75).exp2();
        let saturation = 1.0 + vividness * 0.55;
        let tint = self.tint();
        self.canvas.each(|u, v, light| {
            let corner = u * u * 0.28 + (v - 0.5) * (v - 0.5) * 0.4;
            let light = (light * balance * (gain * (1.0 - corner * 0.55))).saturate(saturation);
            match tint {
                Some(tint) => light.mix(tint * light.luma(), 0.38),
                None => light,
            }
        });
    }

    fn tint(&self) -> Option<Rgb> {
        let own = matches!(self.reading.scene, Scene::Gradient | Scene::Bokeh | Scene::Studio | Scene::Brick);
        let colours = self.colours();
        if own || colours.is_empty() {
            return None;
        }
        let mean = colours.iter().fold(Rgb::default(), |sum, &c| sum + c) * (1.0 / colours.len() as f32);
        Some(mean * (1.0 / mean.luma().max(0.02)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: (u32, u32) = (160, 90);

    fn small(words: &str, seed: u64) -> RgbImage {
        paint(words, seed, SMALL.0, SMALL.1)
    }

    /// Mean of the absolute difference of two pictures of one size, in levels.
    fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
        let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
        sum as f64 / a.as_raw().len() as f64
    }

    #[test]
    fn the_same_prompt_and_seed_give_the_same_picture() {
        for scene in Scene::ALL {
            assert_eq!(small(scene.name(), 7), small(scene.name(), 7), "{scene:?}");
        }
        assert_eq!(small("Beach ", 7), small("beach", 7));
    }

    #[test]
    fn another_seed_or_wording_gives_another_picture() {
        for scene in Scene::ALL {
            assert!(difference(&small(scene.name(), 1), &small(scene.name(), 2)) > 2.0, "{scene:?}");
        }
        assert!(difference(&small("beach", 1), &small("a quiet beach", 1)) > 2.0);
    }

    #[test]
    fn every_scene_is_a_picture_at_every_hour_and_in_every_weather() {
        for scene in Scene::ALL {
            for rest in [
                "",
                "at night",
                "at sunset",
                "at sunrise in rain",
                "at dusk in fog",
                "in cloudy autumn",
                "in winter, dark teal",
            ] {
                let picture = small(&format!("{} {rest}", scene.name()), 3);
                let (low, high) = picture.as_raw().iter().fold((255, 0), |(low, high), &c| (c.min(low), c.max(high)));
                assert!(high - low > 12, "{scene:?} {rest}: {low}..{high} is a blank");
                let mean = picture.as_raw().iter().map(|&c| f64::from(c)).sum::<f64>() / picture.as_raw().len() as f64;
                assert!((5.0..248.0).contains(&mean), "{scene:?} {rest}: mean {mean}");
            }
        }
    }

    #[test]
    fn any_prompt_gives_a_picture() {
        let long = "beach ".repeat(2000);
        let odd = "\u{0}\u{202e}#ff #ffffffffff rgb( \n\t ' ''";
        for words in ["", " ", "🦀🏖️👩‍💻", "背景をぼかす", "ظلام", "no", odd, &long] {
            assert_eq!(small(words, 1).dimensions(), SMALL);
        }
    }

    #[test]
    fn odd_sizes_are_painted() {
        for (width, height) in [(1, 1), (2, 1), (1, 40), (40, 1), (16, 16), (33, 17), (9, 64)] {
            for scene in Scene::ALL {
                assert_eq!(paint(scene.name(), 1, width, height).dimensions(), (width, height));
            }
        }
        assert_eq!(paint("studio", 1, 0, 0).dimensions(), (1, 1));
        assert_eq!(paint("studio", 1, u32::MAX, 1).dimensions(), (LONGEST, 1));
    }

    #[test]
    fn the_work_size_keeps_shape_and_bound() {
        assert_eq!(work_size(1920, 1080, 540), (960, 540));
        assert_eq!(work_size(640, 360, 540), (640, 360));
        let (w, h) = work_size(4096, 1, 540);
        assert_eq!((w, h), (4096, 1));
        let (w, h) = work_size(4096, 4096, 540);
        assert!(w == h && w * h <= 960 * 541);
    }

    #[test]
    fn gradients_do_not_band() {
        // With dither no level may fill a wide flat field: few neighbours along a row are equal for long.
        let picture = paint("blue gradient", 4, 320, 180);
        for row in picture.rows() {
            let green: Vec<u8> = row.map(|pixel| pixel.0[1]).collect();
            let longest = green.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or(0);
            assert!(longest < 32, "a run of {longest} equal pixels");
        }
    }

    #[test]
    fn night_is_darker_than_day_and_colours_show() {
        let mean = |picture: RgbImage, k: usize| picture.pixels().map(|p| f64::from(p.0[k])).sum::<f64>();
        for place in ["beach", "city", "mountains", "meadow", "office"] {
            let (day, night) = (small(&format!("{place} by day"), 1), small(&format!("{place} at night"), 1));
            assert!(mean(day, 1) > 1.3 * mean(night, 1), "{place}");
        }
        assert!(mean(small("red studio", 1), 0) > 1.5 * mean(small("red studio", 1), 2));
        assert!(mean(small("blue gradient", 1), 2) > 1.5 * mean(small("blue gradient", 1), 0));
    }
}
