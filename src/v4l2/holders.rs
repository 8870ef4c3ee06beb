//! Who has a device open: a look through `/proc`, for `status` and for errors.

use std::{fmt, fs, io, os::unix::fs::MetadataExt, path::Path, process};

use serde::{Deserialize, Serialize};

/// More than this many answers help nobody.
const MOST: usize = 64;

/// How many descriptors of one process are looked at.
const MOST_FDS: usize = 4096;

/// A program that has a device open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its name, as `ps` has it.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The first of the other programs that have the device at `path` open, where one is to be seen.
pub fn first(path: &Path) -> Option<Holder> {
    all(path).ok()?.into_iter().next()
}

/// The other programs that have the device at `path` open, by process number; at most 64.
///
/// Sees the processes of this user alone (root sees all), and those that only look as well as those that stream. Takes
/// some milliseconds: nothing for the way of a frame.
///
/// # Errors
/// When `path` is no device.
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
    let holders = pids.into_iter().filter(|pid| holds(*pid, device)).take(MOST);
    Ok(holders.map(|pid| Holder { pid, name: name_of(pid) }).collect())
}

/// Whether a process has the buffers of the device at `path` mapped: it takes frames, or is about to.
///
/// False as well where its memory is not ours to look at.
pub fn maps(pid: u32, path: &Path) -> bool {
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return false };
    let path = path.as_os_str();
    maps.lines().any(|line| line.split_ascii_whitespace().nth(5).is_some_and(|mapped| path == mapped))
}

fn holds(pid: u32, device: u64) -> bool {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    fds.flatten().take(MOST_FDS).any(|fd| is_device(&fd.path(), device))
}

fn is_device(fd: &Path, device: u64) -> bool {
    // The name first: asking for the device of a file on a dead network drive would hang.
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
    fn another_process_is_found_and_we_are_not() {
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
