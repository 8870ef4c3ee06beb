//! The control page: a live preview and all settings, in a browser on this machine.
//!
//! It runs on its own thread and runtime, so that a slow browser cannot delay the camera or the control socket. It
//! handles the same [`Request`](crate::control::protocol::Request)s as the command line, through the same [`Service`].
//!
//! - `serve` accepts connections of this user's programs (`peer`).
//! - `guard` authorizes requests, with the codes and sessions of `access`; `resume` continues them after a restart.
//! - `api`, `gallery` and `media` implement the endpoints, `events` streams the status, `live` the preview (encoded by `jpeg`).
//! - `reply` builds responses and errors. The page itself is in `page/`.

mod access;
mod api;
mod error;
mod events;
mod gallery;
mod guard;
mod jpeg;
mod live;
mod media;
mod peer;
mod reply;
mod resume;
mod serve;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
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
    sync::{Semaphore, oneshot},
};

pub use self::{access::Access, error::WebError};
use self::{gallery::Thumbnails, guard::Guard, live::Live, reply::HttpError, resume::Tickets};
use crate::{
    compose::RoomVisible,
    config::Config,
    control::{
        protocol::{Request, Response as DaemonResponse},
        server::Service,
    },
    error::{Failure, Kind},
    gallery::Gallery,
    pipeline::Preview,
};

/// Runs the checks of `bgcam doctor`; the report as JSON. Passed in, because the checks are above the page in the order
/// of imports.
pub type Doctor = fn() -> Result<serde_json::Value, Failure>;

/// The daemon behind the page.
pub trait Backend: Service + Clone {
    /// The settings in effect.
    fn config(&self) -> Config;

    /// The generated and imported images.
    ///
    /// # Errors
    /// If the gallery cannot be opened.
    fn gallery(&self) -> Result<Gallery, Failure>;

    /// Gallery ids of the images that are in use and must not be evicted.
    fn kept_ids(&self) -> Vec<String>;

    /// The sequence number of a request that arrives now.
    fn next_arrival(&self) -> u64;

    /// Shows an image of the gallery, unless a request after `arrival` has chosen another background.
    fn show_image(&self, path: PathBuf, arrival: u64) -> impl Future<Output = Result<DaemonResponse, Failure>> + Send;

    /// The source of the live preview.
    fn preview(&self) -> Arc<Preview>;

    /// Whether the user has not chosen anything yet.
    fn is_first_run(&self) -> bool;

    /// The checks of this machine, if this daemon has them.
    fn doctor(&self) -> Option<Doctor>;

    /// Why other people could see the user's room after `request`, if they cannot now.
    fn reveals_room(&self, request: &Request) -> Option<RoomVisible>;
}

/// The running control page; stops when dropped.
#[derive(Debug)]
pub struct Page {
    access: Arc<Access>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// State shared by the request handlers.
struct AppState<B> {
    backend: B,
    /// The daemon's runtime, on which its requests run.
    daemon_runtime: Handle,
    access: Arc<Access>,
    tickets: Tickets,
    live: Live,
    thumbnails: Thumbnails,
    /// Slots for subscribers of the status.
    subscribers: Arc<Semaphore>,
    /// One upload at a time: an image is held in memory, and free space is checked before a video.
    uploads: Semaphore,
    /// One run of the checks at a time.
    checks: Semaphore,
}

/// Maximum number of status subscribers; further ones are refused.
const MAX_SUBSCRIBERS: usize = 8;

/// Kernel send buffer in bytes; small, to bound the latency of a slow viewer.
const SEND_BUFFER: u32 = 128 << 10;

/// Length of the queue of pending connections.
const BACKLOG: u32 = 64;

/// How long blocking work, such as decoding an image, may delay the shutdown.
const WORK_TIMEOUT: Duration = Duration::from_millis(200);

impl Page {
    /// Serves the page on a port of the loopback interface; 0 selects the last port if it is known and free, so that open
    /// tabs continue, or any free port. `dir` is the runtime directory. Requests run on the current runtime.
    ///
    /// # Errors
    /// If the port is in use, or no thread can be started.
    pub fn open<B: Backend>(backend: B, port: u16, dir: &Path) -> Result<Self, WebError> {
        let file = resume::file_in(dir);
        let last = resume::last_port(&file).filter(|_| port == 0).and_then(|last| bind(last).ok());
        let listener = last.map_or_else(|| bind(port), Ok).map_err(|source| WebError::Bind { port, source })?;
        let port = listener.local_addr().map_err(|source| WebError::Bind { port, source })?.port();
        let access = Arc::new(Access::new(port));
        let guard = Guard::new(Arc::clone(&access));
        let state = Arc::new(AppState {
            access: Arc::clone(&access),
            tickets: Tickets::load(file, port)?,
            live: Live::new(backend.preview()),
            backend,
            daemon_runtime: Handle::current(),
            thumbnails: Thumbnails::default(),
            subscribers: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
            uploads: Semaphore::new(1),
            checks: Semaphore::new(1),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("bgcam-page".to_owned());
        let thread = thread.spawn(move || run(listener, &state, guard, stopped)).map_err(WebError::Thread)?;
        Ok(Self { access, stop: Some(stop), thread: Some(thread) })
    }

    /// Issues addresses that open the page.
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the control page's thread panicked");
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

fn run<B: Backend>(
    listener: std::net::TcpListener,
    state: &Arc<AppState<B>>,
    guard: Guard,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match Builder::new_current_thread().enable_all().max_blocking_threads(4).build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::warn!("cannot serve the control page: {error}"),
    };
    runtime.block_on(async {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::warn!("cannot serve the control page: {error}"),
        };
        tokio::select! {
            () = serve::serve(listener, router(state, guard)) => {}
            () = state.live.encode() => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_timeout(WORK_TIMEOUT);
}

fn router<B: Backend>(state: &Arc<AppState<B>>, guard: Guard) -> Router {
    let html = "text/html; charset=utf-8";
    let script = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", asset(html, include_str!("page/index.html")))
        .route("/app.js", asset(script, include_str!("page/app.js")))
        .route("/backgrounds.js", asset(script, include_str!("page/backgrounds.js")))
        .route("/create.js", asset(script, include_str!("page/create.js")))
        .route("/edit.js", asset(script, include_str!("page/edit.js")))
        .route("/look.js", asset(script, include_str!("page/look.js")))
        .route("/keys.js", asset(script, include_str!("page/keys.js")))
        .route("/presets.js", asset(script, include_str!("page/presets.js")))
        .route("/guide.js", asset(script, include_str!("page/guide.js")))
        .route("/start.js", asset(script, include_str!("page/start.js")))
        .route("/style.css", asset("text/css; charset=utf-8", include_str!("page/style.css")))
        .route("/icon.svg", asset("image/svg+xml", include_str!("../../config/desktop/bgcam.svg")))
        .route("/live/{view}", get(live::stream::<B>))
        .route("/api/request", post(api::request::<B>))
        .route("/api/events", get(events::subscribe::<B>))
        .route("/api/look", get(api::look_settings::<B>))
        .route("/api/devices", get(api::devices))
        .route("/api/providers", get(api::providers::<B>))
        .route("/api/styles", get(api::styles))
        .route("/api/doctor", get(api::doctor::<B>))
        .route("/api/session", get(resume::session::<B>))
        .route(guard::RESUME, get(resume::challenge::<B>).post(resume::resume::<B>))
        .route("/api/gallery", get(gallery::list::<B>))
        .route("/api/gallery/{id}", delete(gallery::remove::<B>))
        .route("/api/gallery/{id}/thumb", get(gallery::thumbnail::<B>))
        .route("/api/gallery/{id}/use", post(gallery::show::<B>))
        .route("/api/gallery/{id}/favourite", post(gallery::set_favourite::<B>))
        .route("/api/upload/{name}", post(gallery::upload::<B>))
        .route("/api/files", get(media::list))
        .route("/api/files/{name}", delete(media::remove::<B>))
        .route("/api/files/background/{name}", post(media::upload_background::<B>))
        .route("/api/files/overlay/{name}", post(media::upload_overlay::<B>))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
        .with_state(Arc::clone(state))
}

fn asset<S: Clone + Send + Sync + 'static>(kind: &'static str, text: &'static str) -> MethodRouter<S> {
    get(move || std::future::ready(([(CONTENT_TYPE, kind)], text).into_response()))
}

async fn not_found() -> HttpError {
    HttpError::from(Failure::new(Kind::NotFound, "no such address on the control page"))
}

async fn method_not_allowed() -> Response {
    HttpError::method().into_response()
}

/// The state parameter of request handlers.
type AppStateRef<B> = State<Arc<AppState<B>>>;
