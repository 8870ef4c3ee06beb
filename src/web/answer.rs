//! What comes back: JSON as on the control socket, with a status that says the same.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequestParts, Path},
    http::{StatusCode, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use http_body::Body as _;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    control::protocol::Reply,
    duration::HumanDuration,
    error::{Failure, Kind},
};

/// That it was not done: a status and `{"error": ...}`.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) Failure);

impl Refusal {
    pub(super) fn method() -> Self {
        Self(StatusCode::METHOD_NOT_ALLOWED, Failure::new(Kind::BadInput, "this address takes another method"))
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let failure = Failure::new(Kind::BadInput, format!("what was sent is larger than {limit} bytes"));
        Self(StatusCode::PAYLOAD_TOO_LARGE, failure.hint("send something smaller"))
    }

    pub(super) fn crowded(what: &str) -> Self {
        let failure = Failure::new(Kind::Busy, format!("too many {what} at once"));
        Self(StatusCode::SERVICE_UNAVAILABLE, failure.hint("close the control page in other tabs"))
    }
}

/// The part of an address that names something, such as a picture; one that can't be read is refused as all else is.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|error| {
            let failure = Failure::new(Kind::BadInput, format!("address {} can't be read: {error}", parts.uri.path()));
            Refusal::from(failure.hint("percent-encode names as UTF-8, such as %20 for a space"))
        })?;
        Ok(Self(text))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            Kind::BadInput | Kind::Unsupported => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Busy => StatusCode::CONFLICT,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::Missing | Kind::Io | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, failure)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, json(&Reply::Error(self.1))).into_response()
    }
}

/// `value` as JSON.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// All of a body of at most `limit` bytes, if it comes within `patience`.
pub(super) async fn read(body: Body, limit: usize, patience: Duration) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::too_large(limit));
    }
    match timeout(patience, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            if source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
                return Err(Refusal::too_large(limit));
            }
            Err(Failure::new(Kind::BadInput, "what was sent is cut off").into())
        }
        Err(_) => {
            let failure =
                Failure::new(Kind::BadInput, format!("what was sent took longer than {}", HumanDuration(patience)));
            Err(Refusal(StatusCode::REQUEST_TIMEOUT, failure))
        }
    }
}

/// What blocks, beside the runtime's thread.
pub(super) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::new(Kind::Internal, error.to_string()))
}
