//! A video file, decoded by an `ffmpeg` child process at the output's size and in its colours.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use super::{BackgroundError, Fit, player::ClipDecoder};
use crate::{
    frame::{Frame, Size, colour::ToNative},
    media::ffmpeg::{self, DecodeOptions, Ffmpeg, FfmpegError, colour::Conversion, shape},
};

/// The maximum frame rate: a background needs no more, and every frame costs CPU time.
const MAX_FPS: u32 = 30;

/// The timeout for a frame.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A looping video.
#[derive(Debug)]
pub(super) struct Video {
    path: PathBuf,
    filters: String,
    colour: ToNative,
    stop: Arc<AtomicBool>,
    child: Ffmpeg,
    /// The number of frames from this child process.
    count: u64,
}

impl Video {
    pub(super) fn open(path: &Path, fit: Fit, size: Size, stop: &Arc<AtomicBool>) -> Result<Self, BackgroundError> {
        let conversion = Conversion::of(&ffmpeg::probe(path).map_err(|error| failed(path, error))?);
        let filters = filters(fit, size, &conversion.filters);
        let child = start(path, &filters, stop)?;
        if child.header().size() != size {
            let why = format!("ffmpeg sent frames of {}, expected {size}", child.header().size());
            return Err(BackgroundError::Video { path: path.to_owned(), why });
        }
        let colour = ToNative::new(conversion.colour);
        Ok(Self { path: path.to_owned(), filters, colour, stop: Arc::clone(stop), child, count: 0 })
    }

    fn read(&mut self, into: &mut Frame) -> Result<bool, BackgroundError> {
        self.child.read(into).map_err(|error| failed(&self.path, error))
    }
}

impl ClipDecoder for Video {
    fn next(&mut self, into: &mut Frame) -> Result<Duration, BackgroundError> {
        if !self.read(into)? {
            // ffmpeg loops by itself. If the file cannot be rewound, it ends instead, and a new child process takes
            // over while decoded frames are left.
            if self.count == 0 {
                return Err(BackgroundError::Video { path: self.path.clone(), why: "it has no frames".to_owned() });
            }
            self.child = start(&self.path, &self.filters, &self.stop)?;
            self.count = 0;
            if !self.read(into)? {
                return Err(BackgroundError::Video { path: self.path.clone(), why: "it has no frames".to_owned() });
            }
        }
        self.colour.apply(into);
        self.count += 1;
        let (frames, seconds) = self.child.header().rate;
        Ok(begin(self.count, frames, seconds) - begin(self.count - 1, frames, seconds))
    }
}

/// The start of frame `number` at `frames` per `seconds`, computed without accumulating errors.
fn begin(number: u64, frames: u32, seconds: u32) -> Duration {
    let nanos = u128::from(number) * u128::from(seconds) * 1_000_000_000 / u128::from(frames.max(1));
    Duration::from_nanos(nanos as u64) // 580 years
}

fn start(path: &Path, filters: &str, stop: &Arc<AtomicBool>) -> Result<Ffmpeg, BackgroundError> {
    let stop = Arc::clone(stop);
    Ffmpeg::open(&DecodeOptions { path, looped: true, filters, low_cpu: true, timeout: TIMEOUT, stop })
        .map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: FfmpegError) -> BackgroundError {
    let path = path.to_owned();
    match error {
        FfmpegError::NotInstalled => BackgroundError::NoFfmpeg { path },
        error => BackgroundError::Video { path, why: error.to_string() },
    }
}

/// ffmpeg's filter chain that fits a video to the frames as `fit` does for images. The filters `colour` (which may be
/// empty) are applied where the frames have the fewest pixels.
///
/// Scaling costs nothing if the video already has the size and format.
fn filters(fit: Fit, size: Size, colour: &str) -> String {
    let (width, height) = (size.width(), size.height());
    let shape = match fit {
        Fit::Cover => shape::cover(width, height),
        Fit::Stretch => shape::stretch(width, height),
        Fit::Contain => shape::within(width, height),
    };
    let mut chain = format!("fps=min(source_fps\\,{MAX_FPS}),{shape}");
    if !colour.is_empty() {
        chain = format!("{chain},{colour}");
    }
    if fit == Fit::Contain {
        let small = |side: usize| (side / 48).max(2) * 2;
        let blurred = format!("{},scale={width}:{height}:flags=bicubic", shape::cover(small(width), small(height)));
        chain = format!(
            "{chain},format=yuv420p,split[a][front];\
             [a]{blurred},format=yuv420p,lutyuv=y=16+(val-16)*2/5:u=128+(val-128)*2/5:v=128+(val-128)*2/5[back];\
             [back][front]overlay=(W-w)/2:(H-h)/2"
        );
    }
    chain
}

#[cfg(test)]
#[allow(clippy::print_stderr)] // reports skipped tests
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::background::{
        Options,
        player::{Open, Player},
    };

    fn size() -> Size {
        Size::new(64, 48).unwrap()
    }

    /// A clip generated by ffmpeg with these arguments; `None` if ffmpeg is not installed.
    fn clip(name: &str, arguments: &[&str]) -> Option<(tempfile::TempDir, PathBuf)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error"]).args(arguments).arg(&path).stdin(Stdio::null());
        match command.status() {
            Ok(status) => {
                assert!(status.success(), "{arguments:?}");
                Some((folder, path))
            }
            Err(_) => {
                eprintln!("skipped: ffmpeg is not installed");
                None
            }
        }
    }

    /// Five frames at 10 per second, starting at luma 16, each 40 brighter than the previous one.
    fn stairs(name: &str) -> Option<(tempfile::TempDir, PathBuf)> {
        let source = "color=black:s=64x48:r=10:d=0.5,format=yuv420p,geq=lum=16+40*N:cb=128:cr=128";
        clip(name, &["-f", "lavfi", "-i", source, "-c:v", "libx264", "-qp", "8"])
    }

    fn open(path: &Path) -> Open {
        let path = path.to_owned();
        Box::new(move |stop| Ok(Box::new(Video::open(&path, Fit::Cover, size(), stop)?)))
    }

    fn near(found: u8, expected: u8) -> bool {
        found.abs_diff(expected) <= 4
    }

    #[test]
    fn a_video_loops_without_a_jump_at_its_own_rate() {
        for name in ["clip.mp4", "clip.mkv", "clip.mov"] {
            let Some((_folder, path)) = stairs(name) else { return };
            let player = Player::start(&Options::new(size()), open(&path)).unwrap();
            for tick in 0..60 {
                // thirty output frames per second of a video with ten: each frame is shown three times
                player.seek(Duration::from_millis(tick * 1000 / 30 + 1));
                let found = player.frame().planes().0[100];
                let expected = 16 + 40 * (tick / 3 % 5) as u8;
                assert!(near(found, expected), "{name}: look {tick} shows {found}, not {expected}");
            }
        }
    }

    #[test]
    fn the_child_ends_with_the_player_and_leaves_no_zombie() {
        let Some((_folder, path)) = stairs("zombie.mp4") else { return };
        let player = Player::start(&Options::new(size()), open(&path)).unwrap();
        assert!(!children(&path).is_empty());
        drop(player);
        while !children(&path).is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// This process's children started on `path`, including zombies, which have no command line.
    fn children(path: &Path) -> Vec<String> {
        let name = path.display().to_string();
        let ours = format!("PPid:\t{}\n", std::process::id());
        let mut found = Vec::new(); // their process ids
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            if status.contains(&ours)
                && status.starts_with("Name:\tffmpeg")
                && (line.contains(&name) || line.is_empty())
            {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        found
    }

    #[test]
    fn a_killed_child_is_replaced() {
        let Some((_folder, path)) = stairs("killed.mp4") else { return };
        let player = Player::start(&Options::new(size()), open(&path)).unwrap();
        let first = children(&path);
        Command::new("kill").arg("-9").args(&first).status().unwrap();
        let mut position = Duration::ZERO;
        // its remaining output is shown, then the last frame stays until the next child is ready
        while children(&path) == first || children(&path).is_empty() {
            position += Duration::from_millis(100);
            player.seek(position);
            std::thread::sleep(Duration::from_millis(5));
        }
        let shown = player.frame();
        while Arc::ptr_eq(&shown, &player.frame()) {
            position += Duration::from_millis(100);
            player.seek(position);
        }
    }

    #[test]
    fn a_removed_file_keeps_playing_and_a_damaged_one_fails_immediately() {
        let Some((_folder, path)) = stairs("gone.mkv") else { return };
        let player = Player::start(&Options::new(size()), open(&path)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        player.seek(Duration::from_millis(1250));
        assert!(near(player.frame().planes().0[100], 16 + 40 * 2));
        std::fs::write(&path, &bytes[..bytes.len() / 8]).unwrap();
        let error = Player::start(&Options::new(size()), open(&path)).unwrap_err();
        assert!(matches!(&error, BackgroundError::Video { why, .. } if !why.is_empty()), "{error:?}");
    }

    #[test]
    fn a_video_damaged_in_the_middle_still_plays() {
        let Some((_folder, path)) = stairs("hole.mkv") else { return };
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40].fill(0x55);
        std::fs::write(&path, &bytes).unwrap();
        let player = Player::start(&Options::new(size()), open(&path)).unwrap();
        player.seek(Duration::from_secs(3)); // returns: frames continue, or it is reopened
    }

    #[test]
    fn each_fit_fills_the_frame() {
        // left half white, right half black, twice as wide as high
        let source = "color=white:s=128x64:r=5:d=0.4,drawbox=x=64:w=64:h=64:c=black:t=fill,format=yuv420p";
        let Some((_folder, path)) = clip("wide.mkv", &["-f", "lavfi", "-i", source, "-c:v", "libx264"]) else { return };
        for (fit, top_is_dimmed) in [(Fit::Cover, false), (Fit::Stretch, false), (Fit::Contain, true)] {
            let mut video = Video::open(&path, fit, size(), &Arc::default()).unwrap();
            let mut frame = Frame::new(size());
            assert_eq!(video.next(&mut frame).unwrap(), Duration::from_millis(200));
            let luma = |x: usize, y: usize| frame.planes().0[y * 64 + x];
            assert!(luma(8, 24) > 220 && luma(56, 24) < 30, "{fit:?}");
            assert_eq!(luma(8, 1) < 130, top_is_dimmed, "{fit:?}: {}", luma(8, 1));
        }
    }

    #[test]
    fn colours_match_those_of_other_players() {
        // 0x20a040 in BT.709, and tagged as such
        let source = "color=0x20a040:s=1280x720:r=5:d=0.4";
        let to_709 = "scale=out_color_matrix=bt709,format=yuv420p";
        let arguments =
            ["-f", "lavfi", "-i", source, "-vf", to_709, "-colorspace", "bt709", "-c:v", "libx264", "-qp", "4"];
        let Some((_folder, path)) = clip("green.mp4", &arguments) else { return };
        let mut video = Video::open(&path, Fit::Cover, size(), &Arc::default()).unwrap();
        let mut frame = Frame::new(size());
        video.next(&mut frame).unwrap();
        let (y, u, v) = frame.planes();
        let reference = crate::frame::Yuv::from_rgb(0x20, 0xa0, 0x40);
        let found = (y[700], u[170], v[170]);
        assert!(
            near(found.0, reference.y) && near(found.1, reference.u) && near(found.2, reference.v),
            "{found:?} for {reference:?}"
        );
    }

    #[test]
    fn times_do_not_drift() {
        assert_eq!(begin(30_000, 30_000, 1001), Duration::from_secs(1001));
        assert_eq!(begin(3, 30, 1), Duration::from_millis(100));
    }
}
