//! The user's presets and their file: background, look, camera and quality under a name.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{
    loaded::with_load_timeout,
    lock,
    state_file::{self, is_absent},
};
use crate::{
    background::BackgroundSpec,
    error::{Failure, Kind, io_text, nearest},
    look::Changes,
    mask::Quality,
    media::regular,
    prompt::one_line,
};

/// Maximum number of presets.
const MAX_PRESETS: usize = 64;

/// Maximum length of a name, in characters.
const MAX_NAME: usize = 40;

/// Maximum size of the file, in bytes; a preset has about a thousand.
const MAX_BYTES: u64 = 1 << 20;

/// Everything that a preset restores, as it was in effect when the preset was saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Preset {
    pub(super) name: String,
    pub(super) background: BackgroundSpec,
    /// All look settings; one that is missing has the configured value.
    pub(super) look: Changes,
    /// Same syntax as `camera.device` in the settings.
    pub(super) camera: String,
    pub(super) quality: Quality,
}

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    presets: Vec<Preset>,
}

/// The presets; cheap to clone. The file is read for every request, because people may edit it.
#[derive(Debug, Clone)]
pub(super) struct Presets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The presets when the file was last read or written.
    known: Mutex<Vec<Preset>>,
    /// Locked while the file is changed.
    change: Mutex<()>,
}

impl Presets {
    /// The presets in the file at `path`. A file that cannot be read is reported by the first request for a preset.
    pub(super) fn load(path: PathBuf) -> Self {
        let known = read(&path).unwrap_or_else(|failure| {
            tracing::warn!(hint = failure.hint, "{failure}");
            Vec::new()
        });
        Self(Arc::new(Inner { path, known: Mutex::new(known), change: Mutex::default() }))
    }

    /// The presets when the file was last read.
    pub(super) fn known(&self) -> Vec<Preset> {
        lock(&self.0.known).clone()
    }

    /// The preset that [`Presets::get`] finds, as of the last time the file was read.
    pub(super) fn find(&self, name: &str) -> Option<Preset> {
        let known = lock(&self.0.known);
        Some(known[find(&known, name).ok()?].clone())
    }

    /// All presets, in the order in which they were first saved.
    pub(super) async fn list(&self) -> Result<Vec<Preset>, Failure> {
        self.with_file(|inner| inner.read()).await
    }

    /// The preset with this name, or the only one whose name starts with it.
    pub(super) async fn get(&self, name: String) -> Result<Preset, Failure> {
        self.with_file(move |inner| {
            let mut presets = inner.read()?;
            let at = find(&presets, &name)?;
            Ok(presets.swap_remove(at))
        })
        .await
    }

    /// Adds a preset, or replaces the one with the same name; returns whether there was one.
    pub(super) async fn put(&self, preset: Preset) -> Result<bool, Failure> {
        self.with_file(move |inner| {
            let _change = lock(&inner.change);
            let mut presets = inner.read()?;
            let old = presets.iter().position(|old| is_same(&old.name, &preset.name));
            match old {
                Some(at) => presets[at] = preset,
                None if presets.len() >= MAX_PRESETS => return Err(too_many()),
                None => presets.push(preset),
            }
            inner.write(presets)?;
            Ok(old.is_some())
        })
        .await
    }

    /// Removes a preset, found like [`Presets::get`] does. Returns its name.
    pub(super) async fn remove(&self, name: String) -> Result<String, Failure> {
        self.with_file(move |inner| {
            let _change = lock(&inner.change);
            let mut presets = inner.read()?;
            let at = find(&presets, &name)?;
            let removed = presets.remove(at);
            inner.write(presets)?;
            Ok(removed.name)
        })
        .await
    }

    async fn with_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let inner = Arc::clone(&self.0);
        with_load_timeout(spawn_blocking(move || work(&inner))).await
    }
}

impl Inner {
    fn read(&self) -> Result<Vec<Preset>, Failure> {
        let presets = read(&self.path)?;
        lock(&self.known).clone_from(&presets);
        Ok(presets)
    }

    fn write(&self, presets: Vec<Preset>) -> Result<(), Failure> {
        let content = Content { presets };
        state_file::save(&content, &self.path).map_err(|error| {
            let text = format!("cannot save your presets in {}: {}", self.path.display(), io_text(&error));
            Failure::new(Kind::Io, text)
                .hint("nothing has changed; check the permissions of its folder, and free space")
        })?;
        *lock(&self.known) = content.presets;
        Ok(())
    }
}

/// Reads the file; one that does not exist has no presets.
fn read(path: &Path) -> Result<Vec<Preset>, Failure> {
    let invalid = |why: &dyn std::fmt::Display| {
        Failure::new(Kind::BadInput, format!("cannot read your presets from {}: {why}", path.display()))
            .hint("correct the file, or delete it to start without presets")
    };
    let bytes = match regular::read(path, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == Kind::NotFound && is_absent(path) => return Ok(Vec::new()),
        Err(error) => return Err(invalid(&error)),
    };
    let content: Content = serde_json::from_slice(&bytes).map_err(|error| invalid(&error))?;
    match content.presets.iter().find_map(|preset| checked_name(&preset.name).err()) {
        Some(failure) => Err(invalid(&failure)),
        None => Ok(content.presets),
    }
}

/// A name without surrounding spaces, if it is one line of 1 to 40 characters.
pub(super) fn checked_name(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    let is_valid = (1..=MAX_NAME).contains(&name.chars().count()) && one_line(name) == name && !name.starts_with('-');
    is_valid.then(|| name.to_owned()).ok_or_else(|| {
        let expected = format!("expected one line of 1 to {MAX_NAME} characters that does not start with -");
        Failure::new(Kind::BadInput, format!("invalid preset name {name:?}: {expected}"))
    })
}

/// The index of the preset with this name, or else of the only one whose name starts with it. Case is ignored.
fn find(presets: &[Preset], name: &str) -> Result<usize, Failure> {
    let name = name.trim();
    let lower = name.to_lowercase();
    if let Some(at) = presets.iter().position(|preset| is_same(&preset.name, name)) {
        return Ok(at);
    }
    let starts = |preset: &Preset| !lower.is_empty() && preset.name.to_lowercase().starts_with(&lower);
    let found: Vec<usize> = (0..presets.len()).filter(|at| starts(&presets[*at])).collect();
    match *found {
        [at] => Ok(at),
        [] => Err(unknown(presets, name)),
        _ => {
            let names: Vec<&str> = found.iter().map(|at| &*presets[*at].name).collect();
            let text = format!("{name:?} matches {} presets: {}", names.len(), names.join(", "));
            Err(Failure::new(Kind::BadInput, text).hint("use the full name"))
        }
    }
}

fn is_same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn unknown(presets: &[Preset], name: &str) -> Failure {
    // comparing takes quadratic time
    let near = if name.len() > 4 * MAX_NAME { None } else { nearest(name, presets.iter().map(|preset| &preset.name)) };
    let shown: String = name.chars().take(2 * MAX_NAME).collect();
    Failure::new(Kind::NotFound, format!("no preset is named {shown:?}")).hint(match near {
        Some(near) => format!("did you mean {near:?}?"),
        None if presets.is_empty() => "there are none; `bgcam preset save NAME` saves the current state".to_owned(),
        None => "`bgcam preset list` shows all presets".to_owned(),
    })
}

fn too_many() -> Failure {
    let text = format!("there are already {MAX_PRESETS} presets, the maximum");
    Failure::new(Kind::BadInput, text).hint("remove one with `bgcam preset remove NAME`, or replace one by its name")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn preset(name: &str) -> Preset {
        Preset {
            name: name.to_owned(),
            background: "#20a040".parse().unwrap(),
            look: Changes::from_iter([("zoom".to_owned(), 120.into())]),
            camera: "auto".to_owned(),
            quality: Quality::Eco,
        }
    }

    fn empty() -> (tempfile::TempDir, Presets) {
        let dir = tempfile::tempdir().unwrap();
        let presets = Presets::load(dir.path().join("state/presets.json"));
        (dir, presets)
    }

    async fn names(presets: &Presets) -> Vec<String> {
        presets.list().await.unwrap().into_iter().map(|preset| preset.name).collect()
    }

    #[tokio::test]
    async fn presets_survive_and_a_second_one_with_the_same_name_replaces_the_first() {
        let (_dir, presets) = empty();
        assert!(names(&presets).await.is_empty());
        assert!(!presets.put(preset("Work")).await.unwrap());
        assert!(!presets.put(preset("Évening")).await.unwrap());
        assert!(presets.put(Preset { quality: Quality::High, ..preset("WORK") }).await.unwrap());
        let again = Presets::load(presets.0.path.clone());
        assert_eq!(again.known(), [Preset { quality: Quality::High, ..preset("WORK") }, preset("Évening")]);
        assert_eq!(again.remove("évening".to_owned()).await.unwrap(), "Évening");
        assert_eq!(names(&presets).await, ["WORK"]);
        assert!(
            fs::read_to_string(&presets.0.path).unwrap().contains("\n      \"background\": "),
            "people can read it"
        );
    }

    #[tokio::test]
    async fn a_preset_is_found_by_its_name_or_a_unique_start() {
        let (_dir, presets) = empty();
        for name in ["Work", "Work at home", "Evening"] {
            presets.put(preset(name)).await.unwrap();
        }
        for (name, expected) in [("work", "Work"), (" WORK A", "Work at home"), ("e", "Evening")] {
            assert_eq!(presets.get(name.to_owned()).await.unwrap().name, expected);
        }
        for (name, message, hint) in [
            ("wor", "\"wor\" matches 2 presets: Work, Work at home", "use the full name"),
            ("Evning", "no preset is named \"Evning\"", "did you mean \"Evening\"?"),
            ("x", "no preset is named \"x\"", "`bgcam preset list` shows all presets"),
            ("", "no preset is named \"\"", "`bgcam preset list` shows all presets"),
        ] {
            let failure = presets.remove(name.to_owned()).await.unwrap_err();
            assert_eq!((&*failure.message, failure.hint.as_deref()), (message, Some(hint)));
        }
        assert!(presets.get("a".repeat(1 << 20)).await.unwrap_err().message.len() < 200);
    }

    #[tokio::test]
    async fn number_and_names_are_limited() {
        let (_dir, presets) = empty();
        for number in 0..MAX_PRESETS {
            presets.put(preset(&number.to_string())).await.unwrap();
        }
        assert!(presets.put(preset("one more")).await.unwrap_err().message.contains("already 64 presets"));
        assert!(presets.put(preset("7")).await.unwrap(), "one can still be replaced");
        for good in [" Work ", "日本語", "R&D (1)", &"x".repeat(40)] {
            assert_eq!(checked_name(good).unwrap(), good.trim());
        }
        for bad in ["", "  ", "two\nlines", "tab\tstop", "-x", "\u{202e}krow", "a  b", &"x".repeat(41)] {
            let message = checked_name(bad).unwrap_err().message;
            assert!(message.contains("expected one line of 1 to 40 characters"), "{message}");
        }
    }

    #[tokio::test]
    async fn an_invalid_file_is_reported_and_never_overwritten() {
        let (_dir, presets) = empty();
        presets.put(preset("Work")).await.unwrap();
        let good = fs::read_to_string(&presets.0.path).unwrap();
        for bad in [
            String::new(),
            good[..good.len() / 2].to_owned(),
            good.replace("#20a040", "#2"),
            good.replace("\"quality\"", "\"brilliance\""),
            good.replace("Work", "two\\nlines"),
        ] {
            fs::write(&presets.0.path, &bad).unwrap();
            for failure in [presets.put(preset("Home")).await.map(drop), presets.list().await.map(drop)] {
                let failure = failure.unwrap_err();
                assert!(failure.message.contains("presets.json: "), "{failure}");
            }
            assert_eq!(fs::read_to_string(&presets.0.path).unwrap(), bad);
        }
        fs::write(&presets.0.path, good).unwrap();
        assert_eq!(names(&presets).await, ["Work"], "a corrected file is read again");
    }
}
