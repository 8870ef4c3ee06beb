//! Child processes whose end is waited for only so long, and whose last words are kept; and the end of other processes.

use std::{
    collections::VecDeque,
    io::{self, Read},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::duration::Human;

/// How much of what a child says last is kept, in bytes.
const LAST_WORDS: usize = 2048;

/// Waits until `child` ends; kills it when that takes longer than `patience`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when it was killed, and when the system refuses.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {}", Human(patience))));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Any process of this machine, also one that is not our child; its number is not mistaken for that of a later one.
#[derive(Debug)]
pub(crate) struct Process(OwnedFd);

impl Process {
    /// The process with this number; `None` when it has ended, or the kernel is older than 5.3.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let pid = libc::pid_t::try_from(pid).ok()?;
        // SAFETY: takes two numbers; gives a new descriptor or -1.
        let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let handle = RawFd::try_from(handle).ok().filter(|handle| *handle >= 0)?;
        // SAFETY: the descriptor is new and ours.
        Some(Self(unsafe { OwnedFd::from_raw_fd(handle) }))
    }

    /// Waits until it has ended; false when it has not within that time.
    pub(crate) fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut handle = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let millis = libc::c_int::try_from(left.as_millis()).unwrap_or(libc::c_int::MAX);
            // SAFETY: one pollfd, alive during the call.
            match unsafe { libc::poll(&raw mut handle, 1, millis) } {
                1.. => return true,
                _ if left.is_zero() => return false,
                _ => {} // a signal; or the last part of a millisecond is left
            }
        }
    }
}

/// The last of what comes through `pipe`, until its end.
pub(crate) fn last_words(mut pipe: impl Read) -> String {
    let mut tail = VecDeque::with_capacity(LAST_WORDS);
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut chunk) {
        tail.extend(&chunk[..count]);
        let excess = tail.len().saturating_sub(LAST_WORDS);
        tail.drain(..excess);
    }
    String::from_utf8_lossy(tail.make_contiguous()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut child = Command::new("true").spawn().unwrap();
        assert!(wait(&mut child, Duration::from_secs(60)).unwrap().success());
    }

    #[test]
    fn the_end_of_a_process_is_seen() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        assert!(!process.ends_within(Duration::ZERO));
        child.kill().unwrap();
        assert!(process.ends_within(Duration::from_secs(60)));
        child.wait().unwrap();
        assert!(Process::find(u32::MAX).is_none());
    }

    #[test]
    fn only_the_last_words_are_kept() {
        let text = format!("{}the end", "chatter ".repeat(2000));
        let kept = last_words(text.as_bytes());
        assert!(kept.len() == LAST_WORDS && kept.ends_with("the end"));
    }
}
