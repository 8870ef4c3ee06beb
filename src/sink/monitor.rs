//! The state of all outputs, readable from every thread.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{ReaderReport, Readers, SinkSpec};
use crate::error::Failure;

/// How an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutputState {
    /// The last frame went out.
    Ok,
    /// It takes no frames.
    Failed {
        /// Why.
        failure: Failure,
        /// Since when.
        since: Instant,
        /// How often it was opened anew in vain.
        retries: u32,
        /// Whether it will be opened anew.
        permanent: bool,
    },
}

/// How an output is, for `status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputStatus {
    /// The output as the settings name it.
    pub output: SinkSpec,
    /// The path of what was opened, such as `/dev/video10`; the last one while it is failing.
    pub name: String,
    /// Whether somebody reads it; `None` where it can't tell by itself.
    pub read: Option<bool>,
    /// Frames that it took.
    pub written: u64,
    /// Frames that it found no room for.
    pub dropped: u64,
    /// Why it takes no frames, if so.
    pub failure: Option<Failure>,
    /// Seconds since it failed.
    pub failed_for: Option<f64>,
    /// How often it was opened anew in vain since then.
    pub retries: u32,
}

/// The state of all outputs, to look at from other threads.
#[derive(Debug)]
pub struct OutputMonitor {
    pub(super) entries: Box<[Entry]>,
    pub(super) readers: Arc<watch::Sender<Readers>>,
    pub(super) retry: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) spec: SinkSpec,
    pub(super) name: ArcSwap<String>,
    pub(super) state: ArcSwap<OutputState>,
    pub(super) report: ReaderReport,
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
}

impl OutputMonitor {
    /// How each output is, in the order of the settings.
    pub fn status(&self, now: Instant) -> Vec<OutputStatus> {
        self.entries.iter().map(|entry| entry.status(now)).collect()
    }

    /// Has what failed opened anew at the next frame: something was plugged in.
    pub fn retry_now(&self) {
        self.retry.store(true, Ordering::Relaxed);
    }

    /// The outputs as the settings name them.
    pub fn specs(&self) -> impl Iterator<Item = &SinkSpec> {
        self.entries.iter().map(|entry| &entry.spec)
    }

    /// Which outputs say that somebody reads them, now and later, in the order of the settings.
    ///
    /// PipeWire says it; v4l2loopback has to be asked.
    pub fn readers(&self) -> watch::Receiver<Readers> {
        self.readers.subscribe()
    }
}

impl OutputStatus {
    /// The device node of a working v4l2loopback output.
    pub(crate) fn loopback_node(&self) -> Option<PathBuf> {
        let is_loopback = matches!(self.output, SinkSpec::Auto | SinkSpec::Loopback(_));
        (is_loopback && self.failure.is_none() && self.name.starts_with("/dev/")).then(|| PathBuf::from(&self.name))
    }
}

impl Entry {
    pub(super) fn new(spec: &SinkSpec, report: ReaderReport) -> Self {
        Self {
            spec: spec.clone(),
            name: ArcSwap::from_pointee(spec.to_string()),
            state: ArcSwap::from_pointee(OutputState::Ok),
            report,
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    fn status(&self, now: Instant) -> OutputStatus {
        let (failure, failed_for, retries) = match &**self.state.load() {
            OutputState::Ok => (None, None, 0),
            OutputState::Failed { failure, since, retries, .. } => {
                (Some(failure.clone()), Some(now.saturating_duration_since(*since).as_secs_f64()), *retries)
            }
        };
        OutputStatus {
            output: self.spec.clone(),
            name: self.name.load().to_string(),
            read: self.report.reading(),
            written: self.written.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            failure,
            failed_for,
            retries,
        }
    }
}
