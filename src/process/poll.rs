//! Waiting for a file descriptor with a timeout.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

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

/// Waits until `input` has data or ends (true), or the other end of `output` is closed (false).
///
/// # Errors
/// If the system call fails.
pub(crate) fn wait_for_data_or_hangup(input: impl AsFd, output: impl AsFd) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(&input, PollFlags::IN), PollFd::new(&output, PollFlags::empty())];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) if !fds[1].revents().is_empty() => return Ok(false),
            Ok(_) => return Ok(true),
        }
    }
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

    #[test]
    fn a_wait_ends_when_the_output_is_closed() {
        let (input, mut sender) = io::pipe().unwrap();
        let (reader, output) = io::pipe().unwrap();
        sender.write_all(b"x").unwrap();
        assert!(wait_for_data_or_hangup(&input, &output).unwrap());
        drop(reader);
        assert!(!wait_for_data_or_hangup(&input, &output).unwrap());
    }
}
