//! Follows the daemon on a thread of its own, and connects again after the daemon has restarted.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use super::view::View;
use crate::{
    control::{
        client::{Client, ConnectError},
        overview::RecentBackground,
        protocol::{Request, Response},
    },
    error::{Failure, Kind, io_text},
    process::backoff::Backoff,
};

/// The longest time until a started daemon is noticed.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// News of the daemon.
#[derive(Debug)]
pub(super) enum Update {
    /// Its state has changed.
    View(View),
    /// The list of the last backgrounds has changed.
    Recent(Vec<RecentBackground>),
}

/// The receiver is gone.
struct Closed;

/// Starts the thread; it ends when the receiver of the updates does.
///
/// # Errors
/// If the system has no more threads.
pub(super) fn start(dir: PathBuf, updates: mpsc::Sender<Update>) -> Result<(), Failure> {
    let follower = Follower { dir, updates, shown: None };
    let started = thread::Builder::new().name("follow".to_owned()).spawn(move || follower.run());
    let failure = |error| Failure::new(Kind::Io, format!("cannot start a thread: {}", io_text(&error)));
    started.map(drop).map_err(failure)
}

struct Follower {
    /// The directory of the socket.
    dir: PathBuf,
    updates: mpsc::Sender<Update>,
    /// The last view that was sent.
    shown: Option<View>,
}

impl Follower {
    fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), MAX_DELAY);
        while let Ok(end) = self.run_once(&mut backoff) {
            if self.show(end).is_err() {
                return;
            }
            thread::sleep(backoff.next_delay());
        }
    }

    /// Follows the daemon until the connection ends, and returns why.
    fn run_once(&mut self, backoff: &mut Backoff) -> Result<View, Closed> {
        let mut client = match Client::connect(&self.dir) {
            Ok(client) => client,
            Err(ConnectError::NoDaemon) => return Ok(View::Stopped),
            Err(ConnectError::Failed(failure)) => return Ok(View::Failed(failure)),
        };
        let mut response = client.call(&Request::Follow);
        if let Err(failure) = client.wait_forever() {
            return Ok(View::Failed(failure));
        }
        let mut known = None;
        loop {
            let overview = match response {
                Ok(Response::Overview(overview)) => overview,
                Ok(other) => return Ok(View::Failed(unexpected(&other))),
                // the daemon has stopped
                Err(failure) if failure.kind == Kind::Io => return Ok(View::Stopped),
                Err(failure) => return Ok(View::Failed(failure)),
            };
            backoff.reset();
            let recent = overview.recent.clone();
            self.show(View::Running(overview))?;
            if known.as_ref() != Some(&recent) {
                self.show_recent()?;
                known = Some(recent);
            }
            response = client.read_response();
        }
    }

    fn show(&mut self, view: View) -> Result<(), Closed> {
        if self.shown.as_ref() != Some(&view) {
            self.updates.blocking_send(Update::View(view.clone())).map_err(|_| Closed)?;
            self.shown = Some(view);
        }
        Ok(())
    }

    fn show_recent(&self) -> Result<(), Closed> {
        match recent(&self.dir) {
            Some(recent) => self.updates.blocking_send(Update::Recent(recent)).map_err(|_| Closed),
            None => Ok(()),
        }
    }
}

/// The last backgrounds; `None` if the daemon is busy or has stopped.
fn recent(dir: &Path) -> Option<Vec<RecentBackground>> {
    match Client::connect(dir).ok()?.call(&Request::Recent) {
        Ok(Response::Recent(recent)) => Some(recent),
        other => {
            tracing::debug!("no recent backgrounds: {other:?}");
            None
        }
    }
}

fn unexpected(response: &Response) -> Failure {
    Failure::new(Kind::Internal, format!("unexpected response of the daemon: {response:?}"))
        .hint("restart the daemon; it may be from another version of bgcam")
}
