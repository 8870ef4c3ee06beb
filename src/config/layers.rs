//! Settings laid over each other: the defaults, the files, the environment, the flags. Each layer is checked when it comes
//! on top, so that a mistake is reported with the place where it was made, and none hides another.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use config::{ConfigBuilder, File, FileFormat, builder::DefaultState};

use super::{
    Config, DEFAULTS, Flags,
    error::{ConfigError, Mistake, Place, Wrong, value},
    raw::Raw,
    text::{self, defaults},
    values::{expected, expected_type},
    variables::settings_in,
};

const HINT: &str = "`bgcam config show` prints every setting, config/bgcam.toml explains them";

/// More mistakes than anybody reads at a time.
const MAX_MISTAKES: usize = 200;

/// Settings out of several places, the strongest last.
#[derive(Debug)]
pub(super) struct Layers {
    builder: ConfigBuilder<DefaultState>,
    /// Where each key was set last.
    places: BTreeMap<String, Place>,
    mistakes: Vec<Mistake>,
    count: usize,
}

impl Layers {
    /// The defaults.
    pub(super) fn new() -> Self {
        let builder = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        Self { builder, places: BTreeMap::new(), mistakes: Vec::new(), count: 0 }
    }

    /// Notes a mistake that is in no setting.
    pub(super) fn note(&mut self, source: &str, text: impl Into<String>, hint: impl Into<String>) {
        let place = Place { layer: self.count, line: None, source: source.to_owned() };
        self.mistakes.push(Mistake { place: Some(place), text: text.into(), hint: hint.into() });
    }

    /// Adds a file's text.
    pub(super) fn file(&mut self, text: &str, source: &str) {
        let document = text::read(text, source, self.count);
        self.mistakes.extend(document.mistakes);
        self.places.extend(document.places);
        let known = toml::to_string(&document.table).unwrap_or_default();
        self.add(|builder| builder.add_source(File::from_str(&known, FileFormat::Toml)));
    }

    /// Adds the settings among environment variables.
    pub(super) fn variables(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) {
        let (found, mistakes) = settings_in(variables, self.count);
        self.mistakes.extend(mistakes);
        let names: Vec<_> = found.iter().map(|variable| (variable.key.clone(), variable.name.clone())).collect();
        let values = found.into_iter().map(|variable| (variable.key, variable.value));
        self.set(names, values);
    }

    /// Adds the flags of the command line.
    pub(super) fn flags(&mut self, flags: &Flags) {
        let names = flags.iter().map(|(key, _)| ((*key).to_owned(), flag(key).to_owned())).collect();
        self.set(names, flags.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    }

    /// The joined settings, which came out of `files`.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub(super) fn finish(mut self, files: Vec<PathBuf>) -> Result<Config, ConfigError> {
        let whole = self.whole().map_err(|text| Wrong { key: String::new(), text });
        let joined = whole.and_then(|whole| typed(&whole)).and_then(|raw| Config::check(raw, files));
        match (ConfigError::of(std::mem::take(&mut self.mistakes)), joined) {
            (Some(error), _) => Err(error),
            (None, Ok(config)) => Ok(config),
            (None, Err(wrong)) => Err(self.mistake(wrong).into()),
        }
    }

    fn set(&mut self, names: Vec<(String, String)>, values: impl Iterator<Item = (String, config::Value)>) {
        let layer = self.count;
        self.places.extend(names.into_iter().map(|(key, source)| (key, Place { layer, line: None, source })));
        for (key, value) in values {
            let with = self.builder.clone().set_override(&key, value);
            match with {
                Ok(builder) => self.builder = builder,
                Err(error) => self.note(&key, error.to_string(), HINT),
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

    /// Finds what is wrong with the settings so far. Whatever it is gives way to its default, so that the next can be found.
    fn check(&mut self) {
        let defaults = defaults();
        let mut whole = match self.whole() {
            Ok(whole) => whole,
            Err(text) => return self.note("settings", text, HINT),
        };
        while self.mistakes.len() < MAX_MISTAKES {
            let Err(wrong) = typed(&whole).and_then(|raw| Config::check(raw, Vec::new())) else { return };
            let is_last = !reset(&mut whole, &defaults, &wrong.key);
            let mistake = self.mistake(wrong);
            // an earlier layer's, which is still there
            if !self.mistakes.contains(&mistake) {
                self.mistakes.push(mistake);
            }
            if is_last {
                return;
            }
        }
    }

    fn mistake(&self, wrong: Wrong) -> Mistake {
        Mistake { place: self.place(&wrong.key), text: wrong.text, hint: HINT.to_owned() }
    }

    /// Where `key`, or the nearest table around it, was set.
    fn place(&self, key: &str) -> Option<Place> {
        let around = std::iter::successors(Some(key), |key| key.rsplit_once('.').map(|(above, _)| above));
        around.filter_map(|key| self.places.get(key)).next().cloned()
    }
}

/// The settings with the types that they are to have.
fn typed(whole: &toml::Table) -> Result<Raw, Wrong> {
    whole.clone().try_into::<Raw>().map_err(|error: toml::de::Error| {
        let (message, whole_text) = (error.message().trim_end(), error.to_string());
        let key = whole_text.lines().rev().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
        let key = key.unwrap_or_default();
        match lookup(whole, key) {
            Some(found) if !message.starts_with("unknown field") && !message.starts_with("missing field") => {
                value(key, found, expected(key).unwrap_or_else(|| expected_type(message)))
            }
            _ => Wrong { key: key.to_owned(), text: format!("{key}: {}", message.replace('`', "\"")) },
        }
    })
}

fn lookup<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    match key.split_once('.') {
        Some((name, rest)) => lookup(table.get(name)?.as_table()?, rest),
        None => table.get(key),
    }
}

/// Puts the default of `key` into its place; false when it is there already.
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

/// The flag that sets `key`.
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
