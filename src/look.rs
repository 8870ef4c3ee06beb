//! The look: appearance settings that can change during a call, each with its type and range.
//!
//! A [`Look`] is part of the settings (`[look]`) and of every scene. `bgcam look` and the control page change it while
//! the camera runs. [`SETTINGS`] is the only list of names, types and descriptions; every other list derives from it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    error::{Failure, Kind, nearest},
    frame::Yuv,
};

/// The appearance settings. Numbers are percentages unless noted; [`SETTINGS`] has the range of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Feathering of the person's edge, 0 (hard) to 100.
    pub softness: i32,
    /// Offset of the edge, -100 (inward) to 100 (outward).
    pub edge_shift: i32,
    /// Strength of colour decontamination along the edge, 0 to 100.
    pub decontaminate: i32,
    /// Strength of the background light that spills over the edge, 0 to 100.
    pub light_wrap: i32,
    /// Whether only the nearest person is shown.
    pub nearest_only: bool,
    /// Whether a green or blue screen behind the person is keyed out, if there is one.
    pub green_screen: bool,
    /// The colour of the screen.
    pub green_screen_color: ScreenColour,
    /// How different from the screen's colour a pixel may be and still be the screen, 0 to 100.
    pub green_screen_tolerance: i32,
    /// How much of the screen's light is removed from the person, 0 to 100.
    pub green_screen_spill: i32,
    /// Opacity of the background, 0 (the room is visible) to 100 (the room is hidden).
    pub background_opacity: i32,
    /// Blur of an image or video background, 0 to 100.
    pub background_blur: i32,
    /// Brightness of the background, -100 (black) to 100 (white).
    pub background_brightness: i32,
    /// Saturation of the background, -100 (grey) to 100 (doubled).
    pub background_saturation: i32,
    /// How closely the person's exposure follows the background's, 0 to 100.
    pub exposure_match: i32,
    /// Brightening of the person in low light, 0 to 100.
    pub low_light: i32,
    /// Magnification of the frame, 100 (the camera's full frame) to 400.
    pub zoom: i32,
    /// Horizontal position of the zoomed frame, -100 (left edge) to 100 (right edge).
    pub pan_x: i32,
    /// Vertical position of the zoomed frame, -100 (top edge) to 100 (bottom edge).
    pub pan_y: i32,
    /// Whether the frame follows the person and keeps the head inside.
    pub auto_frame: bool,
    /// Absolute path of an overlay image with transparency; empty for none.
    pub overlay: String,
    /// Position of the overlay.
    pub overlay_position: Position,
    /// Width of the overlay in per cent of the frame's width, 1 to 100.
    pub overlay_size: i32,
    /// Opacity of the overlay, 0 (invisible) to 100.
    pub overlay_opacity: i32,
}

/// Position of the overlay in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Position {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
    Center,
}

/// The serialized names of [`Position`].
pub const POSITIONS: [&str; 5] = ["top-left", "top-right", "bottom-left", "bottom-right", "center"];

/// The colour of a green or blue screen; written `auto` or `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ScreenColour {
    /// Found in the picture.
    #[default]
    Auto,
    /// Chosen, in 8-bit sRGB; at least [`ScreenColour::MIN_SATURATION`].
    Chosen([u8; 3]),
}

impl ScreenColour {
    /// The minimum saturation, as a distance from grey in levels of chroma: less cannot be told from the room.
    pub const MIN_SATURATION: f32 = 18.0;

    const EXPECTED: &str = "auto, or a green or another vivid colour such as #00b140";

    /// The U and V of a chosen colour, without their offset.
    pub(crate) fn chroma(self) -> Option<(f32, f32)> {
        let Self::Chosen([red, green, blue]) = self else { return None };
        let Yuv { u, v, .. } = Yuv::from_rgb(red, green, blue);
        Some((f32::from(u) - 128.0, f32::from(v) - 128.0))
    }
}

impl TryFrom<String> for ScreenColour {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let is_hex = |digits: &&str| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let digits = text.strip_prefix('#').filter(is_hex).ok_or(Self::EXPECTED)?;
        let number = u32::from_str_radix(digits, 16).map_err(|_| Self::EXPECTED)?;
        let [_, rgb @ ..] = number.to_be_bytes();
        let colour = Self::Chosen(rgb);
        let is_vivid = colour.chroma().is_some_and(|(u, v)| u.hypot(v) >= Self::MIN_SATURATION);
        if is_vivid { Ok(colour) } else { Err(Self::EXPECTED) }
    }
}

impl From<ScreenColour> for String {
    fn from(colour: ScreenColour) -> Self {
        match colour {
            ScreenColour::Auto => "auto".to_owned(),
            ScreenColour::Chosen([red, green, blue]) => format!("#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

/// Description of one setting of the look.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Setting {
    /// The name in the settings and on the command line.
    pub name: &'static str,
    /// The accepted values.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// What it does, for users.
    pub description: &'static str,
}

/// The values that a setting accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// A whole number in this inclusive range.
    Number(i32, i32),
    /// On or off.
    Switch,
    /// An absolute path, or empty.
    File,
    /// A [`ScreenColour`].
    ScreenColour,
    /// One of these names.
    Choice(&'static [&'static str]),
}

/// All settings of the look, in display order.
pub const SETTINGS: [Setting; 23] = [
    number("softness", 0, 100, "soften the edge around you"),
    number("edge_shift", -100, 100, "shrink (below 0) or grow (above 0) your outline"),
    number("decontaminate", 0, 100, "remove your room's colour from hair and edges"),
    number("light_wrap", 0, 100, "spill light from the background onto your edges"),
    switch("nearest_only", "hide everyone except the nearest person"),
    switch("green_screen", "key out the green or blue screen behind you, for the sharpest hair"),
    Setting {
        name: "green_screen_color",
        value_type: ValueType::ScreenColour,
        description: "colour of the screen, if it is not found automatically",
    },
    number("green_screen_tolerance", 0, 100, "raise it if the screen shows through, lower it if hair disappears"),
    number("green_screen_spill", 0, 100, "remove the green or blue light that the screen casts on you"),
    number("background_opacity", 0, 100, "opacity of the background: below 100, your real room is visible"),
    number("background_blur", 0, 100, "blur the background image or video"),
    number("background_brightness", -100, 100, "darken or brighten the background"),
    number("background_saturation", -100, 100, "reduce or boost the background's colours"),
    number("exposure_match", 0, 100, "match your brightness to the background"),
    number("low_light", 0, 100, "brighten you in low light"),
    number("zoom", 100, 400, "zoom in on you, in percent"),
    number("pan_x", -100, 100, "move left or right while zoomed in"),
    number("pan_y", -100, 100, "move up or down while zoomed in"),
    switch("auto_frame", "follow you and keep your head in the frame"),
    Setting {
        name: "overlay",
        value_type: ValueType::File,
        description: "show an image with transparency, such as a logo or name tag, on top",
    },
    Setting {
        name: "overlay_position",
        value_type: ValueType::Choice(&POSITIONS),
        description: "position of the overlay",
    },
    number("overlay_size", 1, 100, "width of the overlay, in percent of the frame width"),
    number("overlay_opacity", 0, 100, "opacity of the overlay"),
];

const fn number(name: &'static str, min: i32, max: i32, description: &'static str) -> Setting {
    Setting { name, value_type: ValueType::Number(min, max), description }
}

const fn switch(name: &'static str, description: &'static str) -> Setting {
    Setting { name, value_type: ValueType::Switch, description }
}

/// Why a change of the look is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// The name is unknown.
    #[error("unknown look setting {name:?}")]
    Unknown {
        /// The name.
        name: String,
        /// The most similar known name.
        near: Option<String>,
    },
    /// The value has the wrong type or is out of range.
    #[error("{name} = {value}: expected {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// The value.
        value: String,
        /// The accepted values.
        expected: String,
    },
}

impl From<LookError> for Failure {
    fn from(error: LookError) -> Self {
        let failure = Self::new(Kind::BadInput, error.to_string());
        match error {
            LookError::Unknown { near: Some(near), .. } => failure.hint(format!("did you mean {near:?}?")),
            LookError::Unknown { .. } => failure.hint("`bgcam look` lists all look settings"),
            LookError::Value { name, .. } => failure.hint(format!("`bgcam look` shows the range of {name}")),
        }
    }
}

/// Changes by name; values are numbers, booleans or strings.
pub type Changes = Map<String, Value>;

impl Look {
    /// A copy with `changes` applied.
    ///
    /// # Errors
    /// If a name is unknown or a value invalid: the first one.
    pub fn with(&self, changes: &Changes) -> Result<Self, LookError> {
        let mut all = self.to_map();
        for (name, value) in changes {
            let setting = setting(name)?;
            setting.check(value)?;
            all.insert(setting.name.to_owned(), value.clone());
        }
        // cannot fail, because every value was checked
        Ok(serde_json::from_value(Value::Object(all)).unwrap_or_else(|_| self.clone()))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// If a value is out of range: the first one.
    pub fn check(&self) -> Result<(), LookError> {
        let all = self.to_map();
        SETTINGS.iter().try_for_each(|setting| setting.check(all.get(setting.name).unwrap_or(&Value::Null)))
    }

    /// All values by name.
    pub fn to_map(&self) -> Changes {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Changes::new(),
        }
    }

    /// The path of the overlay image, if one is set.
    pub fn overlay(&self) -> Option<PathBuf> {
        (!self.overlay.is_empty()).then(|| PathBuf::from(&self.overlay))
    }

    /// The neutral look, which leaves every pixel unchanged.
    pub fn neutral() -> Self {
        Self {
            softness: 0,
            edge_shift: 0,
            decontaminate: 0,
            light_wrap: 0,
            nearest_only: false,
            green_screen: false,
            green_screen_color: ScreenColour::Auto,
            green_screen_tolerance: 50,
            green_screen_spill: 0,
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
            overlay_position: Position::BottomRight,
            overlay_size: 20,
            overlay_opacity: 100,
        }
    }
}

/// The setting of this name; `-` and `_` are equivalent.
///
/// # Errors
/// If the name is unknown.
pub fn setting(name: &str) -> Result<&'static Setting, LookError> {
    let plain = name.replace('-', "_");
    SETTINGS.iter().find(|setting| setting.name == plain).ok_or_else(|| LookError::Unknown {
        name: name.to_owned(),
        near: nearest(&plain, SETTINGS.iter().map(|setting| setting.name)),
    })
}

impl Setting {
    fn check(&self, value: &Value) -> Result<(), LookError> {
        let is_valid = match self.value_type {
            ValueType::Number(min, max) => {
                value.as_i64().is_some_and(|number| (i64::from(min)..=i64::from(max)).contains(&number))
            }
            ValueType::Switch => value.is_boolean(),
            ValueType::File => value.as_str().is_some_and(|path| path.is_empty() || path.starts_with('/')),
            ValueType::ScreenColour => {
                value.as_str().is_some_and(|text| ScreenColour::try_from(text.to_owned()).is_ok())
            }
            ValueType::Choice(names) => value.as_str().is_some_and(|name| names.contains(&name)),
        };
        if is_valid { Ok(()) } else { Err(self.invalid(value.to_string())) }
    }

    fn invalid(&self, value: String) -> LookError {
        LookError::Value { name: self.name, value, expected: self.expected() }
    }

    /// The accepted values, for error messages.
    pub fn expected(&self) -> String {
        match self.value_type {
            ValueType::Number(min, max) => format!("a whole number from {min} to {max}"),
            ValueType::Switch => "on or off".to_owned(),
            ValueType::File => "the absolute path of a PNG, JPEG or WebP file, or empty".to_owned(),
            ValueType::ScreenColour => ScreenColour::EXPECTED.to_owned(),
            ValueType::Choice(names) => format!("one of {}", names.join(", ")),
        }
    }

    /// Parses a value typed by the user.
    ///
    /// # Errors
    /// If the text has the wrong type or is out of range.
    pub fn parse(&self, text: &str) -> Result<Value, LookError> {
        let value = match self.value_type {
            ValueType::Number(..) => text.trim_end_matches('%').parse::<i64>().map(Value::from).ok(),
            ValueType::Switch => match text {
                "on" | "true" | "yes" | "1" => Some(Value::Bool(true)),
                "off" | "false" | "no" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            ValueType::File | ValueType::ScreenColour | ValueType::Choice(_) => Some(Value::from(text)),
        };
        let value = value.ok_or_else(|| self.invalid(format!("{text:?}")))?;
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
    fn every_field_has_a_setting_and_the_neutral_look_is_valid() {
        let neutral = Look::neutral();
        neutral.check().unwrap();
        let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        let mut fields: Vec<String> = neutral.to_map().keys().cloned().collect();
        fields.sort_unstable();
        assert_eq!(names, fields);
    }

    #[test]
    fn changes_are_applied_and_checked() {
        let look =
            Look::neutral().with(&changes(r#"{"softness": 20, "auto-frame": true, "overlay_position": "top-left"}"#));
        let look = look.unwrap();
        assert_eq!((look.softness, look.auto_frame, look.overlay_position), (20, true, Position::TopLeft));
        for (bad, expected) in [
            (r#"{"softnes": 1}"#, "unknown look setting \"softnes\""),
            (r#"{"softness": 101}"#, "softness = 101: expected a whole number from 0 to 100"),
            (r#"{"softness": 1.5}"#, "softness = 1.5: expected a whole number"),
            (r#"{"zoom": 99}"#, "a whole number from 100 to 400"),
            (r#"{"auto_frame": 1}"#, "expected on or off"),
            (r#"{"overlay": "logo.png"}"#, "the absolute path"),
            (r#"{"overlay_position": "left"}"#, "one of top-left"),
            (r#"{"green_screen_color": "green"}"#, "green_screen_color = \"green\": expected auto, or"),
            (r##"{"green_screen_color": "#808890"}"##, "vivid colour"),
        ] {
            let failure = Failure::from(Look::neutral().with(&changes(bad)).unwrap_err());
            assert!(failure.message.contains(expected), "{failure}");
            assert!(failure.hint.is_some());
        }
    }

    #[test]
    fn a_screen_has_a_colour_of_its_own_or_is_found() {
        let look = Look::neutral().with(&changes(r##"{"green_screen_color": "#00B140"}"##)).unwrap();
        assert_eq!(look.green_screen_color, ScreenColour::Chosen([0, 0xb1, 0x40]));
        assert_eq!(look.to_map()["green_screen_color"], "#00b140");
        let look = look.with(&changes(r#"{"green_screen_color": "auto"}"#)).unwrap();
        assert_eq!(look.green_screen_color.chroma(), None);
        for bad in ["", "#", "#00b14", "#00b1400", "#+0b140", "00b140", "#ffffff", "AUTO"] {
            assert!(ScreenColour::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn typed_text_is_parsed() {
        let parse = |name: &str, text: &str| setting(name)?.parse(text);
        assert_eq!(parse("light-wrap", "30%"), Ok(Value::from(30)));
        assert_eq!(parse("edge_shift", "-5"), Ok(Value::from(-5)));
        assert_eq!(parse("auto-frame", "on"), Ok(Value::Bool(true)));
        assert_eq!(parse("overlay", ""), Ok(Value::from("")));
        assert_eq!(parse("green-screen-color", "#00B140"), Ok(Value::from("#00B140")));
        for (name, text) in [("zoom", "big"), ("zoom", "500"), ("auto_frame", "maybe"), ("zom", "100")] {
            assert!(parse(name, text).is_err(), "{name} {text}");
        }
    }
}
