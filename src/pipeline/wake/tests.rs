//! The wake signal with threads of the system; tests/loom.rs tries every order of their steps.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::wake::WakeSignal;

#[test]
fn a_wake_before_the_wait_is_not_missed() {
    let signal = WakeSignal::default();
    let epoch = signal.epoch();
    signal.wake();
    signal.wait_since(epoch, Instant::now() + Duration::from_secs(3600));
}

#[test]
fn a_stop_ends_every_wait() {
    let signal = Arc::new(WakeSignal::default());
    let waiter = Arc::clone(&signal);
    let thread = thread::spawn(move || {
        while !waiter.is_stopped() {
            waiter.wait(Instant::now() + Duration::from_secs(60));
        }
    });
    signal.wake();
    signal.stop();
    thread.join().unwrap();
}
