//! The end of the daemon, within the time that systemd gives it (`TimeoutStopSec`), whatever hangs.

use std::{io, sync::mpsc, thread, time::Duration};

use tokio::{
    runtime::Runtime,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{control::socket::Claim, error::Failure, pipeline::Pipeline, web::Page};

/// How long the pipeline may take: a model that is being loaded takes seconds, a recording is completed.
const PIPELINE_TIMEOUT: Duration = Duration::from_secs(6);

/// How long a background that is being loaded may hold up the end.
const WORK_TIMEOUT: Duration = Duration::from_millis(200);

/// When the process ends at the latest.
const LIMIT: Duration = Duration::from_secs(8);

/// Ends the process when its end takes too long; until dropped.
#[derive(Debug)]
pub(super) struct Limit(#[expect(dead_code, reason = "dropping it is the signal")] mpsc::Sender<()>);

impl Limit {
    pub(super) fn start() -> Self {
        let (sender, receiver) = mpsc::channel();
        let wait = move || {
            if receiver.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                tracing::error!("bgcam did not end within {} s and is ended by force", LIMIT.as_secs());
                exit(1);
            }
        };
        let spawned = thread::Builder::new().name("bgcam-end".to_owned()).spawn(wait);
        if let Err(error) = spawned {
            tracing::debug!("no thread to limit the end: {error}");
        }
        Self(sender)
    }
}

/// Closes the doors: first the socket, so that clients see at once that there is no daemon, then the page.
pub(super) async fn close(claim: &Claim, server: JoinHandle<io::Result<()>>, page: Option<Page>) {
    claim.close_socket();
    server.abort();
    let _ = server.await;
    drop(page);
}

/// Stops the pipeline. Where a thread of it hangs, the process ends here: libraries must not be unloaded under it.
pub(super) async fn stop_pipeline(pipeline: &Pipeline, claim: &Claim, result: &Result<(), Failure>) {
    pipeline.request_stop();
    let deadline = Instant::now() + PIPELINE_TIMEOUT;
    while !pipeline.is_stopped() {
        if Instant::now() > deadline {
            if let Err(failure) = result {
                tracing::error!(hint = failure.hint, "{failure}");
            }
            tracing::warn!("a camera, a model or an output hangs and is left behind");
            claim.close_socket();
            exit(i32::from(result.is_err()));
        }
        sleep(Duration::from_millis(2)).await; // requests under way get their answers meanwhile
    }
}

/// Ends the runtime without waiting for what is being loaded.
pub(super) fn shut_down(runtime: Runtime) {
    runtime.shutdown_timeout(WORK_TIMEOUT);
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the process at once; nothing has to be cleaned up any more.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_loaded_does_not_hold_up_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (hold, held) = mpsc::channel::<()>();
        let (sender, started) = mpsc::channel();
        runtime.spawn_blocking(move || {
            sender.send(()).unwrap();
            let _ = held.recv(); // for as long as this test runs
        });
        started.recv().unwrap();
        shut_down(runtime);
        drop(hold);
    }
}
