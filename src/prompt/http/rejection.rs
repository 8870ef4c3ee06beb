//! Maps rejected requests and failed connections to errors.

use std::{error::Error as _, io};

use reqwest::header;

use super::{
    CONNECT_TIMEOUT, Http, Reply,
    address::{host, origin},
    proxy::Proxy,
};
use crate::prompt::{Name, PromptError, error_detail::ErrorDetail};

/// Phrases of servers whose content filter rejected a prompt or an image.
const MODERATED: [&str; 12] = [
    "moderation",
    "content_policy",
    "content policy",
    "content filter",
    "image_generation_user_error",
    "safety system",
    "filter reason",
    "responsible ai",
    "contentfilter",
    "content_filter",
    "nsfw",
    "was flagged",
];
/// Phrases for an account that is out of credit or at its limit.
const QUOTA_EXCEEDED: [&str; 12] = [
    "insufficient_quota",
    "billing_hard_limit",
    "billing hard limit",
    "servicequotaexceeded",
    "payment_required",
    "insufficient credits",
    "insufficient balance",
    "insufficient_balance",
    "insufficient funds",
    "exhausted balance",
    "spending limit",
    "available credits",
];
/// Phrases of servers that are overloaded or limit the rate.
const BUSY: [&str; 6] = [
    "throttlingexception",
    "rate_limit",
    "modelnotreadyexception",
    "too many requests",
    "mpagreementbeingcreated",
    "overloaded",
];
/// Phrases for a model that does not exist or is retired.
const MODEL_NOT_FOUND: [&str; 13] = [
    "model_not_found",
    "end of its life",
    "model identifier is invalid",
    "on-demand throughput",
    "not supported in this region",
    "model has been deprecated",
    "model has been retired",
    "model is deprecated",
    "resourcenotfoundexception",
    "unknown model",
    "deploymentnotfound",
    "not a valid model",
    "model not supported",
];

/// Phrases of servers that reject the API key with status 400.
const BAD_KEY: [&str; 4] = ["incorrect api key", "invalid api key", "api key not valid", "api_key_invalid"];

/// The error that the wording of a message implies, regardless of the status; `Err` returns `detail` if there is none.
pub(super) fn from_wording(
    provider: Name,
    model: &str,
    error: &ErrorDetail,
    detail: String,
) -> Result<PromptError, String> {
    if error.contains(&MODERATED) {
        Ok(PromptError::Moderated { provider, detail })
    } else if error.contains(&QUOTA_EXCEEDED) {
        Ok(PromptError::QuotaExceeded { provider, detail })
    } else if error.contains(&BUSY) {
        Ok(PromptError::Throttled { provider, detail })
    } else if error.contains(&MODEL_NOT_FOUND) {
        Ok(PromptError::ModelNotFound { provider, model: model.to_owned(), region: String::new(), detail })
    } else {
        Err(detail)
    }
}

impl Http {
    /// The error for a response with an error status, and the details of the response.
    pub(super) fn rejection(&self, model: &str, reply: &Reply) -> (PromptError, ErrorDetail) {
        let mut error = ErrorDetail::read(&reply.body);
        if let Some(name) = reply.headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok()) {
            error.code = format!("{} {}", name.split(':').next().unwrap_or_default(), error.code);
        }
        (self.classify(model, reply, &error), error)
    }

    fn classify(&self, model: &str, reply: &Reply, error: &ErrorDetail) -> PromptError {
        let provider = self.provider;
        let status = reply.status.as_u16();
        let text = if error.text.trim().is_empty() { &error.code } else { &error.text };
        let detail = self.clean(text);
        if let Some(proxy) = self.proxy(&reply.url).filter(|proxy| proxy.forwards && is_proxy_status(status)) {
            return self.proxy_rejection(proxy, reply, &detail);
        }
        let model_not_found = |detail| {
            let model = model.to_owned();
            let region = String::new();
            PromptError::ModelNotFound { provider, model, region, detail }
        };
        match status {
            300..400 => self.redirected(reply),
            _ if error.contains(&MODERATED) => PromptError::Moderated { provider, detail },
            _ if error.contains(&QUOTA_EXCEEDED) || status == 402 => PromptError::QuotaExceeded { provider, detail },
            429 => PromptError::Throttled { provider, detail },
            _ if error.contains(&BUSY) => PromptError::Throttled { provider, detail },
            400..500 if error.contains(&MODEL_NOT_FOUND) => model_not_found(detail),
            400 if error.contains(&BAD_KEY) => PromptError::KeyRejected { provider, status, detail },
            401 | 403 => PromptError::KeyRejected { provider, status, detail },
            404 | 410 if error.contains(&["model"]) => model_not_found(detail),
            404 | 405 | 410 => {
                // The URL may differ from the request's after a redirect.
                let path = self.clean(reply.url.path());
                PromptError::NoSuchPath { provider, host: host(&reply.url), path, detail }
            }
            // Bedrock returns status 424 if the model itself failed.
            408 | 424 | 500.. => PromptError::Server { provider, status, detail },
            _ => PromptError::BadRequest { provider, status, detail },
        }
    }

    /// The error for a response of a forwarding proxy, which it sends if it rejects a request or can't reach the
    /// server.
    fn proxy_rejection(&self, proxy: Proxy, reply: &Reply, detail: &str) -> PromptError {
        let status = reply.status.as_u16();
        let host = host(&reply.url);
        let why = match (status, detail) {
            (407, _) => LOGIN_REQUIRED.to_owned(),
            (_, "") => format!("returned status {status} for {host}"),
            _ => format!("returned status {status} for {host}: {detail}"),
        };
        self.proxy_error(proxy, host, Some(status), why)
    }

    fn proxy_error(&self, proxy: Proxy, host: String, status: Option<u16>, why: String) -> PromptError {
        let Proxy { address, variable, .. } = proxy;
        PromptError::Proxy { provider: self.provider, proxy: address, variable, host, status, why }
    }

    fn redirected(&self, reply: &Reply) -> PromptError {
        let location = reply.headers.get(header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or_default();
        let to = reply.url.join(location).map_or_else(|_| "an unknown address".to_owned(), |to| origin(&to));
        PromptError::Redirected { provider: self.provider, host: host(&reply.url), to: self.clean(&to) }
    }

    /// The error for a failed connection.
    pub(super) fn connection_error(&self, error: &reqwest::Error) -> PromptError {
        let (provider, url) = (self.provider, error.url().unwrap_or_else(|| self.base()));
        let host = host(url);
        let proxy = self.proxy(url);
        let causes = Causes::of(error);
        let why = self.clean(&causes.last);
        // TLS with the server starts only after the proxy has set up the tunnel.
        let at_proxy = causes.in_tunnel || error.is_connect() && causes.tls.is_none() && !causes.local_dns;
        if let Some(proxy) = proxy.clone().filter(|_| at_proxy) {
            let why = match &*causes.last {
                "tunnel error: proxy authorization required" => LOGIN_REQUIRED.to_owned(),
                "tunnel error: unsuccessful" => format!("refused to connect to {host}"),
                _ if causes.dns => "has a host name that cannot be resolved".to_owned(),
                _ if error.is_timeout() => {
                    format!("cannot be used: no response within {} s", CONNECT_TIMEOUT.as_secs())
                }
                _ => format!("cannot be used: {why}"),
            };
            return self.proxy_error(proxy, host, None, why);
        }
        if causes.dns {
            return PromptError::Dns { provider, host };
        }
        let host = proxy.map_or_else(|| host.clone(), |proxy| format!("{host} through proxy {}", proxy.address));
        match causes.tls {
            Some(why) => PromptError::Tls { provider, host, why },
            None if error.is_connect() && error.is_timeout() => PromptError::Connect {
                provider,
                host,
                why: format!("no response within {} s", CONNECT_TIMEOUT.as_secs()),
            },
            None if error.is_connect() => PromptError::Connect { provider, host, why },
            None => PromptError::ConnectionLost { provider, host, why },
        }
    }
}

/// The reason for status 407.
const LOGIN_REQUIRED: &str = "requires a user name and password (status 407)";

/// Whether forwarding proxies send this status themselves.
fn is_proxy_status(status: u16) -> bool {
    matches!(status, 403 | 407 | 502 | 503 | 504)
}

/// What the source chain of a connection error contains.
#[derive(Debug, Default)]
struct Causes {
    /// The root cause as text.
    last: String,
    /// A host name can't be resolved.
    dns: bool,
    /// It was the server's name, which the client itself resolves for some kinds of SOCKS proxies.
    local_dns: bool,
    /// The connection to the proxy or its tunnel failed.
    in_tunnel: bool,
    /// The TLS error.
    tls: Option<String>,
}

impl Causes {
    fn of(error: &reqwest::Error) -> Self {
        let mut causes = Self::default();
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.last = inner.to_string();
            causes.dns |= causes.last == "dns error";
            causes.local_dns |= causes.last == "error resolving for socks proxy";
            causes.in_tunnel |=
                causes.last.starts_with("tunnel error") || causes.last == "error connecting to socks proxy";
            if causes.tls.is_none() {
                causes.tls = tls_error(inner);
            }
            cause = inner.source();
        }
        causes.dns |= causes.local_dns;
        causes
    }
}

/// The message of `error` if it is a TLS error.
fn tls_error(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls.to_string());
    }
    // An I/O error may wrap another one that `source` skips.
    tls_error(error.downcast_ref::<io::Error>()?.get_ref()?)
}
