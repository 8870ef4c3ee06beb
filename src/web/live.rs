//! The live picture: encoded once for all who watch, sent to each as fast as they take it.
//!
//! A stream of JPEGs, each after its length. The page reads it with `fetch` and draws to a canvas: it can be stopped when
//! the tab is hidden, its rate can be counted, and a refusal can be read, none of which `multipart/x-mixed-replace` offers.

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
    Here, Host,
    answer::{Refusal, Segment},
    jpeg::Encoder,
};
use crate::{
    error::{Failure, Kind},
    pipeline::{Preview, Subscription, View},
};

/// Viewers at once; more are sent away.
const MAX_VIEWERS: usize = 6;

/// The encoded pictures, and those who watch them.
#[derive(Debug)]
pub(super) struct Live {
    preview: Arc<Preview>,
    pictures: [watch::Sender<Bytes>; View::ALL.len()],
    places: Arc<Semaphore>,
}

impl Live {
    pub(super) fn new(preview: Arc<Preview>) -> Self {
        Self {
            preview,
            pictures: View::ALL.map(|_| watch::Sender::new(Bytes::new())),
            places: Arc::new(Semaphore::new(MAX_VIEWERS)),
        }
    }

    /// Encodes what comes from the preview, for ever; one task does.
    pub(super) async fn encode(&self) {
        let mut encoder = match Encoder::new() {
            Ok(encoder) => encoder,
            Err(error) => {
                tracing::error!("the live picture cannot be encoded: {error}");
                return std::future::pending().await;
            }
        };
        loop {
            self.preview.changed().await;
            for view in View::ALL {
                let Some(frame) = self.preview.take(view) else { continue };
                match encoder.encode(&frame) {
                    Ok(jpeg) => drop(self.pictures[view as usize].send_replace(jpeg)),
                    Err(error) => tracing::debug!("a live picture was not encoded: {error}"),
                }
            }
        }
    }

    /// The pictures from now on.
    fn watch(&self, view: View) -> Result<Stream, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::crowded("viewers"))?;
        let (watching, mut newest) = (self.preview.subscribe(view), self.pictures[view as usize].subscribe());
        let (sender, stream) = mpsc::channel(1);
        tokio::spawn(async move {
            hand_on(&mut newest, sender, watching).await;
            drop(place);
        });
        Ok(Stream(stream))
    }
}

/// Hands a viewer the newest picture each time that they have taken the last one, until they are gone.
async fn hand_on(newest: &mut watch::Receiver<Bytes>, sender: mpsc::Sender<Bytes>, _watching: Subscription) {
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

/// A body that is sent piece by piece; it ends with its sender.
pub(super) struct Stream(pub(super) mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(http_body::Frame::data(piece))))
    }
}

/// `GET /live/output`, `/live/camera`, `/live/matte`.
pub(super) async fn watch<H: Host>(State(site): Here<H>, Segment(view): Segment) -> Result<Response, Refusal> {
    let view = match view.as_str() {
        "output" => View::Output,
        "camera" => View::Camera,
        "matte" => View::Matte,
        _ => return Err(Failure::new(Kind::NotFound, "what can be watched is output, camera and matte").into()),
    };
    let stream = site.live.watch(view)?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], Body::new(stream)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_viewer_gets_the_newest_and_leaving_ends_the_watching() {
        let preview = Arc::<Preview>::default();
        let live = Live::new(Arc::clone(&preview));
        let mut slow = live.watch(View::Output).unwrap();
        assert!(preview.has_viewers());
        let show = |number: u8| drop(live.pictures[0].send_replace(Bytes::from(vec![number])));
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
    async fn a_new_viewer_is_shown_nothing_of_before_and_the_crowd_is_bounded() {
        let live = Live::new(Arc::default());
        live.pictures[0].send_replace(Bytes::from_static(b"old"));
        let mut viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| live.watch(View::Output).unwrap()).collect();
        assert!(live.watch(View::Output).is_err());
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(viewers[0].0.try_recv().is_err());
    }
}
