//! Where quality `auto` goes: up to `high` when there has been room for it for a good while, and back when there is none.
//!
//! The rules alone, looked at once a second beside `load`, which eases the masks when even `balanced` is too much.

use std::time::Duration;

use super::machine::Room;
use crate::mask::{Quality, quality::high_from_balanced};

/// Seconds with room, before it goes up.
const WAIT: u32 = 30;

/// The same, at the most: it doubles each time that this was too early.
const LONGEST_WAIT: u32 = 1800;

/// How many of them a second without room takes away: a hiccup is no reason to begin anew.
const SETBACK: u32 = 5;

/// Seconds in a row without room, before it goes back.
const PATIENCE: u32 = 3;

/// Seconds in `high` after which what was before is forgotten.
const PROVEN: u32 = 600;

/// The idle share of the machine from which on there is room for more.
const ROOMY: f32 = 0.6;

/// The idle share below which the others need what we take. Going up never leads here: it costs less than a tenth.
const CROWDED: f32 = 0.3;

/// Key frames of `high` run on two cores at once, beside everything else. Where they are fast enough it takes less than a
/// third of a core more than `balanced`, not a tenth of such a machine.
const FEWEST_CORES: usize = 4;

/// What a second has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// What is left of the machine, where that is known.
    pub(crate) room: Option<Room>,
    /// How long the last key frame took, by the clock; `None` when there was none.
    pub(crate) key_time: Option<Duration>,
    /// The time from frame to frame.
    pub(crate) frame_time: Duration,
    /// No mask was late, and none is eased.
    pub(crate) is_calm: bool,
    /// Masks come so late that they had to be eased.
    pub(crate) is_late: bool,
}

impl Seen {
    /// Whether `high` would fit in beside everything that runs now.
    fn has_room(&self) -> bool {
        let (Some(room), Some(key_time)) = (self.room, self.key_time) else { return false };
        self.is_calm
            && !room.on_battery
            && room.cores >= FEWEST_CORES
            && room.idle.is_some_and(|idle| idle >= ROOMY)
            && high_from_balanced(key_time) <= self.frame_time * 3 / 4
    }

    fn is_on_battery(&self) -> bool {
        self.room.is_some_and(|room| room.on_battery)
    }

    /// Whether `high` takes what others need.
    fn is_crowded(&self) -> bool {
        self.room.and_then(|room| room.idle).is_some_and(|idle| idle < CROWDED)
    }

    /// Whether `high` is of no use: an answer has to be there a frame later.
    fn is_slow(&self) -> bool {
        self.key_time.is_none_or(|time| time > self.frame_time)
    }
}

/// Another quality, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) to: Quality,
    pub(crate) why: &'static str,
}

/// What `auto` means, second by second; [`Quality::Balanced`] at first.
#[derive(Debug)]
pub(crate) struct Headroom {
    is_high: bool,
    good: u32,
    bad: u32,
    wait: u32,
    /// Seconds before another attempt to go back.
    hold: u32,
    key_time: Option<Duration>,
    is_settled: bool,
}

impl Headroom {
    pub(crate) fn new() -> Self {
        Self { is_high: false, good: 0, bad: 0, wait: WAIT, hold: 0, key_time: None, is_settled: false }
    }

    /// The last change could not be made. Without a way up it stays where it is from now on; back it goes a while later.
    pub(crate) fn fail(&mut self) {
        if self.is_high {
            self.is_settled = true;
        } else {
            (self.is_high, self.hold) = (true, WAIT);
        }
    }

    /// Another stream begins: what was seen of the last says nothing.
    pub(crate) fn begin_anew(&mut self) {
        (self.good, self.bad) = (0, 0);
    }

    /// Looks at another second; what to change to, when it is another than before.
    pub(crate) fn second(&mut self, seen: &Seen) -> Option<Change> {
        match (self.is_settled, self.is_high) {
            (true, _) => None,
            (false, false) => self.look_up(seen),
            (false, true) => self.look_down(seen),
        }
    }

    fn look_up(&mut self, seen: &Seen) -> Option<Change> {
        self.good = if seen.has_room() { self.good + 1 } else { self.good.saturating_sub(SETBACK) };
        if self.good < self.wait {
            return None;
        }
        (self.is_high, self.good, self.bad) = (true, 0, 0);
        Some(Change { to: Quality::High, why: "the machine has room" })
    }

    fn look_down(&mut self, seen: &Seen) -> Option<Change> {
        self.good += 1;
        // one slow answer is looked at second after second while nothing moves, and counts once
        let is_news = std::mem::replace(&mut self.key_time, seen.key_time) != seen.key_time || seen.key_time.is_none();
        self.bad = match (seen.is_crowded(), seen.is_slow()) {
            (false, false) => 0,
            (false, true) if !is_news => self.bad,
            _ => self.bad + 1,
        };
        if self.hold > 0 {
            self.hold -= 1;
            return None;
        }
        if self.good >= PROVEN {
            self.wait = WAIT;
        }
        let why = match seen {
            _ if seen.is_on_battery() => "the machine runs on battery",
            _ if seen.is_late => "masks come too late",
            _ if self.bad < PATIENCE => return None,
            Seen { key_time: None, .. } => "the better model gives no answers",
            _ => "the machine is busy",
        };
        if !seen.is_on_battery() {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
        (self.is_high, self.good) = (false, 0);
        Some(Change { to: Quality::Balanced, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A laptop on mains with eight cores and little to do.
    const ROOM: Room = Room { cores: 8, idle: Some(0.8), on_battery: false };

    const WELL: Seen = Seen {
        room: Some(ROOM),
        key_time: Some(Duration::from_millis(14)),
        frame_time: Duration::from_micros(33_333),
        is_calm: true,
        is_late: false,
    };

    /// The second and the quality of each change, where `seen` says what a second shows, and whether it is `high`.
    fn changes(seconds: u32, seen: impl Fn(u32, bool) -> Seen) -> Vec<(u32, Quality)> {
        let mut headroom = Headroom::new();
        let mut is_high = false;
        let mut changes = Vec::new();
        for second in 1..=seconds {
            if let Some(change) = headroom.second(&seen(second, is_high)) {
                is_high = change.to == Quality::High;
                changes.push((second, change.to));
            }
        }
        changes
    }

    fn with(room: Room) -> Seen {
        Seen { room: Some(room), ..WELL }
    }

    #[test]
    fn a_machine_with_room_goes_up_once_and_stays() {
        assert_eq!(changes(7200, |_, _| WELL), [(30, Quality::High)]);
    }

    #[test]
    fn without_room_it_never_goes_up() {
        for (why, seen) in [
            ("two cores", with(Room { cores: 2, ..ROOM })),
            ("busy", with(Room { idle: Some(0.5), ..ROOM })),
            ("nobody knows how busy", with(Room { idle: None, ..ROOM })),
            ("nobody has looked yet", Seen { room: None, ..WELL }),
            ("battery", with(Room { on_battery: true, ..ROOM })),
            ("a slow processor", Seen { key_time: Some(Duration::from_millis(28)), ..WELL }),
            ("60 frames a second", Seen { frame_time: Duration::from_micros(16_667), ..WELL }),
            ("no key frames", Seen { key_time: None, ..WELL }),
            ("late or eased masks", Seen { is_calm: false, ..WELL }),
        ] {
            assert_eq!(changes(600, |_, _| seen), [], "{why}");
        }
    }

    #[test]
    fn a_hiccup_delays_it_and_unrest_forbids_it() {
        let hiccup = |every: u32| move |second: u32, _| Seen { is_calm: !second.is_multiple_of(every), ..WELL };
        assert_eq!(changes(120, hiccup(20)), [(36, Quality::High)]);
        assert_eq!(changes(3600, hiccup(5)), []);
    }

    #[test]
    fn late_masks_and_the_battery_take_it_back_at_once() {
        let late = changes(50, |second, _| Seen { is_late: second == 40, ..WELL });
        assert_eq!(late, [(30, Quality::High), (40, Quality::Balanced)]);
        let unplugged = changes(100, |second, _| with(Room { on_battery: (40..60).contains(&second), ..ROOM }));
        assert_eq!(unplugged, [(30, Quality::High), (40, Quality::Balanced), (89, Quality::High)]);
    }

    #[test]
    fn others_who_need_the_machine_get_it_and_a_moment_is_borne() {
        let busy = |from: u32, to: u32| {
            move |second: u32, _| {
                with(Room { idle: Some(if (from..to).contains(&second) { 0.2 } else { 0.8 }), ..ROOM })
            }
        };
        assert_eq!(changes(100, busy(40, 42)), [(30, Quality::High)]);
        assert_eq!(changes(100, busy(40, 60)), [(30, Quality::High), (42, Quality::Balanced)]);
        let key_time = |millis: u32| Some(Duration::from_millis(millis.into()));
        let slow = |second, _| Seen { key_time: key_time(if second < 40 { 14 } else { second }), ..WELL };
        assert_eq!(changes(100, slow), [(30, Quality::High), (42, Quality::Balanced)]);
        let once = |second, _| Seen { key_time: key_time(if (40..50).contains(&second) { 40 } else { 14 }), ..WELL };
        assert_eq!(changes(100, once), [(30, Quality::High)], "one slow answer, seen ten times");
    }

    #[test]
    fn what_it_takes_itself_does_not_drive_it_back() {
        let own = |_, is_high| with(Room { idle: Some(if is_high { ROOMY - 0.1 } else { ROOMY }), ..ROOM });
        assert_eq!(changes(3600, own), [(30, Quality::High)]);
    }

    #[test]
    fn what_fails_is_tried_less_and_less_until_it_holds() {
        let found = changes(4 * 3600, |_, is_high| Seen { is_late: is_high, ..WELL });
        let tries = found.iter().filter(|(_, to)| *to == Quality::High).count();
        assert!((6..16).contains(&tries), "{tries} tries in four hours: {found:?}");
        let first = changes(5000, |second, is_high| Seen { is_late: is_high && second < 40 || second == 2000, ..WELL });
        let ups: Vec<u32> = first.iter().filter(|(_, to)| *to == Quality::High).map(|(second, _)| *second).collect();
        assert_eq!(ups, [30, 91, 2060], "twice as long after a failure, once it has held as if nothing had been");
    }

    #[test]
    fn what_can_not_be_opened_is_not_tried_again() {
        let mut headroom = Headroom::new();
        assert!((0..100).any(|_| headroom.second(&WELL).is_some()));
        headroom.fail();
        assert!((0..1000).all(|_| headroom.second(&WELL).is_none()));
    }

    #[test]
    fn a_way_back_that_fails_is_tried_again_a_while_later() {
        let mut headroom = Headroom::new();
        assert!((0..100).any(|_| headroom.second(&WELL).is_some()));
        let unplugged = with(Room { on_battery: true, ..ROOM });
        assert_eq!(headroom.second(&unplugged).unwrap().to, Quality::Balanced);
        headroom.fail();
        let mut tries = 0;
        for _ in 0..100 {
            if headroom.second(&unplugged).is_some() {
                headroom.fail();
                tries += 1;
            }
        }
        assert_eq!(tries, 3);
    }

    #[test]
    fn room_that_was_there_yesterday_does_not_count() {
        let mut headroom = Headroom::new();
        assert!((1..WAIT).all(|_| headroom.second(&WELL).is_none()));
        headroom.begin_anew();
        assert!((1..WAIT).all(|_| headroom.second(&WELL).is_none()));
        assert!(headroom.second(&WELL).is_some());
    }
}
