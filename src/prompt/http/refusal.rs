//! What it means when a server refuses, or can't be reached.

use std::{error::Error as _, io};

use reqwest::header;

use super::{
    CONNECT, Http, Reply,
    address::{host, origin},
    proxy::Proxy,
};
use crate::prompt::{PromptError, complaint::Complaint, provider::Name};

/// Phrases of servers that found a prompt or a picture improper.
const MODERATED: [&str; 8] = [
    "moderation",
    "content_policy",
    "content policy",
    "content filter",
    "image_generation_user_error",
    "safety system",
    "filter reason",
    "responsible ai",
];
/// Phrases of servers whose account or allowance is at its end.
const USED_UP: [&str; 9] = [
    "insufficient_quota",
    "billing_hard_limit",
    "billing hard limit",
    "servicequotaexceeded",
    "payment_required",
    "insufficient credits",
    "insufficient balance",
    "insufficient_balance",
    "insufficient funds",
];
/// Phrases of servers that want to be asked later.
const BUSY: [&str; 6] = [
    "throttlingexception",
    "rate_limit",
    "modelnotreadyexception",
    "too many requests",
    "mpagreementbeingcreated",
    "overloaded",
];
/// Phrases of servers that don't have the model, or no longer.
const GONE: [&str; 10] = [
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
];

/// What a message means by its wording alone; gives `said` back when that tells nothing.
pub(super) fn by_wording(
    provider: Name,
    model: &str,
    complaint: &Complaint,
    said: String,
) -> Result<PromptError, String> {
    if complaint.has(&MODERATED) {
        Ok(PromptError::Moderated { provider, said })
    } else if complaint.has(&USED_UP) {
        Ok(PromptError::Quota { provider, said })
    } else if complaint.has(&BUSY) {
        Ok(PromptError::Throttled { provider, said })
    } else if complaint.has(&GONE) {
        Ok(PromptError::ModelGone { provider, model: model.to_owned(), region: String::new(), said })
    } else {
        Err(said)
    }
}

impl Http {
    /// What a refusal means, and what the server said.
    pub(super) fn refusal(&self, model: &str, reply: &Reply) -> (PromptError, Complaint) {
        let mut complaint = Complaint::read(&reply.body);
        if let Some(name) = reply.headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok()) {
            complaint.code = format!("{} {}", name.split(':').next().unwrap_or_default(), complaint.code);
        }
        (self.blame(model, reply, &complaint), complaint)
    }

    fn blame(&self, model: &str, reply: &Reply, complaint: &Complaint) -> PromptError {
        let (provider, status) = (self.provider, reply.status.as_u16());
        let text = if complaint.text.trim().is_empty() { &complaint.code } else { &complaint.text };
        let said = self.clean(text);
        if let Some(proxy) = self.proxy(&reply.url).filter(|proxy| proxy.forwards && is_of_proxies(status)) {
            return self.proxy_refused(proxy, reply, &said);
        }
        let model_gone = |said| {
            let (model, region) = (model.to_owned(), String::new());
            PromptError::ModelGone { provider, model, region, said }
        };
        match status {
            300..400 => self.redirected(reply),
            _ if complaint.has(&MODERATED) => PromptError::Moderated { provider, said },
            _ if complaint.has(&USED_UP) || status == 402 => PromptError::Quota { provider, said },
            429 => PromptError::Throttled { provider, said },
            _ if complaint.has(&BUSY) => PromptError::Throttled { provider, said },
            400..500 if complaint.has(&GONE) => model_gone(said),
            401 | 403 => PromptError::KeyRefused { provider, status, said },
            404 | 410 if complaint.has(&["model"]) => model_gone(said),
            404 | 405 | 410 => {
                // a redirect may have led there
                let path = self.clean(reply.url.path());
                PromptError::NoSuchPath { provider, host: host(&reply.url), path, said }
            }
            // 424 is Bedrock's: the model itself failed
            408 | 424 | 500.. => PromptError::Server { provider, status, said },
            _ => PromptError::BadRequest { provider, status, said },
        }
    }

    /// A proxy that forwards requests answers in the server's place when it does not like one, or can't reach the server.
    fn proxy_refused(&self, proxy: Proxy, reply: &Reply, said: &str) -> PromptError {
        let (status, host) = (reply.status.as_u16(), host(&reply.url));
        let why = match (status, said) {
            (407, _) => WANTS_LOGIN.to_owned(),
            (_, "") => format!("answered for {host} with status {status}"),
            _ => format!("answered for {host} with status {status}: {said}"),
        };
        self.proxy_error(proxy, host, Some(status), why)
    }

    fn proxy_error(&self, proxy: Proxy, host: String, status: Option<u16>, why: String) -> PromptError {
        let Proxy { address, variable, .. } = proxy;
        PromptError::Proxy { provider: self.provider, proxy: address, variable, host, status, why }
    }

    fn redirected(&self, reply: &Reply) -> PromptError {
        let location = reply.headers.get(header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or_default();
        let to = reply.url.join(location).map_or_else(|_| "somewhere else".to_owned(), |to| origin(&to));
        PromptError::Redirected { provider: self.provider, host: host(&reply.url), to: self.clean(&to) }
    }

    /// What a failed connection means.
    pub(super) fn fault(&self, error: &reqwest::Error) -> PromptError {
        let (provider, url) = (self.provider, error.url().unwrap_or_else(|| self.base()));
        let (host, proxy) = (host(url), self.proxy(url));
        let causes = Causes::of(error);
        let why = self.clean(&causes.last);
        // The TLS of a server behind a proxy fails only after the proxy has done its part.
        let at_proxy = causes.in_tunnel || error.is_connect() && causes.tls.is_none() && !causes.own_dns;
        if let Some(proxy) = proxy.clone().filter(|_| at_proxy) {
            let why = match &*causes.last {
                "tunnel error: proxy authorization required" => WANTS_LOGIN.to_owned(),
                "tunnel error: unsuccessful" => format!("refuses to connect to {host}"),
                _ if causes.dns => "has a name that cannot be resolved".to_owned(),
                _ if error.is_timeout() => format!("gives no connection within {} s", CONNECT.as_secs()),
                _ => format!("gives no connection: {why}"),
            };
            return self.proxy_error(proxy, host, None, why);
        }
        if causes.dns {
            return PromptError::Dns { provider, host };
        }
        let host = proxy.map_or_else(|| host.clone(), |proxy| format!("{host} through proxy {}", proxy.address));
        match causes.tls {
            Some(why) => PromptError::Tls { provider, host, why },
            None if error.is_connect() && error.is_timeout() => {
                PromptError::Connect { provider, host, why: format!("no answer within {} s", CONNECT.as_secs()) }
            }
            None if error.is_connect() => PromptError::Connect { provider, host, why },
            None => PromptError::Lost { provider, host, why },
        }
    }
}

/// What a proxy does that has a password.
const WANTS_LOGIN: &str = "asks for a user name and password (status 407)";

/// Whether forwarding proxies answer with this status of their own accord.
fn is_of_proxies(status: u16) -> bool {
    matches!(status, 403 | 407 | 502 | 503 | 504)
}

/// What the chain of causes of a failed connection has in it.
#[derive(Debug, Default)]
struct Causes {
    /// The deepest, as text.
    last: String,
    /// A name was not found.
    dns: bool,
    /// It was the server's name, which is looked up here for some kinds of SOCKS proxies.
    own_dns: bool,
    /// It failed between us and the proxy, or in the proxy.
    in_tunnel: bool,
    /// What TLS has against the connection.
    tls: Option<String>,
}

impl Causes {
    fn of(error: &reqwest::Error) -> Self {
        let mut causes = Self::default();
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.last = inner.to_string();
            causes.dns |= causes.last == "dns error";
            causes.own_dns |= causes.last == "error resolving for socks proxy";
            causes.in_tunnel |=
                causes.last.starts_with("tunnel error") || causes.last == "error connecting to socks proxy";
            if causes.tls.is_none() {
                causes.tls = tls_fault(inner);
            }
            cause = inner.source();
        }
        causes.dns |= causes.own_dns;
        causes
    }
}

/// What TLS has against a connection, where `error` is of TLS.
fn tls_fault(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls.to_string());
    }
    // An I/O error may wrap another, which its `source` passes over.
    tls_fault(error.downcast_ref::<io::Error>()?.get_ref()?)
}
