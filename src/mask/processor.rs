//! Where models run: on the CPU, or by an execution provider of ONNX Runtime.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::quality::UnknownWord;

/// What runs the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processor {
    /// Any CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU; needs ONNX Runtime's build for CUDA.
    Cuda,
    /// Intel's CPUs, GPUs and NPUs; needs ONNX Runtime's build for OpenVINO.
    OpenVino,
}

impl FromStr for Processor {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Ok(match text {
            "cpu" => Self::Cpu,
            "cuda" => Self::Cuda,
            "openvino" => Self::OpenVino,
            _ => return Err(UnknownWord(text.to_owned(), "cpu, cuda, openvino")),
        })
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::OpenVino => "openvino",
        })
    }
}
