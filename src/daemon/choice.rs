//! What the user chose, and the file that keeps it over a restart.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{
    Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{
    background::{BackgroundSpec, DEFAULT_BLUR},
    look::{Changes, Look},
    mask::Quality,
    media::regular,
};

/// The largest file that is read, in bytes; a saved choice has about a thousand.
const MAX_BYTES: u64 = 1 << 20;

/// What the user chose; survives a restart. It is kept when it can't be shown: the disk may be mounted later.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Choice {
    /// `None` for what the settings say.
    pub(super) background: Option<BackgroundSpec>,
    /// What was turned of the look.
    pub(super) look: Changes,
    /// The camera in place of the settings' one.
    pub(super) camera: Option<String>,
    /// What the matte may cost, in place of what the settings say.
    pub(super) quality: Option<Quality>,
    pub(super) mirror: bool,
    pub(super) paused: bool,
}

/// What was chosen before. Whatever can't be read means paused, because the user may have been: everything else that can
/// be read is kept, and the second value says what could not. A missing file is the first start.
pub(super) fn remembered(path: &Path) -> (Choice, Option<String>) {
    match regular::read(path, MAX_BYTES) {
        Ok(bytes) => parse(&bytes),
        Err(error) if error.kind() == crate::error::Kind::NotFound && is_absent(path) => (Choice::default(), None),
        Err(error) => (unknown(), Some(error.to_string())),
    }
}

/// Whether there is really nothing, not even a link to a place that is not mounted.
fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The choice when nothing can be read: the plain room may not have been part of it.
fn unknown() -> Choice {
    Choice { background: Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR }), paused: true, ..Choice::default() }
}

fn parse(bytes: &[u8]) -> (Choice, Option<String>) {
    let mut fields = Fields::read(bytes);
    let mut choice = unknown();
    // without these two it can't be known whether the room was hidden; the others came with later versions
    if let Some(background) = fields.take("background", true) {
        choice.background = background;
    }
    choice.paused = fields.take("paused", true).unwrap_or(true);
    choice.mirror = fields.take("mirror", false).unwrap_or_default();
    choice.camera = fields.take("camera", false).unwrap_or_default();
    choice.quality = fields.take("quality", false).unwrap_or_default();
    choice.look = fields.take("look", false).unwrap_or_default();
    choice.look.retain(|name, value| fields.knows_look(name, value));
    fields.problems.extend(fields.found.keys().map(|name| format!("unknown field {name:?}")));
    choice.paused |= !fields.problems.is_empty();
    let problems = (!fields.problems.is_empty()).then(|| fields.problems.join("; "));
    (choice, problems)
}

/// The fields of a saved choice that are not taken yet, and what is wrong with those that were.
struct Fields {
    found: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    /// Those up to the end, or to the place where the text is cut off or damaged.
    fn read(bytes: &[u8]) -> Self {
        let mut found = Map::new();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let read = json.deserialize_map(Collect(&mut found)).and_then(|()| json.end());
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

    fn knows_look(&mut self, name: &str, value: &Value) -> bool {
        let change = Changes::from_iter([(name.to_owned(), value.clone())]);
        let known = Look::plain().with(&change);
        known.map_err(|error| self.problems.push(error.to_string())).is_ok()
    }
}

/// Collects the fields of a JSON object, so that those before an error are there.
struct Collect<'a>(&'a mut Map<String, Value>);

impl<'de> Visitor<'de> for Collect<'_> {
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

/// Writes the choice so that a crash or a power cut leaves the old or the new one, never a half.
///
/// # Errors
/// When the system refuses any step; the old file is still there then, or was never complete.
pub(super) fn remember(choice: &Choice, path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer_pretty(&mut file, choice)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_dir(dir)
}

/// Makes the new name last; file systems that have no such thing say so and are right.
fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blur() -> Option<BackgroundSpec> {
        Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR })
    }

    fn chosen() -> Choice {
        let look = Changes::from_iter([("softness".to_owned(), 20.into())]);
        let (camera, quality) = (Some("demo".to_owned()), Some(Quality::Eco));
        Choice { background: "#20a040".parse().ok(), look, camera, quality, mirror: true, paused: false }
    }

    #[test]
    fn a_choice_survives_and_a_missing_file_is_the_first_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/scene.json");
        assert_eq!(remembered(&path), (Choice::default(), None));
        for choice in [chosen(), Choice { paused: true, ..chosen() }, Choice::default()] {
            remember(&choice, &path).unwrap();
            assert_eq!(remembered(&path), (choice, None));
        }
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no temporary file is left");
    }

    #[test]
    fn a_file_of_the_first_version_is_read() {
        let text = r#"{"background":null,"mirror":true,"paused":false}"#;
        assert_eq!(parse(text.as_bytes()), (Choice { mirror: true, ..Choice::default() }, None));
    }

    #[test]
    fn cut_off_anywhere_it_is_paused_and_never_shows_another_background() {
        let text = serde_json::to_vec_pretty(&chosen()).unwrap();
        for length in 0..text.len() {
            let (choice, problems) = parse(&text[..length]);
            assert!(choice.paused && problems.is_some(), "{length} bytes: {choice:?}");
            assert!([chosen().background, blur()].contains(&choice.background), "{length} bytes: {choice:?}");
        }
        let (choice, _) = parse(&text[..text.len() - 1]);
        assert_eq!(choice, Choice { paused: true, ..chosen() }, "all that can be read is kept");
    }

    #[test]
    fn each_field_is_read_by_itself_and_what_is_not_understood_pauses() {
        let good = serde_json::to_value(chosen()).unwrap();
        let paused = Choice { paused: true, ..chosen() };
        let look = Changes::default();
        for (field, value, expected, said) in [
            ("background", r#"{"hologram":{}}"#, Choice { background: blur(), ..paused.clone() }, "hologram"),
            ("background", r#"{"blur":{"strength":0}}"#, Choice { background: blur(), ..paused.clone() }, "background"),
            ("paused", r#""maybe""#, paused.clone(), "paused"),
            ("paused", "null", paused.clone(), "paused"),
            ("mirror", "7", Choice { mirror: false, ..paused.clone() }, "mirror"),
            ("camera", "[]", Choice { camera: None, ..paused.clone() }, "camera"),
            ("quality", r#""ultra""#, Choice { quality: None, ..paused.clone() }, "ultra"),
            ("look", r#"{"softness":9000}"#, Choice { look: look.clone(), ..paused.clone() }, "softness"),
            ("look", r#"{"sparkle":1}"#, Choice { look, ..paused.clone() }, "sparkle"),
            ("locked", "true", paused, "locked"),
        ] {
            let mut saved = good.clone();
            saved[field] = serde_json::from_str(value).unwrap();
            let (choice, problems) = parse(&serde_json::to_vec(&saved).unwrap());
            assert_eq!(choice, expected, "{field}: {value}");
            assert!(problems.as_deref().unwrap_or_default().contains(said), "{field}: {value}: {problems:?}");
        }
        for field in ["background", "paused"] {
            let mut saved = good.clone();
            saved.as_object_mut().unwrap().remove(field);
            let (choice, problems) = parse(&serde_json::to_vec(&saved).unwrap());
            assert!(choice.paused && problems.unwrap().contains(field));
        }
    }

    #[test]
    fn what_is_no_choice_at_all_is_paused() {
        for bytes in [&b""[..], b" \n", b"null", b"[]", b"7", b"{}", b"\xff\xfe", b"{\"paused\":false,\xff", b"{} {}"] {
            let (choice, problems) = parse(bytes);
            assert_eq!(choice, unknown(), "{bytes:?}");
            assert!(problems.is_some(), "{bytes:?}");
        }
    }

    #[test]
    fn what_can_not_be_read_as_a_file_is_paused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink("/not/mounted", path("link")).unwrap();
        regular::make_fifo(&path("pipe"));
        for place in ["folder", "file", "link", "pipe", "file/scene.json"] {
            let (choice, problems) = remembered(&path(place));
            assert_eq!(choice, unknown(), "{place}");
            assert!(problems.is_some(), "{place}");
        }
    }

    #[test]
    fn what_can_not_be_written_is_an_error_and_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(remember(&chosen(), &dir.path().join("file/scene.json")).is_err());
        fs::create_dir(dir.path().join("scene.json")).unwrap();
        assert!(remember(&chosen(), &dir.path().join("scene.json")).is_err());
        assert!(dir.path().join("scene.json").is_dir());
    }
}
