//! The control page: what others see, and everything to turn, in a browser on this machine.
//!
//! It has a thread and a runtime of its own, so that neither the camera nor the control socket waits for a browser. It
//! asks for the same [`Request`](crate::control::protocol::Request)s as the command line, through the same [`Service`].
//!
//! `serve` takes connections of this user's programs (`peer`), `guard` says who may come in and `access` who has a session,
//! `api` and `gallery` do what the page asks for, `events` pushes the status, `live` the picture (encoded by `jpeg`),
//! `answer` says what comes back. The page itself is in `page/`.

mod access;
mod answer;
mod api;
mod error;
mod events;
mod gallery;
mod guard;
mod jpeg;
mod live;
mod peer;
mod serve;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::header::CONTENT_TYPE,
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{Builder, Handle},
    sync::{Semaphore, oneshot, watch},
};

pub use self::{access::Access, error::WebError};
use self::{answer::Refusal, gallery::Thumbs, guard::Guard, live::Live};
use crate::{
    compose::RoomVisible,
    config::Config,
    control::{
        protocol::{Request, Response as Answer},
        server::Service,
    },
    error::{Failure, Kind},
    gallery::Gallery,
    pipeline::Preview,
};

/// What stands behind the page: the daemon.
pub trait Host: Service + Clone {
    /// The settings of now.
    fn config(&self) -> Config;

    /// The pictures that were made and imported.
    ///
    /// # Errors
    /// When they can't be reached.
    fn gallery(&self) -> Result<Gallery, Failure>;

    /// The gallery's names for what is shown, which may not be evicted.
    fn on_screen(&self) -> Vec<String>;

    /// The number of a request that arrives now; later ones have greater numbers.
    fn arrive(&self) -> u64;

    /// Shows a picture of the gallery, unless another background was chosen after the request that arrived then.
    fn show_picture(&self, path: PathBuf, arrived: u64) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Where the pictures can be watched.
    fn preview(&self) -> Arc<Preview>;

    /// Changes whenever the status has changed by somebody's doing.
    fn news(&self) -> watch::Receiver<()>;

    /// Why others would see the user's room after `request`, if they don't see it before.
    fn reveals_room(&self, request: &Request) -> Option<RoomVisible>;
}

/// The open page; closed when dropped.
#[derive(Debug)]
pub struct Page {
    access: Arc<Access>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the handlers share.
struct Site<H> {
    host: H,
    /// The daemon's runtime, where its work is done.
    control: Handle,
    live: Live,
    thumbs: Thumbs,
    /// Those who follow the status.
    followers: Arc<Semaphore>,
    /// One picture at a time is taken in: it lies in memory.
    uploads: Semaphore,
}

/// Followers of the status at once; more are sent away.
const MAX_FOLLOWERS: usize = 8;

/// How much of a picture waits in the kernel for a viewer, in bytes: a slow one should not see what was seconds ago.
const SEND_BUFFER: u32 = 128 << 10;

/// Connections that wait to be taken.
const BACKLOG: u32 = 64;

/// How long a picture that is being decoded may hold up the daemon's end.
const LAST_WORK: Duration = Duration::from_millis(200);

impl Page {
    /// Opens the page at `port` of this machine's loopback, 0 for any that is free. Requests are done on the current
    /// runtime.
    ///
    /// # Errors
    /// When the port is taken, or the system gives no thread.
    pub fn open<H: Host>(host: H, port: u16) -> Result<Self, WebError> {
        let listener = bind(port).map_err(|source| WebError::Bind { port, source })?;
        let port = listener.local_addr().map_err(|source| WebError::Bind { port, source })?.port();
        let access = Arc::new(Access::new(port));
        let guard = Guard::new(Arc::clone(&access));
        let site = Arc::new(Site {
            live: Live::new(host.preview()),
            host,
            control: Handle::current(),
            thumbs: Thumbs::default(),
            followers: Arc::new(Semaphore::new(MAX_FOLLOWERS)),
            uploads: Semaphore::new(1),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("bgcam-page".to_owned());
        let thread = thread.spawn(move || run(listener, &site, guard, stopped)).map_err(WebError::Thread)?;
        Ok(Self { access, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is, and what opens it.
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the control page panicked");
        }
    }
}

fn bind(port: u16) -> std::io::Result<std::net::TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)?.into_std()
}

fn run<H: Host>(listener: std::net::TcpListener, site: &Arc<Site<H>>, guard: Guard, stopped: oneshot::Receiver<()>) {
    let runtime = match Builder::new_current_thread().enable_all().max_blocking_threads(4).build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::warn!("the control page cannot be served: {error}"),
    };
    runtime.block_on(async {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::warn!("the control page cannot be served: {error}"),
        };
        tokio::select! {
            () = serve::serve(listener, router(site, guard)) => {}
            () = site.live.encode() => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_timeout(LAST_WORK);
}

fn router<H: Host>(site: &Arc<Site<H>>, guard: Guard) -> Router {
    let html = "text/html; charset=utf-8";
    Router::new()
        .route("/", asset(html, include_str!("page/index.html")))
        .route("/app.js", asset("text/javascript; charset=utf-8", include_str!("page/app.js")))
        .route("/style.css", asset("text/css; charset=utf-8", include_str!("page/style.css")))
        .route("/icon.svg", asset("image/svg+xml", include_str!("../../config/desktop/bgcam.svg")))
        .route("/live/{view}", get(live::watch::<H>))
        .route("/api/request", post(api::request::<H>))
        .route("/api/events", get(events::follow::<H>))
        .route("/api/knobs", get(api::knobs::<H>))
        .route("/api/devices", get(api::devices))
        .route("/api/providers", get(api::providers::<H>))
        .route("/api/styles", get(api::styles))
        .route("/api/gallery", get(gallery::list::<H>))
        .route("/api/gallery/{id}", delete(gallery::remove::<H>))
        .route("/api/gallery/{id}/thumb", get(gallery::thumb::<H>))
        .route("/api/gallery/{id}/use", post(gallery::put_on::<H>))
        .route("/api/gallery/{id}/favourite", post(gallery::favourite::<H>))
        .route("/api/upload/{name}", post(gallery::upload::<H>))
        .fallback(nothing_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
        .with_state(Arc::clone(site))
}

fn asset<S: Clone + Send + Sync + 'static>(kind: &'static str, text: &'static str) -> MethodRouter<S> {
    get(move || std::future::ready(([(CONTENT_TYPE, kind)], text).into_response()))
}

async fn nothing_there() -> Refusal {
    Refusal::from(Failure::new(Kind::NotFound, "the control page has nothing at this address"))
}

async fn wrong_method() -> Response {
    Refusal::method().into_response()
}

/// What handlers take.
type Here<H> = State<Arc<Site<H>>>;
