//! The daemon's side of the socket: a bounded number of connections, bounded lines, our own user only.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, mpsc},
    time::{interval, timeout},
};

use super::protocol::{MAX_LINE, Reply, Request, Response, Status};
use crate::error::{Failure, Kind};

/// Connections served at once; more are sent away.
const MAX_CONNECTIONS: usize = 32;

/// How long a client may be silent before its first request: so long it can keep a place from others.
const HASTE: Duration = Duration::from_secs(2);

/// How long a client may be silent between two requests, and how long it may take to read an answer.
const IDLE: Duration = Duration::from_secs(60);
const SLOW: Duration = Duration::from_secs(5);

/// What does the requests.
pub trait Service: Send + Sync + 'static {
    /// Does one request; what it tells meanwhile goes to `talk`, and is dropped when the client is slow.
    fn call(
        &self,
        request: Request,
        talk: mpsc::Sender<Response>,
    ) -> impl Future<Output = Result<Response, Failure>> + Send;

    /// How everything is.
    fn status(&self) -> impl Future<Output = Status> + Send;
}

/// Serves clients until the future is dropped.
///
/// # Errors
/// When the listener itself fails.
pub async fn serve<S: Service>(listener: UnixListener, service: Arc<S>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // the client hung up again, or we are out of file descriptors for the moment
            Err(error) => {
                tracing::debug!("a client could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let failure = Failure::new(Kind::Busy, format!("{MAX_CONNECTIONS} clients are being served already"));
            refuse(&stream, &Reply::Error(failure.hint("try again in a moment")));
            continue;
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            if let Err(error) = converse(stream, service.as_ref()).await {
                tracing::debug!("a client was lost: {error}");
            }
            drop(place);
        });
    }
}

/// Says no without waiting: a new connection's buffer has room for a line.
fn refuse(stream: &UnixStream, reply: &Reply) {
    if let Ok(mut line) = serde_json::to_vec(reply) {
        line.push(b'\n');
        let _ = stream.try_write(&line);
    }
}

async fn converse<S: Service>(stream: UnixStream, service: &S) -> io::Result<()> {
    // SAFETY: getuid only reads and cannot fail.
    let us = unsafe { libc::getuid() };
    let peer = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    if peer != us && peer != 0 {
        tracing::warn!("user {peer} was refused at the control socket");
        let failure = Failure::new(Kind::Denied, format!("this camera belongs to user {us}, not to user {peer}"));
        return send(&mut writer, &Reply::Error(failure)).await;
    }
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut patience = HASTE;
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(MAX_LINE as u64 + 1);
        let read =
            timeout(patience, bounded.read_until(b'\n', &mut line)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if read == 0 {
            return Ok(());
        }
        if line.len() > MAX_LINE {
            let failure = Failure::new(Kind::BadInput, format!("request is longer than {MAX_LINE} bytes"));
            return send(&mut writer, &Reply::Error(failure)).await;
        }
        patience = IDLE;
        match serde_json::from_slice(&line) {
            Ok(Request::Watch) => return watch(&mut writer, service).await,
            Ok(request) => answer(&mut writer, service, request).await?,
            Err(error) => {
                let failure = Failure::new(Kind::BadInput, format!("request is not understood: {error}"))
                    .hint("client and daemon may be of different versions: restart the daemon");
                send(&mut writer, &Reply::Error(failure)).await?;
            }
        }
    }
}

/// Does a request and passes on what is told meanwhile. A client that hangs up ends the waiting, not the work.
async fn answer<S: Service>(writer: &mut OwnedWriteHalf, service: &S, request: Request) -> io::Result<()> {
    let (talk, mut told) = mpsc::channel(4);
    let mut work = std::pin::pin!(service.call(request, talk));
    loop {
        tokio::select! {
            result = &mut work => return send(writer, &result.into()).await,
            Some(response) = told.recv() => send(writer, &Reply::Ok(response)).await?,
        }
    }
}

async fn watch<S: Service>(writer: &mut OwnedWriteHalf, service: &S) -> io::Result<()> {
    let mut ticks = interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        send(writer, &Reply::Ok(Response::Status(Box::new(service.status().await)))).await?;
    }
}

async fn send(writer: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    timeout(SLOW, writer.write_all(&line)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream as StdStream;

    use super::*;
    use crate::control::{client::Client, socket};

    struct Echo;

    impl Service for Echo {
        async fn call(&self, request: Request, _: mpsc::Sender<Response>) -> Result<Response, Failure> {
            match request {
                Request::Stop => Err(Failure::new(Kind::Internal, "not now").hint("later")),
                other => Ok(Response::Done(format!("{other:?}"))),
            }
        }

        async fn status(&self) -> Status {
            unreachable!("not asked for here")
        }
    }

    /// Runs `client` in a thread of its own against a server in a private directory.
    fn with_server(client: impl FnOnce(&std::path::Path) + Send + 'static) {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("bgcam");
        let bound = socket::bind(&dir).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = UnixListener::from_std(bound.listener.try_clone().unwrap()).unwrap();
            let server = tokio::spawn(serve(listener, Arc::new(Echo)));
            tokio::task::spawn_blocking(move || client(&dir)).await.unwrap();
            server.abort();
        });
    }

    #[test]
    fn a_connection_carries_many_requests() {
        with_server(|dir| {
            let mut client = Client::connect(dir).unwrap();
            for on in [true, false] {
                let response = client.call(&Request::Mirror { on }).unwrap();
                assert_eq!(response, Response::Done(format!("Mirror {{ on: {on} }}")));
            }
            let failure = client.call(&Request::Stop).unwrap_err();
            assert_eq!(failure.hint.as_deref(), Some("later"));
        });
    }

    #[test]
    fn garbage_and_endless_lines_are_answered_and_harm_nobody() {
        with_server(|dir| {
            let path = socket::path_in(dir);
            for (sent, expected) in [
                (b"\xff\xfe\0garbage\n".to_vec(), "request is not understood"),
                (b"{\"mirror\":\n".to_vec(), "request is not understood"),
                (vec![b'a'; MAX_LINE + 1], "longer than 65536 bytes"),
            ] {
                let mut stream = StdStream::connect(&path).unwrap();
                io::Write::write_all(&mut stream, &sent).unwrap();
                let mut answer = String::new();
                io::BufRead::read_line(&mut io::BufReader::new(&stream), &mut answer).unwrap();
                assert!(answer.contains(expected), "{answer}");
            }
            assert!(Client::connect(dir).unwrap().call(&Request::Reload).is_ok());
        });
    }
}
