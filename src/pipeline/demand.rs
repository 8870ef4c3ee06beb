//! Decides whether the camera should be open: only while an app reads a virtual camera.
//!
//! Pure rules, with time passed in; `watch` observes the readers.

use std::time::{Duration, Instant};

/// How long the camera stays open after the last reader: apps close and reopen it when a setting changes.
const READER_LINGER: Duration = Duration::from_secs(3);

/// How long the camera stays open for a process that holds the device without reading.
const HOLDER_LINGER: Duration = Duration::from_secs(10);

/// How long a process must hold a device before it counts: programs that only list cameras close it immediately.
const MIN_HOLD: Duration = Duration::from_millis(300);

/// The readers of all virtual cameras at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Readers {
    /// A process is known to read frames.
    pub(super) streaming: bool,
    /// Processes that have a device open and may or may not read frames.
    pub(super) holding: Vec<u32>,
}

/// Decides from one observation after another.
#[derive(Debug, Default)]
pub(super) struct Demand {
    current: Option<OnPeriod>,
    /// The processes that hold a device, and since when.
    held: Vec<(u32, Instant)>,
    /// Holders for which the camera was opened and which never read.
    idle_holders: Vec<u32>,
}

/// A period with the camera on.
#[derive(Debug, Clone, Copy)]
struct OnPeriod {
    since: Instant,
    last_streamed: Option<Instant>,
}

impl Demand {
    /// Updates the state; returns whether the camera should be open.
    pub(super) fn update(&mut self, readers: &Readers, now: Instant) -> bool {
        self.held.retain(|(pid, _)| readers.holding.contains(pid));
        self.idle_holders.retain(|pid| readers.holding.contains(pid));
        for pid in &readers.holding {
            if !self.held.iter().any(|(held, _)| held == pid) {
                self.held.push((*pid, now));
            }
        }
        if readers.streaming {
            let since = self.current.map_or(now, |period| period.since);
            self.current = Some(OnPeriod { since, last_streamed: Some(now) });
        } else if self.current.is_none() && self.has_new_holder(now) {
            self.current = Some(OnPeriod { since: now, last_streamed: None });
        } else if self.current.is_some_and(|period| period.is_over(now)) {
            self.current = None;
            self.idle_holders.clone_from(&readers.holding);
        }
        self.current.is_some()
    }

    fn has_new_holder(&self, now: Instant) -> bool {
        let long = |since: Instant| now.saturating_duration_since(since) >= MIN_HOLD;
        self.held.iter().any(|(pid, since)| long(*since) && !self.idle_holders.contains(pid))
    }
}

impl OnPeriod {
    fn is_over(self, now: Instant) -> bool {
        match self.last_streamed {
            Some(last) => now.saturating_duration_since(last) >= READER_LINGER,
            None => now.saturating_duration_since(self.since) >= HOLDER_LINGER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    /// Whether the camera should be open at each tenth of a second, given the readers at that time.
    fn wanted(tenths: u32, readers: impl Fn(u32) -> Readers) -> Vec<bool> {
        let (start, mut demand) = (Instant::now(), Demand::default());
        (0..tenths).map(|tenth| demand.update(&readers(tenth), start + STEP * tenth)).collect()
    }

    /// The tenths at which the result changes.
    fn changes(wanted: &[bool]) -> Vec<usize> {
        let before = [false].into_iter().chain(wanted.iter().copied());
        before.zip(wanted).enumerate().filter(|(_, (before, now))| before != *now).map(|(tenth, _)| tenth).collect()
    }

    fn streaming(streaming: bool) -> Readers {
        Readers { streaming, holding: Vec::new() }
    }

    fn holding(pids: &[u32]) -> Readers {
        Readers { streaming: false, holding: pids.to_vec() }
    }

    #[test]
    fn a_reader_opens_it_immediately_and_a_short_pause_keeps_it_open() {
        let wanted = wanted(120, |tenth| streaming((20..30).contains(&tenth) || (50..60).contains(&tenth)));
        assert_eq!(changes(&wanted), [20, 89]);
    }

    #[test]
    fn pollers_that_open_and_close_never_open_it() {
        // four opens of a fifth of a second every three seconds, for a minute
        let wanted = wanted(600, |tenth| holding(if tenth % 30 / 3 < 4 && tenth % 3 < 2 { &[7] } else { &[] }));
        assert_eq!(changes(&wanted), [0; 0]);
    }

    #[test]
    fn an_idle_holder_opens_it_once_for_ten_seconds() {
        let wanted = wanted(600, |tenth| holding(if tenth < 10 { &[] } else { &[7] }));
        assert_eq!(changes(&wanted), [13, 113]);
    }

    #[test]
    fn a_new_holder_opens_it_despite_an_idle_one() {
        let wanted = wanted(600, |tenth| holding(if tenth < 300 { &[7] } else { &[7, 8] }));
        assert_eq!(changes(&wanted), [3, 103, 303, 403]);
    }

    #[test]
    fn a_holder_that_starts_reading_keeps_it_open() {
        let wanted = wanted(300, |tenth| Readers { streaming: (50..200).contains(&tenth), holding: vec![7] });
        assert_eq!(changes(&wanted), [3, 229]);
    }
}
