//! Counters and timings of the pipeline, CPU time, memory and allocations.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Counters and timings of the pipeline. All fields only increase, except the smoothed times.
#[derive(Debug, Default)]
pub struct Stats {
    /// Frames captured.
    pub captured: Counter,
    /// Damaged frames, skipped.
    pub corrupt: Counter,
    /// Frames dropped because all buffers were in use.
    pub overrun: Counter,
    /// Number of times the camera was opened.
    pub camera_opens: Counter,
    /// Masks computed.
    pub masks: Counter,
    /// Frames composed from a live camera frame.
    pub composed: Counter,
    /// Frames shown without the person because no mask was recent enough.
    pub unmasked: Counter,
    /// Frames shown with the mask of an earlier frame.
    pub late_masks: Counter,
    /// Frames passed to the outputs, including cards.
    pub written: Counter,
    /// Time to compute a mask.
    pub mask_time: Smoothed,
    /// Time to compose a frame.
    pub compose_time: Smoothed,
    /// Time to write a frame to all outputs.
    pub write_time: Smoothed,
    /// Time from capture to the end of writing.
    pub latency: Smoothed,
}

/// A counter that only increases.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// The current count.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A duration smoothed over about sixteen values, written by one thread.
#[derive(Debug, Default)]
pub struct Smoothed(AtomicU64);

impl Smoothed {
    /// Adds a value.
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

/// All counters at one moment, as printed by `status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // documented in `Stats`
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
    /// Reads all counters.
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

/// Rates in frames per second, computed from two snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Captured frames.
    pub camera: f64,
    /// Masks.
    pub mask: f64,
    /// Frames passed to the outputs.
    pub output: f64,
}

impl Rates {
    /// The rates between two snapshots taken `interval` apart; zero if `interval` is zero.
    pub fn between(old: &StatsSnapshot, new: &StatsSnapshot, interval: Duration) -> Self {
        let rate = |old: u64, new: u64| {
            let seconds = interval.as_secs_f64();
            if seconds > 0.0 { new.saturating_sub(old) as f64 / seconds } else { 0.0 }
        };
        Self {
            camera: rate(old.captured, new.captured),
            mask: rate(old.masks, new.masks),
            output: rate(old.written, new.written),
        }
    }
}

/// Resident memory of this process in MiB; 0 if /proc does not report it.
pub fn rss_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Returns freed memory to the system. Decoding an image or loading a model temporarily takes tens of MiB, and glibc does
/// not shrink its arenas by itself.
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// CPU time used by all threads.
pub fn process_time() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

/// CPU time used by all threads except this one.
pub fn other_threads_time() -> Duration {
    process_time().saturating_sub(thread_time())
}

/// CPU time used by this thread.
pub fn thread_time() -> Duration {
    cpu_time(ClockId::ThreadCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The system allocator with an allocation counter, for `bgcam bench` and for tests of code that must not allocate.
#[derive(Debug)]
pub struct CountingAllocator;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Number of allocations so far, if [`CountingAllocator`] is the global allocator.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Relaxed)
}

// SAFETY: forwards every call unchanged to the system allocator; the counter touches no memory of the caller.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller upholds the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` was allocated by the system allocator with this layout, as the caller guarantees.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as for `dealloc`; the caller guarantees that `size` is valid.
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
