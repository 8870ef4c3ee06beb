//! Lets an open tab continue after a restart of the daemon, without a new code.
//!
//! A session cookie must not outlive the daemon: while no daemon runs, any program of this user can listen on its port,
//! including a sandboxed app that has the network but no camera, and the tab would send it the cookie. Instead, each tab
//! gets a ticket with a secret key, which it keeps in the memory of its script and never sends. After a restart, the tab
//! proves that it has the key: it answers the new daemon's challenge with an HMAC over the port and the challenge, and
//! receives a new cookie. An impostor on the port learns an answer that is worthless: it cannot know the challenge of
//! the daemon that starts after it, and a daemon on another port does not accept the answer.
//!
//! The tickets and the port are in the runtime directory, in a file that only this user can read, which sandboxed apps
//! do not see, and which the system deletes at logout. Each ticket works once. A reloaded tab needs `bgcam preview`.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::{
    body::Body,
    extract::State,
    http::header::SET_COOKIE,
    response::{IntoResponse, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{
    AppStateRef, Backend, WebError,
    access::{hex, is_equal, random},
    api::BODY_TIMEOUT,
    reply::{HttpError, json, read_body},
};
use crate::{
    control::protocol::{Reply, Response as DaemonResponse},
    error::{Failure, Kind},
    media::regular,
};

/// Maximum number of tickets; a new one replaces the oldest.
const MAX_TICKETS: usize = 32;

/// Maximum size of the file, in bytes.
const MAX_FILE_SIZE: u64 = 16 << 10;

/// The right to start a session after a restart.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ticket {
    id: String,
    /// Never sent back, and never logged.
    key: String,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    port: u16,
    /// Oldest first.
    tickets: VecDeque<Ticket>,
}

/// The tickets of all tabs.
#[derive(Debug)]
pub(super) struct Tickets {
    file: PathBuf,
    port: u16,
    /// Of this process. A ticket works once, so that one challenge is enough.
    challenge: String,
    tickets: Mutex<VecDeque<Ticket>>,
}

/// The path of the file in the runtime directory.
pub(super) fn file_in(dir: &Path) -> PathBuf {
    dir.join("page.json")
}

/// The port of the last daemon, which open tabs expect.
pub(super) fn last_port(file: &Path) -> Option<u16> {
    load(file).map(|saved| saved.port)
}

fn load(file: &Path) -> Option<Saved> {
    serde_json::from_slice(&regular::read(file, MAX_FILE_SIZE).ok()?).ok()
}

impl Tickets {
    /// Loads the tickets for a page on `port`; those of another port are dropped.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub(super) fn load(file: PathBuf, port: u16) -> Result<Self, WebError> {
        let saved = load(&file).filter(|saved| saved.port == port);
        let tickets = saved.map(|saved| saved.tickets).unwrap_or_default();
        Ok(Self { file, port, challenge: random()?, tickets: Mutex::new(tickets) })
    }

    /// A ticket for a tab with a session.
    fn issue(&self) -> Result<Ticket, WebError> {
        let ticket = Ticket { id: random()?, key: random()? };
        let mut tickets = self.lock();
        if tickets.len() >= MAX_TICKETS {
            tickets.pop_front();
        }
        tickets.push_back(ticket.clone());
        self.save(&tickets);
        Ok(ticket)
    }

    /// Uses up a ticket; whether `proof` shows that the tab has its key.
    fn redeem(&self, id: &str, proof: &str) -> bool {
        let mut tickets = self.lock();
        let Some(at) = tickets.iter().position(|ticket| is_equal(&ticket.id, id)) else { return false };
        if !is_equal(&prove(&tickets[at].key, self.port, &self.challenge), proof) {
            return false;
        }
        tickets.remove(at);
        self.save(&tickets);
        true
    }

    /// Without the file, open tabs have to be opened again after a restart; everything else works.
    fn save(&self, tickets: &VecDeque<Ticket>) {
        let saved = Saved { port: self.port, tickets: tickets.clone() };
        if let Err(error) = write(&self.file, &saved) {
            tracing::debug!("cannot save the sessions of the control page: {error}");
        }
    }

    // Poisoning is ignored: tickets are added and removed as a whole, so a panic leaves no partial update.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces the file; a temporary file has mode 0600.
fn write(file: &Path, saved: &Saved) -> io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    serde_json::to_writer(&mut new, saved)?;
    new.flush()?;
    new.persist(file)?;
    Ok(())
}

/// HMAC-SHA-256 over the port and the challenge, in hexadecimal.
fn prove(key: &str, port: u16, challenge: &str) -> String {
    // accepts keys of any length
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(format!("bgcam {port} {challenge}").as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// `GET /api/session`: a ticket for this tab, and whether the user has chosen nothing yet.
pub(super) async fn session<B: Backend>(State(state): AppStateRef<B>) -> Result<Response, HttpError> {
    #[derive(Serialize)]
    struct Session {
        ticket: Ticket,
        first_run: bool,
    }
    let ticket = state.tickets.issue().map_err(Failure::from)?;
    Ok(json(&Session { ticket, first_run: state.backend.is_first_run() }))
}

/// `GET /api/resume`: the challenge; needs no session.
pub(super) async fn challenge<B: Backend>(State(state): AppStateRef<B>) -> Response {
    json(&serde_json::json!({ "challenge": state.tickets.challenge }))
}

/// `POST /api/resume` with a ticket and the proof of its key: starts a session.
pub(super) async fn resume<B: Backend>(State(state): AppStateRef<B>, body: Body) -> Result<Response, HttpError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Proof {
        ticket: String,
        proof: String,
    }
    let bytes = read_body(body, 1024, BODY_TIMEOUT).await?;
    let Proof { ticket, proof } = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Kind::BadInput, format!("invalid request: {error}")))?;
    if !state.tickets.redeem(&ticket, &proof) {
        let failure = Failure::new(Kind::Denied, "this tab cannot continue its session");
        return Err(failure.hint("run `bgcam preview` to open the control page").into());
    }
    let cookie = state.access.start_session().map_err(Failure::from)?;
    let cookie = state.access.cookie(&cookie);
    Ok(([(SET_COOKIE, cookie)], json(&Reply::Ok(DaemonResponse::Done("resumed".to_owned())))).into_response())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn ticket_outlives_the_daemon_and_works_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_in(dir.path());
        let before = Tickets::load(file.clone(), 8000).unwrap();
        let ticket = before.issue().unwrap();
        let other = before.issue().unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(last_port(&file), Some(8000));
        let after = Tickets::load(file.clone(), 8000).unwrap();
        assert_ne!(after.challenge, before.challenge, "an answer to an old challenge is worthless");
        let proof = prove(&ticket.key, 8000, &after.challenge);
        for (id, wrong) in [
            (&ticket.id, prove(&ticket.key, 8000, &before.challenge)),
            (&ticket.id, prove(&ticket.key, 8001, &after.challenge)),
            (&ticket.id, prove(&other.key, 8000, &after.challenge)),
            (&ticket.id, ticket.key.clone()),
            (&ticket.id, String::new()),
            (&other.id, proof.clone()),
        ] {
            assert!(!after.redeem(id, &wrong), "{wrong}");
        }
        assert!(after.redeem(&ticket.id, &proof));
        assert!(!after.redeem(&ticket.id, &proof), "already used");
        assert_eq!(Tickets::load(file.clone(), 8000).unwrap().lock().len(), 1);
        assert!(Tickets::load(file, 8001).unwrap().lock().is_empty(), "cookies contain the port");
    }

    #[test]
    fn tickets_are_limited_and_a_damaged_file_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_in(dir.path());
        let tickets = Tickets::load(file.clone(), 8000).unwrap();
        let first = tickets.issue().unwrap();
        for _ in 0..MAX_TICKETS {
            tickets.issue().unwrap();
        }
        assert!(!tickets.redeem(&first.id, &prove(&first.key, 8000, &tickets.challenge)));
        assert_eq!(tickets.lock().len(), MAX_TICKETS);
        assert!(!format!("{first:?}").contains(&first.key));
        for damaged in ["", "{", "[]", r#"{"port":70000,"tickets":[]}"#] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(last_port(&file), None, "{damaged}");
            assert!(Tickets::load(file.clone(), 8000).unwrap().lock().is_empty());
        }
    }

    /// The page computes the same value with the Web Crypto API.
    #[test]
    fn proof_is_an_hmac() {
        let proof = prove("key", 8000, "challenge");
        assert_eq!(proof.len(), 64);
        assert_eq!(proof, prove("key", 8000, "challenge"));
    }
}
