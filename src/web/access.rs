//! Access control of the page: one-time codes, and the sessions that they are exchanged for.
//!
//! An address passed to a browser can leak: it appears in the process list and in the browser's history. Therefore it
//! contains only a code that works once and expires soon; the session is identified by a cookie, which never appears in
//! an address. Both are kept in memory only, in limited numbers, and end with the daemon; `resume` lets open tabs start a
//! new session.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use subtle::ConstantTimeEq;

use super::WebError;

/// Lifetime of an unused code; long enough for a slow browser start.
const CODE_LIFETIME: Duration = Duration::from_secs(120);

/// Maximum number of unused codes; a new one replaces the oldest.
const MAX_CODES: usize = 16;

/// Maximum number of sessions; a new one replaces the least recently used.
const MAX_SESSIONS: usize = 32;

/// Name of the query parameter with the code.
const CODE: &str = "code";

/// The codes and sessions of a page.
#[derive(Debug)]
pub struct Access {
    port: u16,
    secrets: Mutex<Secrets>,
}

#[derive(Debug, Default)]
struct Secrets {
    /// Codes with their time of issue, oldest first.
    codes: VecDeque<(String, Instant)>,
    /// Sessions, least recently used first.
    sessions: VecDeque<String>,
}

impl Access {
    pub(super) fn new(port: u16) -> Self {
        Self { port, secrets: Mutex::default() }
    }

    /// The address of the page, without a code.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// An address that opens the page once, within two minutes.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub fn one_time_address(&self) -> Result<String, WebError> {
        Ok(format!("{}?{CODE}={}", self.address(), self.issue(Instant::now())?))
    }

    /// The port of the page.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Name of the session cookie. It contains the port, because all ports of a host share cookies.
    pub(super) fn cookie_name(&self) -> String {
        format!("bgcam-{}", self.port)
    }

    /// The value of a `Set-Cookie` header for a session.
    pub(super) fn cookie(&self, session: &str) -> String {
        format!("{}={session}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name())
    }

    /// Starts a session for a browser that is authorized.
    pub(super) fn start_session(&self) -> Result<String, WebError> {
        let session = random()?;
        self.secrets().add_session(session.clone());
        Ok(session)
    }

    /// Issues a code.
    fn issue(&self, now: Instant) -> Result<String, WebError> {
        let code = random()?;
        let mut secrets = self.secrets();
        secrets.expire(now);
        if secrets.codes.len() >= MAX_CODES {
            secrets.codes.pop_front();
        }
        secrets.codes.push_back((code.clone(), now));
        Ok(code)
    }

    /// Exchanges a code for a new session; `None` if the code is invalid, used or expired.
    pub(super) fn exchange(&self, code: &str, now: Instant) -> Result<Option<String>, WebError> {
        let mut secrets = self.secrets();
        secrets.expire(now);
        let Some(at) = secrets.codes.iter().position(|(known, _)| is_equal(known, code)) else { return Ok(None) };
        secrets.codes.remove(at);
        let session = random()?;
        secrets.add_session(session.clone());
        Ok(Some(session))
    }

    /// Whether a session is valid; marks it as used.
    pub(super) fn admits(&self, session: &str) -> bool {
        let mut secrets = self.secrets();
        let Some(at) = secrets.sessions.iter().position(|known| is_equal(known, session)) else { return false };
        if let Some(used) = secrets.sessions.remove(at) {
            secrets.sessions.push_back(used);
        }
        true
    }

    // Poisoning is ignored: entries are added and removed as a whole, so a panic leaves no partial update.
    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Secrets {
    fn add_session(&mut self, session: String) {
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.pop_front();
        }
        self.sessions.push_back(session);
    }

    fn expire(&mut self, now: Instant) {
        self.codes.retain(|(_, issued)| now.saturating_duration_since(*issued) < CODE_LIFETIME);
    }
}

/// The code in a query string.
pub(super) fn code_in(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix(CODE)?.strip_prefix('='))
}

/// Compares in constant time, to prevent timing attacks.
pub(super) fn is_equal(known: &str, given: &str) -> bool {
    known.as_bytes().ct_eq(given.as_bytes()).into()
}

/// 128 random bits in hexadecimal.
pub(super) fn random() -> Result<String, WebError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(WebError::Random)?;
    Ok(hex(&bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_opens_one_session_only() {
        let access = Access::new(8000);
        let now = Instant::now();
        let code = access.issue(now).unwrap();
        let other = access.issue(now).unwrap();
        assert_eq!(code.len(), 32);
        assert_ne!(code, other);
        for wrong in ["", "0", &code[..31], &code.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")] {
            assert_eq!(access.exchange(wrong, now).unwrap(), None, "{wrong}");
        }
        let session = access.exchange(&code, now).unwrap().unwrap();
        assert_ne!(session, code, "a code is not a session");
        assert!(access.admits(&session) && !access.admits(&code) && !access.admits(""));
        assert_eq!(access.exchange(&code, now).unwrap(), None, "already used");
        assert_ne!(access.exchange(&other, now).unwrap(), Some(session), "another browser, another session");
    }

    #[test]
    fn code_expires() {
        let access = Access::new(8000);
        let now = Instant::now();
        let early = access.issue(now).unwrap();
        let late = access.issue(now).unwrap();
        assert!(access.exchange(&early, now + CODE_LIFETIME - Duration::from_secs(1)).unwrap().is_some());
        assert!(access.exchange(&late, now + CODE_LIFETIME).unwrap().is_none());
    }

    #[test]
    fn codes_and_sessions_are_limited_and_the_session_in_use_stays() {
        let access = Access::new(8000);
        let now = Instant::now();
        let open = || access.exchange(&access.issue(now).unwrap(), now).unwrap().unwrap();
        let used = open();
        let idle = open();
        for _ in 0..2 * MAX_SESSIONS {
            open();
            assert!(access.admits(&used));
        }
        assert!(!access.admits(&idle));
        let codes: Vec<_> = (0..=MAX_CODES).map(|_| access.issue(now).unwrap()).collect();
        assert_eq!(access.exchange(&codes[0], now).unwrap(), None);
        assert!(access.exchange(&codes[1], now).unwrap().is_some());
        let secrets = access.secrets();
        assert_eq!((secrets.codes.len(), secrets.sessions.len()), (MAX_CODES - 1, MAX_SESSIONS));
    }

    #[test]
    fn code_is_found_in_an_address() {
        let access = Access::new(8000);
        let address = access.one_time_address().unwrap();
        let query = address.strip_prefix("http://127.0.0.1:8000/?").unwrap();
        assert_eq!(
            access.exchange(code_in(Some(query)).unwrap(), Instant::now()).unwrap().map(|id| id.len()),
            Some(32)
        );
        assert_eq!(code_in(Some("a=1&code=7&code=8")), Some("7"));
        for none in [None, Some(""), Some("code"), Some("codes=7"), Some("token=7")] {
            assert_eq!(code_in(none), None, "{none:?}");
        }
    }
}
