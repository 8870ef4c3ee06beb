//! Settings: the compiled-in defaults, the files, the environment and the flags, checked and joined.
//!
//! Raw settings (`raw`) are what stands in the files; checked settings ([`Config`]) are what the stations take. Every
//! file is checked by itself first (`text`), so that an error can name its file and line; `variables` finds settings in
//! the environment, `values` checks single values.

mod error;
mod raw;
mod text;
mod values;
mod variables;

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::{error::ConfigError, text::check_text};
use self::{
    error::{parse_error, value},
    raw::Raw,
    values::{fourcc, parse, parse_fit, within},
    variables::settings_in,
};
use crate::{
    background::{BackgroundSpec, Fit, Limits},
    camera,
    error::chain,
    frame::Size,
    look::{Look, LookError},
    mask::{self, Quality},
    paths,
    prompt::settings::PromptSettings,
    sink::SinkSpec,
};

/// The defaults, which are also the documentation of every setting.
pub const DEFAULTS: &str = include_str!("../../config/bgcam.toml");

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
    /// How the picture looks until the user turns something.
    pub look: Look,
    /// What is shown until the user chooses something.
    pub background: BackgroundSpec,
    /// How pictures are fitted.
    pub fit: Fit,
    /// How long a new background takes to come in over the old one; zero cuts.
    pub crossfade: Duration,
    /// How large a picture may be.
    pub limits: Limits,
    /// Who makes pictures of words.
    pub prompt: PromptSettings,
    /// How many bytes the gallery may hold.
    pub gallery_bytes: u64,
    /// Whether there is a control page, and at which port of this machine; 0 is any that is free.
    pub page: Option<u16>,
    /// The files that were read, weakest first.
    pub files: Vec<PathBuf>,
    /// That of the files, environment and flags.
    own_quality: Quality,
    raw: Raw,
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

    /// The same settings with another camera and quality, or with their own.
    #[must_use]
    pub fn with(mut self, camera: Option<&str>, quality: Option<Quality>) -> Self {
        self.camera.device = camera.unwrap_or(&self.raw.camera.device).to_owned();
        self.mask.quality = quality.unwrap_or(self.own_quality);
        self
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
        raw.look.check().map_err(|error| look_error(&error))?;
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
            processor: parse("mask.processor", &raw.mask.processor)?,
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
            look: raw.look.clone(),
            background: parse::<BackgroundSpec>("background.default", &raw.background.default)?.fitted(fit),
            fit,
            crossfade: Duration::from_millis(within("background.crossfade_ms", raw.background.crossfade_ms, 0, 5_000)?),
            limits: Limits {
                max_bytes: within("background.max_megabytes", raw.background.max_megabytes, 1, 200)? << 20,
                max_pixels: within("background.max_megapixels", raw.background.max_megapixels, 1, 400)? * 1_000_000,
            },
            prompt: raw.prompt.clone(),
            gallery_bytes: within("gallery.max_megabytes", raw.gallery.max_megabytes, 10, 1_000_000)? << 20,
            page: raw.web.enabled.then_some(raw.web.port),
            files,
            own_quality: mask.quality,
            mask,
            raw,
        })
    }
}

fn look_error(error: &LookError) -> ConfigError {
    match error {
        LookError::Unknown { .. } => parse_error("settings", &error.to_string()),
        LookError::Value { name, value: found, expected } => value(name, found, expected),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

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
    fn what_was_chosen_lies_over_the_settings_and_can_be_taken_off() {
        let config = load("[camera]\ndevice = \"brio\"\n[mask]\nquality = \"eco\"\n", &[]).unwrap();
        let chosen = config.with(Some("demo"), Some(Quality::High));
        assert_eq!((chosen.camera.device.as_str(), chosen.mask.quality), ("demo", Quality::High));
        let own = chosen.with(None, None);
        assert_eq!((own.camera.device.as_str(), own.mask.quality), ("brio", Quality::Eco));
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
