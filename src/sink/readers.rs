//! Reports from outputs that know whether they have readers, sent on every change.

use std::{mem, sync::Arc};

use tokio::sync::watch;

/// Whether each output has readers, in configured order; `None` if the output does not know or has failed.
pub type Readers = Vec<Option<bool>>;

/// Where one output reports its readers.
#[derive(Debug, Clone)]
pub struct ReaderReport {
    all: Arc<watch::Sender<Readers>>,
    index: usize,
}

impl ReaderReport {
    /// The report of output `index` in `all`.
    pub(super) fn new(all: &Arc<watch::Sender<Readers>>, index: usize) -> Self {
        Self { all: Arc::clone(all), index }
    }

    /// Reports whether this output has readers. Notifies the subscribers of a change without waiting for them.
    pub fn send(&self, reading: Option<bool>) {
        self.all.send_if_modified(|all| mem::replace(&mut all[self.index], reading) != reading);
    }

    /// The last report.
    pub(super) fn reading(&self) -> Option<bool> {
        self.all.borrow()[self.index]
    }
}
