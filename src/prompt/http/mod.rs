//! One HTTP client for all providers: bounded, retried where that helps, and silent about keys.

mod address;
mod optional;
mod proxy;
mod refusal;
mod reply;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(super) use address::{host, same_origin};
use address::{is_loopback, is_near};
pub(super) use optional::Pointer;
use proxy::Proxy;
use reqwest::{
    Client, RequestBuilder, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};

use super::{Progress, PromptError, complaint::Complaint, key::clean, provider::Name};

/// How a job tells how far it is.
pub type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// The most bytes of an answer: a picture of 18 MB in base64.
pub(super) const MOST_BYTES: usize = 25_000_000;
/// The most bytes of a complaint.
const MOST_COMPLAINT: usize = 64 << 10;
const CONNECT: Duration = Duration::from_secs(10);
/// A request is sent once more so many times.
const RETRIES: u32 = 2;
/// The most redirects that are followed, all within the origin.
const MOST_REDIRECTS: usize = 5;

/// A provider's server, and the key that it takes.
#[derive(Debug)]
pub(super) struct Http {
    provider: Name,
    client: Client,
    base: Url,
    total: Duration,
    key: Option<SecretString>,
    /// Other texts that must not be shown, such as a session token.
    hidden: Mutex<Vec<SecretString>>,
}

/// An answer of a server, whole.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    url: Url,
}

/// A request that got no good answer, and what the server said about it.
struct Refused {
    error: PromptError,
    complaint: Complaint,
}

impl From<PromptError> for Refused {
    fn from(error: PromptError) -> Self {
        Self { error, complaint: Complaint::default() }
    }
}

/// Checks that a key sent to `base` stays secret on the way: it needs encryption, except to machines of the same network
/// without a proxy in between.
///
/// # Errors
/// When it would not.
pub(super) fn check_secrecy(provider: Name, base: &Url) -> Result<(), PromptError> {
    if base.scheme() != "http" || is_loopback(base) {
        return Ok(());
    }
    let host = host(base);
    match Proxy::of(base) {
        Some(Proxy { address, variable, .. }) => {
            Err(PromptError::PlainKeyToProxy { provider, host, proxy: address, variable })
        }
        None if is_near(base) => Ok(()),
        None => Err(PromptError::PlainKey { provider, host }),
    }
}

impl Http {
    /// A client for the server at `base`. `total` is how long one picture may take with all its tries.
    ///
    /// # Errors
    /// When the key would travel unencrypted.
    pub(super) fn open(
        provider: Name,
        base: Url,
        total: Duration,
        key: Option<SecretString>,
    ) -> Result<Self, PromptError> {
        if key.is_some() {
            check_secrecy(provider, &base)?;
        }
        // Fails when it was done before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("bgcam/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(0) // a picture an hour needs no open connection
            .redirect(redirect::Policy::custom(within_origin));
        if is_loopback(&base) || proxy::are_off() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| PromptError::Tls {
            provider,
            host: host(&base),
            why: crate::error::chain(&error.without_url()),
        })?;
        Ok(Self { provider, client, base, total, key, hidden: Mutex::default() })
    }

    /// Hides these texts from messages too.
    pub(super) fn hide(&self, secrets: Vec<SecretString>) {
        *self.hidden.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    pub(super) fn total(&self) -> Duration {
        self.total
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The server and port, for people.
    pub(super) fn place(&self) -> String {
        host(&self.base)
    }

    /// The address of `path` below the base; `path` is already percent-encoded.
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

    /// Puts the key into `Authorization: Bearer`, where there is a key.
    pub(super) fn bearer(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// Puts `USER:PASSWORD` into `Authorization: Basic`, where there is a key.
    pub(super) fn basic(&self, request: RequestBuilder) -> RequestBuilder {
        match self.key.as_ref().map(|key| key.expose_secret()) {
            Some(key) => match key.split_once(':') {
                Some((user, password)) => request.basic_auth(user, Some(password)),
                None => request.basic_auth(key, None::<&str>),
            },
            None => request,
        }
    }

    /// Puts the key into a header of its own, where there is a key.
    pub(super) fn keyed(&self, request: RequestBuilder, name: HeaderName) -> RequestBuilder {
        match self.key.as_ref().map(|key| HeaderValue::from_str(key.expose_secret())) {
            Some(Ok(mut value)) => {
                value.set_sensitive(true);
                request.header(name, value)
            }
            _ => request, // keys are checked to fit into headers
        }
    }

    /// Sends what `make` makes, again after a while when the server is busy, and gives the answer to be had.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal; `model` is whom to blame when it is gone.
    pub(super) async fn ask(
        &self,
        model: &str,
        progress: Report<'_>,
        make: impl Fn() -> Result<RequestBuilder, PromptError>,
    ) -> Result<Reply, PromptError> {
        self.try_ask(model, progress, make).await.map_err(|refused| refused.error)
    }

    async fn try_ask(
        &self,
        model: &str,
        progress: Report<'_>,
        make: impl Fn() -> Result<RequestBuilder, PromptError>,
    ) -> Result<Reply, Refused> {
        let started = Instant::now();
        progress(Progress::Working);
        let mut attempt = 0;
        loop {
            let reply = self.once(make()?).await?;
            if reply.status.is_success() {
                return Ok(reply);
            }
            let (error, complaint) = self.refusal(model, &reply);
            let Some(wait) = pause(attempt, &error, retry_after(&reply.headers), started.elapsed(), self.total) else {
                return Err(Refused { error, complaint });
            };
            tracing::info!("{error}; trying again in {} s", wait.as_secs());
            progress(Progress::Waiting(wait.as_secs_f32()));
            tokio::time::sleep(wait).await;
            progress(Progress::Working);
            attempt += 1;
        }
    }

    /// Sends one request and reads its answer, whatever its status.
    pub(super) async fn once(&self, request: RequestBuilder) -> Result<Reply, PromptError> {
        let mut response = request.send().await.map_err(|error| self.fault(&error))?;
        let (status, headers, url) = (response.status(), response.headers().clone(), response.url().clone());
        let limit = if status.is_success() { MOST_BYTES } else { MOST_COMPLAINT };
        let too_many = || PromptError::TooManyBytes { provider: self.provider, limit };
        if status.is_success() && response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_many());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.fault(&error))? {
            if body.len() + chunk.len() > limit {
                if status.is_success() {
                    return Err(too_many());
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body, url })
    }

    /// The proxy on the way to `url`, which is of the server or one that it names.
    fn proxy(&self, url: &Url) -> Option<Proxy> {
        if is_loopback(&self.base) { None } else { Proxy::of(url) }
    }

    /// `text` of the server, fit to be shown.
    pub(super) fn clean(&self, text: &str) -> String {
        clean(text, self.key.iter().chain(&*self.hidden.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// How long to wait before the next try; `None` when there is no sense in one.
fn pause(
    attempt: u32,
    error: &PromptError,
    asked: Option<Duration>,
    spent: Duration,
    total: Duration,
) -> Option<Duration> {
    if attempt >= RETRIES || !error.is_passing() {
        return None;
    }
    let wait = asked.unwrap_or(Duration::from_secs(1 << (2 * attempt)));
    // The next try takes about as long as the one before.
    (spent * 2 + wait < total).then_some(wait)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn within_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let first = attempt.previous().first();
    if attempt.previous().len() <= MOST_REDIRECTS && first.is_some_and(|first| same_origin(first, attempt.url())) {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// Asks the server to stop when nobody waits for its picture any more: what it holds is sent when it is dropped.
#[derive(Debug, Default)]
pub(super) struct StopServer(pub(super) Vec<RequestBuilder>);

impl StopServer {
    /// The picture is there; nothing is to be stopped.
    pub(super) fn disarm(mut self) {
        self.0.clear();
    }
}

impl Drop for StopServer {
    fn drop(&mut self) {
        let requests = std::mem::take(&mut self.0);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if requests.is_empty() {
            return;
        }
        runtime.spawn(async move {
            for request in requests {
                if let Err(error) = request.timeout(Duration::from_secs(3)).send().await {
                    tracing::debug!("cannot stop the server's work: {}", error.without_url());
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
    fn keys_travel_encrypted_or_not_far() {
        let open = |address: &str| {
            Http::open(Name::OpenAi, url(address), Duration::from_secs(1), Some(SecretString::from("sk-canary")))
        };
        for near in [
            "https://api.openai.com",
            "http://127.0.0.1:8080",
            "http://192.168.1.5",
            "http://[::1]/",
            "http://nas.local",
        ] {
            let http = open(near).unwrap();
            assert!(!format!("{http:?}").contains("canary"));
        }
        for far in ["http://api.openai.com", "http://8.8.8.8"] {
            assert!(matches!(open(far), Err(PromptError::PlainKey { .. })), "{far}");
        }
    }

    #[test]
    fn patience_has_a_bound() {
        let busy = PromptError::Throttled { provider: Name::OpenAi, said: String::new() };
        let second = Duration::from_secs;
        assert_eq!(pause(0, &busy, None, second(1), second(180)), Some(second(1)));
        assert_eq!(pause(1, &busy, None, second(2), second(180)), Some(second(4)));
        assert_eq!(pause(1, &busy, Some(second(30)), second(2), second(180)), Some(second(30)));
        assert_eq!(pause(2, &busy, None, second(2), second(180)), None);
        assert_eq!(pause(0, &busy, Some(second(3600)), second(1), second(180)), None);
        assert_eq!(pause(0, &busy, None, second(30), second(40)), None);
        let blocked = PromptError::Moderated { provider: Name::OpenAi, said: String::new() };
        assert_eq!(pause(0, &blocked, None, second(1), second(180)), None);
    }

    #[test]
    fn paths_join_whatever_the_slashes() {
        let at = |base: &str| {
            let http = Http::open(Name::Bedrock, url(base), Duration::from_secs(1), None).unwrap();
            http.url("/model/a%3A1/invoke").to_string()
        };
        assert_eq!(at("https://host.example"), "https://host.example/model/a%3A1/invoke");
        assert_eq!(at("https://host.example/v1/"), "https://host.example/v1/model/a%3A1/invoke");
    }
}
