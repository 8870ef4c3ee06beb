//! Errors of the control page.

use std::io;

use crate::error::{Failure, Kind, chain};

/// Why the control page cannot be served; the camera works without it.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The port cannot be bound.
    #[error("cannot serve the control page on port {port}")]
    Bind {
        /// The configured port.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// The system provides no random numbers for codes and sessions.
    #[error("cannot get random numbers for the control page's sessions: {0}")]
    Random(getrandom::Error),
    /// The thread cannot be started.
    #[error("cannot start a thread for the control page")]
    Thread(#[source] io::Error),
}

impl From<WebError> for Failure {
    fn from(error: WebError) -> Self {
        let text = chain(&error);
        match error {
            WebError::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Self::new(Kind::Busy, text).hint("set another web.port, or 0 for any free port")
            }
            WebError::Bind { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::new(Kind::Denied, text).hint("set web.port to 1024 or higher, or 0 for any free port")
            }
            _ => Self::new(Kind::Io, text),
        }
    }
}
