//! Decodes videos with an `ffmpeg` child process, reading its Y4M output through a pipe.
//!
//! This is the only place that passes files to `ffmpeg` and `ffprobe`: [`name_input`] restricts them to that one file
//! and to [`CONTAINERS`]. Playlists and other formats that refer to further files are rejected.
//!
//! The Y4M stream is raw yuv420p with a header for size and rate. The child is killed when its [`Ffmpeg`] is dropped;
//! if bgcam itself is killed, the closed pipe ends it.

pub(crate) mod colour;
mod probe;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    io::{self, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::event::PollFlags;

pub(crate) use probe::probe;

use crate::{
    duration::HumanDuration,
    error::io_text,
    frame::Frame,
    media::y4m::{Header, Reader, Y4mError},
    process::{child, poll::wait_for},
};

/// How long ffmpeg may take to start, and to exit after its output has ended.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Interval at which a wait checks [`DecodeOptions::stop`].
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Pipe buffer size in bytes: the maximum for unprivileged users. Needs fewer context switches than the default of 64
/// KiB.
const PIPE_LEN: usize = 1 << 20;

/// Demuxers that ffmpeg may use: self-contained formats. None of them opens further files, runs a script or guesses
/// at raw data.
const CONTAINERS: &str =
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,asf,flv,mxf,dv,yuv4mpegpipe,gif,apng,nut,ivf,h264,hevc,m4v";

/// The same, for error messages.
const SUPPORTED: &str = "MP4, MOV, MKV, WebM, AVI, MPEG, OGV, WMV, FLV, MXF, DV and Y4M";

/// Reason why a video was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FfmpegError {
    /// The program does not exist.
    #[error("ffmpeg is not installed")]
    NotInstalled,
    /// Not a supported container; `found` describes what it is instead, if known.
    #[error("not a video file{}; supported formats: {SUPPORTED}", .found.as_ref().map(|what| format!(" but {what}")).unwrap_or_default())]
    NotVideo { found: Option<String> },
    /// An audio file, possibly with cover art.
    #[error("the file has only audio, no video")]
    SoundOnly,
    /// No data for this long.
    #[error("ffmpeg sent no data for {}", HumanDuration(*.0))]
    Stalled(Duration),
    /// Message of ffmpeg, or of the parser of its output.
    #[error("{0}")]
    Failed(String),
}

/// What to decode, and how.
#[derive(Debug, Clone)]
pub(crate) struct DecodeOptions<'a> {
    pub(crate) path: &'a Path,
    /// Restarts at the end.
    pub(crate) looped: bool,
    /// ffmpeg filter chain applied to frames.
    pub(crate) filters: &'a str,
    /// Decodes on one thread and without deblocking of non-reference frames: minimal CPU time at slightly lower
    /// quality and speed.
    pub(crate) low_cpu: bool,
    /// Timeout of each frame.
    pub(crate) timeout: Duration,
    /// Aborts a waiting read when set.
    pub(crate) stop: Arc<AtomicBool>,
}

/// A running ffmpeg.
#[derive(Debug)]
pub(crate) struct Ffmpeg {
    frames: Reader<BufReader<Pipe>>,
    process: Process,
}

impl Ffmpeg {
    /// Starts decoding and waits for the header.
    pub(crate) fn open(decode: &DecodeOptions<'_>) -> Result<Self, FfmpegError> {
        let mut child = command(decode).spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FfmpegError::NotInstalled,
            _ => FfmpegError::Failed(format!("cannot run ffmpeg: {}", io_text(&error))),
        })?;
        let output = child.stdout.take();
        let mut process = Process::new(child);
        let piped = output.ok_or_else(|| Y4mError::Io(io::Error::other("ffmpeg without an output")));
        let pipe = |output| BufReader::with_capacity(16 << 10, Pipe::new(output, Arc::clone(&decode.stop)));
        match piped.and_then(|output| Reader::new(pipe(output))) {
            Ok(mut frames) => {
                frames.input_mut().get_mut().timeout = decode.timeout;
                process.timeout = decode.timeout;
                Ok(Self { frames, process })
            }
            Err(error) => Err(process.failure(&error)),
        }
    }

    pub(crate) fn header(&self) -> &Header {
        self.frames.header()
    }

    /// Reads the next frame; `false` at the end.
    pub(crate) fn read(&mut self, into: &mut Frame) -> Result<bool, FfmpegError> {
        match self.frames.read(into) {
            Ok(true) => Ok(true),
            Ok(false) if self.process.succeeded() => Ok(false),
            Ok(false) => Err(self.process.failure(&Y4mError::NoHeader)),
            Err(error) => Err(self.process.failure(&error)),
        }
    }
}

/// Adds the input arguments, without a shell. The `file:` prefix prevents a name with a colon or dash from being
/// parsed as an option or protocol; other protocols and formats that refer to further files are not allowed.
fn name_input(command: &mut Command, path: &Path) {
    let mut source = OsString::from("file:");
    source.push(path);
    command.args(["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i"]).arg(source);
}

/// A command for `ffmpeg` with a clean environment.
pub(crate) fn program() -> Command {
    child::command("ffmpeg", &[])
}

fn command(decode: &DecodeOptions<'_>) -> Command {
    let mut command = program();
    command.args(["-nostdin", "-hide_banner", "-v", "error"]);
    if decode.looped {
        command.args(["-stream_loop", "-1"]);
    }
    if decode.low_cpu {
        command.args(["-threads", "1", "-skip_loop_filter", "noref"]);
    }
    name_input(&mut command, decode.path);
    // V excludes cover art
    command.args(["-map", "0:V:0", "-vf", decode.filters, "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "pipe:1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0); // Ctrl-C must reach only bgcam, which then ends ffmpeg
    command
}

/// Output of the child. A read waits until the timeout, or until `stop` is set.
#[derive(Debug)]
struct Pipe {
    output: ChildStdout,
    timeout: Duration,
    stop: Arc<AtomicBool>,
}

impl Pipe {
    fn new(output: ChildStdout, stop: Arc<AtomicBool>) -> Self {
        // The default size works as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE_LEN);
        Self { output, timeout: TIMEOUT, stop }
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let deadline = Instant::now() + self.timeout;
        while !self.stop.load(Ordering::Relaxed) {
            let left = deadline.saturating_duration_since(Instant::now());
            let ready = wait_for(&self.output, PollFlags::IN, left.min(STOP_POLL_INTERVAL))?;
            if !ready.is_empty() {
                return self.output.read(into);
            }
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Err(io::Error::other("stopped"))
    }
}

/// The child process; killed and reaped when dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    /// Collects stderr, so that the child never blocks on writing it.
    stderr: Option<JoinHandle<String>>,
    /// Timeout of the next read.
    timeout: Duration,
}

impl Process {
    fn new(mut child: Child) -> Self {
        let stderr = child.stderr.take().map(|errors| std::thread::spawn(move || child::stderr_tail(errors)));
        Self { child, stderr, timeout: TIMEOUT }
    }

    /// Whether it exited by itself and successfully.
    fn succeeded(&mut self) -> bool {
        child::wait(&mut self.child, TIMEOUT).is_ok_and(|status| status.success())
    }

    /// Kills the child and returns the reason of the failure.
    fn failure(&mut self, error: &Y4mError) -> FfmpegError {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Y4mError::Io(source) = error
            && source.kind() == io::ErrorKind::TimedOut
        {
            return FfmpegError::Stalled(self.timeout);
        }
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if stderr.trim().is_empty() { FfmpegError::Failed(error.to_string()) } else { probe::refusal(&stderr) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
