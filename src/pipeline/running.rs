//! Counts the running threads, so that a stop can wait for the last one to end.

use std::{
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// The number of running threads.
#[derive(Debug, Default)]
pub(super) struct Running {
    count: Mutex<usize>,
    /// For threads that wait.
    ended: Condvar,
    /// For tasks that wait.
    all_ended: Notify,
}

/// Counts one thread as running while it exists.
#[derive(Debug)]
pub(super) struct RunningThread(Arc<Running>);

impl Running {
    pub(super) fn add_thread(self: &Arc<Self>) -> RunningThread {
        *self.lock() += 1;
        RunningThread(Arc::clone(self))
    }

    /// Waits until no thread is running, at most for `timeout`. Returns whether all have ended.
    pub(super) fn wait_for_end(&self, timeout: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.lock(), timeout, |count| *count > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    /// Waits until no thread is running.
    pub(super) async fn ended(&self) {
        loop {
            let mut all_ended = pin!(self.all_ended.notified());
            all_ended.as_mut().enable(); // before the check, so that no notification is missed
            if *self.lock() == 0 {
                return;
            }
            all_ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningThread {
    fn drop(&mut self) {
        let mut count = self.0.lock();
        *count -= 1;
        if *count == 0 {
            self.0.ended.notify_all();
            self.0.all_ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn a_wait_ends_with_the_last_thread() {
        let running = Arc::new(Running::default());
        assert!(running.wait_for_end(Duration::ZERO));
        let (end, ended) = mpsc::channel::<()>();
        let threads = [running.add_thread(), running.add_thread()];
        assert!(!running.wait_for_end(Duration::from_millis(1)));
        let thread = thread::spawn(move || {
            let _threads = threads;
            let _ = ended.recv();
        });
        drop(end);
        assert!(running.wait_for_end(Duration::from_secs(60)));
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn a_task_can_wait_for_a_thread_that_panics() {
        let running = Arc::new(Running::default());
        running.ended().await;
        let thread = running.add_thread();
        let panicking = thread::spawn(move || {
            let _thread = thread;
            panic!("a bug");
        });
        running.ended().await;
        assert!(panicking.join().is_err());
    }
}
