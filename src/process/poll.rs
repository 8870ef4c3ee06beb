//! Waiting for a file descriptor with a timeout.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until one of `events`, an error or a hang-up occurs on `fd`; returns empty flags on timeout.
///
/// # Errors
/// If a signal arrives ([`io::ErrorKind::Interrupted`]), or the system call fails.
pub(crate) fn wait_for(fd: impl AsFd, events: PollFlags, timeout: Duration) -> io::Result<PollFlags> {
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    let mut fds = [PollFd::new(&fd, events)];
    poll(&mut fds, Some(&timeout))?;
    Ok(fds[0].revents())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_wait_ends_with_data_or_the_timeout() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert_eq!(wait_for(&reader, PollFlags::IN, Duration::ZERO).unwrap(), PollFlags::empty());
        writer.write_all(b"x").unwrap();
        assert_eq!(wait_for(&reader, PollFlags::IN, Duration::MAX).unwrap(), PollFlags::IN);
    }
}
