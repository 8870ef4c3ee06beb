//! Why there is no control page.

use std::io;

use crate::error::{Failure, Kind, chain};

/// Why there is no control page; the camera goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The port can't be had.
    #[error("cannot serve the control page at port {port} of this machine")]
    Bind {
        /// The port that was asked for.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random numbers for codes and sessions.
    #[error("no random numbers for the control page's sessions: {0}")]
    Random(getrandom::Error),
    /// The system gives no thread.
    #[error("no thread for the control page")]
    Thread(#[source] io::Error),
}

impl From<WebError> for Failure {
    fn from(error: WebError) -> Self {
        let text = chain(&error);
        match error {
            WebError::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Self::new(Kind::Busy, text).hint("set another web.port, or 0 for any that is free")
            }
            WebError::Bind { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::new(Kind::Denied, text).hint("set web.port to 1024 or more, or 0 for any that is free")
            }
            _ => Self::new(Kind::Io, text),
        }
    }
}
