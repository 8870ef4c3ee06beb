//! PipeWire camera: works with or without v4l2loopback, needs no kernel module and allows any number of readers.
//!
//! [`library`] is the C interface, [`pod`](crate::pipewire::pod) describes the format, and [`node`] is one
//! connection. The render thread only copies a frame to a mailbox; a separate thread communicates with PipeWire.

mod node;

use std::{
    convert::Infallible,
    env, io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use node::{Node, NodeInfo, c_string};

use super::{FrameSink, LABEL, ReaderReport, SinkError, check_size};
use crate::{
    duration::HumanDuration,
    frame::{
        Frame, Pool, Size,
        mailbox::{Latest, Taken},
    },
    pipewire::library::{self, Api},
    process::suspend,
};

/// How long the server may take to create the node; normally milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A PipeWire camera. If the connection is lost it fails, and [`super::Outputs`] reopens it.
pub(super) struct PipeWire {
    name: String,
    size: Size,
    pool: Pool<Frame>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// State shared by the render thread, the feeding thread and PipeWire's thread.
#[derive(Default)]
struct Shared {
    frames: Latest<QueuedFrame>,
    failed: Latest<io::Error>,
    /// Whether the server has created the node.
    ready: AtomicBool,
    reading: AtomicBool,
    report: OnceLock<ReaderReport>,
    overruns: AtomicU64,
}

/// A frame for the readers.
#[derive(Clone)]
struct QueuedFrame {
    frame: Arc<Frame>,
    /// The total suspend time when it was written.
    suspended: Duration,
}

impl QueuedFrame {
    /// Whether the machine, which has now been suspended for `total`, was not suspended since this frame was written.
    /// Both threads may be frozen while they hold one.
    fn is_current(&self, total: Duration) -> bool {
        !suspend::is_between(self.suspended, total)
    }
}

impl Shared {
    /// The node exists; sets whether it has readers.
    fn readers(&self, reading: Option<bool>) {
        self.ready.store(true, Ordering::Release);
        self.reading.store(reading == Some(true), Ordering::Release);
        self.report(reading);
    }

    fn report(&self, reading: Option<bool>) {
        if let Some(report) = self.report.get() {
            report.send(reading);
        }
    }

    fn lost(&self, error: io::Error) {
        self.failed.put(error);
        self.report(None);
    }

    fn count_overrun(&self) {
        self.overruns.fetch_add(1, Ordering::Relaxed);
    }
}

impl PipeWire {
    /// Creates a camera named `label`; the connection is made on another thread.
    ///
    /// # Errors
    /// If the library is not installed, or the thread can't be created.
    pub(super) fn open(label: Option<&str>, size: Size, rate: (u32, u32)) -> Result<Self, SinkError> {
        let api = library::get()?;
        let name = label.map_or("pipewire".to_owned(), |label| format!("pipewire:{label}"));
        let shared = Arc::<Shared>::default();
        let (label, theirs) = (label.map(str::to_owned), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("bgcam-pipewire".into())
            .spawn(move || run(api, label.as_deref(), size, rate, &theirs))
            .map_err(|source| SinkError::Open { name: name.clone(), source })?;
        // One in the mailbox, one being sent, the previous one, and one being filled.
        let pool = Pool::new(4, || Frame::new(size));
        Ok(Self { name, size, pool, shared, thread: Some(thread) })
    }

    fn failure(&self, source: io::Error) -> SinkError {
        SinkError::PipeWire { name: self.name.clone(), source }
    }
}

impl FrameSink for PipeWire {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Size {
        self.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        let suspended = suspend::total();
        check_size(self, frame)?;
        if let Some(error) = self.shared.failed.try_take() {
            return Err(self.failure(error));
        }
        let copy = |buffer: &mut Frame| {
            buffer.copy_from(frame);
            Ok::<_, Infallible>(())
        };
        if let Ok(Some(frame)) = self.pool.fill(copy) {
            self.shared.frames.put(QueuedFrame { frame, suspended });
        }
        if self.shared.ready.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(self.failure(io::ErrorKind::WouldBlock.into()))
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.shared.frames.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        Ok(())
    }

    fn dropped(&self) -> u64 {
        self.shared.overruns.load(Ordering::Relaxed)
    }

    fn report_readers(&mut self, report: ReaderReport) {
        let report = self.shared.report.get_or_init(|| report);
        if self.shared.ready.load(Ordering::Acquire) {
            report.send(Some(self.shared.reading.load(Ordering::Acquire)));
        }
    }
}

impl Drop for PipeWire {
    /// Lets the thread end by itself: the render thread must not wait for it.
    fn drop(&mut self) {
        self.shared.frames.close();
    }
}

fn run(api: &'static Api, label: Option<&str>, size: Size, rate: (u32, u32), shared: &Arc<Shared>) {
    if let Err(error) = feed(api, label, size, rate, shared) {
        shared.lost(error);
    }
}

/// Forwards frames until the mailbox is closed.
fn feed(api: &'static Api, label: Option<&str>, size: Size, rate: (u32, u32), shared: &Arc<Shared>) -> io::Result<()> {
    let (description, node) = (c_string(label.unwrap_or(LABEL)), c_string(&node_name(label)));
    let info = NodeInfo { description: &description, node: &node, size, rate };
    let node = Node::connect(api, &info, shared)?;
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    loop {
        match shared.frames.take(Instant::now() + CONNECT_TIMEOUT) {
            Taken::Value(frame) => node.send(frame),
            Taken::TimedOut => {}
            Taken::Closed => return Ok(()),
        }
        if !shared.ready.load(Ordering::Acquire) && Instant::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no response within {}", HumanDuration(CONNECT_TIMEOUT)),
            ));
        }
    }
}

/// `bgcam`, or `bgcam.a-name` for a camera with another label.
fn node_name(label: Option<&str>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    label.map_or("bgcam".to_owned(), |label| format!("bgcam.{}", label.chars().map(plain).collect::<String>()))
}

/// Whether PipeWire is usable: the library is installed, and the server's socket exists.
pub(super) fn is_available() -> bool {
    library::get().is_ok() && socket(|name| env::var_os(name).map(PathBuf::from)).is_some_and(|path| path.exists())
}

/// Loads the library.
///
/// # Errors
/// If it can't be loaded.
pub(super) fn load() -> Result<(), SinkError> {
    library::get()?;
    Ok(())
}

/// Path of the server's socket, resolved as by the library.
fn socket(var: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let remote = var("PIPEWIRE_REMOTE").unwrap_or_else(|| "pipewire-0".into());
    let dir = ["PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR"].into_iter().find_map(var);
    Some(dir.as_deref().unwrap_or(Path::new("/run/pipewire")).join(remote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_from_before_a_suspend_is_not_current() {
        let frame = Arc::new(Frame::new(Size::HD));
        let hour = Duration::from_secs(3600);
        let queued = QueuedFrame { frame, suspended: hour };
        assert!(queued.is_current(hour));
        assert!(!queued.is_current(hour + Duration::from_secs(1)));
    }

    #[test]
    fn node_names_are_plain_ascii() {
        assert_eq!(node_name(None), "bgcam");
        assert_eq!(node_name(Some("Büro Cam 2")), "bgcam.b-ro-cam-2");
    }

    #[test]
    fn the_socket_path_matches_the_library() {
        let with = |vars: &'static [(&str, &str)]| {
            socket(move |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        let expect = |path: &str| Some(PathBuf::from(path));
        assert_eq!(with(&[("XDG_RUNTIME_DIR", "/run/user/1")]), expect("/run/user/1/pipewire-0"));
        assert_eq!(with(&[("PIPEWIRE_RUNTIME_DIR", "/a"), ("XDG_RUNTIME_DIR", "/b")]), expect("/a/pipewire-0"));
        assert_eq!(with(&[("XDG_RUNTIME_DIR", "/b"), ("PIPEWIRE_REMOTE", "/c/d")]), expect("/c/d"));
    }
}
