//! Whether the camera is wanted: it is open only while somebody reads a virtual camera.
//!
//! The rules alone, with time passed in; `watch` looks at the machine.

use std::time::{Duration, Instant};

/// How long the camera stays open after the last reader: apps close and open again when a setting is changed.
const AFTER_READING: Duration = Duration::from_secs(3);

/// How long the camera stays open for somebody who holds the device and reads nothing.
const AFTER_HOLDING: Duration = Duration::from_secs(10);

/// How long a device must be held before its holder counts: programs that only list cameras close it at once.
const A_LOOK: Duration = Duration::from_millis(300);

/// What one look at all virtual cameras found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Somebody takes frames, for certain.
    pub(super) streaming: bool,
    /// Processes that hold a device open of which nobody can say whether they take frames.
    pub(super) holding: Vec<u32>,
}

/// Decides by one look after another.
#[derive(Debug, Default)]
pub(super) struct Demand {
    on: Option<Wake>,
    /// Who holds a device, since when.
    held: Vec<(u32, Instant)>,
    /// Holders for whom the camera was open long enough, in vain.
    idlers: Vec<u32>,
}

/// Why the camera is on.
#[derive(Debug, Clone, Copy)]
struct Wake {
    since: Instant,
    last_streamed: Option<Instant>,
}

impl Demand {
    /// Whether the camera is wanted, after this look.
    pub(super) fn look(&mut self, seen: &Seen, now: Instant) -> bool {
        self.held.retain(|(pid, _)| seen.holding.contains(pid));
        self.idlers.retain(|pid| seen.holding.contains(pid));
        for pid in &seen.holding {
            if !self.held.iter().any(|(held, _)| held == pid) {
                self.held.push((*pid, now));
            }
        }
        if seen.streaming {
            let since = self.on.map_or(now, |wake| wake.since);
            self.on = Some(Wake { since, last_streamed: Some(now) });
        } else if self.on.is_none() && self.somebody_waits(now) {
            self.on = Some(Wake { since: now, last_streamed: None });
        } else if self.on.is_some_and(|wake| wake.is_over(now)) {
            self.on = None;
            self.idlers.clone_from(&seen.holding);
        }
        self.on.is_some()
    }

    fn somebody_waits(&self, now: Instant) -> bool {
        let long = |since: Instant| now.saturating_duration_since(since) >= A_LOOK;
        self.held.iter().any(|(pid, since)| long(*since) && !self.idlers.contains(pid))
    }
}

impl Wake {
    fn is_over(self, now: Instant) -> bool {
        match self.last_streamed {
            Some(last) => now.saturating_duration_since(last) >= AFTER_READING,
            None => now.saturating_duration_since(self.since) >= AFTER_HOLDING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    /// Whether the camera is wanted at each tenth of a second, where `seen` tells what there is to be seen.
    fn wanted(tenths: u32, seen: impl Fn(u32) -> Seen) -> Vec<bool> {
        let (start, mut demand) = (Instant::now(), Demand::default());
        (0..tenths).map(|tenth| demand.look(&seen(tenth), start + STEP * tenth)).collect()
    }

    /// The tenths at which it changes.
    fn changes(wanted: &[bool]) -> Vec<usize> {
        let before = [false].into_iter().chain(wanted.iter().copied());
        before.zip(wanted).enumerate().filter(|(_, (before, now))| before != *now).map(|(tenth, _)| tenth).collect()
    }

    fn streaming(streaming: bool) -> Seen {
        Seen { streaming, holding: Vec::new() }
    }

    fn holding(pids: &[u32]) -> Seen {
        Seen { streaming: false, holding: pids.to_vec() }
    }

    #[test]
    fn a_reader_has_it_at_once_and_a_short_pause_keeps_it() {
        let wanted = wanted(120, |tenth| streaming((20..30).contains(&tenth) || (50..60).contains(&tenth)));
        assert_eq!(changes(&wanted), [20, 89]);
    }

    #[test]
    fn pollers_that_open_and_close_never_wake_it() {
        // four opens of a fifth of a second every three seconds, for a minute
        let wanted = wanted(600, |tenth| holding(if tenth % 30 / 3 < 4 && tenth % 3 < 2 { &[7] } else { &[] }));
        assert_eq!(changes(&wanted), [0; 0]);
    }

    #[test]
    fn a_holder_who_reads_nothing_has_it_for_ten_seconds_once() {
        let wanted = wanted(600, |tenth| holding(if tenth < 10 { &[] } else { &[7] }));
        assert_eq!(changes(&wanted), [13, 113]);
    }

    #[test]
    fn a_new_holder_wakes_it_although_an_old_one_idles() {
        let wanted = wanted(600, |tenth| holding(if tenth < 300 { &[7] } else { &[7, 8] }));
        assert_eq!(changes(&wanted), [3, 103, 303, 403]);
    }

    #[test]
    fn a_holder_who_begins_to_read_keeps_it() {
        let wanted = wanted(300, |tenth| Seen { streaming: (50..200).contains(&tenth), holding: vec![7] });
        assert_eq!(changes(&wanted), [3, 229]);
    }
}
