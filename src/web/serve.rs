//! Connections: a bounded number of them, none of which is waited for long.

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};
use tokio_io_timeout::TimeoutStream;

use super::peer::{Peer, owner};

/// Connections served at once; more are closed at once.
const MAX_CONNECTIONS: usize = 32;

/// How long a browser may take for the head of a request, and be silent between two.
const HASTE: Duration = Duration::from_secs(10);

/// How long a browser may take nothing of an answer; then it counts as gone.
const STALLED: Duration = Duration::from_secs(10);

/// Bytes that hyper holds for a connection: a head, or what a viewer has not taken.
const BUFFER: usize = 64 << 10;

/// Another user's program was refused before.
static REFUSED: Once = Once::new();

/// Serves browsers until the future is dropped.
pub(super) async fn serve(listener: TcpListener, app: Router) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // the browser hung up again, or we are out of file descriptors for the moment
            Err(error) => {
                tracing::debug!("a browser could not be accepted: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (Ok(peer), Ok(us)) = (stream.peer_addr(), stream.local_addr()) else { continue };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        // before anything that it sent is read: what belongs to a connection stays its owner's
        match owner(peer, us) {
            Peer::Ours => {}
            Peer::OtherUser(user) => {
                // said once: others could fill the log
                REFUSED.call_once(|| {
                    tracing::warn!("another user's program was refused at the control page: user {user}")
                });
                continue;
            }
            Peer::Unknown => {
                tracing::debug!("a connection to the control page was closed before it was accepted");
                continue;
            }
        }
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(STALLED));
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HASTE).max_buf_size(BUFFER);
            if let Err(error) = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).await {
                tracing::debug!("a browser was lost: {error}");
            }
            drop(place);
        });
    }
}
