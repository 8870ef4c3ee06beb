//! Whose server an address belongs to, and how far away that is.

use reqwest::Url;

/// Whether two addresses are of one server; the names of this very machine are one name.
pub(in crate::prompt) fn same_origin(one: &Url, other: &Url) -> bool {
    let hosts = one.host_str() == other.host_str() || is_loopback(one) && is_loopback(other);
    hosts && one.scheme() == other.scheme() && one.port_or_known_default() == other.port_or_known_default()
}

/// Host and port, as people and `picture_hosts` write them.
pub(in crate::prompt) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Scheme, host and port.
pub(super) fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), host(url))
}

fn address(url: &Url) -> Option<std::net::IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Whether a host is this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    address(url).map_or(url.host_str() == Some("localhost"), |address| address.is_loopback())
}

/// Whether a host is this machine or one of the house, to which a key may go without encryption.
pub(super) fn is_near(url: &Url) -> bool {
    match address(url) {
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
