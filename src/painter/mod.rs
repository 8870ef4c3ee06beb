//! The painter that needs no account and no network: words become a soft, out-of-focus scene for behind a person.
//!
//! A scene is painted in linear light at a small work size, blurred as a lens would, then enlarged, graded and
//! dithered to 8 bits. The same words, seed and size give the same picture.

mod abstracts;
mod brush;
mod canvas;
mod colour;
mod filler;
mod flat;
mod forest;
mod furniture;
mod homes;
mod land;
mod noise;
mod report;
mod rooms;
mod scene;
mod shelves;
mod sky;
mod space;
mod style;
mod terrain;
mod tokens;
mod town;
mod vocabulary;
mod water;
mod words;

pub use report::Report;
pub use style::Style;
pub use words::{Mood, Reading, Scene, Season, Thing, Time, Weather, read, understand};

use canvas::Canvas;
use colour::{Rgb, from_oklab, srgb, to_oklab};
use image::RgbImage;
use noise::{Rng, smooth};

/// The longest side of a picture.
const LONGEST: u32 = 4096;

/// Paints what was read at `width` x `height` pixels, each held to 1..=4096. Every reading and size gives a picture.
pub fn paint(reading: &Reading, seed: u64, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.clamp(1, LONGEST), height.clamp(1, LONGEST));
    let mut rng = Rng::new(reading.key ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let (w, h) = work_size(width, height, work_height(reading));
    let mut canvas = Canvas::new(w, h);
    canvas.lens = reading.style.map_or(1.0, Style::defocus);
    let mut stage = Stage { canvas, seed: rng.seed(), rng, reading };
    stage.scene();
    stage.canvas.lens = 1.0;
    stage.grade();
    if let Some(style) = reading.style {
        style.treat(&mut stage);
    }
    if reading.mood.monochrome {
        stage.canvas.each(|_, _, light| light.saturate(0.0));
    }
    stage.canvas.develop(width, height, stage.seed)
}

/// The tallest picture of a scene that is painted point by point; larger ones are enlarged from it. The softer the
/// scene, the less it takes.
fn work_height(reading: &Reading) -> u32 {
    match reading.scene {
        // the marks of a style are finer than the scene
        _ if reading.style.is_some() => 540,
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
            Scene::Kitchen => homes::kitchen(self),
            Scene::Bedroom => homes::bedroom(self),
            Scene::Classroom => homes::classroom(self),
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
        let usual = |time: &Time| !self.reading.without_times.contains(time);
        self.reading
            .time
            .unwrap_or_else(|| [otherwise, Time::Day, Time::Dusk].into_iter().find(usual).unwrap_or(otherwise))
    }

    fn lacks(&self, thing: Thing) -> bool {
        self.reading.lacks(thing)
    }

    /// The colours that were named, in linear light.
    fn colours(&self) -> Vec<Rgb> {
        self.reading.colours.iter().map(|&bytes| srgb(bytes)).collect()
    }

    /// Bends the whole picture to the mood and, where the scene did not use them itself, to the colours named.
    fn grade(&mut self) {
        let Mood { warmth, vividness, brightness, .. } = self.reading.mood;
        let balance = Rgb([1.0 + 0.16 * warmth, 1.0 + 0.01 * warmth, 1.0 - 0.2 * warmth]);
        let gain = (brightness * 0.75).exp2();
        let saturation = 1.0 + vividness * 0.55;
        let tint = self.tint();
        let unwanted = self.unwanted_hues();
        self.canvas.each(|u, v, light| {
            let corner = u * u * 0.28 + (v - 0.5) * (v - 0.5) * 0.4;
            let light = (light * balance * (gain * (1.0 - corner * 0.55))).saturate(saturation);
            let light = match tint {
                Some(tint) => light.mix(tint * light.luma(), 0.38),
                None => light,
            };
            unwanted.iter().fold(light, |light, &hue| without_hue(light, hue))
        });
    }

    /// The directions in Oklab of the colours that are unwanted; greys have none.
    fn unwanted_hues(&self) -> Vec<[f32; 2]> {
        let hue = |&bytes: &[u8; 3]| {
            let [_, a, b] = to_oklab(srgb(bytes));
            let chroma = a.hypot(b);
            (chroma > 0.02).then(|| [a / chroma, b / chroma])
        };
        self.reading.without_colours.iter().filter_map(hue).collect()
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

/// Takes the colour out of light whose hue is near `hue`.
fn without_hue(light: Rgb, hue: [f32; 2]) -> Rgb {
    let [l, a, b] = to_oklab(light);
    let chroma = a.hypot(b).max(1e-6);
    let alike = (a * hue[0] + b * hue[1]) / chroma;
    let keep = smooth(0.8, 0.4, alike);
    from_oklab([l, a * keep, b * keep])
}

#[cfg(test)]
mod tests;
