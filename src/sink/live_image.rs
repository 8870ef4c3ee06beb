//! An image file that always shows the newest frame, readable only by this user; encoded on a separate thread.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    FrameSink, SinkError, check_size,
    still::{self, StillFormat},
};
use crate::frame::{
    Frame, Pool, Size,
    mailbox::{Latest, Taken},
};

/// Minimum interval between updates of the file.
const UPDATE_INTERVAL: Duration = Duration::from_millis(500);

/// One frame in the mailbox, one being encoded, one being filled.
const BUFFER_COUNT: usize = 3;

/// The sinks `png:PATH` and `jpeg:PATH`.
#[derive(Debug)]
pub(super) struct LiveImage {
    name: String,
    size: Size,
    pool: Pool<Frame>,
    newest: Arc<Latest<Arc<Frame>>>,
    failed: Arc<Latest<SinkError>>,
    saved: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LiveImage {
    /// Starts the thread that updates the image at `path` atomically, twice per second.
    ///
    /// # Errors
    /// If the directory of `path` is not writable.
    pub(super) fn start(path: &Path, format: StillFormat, size: Size) -> Result<Self, SinkError> {
        Self::start_with_interval(UPDATE_INTERVAL, path, format, size)
    }

    fn start_with_interval(
        interval: Duration,
        path: &Path,
        format: StillFormat,
        size: Size,
    ) -> Result<Self, SinkError> {
        let name = path.display().to_string();
        let open = |source: io::Error| SinkError::Open { name: name.clone(), source };
        tempfile::tempfile_in(still::directory(path)).map_err(open)?;
        let (newest, failed) = (Arc::<Latest<_>>::default(), Arc::<Latest<_>>::default());
        let saved = Arc::<AtomicBool>::default();
        let encoder = Encoder {
            newest: Arc::clone(&newest),
            failed: Arc::clone(&failed),
            saved: Arc::clone(&saved),
            path: path.to_owned(),
            format,
            interval,
        };
        let thread = thread::Builder::new().name("snapshot".into()).spawn(move || encoder.run()).map_err(open)?;
        let pool = Pool::new(BUFFER_COUNT, || Frame::new(size));
        Ok(Self { size, pool, newest, failed, saved, thread: Some(thread), name })
    }
}

impl FrameSink for LiveImage {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Size {
        self.size
    }

    fn write(&mut self, frame: &Frame) -> Result<(), SinkError> {
        check_size(self, frame)?;
        if let Some(error) = self.failed.try_take() {
            return Err(error);
        }
        let copy = |buffer: &mut Frame| {
            buffer.copy_from(frame);
            Ok::<_, Infallible>(())
        };
        if let Ok(Some(copy)) = self.pool.fill(copy) {
            self.newest.put(copy);
        }
        Ok(())
    }

    fn has_delivered(&self) -> bool {
        self.saved.load(Ordering::Relaxed)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.newest.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the encoder has been reported by the panic hook, and the file is unchanged.
            let _ = thread.join();
        }
        self.failed.try_take().map_or(Ok(()), Err)
    }
}

impl Drop for LiveImage {
    fn drop(&mut self) {
        self.newest.close();
    }
}

struct Encoder {
    newest: Arc<Latest<Arc<Frame>>>,
    failed: Arc<Latest<SinkError>>,
    saved: Arc<AtomicBool>,
    path: PathBuf,
    format: StillFormat,
    interval: Duration,
}

impl Encoder {
    fn run(self) {
        loop {
            match self.newest.take(Instant::now() + Duration::from_secs(3600)) {
                Taken::Value(frame) => self.save(&frame),
                Taken::TimedOut => {}
                Taken::Closed => return,
            }
            // Waits for the next update, or for the end; then a pending frame is saved immediately.
            self.newest.take_if(Instant::now() + self.interval, |_| false);
        }
    }

    fn save(&self, frame: &Frame) {
        match still::save_private(frame, &self.path, self.format) {
            Ok(()) => self.saved.store(true, Ordering::Relaxed),
            Err(error) => self.failed.put(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::frame::Yuv;

    fn colour(path: &Path) -> [u8; 3] {
        image::open(path).unwrap().to_rgb8().get_pixel(5, 5).0
    }

    #[test]
    fn the_last_frame_is_always_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("see.png");
        let size = Size::new(64, 32).unwrap();
        let hour = Duration::from_secs(3600);
        let mut sink = LiveImage::start_with_interval(hour, &path, StillFormat::Png, size).unwrap();
        let mut frame = Frame::new(size);
        for red in [10, 20, 255] {
            frame.fill(Yuv::from_rgb(red, 0, 0));
            sink.write(&frame).unwrap();
        }
        sink.finish().unwrap();
        assert!(colour(&path)[0] > 250 && sink.has_delivered());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_lost_directory_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("see.jpg");
        let size = Size::new(64, 32).unwrap();
        let mut sink = LiveImage::start_with_interval(Duration::ZERO, &path, StillFormat::Jpeg, size).unwrap();
        drop(dir);
        sink.write(&Frame::new(size)).unwrap();
        assert!(sink.finish().is_err() && !sink.has_delivered());
        assert!(matches!(LiveImage::start(&path, StillFormat::Jpeg, size), Err(SinkError::Open { .. })));
    }
}
