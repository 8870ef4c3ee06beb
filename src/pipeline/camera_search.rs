//! Looks for a better camera after a device appeared, on a thread of its own: a driver that hangs in a system call must
//! not delay the detection of readers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use arc_swap::ArcSwap;

use super::{health::Health, wake::WakeSignal};
use crate::camera;

/// Finds the configured camera, and makes the capture thread reopen it if that is another one than the open camera.
#[derive(Debug)]
pub(super) struct CameraSearch {
    camera: Arc<ArcSwap<camera::Settings>>,
    health: Arc<Health>,
    wake: Arc<WakeSignal>,
    requested: AtomicBool,
    /// Whether there is a thread, so that there is never more than one, even if a driver hangs forever.
    is_running: AtomicBool,
}

impl CameraSearch {
    pub(super) fn new(camera: Arc<ArcSwap<camera::Settings>>, health: Arc<Health>, wake: Arc<WakeSignal>) -> Arc<Self> {
        let (requested, is_running) = (AtomicBool::default(), AtomicBool::default());
        Arc::new(Self { camera, health, wake, requested, is_running })
    }

    /// Starts a search, or another one after the current one. Returns immediately.
    pub(super) fn start(self: &Arc<Self>) {
        self.start_with(camera::locate);
    }

    fn start_with(
        self: &Arc<Self>,
        locate: impl Fn(&camera::Settings) -> Result<Option<std::path::PathBuf>, camera::CameraError> + Send + 'static,
    ) {
        self.requested.store(true, Ordering::SeqCst);
        if self.is_running.swap(true, Ordering::SeqCst) {
            return;
        }
        let search = Arc::clone(self);
        let run = move || {
            // checks again after `is_running` is reset: a request may have arrived in between
            while search.requested.load(Ordering::SeqCst) && !search.wake.is_stopped() {
                while search.requested.swap(false, Ordering::SeqCst) {
                    search.search(&locate);
                }
                search.is_running.store(false, Ordering::SeqCst);
                if search.requested.load(Ordering::SeqCst) && search.is_running.swap(true, Ordering::SeqCst) {
                    return; // another thread has started meanwhile
                }
            }
        };
        if thread::Builder::new().name("bgcam-search".into()).spawn(run).is_err() {
            self.is_running.store(false, Ordering::SeqCst);
        }
    }

    fn search(&self, locate: impl Fn(&camera::Settings) -> Result<Option<std::path::PathBuf>, camera::CameraError>) {
        let Some(source) = self.health.lock().source.clone() else {
            self.wake.wake(); // ends the wait before the next attempt to open the camera
            return;
        };
        let settings = self.camera.load_full();
        if let Ok(Some(path)) = locate(&settings)
            && source.path.as_ref() != Some(&path)
        {
            tracing::info!("switching to the camera at {}: better match for {:?}", path.display(), settings.device);
            // an equal copy of the settings makes the capture thread reopen the camera
            self.camera.compare_and_swap(&settings, Arc::new((*settings).clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::PathBuf,
        sync::mpsc::channel,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::{
        camera::{Settings, SourceInfo},
        frame::Size,
    };

    fn search(open: &str) -> Arc<CameraSearch> {
        let timeout = Duration::from_secs(2);
        let settings = Settings { device: "auto".into(), size: Size::HD, fps: 30, fourcc: None, timeout };
        let health = Arc::<Health>::default();
        health.lock().source = Some(SourceInfo {
            name: "cam".into(),
            path: Some(open.into()),
            id: None,
            fourcc: "MJPG".into(),
            native: (1280, 720),
            fps: 30.0,
        });
        CameraSearch::new(Arc::new(ArcSwap::from_pointee(settings)), health, Arc::default())
    }

    fn until(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn another_camera_makes_the_capture_thread_reopen() {
        let search = search("/dev/video2");
        let before = search.camera.load_full();
        search.start_with(|_| Ok(Some("/dev/video2".into())));
        until(|| !search.is_running.load(Ordering::SeqCst));
        assert!(Arc::ptr_eq(&before, &search.camera.load()));
        search.start_with(|_| Ok(Some(PathBuf::from("/dev/video0"))));
        until(|| !Arc::ptr_eq(&before, &search.camera.load()));
    }

    #[test]
    fn a_driver_that_hangs_blocks_one_thread_only() {
        let search = search("/dev/video2");
        let (release, hang) = channel::<()>();
        let (report, calls) = channel();
        search.start_with(move |_| {
            report.send(()).unwrap();
            let _ = hang.recv();
            Ok(None)
        });
        calls.recv().unwrap();
        for _ in 0..10 {
            search.start(); // returns, and starts no thread
        }
        assert!(search.is_running.load(Ordering::SeqCst));
        release.send(()).unwrap();
        calls.recv_timeout(Duration::from_secs(20)).unwrap(); // once more, for all requests in the meantime
        drop(release);
        until(|| !search.is_running.load(Ordering::SeqCst));
    }
}
