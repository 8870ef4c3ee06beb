//! MP4 through an `ffmpeg` child, which gets raw frames on its standard input.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{FrameSink, SinkError, check_size, pipe::Patient};
use crate::{
    child,
    frame::{Frame, Size},
};

/// How long `ffmpeg` may take no frame, and how long it may take to end the file.
const PATIENCE: Duration = Duration::from_secs(20);

/// H.264 encoders, best first; `mpeg4` is in every `ffmpeg`.
const ENCODERS: [&str; 3] = ["libx264", "libopenh264", "mpeg4"];

/// The sink `mp4:PATH`.
#[derive(Debug)]
pub(super) struct Mp4 {
    name: String,
    path: PathBuf,
    size: Size,
    child: Child,
    stdin: Option<Patient>,
    stderr: Option<JoinHandle<String>>,
}

impl Mp4 {
    /// Starts `ffmpeg` on `path`, in place of a file that is there.
    ///
    /// # Errors
    /// When it is not installed or can't be started.
    pub(super) fn start(path: &Path, size: Size, rate: (u32, u32)) -> Result<Self, SinkError> {
        Self::start_with("ffmpeg".as_ref(), path, size, rate)
    }

    fn start_with(program: &OsStr, path: &Path, size: Size, rate: (u32, u32)) -> Result<Self, SinkError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => SinkError::NoFfmpeg { path: path.to_owned() },
            _ => SinkError::Open { name: path.display().to_string(), source },
        };
        let encoder = encoder(program).map_err(failed)?;
        let mut child = Command::new(program)
            .args(arguments(path, size, rate, encoder))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is for us; ffmpeg ends when its input does
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take().map(|pipe| Patient::unblock(pipe, PATIENCE)).transpose().map_err(failed)?;
        let stderr = child.stderr.take().map(|pipe| thread::spawn(move || child::last_words(pipe)));
        Ok(Self { name: path.display().to_string(), path: path.to_owned(), size, child, stdin, stderr })
    }

    /// Ends the child and says what it left: its status and its last words.
    fn reap(&mut self) -> io::Result<(ExitStatus, String)> {
        self.stdin = None;
        let status = child::wait(&mut self.child, PATIENCE)?;
        let words = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let lines: Vec<_> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Ok((status, lines.join("; ")))
    }

    fn failure(&mut self, first: &str) -> SinkError {
        let reason = match self.reap() {
            Ok((status, words)) if words.is_empty() => format!("{first} ({status})"),
            Ok((_, words)) => words,
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
            return Ok(()); // it has failed, and said so
        }
        match self.reap() {
            Ok((status, _)) if status.success() => Ok(()),
            Ok((status, words)) => {
                let reason = if words.is_empty() { status.to_string() } else { words };
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
            // Nobody waits for the end of the file; errors mean that the child is gone already.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The first of [`ENCODERS`] that this `ffmpeg` has.
fn encoder(program: &OsStr) -> io::Result<&'static str> {
    let list = Command::new(program).args(["-hide_banner", "-encoders"]).stdin(Stdio::null()).output()?;
    let list = String::from_utf8_lossy(&list.stdout);
    let has = |name: &&&str| list.lines().any(|line| line.split_whitespace().nth(1) == Some(**name));
    Ok(ENCODERS.iter().find(has).unwrap_or(&"mpeg4"))
}

fn arguments(path: &Path, size: Size, rate: (u32, u32), encoder: &str) -> Vec<OsString> {
    let (size, rate) = (size.to_string(), format!("{}/{}", rate.0, rate.1));
    let colours =
        ["-color_range", "tv", "-colorspace", "smpte170m", "-color_primaries", "bt709", "-color_trc", "bt709"];
    let mut all: Vec<OsString> = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y"].map(Into::into).into();
    all.extend(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", &size, "-framerate", &rate].map(Into::into));
    all.extend(colours.map(Into::into));
    all.extend(["-i", "pipe:0", "-an", "-c:v", encoder, "-pix_fmt", "yuv420p"].map(Into::into));
    all.extend(colours.map(Into::into));
    all.extend(match encoder {
        "libx264" => ["-preset", "veryfast", "-crf", "20"].map(OsString::from),
        _ => ["-b:v", "6M", "-g", "60"].map(OsString::from),
    });
    all.extend(["-movflags", "+faststart", "-f", "mp4"].map(Into::into));
    // `file:` so that no name is taken for an option or a network address.
    let mut file = OsString::from("file:");
    file.push(path);
    all.push(file);
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

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

    #[test]
    fn what_is_recorded_plays_back_in_its_colours() {
        if !installed() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("-a b.mp4");
        let size = Size::new(320, 180).unwrap();
        let mut frame = Frame::new(size);
        frame.fill(Yuv::from_rgb(0x20, 0xa0, 0x40));
        let mut sink = Mp4::start(&path, size, (30000, 1001)).unwrap();
        (0..15).for_each(|_| sink.write(&frame).unwrap());
        sink.finish().unwrap();
        let played = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-nostdin", "-i"])
            .arg(&path)
            .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .output()
            .unwrap();
        assert_eq!(played.stdout.len(), 15 * size.i420_len());
        assert!(played.stdout[0].abs_diff(frame.data()[0]) <= 2);
    }

    #[test]
    fn its_last_words_are_in_the_error() {
        if !installed() {
            return;
        }
        let mut sink = Mp4::start(Path::new("/nonexistent/a.mp4"), Size::HD, (30, 1)).unwrap();
        let frame = Frame::new(Size::HD);
        let error = (0..100).find_map(|_| sink.write(&frame).err()).or_else(|| sink.finish().err());
        let error = error.expect("there is no such directory").to_string();
        assert!(error.contains("No such file or directory"), "{error}");
        sink.finish().unwrap();
    }

    #[test]
    fn without_ffmpeg_the_error_says_so() {
        let error =
            Mp4::start_with("no-such-ffmpeg".as_ref(), Path::new("a.mp4"), Size::HD, (30, 1)).expect_err("no program");
        assert!(matches!(error, SinkError::NoFfmpeg { .. }));
        assert!(!fs::exists("a.mp4").unwrap());
    }
}
