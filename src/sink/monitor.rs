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

/// State of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutputState {
    /// The last write succeeded.
    Ok,
    /// The output has failed.
    Failed {
        /// Reason.
        failure: Failure,
        /// Time of the first failure.
        since: Instant,
        /// Failed reopen attempts.
        retries: u32,
        /// Whether the failure is permanent: the output will not be reopened.
        permanent: bool,
    },
}

/// State of an output, for `status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputStatus {
    /// The output as configured.
    pub output: SinkSpec,
    /// Path of the opened output, for example `/dev/video10`; the last one while it has failed.
    pub name: String,
    /// Whether it has readers; `None` if the output can't tell.
    pub read: Option<bool>,
    /// Frames written.
    pub written: u64,
    /// Frames dropped because the output was too slow.
    pub dropped: u64,
    /// Reason of the current failure.
    pub failure: Option<Failure>,
    /// Seconds since the first failure.
    pub failed_for: Option<f64>,
    /// Failed reopen attempts since then.
    pub retries: u32,
}

/// The state of all outputs, shared with other threads.
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
    /// State of each output, in configured order.
    pub fn status(&self, now: Instant) -> Vec<OutputStatus> {
        self.entries.iter().map(|entry| entry.status(now)).collect()
    }

    /// Reopens failed outputs at the next frame, because a device has appeared.
    pub fn retry_now(&self) {
        self.retry.store(true, Ordering::Relaxed);
    }

    /// The outputs as configured.
    pub fn specs(&self) -> impl Iterator<Item = &SinkSpec> {
        self.entries.iter().map(|entry| &entry.spec)
    }

    /// Subscribes to the readers reported by each output, in configured order.
    ///
    /// PipeWire outputs report their readers; v4l2loopback devices must be polled.
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
