//! Settings: the compiled-in defaults, the files, the environment and the flags, checked and joined.
//!
//! Raw settings are what stands in the files; checked settings ([`Config`]) are what the stations take. Every
//! file is checked by itself first, so that an error can name its file and line.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    background::{BackgroundSpec, Fit, Limits},
    camera,
    error::{Failure, Kind, chain, nearest},
    frame::Size,
    mask::{self, catalogue::ModelSpec},
    paths,
    prompt::settings::PromptSettings,
    sink::SinkSpec,
};

/// The defaults, which are also the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../config/bgcam.toml");

/// Environment variables with our prefix that are no settings.
const RESERVED: [&str; 9] = [
    "BGCAM_LOG",
    "BGCAM_ONNXRUNTIME",
    "BGCAM_TESTBED",
    // what the provider `command` tells its program, which may call us
    "BGCAM_PROMPT",
    "BGCAM_NEGATIVE",
    "BGCAM_WIDTH",
    "BGCAM_HEIGHT",
    "BGCAM_SEED",
    "BGCAM_OUTPUT",
];

/// The checked settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The camera to open.
    pub camera: camera::Settings,
    /// Whether the camera is open also while nobody reads.
    pub always_on: bool,
    /// Where pictures go.
    pub outputs: Vec<SinkSpec>,
    /// The size of every picture.
    pub size: Size,
    /// Frames a second.
    pub fps: u32,
    /// The model.
    pub mask: mask::Settings,
    /// What is shown until the user chooses something.
    pub background: BackgroundSpec,
    /// How pictures are fitted.
    pub fit: Fit,
    /// How large a picture may be.
    pub limits: Limits,
    /// Who makes pictures of words.
    pub prompt: PromptSettings,
    /// How many bytes the gallery may hold.
    pub gallery_bytes: u64,
    /// The files that were read, weakest first.
    pub files: Vec<PathBuf>,
    raw: Raw,
}

/// The settings as they stand in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    camera: RawCamera,
    output: RawOutput,
    background: RawBackground,
    mask: RawMask,
    gallery: RawGallery,
    prompt: PromptSettings,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGallery {
    max_megabytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCamera {
    device: String,
    format: String,
    timeout_ms: u64,
    always_on: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutput {
    to: Vec<String>,
    size: String,
    fps: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBackground {
    default: String,
    fit: String,
    max_megabytes: u64,
    max_megapixels: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMask {
    model: String,
    quality: String,
    latency: String,
    library: String,
    memory: f32,
    edge: [f32; 2],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    custom: Vec<ModelSpec>,
}

/// What can be wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is there but can't be read.
    #[error("cannot read settings {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no TOML, or has a key or a type that we don't know; the text has the line.
    #[error("{origin}: {text}")]
    Parse {
        /// The file, or the environment variable.
        origin: String,
        /// What is wrong, with the line where there is one.
        text: String,
        /// What may have been meant.
        near: Option<String>,
    },
    /// A value is out of its range.
    #[error("setting {key} = {value} is not {expected}")]
    Value {
        /// The key, such as `output.fps`.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What was expected.
        expected: String,
    },
}

impl From<&ConfigError> for Failure {
    fn from(error: &ConfigError) -> Self {
        let failure = Self::new(Kind::BadInput, chain(error));
        match error {
            ConfigError::Parse { near: Some(near), .. } => failure.hint(format!("did you mean {near:?}?")),
            ConfigError::Read { path, .. } => failure.hint(format!("ls -l {}", path.display())),
            _ => failure.hint("`bgcam config show` prints every setting, config/bgcam.toml explains them"),
        }
    }
}

/// Settings given as flags, as `key` and `value`; they win over everything.
pub type Flags = Vec<(&'static str, config::Value)>;

impl Config {
    /// Reads the files that are there, the environment and the flags.
    ///
    /// # Errors
    /// When a file can't be read, a key is unknown or a value makes no sense.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::layered(&paths::config_files(), env::vars_os(), flags)
    }

    /// Reads just these files over the defaults, weakest first; files that are not there are left out.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn layered(
        files: &[PathBuf],
        variables: impl Iterator<Item = (OsString, OsString)>,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        let mut read = Vec::new();
        for path in files {
            let Some(text) = read_file(path)? else { continue };
            check_text(&text, &path.display().to_string())?;
            builder = builder.add_source(config::File::from_str(&text, config::FileFormat::Toml));
            read.push(path.clone());
        }
        let variables = settings_in(variables)?;
        for (name, key, value) in &variables {
            let set = builder.set_override(key, value.clone());
            builder = set.map_err(|error| parse_error(name, &error.to_string()))?;
        }
        for (key, value) in flags {
            builder =
                builder.set_override(*key, value.clone()).map_err(|error| parse_error(key, &error.to_string()))?;
        }
        // the files were checked one by one, so what is wrong now came by the environment or a flag
        let raw: Raw = builder.build().and_then(config::Config::try_deserialize).map_err(|error| {
            let text = error.to_string();
            let from = variables.iter().find(|(_, key, _)| text.contains(&format!("`{key}`")));
            parse_error(from.map_or("settings", |(name, ..)| name), &text)
        })?;
        Self::check(raw, read)
    }

    /// The joined settings as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.raw).unwrap_or_default()
    }

    fn check(raw: Raw, files: Vec<PathBuf>) -> Result<Self, ConfigError> {
        let size: Size = parse("output.size", &raw.output.size)?;
        let fps = within("output.fps", raw.output.fps, 1, 120)?;
        let timeout = within("camera.timeout_ms", raw.camera.timeout_ms, 100, 5_000)?;
        let outputs = raw.output.to.iter().map(|to| parse("output.to", to)).collect::<Result<_, _>>()?;
        raw.prompt.check().map_err(|error| parse_error("settings", &chain(&error)))?;
        let fit = parse_fit(&raw.background.fit)?;
        let [low, high] = raw.mask.edge;
        if !(0.0..1.0).contains(&low) || !(low..=1.0).contains(&high) || low == high {
            return Err(value("mask.edge", format!("[{low}, {high}]"), "two rising numbers from 0 to 1"));
        }
        if !(0.0..=0.95).contains(&raw.mask.memory) {
            return Err(value("mask.memory", raw.mask.memory, "a number from 0 to 0.95"));
        }
        let mask = mask::Settings {
            model: raw.mask.model.clone(),
            library: Some(&raw.mask.library).filter(|path| !path.is_empty()).map(PathBuf::from),
            models_dirs: mask::catalogue::default_dirs(),
            custom: raw.mask.custom.clone(),
            quality: parse("mask.quality", &raw.mask.quality)?,
            latency: parse("mask.latency", &raw.mask.latency)?,
            effort: mask::Effort::Live,
            threads: 1,
            memory: raw.mask.memory,
            edge: (low, high),
        };
        mask::catalogue::find(&mask)
            .map_err(|error| value("mask.model", format!("{:?}", mask.model), format!("valid: {error}")))?;
        Ok(Self {
            camera: camera::Settings {
                device: raw.camera.device.clone(),
                fourcc: fourcc(&raw.camera.format)?,
                size,
                fps,
                timeout: Duration::from_millis(timeout),
            },
            always_on: raw.camera.always_on,
            outputs,
            size,
            fps,
            mask,
            background: parse::<BackgroundSpec>("background.default", &raw.background.default)?.fitted(fit),
            fit,
            limits: Limits {
                max_bytes: within("background.max_megabytes", raw.background.max_megabytes, 1, 200)? << 20,
                max_pixels: within("background.max_megapixels", raw.background.max_megapixels, 1, 400)? * 1_000_000,
            },
            prompt: raw.prompt.clone(),
            gallery_bytes: within("gallery.max_megabytes", raw.gallery.max_megabytes, 10, 1_000_000)? << 20,
            files,
            raw,
        })
    }
}

/// Checks one file's text by itself: TOML, known keys, right types, values in range.
///
/// # Errors
/// What is wrong, with `origin` and the line.
pub fn check_file(path: &Path) -> Result<(), ConfigError> {
    let text = read_file(path)?
        .ok_or_else(|| ConfigError::Read { path: path.to_owned(), source: io::Error::from(io::ErrorKind::NotFound) })?;
    check_text(&text, &path.display().to_string())?;
    Config::layered(&[path.to_owned()], std::iter::empty(), &Flags::new()).map(|_| ())
}

fn read_file(path: &Path) -> Result<Option<String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    }
}

/// Lays `text` over the defaults, so that a file may name any part of the settings, and keeps the line of an error.
pub fn check_text(text: &str, origin: &str) -> Result<(), ConfigError> {
    let parsed: toml::Table = toml::from_str(text).map_err(|error| located(origin, text, &error))?;
    let known = defaults();
    check_keys(origin, text, &parsed, &known)?;
    let mut whole = known;
    merge(&mut whole, parsed);
    whole.try_into::<Raw>().map(|_| ()).map_err(|error: toml::de::Error| mistyped(origin, text, &error))
}

fn check_keys(origin: &str, text: &str, parsed: &toml::Table, known: &toml::Table) -> Result<(), ConfigError> {
    for (key, value) in parsed {
        match (known.get(key), value) {
            // a list of tables has no default
            (None, _) if key == "custom" && known.contains_key("model") => {}
            (None, _) => return Err(unknown(origin, text, key, known.keys())),
            (Some(toml::Value::Table(known)), toml::Value::Table(value)) => check_keys(origin, text, value, known)?,
            (Some(toml::Value::Table(_)), _) => {
                let line = line_with(text, key);
                return Err(parse_error(&format!("{origin}:{line}"), &format!("{key} is not a table of settings")));
            }
            (Some(_), _) => {}
        }
    }
    Ok(())
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn defaults() -> toml::Table {
    toml::from_str(DEFAULTS).unwrap_or_default()
}

/// The settings among environment variables, as (variable, key, value); lists are split at commas.
fn settings_in(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String, config::Value)>, ConfigError> {
    let known = env_names();
    let mut found = Vec::new();
    for (name, text) in variables {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with("BGCAM_") || RESERVED.contains(&name.as_str()) {
            continue;
        }
        let text = text.into_string().map_err(|_| parse_error(&name, "the value is not UTF-8 text"))?;
        let Some((key, is_list)) = known.get(&name) else {
            let near = nearest(&name, known.keys().map(String::as_str));
            return Err(ConfigError::Parse { origin: name, text: "no setting has this name".to_owned(), near });
        };
        let value = if *is_list {
            config::Value::from(text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>())
        } else {
            config::Value::from(text)
        };
        found.push((name, key.clone(), value));
    }
    Ok(found)
}

/// Every setting's environment variable with its key and whether it is a list.
fn env_names() -> BTreeMap<String, (String, bool)> {
    fn walk(table: &toml::Table, above: &str, names: &mut BTreeMap<String, (String, bool)>) {
        for (key, value) in table {
            let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
            match value {
                toml::Value::Table(table) => walk(table, &path, names),
                _ => {
                    let name = format!("BGCAM_{}", path.replace('.', "_").to_uppercase());
                    names.insert(name, (path, value.is_array()));
                }
            }
        }
    }
    let mut names = BTreeMap::new();
    walk(&defaults(), "", &mut names);
    names
}

fn located(origin: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let origin = match error.span() {
        Some(span) => format!("{origin}:{}", line_of(text, span.start)),
        None => origin.to_owned(),
    };
    parse_error(&origin, error.message())
}

/// An error in the whole, which has no place in the text: its last line names the key, in `backticks`.
fn mistyped(origin: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let said = error.to_string();
    let path = said.split('`').rev().nth(1).unwrap_or_default();
    let key = path.rsplit('.').next().unwrap_or_default();
    parse_error(&format!("{origin}:{}", line_with(text, key)), &format!("{path}: {}", error.message()))
}

fn unknown<'a>(origin: &str, text: &str, key: &str, known: impl Iterator<Item = &'a String>) -> ConfigError {
    let line = line_with(text, key);
    let known: Vec<&str> = known.map(String::as_str).collect();
    ConfigError::Parse {
        origin: format!("{origin}:{line}"),
        text: format!("unknown setting {key:?}, expected one of {}", known.join(", ")),
        near: nearest(key, known),
    }
}

fn line_with(text: &str, key: &str) -> usize {
    text.lines().position(|line| names_key(line, key)).map_or(1, |index| index + 1)
}

fn names_key(line: &str, key: &str) -> bool {
    line.trim_start()
        .trim_start_matches('[')
        .trim_start()
        .strip_prefix(key)
        .is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn parse_error(origin: &str, text: &str) -> ConfigError {
    ConfigError::Parse { origin: origin.to_owned(), text: text.trim_end().to_owned(), near: None }
}

fn parse<T: std::str::FromStr>(key: &'static str, text: &str) -> Result<T, ConfigError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| value(key, format!("{text:?}"), format!("valid: {error}")))
}

fn fourcc(text: &str) -> Result<Option<String>, ConfigError> {
    let known = camera::FOURCCS;
    match text {
        "auto" => Ok(None),
        _ if known.contains(&text) => Ok(Some(text.to_owned())),
        _ => Err(value("camera.format", format!("{text:?}"), format!("auto or one of {}", known.join(", ")))),
    }
}

fn parse_fit(text: &str) -> Result<Fit, ConfigError> {
    <Fit as clap::ValueEnum>::from_str(text, false)
        .map_err(|_| value("background.fit", format!("{text:?}"), "cover, contain or stretch"))
}

fn within<T: PartialOrd + Copy + std::fmt::Display>(
    key: &'static str,
    number: T,
    low: T,
    high: T,
) -> Result<T, ConfigError> {
    if number >= low && number <= high {
        Ok(number)
    } else {
        Err(value(key, number, format!("a number from {low} to {high}")))
    }
}

fn value(key: &'static str, value: impl ToString, expected: impl Into<String>) -> ConfigError {
    ConfigError::Value { key, value: value.to_string(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bgcam.toml");
        fs::write(&file, text).unwrap();
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Config::layered(&[file], variables, &Flags::new())
    }

    fn error(text: &str) -> String {
        let failure = Failure::from(&load(text, &[]).unwrap_err());
        format!("{} | {}", failure.message, failure.hint.unwrap_or_default())
    }

    #[test]
    fn the_defaults_are_valid_settings() {
        let config = Config::layered(&[], std::iter::empty(), &Flags::new()).unwrap();
        assert_eq!((config.size, config.fps), (Size::HD, 30));
        assert_eq!(config.limits.max_bytes, 25 << 20);
        check_text(&config.to_toml(), "show").unwrap();
    }

    #[test]
    fn a_file_wins_over_the_defaults_and_the_environment_over_a_file() {
        let text = "[output]\nfps = 15\nsize = \"640x480\"\n";
        let config = load(text, &[("BGCAM_OUTPUT_FPS", "24"), ("BGCAM_OUTPUT_TO", "none, y4m:/tmp/x.y4m")]).unwrap();
        assert_eq!((config.size.to_string().as_str(), config.fps, config.outputs.len()), ("640x480", 24, 2));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_is_near() {
        let text = error("[camera]\ndevice = \"auto\"\n[output]\nsiez = \"640x480\"\n");
        assert!(text.contains("bgcam.toml:4: unknown setting \"siez\""), "{text}");
        assert!(text.contains("did you mean \"size\"?"), "{text}");
        let text = error("\n[ouput]\n");
        assert!(text.contains(":2: unknown setting \"ouput\"") && text.contains("\"output\""), "{text}");
    }

    #[test]
    fn a_bad_value_is_named_with_what_was_expected() {
        for (text, expected) in [
            ("[output]\nfps = 0", "setting output.fps = 0 is not a number from 1 to 120"),
            (
                "[output]\nsize = \"big\"",
                "setting output.size = \"big\" is not valid: size \"big\" is not WIDTHxHEIGHT",
            ),
            ("[mask]\nedge = [0.7, 0.3]", "setting mask.edge = [0.7, 0.3] is not two rising numbers"),
            ("[output]\nfps = \"fast\"", "bgcam.toml:2: output.fps: invalid type: string \"fast\""),
            ("[mask]\nmodel = \"landscap\"", "setting mask.model = \"landscap\" is not valid"),
            ("[output\n", ":1: "),
        ] {
            let text = error(text);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_variable_is_an_error_too() {
        let failure = Failure::from(&load("", &[("BGCAM_OUTPUT_SIZ", "1x1")]).unwrap_err());
        assert!(failure.message.starts_with("BGCAM_OUTPUT_SIZ: "), "{failure}");
        assert_eq!(failure.hint.as_deref(), Some("did you mean \"BGCAM_OUTPUT_SIZE\"?"));
        assert!(load("", &[("BGCAM_LOG", "debug"), ("HOME", "/")]).is_ok());
        let failure = Failure::from(&load("", &[("BGCAM_OUTPUT_FPS", "fast")]).unwrap_err());
        assert!(failure.message.starts_with("BGCAM_OUTPUT_FPS: "), "{failure}");
    }

    #[test]
    fn variables_that_are_no_text_are_no_trouble_unless_they_are_ours() {
        use std::os::unix::ffi::OsStringExt;
        let bad = || OsString::from_vec(vec![0xff]);
        let load = |name: OsString| Config::layered(&[], [(name, bad())].into_iter(), &Flags::new());
        assert!(load("FOO".into()).is_ok() && load(bad()).is_ok());
        let failure = Failure::from(&load("BGCAM_CAMERA_DEVICE".into()).unwrap_err());
        assert!(failure.message.contains("BGCAM_CAMERA_DEVICE: the value is not UTF-8"), "{failure}");
    }
}
