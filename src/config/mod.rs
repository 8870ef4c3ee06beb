//! Settings: compiled-in defaults, files, environment variables and flags, merged and checked.
//!
//! `raw` has the settings as written in the files, [`Config`] the checked settings that the stages use. `text` parses a
//! file and records line numbers, `variables` reads the environment, `layers` merges all layers and collects the errors
//! with their locations, `values` checks single values.

pub(crate) mod arguments;
pub(crate) mod edit;
mod error;
mod layers;
mod raw;
mod text;
mod values;
mod variables;

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use self::error::{ConfigError, Location, SettingError};
use self::{
    error::{InvalidSetting, rejected, value},
    layers::Layers,
    raw::Raw,
    values::{expected, fourcc, parse, parse_fit, within},
};
use crate::{
    background::{BackgroundSpec, Fit, Limits},
    camera,
    error::chain,
    frame::Size,
    look::{Look, LookError},
    mask::{self, Quality},
    media::regular::{self, FileError},
    paths,
    prompt::{PromptError, settings::PromptSettings},
    sink::SinkSpec,
};

/// The default settings; their comments are the source of docs/config.md.
pub const DEFAULTS: &str = include_str!("../../config/bgcam.toml");

/// Maximum size of a settings file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The checked settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The camera to open.
    pub camera: camera::Settings,
    /// Whether the camera stays open while no app reads the virtual camera.
    pub always_on: bool,
    /// The outputs.
    pub outputs: Vec<SinkSpec>,
    /// The frame size of the outputs, in pixels.
    pub size: Size,
    /// Frames per second.
    pub fps: u32,
    /// The model and the edge quality.
    pub mask: mask::Settings,
    /// The look, before changes by the user.
    pub look: Look,
    /// The background, until the user chooses another.
    pub background: BackgroundSpec,
    /// How images of another aspect ratio are fitted.
    pub fit: Fit,
    /// Duration of the fade to a new background; zero for a cut.
    pub crossfade: Duration,
    /// Size limits of background images.
    pub limits: Limits,
    /// Image providers for generated backgrounds.
    pub prompt: PromptSettings,
    /// Size limit of the gallery, in bytes.
    pub gallery_bytes: u64,
    /// Whether the built-in painter fills the gallery of a new user.
    pub starter_gallery: bool,
    /// Port of the control page on the loopback interface, 0 for any free port; `None` if the page is off.
    pub page: Option<u16>,
    /// What the tray icon does.
    pub tray: TraySettings,
    /// The files that were read, lowest precedence first.
    pub files: Vec<PathBuf>,
    /// The configured quality, which `with` restores.
    own_quality: Quality,
    raw: Raw,
}

/// The settings of `bgcam tray`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraySettings {
    /// Show notifications.
    pub notifications: bool,
    /// Bind global shortcuts.
    pub shortcuts: bool,
}

impl Default for TraySettings {
    fn default() -> Self {
        Self { notifications: true, shortcuts: true }
    }
}

/// Settings given as flags, as key and value; they override all other layers.
pub type Flags = Vec<(&'static str, config::Value)>;

impl Config {
    /// Loads the settings files that exist, the environment variables and the flags.
    ///
    /// # Errors
    /// If a file is unreadable, a key unknown or a value invalid: all such errors.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::layered(&paths::config_files(), env::vars_os(), flags)
    }

    /// Loads these files, lowest precedence first, on top of the defaults; skips files that do not exist.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn layered(
        files: &[PathBuf],
        variables: impl Iterator<Item = (OsString, OsString)>,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::new();
        let mut read = Vec::new();
        for path in files {
            match read_file(path) {
                Ok(text) => layers.file(&text, &path.display().to_string()),
                Err(error) if error.is_missing => continue,
                Err(error) => layers.add_error(&path.display().to_string(), error.text, error.hint),
            }
            read.push(path.clone());
        }
        layers.variables(variables);
        layers.flags(flags);
        layers.finish(read)
    }

    /// The same settings with this camera and quality, or the configured ones for `None`.
    #[must_use]
    pub fn with(mut self, camera: Option<&str>, quality: Option<Quality>) -> Self {
        self.camera.device = camera.unwrap_or(&self.raw.camera.device).to_owned();
        self.mask.quality = quality.unwrap_or(self.own_quality);
        self
    }

    /// The merged settings as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.raw).unwrap_or_default()
    }

    fn check(raw: Raw, files: Vec<PathBuf>) -> Result<Self, InvalidSetting> {
        let size: Size = parse("output.size", &raw.output.size)?;
        let fps = within("output.fps", raw.output.fps)?;
        let timeout = within("camera.timeout_ms", raw.camera.timeout_ms)?;
        let outputs = raw.output.to.iter().map(|to| parse("output.to", to)).collect::<Result<_, _>>()?;
        raw.prompt.check().map_err(|error| prompt_error(&error))?;
        raw.look.check().map_err(|error| look_error(&error))?;
        let fit = parse_fit(&raw.background.fit)?;
        let mask = mask_settings(&raw.mask)?;
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
            crossfade: Duration::from_millis(within("background.crossfade_ms", raw.background.crossfade_ms)?),
            limits: Limits {
                max_bytes: within("background.max_megabytes", raw.background.max_megabytes)? << 20,
                max_pixels: within("background.max_megapixels", raw.background.max_megapixels)? * 1_000_000,
            },
            prompt: raw.prompt.clone(),
            gallery_bytes: within("gallery.max_megabytes", raw.gallery.max_megabytes)? << 20,
            starter_gallery: raw.gallery.starter,
            page: raw.web.enabled.then_some(raw.web.port),
            tray: raw.tray,
            files,
            own_quality: mask.quality,
            mask,
            raw,
        })
    }
}

fn mask_settings(raw: &raw::RawMask) -> Result<mask::Settings, InvalidSetting> {
    let [low, high] = raw.edge;
    if !(0.0..1.0).contains(&low) || !(low..=1.0).contains(&high) || low == high {
        return Err(value("mask.edge", format!("[{low}, {high}]"), expected("mask.edge").unwrap_or_default()));
    }
    if !(0.0..=0.95).contains(&raw.memory) {
        return Err(value("mask.memory", raw.memory, expected("mask.memory").unwrap_or_default()));
    }
    let settings = mask::Settings {
        model: raw.model.clone(),
        library: Some(&raw.library).filter(|path| !path.is_empty()).map(PathBuf::from),
        models_dirs: mask::catalogue::default_dirs(),
        custom: raw.custom.clone(),
        quality: parse("mask.quality", &raw.quality)?,
        latency: parse("mask.latency", &raw.latency)?,
        input: mask::InputKind::Live,
        processor: parse("mask.processor", &raw.processor)?,
        threads: 1,
        memory: raw.memory,
        edge: (low, high),
    };
    mask::catalogue::find(&settings).map_err(|error| rejected("mask.model", format!("{:?}", settings.model), error))?;
    Ok(settings)
}

fn look_error(error: &LookError) -> InvalidSetting {
    match error {
        LookError::Unknown { name, .. } => InvalidSetting { key: format!("look.{name}"), text: error.to_string() },
        LookError::Value { name, value: found, expected } => value(&format!("look.{name}"), found, expected),
    }
}

fn prompt_error(error: &PromptError) -> InvalidSetting {
    match error {
        PromptError::Setting { key, value: found, expected } if found.parse::<f64>().is_ok() => {
            value(key, found, expected)
        }
        PromptError::Setting { key, value: found, expected } => value(key, format!("{found:?}"), expected),
        _ => InvalidSetting { key: "prompt".to_owned(), text: chain(error) },
    }
}

/// Checks one file on its own: syntax, keys, types and ranges.
///
/// # Errors
/// If the file has errors: all of them, with their lines.
pub fn check_file(path: &Path) -> Result<(), ConfigError> {
    let mut layers = Layers::new();
    let source = path.display().to_string();
    match read_file(path) {
        Ok(text) => layers.file(&text, &source),
        Err(error) => layers.add_error(&source, error.text, error.hint),
    }
    layers.finish(Vec::new()).map(drop)
}

/// Checks the text of one file on its own; error messages call it `origin`.
///
/// # Errors
/// As [`check_file`].
pub fn check_text(text: &str, origin: &str) -> Result<(), ConfigError> {
    let mut layers = Layers::new();
    layers.file(text, origin);
    layers.finish(Vec::new()).map(drop)
}

/// Why a settings file could not be read.
struct ReadError {
    is_missing: bool,
    text: String,
    hint: String,
}

fn read_file(path: &Path) -> Result<String, ReadError> {
    let bytes = regular::read(path, MAX_BYTES).map_err(|error| {
        let kind = if let FileError::Io(error) = &error { Some(error.kind()) } else { None };
        let is_missing = matches!(kind, Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory));
        let text = match is_missing {
            true => "settings file not found".to_owned(),
            false => format!("cannot read the settings file: {error}"),
        };
        let hint = match is_missing {
            true => "`bgcam config path` prints the locations of settings files".to_owned(),
            false => format!("check it with `ls -l {}`", path.display()),
        };
        ReadError { is_missing, text, hint }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let hint = "save the file as UTF-8".to_owned();
        ReadError { is_missing: false, text: format!("line {line} is not UTF-8 text"), hint }
    })
}

#[cfg(test)]
mod tests;
