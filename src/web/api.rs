//! What the page asks for: the requests of the control socket, and lists.

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
    Here, Host, Site,
    answer::{Refusal, beside, json, read},
};
use crate::{
    camera,
    control::protocol::{MAX_LINE, Reply, Request, Response as Answer},
    error::{Failure, Kind},
    look::SETTINGS,
    prompt::{providers, template::STYLES},
    sink,
};

/// How long a request may take to come in.
const PATIENCE: Duration = Duration::from_secs(10);

/// The header by which the user has agreed that others see their room.
const SHOW_ROOM: &str = "x-bgcam-show-room";

/// `POST /api/request`: a [`Request`], answered with a [`Reply`], as on the control socket. One that would show the user's
/// room is done only with the header [`SHOW_ROOM`], which the page sends after it has asked.
pub(super) async fn request<H: Host>(
    State(site): Here<H>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let bytes = read(body, MAX_LINE, PATIENCE).await?;
    let request: Request = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Kind::BadInput, format!("invalid request: {error}")))?;
    if matches!(request, Request::Stop | Request::Watch | Request::OpenPage) {
        let failure = Failure::new(Kind::Denied, "the control page may not ask for that");
        return Err(Refusal(StatusCode::FORBIDDEN, failure.hint("use the command line: `bgcam --help`")));
    }
    if !headers.contains_key(SHOW_ROOM)
        && let Some(why) = site.host.reveals_room(&request)
    {
        let failure = Failure::new(Kind::Denied, format!("this shows your real room: {why}"));
        return Err(Refusal(
            StatusCode::PRECONDITION_REQUIRED,
            failure.hint(format!("to agree, send the header {SHOW_ROOM}: yes")),
        ));
    }
    Ok(json(&Reply::Ok(ask(&site, request).await?)))
}

/// Has the daemon do a request.
pub(super) async fn ask<H: Host>(site: &Site<H>, request: Request) -> Result<Answer, Failure> {
    let host = site.host.clone();
    let (talk, _) = mpsc::channel(1); // progress is in the events
    on_control(site, async move { host.call(request, talk).await }).await
}

/// Does the daemon's work on its own runtime. A browser that leaves ends the waiting, not the work.
pub(super) async fn on_control<H: Host>(
    site: &Site<H>,
    work: impl Future<Output = Result<Answer, Failure>> + Send + 'static,
) -> Result<Answer, Failure> {
    site.control.spawn(work).await.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?
}

/// `GET /api/knobs`: all there is to turn, with the values that the settings have.
pub(super) async fn knobs<H: Host>(State(site): Here<H>) -> Response {
    #[derive(Serialize)]
    struct Row {
        #[serde(flatten)]
        knob: crate::look::Setting,
        /// What a reset turns it back to.
        settings: Value,
    }
    let look = site.host.config().look.to_map();
    let row =
        |knob: &crate::look::Setting| Row { knob: *knob, settings: look.get(knob.name).cloned().unwrap_or_default() };
    json(&SETTINGS.iter().map(row).collect::<Vec<_>>())
}

/// `GET /api/devices`: as `bgcam devices --json`.
pub(super) async fn devices() -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Devices {
        cameras: Vec<camera::Device>,
        outputs: Vec<sink::loopback::Loopback>,
    }
    let devices = beside(|| Devices { cameras: camera::list().devices, outputs: sink::loopback::list() }).await?;
    Ok(json(&devices))
}

/// `GET /api/providers`: as `bgcam providers --json`.
pub(super) async fn providers<H: Host>(State(site): Here<H>) -> Result<Response, Refusal> {
    let settings = site.host.config().prompt;
    Ok(json(&beside(move || providers::list(&settings)).await?))
}

/// `GET /api/styles`: their names.
pub(super) async fn styles() -> Response {
    json(&STYLES.map(|(name, _)| name))
}
