//! Background requests: "blur:40", "tomato", "~/beach.jpg", as text and in the saved state.

use std::{
    ffi::OsStr,
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use csscolorparser::NAMED_COLORS;
use serde::{Deserialize, Deserializer, Serialize};

use super::{BackgroundError, Fit};
use crate::{error::nearest, paths::expand_home};

/// The strength of `blur` without a number.
pub const DEFAULT_BLUR: u8 = 50;

/// The usual extensions of videos and animated images.
const VIDEO_EXTENSIONS: [&str; 14] =
    ["mp4", "m4v", "mov", "mkv", "webm", "avi", "ogv", "mpg", "mpeg", "ts", "wmv", "y4m", "gif", "apng"];

/// The requested background.
///
/// As text ([`FromStr`]): `none` (formerly `off`), `blur`, `blur:40`, `#20a040`, `#fff`, `tomato`, `rgb(32 160 64)`, a
/// path, `image:PATH` or `video:PATH` for a file whose name is one of these words, or `slideshow:FOLDER`. As JSON:
/// `"none"`, `{"color":"#20a040"}`, `{"image":{"path":"/a/b.jpg","fit":"cover"}}`,
/// `{"video":{"path":"/a/b.mp4","fit":"cover"}}`,
/// `{"slideshow":{"path":"/a","seconds":30,"shuffle":false,"fit":"cover"}}`, `{"blur":{"strength":40}}`.
///
/// A file is shown as an image, an animation or a video according to its content, regardless of the variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackgroundSpec {
    /// No background: the unmodified camera image, including the room. Written `none`; older files have `off`.
    #[serde(rename = "none", alias = "off")]
    Off,
    /// A single colour.
    #[serde(rename = "color")]
    Colour(Rgb),
    /// An image file.
    Image {
        /// The path; the daemon requires it to be absolute.
        path: PathBuf,
        /// How it fills the frame.
        #[serde(default)]
        fit: Fit,
    },
    /// A video file, or an animated image.
    Video {
        /// The path; the daemon requires it to be absolute.
        path: PathBuf,
        /// How it fills the frame.
        #[serde(default)]
        fit: Fit,
    },
    /// The images of a folder, one after another.
    Slideshow(Slides),
    /// The blurred room.
    Blur {
        /// 1 (barely visible) to 100 (nothing recognizable).
        #[serde(deserialize_with = "strength")]
        strength: u8,
    },
}

/// The images of a folder, one after another, sorted by name; the folder is read again on every pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slides {
    /// The folder; the daemon requires an absolute path.
    pub path: PathBuf,
    /// The time per image in seconds, 1 to 86400.
    #[serde(default = "default_seconds", deserialize_with = "seconds")]
    pub seconds: u32,
    /// Shuffle the order.
    #[serde(default)]
    pub shuffle: bool,
    /// How the images fill the frame.
    #[serde(default)]
    pub fit: Fit,
}

impl Slides {
    /// The slideshow of `path` with half a minute per image.
    pub fn new(path: PathBuf) -> Self {
        Self { path, seconds: default_seconds(), shuffle: false, fit: Fit::default() }
    }
}

fn default_seconds() -> u32 {
    30
}

/// Parses the time per image, in seconds: `45`, `30s`, `2m`, `1h`.
///
/// # Errors
/// If it is not a time from one second to a day.
pub fn parse_seconds(text: &str) -> Result<u32, BackgroundError> {
    let text = text.trim();
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let seconds = number.trim().parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=86_400).contains(seconds));
    seconds.ok_or_else(|| BackgroundError::BadSeconds { text: text.to_owned() })
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let number = u64::deserialize(from)?;
    parse_seconds(&number.to_string()).map_err(serde::de::Error::custom)
}

impl BackgroundSpec {
    /// The file or folder it refers to.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Image { path, .. } | Self::Video { path, .. } | Self::Slideshow(Slides { path, .. }) => Some(path),
            Self::Off | Self::Colour(_) | Self::Blur { .. } => None,
        }
    }

    /// The same background, with the given fit if it is a file.
    #[must_use]
    pub fn fitted(mut self, wanted: Fit) -> Self {
        if let Some((_, fit)) = self.file_mut() {
            *fit = wanted;
        }
        self
    }

    /// The same background, with a relative path resolved against the current directory.
    ///
    /// # Errors
    /// If there is no current directory, or the path is empty.
    pub fn absolute(mut self) -> io::Result<Self> {
        if let Some((path, _)) = self.file_mut() {
            *path = std::path::absolute(&*path)?;
        }
        Ok(self)
    }

    fn file_mut(&mut self) -> Option<(&mut PathBuf, &mut Fit)> {
        match self {
            Self::Image { path, fit } | Self::Video { path, fit } | Self::Slideshow(Slides { path, fit, .. }) => {
                Some((path, fit))
            }
            Self::Off | Self::Colour(_) | Self::Blur { .. } => None,
        }
    }
}

/// A label; a file is shown with its name.
impl fmt::Display for BackgroundSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("none"),
            Self::Colour(colour) => colour.fmt(f),
            Self::Image { path, .. } | Self::Video { path, .. } => name(path).fmt(f),
            Self::Slideshow(Slides { path, seconds, .. }) => write!(f, "slideshow of {}, {seconds} s each", name(path)),
            Self::Blur { strength } => write!(f, "blur {strength}"),
        }
    }
}

fn name(path: &Path) -> impl fmt::Display {
    path.file_name().unwrap_or(path.as_os_str()).display()
}

impl FromStr for BackgroundSpec {
    type Err = BackgroundError;

    fn from_str(text: &str) -> Result<Self, BackgroundError> {
        let text = text.trim();
        for (word, make) in [("image:", image as fn(PathBuf) -> Self), ("video:", video), ("slideshow:", slideshow)] {
            if let Some(path) = text.strip_prefix(word) {
                return if path.is_empty() { Err(empty(word)) } else { Ok(make(expand_home(path))) };
            }
        }
        if let Some(number) = text.strip_prefix("blur:") {
            return Ok(Self::Blur { strength: parse_strength(number)? });
        }
        match text {
            "none" | "off" => Ok(Self::Off),
            "blur" => Ok(Self::Blur { strength: DEFAULT_BLUR }),
            _ if is_colour(text) => text.parse().map(Self::Colour),
            // a bare word is more likely a typo than a file: image names have a dot
            _ if !text.contains(['/', '.']) => {
                Err(BackgroundError::BadSpec { text: text.to_owned(), suggestion: nearest(text, keywords()) })
            }
            _ if has_video_name(text) => Ok(video(expand_home(text))),
            _ => Ok(image(expand_home(text))),
        }
    }
}

fn is_colour(text: &str) -> bool {
    text.starts_with('#') || NAMED_COLORS.contains_key(text.into()) || is_css_function(text)
}

fn is_css_function(text: &str) -> bool {
    text.ends_with(')') && text.split_once('(').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphabetic()))
}

fn image(path: PathBuf) -> BackgroundSpec {
    BackgroundSpec::Image { path, fit: Fit::default() }
}

fn video(path: PathBuf) -> BackgroundSpec {
    BackgroundSpec::Video { path, fit: Fit::default() }
}

fn slideshow(path: PathBuf) -> BackgroundSpec {
    BackgroundSpec::Slideshow(Slides::new(path))
}

fn empty(word: &str) -> BackgroundError {
    BackgroundError::BadSpec { text: word.to_owned(), suggestion: None }
}

/// Whether the name is that of a video; the content decides when it is loaded.
pub(super) fn has_video_name(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(OsStr::to_str).unwrap_or_default();
    VIDEO_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

fn parse_strength(text: &str) -> Result<u8, BackgroundError> {
    let number = text.trim().parse().ok().filter(|n| (1..=100).contains(n));
    number.ok_or_else(|| BackgroundError::BadStrength { text: text.to_owned() })
}

fn strength<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    let number = u64::deserialize(from)?;
    parse_strength(&number.to_string()).map_err(serde::de::Error::custom)
}

/// 8-bit sRGB; written and saved as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[allow(missing_docs)]
pub struct Rgb {
    pub r: u8,
    pub g: u8,
    pub b: u8,
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.r, self.g, self.b)
    }
}

impl From<Rgb> for String {
    fn from(colour: Rgb) -> Self {
        colour.to_string()
    }
}

impl TryFrom<String> for Rgb {
    type Error = BackgroundError;

    fn try_from(text: String) -> Result<Self, BackgroundError> {
        text.parse()
    }
}

/// `#rgb`, `#rrggbb`, a CSS name or a CSS function such as `rgb(32 160 64)`; must be opaque.
impl FromStr for Rgb {
    type Err = BackgroundError;

    fn from_str(text: &str) -> Result<Self, BackgroundError> {
        let text = text.trim();
        let is_hex = matches!(text.len(), 3 | 6)
            && text.contains(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_hexdigit());
        let hex = || is_hex.then(|| format!("#{text}"));
        let suggestion = || hex().or_else(|| nearest(text, colour_names()));
        let bad = || BackgroundError::BadColour { text: text.to_owned(), suggestion: suggestion() };
        // the parser also accepts hex without a hash, so "add" and "facade" would be colours
        if !is_colour(text) {
            return Err(bad());
        }
        let [r, g, b, alpha] = csscolorparser::parse(text).map_err(|_| bad())?.to_rgba8();
        if alpha == 255 { Ok(Self { r, g, b }) } else { Err(BackgroundError::ClearColour { text: text.to_owned() }) }
    }
}

fn colour_names() -> impl Iterator<Item = &'static str> {
    NAMED_COLORS.keys().map(|name| name.as_str())
}

fn keywords() -> impl Iterator<Item = &'static str> {
    ["none", "blur"].into_iter().chain(colour_names())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<BackgroundSpec, String> {
        text.parse().map_err(|e: BackgroundError| e.to_string())
    }

    fn colour(r: u8, g: u8, b: u8) -> BackgroundSpec {
        BackgroundSpec::Colour(Rgb { r, g, b })
    }

    fn file(path: &str) -> BackgroundSpec {
        BackgroundSpec::Image { path: path.into(), fit: Fit::Cover }
    }

    fn clip(path: &str) -> BackgroundSpec {
        BackgroundSpec::Video { path: path.into(), fit: Fit::Cover }
    }

    #[test]
    fn text_becomes_a_spec() {
        assert_eq!(parse("none"), Ok(BackgroundSpec::Off));
        assert_eq!(parse("off"), Ok(BackgroundSpec::Off), "older settings");
        assert_eq!(parse(" blur "), Ok(BackgroundSpec::Blur { strength: DEFAULT_BLUR }));
        assert_eq!(parse("blur:40"), Ok(BackgroundSpec::Blur { strength: 40 }));
        assert_eq!(parse("#20a040"), Ok(colour(0x20, 0xa0, 0x40)));
        assert_eq!(parse("#fff"), Ok(colour(255, 255, 255)));
        assert_eq!(parse("Tomato"), Ok(colour(255, 99, 71)));
        assert_eq!(parse("rgb(32, 160, 64)"), Ok(colour(32, 160, 64)));
        assert_eq!(parse("a/beach"), Ok(file("a/beach")));
        assert_eq!(parse("beach.jpg"), Ok(file("beach.jpg")));
        assert_eq!(parse("image:tomato"), Ok(file("tomato")));
        assert_eq!(parse("clips/waves.MP4"), Ok(clip("clips/waves.MP4")));
        assert_eq!(parse("cat.gif"), Ok(clip("cat.gif")));
        assert_eq!(parse("video:tomato"), Ok(clip("tomato")));
        assert_eq!(parse("image:clip.mp4"), Ok(file("clip.mp4")));
        assert_eq!(parse("/p/photo (1)"), Ok(file("/p/photo (1)")));
    }

    #[test]
    fn typos_are_rejected_with_a_suggestion() {
        for (typo, suggestion) in [("blurr", "blur"), ("non", "none"), ("tomatoe", "tomato"), ("gren", "green")] {
            let Err(BackgroundError::BadSpec { suggestion: found, .. }) = typo.parse::<BackgroundSpec>() else {
                panic!("{typo} was taken");
            };
            assert_eq!(found.as_deref(), Some(suggestion), "{typo}");
        }
        for bad in [
            "",
            "add",
            "face",
            "#12",
            "#20a04g",
            "#20a04080",
            "transparent(",
            "blur:0",
            "blur:101",
            "blur:x",
            "image:",
            "video:",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_saved_form_is_stable() {
        for (spec, json) in [
            (BackgroundSpec::Off, r#""none""#),
            (colour(32, 160, 64), r##"{"color":"#20a040"}"##),
            (file("/a/b.jpg").fitted(Fit::Contain), r#"{"image":{"path":"/a/b.jpg","fit":"contain"}}"#),
            (clip("/a/b.mp4"), r#"{"video":{"path":"/a/b.mp4","fit":"cover"}}"#),
            (
                BackgroundSpec::Slideshow(Slides { seconds: 60, shuffle: true, ..Slides::new("/a".into()) }),
                r#"{"slideshow":{"path":"/a","seconds":60,"shuffle":true,"fit":"cover"}}"#,
            ),
            (BackgroundSpec::Blur { strength: 40 }, r#"{"blur":{"strength":40}}"#),
        ] {
            assert_eq!(serde_json::to_string(&spec).unwrap(), json);
            assert_eq!(serde_json::from_str::<BackgroundSpec>(json).unwrap(), spec);
        }
        assert_eq!(serde_json::from_str::<BackgroundSpec>(r#""off""#).unwrap(), BackgroundSpec::Off, "older files");
        for bad in [
            r#"{"slideshow":{"path":"/a","seconds":0}}"#,
            r#"{"blur":{"strength":0}}"#,
            r#"{"blur":{"strength":256}}"#,
            r#"{"color":"gren"}"#,
        ] {
            assert!(serde_json::from_str::<BackgroundSpec>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("45", 45), ("30s", 30), (" 2m ", 120), ("1h", 3600), ("24h", 86_400)] {
            assert_eq!(parse_seconds(text).unwrap(), seconds, "{text}");
        }
        for bad in ["", "s", "0", "25h", "1.5m", "-3", "9999999999", "30 seconds", "5\u{1f}m\u{e9}"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("slideshow:/a/photos").unwrap().to_string(), "slideshow of photos, 30 s each");
    }

    proptest! {
        #[test]
        fn no_input_causes_a_panic(text in any::<String>()) {
            let _ = parse_seconds(&text);
            let _ = text.parse::<BackgroundSpec>();
        }
    }
}
