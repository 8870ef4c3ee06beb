//! Accepts connections: a bounded number, from this user's programs only, each with timeouts.

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
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};
use tokio_io_timeout::TimeoutStream;

use super::peer::{Peer, owner};

/// Maximum number of simultaneous connections; further ones are closed.
const MAX_CONNECTIONS: usize = 32;

/// How long a browser may take to send the headers of a request, including the idle time before it.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a browser may accept no data of a response before the connection is closed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum buffer size of a connection, in bytes: for headers, and for data that the browser has not accepted yet.
const MAX_BUFFER: usize = 64 << 10;

/// Whether a rejected user has been logged.
static REFUSAL_LOGGED: Once = Once::new();

/// Serves browsers until the future is dropped.
pub(super) async fn serve(listener: TcpListener, app: Router) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // the browser has already disconnected, or we are out of file descriptors
            Err(error) => {
                tracing::debug!("cannot accept a browser: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (Ok(peer), Ok(us)) = (stream.peer_addr(), stream.local_addr()) else { continue };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        // checked before reading anything; the owner of a connection does not change afterwards
        if !is_accepted(owner(peer, us)) {
            continue;
        }
        let app = app.clone();
        tokio::spawn(async move {
            serve_browser(stream, app).await;
            drop(slot);
        });
    }
}

/// Whether to serve a connection from `peer`; logs why not.
fn is_accepted(peer: Peer) -> bool {
    match peer {
        Peer::Ours => return true,
        // logged once, so that another user cannot flood the log
        Peer::OtherUser(user) => {
            REFUSAL_LOGGED.call_once(|| tracing::warn!("rejected a connection from user {user} to the control page"))
        }
        Peer::Unknown => tracing::debug!("a connection was closed before it was accepted"),
    }
    false
}

async fn serve_browser(stream: TcpStream, app: Router) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_BUFFER);
    let service = TowerToHyperService::new(app);
    if let Err(error) = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).await {
        tracing::debug!("lost a browser: {error}");
    }
}
