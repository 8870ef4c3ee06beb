//! Errors of segmentation models and ONNX Runtime, with hints to fix them.

use std::{fmt, path::PathBuf};

use crate::{
    error::{Failure, Kind, Recovery, chain, nearest},
    media::regular::FileError,
};

/// The fix for a missing or outdated ONNX Runtime.
const GET_LIBRARY: &str = "run scripts/setup, or pip install onnxruntime==1.31.1 and set BGCAM_ONNXRUNTIME to \
                           libonnxruntime.so.1.31.1 in its folder onnxruntime/capi";

/// The fix for a model whose image or mask has another shape.
const FIX_SHAPE: &str = "correct layout, width, height, output, image_input or alpha_output in the model's settings; \
                         docs/models.md explains them";

/// The fix for a model that fails on a frame.
const FIX_RUN: &str = "correct range, width, height, state or constants in the model's settings, or use the built-in \
                       model: --model landscape";

/// An error of a model or of the library that runs it.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// There is no model of that name.
    #[error("unknown model {name:?}, expected one of {}", known.join(", "))]
    UnknownModel {
        /// The requested name.
        name: String,
        /// The available names.
        known: Vec<String>,
    },
    /// The model's specification in the settings is invalid.
    #[error("model {model:?}: {reason}")]
    BadSpec {
        /// The model's name.
        model: String,
        /// The key, its value and the expected value.
        reason: String,
    },
    /// The model's file is in none of the folders.
    #[error("model {model:?}: file {} not found in {}", file.display(), Paths(searched))]
    NoFile {
        /// The model's name.
        model: String,
        /// The file's name.
        file: PathBuf,
        /// The folders that were searched.
        searched: Vec<PathBuf>,
        /// It is a bundled model, which `scripts/models` downloads.
        bundled: bool,
    },
    /// The model's file cannot be read.
    #[error("model {model:?}: cannot read {}", path.display())]
    Read {
        /// The model's name.
        model: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: FileError,
    },
    /// The model's file has another checksum.
    #[error("model {model:?}: {} has sha256 {found}, expected {expected}", path.display())]
    Checksum {
        /// The model's name.
        model: String,
        /// The file.
        path: PathBuf,
        /// The checksum in the catalogue or config.
        expected: String,
        /// The checksum of the file.
        found: String,
    },
    /// The file is not a model that ONNX Runtime can run.
    #[error("model {model:?}: not a usable ONNX file: {reason}")]
    NotOnnx {
        /// The model's name.
        model: String,
        /// The message from ONNX Runtime.
        reason: String,
    },
    /// The model's inputs or outputs differ from its specification.
    #[error("model {model:?}: {}: expected {expected}, but the file has {found}", file.display())]
    Shape {
        /// The model's name.
        model: String,
        /// Its file.
        file: PathBuf,
        /// The tensors of the specification.
        expected: String,
        /// The tensors of the file.
        found: String,
    },
    /// A tensor of the model has no role, or another type or shape than its role requires.
    #[error(transparent)]
    Tensor(Box<TensorMismatch>),
    /// ONNX Runtime was not found.
    #[error("ONNX Runtime not found: searched for libonnxruntime.so in {}", Paths(searched))]
    NoLibrary {
        /// The files and folders that were searched.
        searched: Vec<PathBuf>,
    },
    /// The library is not ONNX Runtime, or too old.
    #[error("cannot use ONNX Runtime {} ({asked}): {reason}", path.display())]
    BadLibrary {
        /// The library.
        path: PathBuf,
        /// What selected it: the config, an environment variable, or bgcam's search.
        asked: &'static str,
        /// The cause.
        reason: String,
    },
    /// ONNX Runtime could not be initialized.
    #[error("cannot start ONNX Runtime {}: {reason}", library.display())]
    Start {
        /// The library.
        library: PathBuf,
        /// The message from ONNX Runtime.
        reason: String,
    },
    /// The frame or mask does not have the segmenter's size.
    #[error("the segmenter received {found}, expected {expected}")]
    Size {
        /// The segmenter's size.
        expected: crate::frame::Size,
        /// The size of the frame or mask.
        found: crate::frame::Size,
    },
    /// The model failed on a frame.
    #[error("model {model:?} failed on a frame: {reason}")]
    Run {
        /// The model's name.
        model: String,
        /// The message from ONNX Runtime.
        reason: String,
    },
    /// The model's output has infinite or NaN values.
    #[error("model {model:?}: {output} has {count} infinite or NaN values, expected only finite ones")]
    NotFinite {
        /// The model's name.
        model: String,
        /// The output, and the file.
        output: String,
        /// The number of such values.
        count: usize,
    },
}

/// The error of [`MaskError::Tensor`].
#[derive(Debug, thiserror::Error)]
#[error("model {model:?}: {}: {tensor}: found {found}, expected {expected}", file.display())]
pub struct TensorMismatch {
    /// The model's name.
    pub model: String,
    /// Its file.
    pub file: PathBuf,
    /// The tensor.
    pub tensor: String,
    /// What the file has.
    pub found: String,
    /// What its role requires.
    pub expected: String,
    /// The setting that fixes it.
    pub fix: String,
}

impl MaskError {
    /// How the mask thread recovers.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Run { .. } | Self::NotFinite { .. } => Recovery::SkipFrame,
            Self::Size { .. } => Recovery::Reopen,
            _ => Recovery::GiveUp,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::UnknownModel { .. } | Self::NoFile { .. } => Kind::NotFound,
            Self::BadSpec { .. } | Self::Checksum { .. } => Kind::BadInput,
            Self::NotOnnx { .. } | Self::Shape { .. } | Self::Tensor(_) => Kind::Unsupported,
            Self::NoLibrary { .. } | Self::BadLibrary { .. } | Self::Start { .. } => Kind::Missing,
            Self::Read { source, .. } => source.kind(),
            Self::Run { .. } | Self::NotFinite { .. } => Kind::Io,
            Self::Size { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownModel { name, known } => match nearest(name, known) {
                Some(nearest) => format!("did you mean {nearest:?}? `bgcam models` lists all models"),
                None => "`bgcam models` lists all models".to_owned(),
            },
            Self::BadSpec { .. } => "compare the model's settings with docs/models.md".to_owned(),
            Self::Shape { .. } => FIX_SHAPE.to_owned(),
            Self::Tensor(mismatch) => mismatch.fix.clone(),
            Self::NoFile { bundled: true, model, .. } => format!("run scripts/models {model}"),
            Self::NoFile { .. } => "use an absolute path for the file in the settings".to_owned(),
            Self::Checksum { .. } => {
                "delete the file and run scripts/models, or correct sha256 in the settings".to_owned()
            }
            Self::NotOnnx { .. } => "use another file, or the built-in model: --model landscape".to_owned(),
            Self::NoLibrary { .. } | Self::BadLibrary { .. } => GET_LIBRARY.to_owned(),
            Self::Run { .. } | Self::NotFinite { .. } => FIX_RUN.to_owned(),
            Self::Read { .. } | Self::Start { .. } | Self::Size { .. } => return None,
        };
        Some(hint)
    }
}

impl From<MaskError> for Failure {
    fn from(error: MaskError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}

/// A list of paths in a sentence.
struct Paths<'a>(&'a [PathBuf]);

impl fmt::Display for Paths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, path) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { ", " }, path.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_answered_with_the_nearest_name() {
        let known = vec!["landscape".to_owned(), "general".to_owned()];
        let failure = Failure::from(MaskError::UnknownModel { name: "landcsape".into(), known: known.clone() });
        assert_eq!(failure.kind, Kind::NotFound);
        assert_eq!(failure.message, "unknown model \"landcsape\", expected one of landscape, general");
        assert!(failure.hint.unwrap().contains("\"landscape\""));
        assert_eq!(nearest("u2net", known), None);
    }

    #[test]
    fn a_missing_library_names_the_searched_folders_and_the_fix() {
        let error = MaskError::NoLibrary { searched: vec!["/usr/lib".into(), "/opt".into()] };
        assert_eq!(error.recovery(), Recovery::GiveUp);
        let failure = Failure::from(error);
        assert!(failure.message.ends_with("in /usr/lib, /opt"), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("scripts/setup"));
    }
}
