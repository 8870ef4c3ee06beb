//! Properties of URLs: validity, origin, and whether the host is in the local network.

use reqwest::Url;

use crate::prompt::PromptError;

/// Parses a setting that is the URL of a server.
///
/// # Errors
/// If it is not an http(s) URL, or contains a user name or password.
pub(in crate::prompt) fn parse_url(key: &'static str, text: &str) -> Result<Url, PromptError> {
    let expected = "a URL such as https://host/path";
    let url = Url::parse(text).map_err(|_| PromptError::setting(key, text, expected))?;
    if !url.username().is_empty() || url.password().is_some() {
        // The value contains a password, so the message must not show it.
        return Err(PromptError::setting(key, "https://user:...@...", "a URL without user name and password"));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(PromptError::setting(key, text, expected));
    }
    Ok(url)
}

/// As [`parse_url`], for a setting that may be empty.
///
/// # Errors
/// As [`parse_url`].
pub(in crate::prompt) fn check_url(key: &'static str, text: &str) -> Result<(), PromptError> {
    if text.is_empty() { Ok(()) } else { parse_url(key, text).map(drop) }
}

/// Checks a setting with hosts as [`host`] returns them.
///
/// # Errors
/// If one of them is not a host, such as a URL: the first one.
pub(in crate::prompt) fn check_hosts(key: &'static str, hosts: &[String]) -> Result<(), PromptError> {
    let is_host = |text: &&String| Url::parse(&format!("https://{text}/")).is_ok_and(|url| host(&url) == **text);
    match hosts.iter().find(|text| !is_host(text)) {
        Some(text) => Err(PromptError::setting(key, text, "a host in lower case, such as cdn.example.com")),
        None => Ok(()),
    }
}

/// A model id as one percent-encoded segment of a path: ids may contain colons and slashes.
pub(in crate::prompt) fn path_segment(model: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    match model {
        "." | ".." => String::new(), // these would lead to another path
        _ => model.bytes().map(letter).collect(),
    }
}

/// A model id as a path: its slashes separate the segments.
pub(in crate::prompt) fn path_segments(model: &str) -> String {
    model.split('/').map(path_segment).collect::<Vec<_>>().join("/")
}

/// Whether two URLs have the same origin; all names of the loopback host count as equal.
pub(in crate::prompt) fn same_origin(one: &Url, other: &Url) -> bool {
    let hosts = one.host_str() == other.host_str() || is_loopback(one) && is_loopback(other);
    hosts && one.scheme() == other.scheme() && one.port_or_known_default() == other.port_or_known_default()
}

/// Host and port, for messages and the setting `image_hosts`.
pub(in crate::prompt) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Scheme, host and port.
pub(super) fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), host(url))
}

fn ip_address(url: &Url) -> Option<std::net::IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    ip_address(url).map_or(url.host_str() == Some("localhost"), |address| address.is_loopback())
}

/// Whether the host is this machine or in the local network: an API key may be sent there without encryption.
pub(super) fn is_local_network(url: &Url) -> bool {
    match ip_address(url) {
        Some(std::net::IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Some(std::net::IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        None => {
            let host = url.host_str().unwrap_or_default();
            !host.contains('.') || host.ends_with(".local") || host.ends_with(".lan") || host.ends_with(".internal")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn listed_hosts_are_checked() {
        let check =
            |text: &str| check_hosts("prompt.fal.image_hosts", &["cdn.example.com".to_owned(), text.to_owned()]);
        for good in ["cdn.example.com:8443", "10.0.0.1"] {
            check(good).unwrap();
        }
        for bad in ["https://cdn.example.com", "CDN.example.com", "cdn.example.com/a", "", "*.example.com/", "a b"] {
            assert!(check(bad).unwrap_err().to_string().starts_with("prompt.fal.image_hosts = "), "{bad}");
        }
    }

    #[test]
    fn model_ids_are_safe_in_paths() {
        assert_eq!(path_segment("us.stability.a-v1:0/b?c=ü"), "us.stability.a-v1%3A0%2Fb%3Fc%3D%C3%BC");
        assert_eq!(path_segments("fal-ai/flux/../a?b"), "fal-ai/flux//a%3Fb");
    }

    #[test]
    fn origins_are_compared_whole() {
        let base = url("https://api.host.example/v1");
        assert!(same_origin(&base, &url("https://api.host.example:443/other")));
        for other in [
            "http://api.host.example/",
            "https://api.host.example:444/",
            "https://evil.example/",
            "https://api.host.example.evil/",
        ] {
            assert!(!same_origin(&base, &url(other)), "{other}");
        }
        assert!(same_origin(&url("http://127.0.0.1:8080"), &url("http://localhost:8080/x.png")));
        assert!(!same_origin(&url("http://127.0.0.1:8080"), &url("http://localhost:8081/x.png")));
    }
}
