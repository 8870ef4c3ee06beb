//! The live preview: encoded once for all viewers, sent to each at its own pace.
//!
//! The stream consists of length-prefixed JPEGs, which the page reads with `fetch` and draws on a canvas. Unlike
//! `multipart/x-mixed-replace`, this lets the page stop when its tab is hidden, count frames, and read errors.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    AppStateRef, Backend,
    jpeg::Encoder,
    reply::{HttpError, PathParam},
};
use crate::{
    error::{Failure, Kind},
    pipeline::{Preview, Subscription, View},
};

/// Maximum number of viewers; further ones are refused.
const MAX_VIEWERS: usize = 6;

/// The newest encoded image of each view, and the slots for viewers.
#[derive(Debug)]
pub(super) struct Live {
    preview: Arc<Preview>,
    images: [watch::Sender<Bytes>; View::ALL.len()],
    slots: Arc<Semaphore>,
}

impl Live {
    pub(super) fn new(preview: Arc<Preview>) -> Self {
        Self {
            preview,
            images: View::ALL.map(|_| watch::Sender::new(Bytes::new())),
            slots: Arc::new(Semaphore::new(MAX_VIEWERS)),
        }
    }

    /// Encodes preview frames until dropped; run by a single task.
    pub(super) async fn encode(&self) {
        let mut encoder = match Encoder::new() {
            Ok(encoder) => encoder,
            Err(error) => {
                tracing::error!("cannot encode the live preview: {error}");
                return std::future::pending().await;
            }
        };
        loop {
            self.preview.changed().await;
            for view in View::ALL {
                let Some(frame) = self.preview.take(view) else { continue };
                match encoder.encode(&frame) {
                    Ok(jpeg) => drop(self.images[view as usize].send_replace(jpeg)),
                    Err(error) => tracing::debug!("cannot encode a preview frame: {error}"),
                }
            }
        }
    }

    /// A stream of the images encoded from now on.
    fn subscribe(&self, view: View) -> Result<ChannelBody, HttpError> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| HttpError::too_many("live previews"))?;
        let subscription = self.preview.subscribe(view);
        let mut newest = self.images[view as usize].subscribe();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            forward_newest(&mut newest, sender, subscription).await;
            drop(slot);
        });
        Ok(ChannelBody(receiver))
    }
}

/// Forwards the newest image each time the viewer has received the last one, until it disconnects.
async fn forward_newest(newest: &mut watch::Receiver<Bytes>, sender: mpsc::Sender<Bytes>, _subscription: Subscription) {
    while let Ok(permit) = sender.reserve().await {
        let changed = tokio::select! {
            changed = newest.changed() => changed,
            () = sender.closed() => return,
        };
        if changed.is_err() {
            return;
        }
        permit.send(newest.borrow_and_update().clone());
    }
}

/// A response body that is read from a channel and ends when its sender is dropped.
pub(super) struct ChannelBody(pub(super) mpsc::Receiver<Bytes>);

impl http_body::Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

/// `GET /live/output`, `/live/camera`, `/live/matte`.
pub(super) async fn stream<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(view): PathParam,
) -> Result<Response, HttpError> {
    let view = match view.as_str() {
        "output" => View::Output,
        "camera" => View::Camera,
        "matte" => View::Matte,
        _ => {
            let text = format!("no live preview {view:?}, expected output, camera or matte");
            return Err(Failure::new(Kind::NotFound, text).into());
        }
    };
    let body = state.live.subscribe(view)?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], Body::new(body)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slow_viewer_gets_the_newest_image_and_disconnecting_unsubscribes() {
        let preview = Arc::<Preview>::default();
        let live = Live::new(Arc::clone(&preview));
        let mut slow = live.subscribe(View::Output).unwrap();
        assert!(preview.has_viewers());
        let show = |number: u8| drop(live.images[0].send_replace(Bytes::from(vec![number])));
        show(1);
        while slow.0.is_empty() {
            tokio::task::yield_now().await;
        }
        (2..=9).for_each(show);
        assert_eq!(slow.0.recv().await.unwrap()[..], [1]);
        assert_eq!(slow.0.recv().await.unwrap()[..], [9]);
        drop(slow);
        while preview.has_viewers() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn new_viewer_gets_no_old_image_and_viewers_are_limited() {
        let live = Live::new(Arc::default());
        live.images[0].send_replace(Bytes::from_static(b"old"));
        let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| live.subscribe(View::Output).unwrap()).collect();
        assert!(live.subscribe(View::Output).is_err());
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(viewers[0].0.try_recv().is_err());
    }
}
