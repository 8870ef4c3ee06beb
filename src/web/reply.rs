//! Responses and errors: the JSON of the control socket, with a matching HTTP status.

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

/// An error response: a status and `{"error": ...}`.
#[derive(Debug)]
pub(super) struct HttpError(pub(super) StatusCode, pub(super) Failure);

impl HttpError {
    pub(super) fn method() -> Self {
        Self(StatusCode::METHOD_NOT_ALLOWED, Failure::new(Kind::BadInput, "method not allowed"))
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let failure = Failure::new(Kind::BadInput, format!("request body is larger than {limit} bytes"));
        Self(StatusCode::PAYLOAD_TOO_LARGE, failure.hint("send a smaller file"))
    }

    pub(super) fn too_many(what: &str) -> Self {
        let failure = Failure::new(Kind::Busy, format!("too many {what} open"));
        Self(StatusCode::SERVICE_UNAVAILABLE, failure.hint("close the control page in other tabs"))
    }
}

/// A path parameter, such as a gallery id; unlike axum's own extractor, it rejects invalid UTF-8 with an [`HttpError`].
pub(super) struct PathParam(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathParam {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|error| {
            let failure = Failure::new(Kind::BadInput, format!("invalid address {}: {error}", parts.uri.path()));
            HttpError::from(failure.hint("percent-encode names as UTF-8, such as %20 for a space"))
        })?;
        Ok(Self(text))
    }
}

impl From<Failure> for HttpError {
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

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        (self.0, json(&Reply::Error(self.1))).into_response()
    }
}

/// A JSON response.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Reads a request body.
///
/// # Errors
/// If it has more than `max_len` bytes, is incomplete, or takes longer than `limit`.
pub(super) async fn read_body(body: Body, max_len: usize, limit: Duration) -> Result<Bytes, HttpError> {
    if body.size_hint().lower() > max_len as u64 {
        return Err(HttpError::too_large(max_len));
    }
    match timeout(limit, to_bytes(body, max_len)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            if source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
                return Err(HttpError::too_large(max_len));
            }
            Err(Failure::new(Kind::BadInput, "request body is incomplete").into())
        }
        Err(_) => {
            let failure =
                Failure::new(Kind::BadInput, format!("request body took longer than {}", HumanDuration(limit)));
            Err(HttpError(StatusCode::REQUEST_TIMEOUT, failure))
        }
    }
}

/// Runs blocking work off the runtime's thread.
pub(super) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::new(Kind::Internal, error.to_string()))
}
