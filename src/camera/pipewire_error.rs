//! Errors of PipeWire cameras: each names the node, the reason and the fix.

use std::{io, time::Duration};

use crate::{duration::HumanDuration, error::Kind};

const START: &str = "run `systemctl --user start pipewire wireplumber`";

/// Errors of a PipeWire camera.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // see the messages
pub enum PipeWireError {
    #[error("no PipeWire camera: {reason}")]
    NoLibrary { reason: String },
    #[error("no PipeWire camera: PipeWire is not running")]
    NotRunning { source: io::Error },
    #[error("no PipeWire camera: bgcam may not use cameras, because you have refused it")]
    Forbidden,
    #[error("no PipeWire camera: the question whether bgcam may use cameras was not answered")]
    Unanswered,
    #[error("no PipeWire camera: the camera portal failed: {reason}")]
    Portal { reason: String },
    #[error("no PipeWire camera found")]
    NoCamera,
    #[error("PipeWire camera {wanted:?} not found")]
    NotFound { wanted: String, available: Vec<String> },
    #[error("PipeWire camera {node:?} is bgcam's own output")]
    OwnOutput { node: String },
    #[error("PipeWire camera {node:?} cannot be connected: no session manager is running")]
    NoSessionManager { node: String },
    #[error("PipeWire camera {node:?} was not connected within {}", HumanDuration(*.waited))]
    NotConnected { node: String, waited: Duration },
    #[error("PipeWire camera {node:?} did not start within {}", HumanDuration(*.waited))]
    NoFormat { node: String, waited: Duration },
    #[error("PipeWire camera {node:?} cannot be used: {reason}")]
    Refused { node: String, reason: String },
    #[error("PipeWire camera {node:?} has an unsupported format: {reason}")]
    Format { node: String, reason: String },
    #[error("PipeWire connected another camera instead of {node:?}")]
    OtherCamera { node: String },
}

impl PipeWireError {
    /// The kind of failure shown to the user.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::NoLibrary { .. } | Self::NotRunning { .. } | Self::NoSessionManager { .. } | Self::Portal { .. } => {
                Kind::Missing
            }
            Self::NoCamera | Self::NotFound { .. } => Kind::NotFound,
            Self::OwnOutput { .. } | Self::Format { .. } => Kind::Unsupported,
            Self::Forbidden | Self::Unanswered => Kind::Denied,
            Self::NotConnected { .. } | Self::NoFormat { .. } | Self::Refused { .. } | Self::OtherCamera { .. } => {
                Kind::Io
            }
        }
    }

    /// How to fix it.
    pub(super) fn hint(&self) -> String {
        let hint = match self {
            Self::NoLibrary { .. } => "run `sudo apt install pipewire wireplumber`, or use a webcam",
            Self::NotRunning { .. } | Self::NoSessionManager { .. } => START,
            Self::NotFound { available, .. } if !available.is_empty() => {
                return format!("available: {}", available.join(", "));
            }
            Self::Forbidden => "allow bgcam to use the camera in the privacy settings of your desktop",
            Self::Unanswered => "restart bgcam, and answer the question of your desktop",
            Self::Portal { .. } => "run `systemctl --user status xdg-desktop-portal`",
            Self::NoCamera | Self::NotFound { .. } => {
                "run `bgcam doctor`, which names missing packages, or `bgcam devices` to list all cameras"
            }
            Self::OwnOutput { .. } => "run `bgcam devices` to list usable cameras",
            Self::NotConnected { .. } | Self::OtherCamera { .. } => {
                "run `systemctl --user restart wireplumber`, and close other apps that use the camera"
            }
            Self::NoFormat { .. } => "close other apps that use the camera, or remove camera.format from the settings",
            Self::Refused { .. } => "close other apps that use the camera, then see `journalctl --user -u pipewire`",
            Self::Format { .. } => "remove camera.format from the settings, or use another camera",
        };
        hint.to_owned()
    }
}
