//! The status, pushed: each second, at once after a change, and more often while a picture is made.

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

use super::{Here, Host, Site, answer::Refusal, live::Stream};

/// How often the status is told when nothing happens.
const BEAT: Duration = Duration::from_secs(1);

/// How often while a picture is made.
const WORKING: Duration = Duration::from_millis(250);

/// How often at the most: somebody may be turning a slider.
const RUSH: Duration = Duration::from_millis(150);

/// `GET /api/events`: server-sent events, each a [`Status`](crate::control::protocol::Status).
pub(super) async fn follow<H: Host>(State(site): Here<H>) -> Result<Response, Refusal> {
    let place = Arc::clone(&site.followers).try_acquire_owned().map_err(|_| Refusal::crowded("followers"))?;
    let (sender, stream) = mpsc::channel(1);
    tokio::spawn(async move {
        tell(&site, sender).await;
        drop(place);
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::new(Stream(stream))).into_response())
}

/// Tells one follower, until they are gone.
async fn tell<H: Host>(site: &Site<H>, sender: mpsc::Sender<Bytes>) {
    let mut news = site.host.news();
    while let Ok(permit) = sender.reserve().await {
        news.mark_unchanged();
        let status = site.host.status().await;
        let Ok(text) = serde_json::to_string(&status) else { return };
        permit.send(Bytes::from(format!("data: {text}\n\n")));
        let rested = Instant::now() + RUSH;
        tokio::select! {
            () = sleep(if status.prompt.is_some() { WORKING } else { BEAT }) => {}
            changed = news.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sender.closed() => return,
        }
        sleep_until(rested).await;
    }
}
