//! The camera portal: a connection to PipeWire for sandboxed programs, which shows cameras once the user has agreed.

use std::{
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ashpd::{Error, desktop::camera::Camera, zbus};

/// How long the user may take to answer the question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no connection through the portal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortalError {
    /// The user refused, now or earlier: the portal remembers the answer.
    #[error("the user refused")]
    Refused,
    /// The user did not answer, now or since this process started.
    #[error("the user did not answer")]
    Unanswered,
    /// There is no camera.
    #[error("there is no camera")]
    NoCamera,
    /// There is no portal, or it failed.
    #[error(transparent)]
    Failed(Error),
}

/// Asks the user for access to cameras, if they have not answered before, and connects to PipeWire. Takes as long as the
/// user, up to [`ANSWER_TIMEOUT`].
///
/// # Errors
/// If the user refuses or does not answer, or there is no camera or portal.
pub(crate) fn open() -> Result<OwnedFd, PortalError> {
    /// A dialog that is ignored must not return every second.
    static UNANSWERED: AtomicBool = AtomicBool::new(false);
    if UNANSWERED.load(Ordering::Relaxed) {
        return Err(PortalError::Unanswered);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| PortalError::Failed(Error::IO(error)))?;
    let result = runtime.block_on(connect());
    if matches!(result, Err(PortalError::Unanswered)) {
        UNANSWERED.store(true, Ordering::Relaxed);
    }
    result
}

async fn connect() -> Result<OwnedFd, PortalError> {
    // not ashpd's own connection, which ends with the runtime of the first call
    let bus = zbus::Connection::session().await.map_err(|error| PortalError::Failed(error.into()))?;
    let camera = Camera::with_connection(bus).await.map_err(PortalError::Failed)?;
    if !camera.is_present().await.map_err(PortalError::Failed)? {
        return Err(PortalError::NoCamera);
    }
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, camera.request_access(Default::default())).await;
    let answer = answer.map_err(|_| PortalError::Unanswered)?.and_then(|request| request.response());
    answer.map_err(|error| match error {
        Error::Response(_) => PortalError::Refused,
        error => PortalError::Failed(error),
    })?;
    camera.open_pipe_wire_remote(Default::default()).await.map_err(PortalError::Failed)
}
