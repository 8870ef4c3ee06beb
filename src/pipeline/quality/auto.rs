//! The rules of quality `auto`: switch to `high` after enough free CPU for a while, and back when it runs out.
//!
//! Pure rules, called once per second next to `load`, which degrades the masks when even `balanced` is too expensive.

use std::time::Duration;

use super::machine::CpuHeadroom;
use crate::mask::{Quality, quality::high_keyframe_time};

/// Good seconds before `high` is tried.
const MIN_GOOD_SECONDS: u32 = 30;

/// The upper limit for that number, which doubles each time `high` fails.
const MAX_GOOD_SECONDS: u32 = 1800;

/// How many good seconds one bad second cancels; a short disturbance does not restart the count.
const PENALTY_SECONDS: u32 = 5;

/// Consecutive bad seconds before it returns to `balanced`.
const MAX_BAD_SECONDS: u32 = 3;

/// Seconds in `high` after which earlier failures are cleared.
const STABLE_SECONDS: u32 = 600;

/// The idle CPU share above which `high` fits.
const MIN_IDLE_FOR_HIGH: f32 = 0.6;

/// The idle CPU share below which other programs need what bgcam uses. The change to `high` costs less than a fifth, so
/// it never causes this by itself.
const MIN_IDLE: f32 = 0.3;

/// Keyframes of `high` use two cores in addition to everything else. Where they are fast enough, `high` costs less than
/// two thirds of a core more than `balanced`, which is less than a fifth of such a machine.
const MIN_CORES: usize = 4;

/// The observations of one second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed {
    /// The CPU headroom, if known.
    pub(crate) cpu: Option<CpuHeadroom>,
    /// How long the last keyframe took (wall time); `None` if there was none.
    pub(crate) keyframe_time: Option<Duration>,
    /// The frame interval.
    pub(crate) frame_time: Duration,
    /// No mask was late, and masks are not degraded.
    pub(crate) is_on_time: bool,
    /// Masks were so late that they had to be degraded.
    pub(crate) is_overloaded: bool,
}

impl Observed {
    /// Whether the machine has headroom for `high` in addition to everything that runs now.
    fn fits_high(&self) -> bool {
        let (Some(cpu), Some(keyframe_time)) = (self.cpu, self.keyframe_time) else { return false };
        self.is_on_time
            && !cpu.on_battery
            && cpu.cores >= MIN_CORES
            && cpu.idle.is_some_and(|idle| idle >= MIN_IDLE_FOR_HIGH)
            && high_keyframe_time(keyframe_time) <= self.frame_time * 3 / 4
    }

    fn is_on_battery(&self) -> bool {
        self.cpu.is_some_and(|cpu| cpu.on_battery)
    }

    /// Whether `high` takes CPU time that other programs need.
    fn is_starving_others(&self) -> bool {
        self.cpu.and_then(|cpu| cpu.idle).is_some_and(|idle| idle < MIN_IDLE)
    }

    /// Whether keyframes take too long to be useful: a result must be ready within one frame interval.
    fn is_slow(&self) -> bool {
        self.keyframe_time.is_none_or(|time| time > self.frame_time)
    }
}

/// A change of quality, with the reason for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) to: Quality,
    pub(crate) why: &'static str,
}

/// The quality chosen by `auto`, second by second; starts with [`Quality::Balanced`].
#[derive(Debug)]
pub(crate) struct AutoQuality {
    is_high: bool,
    good_seconds: u32,
    bad_seconds: u32,
    required: u32,
    /// Seconds before the next attempt to return to `balanced`.
    retry_in: u32,
    keyframe_time: Option<Duration>,
    gave_up_on_high: bool,
}

impl AutoQuality {
    pub(crate) fn new() -> Self {
        Self {
            is_high: false,
            good_seconds: 0,
            bad_seconds: 0,
            required: MIN_GOOD_SECONDS,
            retry_in: 0,
            keyframe_time: None,
            gave_up_on_high: false,
        }
    }

    /// The last change failed. `high` is then never tried again; the return is retried after a while.
    pub(crate) fn fail(&mut self) {
        if self.is_high {
            self.gave_up_on_high = true;
        } else {
            self.is_high = true;
            self.retry_in = MIN_GOOD_SECONDS;
        }
    }

    /// A new camera session begins, and earlier observations no longer count.
    pub(crate) fn restart(&mut self) {
        self.good_seconds = 0;
        self.bad_seconds = 0;
    }

    /// Evaluates another second; returns the change of quality, if there is one.
    pub(crate) fn tick(&mut self, observed: &Observed) -> Option<Change> {
        match (self.gave_up_on_high, self.is_high) {
            (true, _) => None,
            (false, false) => self.try_high(observed),
            (false, true) => self.try_balanced(observed),
        }
    }

    fn try_high(&mut self, observed: &Observed) -> Option<Change> {
        self.good_seconds = if observed.fits_high() {
            self.good_seconds + 1
        } else {
            self.good_seconds.saturating_sub(PENALTY_SECONDS)
        };
        if self.good_seconds < self.required {
            return None;
        }
        self.is_high = true;
        self.good_seconds = 0;
        self.bad_seconds = 0;
        Some(Change { to: Quality::High, why: "enough free CPU" })
    }

    fn try_balanced(&mut self, observed: &Observed) -> Option<Change> {
        self.good_seconds += 1;
        // while nothing moves, the same slow keyframe is observed every second, and counts once
        let last = std::mem::replace(&mut self.keyframe_time, observed.keyframe_time);
        let is_new = last != observed.keyframe_time || observed.keyframe_time.is_none();
        self.bad_seconds = match (observed.is_starving_others(), observed.is_slow()) {
            (false, false) => 0,
            (false, true) if !is_new => self.bad_seconds,
            _ => self.bad_seconds + 1,
        };
        if self.retry_in > 0 {
            self.retry_in -= 1;
            return None;
        }
        if self.good_seconds >= STABLE_SECONDS {
            self.required = MIN_GOOD_SECONDS;
        }
        let why = match observed {
            _ if observed.is_on_battery() => "running on battery",
            _ if observed.is_overloaded => "masks arrive late",
            _ if self.bad_seconds < MAX_BAD_SECONDS => return None,
            Observed { keyframe_time: None, .. } => "the larger model is not responding",
            _ => "CPU busy",
        };
        if !observed.is_on_battery() {
            self.required = (self.required * 2).min(MAX_GOOD_SECONDS);
        }
        self.is_high = false;
        self.good_seconds = 0;
        Some(Change { to: Quality::Balanced, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A laptop on mains power with eight mostly idle cores.
    const LAPTOP: CpuHeadroom = CpuHeadroom { cores: 8, idle: Some(0.8), on_battery: false };

    const IDLE_MACHINE: Observed = Observed {
        cpu: Some(LAPTOP),
        keyframe_time: Some(Duration::from_millis(14)),
        frame_time: Duration::from_micros(33_333),
        is_on_time: true,
        is_overloaded: false,
    };

    /// The second and the quality of each change, given the observation at each second and whether `high` is in effect.
    fn changes(seconds: u32, observed: impl Fn(u32, bool) -> Observed) -> Vec<(u32, Quality)> {
        let mut auto = AutoQuality::new();
        let mut is_high = false;
        let mut changes = Vec::new();
        for second in 1..=seconds {
            if let Some(change) = auto.tick(&observed(second, is_high)) {
                is_high = change.to == Quality::High;
                changes.push((second, change.to));
            }
        }
        changes
    }

    fn with(cpu: CpuHeadroom) -> Observed {
        Observed { cpu: Some(cpu), ..IDLE_MACHINE }
    }

    #[test]
    fn an_idle_machine_switches_up_once_and_stays() {
        assert_eq!(changes(7200, |_, _| IDLE_MACHINE), [(30, Quality::High)]);
    }

    #[test]
    fn without_headroom_it_never_switches_up() {
        for (why, observed) in [
            ("two cores", with(CpuHeadroom { cores: 2, ..LAPTOP })),
            ("busy", with(CpuHeadroom { idle: Some(0.5), ..LAPTOP })),
            ("unknown load", with(CpuHeadroom { idle: None, ..LAPTOP })),
            ("no measurement yet", Observed { cpu: None, ..IDLE_MACHINE }),
            ("battery", with(CpuHeadroom { on_battery: true, ..LAPTOP })),
            ("a slow processor", Observed { keyframe_time: Some(Duration::from_millis(28)), ..IDLE_MACHINE }),
            ("60 frames a second", Observed { frame_time: Duration::from_micros(16_667), ..IDLE_MACHINE }),
            ("no keyframes", Observed { keyframe_time: None, ..IDLE_MACHINE }),
            ("late or degraded masks", Observed { is_on_time: false, ..IDLE_MACHINE }),
        ] {
            assert_eq!(changes(600, |_, _| observed), [], "{why}");
        }
    }

    #[test]
    fn a_disturbance_delays_it_and_frequent_ones_prevent_it() {
        let disturbance =
            |every: u32| move |second: u32, _| Observed { is_on_time: !second.is_multiple_of(every), ..IDLE_MACHINE };
        assert_eq!(changes(120, disturbance(20)), [(36, Quality::High)]);
        assert_eq!(changes(3600, disturbance(5)), []);
    }

    #[test]
    fn late_masks_and_battery_power_end_it_immediately() {
        let late = changes(50, |second, _| Observed { is_overloaded: second == 40, ..IDLE_MACHINE });
        assert_eq!(late, [(30, Quality::High), (40, Quality::Balanced)]);
        let unplugged =
            changes(100, |second, _| with(CpuHeadroom { on_battery: (40..60).contains(&second), ..LAPTOP }));
        assert_eq!(unplugged, [(30, Quality::High), (40, Quality::Balanced), (89, Quality::High)]);
    }

    #[test]
    fn it_yields_to_other_programs_but_not_to_a_short_peak() {
        let busy = |from: u32, to: u32| {
            move |second: u32, _| {
                with(CpuHeadroom { idle: Some(if (from..to).contains(&second) { 0.2 } else { 0.8 }), ..LAPTOP })
            }
        };
        assert_eq!(changes(100, busy(40, 42)), [(30, Quality::High)]);
        assert_eq!(changes(100, busy(40, 60)), [(30, Quality::High), (42, Quality::Balanced)]);
        let keyframe_time = |millis: u32| Some(Duration::from_millis(millis.into()));
        let slow = |second, _| Observed {
            keyframe_time: keyframe_time(if second < 40 { 14 } else { second }),
            ..IDLE_MACHINE
        };
        assert_eq!(changes(100, slow), [(30, Quality::High), (42, Quality::Balanced)]);
        let once = |second, _| Observed {
            keyframe_time: keyframe_time(if (40..50).contains(&second) { 40 } else { 14 }),
            ..IDLE_MACHINE
        };
        assert_eq!(changes(100, once), [(30, Quality::High)], "one slow keyframe, observed ten times");
    }

    #[test]
    fn its_own_load_does_not_end_it() {
        let own = |_, is_high| {
            with(CpuHeadroom {
                idle: Some(if is_high { MIN_IDLE_FOR_HIGH - 0.1 } else { MIN_IDLE_FOR_HIGH }),
                ..LAPTOP
            })
        };
        assert_eq!(changes(3600, own), [(30, Quality::High)]);
    }

    #[test]
    fn failures_make_attempts_rarer_until_one_succeeds() {
        let found = changes(4 * 3600, |_, is_high| Observed { is_overloaded: is_high, ..IDLE_MACHINE });
        let tries = found.iter().filter(|(_, to)| *to == Quality::High).count();
        assert!((6..16).contains(&tries), "{tries} tries in four hours: {found:?}");
        let first = changes(5000, |second, is_high| Observed {
            is_overloaded: is_high && second < 40 || second == 2000,
            ..IDLE_MACHINE
        });
        let ups: Vec<u32> = first.iter().filter(|(_, to)| *to == Quality::High).map(|(second, _)| *second).collect();
        assert_eq!(ups, [30, 91, 2060], "twice the delay after a failure; forgotten after a stable period");
    }

    #[test]
    fn a_quality_that_cannot_be_opened_is_not_retried() {
        let mut auto = AutoQuality::new();
        assert!((0..100).any(|_| auto.tick(&IDLE_MACHINE).is_some()));
        auto.fail();
        assert!((0..1000).all(|_| auto.tick(&IDLE_MACHINE).is_none()));
    }

    #[test]
    fn a_failed_return_is_retried_after_a_while() {
        let mut auto = AutoQuality::new();
        assert!((0..100).any(|_| auto.tick(&IDLE_MACHINE).is_some()));
        let unplugged = with(CpuHeadroom { on_battery: true, ..LAPTOP });
        assert_eq!(auto.tick(&unplugged).unwrap().to, Quality::Balanced);
        auto.fail();
        let mut tries = 0;
        for _ in 0..100 {
            if auto.tick(&unplugged).is_some() {
                auto.fail();
                tries += 1;
            }
        }
        assert_eq!(tries, 3);
    }

    #[test]
    fn earlier_headroom_does_not_count_after_a_restart() {
        let mut auto = AutoQuality::new();
        assert!((1..MIN_GOOD_SECONDS).all(|_| auto.tick(&IDLE_MACHINE).is_none()));
        auto.restart();
        assert!((1..MIN_GOOD_SECONDS).all(|_| auto.tick(&IDLE_MACHINE).is_none()));
        assert!(auto.tick(&IDLE_MACHINE).is_some());
    }
}
