//! Mailboxes with threads of the system; tests/loom.rs tries every order of their steps.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::mailbox::*;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn the_newest_value_wins_and_dropped_ones_are_counted() {
    let mailbox = Latest::default();
    (1..=3).for_each(|n| mailbox.put(n));
    assert_eq!(mailbox.take(soon()), Taken::Value(3));
    assert_eq!(mailbox.dropped(), 2);
    assert_eq!(mailbox.take(Instant::now()), Taken::TimedOut);
}

#[test]
fn a_receiver_waits_for_an_accepted_value() {
    let mailbox = Arc::new(Latest::default());
    mailbox.put(1);
    let sender = Arc::clone(&mailbox);
    let thread = thread::spawn(move || (2..=5).for_each(|n| sender.put(n)));
    assert_eq!(mailbox.take_if(soon(), |n| *n >= 5), Taken::Value(5));
    thread.join().unwrap();
}

#[test]
fn closing_wakes_the_receiver_after_the_last_value() {
    let mailbox = Arc::new(Latest::default());
    let receiver = Arc::clone(&mailbox);
    let thread = thread::spawn(move || (receiver.take(soon()), receiver.take(soon())));
    mailbox.put(7);
    mailbox.close();
    let (first, second) = thread.join().unwrap();
    assert!(matches!(first, Taken::Value(7)));
    assert!(matches!(second, Taken::Closed));
}
