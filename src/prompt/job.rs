//! The one running job: a newer prompt takes the place of an older one, and whoever waits is told how it ends.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::AbortHandle};

use super::Progress;
use crate::error::{Failure, Kind};
use crate::gallery::Entry;

/// How a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// It goes on.
    Running(Progress),
    /// It came to its end with these pictures, the first of which is shown.
    Done(Vec<Entry>),
    /// These pictures are in the gallery, and none is shown, because the user has chosen another background meanwhile.
    Kept(Vec<Entry>),
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
    /// When its request arrived, see [`Jobs::start`].
    arrived: u64,
    words: String,
    provider: String,
    started: Instant,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Job {
    /// Ends it, where it still runs.
    fn cancel(&self, why: &str) -> bool {
        let cancelled = self.shared.fail(why);
        self.task.abort();
        cancelled
    }

    /// Ends it for the sake of a newer choice; but a picture that has come already, and may have been paid for, is kept.
    fn give_way(&self, why: &str) {
        if !self.shared.keeping.load(Ordering::Relaxed) {
            self.cancel(why);
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: watch::Sender<JobState>,
    /// A picture has come, and is being put into the gallery or shown.
    keeping: AtomicBool,
}

impl Shared {
    /// False when it has come to its end before.
    fn fail(&self, why: &str) -> bool {
        self.state.send_if_modified(|state| {
            let running = matches!(state, JobState::Running(_));
            if running {
                let failure = Failure::new(Kind::Busy, why).hint("the background stays as it is");
                *state = JobState::Failed(failure);
            }
            running
        })
    }
}

/// How a job tells of its progress.
#[derive(Debug)]
pub struct Reporter {
    shared: Arc<Shared>,
}

impl Reporter {
    /// Tells those who wait.
    pub fn report(&self, progress: Progress) {
        self.shared.state.send_replace(JobState::Running(progress));
    }

    /// Says that a picture has come, which is not thrown away for a newer choice; false once it is shown.
    pub fn set_keeping(&self, keeping: bool) {
        self.shared.keeping.store(keeping, Ordering::Relaxed);
    }
}

/// Whatever ends a job half-way, those who wait for it are told.
impl Drop for Reporter {
    fn drop(&mut self) {
        self.shared.fail("the prompt was cancelled");
    }
}

impl Jobs {
    /// Starts `work` in place of the running job, on the current runtime. `arrived` is the number of the request: greater
    /// for later ones. `None` when a later one is running.
    pub fn start<W, F>(&self, arrived: u64, words: &str, provider: &str, work: W) -> Option<watch::Receiver<JobState>>
    where
        W: FnOnce(Arc<Reporter>) -> F,
        F: Future<Output = JobState> + Send + 'static,
    {
        let mut current = self.lock();
        if let Some(old) = &*current {
            if old.arrived > arrived {
                return None;
            }
            old.give_way("a newer prompt took the place of this one");
        }
        let (state, receiver) = watch::channel(JobState::Running(Progress::Working));
        let shared = Arc::new(Shared { state, keeping: AtomicBool::new(false) });
        let reporter = Arc::new(Reporter { shared: Arc::clone(&shared) });
        let work = work(Arc::clone(&reporter));
        let task = tokio::spawn(async move {
            let end = work.await;
            reporter.shared.state.send_replace(end);
        });
        *current = Some(Job {
            arrived,
            words: words.to_owned(),
            provider: provider.to_owned(),
            started: Instant::now(),
            shared,
            task: task.abort_handle(),
        });
        Some(receiver)
    }

    /// Cancels the running job; false when there is none.
    pub fn cancel(&self) -> bool {
        self.lock().take().is_some_and(|job| job.cancel("the prompt was cancelled"))
    }

    /// Cancels the running job if its request arrived before that which has this number: another background was chosen.
    pub fn cancel_older(&self, than: u64) {
        if let Some(job) = self.lock().as_ref().filter(|job| job.arrived < than) {
            job.give_way("the prompt was cancelled because another background was chosen");
        }
    }

    /// The number of the request whose job was started last, 0 before the first.
    pub fn newest(&self) -> u64 {
        self.lock().as_ref().map_or(0, |job| job.arrived)
    }

    /// The running job.
    pub fn status(&self) -> Option<JobStatus> {
        let current = self.lock();
        let job = current.as_ref()?;
        let JobState::Running(progress) = *job.shared.state.borrow() else { return None };
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

    use tokio::sync::Notify;

    use super::*;

    async fn end(mut state: watch::Receiver<JobState>) -> JobState {
        state.wait_for(|state| !matches!(state, JobState::Running(_))).await.unwrap().clone()
    }

    #[tokio::test]
    async fn a_newer_job_takes_the_place_of_the_older() {
        let jobs = Jobs::default();
        let first = jobs.start(1, "beach", "slow", |_| pending()).unwrap();
        assert_eq!(jobs.status().unwrap().words, "beach");
        let second = jobs.start(2, "forest", "fast", |reporter| async move {
            reporter.report(Progress::Done(0.5));
            JobState::Done(Vec::new())
        });
        assert!(matches!(end(first).await, JobState::Failed(failure) if failure.message.contains("newer")));
        assert_eq!(end(second.unwrap()).await, JobState::Done(Vec::new()));
        assert_eq!(jobs.status(), None);
        assert!(!jobs.cancel(), "what has ended can't be cancelled");
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_a_cancel() {
        let jobs = Jobs::default();
        let waiting = jobs.start(1, "beach", "slow", |_| pending()).unwrap();
        assert!(jobs.cancel());
        assert!(matches!(end(waiting).await, JobState::Failed(_)));
        assert_eq!(jobs.status(), None);
    }

    #[tokio::test]
    async fn only_an_older_job_gives_way_to_another_choice() {
        let jobs = Jobs::default();
        let waiting = jobs.start(5, "beach", "slow", |_| pending()).unwrap();
        jobs.cancel_older(5);
        jobs.cancel_older(4);
        assert!(jobs.start(3, "a late one", "slow", |_| pending()).is_none());
        assert_eq!(jobs.status().unwrap().words, "beach");
        jobs.cancel_older(6);
        assert!(matches!(end(waiting).await, JobState::Failed(failure) if failure.message.contains("another")));
    }

    #[tokio::test]
    async fn a_picture_that_has_come_is_not_thrown_away() {
        let jobs = Jobs::default();
        let shown = Arc::new(Notify::new());
        let wait = Arc::clone(&shown);
        let first = jobs.start(1, "beach", "paid", |reporter| async move {
            reporter.set_keeping(true);
            wait.notified().await;
            JobState::Kept(Vec::new())
        });
        tokio::task::yield_now().await; // it has begun
        jobs.cancel_older(2);
        let second = jobs.start(3, "forest", "fast", |_| async { JobState::Done(Vec::new()) });
        shown.notify_one();
        assert_eq!(end(first.unwrap()).await, JobState::Kept(Vec::new()));
        assert_eq!(end(second.unwrap()).await, JobState::Done(Vec::new()));
    }
}
