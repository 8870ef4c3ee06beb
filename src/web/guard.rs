//! Who may come in: browsers on this machine that have a session, and no other site through them.
//!
//! The address that `bgcam preview` opens has a one-time code, which is exchanged at once for a session cookie and a clean
//! address ([`Access`]). Names other than those of this machine are refused, so that nobody's domain can be made to point
//! here, and so are requests that another site's page sends.

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

use super::{Access, access::code_in, answer::Refusal};
use crate::error::{Failure, Kind};

/// The header that stands for the `Origin` that programs do not send; no page of another site can.
const OURS: &str = "x-bgcam";

/// Nothing but what comes from here, and nobody's frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What goes with every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Knows who has a session, and our own names.
#[derive(Debug)]
pub(super) struct Guard {
    access: Arc<Access>,
    hosts: [String; 3],
    /// Cookies are shared by all ports of a machine, so its name has ours: two daemons keep apart.
    cookie: String,
}

/// What is done with a request.
#[derive(Debug)]
enum Verdict {
    Pass,
    /// It brought a valid code: here is the session.
    Welcome(String),
    Refuse(Refusal),
}

impl Guard {
    pub(super) fn new(access: Arc<Access>) -> Self {
        let port = access.port();
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
        Self { access, hosts, cookie: format!("bgcam-{port}") }
    }

    fn judge(&self, request: &Request) -> Verdict {
        let (headers, uri) = (request.headers(), request.uri());
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let named = uri.authority().map_or(host, |authority| authority.as_str());
        if headers.get_all(HOST).iter().count() > 1 || [host, named].iter().any(|name| !self.is_ours(name)) {
            return refuse(format!("the control page is not at {named:?}"));
        }
        let origin = headers.get(ORIGIN);
        if origin.is_some_and(|origin| origin.as_bytes() != format!("http://{host}").as_bytes()) {
            return refuse(format!("the control page takes nothing from {origin:?}"));
        }
        let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_look && origin.is_none() && !headers.contains_key(OURS) {
            return refuse(format!("a change needs the header Origin or {OURS}"));
        }
        // a code is looked at before the cookie: one that was used or has expired opens nothing, even here
        if let Some(code) = code_in(uri.query()).filter(|_| uri.path() == "/" && *request.method() == Method::GET) {
            return match self.access.exchange(code, Instant::now()) {
                Ok(Some(session)) => Verdict::Welcome(session),
                Ok(None) => refuse("this address was used before, or has expired"),
                Err(error) => Verdict::Refuse(Failure::new(Kind::Internal, error.to_string()).into()),
            };
        }
        if self.has_session(headers) {
            return Verdict::Pass;
        }
        refuse("this browser has no session with the control page")
    }

    fn is_ours(&self, host: &str) -> bool {
        self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        let is_valid = |part: &str| {
            let pair = part.trim().split_once('=');
            pair.is_some_and(|(name, value)| name == self.cookie && self.access.admits(value))
        };
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|cookies| cookies.split(';')).any(is_valid)
    }

    /// Sends the browser on to the plain address, with the session as a cookie of this host and this page alone.
    fn welcome(&self, session: &str) -> Response {
        let cookie = format!("{}={session}; Path=/; HttpOnly; SameSite=Strict", self.cookie);
        (StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, "/".to_owned())]).into_response()
    }
}

fn refuse(why: impl Into<String>) -> Verdict {
    let hint = "`bgcam preview` opens the control page";
    Verdict::Refuse(Refusal(StatusCode::FORBIDDEN, Failure::new(Kind::Denied, why).hint(hint)))
}

/// Lets a request pass or not, and seals the answer.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let is_page = request.uri().path() == "/";
    let mut response = match guard.judge(&request) {
        Verdict::Pass => next.run(request).await,
        Verdict::Welcome(session) => guard.welcome(&session),
        // a person reads this one
        Verdict::Refuse(Refusal(status, _)) if is_page => {
            (status, Html(include_str!("page/closed.html"))).into_response()
        }
        Verdict::Refuse(refusal) => {
            tracing::debug!("the control page refused {} {}: {}", request.method(), request.uri().path(), refusal.1);
            refusal.into_response()
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

    /// The cookie of a new session, as a browser sends it.
    fn cookie(guard: &Guard) -> String {
        let query = code(guard);
        let session = guard.access.exchange(code_in(Some(&query)).unwrap(), Instant::now()).unwrap().unwrap();
        format!("bgcam-8000={session}")
    }

    /// What becomes of a request with these headers.
    fn judge(guard: &Guard, method: &str, path: &str, headers: &[(&str, &str)]) -> Verdict {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard.judge(&request.body(Body::empty()).unwrap())
    }

    const HERE: (&str, &str) = ("host", "127.0.0.1:8000");

    #[test]
    fn a_code_is_exchanged_for_a_cookie_once() {
        let guard = guard();
        let path = format!("/?{}", code(&guard));
        for (method, path) in [("HEAD", path.as_str()), ("GET", &path.replace('/', "/app.js"))] {
            assert!(matches!(judge(&guard, method, path, &[HERE]), Verdict::Refuse(_)), "{method} {path}");
        }
        let Verdict::Welcome(session) = judge(&guard, "GET", &path, &[HERE]) else { panic!("{path} is not welcome") };
        let welcome = guard.welcome(&session);
        let cookie = welcome.headers()[SET_COOKIE].to_str().unwrap();
        assert_eq!(cookie, format!("bgcam-8000={session}; Path=/; HttpOnly; SameSite=Strict"));
        assert_eq!(welcome.headers()[LOCATION], "/");
        let pair = cookie.split(';').next().unwrap();
        for header in [pair.to_owned(), format!("a=1; {pair}"), format!("bgcam-8000=old; {pair}; b=2")] {
            let verdict = judge(&guard, "GET", "/app.js", &[HERE, ("cookie", &header)]);
            assert!(matches!(verdict, Verdict::Pass), "{header}");
        }
        for headers in [&[HERE][..], &[HERE, ("cookie", pair)]] {
            assert!(matches!(judge(&guard, "GET", &path, headers), Verdict::Refuse(_)), "used up");
        }
    }

    #[test]
    fn without_a_session_nothing_is_given() {
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
                assert!(matches!(judge(&guard, "GET", path, &[HERE, header]), Verdict::Refuse(_)), "{path} {header:?}");
            }
        }
    }

    #[test]
    fn other_names_and_other_sites_are_refused_even_with_a_session() {
        let guard = guard();
        let cookie = cookie(&guard);
        let session = ("cookie", cookie.as_str());
        for host in ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "127.0.0.1:8000.evil", ""] {
            assert!(matches!(judge(&guard, "GET", "/", &[("host", host), session]), Verdict::Refuse(_)), "{host}");
        }
        let twice = [HERE, ("host", "evil.example"), session];
        assert!(matches!(judge(&guard, "GET", "/", &twice), Verdict::Refuse(_)));
        assert!(matches!(judge(&guard, "GET", "http://evil.example/", &[HERE, session]), Verdict::Refuse(_)));
        for origin in
            ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001", "http://localhost:8000"]
        {
            let verdict = judge(&guard, "POST", "/api/request", &[HERE, ("origin", origin), session]);
            assert!(matches!(verdict, Verdict::Refuse(_)), "{origin}");
        }
        for host in ["localhost:8000", "[::1]:8000", "LOCALHOST:8000"] {
            let origin = format!("http://{host}");
            let verdict = judge(&guard, "POST", "/api/request", &[("host", host), ("origin", &origin), session]);
            assert!(matches!(verdict, Verdict::Pass), "{host}: {verdict:?}");
        }
    }

    #[test]
    fn a_change_without_origin_needs_our_header() {
        let guard = guard();
        let cookie = cookie(&guard);
        let session = ("cookie", cookie.as_str());
        for method in ["POST", "DELETE", "PUT", "OPTIONS"] {
            assert!(matches!(judge(&guard, method, "/api/request", &[HERE, session]), Verdict::Refuse(_)), "{method}");
        }
        assert!(matches!(judge(&guard, "POST", "/api/request", &[HERE, session, (OURS, "1")]), Verdict::Pass));
    }
}
