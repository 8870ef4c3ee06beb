//! Shutdown within systemd's `TimeoutStopSec`, even if a device or library hangs.

use std::{io, sync::mpsc, thread, time::Duration};

use tokio::{runtime::Runtime, task::JoinHandle, time::timeout};

use crate::{control::socket::Claim, error::Failure, pipeline::Pipeline, web::Page};

/// Timeout for the pipeline: loading a model takes seconds, and a recording has to be completed.
const PIPELINE_TIMEOUT: Duration = Duration::from_secs(6);

/// Timeout for blocking work such as loading a background.
const WORK_TIMEOUT: Duration = Duration::from_millis(200);

/// Timeout for the whole shutdown; afterwards the process exits.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// Exits the process if the shutdown takes too long, unless dropped before.
#[derive(Debug)]
pub(super) struct Deadline(#[expect(dead_code, reason = "dropping it is the signal")] mpsc::Sender<()>);

impl Deadline {
    pub(super) fn start() -> Self {
        let (sender, receiver) = mpsc::channel();
        let wait = move || {
            if receiver.recv_timeout(SHUTDOWN_TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout) {
                tracing::error!("shutdown took longer than {} s, exiting", SHUTDOWN_TIMEOUT.as_secs());
                exit(1);
            }
        };
        let spawned = thread::Builder::new().name("bgcam-shutdown".to_owned()).spawn(wait);
        if let Err(error) = spawned {
            tracing::debug!("cannot start the shutdown timer: {error}");
        }
        Self(sender)
    }
}

/// Closes the control socket, so that clients see no daemon, then the control page.
pub(super) async fn close_interfaces(claim: &Claim, server: JoinHandle<io::Result<()>>, page: Option<Page>) {
    claim.close_socket();
    server.abort();
    let _ = server.await;
    drop(page);
}

/// Stops the pipeline. If one of its threads hangs, the process exits here, because the thread may still use libraries
/// and the runtime.
pub(super) async fn stop_pipeline(pipeline: &Pipeline, claim: &Claim, result: &Result<(), Failure>) {
    pipeline.request_stop();
    // pending requests finish meanwhile
    if timeout(PIPELINE_TIMEOUT, pipeline.stopped()).await.is_err() {
        if let Err(failure) = result {
            tracing::error!(hint = failure.hint, "{failure}");
        }
        tracing::warn!("a camera, model or output is not responding; exiting anyway");
        claim.close_socket();
        exit(i32::from(result.is_err()));
    }
}

/// Stops the runtime without waiting for blocking work.
pub(super) fn stop_runtime(runtime: Runtime) {
    runtime.shutdown_timeout(WORK_TIMEOUT);
}

fn exit(code: i32) -> ! {
    // SAFETY: _exit is always safe to call; it skips destructors, and nothing needs them any longer.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocking_work_does_not_delay_shutdown() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (hold, held) = mpsc::channel::<()>();
        let (sender, started) = mpsc::channel();
        runtime.spawn_blocking(move || {
            sender.send(()).unwrap();
            let _ = held.recv(); // until the test ends
        });
        started.recv().unwrap();
        stop_runtime(runtime);
        drop(hold);
    }
}
