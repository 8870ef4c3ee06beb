//! CPU headroom: idle time, and mains or battery power.

use std::{
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    str,
    sync::{Mutex, PoisonError},
    thread,
};

/// How much CPU the machine has left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuHeadroom {
    /// The CPUs this process may run on.
    pub cores: usize,
    /// The idle share of all CPU time since the last measurement, 0 to 1; `None` if unknown.
    pub idle: Option<f32>,
    /// Whether the machine runs on battery; unknown counts as mains power.
    pub on_battery: bool,
}

/// Measures the CPU headroom, once per second.
pub trait Machine: fmt::Debug + Send {
    /// Measures again. Allocates nothing, but may block: the firmware of some laptops is slow.
    fn measure(&mut self) -> CpuHeadroom;
}

/// The machine this process runs on, as reported by the kernel.
#[derive(Debug)]
pub(crate) struct LocalMachine {
    cores: usize,
    stat: PathBuf,
    last: Option<Ticks>,
    /// The `online` files of power supplies.
    mains: Vec<PathBuf>,
    /// The `status` files of batteries.
    batteries: Vec<PathBuf>,
}

impl LocalMachine {
    /// The machine with its `/proc` and `/sys` below `root`.
    ///
    /// Power supplies are listed once: a laptop's battery stays, and reports whether it is discharging.
    pub(crate) fn new(root: &Path) -> Self {
        let mut machine = Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            stat: root.join("proc/stat"),
            last: None,
            mains: Vec::new(),
            batteries: Vec::new(),
        };
        for entry in fs::read_dir(root.join("sys/class/power_supply")).into_iter().flatten().flatten() {
            let supply = entry.path();
            let contains = |name: &str, word: &str| contains(&supply.join(name), word);
            if contains("type", "Mains") {
                machine.mains.push(supply.join("online"));
            } else if contains("type", "Battery") && !contains("scope", "Device") {
                machine.batteries.push(supply.join("status")); // but not that of a mouse
            }
        }
        machine
    }
}

impl Machine for LocalMachine {
    fn measure(&mut self) -> CpuHeadroom {
        let now = first_line(&self.stat, &mut [0; 512]).and_then(ticks);
        let before = std::mem::replace(&mut self.last, now);
        let idle = before.zip(now).and_then(|(before, now)| now.idle_since(before));
        let plugged_in = self.mains.iter().any(|file| contains(file, "1"));
        let on_battery = !plugged_in && self.batteries.iter().any(|file| contains(file, "Discharging"));
        CpuHeadroom { cores: self.cores, idle, on_battery }
    }
}

/// Whether a file's first line is `word`.
fn contains(file: &Path, word: &str) -> bool {
    first_line(file, &mut [0; 32]) == Some(word)
}

/// The first line of a file, truncated to `buffer`.
fn first_line<'a>(file: &Path, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = File::open(file).ok()?.read(buffer).ok()?;
    str::from_utf8(&buffer[..length]).ok()?.lines().next()
}

/// The time of all CPUs since boot, in kernel ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    all: u64,
}

impl Ticks {
    /// The idle share of the time since `before`. The kernel's idle count may go backwards a little.
    fn idle_since(self, before: Self) -> Option<f32> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        let idle = self.idle.saturating_sub(before.idle);
        Some((idle as f32 / all as f32).min(1.0))
    }
}

/// Parses the first line of `/proc/stat`, see proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guest
/// time is part of user.
fn ticks(line: &str) -> Option<Ticks> {
    let mut fields = line.strip_prefix("cpu ")?.split_ascii_whitespace().take(8).map(|field| field.parse::<u64>().ok());
    let (mut idle, mut all) = (0_u64, 0_u64);
    for at in 0..8 {
        let Some(field) = fields.next() else {
            return (at >= 4).then_some(Ticks { idle, all }); // old kernels have fewer
        };
        let ticks = field?;
        all = all.checked_add(ticks)?;
        if matches!(at, 3 | 4) {
            idle += ticks;
        }
    }
    Some(Ticks { idle, all })
}

/// The latest measurement, passed from the watch thread to the mask thread.
#[derive(Debug, Default)]
pub(crate) struct LatestHeadroom(Mutex<Option<CpuHeadroom>>);

impl LatestHeadroom {
    pub(crate) fn set(&self, headroom: Option<CpuHeadroom>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = headroom;
    }

    pub(crate) fn get(&self) -> Option<CpuHeadroom> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A machine with these files below its root.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, LocalMachine) {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), files);
        let machine = LocalMachine::new(root.path());
        (root, machine)
    }

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    const POWER: &str = "sys/class/power_supply";

    #[test]
    fn the_idle_share_covers_the_time_since_the_last_measurement() {
        let (root, mut machine) = machine(&[("proc/stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n")]);
        assert_eq!(machine.measure().idle, None, "a single measurement covers no time");
        write(root.path(), &[("proc/stat", "cpu  130 0 110 750 110 0 0 0 70 0\n")]);
        assert_eq!(machine.measure().idle, Some(0.6));
        assert_eq!(machine.measure().idle, None, "no time has passed");
        write(root.path(), &[("proc/stat", "cpu  230 0 110 740 110 0 0 0 70 0\n")]);
        assert_eq!(machine.measure().idle, Some(0.0), "the count went backwards");
        fs::remove_file(root.path().join("proc/stat")).unwrap();
        assert_eq!(machine.measure().idle, None);
    }

    #[test]
    fn the_local_machine_can_be_measured() {
        let mut machine = LocalMachine::new(Path::new("/"));
        let first = machine.measure();
        assert!(first.cores > 0 && machine.last.is_some_and(|ticks| ticks.all > 0));
    }

    #[test]
    fn malformed_lines_are_rejected() {
        let bad = ["", "cpu", "cpu ", "cpu  1 2 3", "cpu0 1 2 3 4", "cpu  1 2 x 4", "cpu  1 -2 3 4 5", "intr 1 2 3 4"];
        for line in bad {
            assert_eq!(ticks(line), None, "{line:?}");
        }
        assert_eq!(ticks("cpu  18446744073709551615 1 0 0"), None);
        assert_eq!(ticks("cpu  1 2 3 4"), Some(Ticks { idle: 4, all: 10 }));
        assert_eq!(ticks("cpu  1 1 1 1 1 1 1 1 9 9 9"), Some(Ticks { idle: 2, all: 8 }));
    }

    proptest! {
        #[test]
        fn no_input_causes_a_panic(line in "(cpu )?[ -~]{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = ticks(&line);
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), bytes).unwrap();
            let _ = first_line(file.path(), &mut [0; 512]).and_then(ticks);
        }
    }

    #[test]
    fn a_discharging_battery_counts_without_mains_power() {
        let at = |name: &str| format!("{POWER}/{name}");
        let (mains, online) = (at("AC/type"), at("AC/online"));
        let (battery, status) = (at("BAT0/type"), at("BAT0/status"));
        let mouse = at("hid-1/type");
        let scope = at("hid-1/scope");
        let of_mouse = at("hid-1/status");
        for (expected, plugged, status_text) in [
            (true, "0\n", "Discharging\n"),
            (false, "1\n", "Discharging\n"),
            (false, "0\n", "Charging\n"),
            (false, "0\n", "Unknown\n"),
            (true, "nonsense\n", "Discharging\n"),
        ] {
            let files = [(&*mains, "Mains\n"), (&online, plugged), (&battery, "Battery\n"), (&status, status_text)];
            let (_root, mut machine) = machine(&files);
            assert_eq!(machine.measure().on_battery, expected, "{plugged:?} {status_text:?}");
        }
        let files = [(&*mouse, "Battery\n"), (&scope, "Device\n"), (&of_mouse, "Discharging\n")];
        let (_root, mut with_mouse) = machine(&files);
        assert!(!with_mouse.measure().on_battery);
        let (_root, mut desktop) = machine(&[]);
        assert!(!desktop.measure().on_battery);
    }
}
