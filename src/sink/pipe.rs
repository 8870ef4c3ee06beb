//! Writes to files and pipes with a timeout.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    event::PollFlags,
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
};

use crate::{duration::HumanDuration, process::poll::wait_for};

/// A file or pipe whose writes fail if they make no progress for `timeout`.
#[derive(Debug)]
pub(super) struct TimeoutWriter {
    file: File,
    timeout: Duration,
}

impl TimeoutWriter {
    /// Takes ownership of `fd`, which must be non-blocking.
    pub(super) fn new(fd: impl Into<OwnedFd>, timeout: Duration) -> Self {
        Self { file: File::from(fd.into()), timeout }
    }

    /// Takes ownership of `fd` and makes it non-blocking.
    pub(super) fn set_nonblocking(fd: impl Into<OwnedFd>, timeout: Duration) -> io::Result<Self> {
        let fd = fd.into();
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self::new(fd, timeout))
    }

    fn wait(&self) -> io::Result<()> {
        if wait_for(&self.file, PollFlags::OUT, self.timeout)?.is_empty() {
            let message = format!("the reader accepted no data for {}", HumanDuration(self.timeout));
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        Ok(())
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
    fn more_data_than_a_pipe_buffer_is_written() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut writer = TimeoutWriter::set_nonblocking(writer, Duration::from_secs(20)).unwrap();
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
    fn a_stalled_reader_is_an_error() {
        let (_reader, writer) = io::pipe().unwrap();
        let mut writer = TimeoutWriter::set_nonblocking(writer, Duration::from_millis(1)).unwrap();
        let error = writer.write_all(&[0; 1 << 20]).expect_err("there is no reader");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
