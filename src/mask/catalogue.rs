//! The model catalogue: bundled models and the user's own, described in TOML, with files verified by checksum.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{MaskError, Settings, runtime};
use crate::{error::Failure, media::regular};

/// The model compiled into the program, so that bgcam works without any model file.
pub const BUILT_IN: &str = "landscape";
static BUILT_IN_BYTES: &[u8] = include_bytes!("../../models/selfie_landscape.onnx");

/// The maximum size of a model file, larger than any model that runs in real time.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// The axis order of a model's input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// The value range of a model's RGB input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// Black is 0, white is 1.
    #[serde(rename = "0..1")]
    Unit,
    /// Black is -1, white is 1.
    #[serde(rename = "-1..1")]
    Signed,
}

/// The meaning of a model's output values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// One channel, 0 (background) to 1 (person).
    Alpha,
    /// Two channels, 0 to 1: alpha and the probability of hair, where edges are softer.
    AlphaHair,
    /// One channel of logits, before the sigmoid.
    SigmoidLogits,
    /// One channel of logits per class, before the softmax; every class except [`ModelSpec::background`] is person.
    Logits,
}

/// How a frame of another aspect ratio is fitted to a model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// Stretched to fill it.
    #[default]
    Stretch,
    /// Scaled to fit, with black bars.
    Letterbox,
}

/// The specification of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The name used in settings and on the command line.
    pub name: String,
    /// One line for `bgcam models`.
    #[serde(default)]
    pub description: String,
    /// The ONNX file: a name to search for in [`Settings::models_dirs`], or an absolute path.
    pub file: PathBuf,
    /// The file's SHA-256 in hexadecimal; not verified if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The SPDX identifier of its licence.
    #[serde(default)]
    pub licence: String,
    /// Its origin.
    #[serde(default)]
    pub source: String,
    /// The axis order.
    pub layout: Layout,
    /// The width of input and output, 16 to 2048.
    pub width: usize,
    /// The height of input and output, 16 to 2048.
    pub height: usize,
    /// The value range of the input.
    pub range: Range,
    /// The meaning of the output.
    pub output: Output,
    /// The background channel of [`Output::Logits`].
    #[serde(default)]
    pub background: usize,
    /// How frames of another aspect ratio are fitted.
    #[serde(default)]
    pub aspect: Aspect,
    /// The input for the image; without a name, the only input that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<String>,
    /// The output with the mask; without a name, the only output that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha_output: Option<String>,
    /// The recurrent state: pairs of an input and the output that is its value for the next frame. If empty, they are
    /// found by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<(String, String)>,
    /// The values of all other inputs, which are single numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, f64>,
}

impl ModelSpec {
    /// The number of decoded values per pixel: alpha, and for [`Output::AlphaHair`] the probability of hair.
    pub fn values(&self) -> usize {
        if self.output == Output::AlphaHair { 2 } else { 1 }
    }

    /// The number of decoded values of a frame.
    pub fn output_len(&self) -> usize {
        self.width * self.height * self.values()
    }
}

/// Where a model is loaded from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelLocation {
    /// Compiled into the program.
    BuiltIn,
    /// This file.
    File(PathBuf),
}

impl fmt::Display for ModelLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// One line of `bgcam models`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelStatus {
    /// The model's specification.
    pub spec: ModelSpec,
    /// Its location, or why it cannot be used.
    pub found: Result<ModelLocation, Failure>,
}

/// The models of `models/models.toml`, which is compiled in.
pub fn bundled() -> &'static [ModelSpec] {
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

/// All models known to `settings` with their locations, the user's own first.
pub fn list(settings: &Settings) -> Vec<ModelStatus> {
    let found = |spec: &ModelSpec| load(spec, settings).map(|(location, _)| location).map_err(Failure::from);
    all(settings).map(|spec| ModelStatus { spec: spec.clone(), found: found(spec) }).collect()
}

/// Whether `spec` is one of [`bundled`], possibly at another size.
pub(super) fn is_bundled(spec: &ModelSpec) -> bool {
    bundled().iter().any(|our| our.name == spec.name && our.file == spec.file && our.sha256 == spec.sha256)
}

/// The specification of the model selected by `settings`. A user's model hides a bundled one of the same name.
///
/// # Errors
/// If there is no such model: [`MaskError::UnknownModel`].
pub fn find(settings: &Settings) -> Result<&ModelSpec, MaskError> {
    all(settings).find(|spec| spec.name == settings.model).ok_or_else(|| MaskError::UnknownModel {
        name: settings.model.clone(),
        known: all(settings).map(|spec| spec.name.clone()).collect(),
    })
}

/// The folders for downloaded models, in order of preference: the user's data folder, next to the program, system data
/// folders.
pub fn default_dirs() -> Vec<PathBuf> {
    let data = runtime::data_dir().map(|dir| dir.join("models"));
    let program = runtime::program_dir().into_iter().flat_map(|dir| beside(&dir));
    let system = ["/usr/local/share/bgcam/models", "/usr/share/bgcam/models"].map(PathBuf::from);
    data.into_iter().chain(program).chain(system).collect()
}

/// The folders next to a program in `dir`: unpacked anywhere, installed under a prefix, or built in a checkout.
fn beside(dir: &Path) -> Vec<PathBuf> {
    let in_checkout = dir.ends_with("target/debug") || dir.ends_with("target/release");
    let checkout = in_checkout.then(|| dir.join("../../models"));
    ["models", "../share/bgcam/models"].map(|below| dir.join(below)).into_iter().chain(checkout).collect()
}

/// The bytes of a model, with its specification and checksum verified.
///
/// # Errors
/// If the specification is invalid, or the file is missing, unreadable or has another checksum.
pub(super) fn load(spec: &ModelSpec, settings: &Settings) -> Result<(ModelLocation, Cow<'static, [u8]>), MaskError> {
    check(spec)?;
    if spec.name == BUILT_IN && bundled().contains(spec) {
        return Ok((ModelLocation::BuiltIn, Cow::Borrowed(BUILT_IN_BYTES)));
    }
    let candidates: Vec<_> = match spec.file.is_absolute() {
        true => vec![spec.file.clone()],
        false => settings.models_dirs.iter().map(|dir| dir.join(&spec.file)).filter(|path| path.is_file()).collect(),
    };
    // an older bgcam may have left an outdated file in a preferred folder
    let mut wrong = None;
    for path in candidates {
        match read(spec, &path) {
            Ok(bytes) => return Ok((ModelLocation::File(path), Cow::Owned(bytes))),
            Err(error) => {
                tracing::debug!("skipped: {error}");
                wrong = wrong.or(Some(error));
            }
        }
    }
    Err(wrong.unwrap_or_else(|| MaskError::NoFile {
        model: spec.name.clone(),
        file: spec.file.clone(),
        searched: settings.models_dirs.clone(),
        bundled: is_bundled(spec),
    }))
}

/// The bytes of a file, with its checksum verified.
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
    settings.custom.iter().chain(bundled())
}

fn check(spec: &ModelSpec) -> Result<(), MaskError> {
    let bad = |reason| Err(MaskError::BadSpec { model: spec.name.clone(), reason });
    for (key, side) in [("width", spec.width), ("height", spec.height)] {
        if !(16..=2048).contains(&side) {
            return bad(format!("{key} is {side}, expected 16 to 2048"));
        }
    }
    if let Some((name, value)) = spec.constants.iter().find(|(_, value)| !value.is_finite()) {
        return bad(format!("constants.{name} is {value}, expected a finite number"));
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
        // writing to a String cannot fail
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

    /// A user's model at `file`.
    fn own(file: &Path) -> ModelSpec {
        ModelSpec { name: "own".into(), file: file.into(), sha256: None, ..bundled()[0].clone() }
    }

    fn with(custom: ModelSpec) -> Settings {
        Settings { model: custom.name.clone(), custom: vec![custom], models_dirs: Vec::new(), ..Settings::default() }
    }

    #[test]
    fn bundled_models_are_valid_and_the_built_in_one_matches_its_checksum() {
        assert!(bundled().iter().all(|spec| check(spec).is_ok() && spec.sha256.is_some()));
        let spec = &bundled()[0];
        assert_eq!(spec.name, BUILT_IN);
        check_sum(spec, &spec.file, BUILT_IN_BYTES, spec.sha256.as_ref().unwrap()).unwrap();
    }

    #[test]
    fn a_bundled_model_is_found_and_a_missing_one_hints_how_to_download_it() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let settings = Settings { models_dirs: vec![dir.clone()], ..Settings::default() };
        let found = |name: &str, settings: &Settings| {
            list(settings).into_iter().find(|status| status.spec.name == name).unwrap().found
        };
        assert_eq!(found("landscape", &settings), Ok(ModelLocation::BuiltIn));
        assert_eq!(found("general", &settings), Ok(ModelLocation::File(dir.join("selfie_general.onnx"))));
        let nowhere = Settings { models_dirs: vec!["/nowhere".into()], ..Settings::default() };
        let failure = found("multiclass", &nowhere).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("run scripts/models multiclass"));
        assert!(failure.message.contains("/nowhere"), "{failure}");
    }

    #[test]
    fn a_file_with_another_checksum_or_of_another_type_is_rejected() {
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
    fn an_outdated_file_in_a_preferred_folder_is_skipped() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(old.path().join("own.onnx"), b"outdated").unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; // the sum of nothing
        let spec = ModelSpec { sha256: Some(empty.into()), ..own(Path::new("own.onnx")) };
        let dirs = [&old, &new].map(|dir| dir.path().to_owned()).to_vec();
        let settings = Settings { models_dirs: dirs, ..with(spec.clone()) };
        match load(&spec, &settings) {
            Err(MaskError::Checksum { path, .. }) => assert!(path.starts_with(old.path())),
            other => panic!("{other:?}"),
        }
        std::fs::write(new.path().join("own.onnx"), b"").unwrap();
        assert_eq!(load(&spec, &settings).unwrap().0, ModelLocation::File(new.path().join("own.onnx")));
    }

    #[test]
    fn an_invalid_specification_is_rejected() {
        let spec = ModelSpec { width: 4096, ..own(Path::new("own.onnx")) };
        let error = load(&spec, &with(spec.clone())).unwrap_err();
        assert_eq!(error.to_string(), "model \"own\": width is 4096, expected 16 to 2048");
        let spec = ModelSpec { sha256: Some("xyz".into()), ..own(Path::new("own.onnx")) };
        assert!(matches!(load(&spec, &with(spec.clone())), Err(MaskError::BadSpec { .. })));
        assert!(toml::from_str::<ModelSpec>("name = \"a\"\nfiel = \"b\"").is_err());
    }

    #[test]
    fn a_checkout_is_searched_only_from_its_target_folder() {
        let count = |dir: &str| beside(Path::new(dir)).len();
        assert_eq!((count("/home/me/bgcam/target/release"), count("/usr/local/bin"), count("/x/release")), (3, 2, 2));
    }

    #[test]
    fn a_users_model_hides_a_bundled_one_of_the_same_name() {
        let mut settings = with(ModelSpec { name: "landscape".into(), ..own(Path::new("/own.onnx")) });
        assert_eq!(find(&settings).unwrap().file, Path::new("/own.onnx"));
        settings.model = "landscpae".into();
        assert!(matches!(find(&settings), Err(MaskError::UnknownModel { .. })));
    }
}
