//! Records MP4 with an `ffmpeg` child, which reads raw frames from stdin and writes to a file opened by bgcam.
//!
//! The file is fragmented: every second is self-contained, so a recording is playable up to a crash and needs no
//! finalization.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{
    FrameSink, SinkError, check_size,
    pipe::TimeoutWriter,
    recording::{self, OverwritePolicy},
};
use crate::{
    frame::{Frame, Size},
    media::ffmpeg,
    process::child,
};

/// How long `ffmpeg` may accept no frame, and how long it may take to finish the file.
const TIMEOUT: Duration = Duration::from_secs(20);

/// H.264 encoders in order of preference; `mpeg4` is part of every `ffmpeg`.
const ENCODERS: [&str; 3] = ["libx264", "libopenh264", "mpeg4"];

/// The sink `mp4:PATH`.
#[derive(Debug)]
pub(super) struct Mp4 {
    name: String,
    path: PathBuf,
    size: Size,
    child: Child,
    stdin: Option<TimeoutWriter>,
    stderr: Option<JoinHandle<String>>,
}

impl Mp4 {
    /// Starts `ffmpeg` for `path`.
    ///
    /// # Errors
    /// If it is not installed or can't be started.
    pub(super) fn start(path: &Path, size: Size, rate: (u32, u32), policy: OverwritePolicy) -> Result<Self, SinkError> {
        Self::start_with(ffmpeg::program, path, size, rate, policy)
    }

    fn start_with(
        program: impl Fn() -> Command,
        path: &Path,
        size: Size,
        rate: (u32, u32),
        policy: OverwritePolicy,
    ) -> Result<Self, SinkError> {
        let open = |source| SinkError::Open { name: path.display().to_string(), source };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => SinkError::NoFfmpeg { path: path.to_owned() },
            _ => open(source),
        };
        let encoder = encoder(program()).map_err(failed)?;
        let (file, path) = recording::create(path, policy).map_err(open)?;
        block(&file).map_err(open)?;
        let mut child = program()
            .args(arguments(size, rate, encoder))
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C must reach only bgcam; ffmpeg exits when its input ends
            .spawn()
            .map_err(failed)?;
        let stdin =
            child.stdin.take().map(|pipe| TimeoutWriter::set_nonblocking(pipe, TIMEOUT)).transpose().map_err(failed)?;
        let stderr = child.stderr.take().map(|pipe| thread::spawn(move || child::stderr_tail(pipe)));
        Ok(Self { name: path.display().to_string(), path, size, child, stdin, stderr })
    }

    /// Waits for the child; returns its status and stderr tail.
    fn reap(&mut self) -> io::Result<(ExitStatus, String)> {
        self.stdin = None;
        let status = child::wait(&mut self.child, TIMEOUT)?;
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Ok((status, lines.join("; ")))
    }

    fn failure(&mut self, first: &str) -> SinkError {
        let reason = match self.reap() {
            Ok((status, stderr)) if stderr.is_empty() => format!("{first} ({status})"),
            Ok((_, stderr)) => stderr,
            Err(error) => format!("{first}, then {error}"),
        };
        SinkError::Ffmpeg { path: self.path.clone(), reason }
    }
}

impl FrameSink for Mp4 {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Size {
        self.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        check_size(self, frame)?;
        let written = match &mut self.stdin {
            Some(stdin) => stdin.write_all(frame.data()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|error| self.failure(&error.to_string()))
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        if self.stderr.is_none() {
            return Ok(()); // the failure has been reported
        }
        match self.reap() {
            Ok((status, _)) if status.success() => Ok(()),
            Ok((status, stderr)) => {
                let reason = if stderr.is_empty() { status.to_string() } else { stderr };
                Err(SinkError::Ffmpeg { path: self.path.clone(), reason })
            }
            Err(error) => Err(SinkError::Ffmpeg { path: self.path.clone(), reason: error.to_string() }),
        }
    }
}

impl Drop for Mp4 {
    fn drop(&mut self) {
        self.stdin = None;
        if let Ok(None) = self.child.try_wait() {
            // Does not wait for ffmpeg to finish the file. Errors mean that it has already exited.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The first of [`ENCODERS`] supported by this `ffmpeg`.
fn encoder(mut program: Command) -> io::Result<&'static str> {
    let list = program.args(["-hide_banner", "-encoders"]).stdin(Stdio::null()).output()?;
    let list = String::from_utf8_lossy(&list.stdout);
    let has = |name: &&&str| list.lines().any(|line| line.split_whitespace().nth(1) == Some(**name));
    Ok(ENCODERS.iter().find(has).unwrap_or(&"mpeg4"))
}

/// Makes writes to `file` blocking, as `ffmpeg` expects of a pipe.
fn block(file: &File) -> io::Result<()> {
    Ok(fcntl_setfl(file, fcntl_getfl(file)?.difference(OFlags::NONBLOCK))?)
}

fn arguments(size: Size, rate: (u32, u32), encoder: &str) -> Vec<String> {
    // A keyframe every two seconds, for seeking.
    let interval = (2 * rate.0).div_ceil(rate.1.max(1)).to_string();
    let (size, rate) = (size.to_string(), format!("{}/{}", rate.0, rate.1));
    let colours =
        ["-color_range", "tv", "-colorspace", "smpte170m", "-color_primaries", "bt709", "-color_trc", "bt709"];
    let mut all: Vec<String> = ["-hide_banner", "-loglevel", "error", "-nostdin"].map(Into::into).into();
    all.extend(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", &size, "-framerate", &rate].map(Into::into));
    all.extend(colours.map(Into::into));
    all.extend(["-i", "pipe:0", "-an", "-c:v", encoder, "-pix_fmt", "yuv420p", "-g", &interval].map(Into::into));
    all.extend(colours.map(Into::into));
    all.extend(match encoder {
        "libx264" => ["-preset", "veryfast", "-crf", "20"].map(String::from).to_vec(),
        _ => ["-b:v", "6M"].map(String::from).to_vec(),
    });
    all.extend(
        ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "1000000"].map(Into::into),
    );
    all.extend(["-flush_packets", "1", "-f", "mp4", "pipe:1"].map(Into::into));
    all
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::frame::Yuv;

    #[allow(clippy::print_stderr)]
    fn installed() -> bool {
        let found = Command::new("ffmpeg").arg("-version").output().is_ok();
        if !found {
            eprintln!("skipped: ffmpeg is not installed");
        }
        found
    }

    fn size() -> Size {
        Size::new(320, 180).unwrap()
    }

    /// Luma of the first pixel of every frame in the file.
    fn play(path: &Path) -> Vec<u8> {
        let played = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-nostdin", "-i"])
            .arg(path)
            .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .output()
            .unwrap();
        played.stdout.chunks_exact(size().i420_len()).map(|frame| frame[0]).collect()
    }

    #[test]
    fn recordings_keep_their_colours() {
        if !installed() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("-a b.mp4");
        fs::write(&path, "an earlier call").unwrap();
        let mut frame = Frame::new(size());
        frame.fill(Yuv::from_rgb(0x20, 0xa0, 0x40));
        let mut sink = Mp4::start(&path, size(), (30000, 1001), OverwritePolicy::Keep).unwrap();
        let new = dir.path().join("-a b-2.mp4");
        assert_eq!(sink.name(), new.display().to_string());
        (0..15).for_each(|_| sink.write(&frame).unwrap());
        sink.finish().unwrap();
        let played = play(&new);
        assert_eq!(played.len(), 15);
        assert!(played[0].abs_diff(frame.data()[0]) <= 2);
        assert_eq!(fs::read(&path).unwrap(), b"an earlier call");
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn recordings_are_playable_after_a_crash() {
        if !installed() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crash.mp4");
        let mut sink = Mp4::start(&path, size(), (30, 1), OverwritePolicy::Keep).unwrap();
        let fragments = || fs::read(&path).unwrap().windows(4).filter(|name| name == b"moof").count();
        let mut count = 0;
        while fragments() < 2 {
            assert!(count < 3000, "nothing has reached the file");
            sink.write(&Frame::new(size())).unwrap();
            count += 1;
        }
        sink.child.kill().unwrap();
        sink.child.wait().unwrap();
        assert!(play(&path).len() >= 15, "{} of {count} frames", play(&path).len());
    }

    #[test]
    fn the_error_contains_the_stderr_tail() {
        if !installed() {
            return;
        }
        let mut sink = Mp4::start(Path::new("/dev/full"), size(), (30, 1), OverwritePolicy::Keep).unwrap();
        let frame = Frame::new(size());
        let error = (0..300).find_map(|_| sink.write(&frame).err()).or_else(|| sink.finish().err());
        let error = error.expect("the device is full").to_string();
        assert!(error.contains("No space left on device"), "{error}");
        sink.finish().unwrap();
        let missing_directory =
            Mp4::start(Path::new("/nonexistent/a.mp4"), size(), (30, 1), OverwritePolicy::Keep).unwrap_err();
        assert!(matches!(missing_directory, SinkError::Open { .. }), "{missing_directory:?}");
    }

    #[test]
    fn a_missing_ffmpeg_is_reported() {
        let program = || Command::new("no-such-ffmpeg");
        let error = Mp4::start_with(program, Path::new("a.mp4"), Size::HD, (30, 1), OverwritePolicy::Keep).unwrap_err();
        assert!(matches!(error, SinkError::NoFfmpeg { .. }));
        assert!(!fs::exists("a.mp4").unwrap());
    }
}
