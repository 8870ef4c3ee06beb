//! The one running job: a newer prompt takes the place of an older one, and whoever waits is told how it ends.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::AbortHandle};

use super::{Progress, gallery::Entry};
use crate::error::{Failure, Kind};

/// How a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// It goes on.
    Running(Progress),
    /// It came to its end with these pictures, the first of which is shown.
    Done(Vec<Entry>),
    /// It failed, and the old background stays.
    Failed(Failure),
}

/// A running job, for `status` and for the progress bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// What the user typed.
    pub words: String,
    /// Who makes the picture.
    pub provider: String,
    /// Seconds since it began.
    pub elapsed_s: f64,
    /// How far it is.
    pub progress: Progress,
}

/// The place of the one job.
#[derive(Debug, Default)]
pub struct Jobs {
    current: Mutex<Option<Job>>,
}

#[derive(Debug)]
struct Job {
    words: String,
    provider: String,
    started: Instant,
    state: watch::Receiver<JobState>,
    task: AbortHandle,
}

/// How a job tells of its progress.
#[derive(Debug)]
pub struct Reporter {
    state: watch::Sender<JobState>,
}

impl Reporter {
    /// Tells those who wait.
    pub fn report(&self, progress: Progress) {
        self.state.send_replace(JobState::Running(progress));
    }
}

/// A job that is dropped half-way was cancelled: nobody may wait for it for ever.
impl Drop for Reporter {
    fn drop(&mut self) {
        self.state.send_if_modified(|state| {
            let cut_short = matches!(state, JobState::Running(_));
            if cut_short {
                let failure = Failure::new(Kind::Busy, "the prompt was cancelled, or a newer one took its place");
                *state = JobState::Failed(failure.hint("the old background stays"));
            }
            cut_short
        });
    }
}

impl Jobs {
    /// Cancels the running job, if there is one, and starts `work` in its place on the current runtime.
    pub fn start<W, F>(&self, words: &str, provider: &str, work: W) -> watch::Receiver<JobState>
    where
        W: FnOnce(Arc<Reporter>) -> F,
        F: Future<Output = Result<Vec<Entry>, Failure>> + Send + 'static,
    {
        let (sender, state) = watch::channel(JobState::Running(Progress::Working));
        let reporter = Arc::new(Reporter { state: sender });
        let work = work(Arc::clone(&reporter));
        let mut current = self.lock();
        if let Some(old) = current.take() {
            old.task.abort();
        }
        let task = tokio::spawn(async move {
            let end = match work.await {
                Ok(entries) => JobState::Done(entries),
                Err(failure) => JobState::Failed(failure),
            };
            reporter.state.send_replace(end);
        });
        *current = Some(Job {
            words: words.to_owned(),
            provider: provider.to_owned(),
            started: Instant::now(),
            state: state.clone(),
            task: task.abort_handle(),
        });
        state
    }

    /// Cancels the running job; false when there is none.
    pub fn cancel(&self) -> bool {
        let Some(job) = self.lock().take() else { return false };
        let running = matches!(*job.state.borrow(), JobState::Running(_));
        job.task.abort();
        running
    }

    /// The running job.
    pub fn status(&self) -> Option<JobStatus> {
        let current = self.lock();
        let job = current.as_ref()?;
        let JobState::Running(progress) = *job.state.borrow() else { return None };
        Some(JobStatus {
            words: job.words.clone(),
            provider: job.provider.clone(),
            elapsed_s: job.started.elapsed().as_secs_f64(),
            progress,
        })
    }

    // the place is always left whole
    fn lock(&self) -> MutexGuard<'_, Option<Job>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    async fn end(mut state: watch::Receiver<JobState>) -> JobState {
        state.wait_for(|state| !matches!(state, JobState::Running(_))).await.unwrap().clone()
    }

    #[tokio::test]
    async fn a_newer_job_takes_the_place_of_the_older() {
        let jobs = Jobs::default();
        let first = jobs.start("beach", "slow", |_| pending());
        assert_eq!(jobs.status().unwrap().words, "beach");
        let second = jobs.start("forest", "fast", |reporter| async move {
            reporter.report(Progress::Done(0.5));
            Ok(Vec::new())
        });
        assert!(matches!(end(first).await, JobState::Failed(failure) if failure.message.contains("newer")));
        assert_eq!(end(second).await, JobState::Done(Vec::new()));
        assert_eq!(jobs.status(), None);
        assert!(!jobs.cancel(), "what has ended can't be cancelled");
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_a_cancel() {
        let jobs = Jobs::default();
        let waiting = jobs.start("beach", "slow", |_| pending());
        assert!(jobs.cancel());
        assert!(matches!(end(waiting).await, JobState::Failed(_)));
        assert_eq!(jobs.status(), None);
    }
}
