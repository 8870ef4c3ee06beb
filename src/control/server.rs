//! The daemon's side of the socket: limits the number of connections and the length of lines, and serves only this
//! user.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, mpsc, watch},
    time::{Instant, interval, sleep, timeout, timeout_at},
};

use super::{
    changes::Changes,
    event::{Event, EventKind},
    overview::Overview,
    protocol::{MAX_LINE, Reply, Request, Response, Status},
};
use crate::error::{Failure, Kind};

/// Maximum number of simultaneous connections; further ones are refused.
const MAX_CONNECTIONS: usize = 32;

/// How long a new client may wait before its first request; short, because it occupies a connection slot.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a client may wait between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The interval of checks for changes of the devices, for clients that follow them.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

/// How long a client may take to read a reply.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often events without a signal are looked for, such as an app that connects.
const EVENT_INTERVAL: Duration = Duration::from_secs(1);

/// Minimum interval between two lookups, for rapid changes such as from a slider.
const MIN_EVENT_INTERVAL: Duration = Duration::from_millis(150);

/// Handles the requests of clients.
pub trait Service: Send + Sync + 'static {
    /// Handles one request. Intermediate responses go to `progress` and are dropped if the client is slow.
    fn call(
        &self,
        request: Request,
        progress: mpsc::Sender<Response>,
    ) -> impl Future<Output = Result<Response, Failure>> + Send;

    /// Signals every change of the status that a request causes, and that the service is stopping.
    fn status_changes(&self) -> watch::Receiver<()>;

    /// Whether the service is stopping.
    fn is_stopping(&self) -> bool;

    /// The current status.
    fn status(&self) -> impl Future<Output = Status> + Send;

    /// What an icon shows now; takes microseconds.
    fn overview(&self) -> Overview;
}

/// Serves clients until the future is dropped.
///
/// # Errors
/// If the listener fails.
pub async fn serve<S: Service>(listener: UnixListener, service: Arc<S>) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // the client has already disconnected, or we are out of file descriptors
            Err(error) => {
                tracing::debug!("cannot accept a client: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            let failure = Failure::new(Kind::Busy, format!("too many clients connected (maximum {MAX_CONNECTIONS})"));
            refuse(&stream, &Reply::Error(failure.hint("try again in a moment")));
            continue;
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            if let Err(error) = serve_client(stream, service.as_ref()).await {
                tracing::debug!("lost a client: {error}");
            }
            drop(slot);
        });
    }
}

/// Sends a reply without waiting; the empty buffer of a new connection has space for a line.
fn refuse(stream: &UnixStream, reply: &Reply) {
    if let Ok(mut line) = serde_json::to_vec(reply) {
        line.push(b'\n');
        let _ = stream.try_write(&line);
    }
}

async fn serve_client<S: Service>(stream: UnixStream, service: &S) -> io::Result<()> {
    let own_uid = rustix::process::getuid().as_raw();
    let peer = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    if peer != own_uid && peer != 0 {
        tracing::warn!("rejected a connection from user {peer} to the control socket");
        let failure = Failure::new(Kind::Denied, format!("this camera belongs to user {own_uid}, not to user {peer}"));
        return send(&mut writer, &Reply::Error(failure)).await;
    }
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut limit = FIRST_REQUEST_TIMEOUT;
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(MAX_LINE as u64 + 1);
        let read =
            timeout(limit, bounded.read_until(b'\n', &mut line)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if read == 0 {
            return Ok(());
        }
        if line.len() > MAX_LINE {
            let failure = Failure::new(Kind::BadInput, format!("request is longer than {MAX_LINE} bytes"));
            return send(&mut writer, &Reply::Error(failure)).await;
        }
        limit = IDLE_TIMEOUT;
        match serde_json::from_slice(&line) {
            Ok(Request::WatchEvents) => return watch_events(&mut writer, service).await,
            Ok(Request::Watch) => return watch_status(&mut writer, service).await,
            Ok(Request::Follow) => return follow(&mut reader, &mut writer, service).await,
            Ok(request) => handle(&mut writer, service, request).await?,
            Err(error) => {
                let failure = Failure::new(Kind::BadInput, format!("invalid request: {error}"))
                    .hint("restart the daemon; it may be from another version of bgcam");
                send(&mut writer, &Reply::Error(failure)).await?;
            }
        }
    }
}

/// Handles a request, forwards its progress and sends the reply. A client that disconnects does not cancel background
/// work of the service.
async fn handle<S: Service>(writer: &mut OwnedWriteHalf, service: &S, request: Request) -> io::Result<()> {
    let (sender, mut progress) = mpsc::channel(4);
    let mut work = std::pin::pin!(service.call(request, sender));
    loop {
        tokio::select! {
            result = &mut work => return send(writer, &result.into()).await,
            Some(response) = progress.recv() => send(writer, &Reply::Ok(response)).await?,
        }
    }
}

async fn watch_status<S: Service>(writer: &mut OwnedWriteHalf, service: &S) -> io::Result<()> {
    let mut ticks = interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        send(writer, &Reply::Ok(Response::Status(Box::new(service.status().await)))).await?;
    }
}

/// Sends the whole state, then what happens, until the client disconnects or the service stops. Nothing is queued for a
/// slow client: it gets the whole state again.
async fn watch_events<S: Service>(writer: &mut OwnedWriteHalf, service: &S) -> io::Result<()> {
    let mut signals = service.status_changes();
    let mut changes = Changes::default();
    while !service.is_stopping() {
        signals.mark_unchanged();
        let status = service.status().await;
        let noticed = Instant::now();
        for kind in changes.since_last(status) {
            send_event(writer, kind).await?;
        }
        if noticed.elapsed() > WRITE_TIMEOUT {
            changes.set_missed();
        }
        let earliest = noticed + MIN_EVENT_INTERVAL;
        let _ = timeout(EVENT_INTERVAL, signals.changed()).await;
        while !service.is_stopping() && timeout_at(earliest, signals.changed()).await.is_ok_and(|change| change.is_ok())
        {
        }
        let ready =
            timeout(IDLE_TIMEOUT, writer.ready(Interest::WRITABLE)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if ready.is_write_closed() {
            return Ok(()); // otherwise, a disconnect would be noticed only at the next event
        }
    }
    send_event(writer, EventKind::Stopped).await
}

async fn send_event(writer: &mut OwnedWriteHalf, kind: EventKind) -> io::Result<()> {
    let reply = Reply::Ok(Response::Event(Box::new(Event::new(kind))));
    send_within(IDLE_TIMEOUT, writer, &reply).await
}

/// Sends the overview whenever it changes. A change of a device is noticed at the next check.
async fn follow<S: Service>(
    reader: &mut BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
    service: &S,
) -> io::Result<()> {
    let mut changes = service.status_changes();
    let mut sent = None;
    loop {
        changes.mark_unchanged();
        let now = service.overview();
        if sent.as_ref() != Some(&now) {
            send(writer, &Reply::Ok(Response::Overview(Box::new(now.clone())))).await?;
            sent = Some(now);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() {
                return Ok(());
            },
            () = sleep(FOLLOW_INTERVAL) => {}
            // the client has disconnected
            _ = reader.fill_buf() => return Ok(()),
        }
    }
}

async fn send(writer: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    send_within(WRITE_TIMEOUT, writer, reply).await
}

async fn send_within(limit: Duration, writer: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    timeout(limit, writer.write_all(&line)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::net::UnixStream as StdStream,
        sync::atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::control::{client::Client, socket};

    /// Replies with the request; mirroring changes the overview.
    struct Echo {
        mirror: AtomicBool,
        changes: watch::Sender<()>,
    }

    impl Default for Echo {
        fn default() -> Self {
            Self { mirror: AtomicBool::new(false), changes: watch::Sender::new(()) }
        }
    }

    impl Service for Echo {
        async fn call(&self, request: Request, _: mpsc::Sender<Response>) -> Result<Response, Failure> {
            match request {
                Request::Stop => Err(Failure::new(Kind::Internal, "not now").hint("later")),
                Request::Resume => {
                    self.changes.send_replace(());
                    Ok(Response::Done("nothing changed".to_owned()))
                }
                Request::Mirror { on } => {
                    self.mirror.store(on, Ordering::Relaxed);
                    self.changes.send_replace(());
                    Ok(Response::Done(format!("{request:?}")))
                }
                other => Ok(Response::Done(format!("{other:?}"))),
            }
        }

        fn status_changes(&self) -> watch::Receiver<()> {
            self.changes.subscribe()
        }

        fn is_stopping(&self) -> bool {
            false
        }

        async fn status(&self) -> Status {
            unreachable!("not requested by these tests")
        }

        fn overview(&self) -> Overview {
            Overview { mirror: self.mirror.load(Ordering::Relaxed), ..Overview::fake() }
        }
    }

    /// Runs `client` in a thread, against a server in a private directory.
    fn with_server(client: impl FnOnce(&std::path::Path) + Send + 'static) {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("bgcam");
        let bound = socket::bind(&dir).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = UnixListener::from_std(bound.listener.try_clone().unwrap()).unwrap();
            let server = tokio::spawn(serve(listener, Arc::new(Echo::default())));
            tokio::task::spawn_blocking(move || client(&dir)).await.unwrap();
            server.abort();
        });
    }

    #[test]
    fn connection_carries_many_requests() {
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
    fn a_follower_gets_every_change_once() {
        with_server(|dir| {
            let mut follower = Client::connect(dir).unwrap();
            let mirror = |response| match response {
                Response::Overview(overview) => overview.mirror,
                other => panic!("{other:?}"),
            };
            assert!(!mirror(follower.call(&Request::Follow).unwrap()));
            let mut client = Client::connect(dir).unwrap();
            client.call(&Request::Resume).unwrap();
            client.call(&Request::Mirror { on: true }).unwrap();
            assert!(mirror(follower.read_response().unwrap()), "what did not change is not sent");
            client.call(&Request::Mirror { on: false }).unwrap();
            assert!(!mirror(follower.read_response().unwrap()));
        });
    }

    #[test]
    fn a_follower_that_disconnects_frees_its_slot() {
        with_server(|dir| {
            for _ in 0..MAX_CONNECTIONS * 2 {
                let mut follower = Client::connect(dir).unwrap();
                // until the server has noticed that the others are gone
                while follower.call(&Request::Follow).is_err() {
                    follower = Client::connect(dir).unwrap();
                }
            }
        });
    }

    #[test]
    fn garbage_and_endless_lines_get_an_error_and_other_clients_are_served() {
        with_server(|dir| {
            let path = socket::path_in(dir);
            for (sent, expected) in [
                (b"\xff\xfe\0garbage\n".to_vec(), "invalid request"),
                (b"{\"mirror\":\n".to_vec(), "invalid request"),
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
