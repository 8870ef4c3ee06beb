//! What it means when a server refuses, or can't be reached.

use std::{error::Error as _, io};

use reqwest::header;

use super::{
    CONNECT, Http, Reply,
    address::{host, origin},
};
use crate::prompt::{PromptError, answer::Complaint};

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
const USED_UP: [&str; 6] = [
    "insufficient_quota",
    "billing_hard_limit",
    "billing hard limit",
    "servicequotaexceeded",
    "payment_required",
    "insufficient credits",
];
/// Phrases of servers that want to be asked later.
const BUSY: [&str; 5] =
    ["throttlingexception", "rate_limit", "modelnotreadyexception", "too many requests", "mpagreementbeingcreated"];
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

impl Http {
    /// What a refusal means.
    pub(super) fn refusal(&self, model: &str, reply: &Reply) -> PromptError {
        let mut complaint = Complaint::read(&reply.body);
        if let Some(name) = reply.headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok()) {
            complaint.code = format!("{} {}", name.split(':').next().unwrap_or_default(), complaint.code);
        }
        self.blame(model, reply, &complaint)
    }

    fn blame(&self, model: &str, reply: &Reply, complaint: &Complaint) -> PromptError {
        let (provider, status) = (self.provider, reply.status.as_u16());
        let text = if complaint.text.trim().is_empty() { &complaint.code } else { &complaint.text };
        let said = self.clean(text);
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

    fn redirected(&self, reply: &Reply) -> PromptError {
        let location = reply.headers.get(header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or_default();
        let to = reply.url.join(location).map_or_else(|_| "somewhere else".to_owned(), |to| origin(&to));
        PromptError::Redirected { provider: self.provider, host: host(&reply.url), to: self.clean(&to) }
    }

    /// What a failed connection means.
    pub(super) fn fault(&self, error: &reqwest::Error) -> PromptError {
        let (provider, host) = (self.provider, error.url().map_or_else(|| self.place(), host));
        let mut why = String::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            why = inner.to_string();
            if why == "dns error" {
                return PromptError::Dns { provider, host };
            }
            if let Some(tls) = tls_fault(inner) {
                return PromptError::Tls { provider, host, why: tls };
            }
            cause = inner.source();
        }
        let why = self.clean(&why);
        if error.is_connect() {
            let why = if error.is_timeout() { format!("no answer within {} s", CONNECT.as_secs()) } else { why };
            PromptError::Connect { provider, host, why }
        } else {
            PromptError::Lost { provider, host, why }
        }
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
