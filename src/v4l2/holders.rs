//! Processes that have a device open, found through `/proc`; for `status` and error messages.

use std::{fmt, fs, io, os::unix::fs::MetadataExt, path::Path, process};

use serde::{Deserialize, Serialize};

/// Maximum number of processes returned.
const MAX_HOLDERS: usize = 64;

/// Maximum number of file descriptors examined per process.
const MAX_FDS: usize = 4096;

/// A process that has a device open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process ID.
    pub pid: u32,
    /// Name, as shown by `ps`.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The first other process that has the device at `path` open, if any is visible.
pub fn first(path: &Path) -> Option<Holder> {
    all(path).ok()?.into_iter().next()
}

/// The other process that captures from the device at `path`, or else the first one that has it open. Media servers open
/// all cameras, but capture only for an app.
pub fn capturing(path: &Path) -> Option<Holder> {
    let holders = all(path).ok()?;
    let captures = |holder: &&Holder| has_mapped(holder.pid, path);
    holders.iter().find(captures).or(holders.first()).cloned()
}

/// Other processes that have the device at `path` open, by PID; at most 64.
///
/// Finds only processes of this user (all processes for root), including those that have the device open without
/// streaming. Takes a few milliseconds, so it must not run on the frame path.
///
/// # Errors
/// If `path` is not a device.
pub fn all(path: &Path) -> io::Result<Vec<Holder>> {
    let device = fs::metadata(path)?.rdev();
    if device == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a device"));
    }
    let mut pids: Vec<u32> = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != process::id())
        .collect();
    pids.sort_unstable();
    let holders = pids.into_iter().filter(|pid| holds(*pid, device)).take(MAX_HOLDERS);
    Ok(holders.map(|pid| Holder { pid, name: name_of(pid) }).collect())
}

/// Whether a process has buffers of the device at `path` mapped, which means it is streaming or about to.
///
/// Also false if its memory map is not readable.
pub fn has_mapped(pid: u32, path: &Path) -> bool {
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return false };
    let path = path.as_os_str();
    maps.lines().any(|line| line.split_ascii_whitespace().nth(5).is_some_and(|mapped| path == mapped))
}

fn holds(pid: u32, device: u64) -> bool {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    fds.flatten().take(MAX_FDS).any(|fd| is_device(&fd.path(), device))
}

fn is_device(fd: &Path, device: u64) -> bool {
    // Checks the name first: stat on a file of a dead network drive would hang.
    let in_dev = fs::read_link(fd).is_ok_and(|target| target.starts_with("/dev"));
    in_dev && fs::metadata(fd).is_ok_and(|meta| meta.rdev() == device)
}

fn name_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).map(|name| name.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn other_processes_are_found_but_not_this_one() {
        let _ours = fs::File::open("/dev/zero").unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open("/dev/zero").map(Stdio::from).unwrap())
            .spawn()
            .unwrap();
        let found = all(Path::new("/dev/zero"));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = found.unwrap();
        assert!(found.iter().any(|holder| holder.pid == child.id()), "{found:?}");
        assert!(found.iter().all(|holder| holder.pid != process::id()), "{found:?}");
        assert!(all(Path::new("/")).is_err());
    }
}
