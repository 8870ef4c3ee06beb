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

/// The tallest picture that is painted point by point; larger ones are enlarged from it, which soft pictures bear.
const WORK_HEIGHT: u32 = 540;
/// The longest side of a picture.
const LONGEST: u32 = 4096;

/// Paints `words` at `width` x `height` pixels, each held to 1..=4096. Every prompt and size gives a picture.
pub fn paint(words: &str, seed: u64, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.clamp(1, LONGEST), height.clamp(1, LONGEST));
    let reading = understand(words);
    let folded = words.trim().to_lowercase();
    let mut rng = Rng::new(stable_hash(folded.as_bytes()) ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let (w, h) = work_size(width, height);
    let mut stage = Stage { canvas: Canvas::new(w, h), seed: rng.seed(), rng, reading: &reading };
    stage.scene();
    stage.grade();
    stage.canvas.develop(width, height, stage.seed)
}

/// The size to paint at: the shape asked for, at most as many pixels as 16:9 at the work height.
fn work_size(width: u32, height: u32) -> (usize, usize) {
    let (w, h) = (f64::from(width), f64::from(height));
    let most = f64::from(WORK_HEIGHT * WORK_HEIGHT) * 16.0 / 9.0;
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
