//! Any other video, decoded by an `ffmpeg` child whose Y4M output we read through a pipe.
//!
//! Y4M is raw yuv420p with a line that says size and rate, which saves asking ffprobe for them.

use std::{
    io::{self, BufReader, Read},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use super::{
    CameraError,
    y4m::{Header, Reader, Y4mError},
};
use crate::{child, frame::Frame};

/// How long ffmpeg may take to start, and to end once its output has.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running ffmpeg.
#[derive(Debug)]
pub(super) struct Ffmpeg {
    path: PathBuf,
    frames: Reader<BufReader<Pipe>>,
    process: Process,
}

impl Ffmpeg {
    /// Starts decoding the video at `path`; `looped` starts it again at its end. Each frame may take `timeout`.
    pub(super) fn open(path: &Path, looped: bool, timeout: Duration) -> Result<Self, CameraError> {
        let mut child = command(path, looped).spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CameraError::NoFfmpeg { path: path.to_owned() },
            _ => CameraError::NotVideo { path: path.to_owned(), why: format!("cannot run ffmpeg: {error}") },
        })?;
        let output = child.stdout.take();
        let mut process = Process::new(child);
        let piped = output.ok_or_else(|| Y4mError::Io(io::Error::other("ffmpeg without an output")));
        match piped.and_then(|output| Reader::new(BufReader::new(Pipe { output, timeout: PATIENCE }))) {
            Ok(mut frames) => {
                frames.input_mut().get_mut().timeout = timeout;
                process.timeout = timeout;
                Ok(Self { path: path.to_owned(), frames, process })
            }
            Err(error) => Err(process.failure(path, &error)),
        }
    }

    pub(super) fn header(&self) -> &Header {
        self.frames.header()
    }

    /// Reads the next frame; `false` at the end.
    pub(super) fn read(&mut self, into: &mut Frame) -> Result<bool, CameraError> {
        match self.frames.read(into) {
            Ok(true) => Ok(true),
            Ok(false) if self.process.went_well() => Ok(false),
            Ok(false) => Err(self.process.failure(&self.path, &Y4mError::NoHeader)),
            Err(error) => Err(self.process.failure(&self.path, &error)),
        }
    }
}

/// No shell; `file:` so that a name with a colon or a dash is nothing but a name, and only files and pipes, so that a
/// playlist in disguise reaches no network.
fn command(path: &Path, looped: bool) -> Command {
    let mut source = std::ffi::OsString::from("file:");
    source.push(path);
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-v", "error", "-protocol_whitelist", "file,pipe"]);
    if looped {
        command.args(["-stream_loop", "-1"]);
    }
    command.arg("-i").arg(source);
    command.args(["-map", "0:v:0", "-vf", "scale=out_color_matrix=bt601:out_range=tv", "-pix_fmt", "yuv420p"]);
    command.args(["-f", "yuv4mpegpipe", "pipe:1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The output of the child; no read waits longer than the time-out.
#[derive(Debug)]
struct Pipe {
    output: ChildStdout,
    timeout: Duration,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut handle = libc::pollfd { fd: self.output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let millis = i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one pollfd, alive during the call.
        match unsafe { libc::poll(&raw mut handle, 1, millis) } {
            0 => Err(io::ErrorKind::TimedOut.into()),
            1.. => self.output.read(into),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The child; killed and reaped when dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    /// Reads what it complains of, so that it never waits for us to do so.
    complaint: Option<JoinHandle<String>>,
    /// How long it may take for the next bytes.
    timeout: Duration,
}

impl Process {
    fn new(mut child: Child) -> Self {
        let complaint = child.stderr.take().map(|errors| std::thread::spawn(move || child::last_words(errors)));
        Self { child, complaint, timeout: PATIENCE }
    }

    /// Whether it ended by itself and without an error.
    fn went_well(&mut self) -> bool {
        child::wait(&mut self.child, PATIENCE).is_ok_and(|status| status.success())
    }

    /// Ends it and says why nothing came.
    fn failure(&mut self, path: &Path, error: &Y4mError) -> CameraError {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let path = path.to_owned();
        if let Y4mError::Io(source) = error
            && source.kind() == io::ErrorKind::TimedOut
        {
            return CameraError::Stalled { device: path.display().to_string(), waited: self.timeout };
        }
        let complaint = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let last = complaint.lines().rfind(|line| !line.trim().is_empty());
        CameraError::NotVideo { path, why: last.map_or_else(|| error.to_string(), |line| format!("ffmpeg: {line}")) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
