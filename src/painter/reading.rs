//! The interpretation of a prompt: what the painter is going to paint, and what it reports about it.

use super::colour::{srgb, to_oklab};
pub use super::scene::{Scene, Season, Thing, Time, Weather};
use super::style::Style;
use super::vocabulary::{Known, Sense};

/// Adjustments of the whole image: 0 has no effect, -1 and 1 are strong.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mood {
    /// Cool to warm.
    pub warmth: f32,
    /// Muted to vivid.
    pub vividness: f32,
    /// Dark to bright.
    pub brightness: f32,
    /// Black and white.
    pub monochrome: bool,
}

/// The interpretation of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The scene to paint.
    pub scene: Scene,
    /// Other scenes in the prompt; some of them are painted as well, such as mountains behind a lake.
    pub also: Vec<Scene>,
    /// The time of day; `None` lets the scene choose.
    pub time: Option<Time>,
    /// The weather; `None` lets the scene choose.
    pub weather: Option<Weather>,
    /// The season; `None` is summer.
    pub season: Option<Season>,
    /// sRGB colours in the prompt, in order, at most four.
    pub colours: Vec<[u8; 3]>,
    /// Adjustments of the whole image.
    pub mood: Mood,
    /// The style.
    pub style: Option<Style>,
    /// Things in the prompt.
    pub things: Vec<Thing>,
    /// Things to leave out.
    pub without: Vec<Thing>,
    /// sRGB colours to avoid.
    pub without_colours: Vec<[u8; 3]>,
    /// Times of day to avoid.
    pub without_times: Vec<Time>,
    /// The words with a known meaning, in lower case, in order, without duplicates.
    pub recognized: Vec<String>,
    /// The scene in the prompt, if it can't be painted without what the user excluded.
    pub(super) impossible: Option<Scene>,
    /// No word has a meaning: the image is abstract.
    pub unknown: bool,
    /// Notes about the image.
    pub report: Report,
    /// A hash of the prompt; equal for equal prompts.
    pub(super) key: u64,
}

/// Notes for the user about an image, before other people see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The title of the image: the prompt itself if the image shows all of it.
    pub title: String,
    /// Words, as typed, that the image does not show.
    pub left_out: Vec<String>,
    /// Words, as typed, that the scene replaces.
    pub replaced: Vec<String>,
    /// Words, as typed, for excluded things that the requested scene can't be painted without.
    pub unwanted: Vec<String>,
    /// Corrected words: as typed, and as understood.
    pub corrected: Vec<(String, String)>,
    /// Words, as typed, for excluded things that the image shows anyway.
    pub still_shown: Vec<String>,
    /// The notes: one line each, lower case without a full stop.
    pub notes: Vec<String>,
}

impl Reading {
    /// Whether the prompt names the scene.
    pub(super) fn has(&self, scene: Scene) -> bool {
        self.scene == scene || self.also.contains(&scene)
    }

    /// Whether the user excluded `thing`.
    pub(super) fn lacks(&self, thing: Thing) -> bool {
        self.without.contains(&thing)
    }

    /// Whether the user named `thing`.
    pub(super) fn wants(&self, thing: Thing) -> bool {
        self.things.contains(&thing)
    }

    /// Whether the image shows `thing`.
    pub(super) fn shows(&self, thing: Thing) -> bool {
        let scene = self.scene;
        let (essentials, _) = scene.essentials();
        let painted = [essentials, scene.extras(), scene.fixed()].iter().any(|list| list.contains(&thing));
        let now = match thing {
            Thing::Stars | Thing::Moon => {
                matches!(scene, Scene::Space | Scene::Station | Scene::Aurora) || self.time == Some(Time::Night)
            }
            Thing::Sun => !matches!(self.time, Some(Time::Dusk | Time::Night)),
            Thing::Flowers => self.season == Some(Season::Spring),
            Thing::Lights if scene == Scene::City => self.time != Some(Time::Day),
            _ => true,
        };
        painted && now && !self.lacks(thing)
    }

    /// Whether one meaning of a word is visible in the image. A place that the painter does not know is not visible,
    /// even if its other meanings are.
    pub(super) fn shows_sense(&self, sense: Sense) -> bool {
        let coloured = !self.colours.is_empty();
        match sense {
            Sense::Place(scene) => {
                let shown = |thing| scene.fits_into(self.scene) && self.shows(thing);
                scene == self.scene || scene.thing().is_some_and(shown)
            }
            Sense::Near(_) => false,
            Sense::Hint(scene) => scene == self.scene,
            Sense::Part(thing) => self.shows(thing),
            Sense::At(time) => self.time == Some(time) && self.scene.shows_time(time, coloured),
            Sense::In(weather) => {
                let plain = !coloured && self.time.is_none();
                self.weather == Some(weather) && self.scene.shows_weather(weather, plain)
            }
            Sense::During(season) => self.season == Some(season) && self.scene.shows_season(season),
            Sense::Colour(code) => {
                let is_shown = || self.scene.shows_colour(to_oklab(srgb(rgb(code))));
                self.colours.contains(&rgb(code)) && is_shown()
            }
            Sense::Look(style) => self.style == Some(style),
            Sense::Warm(_) | Sense::Vivid(_) | Sense::Bright(_) | Sense::Monochrome => true,
        }
    }

    /// Whether a word is visible in the image.
    pub(super) fn shows_word(&self, known: &Known) -> bool {
        let senses = known.senses();
        let places = |sense: &&Sense| matches!(sense, Sense::Place(_) | Sense::Part(_) | Sense::During(_));
        let near = |sense: &Sense| matches!(sense, Sense::Near(_));
        if senses.iter().any(near) {
            // "river": a city shows one, but a lake is only the closest scene
            let part = |sense: &Sense| matches!(sense, Sense::Part(_)) && self.shows_sense(*sense);
            return !self.is_substitute_for(known) && senses.iter().any(part);
        }
        if known.is_noun() {
            return senses.iter().filter(places).any(|&sense| self.shows_sense(sense))
                || senses.iter().any(|sense| matches!(sense, Sense::Hint(scene) if *scene == self.scene));
        }
        senses.iter().any(|&sense| self.shows_sense(sense))
    }

    /// Whether the scene is the closest one to a word for an unknown place.
    pub(super) fn is_substitute_for(&self, known: &Known) -> bool {
        known.senses().contains(&Sense::Near(self.scene))
    }
}

/// The bytes of a colour `0xRRGGBB`.
pub(super) fn rgb(code: u32) -> [u8; 3] {
    let [_, r, g, b] = code.to_be_bytes();
    [r, g, b]
}
