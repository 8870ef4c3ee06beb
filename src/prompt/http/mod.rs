//! The HTTP client of all providers: bounded responses, retries, and no API keys in messages.

mod address;
mod form;
mod images;
mod key;
mod optional;
mod proxy;
mod rejection;
mod reply;

use std::{
    net::{SocketAddr, TcpStream},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(super) use address::{check_hosts, check_url, host, parse_url, path_segment, path_segments, same_origin};
use address::{is_local_network, is_loopback};
pub(super) use form::{form, form_with_image};
pub(super) use images::{ImageHosts, ImageRequest, ResponseFuture, at_once, is_below};
pub(super) use key::KeyHeader;
pub(super) use optional::Pointer;
use proxy::Proxy;
use reqwest::{
    Client, RequestBuilder, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};

use super::{Name, OnProgress, Progress, PromptError, error_detail::ErrorDetail, provider::TIME_LIMIT, text::clean};

/// The maximum size of a response in bytes: an image of 18 MB in base64.
pub(super) const MAX_BYTES: usize = 25_000_000;
/// The maximum number of bytes that are read of an error response.
const MAX_ERROR_BODY: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server on this machine may take to accept a connection.
const PROBE_TIMEOUT: Duration = Duration::from_millis(200);
/// The maximum number of retries of one request.
const MAX_RETRIES: u32 = 2;
/// The maximum number of redirects, which are followed within the same origin only.
const MAX_REDIRECTS: usize = 5;

/// A client for a provider's server, with its API key.
#[derive(Debug)]
pub struct Http {
    provider: Name,
    client: Client,
    base: Url,
    /// The time limit for one image, including retries.
    total: Duration,
    key: Option<SecretString>,
    /// The header that carries the key, unless a request chooses one.
    key_header: KeyHeader,
    /// Other secrets that messages must not show, such as a session token.
    hidden: Mutex<Vec<SecretString>>,
}

/// A complete HTTP response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    url: Url,
}

/// A request that the server rejected, with the details of its response.
struct Rejected {
    error: PromptError,
    detail: ErrorDetail,
}

impl From<PromptError> for Rejected {
    fn from(error: PromptError) -> Self {
        Self { error, detail: ErrorDetail::default() }
    }
}

/// Checks that an API key for `base` is sent encrypted. Hosts in the local network need no encryption, unless there is
/// a proxy in between.
///
/// # Errors
/// If the key would be readable in transit.
pub(super) fn check_encrypted(provider: Name, base: &Url) -> Result<(), PromptError> {
    if base.scheme() != "http" || is_loopback(base) {
        return Ok(());
    }
    let host = host(base);
    match Proxy::for_url(base) {
        Some(Proxy { address, variable, .. }) => {
            Err(PromptError::UnencryptedKeyToProxy { provider, host, proxy: address, variable })
        }
        None if is_local_network(base) => Ok(()),
        None => Err(PromptError::UnencryptedKey { provider, host }),
    }
}

impl Http {
    /// A client for the server at `url`, the value of `setting`, with the usual time limit.
    ///
    /// # Errors
    /// If the URL is invalid, and as [`open`](Self::open).
    pub(super) fn at(
        provider: Name,
        setting: &'static str,
        url: &str,
        key: Option<SecretString>,
    ) -> Result<Self, PromptError> {
        Self::open(provider, parse_url(setting, url)?, TIME_LIMIT, key)
    }

    /// A client for the server at `base`. `total` is the time limit for one image, including retries.
    ///
    /// # Errors
    /// If the API key would be sent without encryption.
    pub(super) fn open(
        provider: Name,
        base: Url,
        total: Duration,
        key: Option<SecretString>,
    ) -> Result<Self, PromptError> {
        if key.is_some() {
            check_encrypted(provider, &base)?;
        }
        // An error means that a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("bgcam/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(0) // requests are too rare to keep connections open
            .redirect(redirect::Policy::custom(within_origin));
        if is_loopback(&base) || proxy::are_disabled() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| PromptError::Tls {
            provider,
            host: host(&base),
            why: crate::error::chain(&error.without_url()),
        })?;
        Ok(Self { provider, client, base, total, key, key_header: KeyHeader::default(), hidden: Mutex::default() })
    }

    /// Sets further secrets that messages must not show.
    pub(super) fn hide(&self, secrets: Vec<SecretString>) {
        *self.hidden.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    pub(super) fn provider(&self) -> Name {
        self.provider
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Host and port of the server, for messages.
    pub(super) fn place(&self) -> String {
        host(&self.base)
    }

    /// Whether the server is on this machine or in the local network.
    pub(super) fn is_local(&self) -> bool {
        is_local_network(&self.base)
    }

    /// Whether the server listens, if it is on this machine; true if it is elsewhere. Blocks for a moment.
    pub(super) fn is_listening(&self) -> bool {
        let connects = |address: SocketAddr| TcpStream::connect_timeout(&address, PROBE_TIMEOUT).is_ok();
        !is_loopback(&self.base) || self.base.socket_addrs(|| None).is_ok_and(|all| all.into_iter().any(connects))
    }

    /// The URL of `path` below the base URL; `path` is already percent-encoded.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let whole = format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&whole);
        url
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    pub(super) fn post_json(&self, url: Url, body: &serde_json::Value) -> RequestBuilder {
        self.post(url).header(header::CONTENT_TYPE, "application/json").body(body.to_string())
    }

    /// Adds the key, if there is one, as `Authorization: Bearer`.
    pub(super) fn with_bearer_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// Adds the key `USER:PASSWORD`, if there is one, as `Authorization: Basic`.
    pub(super) fn with_basic_auth(&self, request: RequestBuilder) -> RequestBuilder {
        match self.key.as_ref().map(|key| key.expose_secret()) {
            Some(key) => match key.split_once(':') {
                Some((user, password)) => request.basic_auth(user, Some(password)),
                None => request.basic_auth(key, None::<&str>),
            },
            None => request,
        }
    }

    /// Adds the key, if there is one, as the header `name`.
    pub(super) fn with_key_header(&self, request: RequestBuilder, name: HeaderName) -> RequestBuilder {
        match self.key.as_ref().map(|key| HeaderValue::from_str(key.expose_secret())) {
            Some(Ok(mut value)) => {
                value.set_sensitive(true);
                request.header(name, value)
            }
            _ => request, // keys were checked to fit into a header
        }
    }

    /// Sends the request that `make` builds, with retries while the server is busy, and returns the successful
    /// response.
    ///
    /// # Errors
    /// If there is no response, or the server rejects the request; `model` is the requested model, for the message.
    pub(super) async fn send(
        &self,
        model: &str,
        progress: OnProgress<'_>,
        make: impl Fn() -> Result<RequestBuilder, PromptError>,
    ) -> Result<Reply, PromptError> {
        self.try_send(model, progress, |_| true, make).await.map_err(|rejected| rejected.error)
    }

    async fn try_send(
        &self,
        model: &str,
        progress: OnProgress<'_>,
        may_repeat: impl Fn(&PromptError) -> bool,
        make: impl Fn() -> Result<RequestBuilder, PromptError>,
    ) -> Result<Reply, Rejected> {
        let started = Instant::now();
        progress(Progress::Working);
        let mut attempt = 0;
        loop {
            let reply = self.send_once(make()?).await?;
            if reply.status.is_success() {
                return Ok(reply);
            }
            let (error, detail) = self.rejection(model, &reply);
            let delay = retry_delay(attempt, &error, retry_after(&reply.headers), started.elapsed(), self.total);
            let Some(wait) = delay.filter(|_| may_repeat(&error)) else {
                return Err(Rejected { error, detail });
            };
            tracing::info!("{error}; retrying in {} s", wait.as_secs());
            progress(Progress::Waiting(wait.as_secs_f32()));
            tokio::time::sleep(wait).await;
            progress(Progress::Working);
            attempt += 1;
        }
    }

    /// Sends a request once and returns the response, regardless of its status.
    ///
    /// # Errors
    /// If there is no complete response, or it is too large.
    pub(super) async fn send_once(&self, request: RequestBuilder) -> Result<Reply, PromptError> {
        let mut response = request.send().await.map_err(|error| self.connection_error(&error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let url = response.url().clone();
        let limit = if status.is_success() { MAX_BYTES } else { MAX_ERROR_BODY };
        let too_large = || PromptError::ResponseTooLarge { provider: self.provider, limit };
        if status.is_success() && response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.connection_error(&error))? {
            if body.len() + chunk.len() > limit {
                if status.is_success() {
                    return Err(too_large());
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body, url })
    }

    /// The proxy for `url`, a URL of this server or of one that it refers to.
    fn proxy(&self, url: &Url) -> Option<Proxy> {
        if is_loopback(&self.base) { None } else { Proxy::for_url(url) }
    }

    /// `text` from the server, sanitized for messages.
    pub(super) fn clean(&self, text: &str) -> String {
        clean(text, self.key.iter().chain(&*self.hidden.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The delay before the next attempt; `None` if a retry cannot help or would exceed the time limit.
fn retry_delay(
    attempt: u32,
    error: &PromptError,
    requested: Option<Duration>,
    spent: Duration,
    total: Duration,
) -> Option<Duration> {
    if attempt >= MAX_RETRIES || !error.is_transient() {
        return None;
    }
    let wait = requested.unwrap_or(Duration::from_secs(1 << (2 * attempt)));
    // The next attempt takes about as long as the last.
    (spent * 2 + wait < total).then_some(wait)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn within_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let first = attempt.previous().first();
    if attempt.previous().len() <= MAX_REDIRECTS && first.is_some_and(|first| same_origin(first, attempt.url())) {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// Requests that cancel the server's work, sent on drop unless disarmed.
#[derive(Debug, Default)]
pub(super) struct CancelOnDrop(pub(super) Vec<RequestBuilder>);

impl CancelOnDrop {
    /// Drops the requests: the image has arrived.
    pub(super) fn disarm(mut self) {
        self.0.clear();
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let requests = std::mem::take(&mut self.0);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if requests.is_empty() {
            return;
        }
        runtime.spawn(async move {
            for request in requests {
                if let Err(error) = request.timeout(Duration::from_secs(3)).send().await {
                    tracing::debug!("cannot cancel the server's work: {}", error.without_url());
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn keys_need_encryption_outside_the_local_network() {
        let open = |address: &str| {
            Http::open(Name::OpenAi, url(address), Duration::from_secs(1), Some(SecretString::from("sk-canary")))
        };
        for local in [
            "https://api.openai.com",
            "http://127.0.0.1:8080",
            "http://192.168.1.5",
            "http://[::1]/",
            "http://nas.local",
        ] {
            let http = open(local).unwrap();
            assert!(!format!("{http:?}").contains("canary"));
        }
        for remote in ["http://api.openai.com", "http://8.8.8.8"] {
            assert!(matches!(open(remote), Err(PromptError::UnencryptedKey { .. })), "{remote}");
        }
    }

    #[test]
    fn retries_are_bounded() {
        let busy = PromptError::Throttled { provider: Name::OpenAi, detail: String::new() };
        let second = Duration::from_secs;
        assert_eq!(retry_delay(0, &busy, None, second(1), second(180)), Some(second(1)));
        assert_eq!(retry_delay(1, &busy, None, second(2), second(180)), Some(second(4)));
        assert_eq!(retry_delay(1, &busy, Some(second(30)), second(2), second(180)), Some(second(30)));
        assert_eq!(retry_delay(2, &busy, None, second(2), second(180)), None);
        assert_eq!(retry_delay(0, &busy, Some(second(3600)), second(1), second(180)), None);
        assert_eq!(retry_delay(0, &busy, None, second(30), second(40)), None);
        let blocked = PromptError::Moderated { provider: Name::OpenAi, detail: String::new() };
        assert_eq!(retry_delay(0, &blocked, None, second(1), second(180)), None);
    }

    #[test]
    fn paths_are_joined_with_single_slashes() {
        let at = |base: &str| {
            let http = Http::open(Name::Bedrock, url(base), Duration::from_secs(1), None).unwrap();
            http.url("/model/a%3A1/invoke").to_string()
        };
        assert_eq!(at("https://host.example"), "https://host.example/model/a%3A1/invoke");
        assert_eq!(at("https://host.example/v1/"), "https://host.example/v1/model/a%3A1/invoke");
    }
}
