//! The proxy for a server, as configured in the environment.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

/// A proxy for the requests to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// Scheme, host and port, without user name and password.
    pub(super) address: String,
    /// The environment variable that configures it.
    pub(super) variable: &'static str,
    /// Whether it reads and forwards requests, as for http:// URLs. For https:// URLs it tunnels the encrypted
    /// connection.
    pub(super) forwards: bool,
}

impl Proxy {
    /// The proxy for requests to `url`, by the rules of the HTTP client.
    pub(super) fn for_url(url: &Url) -> Option<Self> {
        if are_disabled() {
            return None;
        }
        Self::select(&Matcher::from_system(), url, |name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    }

    fn select(matcher: &Matcher, url: &Url, is_set: impl Fn(&str) -> bool) -> Option<Self> {
        let found = matcher.intercept(&url.as_str().parse().ok()?)?;
        let proxy = found.uri();
        let port = proxy.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        let scheme = proxy.scheme_str().unwrap_or("http");
        let variables = match url.scheme() {
            "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
            _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        };
        Some(Self {
            address: format!("{scheme}://{}{port}", proxy.host().unwrap_or_default()),
            variable: variables.into_iter().find(|name| is_set(name)).unwrap_or(variables[0]),
            forwards: url.scheme() == "http" && matches!(scheme, "http" | "https"),
        })
    }
}

/// Whether `NO_PROXY` contains `*`, which disables proxies. The HTTP client itself applies it to host names only, not
/// to IP addresses.
pub(super) fn are_disabled() -> bool {
    let list = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    list.split(',').any(|entry| entry.trim() == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(matcher: &Matcher, url: &str, set: &str) -> Option<(String, &'static str, bool)> {
        let proxy = Proxy::select(matcher, &Url::parse(url).unwrap(), |name| name == set)?;
        Some((proxy.address, proxy.variable, proxy.forwards))
    }

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let matcher = Matcher::builder().http("http://me:p%40ss@proxy.example:3128/").build();
        let expected = ("http://proxy.example:3128".to_owned(), "HTTP_PROXY", true);
        assert_eq!(found(&matcher, "http://10.0.0.1:8080/v1", "HTTP_PROXY"), Some(expected));
        let matcher = Matcher::builder().http("me:p@ss@proxy.example:3128").build();
        let address = found(&matcher, "http://10.0.0.1/", "http_proxy").map(|(address, ..)| address);
        assert!(address.is_none_or(|address| address == "http://proxy.example:3128"));
    }

    #[test]
    fn the_proxy_depends_on_the_url() {
        let matcher = Matcher::builder()
            .all("socks5h://all.example:1080")
            .https("http://secure.example:3128")
            .no("no.example,192.168.0.0/16")
            .build();
        let secure = ("http://secure.example:3128".to_owned(), "https_proxy", false);
        assert_eq!(found(&matcher, "https://api.example/v1", "https_proxy"), Some(secure));
        let all = ("socks5h://all.example:1080".to_owned(), "ALL_PROXY", false);
        assert_eq!(found(&matcher, "http://api.example/v1", "ALL_PROXY"), Some(all));
        for direct in ["http://sub.no.example/", "https://no.example:8080/", "http://192.168.1.5:7860/"] {
            assert_eq!(found(&matcher, direct, "ALL_PROXY"), None, "{direct}");
        }
    }
}
