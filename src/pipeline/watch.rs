//! The watch thread: sees who reads the virtual cameras and says whether the camera is wanted, what is plugged in, and how
//! much room the machine has.
//!
//! v4l2loopback 0.13 and later tell who streams. Of older ones inotify tells that somebody opens the node, and `/proc` whether
//! he keeps it open and has its buffers mapped. PipeWire tells by itself.

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

use super::{
    Shared,
    demand::{Demand, Seen},
    quality::machine::Machine,
};
use crate::{
    camera,
    mask::Quality,
    sink::{OutputMonitor, OutputStatus, SinkSpec, loopback::usage::Usage},
    v4l2::holders::{self, Holder},
};

/// How long to wait for news, which is also how late PipeWire's news may be seen.
const LOOK: Duration = Duration::from_millis(100);

/// How often to see which nodes there are, and whether those who held one still do.
const SURVEY: Duration = Duration::from_secs(1);

/// How long to wait after a node has appeared: udev gives it its group, and a webcam has several.
const SETTLE: Duration = Duration::from_millis(400);

/// Whether the camera is wanted, and why; shared with the threads that act on it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    on: AtomicBool,
    always: AtomicBool,
    why: Mutex<String>,
}

impl Wanted {
    pub(super) fn new(always: bool) -> Self {
        Self { always: AtomicBool::new(always), ..Self::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    pub(super) fn set_always(&self, always: bool) {
        self.always.store(always, Ordering::Release);
    }

    /// Why the camera is on or off, for people.
    pub(super) fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a decision, for a reason that is asked for when it may be a new one; true when it is another than before.
    fn decide(&self, on: bool, may_be_new: bool, why: impl FnOnce() -> String) -> bool {
        let changed = self.on.swap(on, Ordering::AcqRel) != on;
        if changed || may_be_new {
            let why = why();
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        }
        changed
    }
}

/// Looks until the pipeline stops.
pub(super) fn run(shared: &Shared, monitor: &OutputMonitor, mut machine: Box<dyn Machine>) {
    let mut inotify = Inotify::init().inspect_err(|error| tracing::warn!("no inotify: {error}")).ok();
    if let Some(inotify) = &mut inotify {
        let plugged = WatchMask::CREATE | WatchMask::ATTRIB;
        let _ = inotify.watches().add("/dev", plugged); // without it a camera is found some seconds later
    }
    let (mut watch, mut demand) = (Watch::default(), Demand::default());
    let (mut known, mut measured) = (None, None);
    while !shared.switch.is_stopped() {
        let now = Instant::now();
        match standing_reason(shared, monitor) {
            Some(why) => {
                // news that nobody takes would end each wait at once
                watch.nodes.clear();
                watch.surveyed = None;
                decide(shared, true, known != Some(Cause::Standing(why)), || why.to_owned());
                known = Some(Cause::Standing(why));
            }
            None => {
                if watch.surveyed.is_none_or(|last| now.duration_since(last) >= SURVEY) {
                    watch.survey(monitor, inotify.as_mut());
                    watch.surveyed = Some(now);
                }
                let told = monitor.readers().borrow().contains(&Some(true));
                let page = shared.tap.is_watched();
                let apps = watch.look(told);
                let on = demand.look(&Seen { streaming: apps.streaming || page, ..apps.clone() }, now);
                let cause = Cause::Seen { apps, told, page };
                decide(shared, on, known.as_ref() != Some(&cause), || watch.reason(on, &cause));
                known = Some(cause);
            }
        }
        // here and not on the way of a frame: the kernel may take its time
        let is_due = measured.is_none_or(|last| now.duration_since(last) >= shared.second);
        if !shared.wanted.is_on() || shared.mask.load().quality != Quality::Auto {
            measured = None;
            shared.set_room(None);
        } else if is_due {
            // the first look after a pause tells of the pause
            let room = machine.look();
            shared.set_room(measured.replace(now).map(|_| room));
        }
        if watch.wait(inotify.as_ref()) {
            watch.take_news(inotify.as_mut());
        }
        if watch.plugged_in.is_some_and(|since| since.elapsed() >= SETTLE) {
            watch.plugged_in = None;
            plugged_in(shared, monitor);
        }
    }
}

/// What the camera is on or off for.
#[derive(Debug, PartialEq)]
enum Cause {
    Standing(&'static str),
    Seen { apps: Seen, told: bool, page: bool },
}

/// A node has appeared: what is missing may be it, and it may be the camera that is meant.
fn plugged_in(shared: &Shared, monitor: &OutputMonitor) {
    monitor.retry_now();
    let source = shared.stations().source.clone();
    let Some(source) = source else {
        shared.switch.wake(); // whoever waits to open the camera again need not wait longer
        return;
    };
    let settings = shared.camera.load_full();
    match camera::locate(&settings) {
        Ok(Some(path)) if source.path.as_ref() != Some(&path) => {
            tracing::info!("changing to the camera at {}, which suits {:?} better", path.display(), settings.device);
            // the same settings in another place: the capture thread opens the camera anew
            shared.camera.store(Arc::new((*settings).clone()));
        }
        _ => {}
    }
}

fn decide(shared: &Shared, on: bool, may_be_new: bool, why: impl FnOnce() -> String) {
    if shared.wanted.decide(on, may_be_new, why) {
        tracing::info!("camera {}: {}", if on { "on" } else { "off" }, shared.wanted.why());
        shared.switch.wake();
    }
}

/// Why the camera is on whoever reads.
fn standing_reason(shared: &Shared, monitor: &OutputMonitor) -> Option<&'static str> {
    if shared.wanted.always.load(Ordering::Acquire) {
        return Some("always_on is set");
    }
    let tells = |spec: &SinkSpec| matches!(spec, SinkSpec::Auto | SinkSpec::Loopback(_) | SinkSpec::PipeWire(_));
    if monitor.specs().any(|spec| matches!(spec, SinkSpec::Y4m(_) | SinkSpec::Mp4(_))) {
        Some("a video is written")
    } else if monitor.specs().any(tells) {
        None
    } else {
        Some("there is no virtual camera to be read")
    }
}

/// The nodes that we write to, as their readers see them.
#[derive(Debug, Default)]
struct Watch {
    nodes: Vec<Node>,
    /// When the last video node appeared that was not looked at yet.
    plugged_in: Option<Instant>,
    polled: Vec<libc::pollfd>,
    surveyed: Option<Instant>,
}

#[derive(Debug)]
struct Node {
    path: PathBuf,
    /// `None` where the driver does not tell who streams.
    usage: Option<Usage>,
    /// Who holds it, where the driver does not tell more.
    holders: Vec<Holder>,
    /// Somebody has opened or closed it since the last look.
    touched: bool,
}

impl Watch {
    /// Takes up nodes that are new and lets go of those that are gone.
    fn survey(&mut self, monitor: &OutputMonitor, mut inotify: Option<&mut Inotify>) {
        let outputs = monitor.status(Instant::now());
        let written: Vec<_> = outputs.iter().filter_map(OutputStatus::loopback_node).collect();
        self.nodes.retain(|node| written.contains(&node.path));
        for path in written {
            if !self.nodes.iter().any(|node| node.path == path)
                && let Ok(usage) = Usage::subscribe(&path)
            {
                if let Some(inotify) = inotify.as_deref_mut() {
                    let _ = inotify.watches().add(&path, WatchMask::OPEN | WatchMask::CLOSE); // then the survey sees it
                }
                self.nodes.push(Node { path, usage, holders: Vec::new(), touched: true });
            }
        }
        // a survey also finds what inotify did not tell
        self.nodes.iter_mut().for_each(|node| node.touched = true);
    }

    /// Who streams, and who may.
    fn look(&mut self, told: bool) -> Seen {
        let mut seen = Seen { streaming: told, holding: Vec::new() };
        self.nodes.retain_mut(|node| node.look(&mut seen).is_ok());
        seen
    }

    /// Waits for news, a little while; true when there is some from inotify.
    fn wait(&mut self, inotify: Option<&Inotify>) -> bool {
        let entry = |fd, events| libc::pollfd { fd, events, revents: 0 };
        let usages = self.nodes.iter().filter_map(|node| node.usage.as_ref());
        self.polled.clear();
        self.polled.push(entry(inotify.map_or(-1, AsRawFd::as_raw_fd), libc::POLLIN));
        self.polled.extend(usages.map(|usage| entry(usage.fd(), libc::POLLPRI)));
        let (count, millis) = (self.polled.len() as libc::nfds_t, LOOK.as_millis() as libc::c_int);
        // SAFETY: `polled` is as long as is said, and alive during the call; a negative descriptor is skipped.
        let ready = unsafe { libc::poll(self.polled.as_mut_ptr(), count, millis) };
        ready > 0 && self.polled[0].revents != 0
    }

    fn take_news(&mut self, inotify: Option<&mut Inotify>) {
        let Some(inotify) = inotify else { return };
        let mut buffer = [0; 4096];
        let Ok(events) = inotify.read_events(&mut buffer) else { return };
        for event in events {
            match event.name {
                // of `/dev` itself
                Some(name) if name.to_str().is_some_and(|name| name.starts_with("video")) => {
                    self.plugged_in = Some(Instant::now());
                }
                Some(_) => {}
                None => {
                    self.nodes.iter_mut().for_each(|node| node.touched = true);
                    if event.mask.contains(EventMask::IGNORED) {
                        self.surveyed = None; // it is gone
                    }
                }
            }
        }
    }

    /// Why, for people: an app comes before the control page, which knows of itself.
    fn reason(&self, on: bool, cause: &Cause) -> String {
        let name = |node: &Node| {
            let holder = holders::first(&node.path)?;
            Some(format!("{holder} reads {}", node.path.display()))
        };
        let unnamed = match cause {
            _ if !on => return "nobody reads".to_owned(),
            Cause::Standing(why) => why,
            Cause::Seen { told: true, .. } => "an app reads through PipeWire",
            Cause::Seen { apps: Seen { streaming: true, .. }, .. } => "an app reads",
            Cause::Seen { page: true, .. } => "the control page watches",
            Cause::Seen { apps, .. } if !apps.holding.is_empty() => "an app reads",
            Cause::Seen { .. } => "it was read a moment ago",
        };
        self.nodes.iter().find_map(name).unwrap_or_else(|| unnamed.to_owned())
    }
}

impl Node {
    fn look(&mut self, seen: &mut Seen) -> io::Result<()> {
        if let Some(usage) = &mut self.usage {
            seen.streaming |= usage.streaming()?;
            return Ok(());
        }
        // somebody who holds it may begin to stream at any time; a scan takes milliseconds, so not without a cause
        if std::mem::take(&mut self.touched) || !self.holders.is_empty() {
            self.holders = holders::all(&self.path)?;
        }
        for holder in &self.holders {
            if holders::maps(holder.pid, &self.path) {
                seen.streaming = true;
            } else {
                seen.holding.push(holder.pid);
            }
        }
        Ok(())
    }
}
