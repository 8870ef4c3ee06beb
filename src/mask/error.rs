//! What can go wrong between a model's name and a mask, and the way out of each.

use std::{fmt, path::PathBuf};

use crate::{
    error::{Failure, Kind, Recovery, chain, nearest},
    media::regular::FileError,
};

/// What mends a missing or too old ONNX Runtime.
const GET_LIBRARY: &str = "run scripts/setup, or pip install onnxruntime==1.31.1 and set BGCAM_ONNXRUNTIME to \
                           libonnxruntime.so.1.31.1 in its folder onnxruntime/capi";

/// What can go wrong with a model or the library that runs it.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// No model of that name.
    #[error("no model is called {name:?}, expected one of {}", known.join(", "))]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The model's traits in the config make no sense.
    #[error("model {model:?}: {reason}")]
    BadSpec {
        /// The model's name.
        model: String,
        /// The key, its value and what was expected.
        reason: String,
    },
    /// The model's file is in none of the folders.
    #[error("model {model:?}: file {} is in none of {}", file.display(), Paths(searched))]
    NoFile {
        /// The model's name.
        model: String,
        /// The file's name.
        file: PathBuf,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
        /// It is one of ours, which `scripts/models` fetches.
        ours: bool,
    },
    /// The model's file can't be read.
    #[error("model {model:?}: cannot read {}", path.display())]
    Read {
        /// The model's name.
        model: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// The model's file is not what it should be.
    #[error("model {model:?}: {} has sha256 {found}, expected {expected}", path.display())]
    Checksum {
        /// The model's name.
        model: String,
        /// The file.
        path: PathBuf,
        /// The sum in the catalogue or config.
        expected: String,
        /// The sum of the file.
        found: String,
    },
    /// The file holds no model that ONNX Runtime can run.
    #[error("model {model:?}: not a usable ONNX file: {reason}")]
    NotOnnx {
        /// The model's name.
        model: String,
        /// ONNX Runtime's words.
        reason: String,
    },
    /// The model takes or gives something else than its traits say.
    #[error("model {model:?}: expected {expected}, but the file has {found}")]
    Shape {
        /// The model's name.
        model: String,
        /// What its traits promise.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// ONNX Runtime is nowhere.
    #[error("cannot find the ONNX Runtime library: looked for libonnxruntime.so in {}", Paths(searched))]
    NoLibrary {
        /// The files and folders looked at.
        searched: Vec<PathBuf>,
    },
    /// What was found is no ONNX Runtime, or too old.
    #[error("cannot use ONNX Runtime {} ({asked}): {reason}", path.display())]
    BadLibrary {
        /// The library.
        path: PathBuf,
        /// Who asked for it: the config, an environment variable, or nobody.
        asked: &'static str,
        /// Why not.
        reason: String,
    },
    /// ONNX Runtime could not be set up.
    #[error("cannot start ONNX Runtime {}: {reason}", library.display())]
    Start {
        /// The library.
        library: PathBuf,
        /// ONNX Runtime's words.
        reason: String,
    },
    /// The frame or mask has another size than the segmenter was opened for.
    #[error("the segmenter is for {expected}, but was given {found}")]
    Size {
        /// The size it was opened for.
        expected: crate::frame::Size,
        /// The size it was given.
        found: crate::frame::Size,
    },
    /// The model ran and failed.
    #[error("model {model:?} failed on a frame: {reason}")]
    Run {
        /// The model's name.
        model: String,
        /// ONNX Runtime's words.
        reason: String,
    },
    /// The model gave infinities or not-a-numbers.
    #[error("model {model:?} gave {count} values that are not finite")]
    NotFinite {
        /// The model's name.
        model: String,
        /// How many.
        count: usize,
    },
}

impl MaskError {
    /// What the mask thread does about it.
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
            Self::NotOnnx { .. } | Self::Shape { .. } => Kind::Unsupported,
            Self::NoLibrary { .. } | Self::BadLibrary { .. } | Self::Start { .. } => Kind::Missing,
            Self::Read { source, .. } => source.kind(),
            Self::Run { .. } | Self::NotFinite { .. } => Kind::Io,
            Self::Size { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownModel { name, known } => match nearest(name, known) {
                Some(near) => format!("did you mean {near:?}? bgcam models lists them all"),
                None => "bgcam models lists them".to_owned(),
            },
            Self::BadSpec { .. } | Self::Shape { .. } => {
                "compare the model's keys in the config with models/README.md".to_owned()
            }
            Self::NoFile { ours: true, model, .. } => format!("run scripts/models {model}"),
            Self::NoFile { .. } => "give the whole path of the file in the config".to_owned(),
            Self::Checksum { .. } => {
                "delete the file and run scripts/models, or correct sha256 in the config".to_owned()
            }
            Self::NotOnnx { .. } => "use bgcam --model landscape, which is built in, or another file".to_owned(),
            Self::NoLibrary { .. } | Self::BadLibrary { .. } => GET_LIBRARY.to_owned(),
            Self::Run { .. } | Self::NotFinite { .. } => "try model landscape, which is built in".to_owned(),
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

/// Paths as a list in a sentence.
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
    fn a_slip_of_the_finger_is_answered_with_the_right_name() {
        let known = vec!["landscape".to_owned(), "general".to_owned()];
        let failure = Failure::from(MaskError::UnknownModel { name: "landcsape".into(), known: known.clone() });
        assert_eq!(failure.kind, Kind::NotFound);
        assert_eq!(failure.message, "no model is called \"landcsape\", expected one of landscape, general");
        assert!(failure.hint.unwrap().contains("\"landscape\""));
        assert_eq!(nearest("u2net", known), None);
    }

    #[test]
    fn a_missing_library_names_the_places_and_the_command() {
        let error = MaskError::NoLibrary { searched: vec!["/usr/lib".into(), "/opt".into()] };
        assert_eq!(error.recovery(), Recovery::GiveUp);
        let failure = Failure::from(error);
        assert!(failure.message.ends_with("in /usr/lib, /opt"), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("scripts/setup"));
    }
}
