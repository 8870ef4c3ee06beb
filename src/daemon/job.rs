//! The running prompt job. A newer prompt replaces an older one, and every waiting client learns the outcome.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::{sync::watch, task::AbortHandle};

use crate::{
    error::{Failure, Kind},
    gallery::Entry,
    prompt::{FinishedPrompt, JobStatus, Progress},
};

/// The state of a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JobState {
    /// It is running.
    Running(Progress),
    /// It finished with these images; the first is shown.
    Done(Vec<Entry>),
    /// It finished, but the user has chosen another background since: the images are in the gallery, and none is shown.
    Kept(Vec<Entry>),
    /// It failed, and the background stays as it was.
    Failed(Failure),
    /// The user cancelled it or chose something else, and the background stays as it was.
    Cancelled(Failure),
}

/// Holds the current job.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    current: Mutex<Option<Job>>,
}

#[derive(Debug)]
struct Job {
    /// The number of its request, see [`Jobs::start`].
    arrival: u64,
    text: String,
    provider: String,
    started: Instant,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Job {
    /// Cancels the job; false if it has ended.
    fn cancel(&self, why: &str) -> bool {
        let cancelled = self.shared.cancel(why);
        self.task.abort();
        cancelled
    }

    /// Cancels the job in favour of a newer choice, unless an image has arrived, which may have been paid for.
    fn supersede(&self, why: &str) {
        if !self.shared.keeping.load(Ordering::Relaxed) {
            self.cancel(why);
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: watch::Sender<JobState>,
    /// An image has arrived and is being stored or shown.
    keeping: AtomicBool,
}

impl Shared {
    /// Cancels a running job; false if it has ended.
    fn cancel(&self, why: &str) -> bool {
        self.state.send_if_modified(|state| {
            let running = matches!(state, JobState::Running(_));
            if running {
                let failure = Failure::new(Kind::Busy, why).hint("the background is unchanged");
                *state = JobState::Cancelled(failure);
            }
            running
        })
    }
}

/// Reports the progress of a job.
#[derive(Debug)]
pub(super) struct Reporter {
    shared: Arc<Shared>,
}

impl Reporter {
    /// Reports progress to the waiting clients.
    pub(super) fn report(&self, progress: Progress) {
        self.shared.state.send_replace(JobState::Running(progress));
    }

    /// Sets whether an image has arrived that a newer choice must not discard; false again once it is shown.
    pub(super) fn set_keeping(&self, keeping: bool) {
        self.shared.keeping.store(keeping, Ordering::Relaxed);
    }
}

/// Fails a job that ended early, so that no client waits forever.
impl Drop for Reporter {
    fn drop(&mut self) {
        self.shared.cancel("the prompt was cancelled");
    }
}

impl Jobs {
    /// Starts `work` on the current runtime in place of the running job. `arrival` is the number of the request; later
    /// requests have greater numbers. `None` if a later one is running.
    pub(super) fn start<W, F>(
        &self,
        arrival: u64,
        text: &str,
        provider: &str,
        work: W,
    ) -> Option<watch::Receiver<JobState>>
    where
        W: FnOnce(Arc<Reporter>) -> F,
        F: Future<Output = JobState> + Send + 'static,
    {
        let mut current = self.lock();
        if let Some(old) = &*current {
            if old.arrival > arrival {
                return None;
            }
            old.supersede("a newer prompt replaced this one");
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
            arrival,
            text: text.to_owned(),
            provider: provider.to_owned(),
            started: Instant::now(),
            shared,
            task: task.abort_handle(),
        });
        Some(receiver)
    }

    /// Cancels the running job; false if there is none.
    pub(super) fn cancel(&self) -> bool {
        self.lock().as_ref().is_some_and(|job| job.cancel("the prompt was cancelled"))
    }

    /// Cancels the running job if its request is older than this number, because another background was chosen.
    pub(super) fn cancel_older(&self, than: u64) {
        if let Some(job) = self.lock().as_ref().filter(|job| job.arrival < than) {
            job.supersede("the prompt was cancelled because you chose another background");
        }
    }

    /// The request number of the latest job; 0 before the first.
    pub(super) fn newest(&self) -> u64 {
        self.lock().as_ref().map_or(0, |job| job.arrival)
    }

    /// The status of the running job.
    pub(super) fn status(&self) -> Option<JobStatus> {
        let current = self.lock();
        let job = current.as_ref()?;
        let JobState::Running(progress) = *job.shared.state.borrow() else { return None };
        Some(JobStatus {
            text: job.text.clone(),
            provider: job.provider.clone(),
            elapsed_s: job.started.elapsed().as_secs_f64(),
            progress,
        })
    }

    /// How the latest job ended; `None` if it is running.
    pub(super) fn finished(&self) -> Option<FinishedPrompt> {
        let current = self.lock();
        let job = current.as_ref()?;
        let failure = match &*job.shared.state.borrow() {
            JobState::Running(_) => return None,
            JobState::Done(_) | JobState::Kept(_) => None,
            JobState::Failed(failure) | JobState::Cancelled(failure) => Some(failure.clone()),
        };
        Some(FinishedPrompt { number: job.arrival, text: job.text.clone(), failure })
    }

    /// The same, unless it was cancelled.
    pub(super) fn ended(&self) -> Option<FinishedPrompt> {
        let was_cancelled = |job: &Job| matches!(&*job.shared.state.borrow(), JobState::Cancelled(_));
        if self.lock().as_ref().is_some_and(was_cancelled) { None } else { self.finished() }
    }

    // Every change is one assignment, so a poisoned lock is still consistent.
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
        assert_eq!(jobs.status().unwrap().text, "beach");
        let second = jobs.start(2, "forest", "fast", |reporter| async move {
            reporter.report(Progress::Done(0.5));
            JobState::Done(Vec::new())
        });
        assert!(matches!(end(first).await, JobState::Cancelled(failure) if failure.message.contains("newer")));
        assert_eq!(end(second.unwrap()).await, JobState::Done(Vec::new()));
        assert_eq!(jobs.status(), None);
        let finished = FinishedPrompt { number: 2, text: "forest".to_owned(), failure: None };
        assert_eq!((jobs.finished(), jobs.ended()), (Some(finished.clone()), Some(finished)));
        assert!(!jobs.cancel(), "a finished job can't be cancelled");
    }

    #[tokio::test]
    async fn a_waiting_client_learns_of_a_cancel() {
        let jobs = Jobs::default();
        let waiting = jobs.start(1, "beach", "slow", |_| pending()).unwrap();
        assert_eq!(jobs.finished(), None);
        assert!(jobs.cancel());
        assert!(matches!(end(waiting).await, JobState::Cancelled(_)));
        assert_eq!((jobs.status(), jobs.ended()), (None, None));
        assert_eq!(jobs.finished().unwrap().failure.unwrap().message, "the prompt was cancelled");
    }

    #[tokio::test]
    async fn only_an_older_job_is_superseded() {
        let jobs = Jobs::default();
        let waiting = jobs.start(5, "beach", "slow", |_| pending()).unwrap();
        jobs.cancel_older(5);
        jobs.cancel_older(4);
        assert!(jobs.start(3, "a late one", "slow", |_| pending()).is_none());
        assert_eq!(jobs.status().unwrap().text, "beach");
        jobs.cancel_older(6);
        assert!(matches!(end(waiting).await, JobState::Cancelled(failure) if failure.message.contains("another")));
        assert_eq!(jobs.ended(), None, "the user has changed their mind");
    }

    #[tokio::test]
    async fn an_image_that_has_arrived_is_kept() {
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
