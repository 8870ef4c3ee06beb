//! How the picture looks: everything that people turn while they see themselves, each with its range.
//!
//! A [`Look`] is part of the settings (`[look]`) and of every scene; `bgcam look` and the control page change it while a
//! call goes on. [`KNOBS`] tells what there is to turn, so that no list of names has to be kept elsewhere.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Failure, Kind, nearest};

/// How the picture looks. Numbers are per cent; those that do nothing at 0 say so in [`KNOBS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// How wide the edge of the person is feathered, 0 to 100.
    pub softness: i32,
    /// How far the edge is moved, -100 (into the person) to 100 (out of them).
    pub edge_shift: i32,
    /// How much of the room's colour is taken out of the edge, 0 to 100.
    pub decontaminate: i32,
    /// How much light of the background falls around the edge, 0 to 100.
    pub light_wrap: i32,
    /// Whether only the person in front is shown when there are several.
    pub nearest_only: bool,
    /// How much of the room the background covers, 0 (none) to 100 (all).
    pub background_opacity: i32,
    /// How strongly a picture or video is blurred, 0 to 100.
    pub background_blur: i32,
    /// -100 (black) to 100 (white).
    pub background_brightness: i32,
    /// -100 (grey) to 100 (twice the colour).
    pub background_saturation: i32,
    /// How far the person's brightness follows the background's, 0 to 100.
    pub exposure_match: i32,
    /// How much a person in the dark is lit, 0 to 100.
    pub low_light: i32,
    /// How much the person is enlarged, 100 (as the camera sees them) to 400.
    pub zoom: i32,
    /// Where an enlarged picture looks: -100 (its left edge) to 100 (its right edge).
    pub pan_x: i32,
    /// Where an enlarged picture looks: -100 (its upper edge) to 100 (its lower edge).
    pub pan_y: i32,
    /// Whether the picture follows the person and keeps their head in it.
    pub auto_frame: bool,
    /// A picture with transparency to lay over everything; empty for none.
    pub overlay: String,
    /// Where that lies.
    pub overlay_place: Place,
    /// Its width in per cent of the picture's, 1 to 100.
    pub overlay_size: i32,
    /// 0 (not to be seen) to 100.
    pub overlay_opacity: i32,
}

/// Where an overlay lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum Place {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
    Center,
}

/// The names of [`Place`].
const PLACES: [&str; 5] = ["top-left", "top-right", "bottom-left", "bottom-right", "center"];

/// One thing that can be turned.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Knob {
    /// Its name in the settings.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it does, for people.
    pub does: &'static str,
}

/// What a knob takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Takes {
    /// A whole number from the first to the second.
    Number(i32, i32),
    /// On or off.
    Switch,
    /// A file, or nothing.
    File,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// All there is to turn, in the order in which people meet it.
pub const KNOBS: [Knob; 19] = [
    number("softness", 0, 100, "feather the edge around you"),
    number("edge_shift", -100, 100, "move the edge: below 0 cuts closer, above 0 leaves more room around you"),
    number("decontaminate", 0, 100, "take your room's colour out of hair and edges"),
    number("light_wrap", 0, 100, "let the background's light fall around your edge"),
    switch("nearest_only", "show the person in front alone when several are there"),
    number("background_opacity", 0, 100, "let your room shine through below 100"),
    number("background_blur", 0, 100, "blur a picture or video behind you"),
    number("background_brightness", -100, 100, "darken or lighten it"),
    number("background_saturation", -100, 100, "take colour out of it or add some"),
    number("exposure_match", 0, 100, "fit your brightness to the background's"),
    number("low_light", 0, 100, "light you up in a dark room"),
    number("zoom", 100, 400, "enlarge you, in per cent"),
    number("pan_x", -100, 100, "look further left or right when enlarged"),
    number("pan_y", -100, 100, "look further up or down when enlarged"),
    switch("auto_frame", "follow you and keep your head in the picture"),
    Knob {
        name: "overlay",
        takes: Takes::File,
        does: "lay a picture with transparency (a logo, a name) over everything",
    },
    Knob { name: "overlay_place", takes: Takes::Word(&PLACES), does: "where that lies" },
    number("overlay_size", 1, 100, "its width in per cent of the picture's"),
    number("overlay_opacity", 0, 100, "how much of it is to be seen"),
];

const fn number(name: &'static str, low: i32, high: i32, does: &'static str) -> Knob {
    Knob { name, takes: Takes::Number(low, high), does }
}

const fn switch(name: &'static str, does: &'static str) -> Knob {
    Knob { name, takes: Takes::Switch, does }
}

/// What is wrong with a change of the look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// There is no such knob.
    #[error("there is no look setting {name:?}")]
    Unknown {
        /// What was named.
        name: String,
        /// What may have been meant.
        near: Option<String>,
    },
    /// It does not take that.
    #[error("look setting {name} = {value} is not {expected}")]
    Value {
        /// The knob.
        name: &'static str,
        /// What was given.
        value: String,
        /// What was expected.
        expected: String,
    },
}

impl From<LookError> for Failure {
    fn from(error: LookError) -> Self {
        let failure = Self::new(Kind::BadInput, error.to_string());
        match error {
            LookError::Unknown { near: Some(near), .. } => failure.hint(format!("did you mean {near:?}?")),
            LookError::Unknown { .. } => failure.hint("`bgcam look` lists all of them"),
            LookError::Value { name, .. } => failure.hint(format!("`bgcam look` tells what {name} takes")),
        }
    }
}

/// Changes by name; values are numbers, `true`/`false` or text.
pub type Changes = Map<String, Value>;

impl Look {
    /// This look with `changes`.
    ///
    /// # Errors
    /// When a name is unknown or a value out of its range; the first that is found is told.
    pub fn with(&self, changes: &Changes) -> Result<Self, LookError> {
        let mut all = self.to_map();
        for (name, value) in changes {
            let knob = knob(name)?;
            knob.check(value)?;
            all.insert(knob.name.to_owned(), value.clone());
        }
        // every value was checked, so this can't fail; should it, the old look is a good answer
        Ok(serde_json::from_value(Value::Object(all)).unwrap_or_else(|_| self.clone()))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// As [`Look::with`].
    pub fn check(&self) -> Result<(), LookError> {
        let all = self.to_map();
        KNOBS.iter().try_for_each(|knob| knob.check(all.get(knob.name).unwrap_or(&Value::Null)))
    }

    /// All values by name.
    pub fn to_map(&self) -> Changes {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Changes::new(),
        }
    }

    /// The picture to lay over everything, where there is one.
    pub fn overlay(&self) -> Option<PathBuf> {
        (!self.overlay.is_empty()).then(|| PathBuf::from(&self.overlay))
    }

    /// A look that changes nothing.
    pub fn plain() -> Self {
        Self {
            softness: 0,
            edge_shift: 0,
            decontaminate: 0,
            light_wrap: 0,
            nearest_only: false,
            background_opacity: 100,
            background_blur: 0,
            background_brightness: 0,
            background_saturation: 0,
            exposure_match: 0,
            low_light: 0,
            zoom: 100,
            pan_x: 0,
            pan_y: 0,
            auto_frame: false,
            overlay: String::new(),
            overlay_place: Place::BottomRight,
            overlay_size: 20,
            overlay_opacity: 100,
        }
    }
}

/// The knob of this name; `-` is as good as `_`.
///
/// # Errors
/// When there is none, with the nearest.
pub fn knob(name: &str) -> Result<&'static Knob, LookError> {
    let plain = name.replace('-', "_");
    KNOBS.iter().find(|knob| knob.name == plain).ok_or_else(|| LookError::Unknown {
        name: name.to_owned(),
        near: nearest(&plain, KNOBS.iter().map(|knob| knob.name)),
    })
}

impl Knob {
    fn check(&self, value: &Value) -> Result<(), LookError> {
        let fits = match self.takes {
            Takes::Number(low, high) => {
                value.as_i64().is_some_and(|number| (i64::from(low)..=i64::from(high)).contains(&number))
            }
            Takes::Switch => value.is_boolean(),
            Takes::File => value.as_str().is_some_and(|path| path.is_empty() || path.starts_with('/')),
            Takes::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        };
        if fits { Ok(()) } else { Err(self.refuse(value.to_string())) }
    }

    fn refuse(&self, value: String) -> LookError {
        LookError::Value { name: self.name, value, expected: self.expected() }
    }

    /// What it takes, for people.
    pub fn expected(&self) -> String {
        match self.takes {
            Takes::Number(low, high) => format!("a whole number from {low} to {high}"),
            Takes::Switch => "on or off".to_owned(),
            Takes::File => "the whole path of a PNG, JPEG or WebP file, or empty".to_owned(),
            Takes::Word(words) => format!("one of {}", words.join(", ")),
        }
    }

    /// The value that `text`, as typed, stands for.
    ///
    /// # Errors
    /// When it stands for none.
    pub fn parse(&self, text: &str) -> Result<Value, LookError> {
        let value = match self.takes {
            Takes::Number(..) => text.trim_end_matches('%').parse::<i64>().map(Value::from).ok(),
            Takes::Switch => match text {
                "on" | "true" | "yes" | "1" => Some(Value::Bool(true)),
                "off" | "false" | "no" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            Takes::File | Takes::Word(_) => Some(Value::from(text)),
        };
        let value = value.ok_or_else(|| self.refuse(format!("{text:?}")))?;
        self.check(&value)?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(json: &str) -> Changes {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_field_has_its_knob_and_the_plain_look_is_valid() {
        let plain = Look::plain();
        plain.check().unwrap();
        let mut names: Vec<&str> = KNOBS.iter().map(|knob| knob.name).collect();
        names.sort_unstable();
        let mut fields: Vec<String> = plain.to_map().keys().cloned().collect();
        fields.sort_unstable();
        assert_eq!(names, fields);
    }

    #[test]
    fn changes_are_laid_over_and_checked() {
        let look = Look::plain().with(&changes(r#"{"softness": 20, "auto-frame": true, "overlay_place": "top-left"}"#));
        let look = look.unwrap();
        assert_eq!((look.softness, look.auto_frame, look.overlay_place), (20, true, Place::TopLeft));
        for (bad, told) in [
            (r#"{"softnes": 1}"#, "there is no look setting \"softnes\""),
            (r#"{"softness": 101}"#, "look setting softness = 101 is not a whole number from 0 to 100"),
            (r#"{"softness": 1.5}"#, "look setting softness = 1.5 is not a whole number"),
            (r#"{"zoom": 99}"#, "a whole number from 100 to 400"),
            (r#"{"auto_frame": 1}"#, "is not on or off"),
            (r#"{"overlay": "logo.png"}"#, "the whole path"),
            (r#"{"overlay_place": "left"}"#, "one of top-left"),
        ] {
            let failure = Failure::from(Look::plain().with(&changes(bad)).unwrap_err());
            assert!(failure.message.contains(told), "{failure}");
            assert!(failure.hint.is_some());
        }
    }

    #[test]
    fn what_is_typed_becomes_a_value() {
        let parse = |name: &str, text: &str| knob(name)?.parse(text);
        assert_eq!(parse("light-wrap", "30%"), Ok(Value::from(30)));
        assert_eq!(parse("edge_shift", "-5"), Ok(Value::from(-5)));
        assert_eq!(parse("auto-frame", "on"), Ok(Value::Bool(true)));
        assert_eq!(parse("overlay", ""), Ok(Value::from("")));
        for (name, text) in [("zoom", "big"), ("zoom", "500"), ("auto_frame", "maybe"), ("zom", "100")] {
            assert!(parse(name, text).is_err(), "{name} {text}");
        }
    }
}
