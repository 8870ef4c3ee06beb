//! Layers of settings: defaults, files, environment variables, flags. Every layer is checked as it is added, so that
//! each error is reported with its location and none hides another.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use config::{ConfigBuilder, File, FileFormat, builder::DefaultState};

use super::{
    Config, DEFAULTS, Flags,
    error::{ConfigError, InvalidSetting, Location, SettingError, value},
    raw::Raw,
    text::{self, defaults},
    values::{expected, expected_type},
    variables::settings_in,
};

const HINT: &str = "`bgcam config show` prints all settings; docs/config.md explains them";

/// Limit of reported errors.
const MAX_ERRORS: usize = 200;

/// The merged settings of all layers so far; later layers override earlier ones.
#[derive(Debug)]
pub(super) struct Layers {
    builder: ConfigBuilder<DefaultState>,
    /// The location where each key was set last.
    locations: BTreeMap<String, Location>,
    errors: Vec<SettingError>,
    count: usize,
}

impl Layers {
    /// The layer of defaults.
    pub(super) fn new() -> Self {
        let builder = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        Self { builder, locations: BTreeMap::new(), errors: Vec::new(), count: 0 }
    }

    /// Adds an error that concerns no single setting.
    pub(super) fn add_error(&mut self, source: &str, text: impl Into<String>, hint: impl Into<String>) {
        let location = Location { layer: self.count, line: None, source: source.to_owned() };
        self.errors.push(SettingError { location: Some(location), text: text.into(), hint: hint.into() });
    }

    /// Adds the text of a settings file.
    pub(super) fn file(&mut self, text: &str, source: &str) {
        let document = text::read(text, source, self.count);
        self.errors.extend(document.errors);
        self.locations.extend(document.locations);
        let known = toml::to_string(&document.table).unwrap_or_default();
        self.add(|builder| builder.add_source(File::from_str(&known, FileFormat::Toml)));
    }

    /// Adds the settings in environment variables.
    pub(super) fn variables(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) {
        let (found, errors) = settings_in(variables, self.count);
        self.errors.extend(errors);
        let names: Vec<_> = found.iter().map(|variable| (variable.key.clone(), variable.name.clone())).collect();
        let values = found.into_iter().map(|variable| (variable.key, variable.value));
        self.set(names, values);
    }

    /// Adds the command-line flags.
    pub(super) fn flags(&mut self, flags: &Flags) {
        let names = flags.iter().map(|(key, _)| ((*key).to_owned(), flag(key).to_owned())).collect();
        self.set(names, flags.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    }

    /// The merged settings; `files` are the files that were read.
    ///
    /// # Errors
    /// If a layer has errors: all of them.
    pub(super) fn finish(mut self, files: Vec<PathBuf>) -> Result<Config, ConfigError> {
        let whole = self.whole().map_err(|text| InvalidSetting { key: String::new(), text });
        let merged = whole.and_then(|whole| typed(&whole)).and_then(|raw| Config::check(raw, files));
        match (ConfigError::of(std::mem::take(&mut self.errors)), merged) {
            (Some(error), _) => Err(error),
            (None, Ok(config)) => Ok(config),
            (None, Err(invalid)) => Err(self.error(invalid).into()),
        }
    }

    fn set(&mut self, names: Vec<(String, String)>, values: impl Iterator<Item = (String, config::Value)>) {
        let layer = self.count;
        self.locations.extend(names.into_iter().map(|(key, source)| (key, Location { layer, line: None, source })));
        for (key, value) in values {
            let with = self.builder.clone().set_override(&key, value);
            match with {
                Ok(builder) => self.builder = builder,
                Err(error) => self.add_error(&key, error.to_string(), HINT),
            }
        }
        self.add(|builder| builder);
    }

    fn add(&mut self, layer: impl FnOnce(ConfigBuilder<DefaultState>) -> ConfigBuilder<DefaultState>) {
        self.builder = layer(self.builder.clone());
        self.check();
        self.count += 1;
    }

    fn whole(&self) -> Result<toml::Table, String> {
        let built = self.builder.clone().build().and_then(config::Config::try_deserialize::<toml::Table>);
        built.map_err(|error| error.to_string())
    }

    /// Collects the errors of the settings so far. Replaces each invalid value with its default, to find the next
    /// error.
    fn check(&mut self) {
        let defaults = defaults();
        let mut whole = match self.whole() {
            Ok(whole) => whole,
            Err(text) => return self.add_error("settings", text, HINT),
        };
        while self.errors.len() < MAX_ERRORS {
            let Err(invalid) = typed(&whole).and_then(|raw| Config::check(raw, Vec::new())) else { return };
            let is_last = !reset(&mut whole, &defaults, &invalid.key);
            let error = self.error(invalid);
            // errors of lower layers are found again
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
            if is_last {
                return;
            }
        }
    }

    fn error(&self, invalid: InvalidSetting) -> SettingError {
        SettingError { location: self.location(&invalid.key), text: invalid.text, hint: HINT.to_owned() }
    }

    /// The location of `key`, or of its innermost enclosing table that has one.
    fn location(&self, key: &str) -> Option<Location> {
        let keys = std::iter::successors(Some(key), |key| key.rsplit_once('.').map(|(parent, _)| parent));
        keys.filter_map(|key| self.locations.get(key)).next().cloned()
    }
}

/// Converts the settings to their types.
fn typed(whole: &toml::Table) -> Result<Raw, InvalidSetting> {
    serde_path_to_error::deserialize::<_, Raw>(whole.clone()).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().message().trim_end();
        // errors in a list are located at the setting that has the list
        let key = path.split('[').next().unwrap_or_default();
        let is_in_nested_table = path.contains("].");
        match lookup(whole, key) {
            Some(found)
                if !is_in_nested_table
                    && !message.starts_with("unknown field")
                    && !message.starts_with("missing field") =>
            {
                value(key, found, expected(key).unwrap_or_else(|| expected_type(message)))
            }
            _ => InvalidSetting { key: key.to_owned(), text: format!("{path}: {}", message.replace('`', "\"")) },
        }
    })
}

fn lookup<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    match key.split_once('.') {
        Some((name, rest)) => lookup(table.get(name)?.as_table()?, rest),
        None => table.get(key),
    }
}

/// Replaces the value of `key` with its default; false if it is the default already.
fn reset(table: &mut toml::Table, defaults: &toml::Table, key: &str) -> bool {
    let (name, rest) = key.split_once('.').map_or((key, None), |(name, rest)| (name, Some(rest)));
    match (table.get_mut(name), defaults.get(name), rest) {
        (Some(toml::Value::Table(inner)), Some(toml::Value::Table(defaults)), Some(rest)) => {
            reset(inner, defaults, rest)
        }
        (_, Some(default), _) => table.insert(name.to_owned(), default.clone()).as_ref() != Some(default),
        (_, None, _) => table.remove(name).is_some(),
    }
}

/// The name of the flag that sets `key`.
fn flag(key: &str) -> &str {
    match key {
        "camera.device" => "--camera",
        "output.size" => "--size",
        "output.fps" => "--fps",
        "output.to" => "--output",
        "mask.model" => "--model",
        "mask.quality" => "--quality",
        other => other,
    }
}
