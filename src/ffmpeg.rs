//! Videos of any kind, decoded by an `ffmpeg` child whose Y4M output we read through a pipe.
//!
//! Y4M is raw yuv420p with a line that says size and rate. The child ends with its reader: it is killed when that is
//! dropped, and a pipe that nobody reads ends it when we are killed ourselves.

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

use crate::{
    camera::y4m::{Header, Reader, Y4mError},
    child,
    duration::Human,
    frame::Frame,
};

/// How long ffmpeg may take to start, and to end once its output has.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often a wait looks at [`Decode::stop`].
const LOOK: Duration = Duration::from_millis(50);

/// Bytes of the pipe: the most that Linux gives everybody. Fewer turns between the child and us than the usual 64 KiB.
const PIPE: libc::c_int = 1 << 20;

/// The most that ffprobe may say.
const MOST_SAID: u64 = 16 << 10;

/// Why a video was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FfmpegError {
    /// There is no such program.
    #[error("ffmpeg is not installed")]
    NotInstalled,
    /// Nothing came for so long.
    #[error("ffmpeg gave nothing for {}", Human(*.0))]
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
            _ => FfmpegError::Failed(format!("cannot run ffmpeg: {error}")),
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
/// name, and only files and pipes, so that a playlist in disguise reaches no network.
fn name_input(command: &mut Command, path: &Path) {
    let mut source = OsString::from("file:");
    source.push(path);
    command.args(["-protocol_whitelist", "file,pipe", "-i"]).arg(source);
}

fn command(decode: &Decode<'_>) -> Command {
    let mut command = Command::new("ffmpeg");
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

/// What a video says of its pictures.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Traits {
    pub(crate) height: u32,
    /// ffmpeg's name of the matrix, such as `bt709`; often `unknown`.
    pub(crate) matrix: String,
    /// ffmpeg's name of the pixel format, such as `yuv420p`.
    pub(crate) pixels: String,
}

/// Asks `ffprobe` for the traits of a video; `None` where it can't tell, or is not there.
pub(crate) fn probe(path: &Path) -> Option<Traits> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "V:0", "-show_entries"]);
    command.args(["stream=height,color_space,pix_fmt", "-of", "default=noprint_wrappers=1"]);
    name_input(&mut command, path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut said = String::new();
    // a child that hangs is killed below: what it says then ends
    let reader = child.stdout.take().map(|output| {
        std::thread::spawn(move || {
            let mut said = String::new();
            let _ = output.take(MOST_SAID).read_to_string(&mut said);
            said
        })
    });
    let ended = child::wait(&mut child, PATIENCE);
    if let Some(reader) = reader {
        said = reader.join().unwrap_or_default();
    }
    ended.is_ok_and(|status| status.success()).then(|| traits(&said))
}

fn traits(said: &str) -> Traits {
    let value = |key: &str| {
        let of = |line: &str| line.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')).map(str::to_owned);
        said.lines().find_map(of).unwrap_or_default()
    };
    Traits { height: value("height").parse().unwrap_or(0), matrix: value("color_space"), pixels: value("pix_fmt") }
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
        let last = complaint.lines().rfind(|line| !line.trim().is_empty());
        FfmpegError::Failed(last.map_or_else(|| error.to_string(), |line| format!("ffmpeg: {line}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ffprobe_says_is_read_and_what_it_does_not_say_is_nothing() {
        let said = "height=720\npix_fmt=yuv420p\ncolor_space=bt709\n";
        let expected = Traits { height: 720, matrix: "bt709".to_owned(), pixels: "yuv420p".to_owned() };
        assert_eq!(traits(said), expected);
        assert_eq!(traits("height=x\nheightened=9\n"), Traits::default());
    }

    #[test]
    fn a_name_is_never_an_option_nor_a_protocol() {
        for name in ["-y", "concat:a|b", "http://127.0.0.1/x.mp4"] {
            let mut command = Command::new("ffmpeg");
            name_input(&mut command, Path::new(name));
            let last = command.get_args().last().map(|argument| argument.to_string_lossy().into_owned());
            assert_eq!(last, Some(format!("file:{name}")));
        }
    }
}
