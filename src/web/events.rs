//! Streams the status to the page: every second, after every change, and more often during a generation.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{AppState, AppStateRef, Backend, live::ChannelBody, reply::HttpError};

/// Interval while nothing changes.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// Interval during a generation, for its progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Minimum interval, for rapid changes such as from a slider.
const MIN_INTERVAL: Duration = Duration::from_millis(150);

/// `GET /api/events`: server-sent events, each a [`Status`](crate::control::protocol::Status).
pub(super) async fn subscribe<B: Backend>(State(state): AppStateRef<B>) -> Result<Response, HttpError> {
    let slot = Arc::clone(&state.subscribers).try_acquire_owned().map_err(|_| HttpError::too_many("status streams"))?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        send_status(&state, sender).await;
        drop(slot);
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::new(ChannelBody(receiver))).into_response())
}

/// Sends the status to one subscriber until it disconnects.
async fn send_status<B: Backend>(state: &AppState<B>, sender: mpsc::Sender<Bytes>) {
    let mut changes = state.backend.status_changes();
    while let Ok(permit) = sender.reserve().await {
        changes.mark_unchanged();
        let status = state.backend.status().await;
        let Ok(text) = serde_json::to_string(&status) else { return };
        permit.send(Bytes::from(format!("data: {text}\n\n")));
        let earliest = Instant::now() + MIN_INTERVAL;
        tokio::select! {
            () = sleep(if status.prompt.is_some() { PROGRESS_INTERVAL } else { IDLE_INTERVAL }) => {}
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sender.closed() => return,
        }
        sleep_until(earliest).await;
    }
}
