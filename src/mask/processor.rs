//! The processor that runs the models: the CPU, or an ONNX Runtime execution provider.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::quality::UnknownValue;

/// The processor that runs the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processor {
    /// Any CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU; requires the CUDA build of ONNX Runtime.
    Cuda,
    /// Intel CPUs, GPUs and NPUs; requires the OpenVINO build of ONNX Runtime.
    OpenVino,
    /// An AMD GPU; requires the MIGraphX build of ONNX Runtime.
    MiGraphX,
}

impl FromStr for Processor {
    type Err = UnknownValue;

    fn from_str(text: &str) -> Result<Self, UnknownValue> {
        Ok(match text {
            "cpu" => Self::Cpu,
            "cuda" => Self::Cuda,
            "openvino" => Self::OpenVino,
            "migraphx" => Self::MiGraphX,
            _ => return Err(UnknownValue("cpu, cuda, openvino or migraphx")),
        })
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::OpenVino => "openvino",
            Self::MiGraphX => "migraphx",
        })
    }
}
