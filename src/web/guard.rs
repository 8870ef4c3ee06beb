//! Who may come in: browsers on this machine that were given the token, and no other site through them.
//!
//! The token is new with every start. It comes once, in the address that `bgcam preview` opens, and is changed for a
//! cookie at once, so that it stays in no history. Names other than those of this machine are refused, so that nobody's
//! domain can be made to point here, and so are requests that another site's page sends.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, LOCATION, ORIGIN, REFERRER_POLICY,
            SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use super::{WebError, answer::Refusal};
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

/// Knows the token and our own names.
#[derive(Debug)]
pub(super) struct Guard {
    /// 128 random bits in hexadecimal.
    token: String,
    hosts: [String; 3],
    /// Cookies are shared by all ports of a machine, so its name has ours.
    cookie: String,
}

/// What is done with a request.
#[derive(Debug)]
enum Verdict {
    Pass,
    /// It brought the token: the cookie takes its place.
    Welcome,
    Refuse(Refusal),
}

impl Guard {
    /// A guard with a new token, for `port`.
    pub(super) fn new(port: u16) -> Result<Self, WebError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(WebError::Random)?;
        let token = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
        Ok(Self { token, hosts, cookie: format!("bgcam-{port}") })
    }

    pub(super) fn token(&self) -> &str {
        &self.token
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
        if uri.path() == "/" && token_in(uri.query()).is_some_and(|token| self.is_token(token)) {
            return Verdict::Welcome;
        }
        if self.knows(headers) {
            return Verdict::Pass;
        }
        refuse("this address is not valid, or not any more".to_owned())
    }

    fn is_ours(&self, host: &str) -> bool {
        self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }

    fn is_token(&self, token: &str) -> bool {
        token.as_bytes().ct_eq(self.token.as_bytes()).into()
    }

    /// Whether the cookie or the header `Authorization: Bearer TOKEN` has the token.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let text = |value: &'_ HeaderValue| value.to_str().ok().map(str::to_owned);
        let bearer = headers.get(AUTHORIZATION).and_then(text);
        let bearer = bearer.as_deref().and_then(|value| value.strip_prefix("Bearer "));
        let is_ours = |part: &str| {
            let pair = part.trim().split_once('=');
            pair.is_some_and(|(name, value)| name == self.cookie && self.is_token(value))
        };
        bearer.is_some_and(|token| self.is_token(token))
            || headers.get_all(COOKIE).iter().filter_map(text).any(|cookies| cookies.split(';').any(is_ours))
    }

    /// Sends the browser on to the plain address, with the cookie.
    fn welcome(&self) -> Response {
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie, self.token);
        (StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, "/".to_owned())]).into_response()
    }
}

fn refuse(why: String) -> Verdict {
    let hint = "`bgcam preview` opens the control page";
    Verdict::Refuse(Refusal(StatusCode::FORBIDDEN, Failure::new(Kind::Denied, why).hint(hint)))
}

fn token_in(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Lets a request pass or not, and seals the answer.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let is_page = request.uri().path() == "/";
    let mut response = match guard.judge(&request) {
        Verdict::Pass => next.run(request).await,
        Verdict::Welcome => guard.welcome(),
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
        Guard::new(8000).unwrap()
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
    fn the_token_is_new_each_time_and_changed_for_a_cookie() {
        let (guard, other) = (guard(), Guard::new(8000).unwrap());
        assert_eq!(guard.token.len(), 32);
        assert_ne!(guard.token, other.token);
        let at = |token: &str| judge(&guard, "GET", &format!("/?token={token}"), &[HERE]);
        assert!(matches!(at(&guard.token), Verdict::Welcome));
        for wrong in ["", &other.token, &guard.token[..31], &guard.token.to_uppercase()] {
            assert!(matches!(at(wrong), Verdict::Refuse(_)), "{wrong}");
        }
        let welcome = guard.welcome();
        let cookie = welcome.headers()[SET_COOKIE].to_str().unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        assert_eq!(welcome.headers()[LOCATION], "/");
        let pair = cookie.split(';').next().unwrap();
        for header in [("cookie", pair), ("authorization", &format!("Bearer {}", guard.token))] {
            assert!(matches!(judge(&guard, "GET", "/app.js", &[HERE, header]), Verdict::Pass), "{header:?}");
        }
    }

    #[test]
    fn without_the_token_nothing_is_given() {
        let guard = guard();
        let other = format!("bgcam-8001={}", guard.token);
        for headers in [&[HERE][..], &[HERE, ("cookie", "bgcam-8000=")], &[HERE, ("cookie", &other)]] {
            for path in ["/", "/app.js", "/live/output", "/api/events", "/?token="] {
                assert!(matches!(judge(&guard, "GET", path, headers), Verdict::Refuse(_)), "{path} {headers:?}");
            }
        }
    }

    #[test]
    fn other_names_and_other_sites_are_refused_even_with_the_token() {
        let guard = guard();
        let bearer = format!("Bearer {}", guard.token);
        let token = ("authorization", bearer.as_str());
        for host in ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "127.0.0.1:8000.evil", ""] {
            assert!(matches!(judge(&guard, "GET", "/", &[("host", host), token]), Verdict::Refuse(_)), "{host}");
        }
        let twice = [HERE, ("host", "evil.example"), token];
        assert!(matches!(judge(&guard, "GET", "/", &twice), Verdict::Refuse(_)));
        assert!(matches!(judge(&guard, "GET", "http://evil.example/", &[HERE, token]), Verdict::Refuse(_)));
        for origin in
            ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001", "http://localhost:8000"]
        {
            let verdict = judge(&guard, "POST", "/api/request", &[HERE, ("origin", origin), token]);
            assert!(matches!(verdict, Verdict::Refuse(_)), "{origin}");
        }
        for host in ["localhost:8000", "[::1]:8000", "LOCALHOST:8000"] {
            let origin = format!("http://{host}");
            let verdict = judge(&guard, "POST", "/api/request", &[("host", host), ("origin", &origin), token]);
            assert!(matches!(verdict, Verdict::Pass), "{host}: {verdict:?}");
        }
    }

    #[test]
    fn a_change_without_origin_needs_our_header() {
        let guard = guard();
        let bearer = format!("Bearer {}", guard.token);
        let token = ("authorization", bearer.as_str());
        for method in ["POST", "DELETE", "PUT", "OPTIONS"] {
            assert!(matches!(judge(&guard, method, "/api/request", &[HERE, token]), Verdict::Refuse(_)), "{method}");
        }
        assert!(matches!(judge(&guard, "POST", "/api/request", &[HERE, token, (OURS, "1")]), Verdict::Pass));
    }
}
