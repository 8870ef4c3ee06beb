//! Counters of the way of a frame: written by the three threads without locks, read by `status`.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// What the threads count; every field only ever grows, but for the smoothed times.
#[derive(Debug, Default)]
pub struct Stats {
    /// Frames that the camera gave.
    pub captured: Counter,
    /// Frames that came damaged and were skipped.
    pub corrupt: Counter,
    /// Frames that found every buffer in use.
    pub overrun: Counter,
    /// Times that the camera was opened.
    pub camera_opens: Counter,
    /// Masks made.
    pub masks: Counter,
    /// Pictures that were composed from a live frame.
    pub composed: Counter,
    /// Frames shown without the person, because no mask was fresh enough.
    pub unmasked: Counter,
    /// Frames shown with the mask of an earlier frame.
    pub late_masks: Counter,
    /// Frames handed to the outputs, cards among them.
    pub written: Counter,
    /// Time to make a mask.
    pub mask_time: Smoothed,
    /// Time to compose a picture.
    pub compose_time: Smoothed,
    /// Time to write a picture to all outputs.
    pub write_time: Smoothed,
    /// Time from the camera's frame to the end of its writing.
    pub latency: Smoothed,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A time, smoothed over about sixteen values; one thread writes.
#[derive(Debug, Default)]
pub struct Smoothed(AtomicU64);

impl Smoothed {
    /// Takes in one more value.
    pub fn record(&self, time: Duration) {
        let new = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let old = self.0.load(Relaxed);
        let next = if old == 0 { new } else { old - old / 16 + new / 16 };
        self.0.store(next, Relaxed);
    }

    /// The smoothed time in milliseconds; 0 before the first value.
    pub fn millis(&self) -> f64 {
        self.0.load(Relaxed) as f64 / 1e6
    }
}

/// The counters at one moment, as `status` prints them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the same words as in `Stats`
pub struct StatsSnapshot {
    pub captured: u64,
    pub corrupt: u64,
    pub overrun: u64,
    pub camera_opens: u64,
    pub masks: u64,
    pub composed: u64,
    pub unmasked: u64,
    pub late_masks: u64,
    pub written: u64,
    pub mask_ms: f64,
    pub compose_ms: f64,
    pub write_ms: f64,
    pub latency_ms: f64,
}

impl Stats {
    /// Reads every counter.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            captured: self.captured.get(),
            corrupt: self.corrupt.get(),
            overrun: self.overrun.get(),
            camera_opens: self.camera_opens.get(),
            masks: self.masks.get(),
            composed: self.composed.get(),
            unmasked: self.unmasked.get(),
            late_masks: self.late_masks.get(),
            written: self.written.get(),
            mask_ms: self.mask_time.millis(),
            compose_ms: self.compose_time.millis(),
            write_ms: self.write_time.millis(),
            latency_ms: self.latency.millis(),
        }
    }
}

/// Frames a second, from two looks at the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// From the camera.
    pub camera: f64,
    /// Masks.
    pub mask: f64,
    /// To the outputs.
    pub output: f64,
}

impl Rates {
    /// The rates between two snapshots that lie `apart`; zero when that is no time at all.
    pub fn between(old: &StatsSnapshot, new: &StatsSnapshot, apart: Duration) -> Self {
        let rate = |old: u64, new: u64| {
            let seconds = apart.as_secs_f64();
            if seconds > 0.0 { new.saturating_sub(old) as f64 / seconds } else { 0.0 }
        };
        Self {
            camera: rate(old.captured, new.captured),
            mask: rate(old.masks, new.masks),
            output: rate(old.written, new.written),
        }
    }
}

/// The memory that this process holds, in MiB; 0 where /proc does not tell.
pub fn rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Gives memory that was freed back to the system, where the C library would keep it: a picture takes tens of MiB for a
/// moment, and glibc leaves its arenas as large as they ever were.
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The CPU time that all threads have used.
pub fn process_time() -> Duration {
    cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The CPU time that all threads but this one have used.
pub fn other_threads_time() -> Duration {
    process_time().saturating_sub(thread_time())
}

/// The CPU time that this thread has used.
pub fn thread_time() -> Duration {
    cpu_time(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn cpu_time(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; these clocks exist on every Linux, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The system's allocator, which counts what is asked for: for `bgcam bench`, and for tests that nothing is.
#[derive(Debug)]
pub struct CountingAllocator;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// How often the process has allocated so far, where [`CountingAllocator`] is its allocator.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Relaxed)
}

// SAFETY: every call is handed on to the system's allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from the system's allocator with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as for `dealloc`, and the caller promises that `size` is valid.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothed_time_starts_at_the_first_value_and_follows() {
        let time = Smoothed::default();
        time.record(Duration::from_millis(4));
        assert!((time.millis() - 4.0).abs() < 1e-6);
        (0..200).for_each(|_| time.record(Duration::from_millis(8)));
        assert!((time.millis() - 8.0).abs() < 0.01, "{}", time.millis());
    }

    #[test]
    fn rates_come_from_the_difference() {
        let old = StatsSnapshot { captured: 10, written: 5, ..StatsSnapshot::default() };
        let new = StatsSnapshot { captured: 70, written: 35, ..StatsSnapshot::default() };
        let rates = Rates::between(&old, &new, Duration::from_secs(2));
        assert_eq!((rates.camera, rates.mask, rates.output), (30.0, 0.0, 15.0));
        assert_eq!(Rates::between(&old, &new, Duration::ZERO), Rates::default());
    }
}
