//! The watch thread: detects readers of the virtual cameras and new devices, and measures free CPU time.
//!
//! v4l2loopback 0.13 and later report which process streams. For older versions, inotify reports that a process opens
//! the node, and `/proc` shows whether it keeps it open and maps its buffers. PipeWire outputs report their own
//! readers.

use std::{
    io,
    os::fd::AsRawFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use inotify::{EventMask, Inotify, WatchMask};

use arc_swap::ArcSwap;

use super::{
    Preview,
    camera_search::CameraSearch,
    demand::{Demand, Readers},
    health::Health,
    quality::machine::{LatestHeadroom, Machine},
    wake::WakeSignal,
};
use crate::{
    camera,
    mask::{self, Quality},
    sink::{OutputMonitor, OutputStatus, SinkSpec, loopback::usage::Usage},
    v4l2::holders::{self, Holder},
};

/// How long to wait for events; also the maximum delay in noticing a PipeWire reader. A timeout is needed anyway: with
/// an old driver, only `/proc` shows when a holder starts to stream, and [`Demand`] acts after delays.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How often to list the nodes and to check whether their holders still have them open.
const RESCAN_INTERVAL: Duration = Duration::from_secs(1);

/// The delay after a new node appears: udev sets its group, and a webcam creates several nodes.
const SETTLE: Duration = Duration::from_millis(400);

/// Whether the camera should be on and why; shared with the threads that act on it.
#[derive(Debug, Default)]
pub(super) struct CameraPower {
    on: AtomicBool,
    always: AtomicBool,
    reason: Mutex<String>,
}

impl CameraPower {
    pub(super) fn new(always: bool) -> Self {
        Self { always: AtomicBool::new(always), ..Self::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    pub(super) fn set_always(&self, always: bool) {
        self.always.store(always, Ordering::Release);
    }

    /// Why the camera is on or off, for display.
    pub(super) fn reason(&self) -> String {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the state; `reason` is called only if it may have changed. Returns whether the state changed.
    fn decide(&self, on: bool, may_be_new: bool, reason: impl FnOnce() -> String) -> bool {
        let changed = self.on.swap(on, Ordering::AcqRel) != on;
        if changed || may_be_new {
            let reason = reason();
            *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        }
        changed
    }
}

/// The watch thread's settings and state.
pub(super) struct Watch {
    pub(super) load_interval: Duration,
    pub(super) wake: Arc<WakeSignal>,
    pub(super) camera: Arc<ArcSwap<camera::Settings>>,
    pub(super) mask: Arc<ArcSwap<mask::Settings>>,
    pub(super) power: Arc<CameraPower>,
    pub(super) cpu: Arc<LatestHeadroom>,
    pub(super) preview: Arc<Preview>,
    pub(super) health: Arc<Health>,
}

impl Watch {
    /// Watches until the pipeline stops.
    pub(super) fn run(&self, monitor: &OutputMonitor, mut machine: Box<dyn Machine>) {
        let mut inotify = Inotify::init().inspect_err(|error| tracing::warn!("inotify is unavailable: {error}")).ok();
        if let Some(inotify) = &mut inotify {
            let plugged = WatchMask::CREATE | WatchMask::ATTRIB;
            let _ = inotify.watches().add("/dev", plugged); // without it a new camera is found a few seconds later
        }
        let search = CameraSearch::new(Arc::clone(&self.camera), Arc::clone(&self.health), Arc::clone(&self.wake));
        let mut nodes = NodeWatch::default();
        let mut demand = Demand::default();
        let mut known = None;
        let mut measured = None;
        while !self.wake.is_stopped() {
            let now = Instant::now();
            let cause = match self.fixed_reason(monitor) {
                Some(why) => {
                    nodes.clear();
                    self.decide(true, known != Some(Cause::Fixed(why)), || why.to_owned());
                    Cause::Fixed(why)
                }
                None => {
                    nodes.scan_if_due(monitor, inotify.as_mut(), now);
                    self.follow_readers(&mut nodes, &mut demand, known.as_ref(), monitor, now)
                }
            };
            known = Some(cause);
            self.measure_headroom(&mut *machine, &mut measured, now);
            if nodes.wait(inotify.as_ref()) {
                nodes.handle_events(inotify.as_mut());
            }
            if nodes.plugged_in.is_some_and(|since| since.elapsed() >= SETTLE) {
                nodes.plugged_in = None;
                monitor.retry_now();
                search.start();
            }
        }
    }

    /// Decides from the readers whether the camera is on.
    fn follow_readers(
        &self,
        nodes: &mut NodeWatch,
        demand: &mut Demand,
        known: Option<&Cause>,
        monitor: &OutputMonitor,
        now: Instant,
    ) -> Cause {
        let pipewire = monitor.readers().borrow().contains(&Some(true));
        let page = self.preview.has_viewers();
        let apps = nodes.readers(pipewire);
        let on = demand.update(&Readers { streaming: apps.streaming || page, ..apps.clone() }, now);
        let cause = Cause::Readers { apps, pipewire, page };
        self.decide(on, known != Some(&cause), || nodes.reason(on, &cause));
        cause
    }

    /// Measures the CPU headroom if quality `auto` needs it. Done here because the kernel may be slow, and the render
    /// thread must not wait for it.
    fn measure_headroom(&self, machine: &mut dyn Machine, measured: &mut Option<Instant>, now: Instant) {
        let is_due = measured.is_none_or(|last| now.duration_since(last) >= self.load_interval);
        if !self.power.is_on() || self.mask.load().quality != Quality::Auto {
            *measured = None;
            self.cpu.set(None);
        } else if is_due {
            // the first measurement after a pause covers the pause
            let headroom = machine.measure();
            self.cpu.set(measured.replace(now).map(|_| headroom));
        }
    }

    fn decide(&self, on: bool, may_be_new: bool, reason: impl FnOnce() -> String) {
        if self.power.decide(on, may_be_new, reason) {
            tracing::info!("camera {}: {}", if on { "on" } else { "off" }, self.power.reason());
            self.wake.wake();
        }
    }

    /// Why the camera is on regardless of readers, if so.
    fn fixed_reason(&self, monitor: &OutputMonitor) -> Option<&'static str> {
        if self.power.always.load(Ordering::Acquire) {
            return Some("camera.always_on is set");
        }
        let is_camera =
            |spec: &SinkSpec| matches!(spec, SinkSpec::Auto | SinkSpec::Loopback(_) | SinkSpec::PipeWire(_));
        if monitor.specs().any(|spec| matches!(spec, SinkSpec::Y4m(_) | SinkSpec::Mp4(_))) {
            Some("a video is being recorded")
        } else if monitor.specs().any(is_camera) {
            None
        } else {
            Some("there is no virtual camera")
        }
    }
}

/// Why the camera is on or off.
#[derive(Debug, PartialEq)]
enum Cause {
    Fixed(&'static str),
    Readers { apps: Readers, pipewire: bool, page: bool },
}

/// The v4l2loopback nodes among the outputs, and their readers.
#[derive(Debug, Default)]
struct NodeWatch {
    nodes: Vec<Node>,
    /// When the last new video node appeared that has not been handled yet.
    plugged_in: Option<Instant>,
    poll_fds: Vec<libc::pollfd>,
    scanned: Option<Instant>,
}

#[derive(Debug)]
struct Node {
    path: PathBuf,
    /// `None` if the driver does not report which process streams.
    usage: Option<Usage>,
    /// The processes that have it open, if the driver reports no more than that.
    holders: Vec<Holder>,
    /// A process has opened or closed it since the last check.
    touched: bool,
}

impl NodeWatch {
    /// Drops all nodes; their unread events would end every wait immediately.
    fn clear(&mut self) {
        self.nodes.clear();
        self.scanned = None;
    }

    fn scan_if_due(&mut self, monitor: &OutputMonitor, inotify: Option<&mut Inotify>, now: Instant) {
        if self.scanned.is_none_or(|last| now.duration_since(last) >= RESCAN_INTERVAL) {
            self.scan(monitor, inotify);
            self.scanned = Some(now);
        }
    }

    /// Adds new nodes and drops those that are gone.
    fn scan(&mut self, monitor: &OutputMonitor, mut inotify: Option<&mut Inotify>) {
        let outputs = monitor.status(Instant::now());
        let written: Vec<_> = outputs.iter().filter_map(OutputStatus::loopback_node).collect();
        self.nodes.retain(|node| written.contains(&node.path));
        for path in written {
            if !self.nodes.iter().any(|node| node.path == path)
                && let Ok(usage) = Usage::subscribe(&path)
            {
                if let Some(inotify) = inotify.as_deref_mut() {
                    let _ = inotify.watches().add(&path, WatchMask::OPEN | WatchMask::CLOSE); // else the next scan finds it
                }
                self.nodes.push(Node { path, usage, holders: Vec::new(), touched: true });
            }
        }
        // a scan also finds changes that inotify missed
        self.nodes.iter_mut().for_each(|node| node.touched = true);
    }

    /// The current readers.
    fn readers(&mut self, pipewire: bool) -> Readers {
        let mut readers = Readers { streaming: pipewire, holding: Vec::new() };
        self.nodes.retain_mut(|node| node.add_readers(&mut readers).is_ok());
        readers
    }

    /// Waits a short time for events; returns true if inotify has some.
    fn wait(&mut self, inotify: Option<&Inotify>) -> bool {
        let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
        let usages = self.nodes.iter().filter_map(|node| node.usage.as_ref());
        self.poll_fds.clear();
        self.poll_fds.push(entry(inotify.map_or(-1, AsRawFd::as_raw_fd), libc::POLLIN));
        self.poll_fds.extend(usages.map(|usage| entry(usage.fd(), libc::POLLPRI)));
        let count = self.poll_fds.len() as libc::nfds_t;
        let millis = POLL_INTERVAL.as_millis() as libc::c_int;
        // SAFETY: `poll_fds` has `count` elements and outlives the call; a negative descriptor is skipped.
        let ready = unsafe { libc::poll(self.poll_fds.as_mut_ptr(), count, millis) };
        ready > 0 && self.poll_fds[0].revents != 0
    }

    fn handle_events(&mut self, inotify: Option<&mut Inotify>) {
        let Some(inotify) = inotify else { return };
        let mut buffer = [0; 4096];
        let Ok(events) = inotify.read_events(&mut buffer) else { return };
        for event in events {
            match event.name {
                // in `/dev`
                Some(name) if name.to_str().is_some_and(|name| name.starts_with("video")) => {
                    self.plugged_in = Some(Instant::now());
                }
                Some(_) => {}
                None => {
                    self.nodes.iter_mut().for_each(|node| node.touched = true);
                    if event.mask.contains(EventMask::IGNORED) {
                        self.scanned = None; // the node is gone
                    }
                }
            }
        }
    }

    /// The reason, for display. An app is named rather than the control page, whose user knows that it is open.
    fn reason(&self, on: bool, cause: &Cause) -> String {
        let name = |node: &Node| {
            let holder = holders::first(&node.path)?;
            Some(format!("{holder} is using {}", node.path.display()))
        };
        let unnamed = match cause {
            _ if !on => return "no app is using the camera".to_owned(),
            Cause::Fixed(why) => why,
            Cause::Readers { pipewire: true, .. } => "an app is using it through PipeWire",
            Cause::Readers { apps: Readers { streaming: true, .. }, .. } => "an app is using it",
            Cause::Readers { page: true, .. } => "the control page is open",
            Cause::Readers { apps, .. } if !apps.holding.is_empty() => "an app is using it",
            Cause::Readers { .. } => "an app used it a moment ago",
        };
        self.nodes.iter().find_map(name).unwrap_or_else(|| unnamed.to_owned())
    }
}

impl Node {
    fn add_readers(&mut self, readers: &mut Readers) -> io::Result<()> {
        if let Some(usage) = &mut self.usage {
            readers.streaming |= usage.streaming()?;
            return Ok(());
        }
        // a holder may start to stream at any time; a scan takes milliseconds, so there must be a reason for it
        if std::mem::take(&mut self.touched) || !self.holders.is_empty() {
            self.holders = holders::all(&self.path)?;
        }
        for holder in &self.holders {
            if holders::has_mapped(holder.pid, &self.path) {
                readers.streaming = true;
            } else {
                readers.holding.push(holder.pid);
            }
        }
        Ok(())
    }
}
