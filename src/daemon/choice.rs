//! The user's choice and its file format.

use std::{fmt, path::Path};

use serde::{
    Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{recent::Recent, state_file::is_absent};
use crate::{
    background::{BackgroundSpec, DEFAULT_BLUR},
    compose::Freeze,
    look::{Changes, Look},
    mask::Quality,
    media::regular,
};

/// Maximum size of the file, in bytes; a typical one has about a thousand.
const MAX_BYTES: u64 = 1 << 20;

/// Everything the user chose at run time; survives a restart. A background that cannot be loaded is kept: its disk may
/// be mounted later.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Choice {
    /// `None` for the configured background.
    pub(super) background: Option<BackgroundSpec>,
    /// Changes of the configured look.
    pub(super) look: Changes,
    /// `None` for the configured camera.
    pub(super) camera: Option<String>,
    /// `None` for the configured quality.
    pub(super) quality: Option<Quality>,
    pub(super) mirror: bool,
    pub(super) paused: bool,
    /// The line on the card while paused.
    pub(super) pause_message: Option<String>,
    /// While paused, a still instead of the card. Not saved: after a restart, there is no frame.
    #[serde(skip)]
    pub(super) frozen: Option<Freeze>,
    pub(super) recent: Recent,
}

impl Choice {
    /// Chooses a background instead of `old`, the one in effect.
    pub(super) fn choose(&mut self, new: BackgroundSpec, old: &BackgroundSpec) {
        self.recent.replaced(old, &new);
        self.background = Some(new);
    }
}

/// Loads the choice from `path`, with a description of the parts that could not be read. If there are any, the choice
/// is paused, because the user may have been; the readable parts are kept. A missing file means the first start.
pub(super) fn load(path: &Path) -> (Choice, Option<String>) {
    match regular::read(path, MAX_BYTES) {
        Ok(bytes) => parse(&bytes),
        Err(error) if error.kind() == crate::error::Kind::NotFound && is_absent(path) => (Choice::default(), None),
        Err(error) => (fallback(), Some(error.to_string())),
    }
}

/// The choice if nothing can be read: it must not show the room.
fn fallback() -> Choice {
    Choice { background: Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR }), paused: true, ..Choice::default() }
}

fn parse(bytes: &[u8]) -> (Choice, Option<String>) {
    let mut fields = Fields::read(bytes);
    let mut choice = fallback();
    // required: without these two it is unknown whether the room was hidden. The other fields were added in later
    // versions.
    if let Some(background) = fields.take("background", true) {
        choice.background = background;
    }
    choice.paused = fields.take("paused", true).unwrap_or(true);
    choice.mirror = fields.take("mirror", false).unwrap_or_default();
    choice.camera = fields.take("camera", false).unwrap_or_default();
    choice.quality = fields.take("quality", false).unwrap_or_default();
    choice.pause_message = fields.take("pause_message", false).unwrap_or_default();
    choice.recent = fields.take("recent", false).unwrap_or_default();
    choice.look = fields.take("look", false).unwrap_or_default();
    choice.look.retain(|name, value| fields.is_valid_look(name, value));
    fields.problems.extend(fields.found.keys().map(|name| format!("unknown field {name:?}")));
    choice.paused |= !fields.problems.is_empty();
    let problems = (!fields.problems.is_empty()).then(|| fields.problems.join("; "));
    (choice, problems)
}

/// The remaining fields of a saved choice, and the problems found so far.
struct Fields {
    found: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    /// Reads all fields up to the end, or up to the first syntax error.
    fn read(bytes: &[u8]) -> Self {
        let mut found = Map::new();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let read = json.deserialize_map(FieldCollector(&mut found)).and_then(|()| json.end());
        let problems = match read {
            Ok(()) => Vec::new(),
            Err(_) if bytes.iter().all(u8::is_ascii_whitespace) => vec!["the file is empty".to_owned()],
            Err(error) => vec![error.to_string()],
        };
        Self { found, problems }
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str, required: bool) -> Option<T> {
        let Some(value) = self.found.remove(name) else {
            if required && self.problems.is_empty() {
                self.problems.push(format!("field {name:?} is missing"));
            }
            return None;
        };
        let read = serde_json::from_value(value);
        read.map_err(|error| self.problems.push(format!("field {name:?}: {error}"))).ok()
    }

    fn is_valid_look(&mut self, name: &str, value: &Value) -> bool {
        let change = Changes::from_iter([(name.to_owned(), value.clone())]);
        let checked = Look::neutral().with(&change);
        checked.map_err(|error| self.problems.push(error.to_string())).is_ok()
    }
}

/// Collects the fields of a JSON object, including those before a syntax error.
struct FieldCollector<'a>(&'a mut Map<String, Value>);

impl<'de> Visitor<'de> for FieldCollector<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry()? {
            self.0.insert(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::state_file::save, *};

    fn blur() -> Option<BackgroundSpec> {
        Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR })
    }

    fn chosen() -> Choice {
        let look = Changes::from_iter([("softness".to_owned(), 20.into())]);
        let (camera, quality) = (Some("demo".to_owned()), Some(Quality::Eco));
        let mut choice = Choice { look, camera, quality, mirror: true, ..Choice::default() };
        choice.choose("#20a040".parse().unwrap(), &BackgroundSpec::Blur { strength: 60 });
        choice
    }

    #[test]
    fn choice_survives_and_missing_file_is_the_first_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/scene.json");
        assert_eq!(load(&path), (Choice::default(), None));
        for choice in [chosen(), Choice { paused: true, ..chosen() }, Choice::default()] {
            save(&choice, &path).unwrap();
            assert_eq!(load(&path), (choice, None));
        }
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no temporary file is left");
    }

    #[test]
    fn file_of_the_first_version_is_read() {
        let text = r#"{"background":null,"mirror":true,"paused":false}"#;
        assert_eq!(parse(text.as_bytes()), (Choice { mirror: true, ..Choice::default() }, None));
    }

    #[test]
    fn truncated_file_pauses_and_never_shows_another_background() {
        let text = serde_json::to_vec_pretty(&chosen()).unwrap();
        for length in 0..text.len() {
            let (choice, problems) = parse(&text[..length]);
            assert!(choice.paused && problems.is_some(), "{length} bytes: {choice:?}");
            assert!([chosen().background, blur()].contains(&choice.background), "{length} bytes: {choice:?}");
        }
        let (choice, _) = parse(&text[..text.len() - 1]);
        assert_eq!(choice, Choice { paused: true, ..chosen() }, "readable fields are kept");
    }

    #[test]
    fn each_invalid_field_pauses_and_the_others_are_kept() {
        let good = serde_json::to_value(chosen()).unwrap();
        let paused = Choice { paused: true, ..chosen() };
        let look = Changes::default();
        for (field, value, expected, problem) in [
            ("background", r#"{"hologram":{}}"#, Choice { background: blur(), ..paused.clone() }, "hologram"),
            // written by an early version
            (
                "background",
                r#"{"picture":{"path":"/a.png"}}"#,
                Choice { background: blur(), ..paused.clone() },
                "picture",
            ),
            ("background", r#"{"blur":{"strength":0}}"#, Choice { background: blur(), ..paused.clone() }, "background"),
            ("paused", r#""maybe""#, paused.clone(), "paused"),
            ("paused", "null", paused.clone(), "paused"),
            ("mirror", "7", Choice { mirror: false, ..paused.clone() }, "mirror"),
            ("camera", "[]", Choice { camera: None, ..paused.clone() }, "camera"),
            ("quality", r#""ultra""#, Choice { quality: None, ..paused.clone() }, "ultra"),
            ("look", r#"{"softness":9000}"#, Choice { look: look.clone(), ..paused.clone() }, "softness"),
            ("look", r#"{"sparkle":1}"#, Choice { look, ..paused.clone() }, "sparkle"),
            ("pause_message", "7", paused.clone(), "pause_message"),
            ("recent", r#"["hologram"]"#, Choice { recent: Recent::default(), ..paused.clone() }, "hologram"),
            ("locked", "true", paused, "locked"),
        ] {
            let mut saved = good.clone();
            saved[field] = serde_json::from_str(value).unwrap();
            let (choice, problems) = parse(&serde_json::to_vec(&saved).unwrap());
            assert_eq!(choice, expected, "{field}: {value}");
            assert!(problems.as_deref().unwrap_or_default().contains(problem), "{field}: {value}: {problems:?}");
        }
        for field in ["background", "paused"] {
            let mut saved = good.clone();
            saved.as_object_mut().unwrap().remove(field);
            let (choice, problems) = parse(&serde_json::to_vec(&saved).unwrap());
            assert!(choice.paused && problems.unwrap().contains(field));
        }
    }

    #[test]
    fn invalid_file_is_paused() {
        for bytes in [&b""[..], b" \n", b"null", b"[]", b"7", b"{}", b"\xff\xfe", b"{\"paused\":false,\xff", b"{} {}"] {
            let (choice, problems) = parse(bytes);
            assert_eq!(choice, fallback(), "{bytes:?}");
            assert!(problems.is_some(), "{bytes:?}");
        }
    }

    #[test]
    fn unreadable_file_is_paused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink("/not/mounted", path("link")).unwrap();
        regular::make_fifo(&path("pipe"));
        for place in ["folder", "file", "link", "pipe", "file/scene.json"] {
            let (choice, problems) = load(&path(place));
            assert_eq!(choice, fallback(), "{place}");
            assert!(problems.is_some(), "{place}");
        }
    }

    #[test]
    fn failed_save_is_an_error_and_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(save(&chosen(), &dir.path().join("file/scene.json")).is_err());
        fs::create_dir(dir.path().join("scene.json")).unwrap();
        assert!(save(&chosen(), &dir.path().join("scene.json")).is_err());
        assert!(dir.path().join("scene.json").is_dir());
    }
}
