//! Who reads: outputs that know tell it here the moment that it changes.

use std::{mem, sync::Arc};

use tokio::sync::watch;

/// Whether somebody reads each output, in the order of the settings; `None` where the output cannot know or is failing.
pub type Readers = Vec<Option<bool>>;

/// Where one output tells whether somebody reads it.
#[derive(Debug, Clone)]
pub struct ReaderReport {
    all: Arc<watch::Sender<Readers>>,
    index: usize,
}

impl ReaderReport {
    /// The place `index` of `all`.
    pub(super) fn new(all: &Arc<watch::Sender<Readers>>, index: usize) -> Self {
        Self { all: Arc::clone(all), index }
    }

    /// Whether somebody reads this output now; wakes those who watch when that is new, and never waits for them.
    pub fn tell(&self, reading: Option<bool>) {
        self.all.send_if_modified(|all| mem::replace(&mut all[self.index], reading) != reading);
    }

    /// What this output told last.
    pub(super) fn reading(&self) -> Option<bool> {
        self.all.borrow()[self.index]
    }
}
