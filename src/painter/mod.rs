//! The built-in painter: draws soft, out-of-focus scenes from a prompt, without account or network.
//!
//! Rooms and other near scenes are traced (`traced/` builds them, `trace/` renders them); landscapes are drawn. A scene
//! is painted in linear light at a small working size, blurred like a lens does, then enlarged, graded and dithered to
//! 8 bits. The same prompt, seed and size give the same image. Uses nothing from the rest of the crate.

mod abstracts;
mod brush;
mod canvas;
mod colour;
mod filler;
mod flat;
mod forest;

mod interpreter;
mod land;
mod noise;
mod parts;
mod reading;
mod report;
mod scene;
mod sky;
mod space;
mod style;
mod terrain;
mod tokens;
mod town;
mod trace;
mod traced;
mod vocabulary;
mod water;

pub use interpreter::{read, understand};
pub use reading::{Mood, Reading, Report, Scene, Season, Thing, Time, Weather};
pub use style::Style;

use canvas::Canvas;
use colour::{Rgb, from_oklab, srgb, to_oklab};
use image::RgbImage;
use noise::{Rng, smooth};

/// The longest side of an image in pixels.
const MAX_SIDE: u32 = 4096;

/// Paints a reading at `width` x `height` pixels, each clamped to 1..=4096.
pub fn paint(reading: &Reading, seed: u64, width: u32, height: u32) -> RgbImage {
    let width = width.clamp(1, MAX_SIDE);
    let height = height.clamp(1, MAX_SIDE);
    let mut rng = Rng::new(reading.key ^ seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let (w, h) = work_size(width, height, work_height(reading));
    let mut canvas = Canvas::new(w, h);
    canvas.lens = reading.style.map_or(1.0, Style::defocus);
    let mut stage = Stage { canvas, seed: rng.seed(), rng, reading };
    stage.scene();
    stage.canvas.lens = 1.0;
    stage.grade();
    if let Some(style) = reading.style {
        style.apply(&mut stage);
    }
    if reading.mood.monochrome {
        stage.canvas.each(|_, _, light| light.saturate(0.0));
    }
    stage.canvas.develop(width, height, stage.seed)
}

/// The maximum height at which a scene is painted; larger images are enlarged from it. Softer scenes need less.
fn work_height(reading: &Reading) -> u32 {
    match reading.scene {
        // Styles have finer details than scenes.
        _ if reading.style.is_some() => 540,
        Scene::Forest => 440,
        Scene::Gradient | Scene::Studio => 360,
        scene if scene.is_traced() => 440,
        _ => 540,
    }
}

/// The size to paint at: the requested aspect ratio with at most as many pixels as 16:9 at `max_height`.
fn work_size(width: u32, height: u32, max_height: u32) -> (usize, usize) {
    let (w, h) = (f64::from(width), f64::from(height));
    let max_pixels = f64::from(max_height * max_height) * 16.0 / 9.0;
    let scale = (max_pixels / (w * h)).sqrt().min(1.0);
    let side = |x: f64| ((x * scale).round() as usize).max(1);
    (side(w), side(h))
}

/// The state of a painting.
#[derive(Debug)]
struct Stage<'a> {
    canvas: Canvas,
    rng: Rng,
    /// A fixed seed for noise, independent of how often `rng` was used.
    seed: u32,
    reading: &'a Reading,
}

impl Stage<'_> {
    fn scene(&mut self) {
        match self.reading.scene {
            Scene::Library => traced::library(self),
            Scene::Cafe => traced::cafe(self),
            Scene::LivingRoom => traced::living_room(self),
            Scene::Loft => traced::loft(self),
            Scene::Office => traced::office(self),
            Scene::Kitchen => traced::kitchen(self),
            Scene::Bedroom => traced::bedroom(self),
            Scene::Classroom => traced::classroom(self),
            Scene::Meeting => traced::meeting_room(self),
            Scene::Cabin => traced::cabin(self),
            Scene::Station => traced::station(self),
            Scene::Reef => traced::reef(self),
            Scene::Garden => traced::japanese_garden(self),
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

    /// The time of day; `default` if the prompt names none and does not exclude it.
    fn time(&self, default: Time) -> Time {
        let allowed = |time: &Time| !self.reading.without_times.contains(time);
        self.reading
            .time
            .unwrap_or_else(|| [default, Time::Day, Time::Dusk].into_iter().find(allowed).unwrap_or(default))
    }

    fn lacks(&self, thing: Thing) -> bool {
        self.reading.lacks(thing)
    }

    /// The colours of the prompt, in linear light.
    fn colours(&self) -> Vec<Rgb> {
        self.reading.colours.iter().map(|&bytes| srgb(bytes)).collect()
    }

    /// Adjusts the whole image to the mood and, unless the scene itself uses them, to the colours of the prompt.
    fn grade(&mut self) {
        let Mood { warmth, vividness, brightness, .. } = self.reading.mood;
        let balance = Rgb([1.0 + 0.16 * warmth, 1.0 + 0.01 * warmth, 1.0 - 0.2 * warmth]);
        let gain = (brightness * 0.75).exp2();
        let saturation = 1.0 + vividness * 0.55;
        let tint = self.tint();
        let excluded = self.excluded_hues();
        self.canvas.each(|u, v, light| {
            let corner = u * u * 0.28 + (v - 0.5) * (v - 0.5) * 0.4;
            let light = (light * balance * (gain * (1.0 - corner * 0.55))).saturate(saturation);
            let light = match tint {
                Some(tint) => light.mix(tint * light.luma(), 0.38),
                None => light,
            };
            excluded.iter().fold(light, |light, &hue| without_hue(light, hue))
        });
    }

    /// The hue directions of the excluded colours in Oklab; greys have none.
    fn excluded_hues(&self) -> Vec<[f32; 2]> {
        let hue = |&bytes: &[u8; 3]| {
            let [_, a, b] = to_oklab(srgb(bytes));
            let chroma = a.hypot(b);
            (chroma > 0.02).then(|| [a / chroma, b / chroma])
        };
        self.reading.without_colours.iter().filter_map(hue).collect()
    }

    /// The colour cast of the prompt's colours; `None` if there are none that [tint](Scene::is_tinted) the scene.
    fn tint(&self) -> Option<Rgb> {
        let is_tinted = |colour: &Rgb| self.reading.scene.is_tinted(to_oklab(*colour));
        let colours: Vec<Rgb> = self.colours().into_iter().filter(is_tinted).collect();
        if colours.is_empty() {
            return None;
        }
        let mean = colours.iter().fold(Rgb::default(), |sum, &c| sum + c) * (1.0 / colours.len() as f32);
        Some(mean * (1.0 / mean.luma().max(0.02)))
    }
}

/// Desaturates colours whose hue is close to `hue`.
fn without_hue(light: Rgb, hue: [f32; 2]) -> Rgb {
    let [l, a, b] = to_oklab(light);
    let chroma = a.hypot(b).max(1e-6);
    let similarity = (a * hue[0] + b * hue[1]) / chroma;
    let keep = smooth(0.8, 0.4, similarity);
    from_oklab([l, a * keep, b * keep])
}

#[cfg(test)]
mod tests;
