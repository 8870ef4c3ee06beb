//! The published scene and the replaced scenes that are still in use.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;

use crate::compose::Scene;

/// The current scene, and which version the outputs show.
#[derive(Debug)]
pub(super) struct Scenes {
    current: ArcSwap<Scene>,
    /// The version of the scene last shown by the outputs.
    shown: AtomicU64,
    /// Whether the outputs show a frozen frame.
    frozen: AtomicBool,
    /// Wakes [`Scenes::wait_until_shown`] when `shown` changes.
    shown_changed: Notify,
    /// The version of a scene that replaces one with masks by fading in; 0 if none does.
    fading_to: AtomicU64,
    /// Replaced scenes, kept until no thread uses them, so that the render thread never frees one.
    retired: Mutex<Vec<Arc<Scene>>>,
}

impl Scenes {
    pub(super) fn new(scene: Scene) -> Self {
        Self {
            current: ArcSwap::from_pointee(scene),
            shown: AtomicU64::default(),
            frozen: AtomicBool::default(),
            shown_changed: Notify::new(),
            fading_to: AtomicU64::default(),
            retired: Mutex::default(),
        }
    }

    pub(super) fn load(&self) -> Guard<Arc<Scene>> {
        self.current.load()
    }

    pub(super) fn load_full(&self) -> Arc<Scene> {
        self.current.load_full()
    }

    /// Replaces the scene.
    pub(super) fn publish(&self, scene: Scene) {
        if !scene.fade.is_zero() && self.load().needs_mask() {
            self.fading_to.store(scene.version, Ordering::Release);
        }
        let old = self.current.swap(Arc::new(scene));
        let mut retired = self.retired();
        retired.push(old);
        retired.retain(|scene| Arc::strong_count(scene) > 1);
    }

    /// The version of the scene last shown by the outputs.
    pub(super) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Acquire)
    }

    /// Whether the outputs show a frozen frame.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }

    /// Records the scene shown by the outputs, and whether as a frozen frame. Called for every frame, which costs two
    /// loads unless something has changed.
    pub(super) fn set_shown(&self, version: u64, frozen: bool) {
        // first, so that it is known for every version that was shown
        if self.frozen.load(Ordering::Relaxed) != frozen {
            self.frozen.store(frozen, Ordering::Release);
        }
        if self.shown.load(Ordering::Relaxed) != version {
            self.shown.store(version, Ordering::Release);
            self.shown_changed.notify_waiters();
        }
    }

    /// Waits until the outputs have shown this scene or a newer one.
    pub(super) async fn wait_until_shown(&self, version: u64) {
        loop {
            // created before the check, so that no change is missed
            let changed = self.shown_changed.notified();
            if self.shown() >= version {
                return;
            }
            changed.await;
        }
    }

    /// The scene that is still visible while the newest one fades in.
    pub(super) fn outgoing(&self) -> Option<Arc<Scene>> {
        let shown = self.shown();
        let retired = self.retired();
        retired.iter().find(|scene| scene.version == shown).filter(|_| shown < self.load().version).cloned()
    }

    /// Frees replaced scenes that are no longer in use.
    pub(super) fn free_retired(&self) {
        self.retired().retain(|scene| Arc::strong_count(scene) > 1);
    }

    /// Whether the current scene needs masks, or the one it fades from.
    pub(super) fn need_masks(&self) -> bool {
        let scene = self.load();
        let is_fading = self.fading_to.load(Ordering::Acquire) == scene.version;
        scene.needs_mask() || (is_fading && !scene.paused && scene.version > 0)
    }

    /// Records that the fade to `version` is over, so the replaced scene needs no more masks.
    pub(super) fn end_fade(&self, version: u64) {
        let _ = self.fading_to.compare_exchange(version, 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Scene>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
