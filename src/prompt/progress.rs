//! Progress of a provider and of the running job.

use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// Progress of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Progress {
    /// Working, without further information.
    Working,
    /// The finished share, 0 to 1.
    Done(f32),
    /// The server asked us to wait this many seconds before the next attempt.
    Waiting(f32),
}

/// A callback for progress.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// The running job, for `status` and the progress bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The prompt text as the user typed it.
    pub text: String,
    /// The provider's name.
    pub provider: String,
    /// Seconds since the job started.
    pub elapsed_s: f64,
    /// Progress of the provider.
    pub progress: Progress,
}

/// A job that has ended, for `status` and events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedPrompt {
    /// Increases with every job.
    pub number: u64,
    /// The prompt text as the user typed it.
    pub text: String,
    /// Why it failed, if it did; it may have been cancelled.
    pub failure: Option<Failure>,
}
