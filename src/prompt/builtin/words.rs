//! What the painter makes of a prompt: a place, a time, weather, colours, and a mood.

use std::fmt;

use super::vocabulary::{Sense, senses};

/// A kind of picture. The order settles which one a prompt gets that names several: the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Scene {
    Library,
    Cafe,
    LivingRoom,
    Office,
    Gradient,
    Bokeh,
    Brick,
    Studio,
    Beach,
    Lake,
    City,
    Aurora,
    Forest,
    Desert,
    Sea,
    Mountains,
    Meadow,
    Snow,
    Space,
    Sky,
}

impl Scene {
    /// All of them, for lists and tests.
    pub const ALL: [Self; 20] = [
        Self::Library,
        Self::Cafe,
        Self::LivingRoom,
        Self::Office,
        Self::Gradient,
        Self::Bokeh,
        Self::Brick,
        Self::Studio,
        Self::Beach,
        Self::Lake,
        Self::City,
        Self::Aurora,
        Self::Forest,
        Self::Desert,
        Self::Sea,
        Self::Mountains,
        Self::Meadow,
        Self::Snow,
        Self::Space,
        Self::Sky,
    ];

    /// Its name in plain words, which as a prompt gives this scene.
    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Cafe => "café",
            Self::LivingRoom => "living room",
            Self::Office => "office",
            Self::Gradient => "gradient",
            Self::Bokeh => "bokeh",
            Self::Brick => "brick wall",
            Self::Studio => "studio",
            Self::Beach => "beach",
            Self::Lake => "lake",
            Self::City => "city",
            Self::Aurora => "aurora",
            Self::Forest => "forest",
            Self::Desert => "desert",
            Self::Sea => "sea",
            Self::Mountains => "mountains",
            Self::Meadow => "meadow",
            Self::Snow => "snow",
            Self::Space => "space",
            Self::Sky => "sky",
        }
    }
}

/// Where the sun stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Time {
    Day,
    Sunrise,
    Sunset,
    Dusk,
    Night,
}

/// What is in the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Weather {
    Clear,
    Cloudy,
    Rain,
    Fog,
}

/// What grows, and in which colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Season {
    Spring,
    Autumn,
    Winter,
}

/// Shifts of the whole picture; 0 leaves it alone, -1 and 1 are strong.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mood {
    /// Cool to warm.
    pub warmth: f32,
    /// Muted to vivid.
    pub vividness: f32,
    /// Dark to bright.
    pub brightness: f32,
}

/// What was understood of a prompt. `Display` says it in a few words: `beach, sunset`.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What will be painted.
    pub scene: Scene,
    /// Other scenes that were named; some show, such as mountains behind a lake.
    pub also: Vec<Scene>,
    /// The time of day; `None` lets the scene choose.
    pub time: Option<Time>,
    /// The weather; `None` lets the scene choose.
    pub weather: Option<Weather>,
    /// The season; `None` is summer.
    pub season: Option<Season>,
    /// sRGB colours that were named, in order, four at most.
    pub colours: Vec<[u8; 3]>,
    /// How the whole picture is shifted.
    pub mood: Mood,
    /// The words that had a meaning, in order, each once.
    pub heard: Vec<String>,
    /// No word told what to paint: the picture is an abstract one.
    pub unknown: bool,
}

const MOST_COLOURS: usize = 4;
/// What comes after as many words is no longer read.
const MOST_WORDS: usize = 500;

/// Reads a prompt; every prompt gives something, an abstract picture when no word is known.
pub fn understand(words: &str) -> Reading {
    let mut tokens = tokens(words);
    tokens.truncate(MOST_WORDS);
    let mut notes = Notes::default();
    let mut i = 0;
    while i < tokens.len() {
        if matches!(tokens[i].as_str(), "no" | "without" | "not") {
            i += 2;
            continue;
        }
        let pair = tokens.get(i + 1).map(|next| format!("{} {next}", tokens[i]));
        match pair.as_deref().and_then(senses) {
            Some(found) => {
                notes.add(pair.as_deref().unwrap_or_default(), found);
                i += 2;
            }
            None => {
                notes.hear(&tokens[i]);
                i += 1;
            }
        }
    }
    notes.conclude()
}

/// Lower-case words, and every sign outside ASCII that is no letter by itself: an emoji is a word.
fn tokens(words: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for c in words.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || c == '#' {
            if let Some(last) = found.last_mut() {
                last.push(c);
            }
        } else if c.is_ascii() {
            // "shepherd's" stays one word, near enough.
            if c != '\'' {
                found.push(String::new());
            }
        } else {
            found.extend([c.to_string(), String::new()]);
        }
    }
    found.retain(|word| !word.is_empty());
    found
}

/// A colour that CSS names, or `#` and hex digits; "facade" and "decade" are words, not colours.
fn css_colour(word: &str) -> Option<[u8; 3]> {
    if !word.starts_with('#') && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let [r, g, b, alpha] = csscolorparser::parse(word).ok()?.to_rgba8();
    (alpha == 255).then_some([r, g, b])
}

#[derive(Debug, Default)]
struct Notes {
    scenes: Vec<Scene>,
    time: Option<Time>,
    weather: Option<Weather>,
    season: Option<Season>,
    colours: Vec<[u8; 3]>,
    mood: Mood,
    heard: Vec<String>,
}

impl Notes {
    fn hear(&mut self, word: &str) {
        if let Some(found) = senses(word) {
            self.add(word, found);
        } else if let Some([r, g, b]) = css_colour(word) {
            self.add(word, &[Sense::Colour(u32::from_be_bytes([0, r, g, b]))]);
        }
    }

    fn add(&mut self, word: &str, found: &[Sense]) {
        if !self.heard.iter().any(|known| known == word) {
            self.heard.push(word.to_owned());
        }
        for &sense in found {
            match sense {
                Sense::Place(scene) if self.scenes.contains(&scene) => {}
                Sense::Place(scene) => self.scenes.push(scene),
                Sense::At(time) => self.time = Some(time),
                Sense::In(weather) => self.weather = Some(weather),
                Sense::During(season) => self.season = Some(season),
                Sense::Colour(code) => {
                    let [_, r, g, b] = code.to_be_bytes();
                    self.colours.push([r, g, b]);
                }
                Sense::Warm(by) => self.mood.warmth = (self.mood.warmth + by).clamp(-1.0, 1.0),
                Sense::Vivid(by) => self.mood.vividness = (self.mood.vividness + by).clamp(-1.0, 1.0),
                Sense::Bright(by) => self.mood.brightness = (self.mood.brightness + by).clamp(-1.0, 1.0),
            }
        }
    }

    fn conclude(mut self) -> Reading {
        self.scenes.sort();
        self.colours.truncate(MOST_COLOURS);
        let weather_or_time = self.time.is_some() || self.weather.is_some() || self.season.is_some();
        let mooded = self.mood != Mood::default() || !self.colours.is_empty();
        let unknown = self.scenes.is_empty() && !weather_or_time && !mooded;
        let fallback = if weather_or_time { Scene::Sky } else { Scene::Gradient };
        let scene = self.scenes.first().copied().unwrap_or(fallback);
        // Stars over a beach are a night, not a trip to space.
        if self.scenes.contains(&Scene::Space) && scene != Scene::Space {
            self.time.get_or_insert(Time::Night);
        }
        Reading {
            scene,
            also: self.scenes.into_iter().skip(1).collect(),
            time: self.time,
            weather: self.weather,
            season: self.season,
            colours: self.colours,
            mood: self.mood,
            heard: self.heard,
            unknown,
        }
    }
}

impl Reading {
    pub(super) fn has(&self, scene: Scene) -> bool {
        self.scene == scene || self.also.contains(&scene)
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unknown {
            return f.write_str("abstract");
        }
        let shown = self.heard.iter().take(8).map(String::as_str);
        let named = self.heard.iter().any(|word| word == self.scene.name());
        let first = (!named && self.also.is_empty() && self.scene == Scene::Gradient).then_some("gradient");
        f.write_str(&first.into_iter().chain(shown).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(words: &str) -> Scene {
        understand(words).scene
    }

    #[test]
    fn every_scene_is_understood_by_its_name() {
        for wanted in Scene::ALL {
            let reading = understand(wanted.name());
            assert_eq!(reading.scene, wanted);
            assert!(!reading.unknown, "{wanted:?}");
        }
    }

    #[test]
    fn synonyms_plurals_and_slips_are_understood() {
        assert_eq!(scene("Some BOOKSHELVES, please"), Scene::Library);
        assert_eq!(scene("a cosy lounge"), Scene::LivingRoom);
        assert_eq!(scene("beaches"), Scene::Beach);
        assert_eq!(scene("the Alps"), Scene::Mountains);
        assert_eq!(scene("montains"), Scene::Mountains);
        assert_eq!(scene("northern lights"), Scene::Aurora);
        assert_eq!(scene("🏖️"), Scene::Beach);
        assert_eq!(scene("a peach"), Scene::Gradient);
    }

    #[test]
    fn time_weather_and_mood_are_read() {
        let reading = understand("misty pine forest at sunrise, muted teal");
        assert_eq!(reading.scene, Scene::Forest);
        assert_eq!(reading.time, Some(Time::Sunrise));
        assert_eq!(reading.weather, Some(Weather::Fog));
        assert_eq!(reading.colours, [[0, 128, 128]]);
        assert!(reading.mood.vividness < 0.0);
        assert_eq!(understand("golden hour").time, Some(Time::Sunset));
        assert_eq!(understand("snowy mountains").season, Some(Season::Winter));
    }

    #[test]
    fn several_scenes_give_one_and_keep_the_rest() {
        let reading = understand("a lake in the mountains");
        assert_eq!(reading.scene, Scene::Lake);
        assert!(reading.has(Scene::Mountains));
        let reading = understand("a beach under the stars");
        assert_eq!((reading.scene, reading.time), (Scene::Beach, Some(Time::Night)));
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        assert_eq!(scene("beach without mountains"), Scene::Beach);
        assert!(understand("beach without mountains").also.is_empty());
        assert_eq!(understand("no beach").scene, Scene::Gradient);
    }

    #[test]
    fn unknown_words_are_owned_up_to() {
        for words in ["", "   ", "qwxzv", "ένα δωμάτιο", "背景", "🦀🦀", "no", "without"] {
            let reading = understand(words);
            assert!(reading.unknown, "{words}");
            assert_eq!(reading.to_string(), "abstract");
        }
        assert!(!understand("teal").unknown);
        assert!(understand("facade decade transparent").unknown);
        assert_eq!(understand("#336699").colours, [[0x33, 0x66, 0x99]]);
    }

    #[test]
    fn the_reading_is_said_in_few_words() {
        assert_eq!(understand("A beach at sunset!").to_string(), "beach, sunset");
        assert_eq!(understand("teal").to_string(), "gradient, teal");
    }
}
