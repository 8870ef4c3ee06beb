//! The settings as written in the files, before they are checked.

use serde::{Deserialize, Serialize};

use super::TraySettings;
use crate::{look::Look, mask::catalogue::ModelSpec, prompt::settings::PromptSettings};

/// All settings, as written in the files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) camera: RawCamera,
    pub(super) output: RawOutput,
    pub(super) background: RawBackground,
    pub(super) mask: RawMask,
    pub(super) look: Look,
    pub(super) gallery: RawGallery,
    pub(super) prompt: PromptSettings,
    pub(super) web: RawWeb,
    pub(super) tray: TraySettings,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGallery {
    pub(super) max_megabytes: u64,
    pub(super) starter: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWeb {
    pub(super) enabled: bool,
    pub(super) port: u16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCamera {
    pub(super) device: String,
    pub(super) format: String,
    pub(super) timeout_ms: u64,
    pub(super) always_on: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOutput {
    pub(super) to: Vec<String>,
    pub(super) size: String,
    pub(super) fps: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBackground {
    pub(super) default: String,
    pub(super) fit: String,
    pub(super) crossfade_ms: u64,
    pub(super) max_megabytes: u64,
    pub(super) max_megapixels: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMask {
    pub(super) model: String,
    pub(super) quality: String,
    pub(super) latency: String,
    pub(super) processor: String,
    pub(super) library: String,
    pub(super) memory: f32,
    pub(super) edge: [f32; 2],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) custom: Vec<ModelSpec>,
}
