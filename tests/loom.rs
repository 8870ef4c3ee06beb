//! Mailbox and wake signal in every order in which their threads may run; a wait that nothing ends is a failure.
//!
//! loom replaces the locks, and ignores the deadline of a wait, so that only a value, a wake or a stop can end it.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use loom::{model, sync::Arc, thread};

mod frame {
    pub(crate) mod sync {
        pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU64};
    }
}

#[allow(dead_code, unreachable_pub)]
#[path = "../src/frame/mailbox.rs"]
mod mailbox;

#[allow(dead_code, unreachable_pub)]
#[path = "../src/pipeline/wake.rs"]
mod wake;

use mailbox::{Latest, Taken};
use wake::WakeSignal;

fn never() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

#[test]
fn every_value_is_received_or_counted_as_dropped() {
    model(|| {
        let mailbox = Arc::new(Latest::default());
        let sender = Arc::clone(&mailbox);
        let thread = thread::spawn(move || {
            (1..=2).for_each(|n| sender.put(n));
            sender.close();
        });
        let mut received = Vec::new();
        while let Taken::Value(value) = mailbox.take(never()) {
            received.push(value);
        }
        thread.join().unwrap();
        assert_eq!(received.last(), Some(&2), "the newest value is never lost");
        assert_eq!(received.len() as u64 + mailbox.dropped(), 2);
    });
}

#[test]
fn a_receiver_that_waits_for_a_certain_value_gets_it() {
    model(|| {
        let mailbox = Arc::new(Latest::default());
        let sender = Arc::clone(&mailbox);
        let thread = thread::spawn(move || (1..=2).for_each(|n| sender.put(n)));
        assert_eq!(mailbox.take_if(never(), |n| *n == 2), Taken::Value(2));
        thread.join().unwrap();
        assert_eq!((mailbox.try_take(), mailbox.dropped()), (None, 1));
    });
}

#[test]
fn closing_ends_a_wait_for_a_value_that_never_comes() {
    model(|| {
        let mailbox = Arc::new(Latest::default());
        let sender = Arc::clone(&mailbox);
        let thread = thread::spawn(move || {
            sender.put(1);
            sender.close();
        });
        assert_eq!(mailbox.take_if(never(), |n| *n == 2), Taken::Closed);
        thread.join().unwrap();
        assert_eq!(mailbox.take(never()), Taken::Value(1));
    });
}

/// As in the pipeline, the state changes before the wake that announces it, and is read after the epoch.
#[test]
fn no_wake_is_missed_if_the_epoch_is_read_first() {
    model(|| {
        let signal = Arc::new(WakeSignal::default());
        let state = Arc::new(Latest::default());
        let (waker, changed) = (Arc::clone(&signal), Arc::clone(&state));
        let thread = thread::spawn(move || {
            changed.put(());
            waker.wake();
        });
        loop {
            let epoch = signal.epoch();
            if state.try_take().is_some() {
                break;
            }
            signal.wait_since(epoch, never());
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_stop_ends_the_waits_of_all_threads() {
    model(|| {
        let signal = Arc::new(WakeSignal::default());
        let threads = [(); 2].map(|()| {
            let signal = Arc::clone(&signal);
            thread::spawn(move || {
                while !signal.is_stopped() {
                    signal.wait(never());
                }
            })
        });
        signal.stop();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
