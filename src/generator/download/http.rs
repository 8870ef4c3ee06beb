//! Addresses, redirects and ranges of a download.

use reqwest::{
    Response, Url,
    header::{self, HeaderMap, HeaderName},
    redirect,
};

/// Redirects are followed, because download sites send their files from other hosts.
const MAX_REDIRECTS: usize = 10;

/// Follows redirects, but not from encrypted to unencrypted connections.
pub(super) fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let was_encrypted = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS || was_encrypted && attempt.url().scheme() != "https" {
        return attempt.stop();
    }
    attempt.follow()
}

/// Sets a header, unless the value cannot be one.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

/// The first byte of a partial response, and the length of the whole, if the server tells it: 5 and 10 for
/// `bytes 5-9/10`.
pub(super) fn range_of(response: &Response) -> Option<(u64, Option<u64>)> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split('-').next()?.parse().ok()?, whole.parse().ok()))
}

/// Whether a range after `length` bytes was refused because there are no more: `bytes */10`.
pub(super) fn is_whole(response: &Response, length: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    length > 0 && range.and_then(|range| range.strip_prefix("bytes */")?.parse().ok()) == Some(length)
}

/// A URL for people: without a password, and without a query, which may have a key.
pub(in crate::generator) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    // An error means that this kind of URL has none.
    let _ = (shown.set_username(""), shown.set_password(None));
    shown.into()
}
