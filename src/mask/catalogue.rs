//! The models that bgcam knows, and a user's own: traits in TOML, files in a few folders, checked by their sums.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{MaskError, Settings, runtime};
use crate::{error::Failure, media::regular};

/// The model that is compiled in, so that bgcam works without any file.
pub const BUILT_IN: &str = "landscape";
static BUILT_IN_BYTES: &[u8] = include_bytes!("../../models/selfie_landscape.onnx");

/// More than any model that could run on every frame.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// Order of the axes of a model's input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// What black and white are in a model's RGB input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// Black is 0, white is 1.
    #[serde(rename = "0..1")]
    Unit,
    /// Black is -1, white is 1.
    #[serde(rename = "-1..1")]
    Signed,
}

/// What the numbers of a model's output are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// One channel, 0 = background to 1 = person.
    Alpha,
    /// One channel before the sigmoid.
    SigmoidLogits,
    /// One channel a class before the softmax; all but [`ModelSpec::background`] are the person.
    Logits,
}

/// How a picture of another aspect ratio comes into a model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// It is stretched to fill it.
    #[default]
    Stretch,
    /// It keeps its shape, with black bars beside or above it.
    Letterbox,
}

/// A model's traits: all that the code has to know about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// What users call it.
    pub name: String,
    /// One line for `bgcam models`.
    #[serde(default)]
    pub description: String,
    /// The ONNX file: a name to look for in [`Settings::models_dirs`], or a whole path.
    pub file: PathBuf,
    /// SHA-256 of the file in hexadecimal; not checked when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SPDX name of its licence.
    #[serde(default)]
    pub licence: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: String,
    /// Order of the axes.
    pub layout: Layout,
    /// Width of input and output, 16 to 2048.
    pub width: usize,
    /// Height of input and output, 16 to 2048.
    pub height: usize,
    /// What black and white are in the input.
    pub range: Range,
    /// What the numbers of the output are.
    pub output: Output,
    /// The channel of the background among [`Output::Logits`].
    #[serde(default)]
    pub background: usize,
    /// How pictures of another shape come in.
    #[serde(default)]
    pub aspect: Aspect,
}

/// Where a model's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Out of the program itself.
    BuiltIn,
    /// Out of this file.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// One line of `bgcam models`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    /// The model's traits.
    pub spec: ModelSpec,
    /// Where it is, or why it can't be used.
    pub found: Result<Place, Failure>,
}

/// The models of `models/models.toml`, which is compiled in.
pub fn ours() -> &'static [ModelSpec] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Catalogue {
        model: Vec<ModelSpec>,
    }
    static OURS: LazyLock<Vec<ModelSpec>> = LazyLock::new(|| {
        let text = include_str!("../../models/models.toml");
        toml::from_str::<Catalogue>(text).expect("models.toml is compiled in, and parsed by a test").model
    });
    &OURS
}

/// All models of `settings` and where each is, a user's own first.
pub fn list(settings: &Settings) -> Vec<ModelStatus> {
    let found = |spec: &ModelSpec| load(spec, settings).map(|(place, _)| place).map_err(Failure::from);
    all(settings).map(|spec| ModelStatus { spec: spec.clone(), found: found(spec) }).collect()
}

/// Whether `spec` is one of [`ours`], maybe at another size.
pub(super) fn is_ours(spec: &ModelSpec) -> bool {
    ours().iter().any(|our| our.name == spec.name && our.file == spec.file && our.sha256 == spec.sha256)
}

/// The traits of the model that `settings` name. A user's own model hides one of ours with the same name.
///
/// # Errors
/// [`MaskError::UnknownModel`].
pub fn find(settings: &Settings) -> Result<&ModelSpec, MaskError> {
    all(settings).find(|spec| spec.name == settings.model).ok_or_else(|| MaskError::UnknownModel {
        name: settings.model.clone(),
        known: all(settings).map(|spec| spec.name.clone()).collect(),
    })
}

/// Where fetched models lie, best first: the user's data folder, beside the program, the system's data folders.
pub fn default_dirs() -> Vec<PathBuf> {
    let data = runtime::data_dir().map(|dir| dir.join("models"));
    let program = runtime::program_dir().into_iter().flat_map(|dir| beside(&dir));
    let system = ["/usr/local/share/bgcam/models", "/usr/share/bgcam/models"].map(PathBuf::from);
    data.into_iter().chain(program).chain(system).collect()
}

/// The folders beside a program in `dir`: unpacked anywhere, installed under a prefix, built in a checkout.
fn beside(dir: &Path) -> Vec<PathBuf> {
    let in_checkout = dir.ends_with("target/debug") || dir.ends_with("target/release");
    let checkout = in_checkout.then(|| dir.join("../../models"));
    ["models", "../share/bgcam/models"].map(|below| dir.join(below)).into_iter().chain(checkout).collect()
}

/// The bytes of a model, with its traits and sum checked.
///
/// # Errors
/// When the traits make no sense, or the file is missing, can't be read or has another sum.
pub(super) fn load(spec: &ModelSpec, settings: &Settings) -> Result<(Place, Cow<'static, [u8]>), MaskError> {
    check(spec)?;
    if spec.name == BUILT_IN && ours().contains(spec) {
        return Ok((Place::BuiltIn, Cow::Borrowed(BUILT_IN_BYTES)));
    }
    let places: Vec<_> = match spec.file.is_absolute() {
        true => vec![spec.file.clone()],
        false => settings.models_dirs.iter().map(|dir| dir.join(&spec.file)).filter(|path| path.is_file()).collect(),
    };
    // the first that is right: an older bgcam may have left its own in a better place
    let mut wrong = None;
    for path in places {
        match read(spec, &path) {
            Ok(bytes) => return Ok((Place::File(path), Cow::Owned(bytes))),
            Err(error) => {
                tracing::debug!("passed over: {error}");
                wrong = wrong.or(Some(error));
            }
        }
    }
    Err(wrong.unwrap_or_else(|| MaskError::NoFile {
        model: spec.name.clone(),
        file: spec.file.clone(),
        searched: settings.models_dirs.clone(),
        ours: is_ours(spec),
    }))
}

/// The bytes of a file, with their sum checked.
fn read(spec: &ModelSpec, path: &Path) -> Result<Vec<u8>, MaskError> {
    let bytes = regular::read(path, MAX_FILE_BYTES).map_err(|source| MaskError::Read {
        model: spec.name.clone(),
        path: path.to_owned(),
        source,
    })?;
    if let Some(expected) = &spec.sha256 {
        check_sum(spec, path, &bytes, expected)?;
    }
    Ok(bytes)
}

fn all(settings: &Settings) -> impl Iterator<Item = &ModelSpec> {
    settings.custom.iter().chain(ours())
}

fn check(spec: &ModelSpec) -> Result<(), MaskError> {
    let bad = |reason| Err(MaskError::BadSpec { model: spec.name.clone(), reason });
    for (key, side) in [("width", spec.width), ("height", spec.height)] {
        if !(16..=2048).contains(&side) {
            return bad(format!("{key} is {side}, expected 16 to 2048"));
        }
    }
    match &spec.sha256 {
        Some(sum) if sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit()) => {
            bad(format!("sha256 is {sum:?}, expected 64 hexadecimal digits"))
        }
        _ => Ok(()),
    }
}

fn check_sum(spec: &ModelSpec, path: &Path, bytes: &[u8], expected: &str) -> Result<(), MaskError> {
    let found = Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(MaskError::Checksum { model: spec.name.clone(), path: path.to_owned(), expected: expected.to_owned(), found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::regular::FileError;

    /// A model of a user's own, at `file`.
    fn own(file: &Path) -> ModelSpec {
        ModelSpec { name: "own".into(), file: file.into(), sha256: None, ..ours()[0].clone() }
    }

    fn with(custom: ModelSpec) -> Settings {
        Settings { model: custom.name.clone(), custom: vec![custom], models_dirs: Vec::new(), ..Settings::default() }
    }

    #[test]
    fn ours_are_well_formed_and_the_built_in_one_has_its_sum() {
        assert!(ours().iter().all(|spec| check(spec).is_ok() && spec.sha256.is_some()));
        let spec = &ours()[0];
        assert_eq!(spec.name, BUILT_IN);
        check_sum(spec, &spec.file, BUILT_IN_BYTES, spec.sha256.as_ref().unwrap()).unwrap();
    }

    #[test]
    fn a_committed_model_is_found_and_a_missing_one_tells_how_to_fetch_it() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let settings = Settings { models_dirs: vec![dir.clone()], ..Settings::default() };
        let found = |name: &str, settings: &Settings| {
            list(settings).into_iter().find(|status| status.spec.name == name).unwrap().found
        };
        assert_eq!(found("landscape", &settings), Ok(Place::BuiltIn));
        assert_eq!(found("general", &settings), Ok(Place::File(dir.join("selfie_general.onnx"))));
        let nowhere = Settings { models_dirs: vec!["/nowhere".into()], ..Settings::default() };
        let failure = found("multiclass", &nowhere).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("run scripts/models multiclass"));
        assert!(failure.message.contains("/nowhere"), "{failure}");
    }

    #[test]
    fn a_file_with_another_sum_or_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("own.onnx");
        std::fs::write(&file, b"something else").unwrap();
        let spec = ModelSpec { sha256: Some("0".repeat(64)), ..own(&file) };
        assert!(matches!(load(&spec, &with(spec.clone())), Err(MaskError::Checksum { .. })));
        assert!(load(&own(&file), &with(own(&file))).is_ok());
        let fifo = dir.path().join("fifo.onnx");
        regular::make_fifo(&fifo);
        let error = load(&own(&fifo), &with(own(&fifo))).unwrap_err();
        assert!(matches!(error, MaskError::Read { source: FileError::NotRegular("a named pipe"), .. }), "{error:?}");
    }

    #[test]
    fn an_older_file_in_a_better_place_is_passed_over() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(old.path().join("own.onnx"), b"of last year").unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; // the sum of nothing
        let spec = ModelSpec { sha256: Some(empty.into()), ..own(Path::new("own.onnx")) };
        let dirs = [&old, &new].map(|dir| dir.path().to_owned()).to_vec();
        let settings = Settings { models_dirs: dirs, ..with(spec.clone()) };
        match load(&spec, &settings) {
            Err(MaskError::Checksum { path, .. }) => assert!(path.starts_with(old.path())),
            other => panic!("{other:?}"),
        }
        std::fs::write(new.path().join("own.onnx"), b"").unwrap();
        assert_eq!(load(&spec, &settings).unwrap().0, Place::File(new.path().join("own.onnx")));
    }

    #[test]
    fn traits_that_make_no_sense_are_refused() {
        let spec = ModelSpec { width: 4096, ..own(Path::new("own.onnx")) };
        let error = load(&spec, &with(spec.clone())).unwrap_err();
        assert_eq!(error.to_string(), "model \"own\": width is 4096, expected 16 to 2048");
        let spec = ModelSpec { sha256: Some("xyz".into()), ..own(Path::new("own.onnx")) };
        assert!(matches!(load(&spec, &with(spec.clone())), Err(MaskError::BadSpec { .. })));
        assert!(toml::from_str::<ModelSpec>("name = \"a\"\nfiel = \"b\"").is_err());
    }

    #[test]
    fn a_checkout_is_looked_at_only_from_its_target() {
        let count = |dir: &str| beside(Path::new(dir)).len();
        assert_eq!((count("/home/me/bgcam/target/release"), count("/usr/local/bin"), count("/x/release")), (3, 2, 2));
    }

    #[test]
    fn a_users_own_model_hides_ours_of_the_same_name() {
        let mut settings = with(ModelSpec { name: "landscape".into(), ..own(Path::new("/own.onnx")) });
        assert_eq!(find(&settings).unwrap().file, Path::new("/own.onnx"));
        settings.model = "landscpae".into();
        assert!(matches!(find(&settings), Err(MaskError::UnknownModel { .. })));
    }
}
