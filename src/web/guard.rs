//! Authorizes requests: only browsers on this machine with a session, and no cross-site requests.
//!
//! The address that `bgcam preview` opens contains a one-time code, which is immediately exchanged for a session cookie
//! and a clean address ([`Access`]). To prevent DNS rebinding, only the host names of this machine are accepted.
//! Requests from pages of other sites are refused. Only `resume`, which has its own proof, works without a session.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::{Html, IntoResponse, Response},
};

use super::{Access, access::code_in, reply::HttpError};
use crate::error::{Failure, Kind};

/// Header that programs send instead of a browser's `Origin` header; pages of other sites cannot send it.
const CLIENT_HEADER: &str = "x-bgcam";

/// The address for tabs whose session ended with an earlier daemon.
pub(super) const RESUME: &str = "/api/resume";

/// Allows only resources of the page itself, and no embedding in frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every response.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Checks sessions, host names and origins.
#[derive(Debug)]
pub(super) struct Guard {
    access: Arc<Access>,
    hosts: [String; 3],
    /// Name of the session cookie.
    cookie: String,
}

/// The decision about a request.
#[derive(Debug)]
enum Verdict {
    Allow,
    /// The request has a valid code; this is the new session.
    StartSession(String),
    Refuse(HttpError),
}

impl Guard {
    pub(super) fn new(access: Arc<Access>) -> Self {
        let port = access.port();
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
        let cookie = access.cookie_name();
        Self { access, hosts, cookie }
    }

    fn judge(&self, request: &Request) -> Verdict {
        let headers = request.headers();
        let uri = request.uri();
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let named = uri.authority().map_or(host, |authority| authority.as_str());
        if headers.get_all(HOST).iter().count() > 1 || [host, named].iter().any(|name| !self.is_own_host(name)) {
            return refuse(format!("{named:?} is not an address of the control page"));
        }
        let origin = headers.get(ORIGIN);
        if origin.is_some_and(|origin| origin.as_bytes() != format!("http://{host}").as_bytes()) {
            return refuse(format!("requests from {origin:?} are not allowed"));
        }
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_read && origin.is_none() && !headers.contains_key(CLIENT_HEADER) {
            return refuse(format!("the request needs an Origin or {CLIENT_HEADER} header"));
        }
        // before the session: a used or expired code is refused even in a browser with a session
        if let Some(code) = code_in(uri.query()).filter(|_| uri.path() == "/" && *request.method() == Method::GET) {
            return match self.access.exchange(code, Instant::now()) {
                Ok(Some(session)) => Verdict::StartSession(session),
                Ok(None) => refuse("this address has already been used or has expired"),
                Err(error) => Verdict::Refuse(Failure::new(Kind::Internal, error.to_string()).into()),
            };
        }
        if uri.path() == RESUME || self.has_session(headers) {
            return Verdict::Allow;
        }
        refuse("this browser has no session for the control page")
    }

    fn is_own_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        let is_valid = |part: &str| {
            let pair = part.trim().split_once('=');
            pair.is_some_and(|(name, value)| name == self.cookie && self.access.admits(value))
        };
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|cookies| cookies.split(';')).any(is_valid)
    }

    /// Redirects the browser to the plain address and sets the session cookie.
    fn start_session(&self, session: &str) -> Response {
        let cookie = self.access.cookie(session);
        (StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, "/".to_owned())]).into_response()
    }
}

fn refuse(reason: impl Into<String>) -> Verdict {
    let hint = "run `bgcam preview` to open the control page";
    Verdict::Refuse(HttpError(StatusCode::FORBIDDEN, Failure::new(Kind::Denied, reason).hint(hint)))
}

/// Middleware: authorizes a request and adds the security headers to the response.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let is_page = request.uri().path() == "/";
    let mut response = match guard.judge(&request) {
        Verdict::Allow => next.run(request).await,
        Verdict::StartSession(session) => guard.start_session(&session),
        // a page for the user
        Verdict::Refuse(HttpError(status, _)) if is_page => {
            (status, Html(include_str!("page/closed.html"))).into_response()
        }
        Verdict::Refuse(error) => {
            tracing::debug!("the control page refused {} {}: {}", request.method(), request.uri().path(), error.1);
            error.into_response()
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn guard() -> Guard {
        Guard::new(Arc::new(Access::new(8000)))
    }

    /// The query of a one-time address.
    fn code(guard: &Guard) -> String {
        guard.access.one_time_address().unwrap().split_once('?').unwrap().1.to_owned()
    }

    /// The cookie header of a new session.
    fn cookie(guard: &Guard) -> String {
        let query = code(guard);
        let session = guard.access.exchange(code_in(Some(&query)).unwrap(), Instant::now()).unwrap().unwrap();
        format!("bgcam-8000={session}")
    }

    /// The verdict on a request with these headers.
    fn judge(guard: &Guard, method: &str, path: &str, headers: &[(&str, &str)]) -> Verdict {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard.judge(&request.body(Body::empty()).unwrap())
    }

    const HOST_HEADER: (&str, &str) = ("host", "127.0.0.1:8000");

    #[test]
    fn code_is_exchanged_for_a_cookie_once() {
        let guard = guard();
        let path = format!("/?{}", code(&guard));
        for (method, path) in [("HEAD", path.as_str()), ("GET", &path.replace('/', "/app.js"))] {
            assert!(matches!(judge(&guard, method, path, &[HOST_HEADER]), Verdict::Refuse(_)), "{method} {path}");
        }
        let Verdict::StartSession(session) = judge(&guard, "GET", &path, &[HOST_HEADER]) else {
            panic!("{path} was refused")
        };
        let redirect = guard.start_session(&session);
        let cookie = redirect.headers()[SET_COOKIE].to_str().unwrap();
        assert_eq!(cookie, format!("bgcam-8000={session}; Path=/; HttpOnly; SameSite=Strict"));
        assert_eq!(redirect.headers()[LOCATION], "/");
        let pair = cookie.split(';').next().unwrap();
        for header in [pair.to_owned(), format!("a=1; {pair}"), format!("bgcam-8000=old; {pair}; b=2")] {
            let verdict = judge(&guard, "GET", "/app.js", &[HOST_HEADER, ("cookie", &header)]);
            assert!(matches!(verdict, Verdict::Allow), "{header}");
        }
        for headers in [&[HOST_HEADER][..], &[HOST_HEADER, ("cookie", pair)]] {
            assert!(matches!(judge(&guard, "GET", &path, headers), Verdict::Refuse(_)), "already used");
        }
    }

    #[test]
    fn nothing_is_served_without_a_session() {
        let guard = guard();
        let other_port = cookie(&guard).replace("8000", "8001");
        let code = code(&guard).replace("code=", "bgcam-8000=");
        let bearer = format!("Bearer {}", cookie(&guard).split_once('=').unwrap().1);
        for header in [
            ("accept", "*/*"),
            ("cookie", "bgcam-8000="),
            ("cookie", &other_port),
            ("cookie", &code),
            ("authorization", &bearer),
        ] {
            for path in ["/", "/app.js", "/live/output", "/api/events", "/?code=", "/?token="] {
                assert!(
                    matches!(judge(&guard, "GET", path, &[HOST_HEADER, header]), Verdict::Refuse(_)),
                    "{path} {header:?}"
                );
            }
        }
    }

    #[test]
    fn other_hosts_and_origins_are_refused_even_with_a_session() {
        let guard = guard();
        let cookie = cookie(&guard);
        let session = ("cookie", cookie.as_str());
        for host in ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "127.0.0.1:8000.evil", ""] {
            assert!(matches!(judge(&guard, "GET", "/", &[("host", host), session]), Verdict::Refuse(_)), "{host}");
        }
        let twice = [HOST_HEADER, ("host", "evil.example"), session];
        assert!(matches!(judge(&guard, "GET", "/", &twice), Verdict::Refuse(_)));
        assert!(matches!(judge(&guard, "GET", "http://evil.example/", &[HOST_HEADER, session]), Verdict::Refuse(_)));
        for origin in
            ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001", "http://localhost:8000"]
        {
            let verdict = judge(&guard, "POST", "/api/request", &[HOST_HEADER, ("origin", origin), session]);
            assert!(matches!(verdict, Verdict::Refuse(_)), "{origin}");
        }
        for host in ["localhost:8000", "[::1]:8000", "LOCALHOST:8000"] {
            let origin = format!("http://{host}");
            let verdict = judge(&guard, "POST", "/api/request", &[("host", host), ("origin", &origin), session]);
            assert!(matches!(verdict, Verdict::Allow), "{host}: {verdict:?}");
        }
    }

    #[test]
    fn change_without_origin_needs_the_client_header() {
        let guard = guard();
        let cookie = cookie(&guard);
        let session = ("cookie", cookie.as_str());
        for method in ["POST", "DELETE", "PUT", "OPTIONS"] {
            assert!(
                matches!(judge(&guard, method, "/api/request", &[HOST_HEADER, session]), Verdict::Refuse(_)),
                "{method}"
            );
        }
        assert!(matches!(
            judge(&guard, "POST", "/api/request", &[HOST_HEADER, session, (CLIENT_HEADER, "1")]),
            Verdict::Allow
        ));
    }
}
