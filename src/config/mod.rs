//! Settings: compiled-in defaults, files, environment variables and flags, merged and checked.
//!
//! `raw` has the settings as written in the files, [`Config`] the checked settings that the stages use. `text` parses a file
//! and records line numbers, `variables` reads the environment, `layers` merges all layers and collects the errors with their
//! locations, `values` checks single values.

pub(crate) mod arguments;
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

pub use self::error::{ConfigError, Location, SettingError};
use self::{
    error::{InvalidSetting, value},
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
    /// Port of the control page on the loopback interface, 0 for any free port; `None` if the page is off.
    pub page: Option<u16>,
    /// The files that were read, lowest precedence first.
    pub files: Vec<PathBuf>,
    /// The configured quality, which `with` restores.
    own_quality: Quality,
    raw: Raw,
}

/// Settings given as flags, as key and value; they override all other layers.
pub type Flags = Vec<(&'static str, config::Value)>;

impl Config {
    /// Loads the settings files that exist, the environment variables and the flags.
    ///
    /// # Errors
    /// All unreadable files, unknown keys and invalid values.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::layered(&paths::config_files(), env::vars_os(), flags)
    }

    /// Loads these files, lowest precedence first, on top of the defaults; skips files that do not exist.
    ///
    /// # Errors
    /// See [`Config::load`].
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
        let [low, high] = raw.mask.edge;
        if !(0.0..1.0).contains(&low) || !(low..=1.0).contains(&high) || low == high {
            return Err(value("mask.edge", format!("[{low}, {high}]"), expected("mask.edge").unwrap_or_default()));
        }
        if !(0.0..=0.95).contains(&raw.mask.memory) {
            return Err(value("mask.memory", raw.mask.memory, expected("mask.memory").unwrap_or_default()));
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
            crossfade: Duration::from_millis(within("background.crossfade_ms", raw.background.crossfade_ms)?),
            limits: Limits {
                max_bytes: within("background.max_megabytes", raw.background.max_megabytes)? << 20,
                max_pixels: within("background.max_megapixels", raw.background.max_megapixels)? * 1_000_000,
            },
            prompt: raw.prompt.clone(),
            gallery_bytes: within("gallery.max_megabytes", raw.gallery.max_megabytes)? << 20,
            page: raw.web.enabled.then_some(raw.web.port),
            files,
            own_quality: mask.quality,
            mask,
            raw,
        })
    }
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
/// All errors, with their lines.
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
/// See [`check_file`].
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
mod tests {
    use std::fs;

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
        let failure = Failure::from(load(text, &[]).unwrap_err());
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
    fn files_override_defaults_and_variables_override_files() {
        let text = "[output]\nfps = 15\nsize = \"640x480\"\n";
        let config = load(text, &[("BGCAM_OUTPUT_FPS", "24"), ("BGCAM_OUTPUT_TO", "none, y4m:/tmp/x.y4m")]).unwrap();
        assert_eq!((config.size.to_string().as_str(), config.fps, config.outputs.len()), ("640x480", 24, 2));
    }

    #[test]
    fn unknown_keys_are_reported_with_line_and_suggestion() {
        let text = error("[camera]\ndevice = \"auto\"\n[output]\nsiez = \"640x480\"\n");
        assert!(text.contains("bgcam.toml:4: unknown setting \"siez\""), "{text}");
        assert!(text.contains("did you mean \"size\"?"), "{text}");
        let text = error("\n[ouput]\n");
        assert!(text.contains(":2: unknown setting \"ouput\"") && text.contains("\"output\""), "{text}");
    }

    #[test]
    fn invalid_values_are_reported_with_the_expected_ones() {
        for (text, expected) in [
            ("[output]\nfps = 0", "setting output.fps = 0 is not a number from 1 to 120"),
            (
                "[output]\nsize = \"big\"",
                "setting output.size = \"big\" is not valid: size \"big\" is not WIDTHxHEIGHT",
            ),
            ("[mask]\nedge = [0.7, 0.3]", "setting mask.edge = [0.7, 0.3] is not two rising numbers"),
            ("\n[output]\nfps = \"fast\"", "bgcam.toml:3: setting output.fps = \"fast\" is not a number from 1 to 120"),
            ("[web]\nport = 70000", "bgcam.toml:2: setting web.port = 70000 is not a number from 0 to 65535"),
            ("[web]\nport = -1", "bgcam.toml:2: setting web.port = -1 is not a number from 0 to 65535"),
            ("[output]\nfps = 99999999999999999999", "setting output.fps = \"99999999999999999999\" is not a number"),
            ("[look]\nzoom = 99999999999", "setting look.zoom = 99999999999 is not a whole number from 100 to 400"),
            (
                "[look]\noverlay_position = \"left\"",
                "setting look.overlay_position = \"left\" is not one of top-left, top-right",
            ),
            ("[camera]\nalways_on = \"yes\"", "setting camera.always_on = \"yes\" is not true or false"),
            ("[mask]\nmemory = nan", "setting mask.memory = NaN is not a number from 0 to 0.95"),
            ("[mask]\nedge = [0.5]", "setting mask.edge = [0.5] is not two rising numbers from 0 to 1"),
            ("[prompt.sdwebui]\nsteps = -3", "setting prompt.sdwebui.steps = -3 is not a whole number, 0 or more"),
            ("[prompt.sdwebui]\nsteps = 900", ":2: setting prompt.sdwebui.steps = 900 is not a number from 1 to 150"),
            ("camera = 1", ":1: camera is a section: write [camera]"),
            ("[mask]\nmodel = \"landscap\"", "setting mask.model = \"landscap\" is not valid"),
            ("[output\n", ":1: "),
        ] {
            let text = error(text);
            assert!(text.contains(expected), "{text}");
        }
    }

    /// The messages of all errors of these files, variables and flags, in order.
    fn messages(files: &[&str], variables: &[(&str, &str)], flags: &Flags) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..files.len()).map(|number| dir.path().join(format!("{number}.toml"))).collect();
        for (path, text) in paths.iter().zip(files) {
            fs::write(path, text).unwrap();
        }
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let error = Config::layered(&paths, variables, flags).unwrap_err();
        let folder = format!("{}/", dir.path().display());
        error.into_errors().map(|error| error.to_string().replace(&folder, "")).collect()
    }

    #[test]
    fn errors_of_all_layers_are_reported_with_their_locations() {
        let files = [
            "[output]\nfps = 0\nsiez = 1\n[prompt.openai]\nsize = \"huge\"\n[mask]\nmodel = \"nope\"\n",
            "[output]\nfps = 500\n[mask]\nedge = [1, 0]\nmemory = 7\n[look]\nzoom = 1\nsoftness = 500\n",
        ];
        let variables = [("BGCAM_OUTPUT_FPS", "fast"), ("BGCAM_OUTPUT_SIZ", "1"), ("BGCAM_LOOK_ZOOM", "120")];
        let flags = vec![("mask.quality", "best".into()), ("mask.model", "landscape".into())];
        let found = messages(&files, &variables, &flags);
        let expected = [
            "0.toml:2: setting output.fps = 0 is not a number from 1 to 120",
            "0.toml:3: unknown setting \"siez\"",
            "0.toml:5: setting prompt.openai.size = ",
            "0.toml:7: setting mask.model = \"nope\"",
            "1.toml:2: setting output.fps = 500 is not a number from 1 to 120",
            "1.toml:4: setting mask.edge = [1, 0] is not two rising numbers",
            "1.toml:5: setting mask.memory = 7 is not",
            "1.toml:7: setting look.zoom = 1 is not a whole number from 100 to 400",
            "1.toml:8: setting look.softness = 500 is not a whole number from 0 to 100",
            "BGCAM_OUTPUT_FPS: setting output.fps = \"fast\" is not a number from 1 to 120",
            "BGCAM_OUTPUT_SIZ: no setting has this name",
            "--quality: setting mask.quality = \"best\" is not valid",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
    }

    #[test]
    fn syntax_errors_are_reported_beside_other_errors() {
        for (text, expected) in [
            ("[output]\nfps = \nsize = big\nto = [\"auto\"]\n[look]\nzoom = 1\n", &["2", "3", "6"][..]),
            (
                "broken line\n[output]\nfps = 0\n[mask\nmemory = 0.5\n[look]\nzoom = 1s\nsoftness = -1",
                &["1", "3", "4", "5", "7", "8"],
            ),
            ("[output]\nfps = 30\nfps = 24\n[look]\nzoom = 1", &["3", "5"]),
            ("[look]\nzoom = 1\noverlay = \"logo.png", &["2", "3"]),
            ("\u{0}\u{1}\n[look]\nzoom = 1", &["1", "3"]),
        ] {
            let found = messages(&[text], &[], &Flags::new());
            let line = |text: &String| text.split(": ").next().unwrap_or_default().replace("0.toml:", "");
            assert_eq!(found.iter().map(line).collect::<Vec<_>>(), expected, "{text}\n{found:#?}");
        }
    }

    #[test]
    fn the_first_error_counts_the_others() {
        let text = error("[output]\nfps = 0\n[mask]\nmemory = 2\n[look]\nzoom = 1\n");
        assert!(text.contains("output.fps = 0") && text.contains("(and 2 more errors)"), "{text}");
        assert!(text.ends_with("| `bgcam config check` lists all of them"), "{text}");
    }

    #[test]
    fn a_custom_model_may_be_defined_in_a_lower_layer() {
        let dir = tempfile::tempdir().unwrap();
        let low = dir.path().join("low.toml");
        let high = dir.path().join("high.toml");
        let custom = "[[mask.custom]]\nname = \"mine\"\nfile = \"/mine.onnx\"\nlayout = \"nchw\"\nwidth = 256\nheight = 144\n\
            range = \"0..1\"\noutput = \"alpha\"\n";
        fs::write(&low, custom).unwrap();
        fs::write(&high, "[mask]\nmodel = \"mine\"\n").unwrap();
        let load = |files: &[PathBuf]| Config::layered(files, std::iter::empty(), &Flags::new());
        assert_eq!(load(&[low, high.clone()]).unwrap().mask.model, "mine");
        assert!(load(&[high]).is_err());
        let found = messages(&["[[mask.custom]]\nname = \"mine\"\nwidth = \"wide\"\n"], &[], &Flags::new());
        assert!(found[0].starts_with("0.toml:1: mask.custom"), "{found:?}");
    }

    #[test]
    fn unreadable_files_are_reported_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("latin1.toml"), b"[output]\n# \xe9\n").unwrap();
        fs::create_dir(path("folder.toml")).unwrap();
        for (name, expected) in [
            ("none.toml", "settings file not found"),
            ("latin1.toml", "line 2 is not UTF-8 text"),
            ("folder.toml", "is a folder, not a regular file"),
        ] {
            let failure = Failure::from(check_file(&path(name)).unwrap_err());
            assert!(failure.message.contains(name) && failure.message.contains(expected), "{failure}");
        }
    }

    #[test]
    fn choices_override_the_settings_until_they_are_reset() {
        let config = load("[camera]\ndevice = \"brio\"\n[mask]\nquality = \"eco\"\n", &[]).unwrap();
        let chosen = config.with(Some("demo"), Some(Quality::High));
        assert_eq!((chosen.camera.device.as_str(), chosen.mask.quality), ("demo", Quality::High));
        let own = chosen.with(None, None);
        assert_eq!((own.camera.device.as_str(), own.mask.quality), ("brio", Quality::Eco));
    }

    #[test]
    fn unknown_variables_are_errors() {
        let failure = Failure::from(load("", &[("BGCAM_OUTPUT_SIZ", "1x1")]).unwrap_err());
        assert!(failure.message.starts_with("BGCAM_OUTPUT_SIZ: "), "{failure}");
        assert_eq!(failure.hint.as_deref(), Some("did you mean \"BGCAM_OUTPUT_SIZE\"?"));
        let unlike = Failure::from(load("", &[("BGCAM_NOPE", "1")]).unwrap_err()).hint.unwrap_or_default();
        assert!(!unlike.contains("did you mean"), "{unlike}");
        assert!(load("", &[("BGCAM_LOG", "debug"), ("HOME", "/")]).is_ok());
        let failure = Failure::from(load("", &[("BGCAM_OUTPUT_FPS", "fast")]).unwrap_err());
        assert!(failure.message.starts_with("BGCAM_OUTPUT_FPS: "), "{failure}");
    }

    #[test]
    fn only_settings_must_be_utf8_text() {
        use std::os::unix::ffi::OsStringExt;
        let bad = || OsString::from_vec(vec![0xff]);
        let load = |name: OsString| Config::layered(&[], [(name, bad())].into_iter(), &Flags::new());
        assert!(load("FOO".into()).is_ok() && load(bad()).is_ok());
        let failure = Failure::from(load("BGCAM_CAMERA_DEVICE".into()).unwrap_err());
        assert!(failure.message.contains("BGCAM_CAMERA_DEVICE: the value is not UTF-8"), "{failure}");
    }
}
