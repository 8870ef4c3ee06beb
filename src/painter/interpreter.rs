//! Interprets a prompt as a scene, a time, weather, colours, a mood, a style, and things to leave out.

use super::noise::stable_hash;
use super::reading::{Mood, Reading, Report, rgb};
use super::report;
use super::scene::{Scene, Season, Thing, Time, Weather};
use super::style::Style;
use super::tokens::mentions;
use super::vocabulary::{Known, Sense};

/// The maximum number of colours in a reading.
const MAX_COLOURS: usize = 4;

/// Interprets a prompt. Every prompt gives an image: an abstract one if no word is known.
pub fn understand(prompt: &str) -> Reading {
    read(prompt, "", None)
}

/// Interprets a prompt, a negative prompt, and a style, which takes precedence over a style in the prompt.
pub fn read(prompt: &str, negative: &str, style: Option<Style>) -> Reading {
    let (mut mentions, whole) = mentions(prompt, false);
    mentions.extend(super::tokens::mentions(negative, true).0);
    let mut findings = Findings { style, ..Findings::default() };
    let known = |negated: bool| {
        let wanted = mentions.iter().filter(move |mention| mention.negated == negated);
        wanted.filter_map(|mention| Some((&mention.text, mention.known.as_ref()?)))
    };
    known(false).for_each(|(text, word)| findings.add(text, word));
    known(true).for_each(|(_, word)| findings.leave_out(word));
    let mut reading = findings.conclude();
    reading.key = stable_hash(prompt.trim().to_lowercase().as_bytes());
    reading.report = report::report(&reading, prompt, &mentions, whole);
    reading
}

/// How directly a word refers to a scene; the most direct one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Named,
    Near,
    Hinted,
}

/// What the words of a prompt mean, before the scene is chosen.
#[derive(Debug, Default)]
struct Findings {
    scenes: Vec<(Fit, Scene)>,
    unwanted_scenes: Vec<Scene>,
    /// The main things of excluded scenes.
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
    recognized: Vec<String>,
}

impl Findings {
    fn add(&mut self, text: &str, known: &Known) {
        let text = text.to_lowercase();
        if !self.recognized.contains(&text) {
            self.recognized.push(text);
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
                // "not dark" makes it a little brighter
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

    /// The scene that the words refer to most directly, even if it is excluded.
    fn named_scene(&self) -> Option<Scene> {
        self.scenes.iter().min().map(|&(_, scene)| scene)
    }

    /// The scene for a prompt without one: a sky for a time of day, weather or season, otherwise an abstract image.
    fn fallback(&self) -> Scene {
        match self.season {
            None if self.time.is_none() && self.weather.is_none() => Scene::Gradient,
            _ => Scene::Sky,
        }
    }

    /// The closest scene whose essential things are not excluded.
    fn possible(&self, mut scene: Scene) -> Scene {
        // Longer than any chain of substitutes.
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
        // Stars over a beach mean night, not space.
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
            recognized: self.recognized,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(prompt: &str) -> Scene {
        understand(prompt).scene
    }

    #[test]
    fn every_scene_is_recognized_by_its_name() {
        for wanted in Scene::ALL {
            let reading = understand(wanted.name());
            assert_eq!(reading.scene, wanted);
            assert!(!reading.unknown && reading.report.notes.is_empty(), "{wanted:?}");
        }
    }

    #[test]
    fn synonyms_plurals_and_typos_are_recognized() {
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
    fn time_weather_and_mood_are_recognized() {
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
    fn one_of_several_scenes_is_chosen() {
        let reading = understand("a lake in the mountains");
        assert_eq!(reading.scene, Scene::Lake);
        assert!(reading.has(Scene::Mountains));
        let reading = understand("a beach under the stars");
        assert_eq!((reading.scene, reading.time), (Scene::Beach, Some(Time::Night)));
    }

    #[test]
    fn qualities_and_styles_do_not_override_a_named_scene() {
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
    fn excluded_words_are_left_out() {
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
        assert_eq!(read("beach", default_negative(), None).without, []);
    }

    /// The default negative prompt, which names nothing that the painter paints.
    fn default_negative() -> &'static str {
        "people, person, face, hands, text, letters, watermark, logo, frame, collage"
    }
}
