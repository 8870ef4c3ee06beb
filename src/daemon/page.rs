//! The daemon behind the control page, and the warnings that other people can see the user's room.

use std::{path::PathBuf, sync::Arc};

use super::{Daemon, lock, scene::look_of};
use crate::{
    background::{BackgroundSpec, Fit},
    compose::{RoomVisible, Scene},
    config::Config,
    control::protocol::{Request, Response, Switch},
    error::{Failure, Kind},
    gallery::Gallery,
    paths,
    pipeline::Preview,
    web::{Backend, Doctor, Page},
};

impl Daemon {
    /// Opens the control page if it is enabled. If that fails, the camera still works.
    pub(super) fn open_page(self: &Arc<Self>) -> Option<Page> {
        let port = lock(&self.config).page?;
        match Page::open(Arc::clone(self), port, &paths::runtime_dir()) {
            Ok(page) => {
                tracing::info!("control page at {}; open it with `bgcam preview`", page.access().address());
                *lock(&self.page) = Some(page.access());
                Some(page)
            }
            Err(error) => {
                let failure = Failure::from(error);
                tracing::warn!(hint = failure.hint, "{failure}");
                None
            }
        }
    }

    /// An address that opens the control page once.
    pub(super) fn one_time_page_address(&self) -> Result<Response, Failure> {
        let page = lock(&self.page).clone().ok_or_else(|| {
            Failure::new(Kind::NotFound, "the control page is not running")
                .hint("set web.enabled = true and restart bgcam; the log shows whether the port was in use")
        })?;
        Ok(Response::Page(page.one_time_address()?))
    }

    /// Whether other people can see the user's room, and why; while paused, why they will after resuming. A room that
    /// is fading out is still visible.
    pub(super) fn room_visibility(&self) -> (bool, Option<String>) {
        let scene = self.pipeline.scene();
        let outgoing = || self.pipeline.outgoing().filter(|_| !scene.paused)?.room_visible();
        let visible = scene.room_visible().or_else(outgoing);
        let reason = visible.clone().or_else(|| scene.room_when_live());
        (visible.is_some(), reason.map(|reason| reason.to_string()))
    }

    /// Appends a warning if other people can see the room.
    pub(super) fn with_room_warning(&self, text: String) -> String {
        match self.pipeline.scene().room_visible() {
            Some(reason) => format!("{text}\nyour room is visible: {reason}"),
            None => text,
        }
    }

    /// Logs that the room is visible, unless it was before.
    pub(super) fn log_if_room_became_visible(&self, before: Option<&Scene>) {
        let now = self.pipeline.scene().room_visible();
        if let Some(reason) = now.filter(|_| before.and_then(Scene::room_visible).is_none()) {
            tracing::info!("your room is visible: {reason}");
        }
    }
}

impl Backend for Arc<Daemon> {
    fn config(&self) -> Config {
        lock(&self.config).clone()
    }

    fn gallery(&self) -> Result<Gallery, Failure> {
        Daemon::gallery(self)
    }

    fn kept_ids(&self) -> Vec<String> {
        Daemon::kept_ids(self)
    }

    fn next_arrival(&self) -> u64 {
        Daemon::next_arrival(self)
    }

    async fn show_image(&self, path: PathBuf, arrival: u64) -> Result<Response, Failure> {
        let spec = BackgroundSpec::Image { path, fit: Fit::Cover };
        self.show_background(spec, Some(Fit::Cover), arrival).await
    }

    fn preview(&self) -> Arc<Preview> {
        self.pipeline.preview()
    }

    fn is_first_run(&self) -> bool {
        self.saved_choice.is_first_run()
    }

    fn doctor(&self) -> Option<Doctor> {
        self.doctor
    }

    fn reveals_room(&self, request: &Request) -> Option<RoomVisible> {
        let scene = self.pipeline.scene();
        let mut choice = self.saved_choice.lock().clone();
        let (spec, look) = match request {
            Request::UsePreset { name } => {
                // one that does not exist or is invalid is refused when it is applied
                let preset = self.presets.find(name)?;
                let look = preset.look_in(&lock(&self.config)).ok()?;
                (&preset.background.clone(), look)
            }
            Request::Resume | Request::Toggle { switch: Switch::Pause } => {
                return scene.room_when_live().filter(|_| scene.paused);
            }
            Request::SetBackground { spec, .. } => (spec, scene.look.clone()),
            // an invalid change is refused when it is applied
            Request::SetLook { change } => (&scene.spec, scene.look.with(change).ok()?),
            Request::ResetLook { names } => {
                let names: Vec<_> = names.iter().map(|name| name.replace('-', "_")).collect();
                choice.look.retain(|name, _| !names.is_empty() && !names.contains(name));
                (&scene.spec, look_of(&choice, &lock(&self.config)))
            }
            _ => return None,
        };
        let after = RoomVisible::with(spec, &look);
        // consent to show a part of the room is not consent to show all of it
        let shows_more = |before| before != after && after == Some(RoomVisible::NoBackground);
        match scene.room_when_live() {
            None => after,
            before => after.clone().filter(|_| shows_more(before)),
        }
    }
}
