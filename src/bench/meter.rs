//! Measures wall time, CPU time and allocations.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{WARM_UP, report::Stage};
use crate::{
    background::PLAYER_THREAD,
    mask::Segmenter,
    stats::{allocations, other_threads_time, thread_time},
};

/// Measures one stage.
pub(super) struct Meter {
    name: &'static str,
    pub(super) cpu: Duration,
    pub(super) walls: Vec<Duration>,
    allocations: u64,
}

impl Meter {
    pub(super) fn new(name: &'static str, frames: u32) -> Self {
        Self { name, cpu: Duration::ZERO, walls: Vec::with_capacity((frames + WARM_UP) as usize), allocations: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.cpu = Duration::ZERO;
        self.walls.clear();
        self.allocations = 0;
    }

    pub(super) fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let wall = Instant::now();
        let cpu = thread_time();
        let allocated = allocations();
        let result = work();
        self.allocations += allocations() - allocated;
        self.cpu += thread_time().saturating_sub(cpu);
        self.walls.push(wall.elapsed());
        result
    }

    pub(super) fn stage(mut self, frames: u32) -> Stage {
        self.walls.sort_unstable();
        let count = self.walls.len().max(1);
        let at = |percent: usize| {
            let index = (self.walls.len() * percent / 100).min(count - 1);
            self.walls.get(index).map_or(0.0, |wall| wall.as_secs_f64() * 1e3)
        };
        Stage {
            name: self.name.to_owned(),
            allocations: self.allocations as f64 / f64::from(frames),
            cpu_ms: self.cpu.as_secs_f64() * 1e3 / f64::from(frames),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
        }
    }
}

/// CPU times outside the benchmark's thread, and of the fast model.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) other_threads: Duration,
    /// The thread that decodes a moving background, one of the other threads.
    pub(super) player_thread: Duration,
    /// The process that decodes a video.
    pub(super) player_process: Duration,
    pub(super) model: Duration,
}

impl Times {
    pub(super) fn now(segmenter: &dyn Segmenter) -> Self {
        let other_threads = other_threads_time();
        let [player_thread, player_process] = player_cpu_time();
        Self { other_threads, player_thread, player_process, model: segmenter.model_time() }
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            other_threads: self.other_threads.saturating_sub(before.other_threads),
            player_thread: self.player_thread.saturating_sub(before.player_thread),
            player_process: self.player_process.saturating_sub(before.player_process),
            model: self.model.saturating_sub(before.model),
        }
    }
}

/// The CPU time spent on decoding a moving background: by the player's thread, and by `ffmpeg` child processes.
fn player_cpu_time() -> [Duration; 2] {
    let threads = tasks(Path::new("/proc/self"));
    let children = threads.iter().map(|thread| read(&thread.join("children"))).collect::<String>();
    let children = children.split_whitespace().flat_map(|pid| tasks(&Path::new("/proc").join(pid)));
    let ours = threads.iter().filter(|thread| read(&thread.join("comm")).trim() == PLAYER_THREAD);
    [ours.map(|thread| time_of(thread)).sum(), children.map(|thread| time_of(&thread)).sum()]
}

/// The `/proc` directories of a process's threads.
fn tasks(process: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(process.join("task")).into_iter().flatten();
    entries.flatten().map(|task| task.path()).collect()
}

/// The CPU time of a thread: the first number of `schedstat`.
fn time_of(task: &Path) -> Duration {
    let spent = read(&task.join("schedstat"));
    Duration::from_nanos(spent.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The load average over one minute.
pub(super) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}
