//! Writing to a file or pipe whose other end may stall: every wait has an end.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use crate::duration::HumanDuration;

/// A file or pipe; a write that makes no headway for `patience` is an error.
#[derive(Debug)]
pub(super) struct TimeoutWriter {
    file: File,
    patience: Duration,
}

impl TimeoutWriter {
    /// Takes over `fd`, which must not block.
    pub(super) fn new(fd: impl Into<OwnedFd>, patience: Duration) -> Self {
        Self { file: File::from(fd.into()), patience }
    }

    /// Takes over `fd` and makes it not block.
    pub(super) fn unblock(fd: impl Into<OwnedFd>, patience: Duration) -> io::Result<Self> {
        let fd = fd.into();
        // SAFETY: F_GETFL and F_SETFL on a descriptor that we own touch no memory of ours.
        let done = unsafe {
            let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
            libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK)
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(Self::new(fd, patience)) }
    }

    fn wait(&self) -> io::Result<()> {
        let mut poll = libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        let millis = self.patience.as_millis().try_into().unwrap_or(libc::c_int::MAX);
        // SAFETY: `poll` is one pollfd, ours for the length of the call.
        match unsafe { libc::poll(&raw mut poll, 1, millis) } {
            0 => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("nobody took data for {}", HumanDuration(self.patience)),
            )),
            ready if ready < 0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Write for TimeoutWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, thread};

    use super::*;

    #[test]
    fn more_than_a_pipe_holds_goes_through() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut writer = TimeoutWriter::unblock(writer, Duration::from_secs(20)).unwrap();
        let received = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        writer.write_all(&sent).unwrap();
        drop(writer);
        assert!(received.join().unwrap().unwrap() == sent);
    }

    #[test]
    fn a_reader_that_stalls_is_an_error() {
        let (_reader, writer) = io::pipe().unwrap();
        let mut writer = TimeoutWriter::unblock(writer, Duration::from_millis(1)).unwrap();
        let error = writer.write_all(&[0; 1 << 20]).expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
