//! API endpoints: the requests of the control socket, and lists for the page.

use std::time::Duration;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    AppState, AppStateRef, Backend,
    reply::{HttpError, json, read_body, run_blocking},
};
use crate::{
    camera,
    control::protocol::{MAX_LINE, Reply, Request, Response as DaemonResponse},
    error::{Failure, Kind},
    look::SETTINGS,
    prompt::{catalogue, template::STYLES},
    sink,
};

/// How long receiving a request may take.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The header that confirms the user's consent to show the room.
const SHOW_ROOM: &str = "x-bgcam-show-room";

/// `POST /api/request`: takes a [`Request`] and returns a [`Reply`], as on the control socket. A request that would
/// show the user's room requires the header [`SHOW_ROOM`], which the page sends after asking the user.
pub(super) async fn request<B: Backend>(
    State(state): AppStateRef<B>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let bytes = read_body(body, MAX_LINE, BODY_TIMEOUT).await?;
    let request: Request = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Kind::BadInput, format!("invalid request: {error}")))?;
    if matches!(request, Request::Stop | Request::Watch | Request::WatchEvents | Request::OpenPage) {
        let failure = Failure::new(Kind::Denied, "this request is not available on the control page");
        return Err(HttpError(StatusCode::FORBIDDEN, failure.hint("use the command line: `bgcam --help`")));
    }
    if !headers.contains_key(SHOW_ROOM)
        && let Some(reason) = state.backend.reveals_room(&request)
    {
        let failure = Failure::new(Kind::Denied, format!("this shows your real room: {reason}"));
        return Err(HttpError(
            StatusCode::PRECONDITION_REQUIRED,
            failure.hint(format!("to confirm, send the header {SHOW_ROOM}: yes")),
        ));
    }
    let backend = state.backend.clone();
    let (progress, _) = mpsc::channel(1); // unused: the status stream has the progress
    let response = on_daemon_runtime(&state, async move { backend.call(request, progress).await }).await?;
    Ok(json(&Reply::Ok(response)))
}

/// Runs a request on the daemon's runtime. A browser that disconnects does not cancel it.
pub(super) async fn on_daemon_runtime<B: Backend>(
    state: &AppState<B>,
    work: impl Future<Output = Result<DaemonResponse, Failure>> + Send + 'static,
) -> Result<DaemonResponse, Failure> {
    state.daemon_runtime.spawn(work).await.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?
}

/// `GET /api/look`: all look settings, with their configured values.
pub(super) async fn look_settings<B: Backend>(State(state): AppStateRef<B>) -> Response {
    #[derive(Serialize)]
    struct Row {
        #[serde(flatten)]
        setting: crate::look::Setting,
        /// The configured value, which a reset restores.
        default: Value,
    }
    let look = state.backend.config().look.to_map();
    let row = |setting: &crate::look::Setting| Row {
        setting: *setting,
        default: look.get(setting.name).cloned().unwrap_or_default(),
    };
    json(&SETTINGS.iter().map(row).collect::<Vec<_>>())
}

/// `GET /api/devices`: the same as `bgcam devices --json`.
pub(super) async fn devices() -> Result<Response, HttpError> {
    #[derive(Serialize)]
    struct Devices {
        cameras: Vec<camera::Device>,
        outputs: Vec<sink::loopback::Loopback>,
    }
    let devices = run_blocking(|| Devices { cameras: camera::list().devices, outputs: sink::loopback::list() }).await?;
    Ok(json(&devices))
}

/// `GET /api/providers`: the same as `bgcam providers --json`.
pub(super) async fn providers<B: Backend>(State(state): AppStateRef<B>) -> Result<Response, HttpError> {
    let settings = state.backend.config().prompt;
    Ok(json(&run_blocking(move || catalogue::list(&settings)).await?))
}

/// `GET /api/doctor`: the report of `bgcam doctor`, as JSON.
pub(super) async fn doctor<B: Backend>(State(state): AppStateRef<B>) -> Result<Response, HttpError> {
    let unavailable = || Failure::new(Kind::Unsupported, "this daemon cannot run the checks");
    let check = state.backend.doctor().ok_or_else(|| unavailable().hint("run `bgcam doctor` in a terminal"))?;
    let permit = state.checks.acquire().await;
    let _permit = permit.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    Ok(json(&run_blocking(check).await??))
}

/// `GET /api/styles`: the names of the styles.
pub(super) async fn styles() -> Response {
    json(&STYLES.map(|(name, _)| name))
}
