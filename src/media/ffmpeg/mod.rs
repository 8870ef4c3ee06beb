//! Videos of any kind, decoded by an `ffmpeg` child whose Y4M output we read through a pipe.
//!
//! This is the only place that names files to `ffmpeg` and `ffprobe`: [`name_input`] lets them open that one file, and only
//! as one of [`CONTAINERS`]. Playlists and other formats that name files, which ffmpeg would open, are refused.
//!
//! Y4M is raw yuv420p with a line that says size and rate. The child ends with its reader: it is killed when that is
//! dropped, and a pipe that nobody reads ends it when we are killed ourselves.

pub(crate) mod colour;
mod probe;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    io::{self, BufReader, Read},
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(crate) use probe::probe;

use crate::{
    duration::HumanDuration,
    error::io_text,
    frame::Frame,
    media::y4m::{Header, Reader, Y4mError},
    process::child,
};

/// How long ffmpeg may take to start, and to end once its output has.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often a wait looks at [`Decode::stop`].
const LOOK: Duration = Duration::from_millis(50);

/// Bytes of the pipe: the most that Linux gives everybody. Fewer turns between the child and us than the usual 64 KiB.
const PIPE: libc::c_int = 1 << 20;

/// Demuxers that ffmpeg may use: containers that hold all of their data themselves. None opens another file, runs a script or
/// is a guess at raw data.
const CONTAINERS: &str =
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,asf,flv,mxf,dv,yuv4mpegpipe,gif,apng,nut,ivf,h264,hevc,m4v";

/// The same, for people.
const SUPPORTED: &str = "MP4, MOV, MKV, WebM, AVI, MPEG, OGV, WMV, FLV, MXF, DV and Y4M";

/// Why a video was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FfmpegError {
    /// There is no such program.
    #[error("ffmpeg is not installed")]
    NotInstalled,
    /// Not a container that we open; `found` is what it is instead, where that is known.
    #[error("not a video file{}; supported are {SUPPORTED}", .found.as_ref().map(|what| format!(" but {what}")).unwrap_or_default())]
    NotVideo { found: Option<String> },
    /// A song, perhaps with the picture of its cover.
    #[error("it has only sound, no moving picture")]
    SoundOnly,
    /// Nothing came for so long.
    #[error("ffmpeg gave nothing for {}", HumanDuration(*.0))]
    Stalled(Duration),
    /// It says why, or its output does.
    #[error("{0}")]
    Failed(String),
}

/// What is to be decoded, and how.
#[derive(Debug, Clone)]
pub(crate) struct Decode<'a> {
    pub(crate) path: &'a Path,
    /// Starts again at the end.
    pub(crate) looped: bool,
    /// The chain of filters that frames go through.
    pub(crate) filters: &'a str,
    /// On one thread, and without the deblocking of frames that no other frame is made of: least CPU time, where speed
    /// and the last bit of quality are not needed.
    pub(crate) thrifty: bool,
    /// How long each frame may take.
    pub(crate) timeout: Duration,
    /// Whoever waits stops when this is set.
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
    pub(crate) fn open(decode: &Decode<'_>) -> Result<Self, FfmpegError> {
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
            Ok(false) if self.process.went_well() => Ok(false),
            Ok(false) => Err(self.process.failure(&Y4mError::NoHeader)),
            Err(error) => Err(self.process.failure(&error)),
        }
    }
}

/// The part of a command that names the input: no shell; `file:` so that a name with a colon or a dash is nothing but a
/// name; no other protocol, and no format that could name other files.
fn name_input(command: &mut Command, path: &Path) {
    let mut source = OsString::from("file:");
    source.push(path);
    command.args(["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i"]).arg(source);
}

/// An `ffmpeg` with a clean environment.
pub(crate) fn program() -> Command {
    child::command("ffmpeg", &[])
}

fn command(decode: &Decode<'_>) -> Command {
    let mut command = program();
    command.args(["-nostdin", "-hide_banner", "-v", "error"]);
    if decode.looped {
        command.args(["-stream_loop", "-1"]);
    }
    if decode.thrifty {
        command.args(["-threads", "1", "-skip_loop_filter", "noref"]);
    }
    name_input(&mut command, decode.path);
    // V: the picture of a song's cover is no video
    command.args(["-map", "0:V:0", "-vf", decode.filters, "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "pipe:1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0); // Ctrl-C is for us; ffmpeg ends with us
    command
}

/// The output of the child; no read waits longer than the time-out, nor much longer than until it is to stop.
#[derive(Debug)]
struct Pipe {
    output: ChildStdout,
    timeout: Duration,
    stop: Arc<AtomicBool>,
}

impl Pipe {
    fn new(output: ChildStdout, stop: Arc<AtomicBool>) -> Self {
        // SAFETY: a pipe of ours. Where a larger one is refused, the usual one does.
        unsafe { libc::fcntl(output.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE) };
        Self { output, timeout: PATIENCE, stop }
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let deadline = Instant::now() + self.timeout;
        while !self.stop.load(Ordering::Relaxed) {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut handle = libc::pollfd { fd: self.output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let millis = left.min(LOOK).as_millis() as libc::c_int; // at most LOOK
            // SAFETY: one pollfd, alive during the call.
            match unsafe { libc::poll(&raw mut handle, 1, millis) } {
                0 if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                0 => {}
                1.. => return self.output.read(into),
                _ => return Err(io::Error::last_os_error()),
            }
        }
        Err(io::Error::other("stopped"))
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
    fn failure(&mut self, error: &Y4mError) -> FfmpegError {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Y4mError::Io(source) = error
            && source.kind() == io::ErrorKind::TimedOut
        {
            return FfmpegError::Stalled(self.timeout);
        }
        let complaint = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if complaint.trim().is_empty() { FfmpegError::Failed(error.to_string()) } else { probe::refusal(&complaint) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
