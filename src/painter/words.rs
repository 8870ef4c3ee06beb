//! What the painter makes of a prompt: a scene, a time, weather, colours, a mood, a style, and what to leave out.

use super::noise::stable_hash;
use super::report::Report;
pub use super::scene::{Scene, Season, Thing, Time, Weather};
use super::style::Style;
use super::tokens::mentions;
use super::vocabulary::{Known, Sense};

/// Shifts of the whole picture; 0 leaves it alone, -1 and 1 are strong.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mood {
    /// Cool to warm.
    pub warmth: f32,
    /// Muted to vivid.
    pub vividness: f32,
    /// Dark to bright.
    pub brightness: f32,
    /// No colours at all.
    pub monochrome: bool,
}

/// What was understood of a prompt.
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
    /// How it is painted.
    pub style: Option<Style>,
    /// Things that were named.
    pub things: Vec<Thing>,
    /// Things that the user does not want.
    pub without: Vec<Thing>,
    /// sRGB colours that the user does not want.
    pub without_colours: Vec<[u8; 3]>,
    /// Times of day that the user does not want.
    pub without_times: Vec<Time>,
    /// The words that had a meaning, in lower case and in order, each once.
    pub heard: Vec<String>,
    /// The scene that was named, and can't be painted without what the user does not want.
    pub(super) impossible: Option<Scene>,
    /// No word told what to paint: the picture is an abstract one.
    pub unknown: bool,
    /// What the user should know about the picture.
    pub report: Report,
    /// The same for the same words.
    pub(super) key: u64,
}

const MAX_COLOURS: usize = 4;

/// Reads a prompt; every prompt gives something, an abstract picture when no word is known.
pub fn understand(words: &str) -> Reading {
    read(words, "", None)
}

/// Reads a prompt, a list of what should not be in the picture, and a style, which goes before one named in the words.
pub fn read(words: &str, unwanted: &str, style: Option<Style>) -> Reading {
    let (mut mentions, whole) = mentions(words, false);
    mentions.extend(super::tokens::mentions(unwanted, true).0);
    let mut notes = Notes { style, ..Notes::default() };
    let known = |negated: bool| {
        let wanted = mentions.iter().filter(move |mention| mention.negated == negated);
        wanted.filter_map(|mention| Some((&mention.text, mention.known.as_ref()?)))
    };
    known(false).for_each(|(text, word)| notes.add(text, word));
    known(true).for_each(|(_, word)| notes.leave_out(word));
    let mut reading = notes.conclude();
    reading.key = stable_hash(words.trim().to_lowercase().as_bytes());
    reading.report = Report::of(&reading, words, &mentions, whole);
    reading
}

/// How well a word fits the scene that it stands for; the best one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Named,
    Near,
    Hinted,
}

#[derive(Debug, Default)]
struct Notes {
    scenes: Vec<(Fit, Scene)>,
    unwanted_scenes: Vec<Scene>,
    /// Things named after a scene that is unwanted.
    avoided: Vec<Thing>,
    time: Option<Time>,
    weather: Option<Weather>,
    season: Option<Season>,
    colours: Vec<[u8; 3]>,
    mood: Mood,
    style: Option<Style>,
    things: Vec<Thing>,
    without: Vec<Thing>,
    without_colours: Vec<[u8; 3]>,
    without_times: Vec<Time>,
    heard: Vec<String>,
}

impl Notes {
    fn add(&mut self, text: &str, known: &Known) {
        let text = text.to_lowercase();
        if !self.heard.contains(&text) {
            self.heard.push(text);
        }
        for &sense in known.senses() {
            match sense {
                Sense::Place(scene) => self.scenes.push((Fit::Named, scene)),
                Sense::Near(scene) => self.scenes.push((Fit::Near, scene)),
                Sense::Hint(scene) => self.scenes.push((Fit::Hinted, scene)),
                Sense::Part(thing) => self.things.push(thing),
                Sense::At(time) => self.time = Some(time),
                Sense::In(weather) => self.weather = Some(weather),
                Sense::During(season) => self.season = Some(season),
                Sense::Colour(code) => self.colours.push(rgb(code)),
                Sense::Monochrome => self.mood.monochrome = true,
                Sense::Look(style) => {
                    self.style.get_or_insert(style);
                }
                Sense::Warm(by) => shift(&mut self.mood.warmth, by),
                Sense::Vivid(by) => shift(&mut self.mood.vividness, by),
                Sense::Bright(by) => shift(&mut self.mood.brightness, by),
            }
        }
    }

    fn leave_out(&mut self, known: &Known) {
        let sunny = known.senses().contains(&Sense::In(Weather::Clear));
        let noun = known.is_noun();
        for &sense in known.senses() {
            match sense {
                Sense::Place(scene) | Sense::Near(scene) => {
                    self.unwanted_scenes.push(scene);
                    self.avoided.extend(scene.thing());
                }
                Sense::Part(thing) => self.without.push(thing),
                Sense::Hint(scene) if !noun => self.unwanted_scenes.push(scene),
                Sense::At(time) if !(noun || sunny) => self.without_times.push(time),
                Sense::In(weather) => self.leave_out_weather(weather),
                Sense::During(season) => self.season = self.season.filter(|&named| named != season),
                Sense::Colour(code) if !noun => {
                    self.without_colours.push(rgb(code));
                    self.colours.retain(|&named| named != rgb(code));
                }
                Sense::Look(style) => self.style = self.style.filter(|&named| named != style),
                // "not dark" is a little brighter
                Sense::Warm(by) if !noun => shift(&mut self.mood.warmth, -0.5 * by),
                Sense::Vivid(by) if !noun => shift(&mut self.mood.vividness, -0.5 * by),
                Sense::Bright(by) if !noun => shift(&mut self.mood.brightness, -0.5 * by),
                _ => {}
            }
        }
    }

    fn leave_out_weather(&mut self, weather: Weather) {
        self.weather = self.weather.filter(|&named| named != weather);
        if weather == Weather::Clear {
            self.weather.get_or_insert(Weather::Cloudy);
        }
    }

    /// The scene for what was named, whether or not it is wanted.
    fn named_scene(&self) -> Option<Scene> {
        self.scenes.iter().min().map(|&(_, scene)| scene)
    }

    /// Without a scene there is a sky for a time of day, land for a season, and an abstract picture for the rest.
    fn fallback(&self) -> Scene {
        match self.season {
            None if self.time.is_none() && self.weather.is_none() => Scene::Gradient,
            _ => Scene::Sky,
        }
    }

    /// The nearest scene that has nothing essential that is unwanted.
    fn possible(&self, mut scene: Scene) -> Scene {
        // longer than any chain of substitutes
        for _ in 0..Scene::ALL.len() {
            let (essentials, instead) = scene.essentials();
            let unwanted = essentials.iter().any(|thing| self.without.contains(thing));
            if !unwanted && !self.unwanted_scenes.contains(&scene) {
                return scene;
            }
            scene = instead;
        }
        Scene::Gradient
    }

    fn conclude(mut self) -> Reading {
        self.colours.truncate(MAX_COLOURS);
        let bare = self.time.is_none() && self.weather.is_none() && self.season.is_none();
        let plain = self.mood == Mood::default() && self.colours.is_empty() && self.style.is_none();
        let unknown = self.scenes.is_empty() && bare && plain;
        let stars = self.things.contains(&Thing::Stars) || self.scenes.contains(&(Fit::Named, Scene::Space));
        let named = self.named_scene();
        let mut scene = self.possible(named.unwrap_or_else(|| self.fallback()));
        let impossible = named.filter(|&named| named != scene);
        if scene == Scene::Sky {
            scene = match self.season {
                Some(Season::Spring | Season::Autumn) => self.possible(Scene::Meadow),
                Some(Season::Winter) => self.possible(Scene::Snow),
                None => scene,
            };
        }
        // Stars over a beach are a night, not a trip to space.
        if stars && scene != Scene::Space {
            self.time.get_or_insert(Time::Night);
        }
        let mut also: Vec<Scene> = self.scenes.iter().filter(|(fit, _)| *fit == Fit::Named).map(|&(_, s)| s).collect();
        also.sort_unstable();
        also.dedup();
        also.retain(|other| *other != scene && !self.unwanted_scenes.contains(other));
        let (essentials, _) = scene.essentials();
        let avoided = self.avoided.iter().copied().filter(|thing| !essentials.contains(thing));
        self.without.extend(avoided);
        self.things.retain(|thing| !self.without.contains(thing));
        let omitted = self.style.map_or(&[][..], Style::omits).iter().filter(|thing| !self.things.contains(thing));
        self.without.extend(omitted.filter(|thing| !essentials.contains(thing)));
        Reading {
            scene,
            also,
            time: self.time,
            weather: self.weather,
            season: self.season,
            colours: self.colours,
            mood: self.mood,
            style: self.style,
            things: self.things,
            without: self.without,
            without_colours: self.without_colours,
            without_times: self.without_times,
            heard: self.heard,
            impossible,
            unknown,
            report: Report::default(),
            key: 0,
        }
    }
}

fn shift(value: &mut f32, by: f32) {
    *value = (*value + by).clamp(-1.0, 1.0);
}

fn rgb(code: u32) -> [u8; 3] {
    let [_, r, g, b] = code.to_be_bytes();
    [r, g, b]
}

impl Reading {
    pub(super) fn has(&self, scene: Scene) -> bool {
        self.scene == scene || self.also.contains(&scene)
    }

    /// Whether the user wants `thing` left out.
    pub(super) fn lacks(&self, thing: Thing) -> bool {
        self.without.contains(&thing)
    }

    /// Whether the user named `thing`.
    pub(super) fn wants(&self, thing: Thing) -> bool {
        self.things.contains(&thing)
    }

    /// Whether the picture shows `thing`.
    pub(super) fn shows(&self, thing: Thing) -> bool {
        let scene = self.scene;
        let (essentials, _) = scene.essentials();
        let painted = [essentials, scene.extras(), scene.fixed()].iter().any(|list| list.contains(&thing));
        let now = match thing {
            Thing::Stars | Thing::Moon => {
                matches!(scene, Scene::Space | Scene::Aurora) || self.time == Some(Time::Night)
            }
            Thing::Sun => !matches!(self.time, Some(Time::Dusk | Time::Night)),
            Thing::Flowers => self.season == Some(Season::Spring),
            Thing::Lights if scene == Scene::City => self.time != Some(Time::Day),
            _ => true,
        };
        painted && now && !self.lacks(thing)
    }

    /// Whether one meaning of a word can be seen in the picture. A word for a place that the painter does not have
    /// can't, also where it brings something along.
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
            Sense::Colour(code) => self.colours.contains(&rgb(code)),
            Sense::Look(style) => self.style == Some(style),
            Sense::Warm(_) | Sense::Vivid(_) | Sense::Bright(_) | Sense::Monochrome => true,
        }
    }

    /// Whether what was named can be seen in the picture.
    pub(super) fn shows_word(&self, known: &Known) -> bool {
        let senses = known.senses();
        let places = |sense: &&Sense| matches!(sense, Sense::Place(_) | Sense::Part(_) | Sense::During(_));
        let near = |sense: &Sense| matches!(sense, Sense::Near(_));
        if senses.iter().any(near) {
            // a city has a river, but a lake is none
            let part = |sense: &Sense| matches!(sense, Sense::Part(_)) && self.shows_sense(*sense);
            return !self.stands_in_for(known) && senses.iter().any(part);
        }
        if known.is_noun() {
            return senses.iter().filter(places).any(|&sense| self.shows_sense(sense))
                || senses.iter().any(|sense| matches!(sense, Sense::Hint(scene) if *scene == self.scene));
        }
        senses.iter().any(|&sense| self.shows_sense(sense))
    }

    /// Whether the scene is the nearest that there is to what was named.
    pub(super) fn stands_in_for(&self, known: &Known) -> bool {
        known.senses().contains(&Sense::Near(self.scene))
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
            assert!(!reading.unknown && reading.report.notes.is_empty(), "{wanted:?}");
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
        assert_eq!(understand("#336699").colours, [[0x33, 0x66, 0x99]]);
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
    fn qualities_and_styles_do_not_choose_the_scene_when_one_is_named() {
        for (words, expected) in [
            ("cosy office", Scene::Office),
            ("scandinavian café", Scene::Cafe),
            ("minimalist beach", Scene::Beach),
            ("minimal", Scene::Studio),
            ("3d forest", Scene::Forest),
            ("tropical office", Scene::Office),
            ("snowy mountains", Scene::Mountains),
            ("neon library", Scene::Library),
            ("plain living room", Scene::LivingRoom),
            ("home office", Scene::Office),
        ] {
            assert_eq!(scene(words), expected, "{words}");
        }
        for style in Style::ALL {
            assert_eq!(read("beach", "", Some(style)).scene, Scene::Beach);
            assert_eq!(read("asdkjh", "", Some(style)).scene, Scene::Gradient, "{style:?}");
        }
        assert_eq!(understand("watercolour beach").style, Some(Style::Watercolour));
        assert_eq!(read("watercolour beach", "", Some(Style::Oil)).style, Some(Style::Oil));
        assert_eq!(understand("beach, not minimalist").style, None);
    }

    #[test]
    fn what_is_not_wanted_is_not_planned() {
        assert!(understand("beach without mountains").also.is_empty());
        assert_eq!(scene("no beach"), Scene::Gradient);
        assert_eq!(scene("lake instead of beach"), Scene::Lake);
        assert_eq!(scene("desert, no beach"), Scene::Desert);
        assert_eq!(understand("forest, not dark").mood.brightness, 0.3);
        assert_eq!(understand("not sunny, lake").weather, Some(Weather::Cloudy));
        assert_eq!(understand("mountains, no winter").season, None);
        assert_eq!(understand("red and blue gradient without red").colours.len(), 1);
        assert_eq!(understand("city, not at night").without_times, [Time::Night]);
        for (words, negative) in [("beach", "water, clouds"), ("beach without water", "clouds")] {
            let reading = read(words, negative, None);
            assert_eq!((reading.scene, reading.without.len()), (Scene::Beach, 2), "{words}");
        }
        assert_eq!(read("beach", crate_negative(), None).without, []);
    }

    /// What the settings do not want in any picture: nothing that the painter paints.
    fn crate_negative() -> &'static str {
        "people, person, face, hands, text, letters, watermark, logo, frame, collage"
    }
}
