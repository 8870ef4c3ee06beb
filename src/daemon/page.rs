//! The control page's side of the daemon, and what is said of the room that others may see.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::watch;

use super::{Daemon, lock, look::look_of};
use crate::{
    background::{BackgroundSpec, Fit},
    compose::{RoomVisible, Scene},
    config::Config,
    control::protocol::{Request, Response},
    error::{Failure, Kind},
    gallery::Gallery,
    pipeline::Preview,
    web::{Host, Page},
};

impl Daemon {
    /// Opens the control page, where the settings want it; without it the camera goes on.
    pub(super) fn open_page(self: &Arc<Self>) -> Option<Page> {
        let port = lock(&self.config).page?;
        match Page::open(Arc::clone(self), port) {
            Ok(page) => {
                tracing::info!("the control page is at {}, `bgcam preview` opens it", page.access().address());
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
    pub(super) fn page_address(&self) -> Result<Response, Failure> {
        let page = lock(&self.page).clone().ok_or_else(|| {
            Failure::new(Kind::NotFound, "the daemon serves no control page")
                .hint("set web.enabled = true and restart bgcam; its log shows whether the port was taken")
        })?;
        Ok(Response::Page(page.one_time_address()?))
    }

    /// Whether others see the user's room, and why; while paused, why they will when it is resumed. A room that fades
    /// out is visible until it is gone.
    pub(super) fn room(&self) -> (bool, Option<String>) {
        let scene = self.pipeline.scene();
        let outgoing = || self.pipeline.outgoing().filter(|_| !scene.paused)?.room_visible();
        let visible = scene.room_visible().or_else(outgoing);
        let why = visible.clone().or_else(|| scene.room_when_live());
        (visible.is_some(), why.map(|why| why.to_string()))
    }

    /// The answer to a change, with a line more when others see the room now.
    pub(super) fn with_room_note(&self, text: String) -> String {
        match self.pipeline.scene().room_visible() {
            Some(why) => format!("{text}\nyour room is visible: {why}"),
            None => text,
        }
    }

    /// Notes in the log that others see the room now, unless they did with the scene before.
    pub(super) fn log_room(&self, before: Option<&Scene>) {
        let now = self.pipeline.scene().room_visible();
        if let Some(why) = now.filter(|_| before.and_then(Scene::room_visible).is_none()) {
            tracing::info!("your room is visible: {why}");
        }
    }
}

impl Host for Arc<Daemon> {
    fn config(&self) -> Config {
        lock(&self.config).clone()
    }

    fn gallery(&self) -> Result<Gallery, Failure> {
        Daemon::gallery(self)
    }

    fn on_screen(&self) -> Vec<String> {
        Daemon::on_screen(self)
    }

    fn arrive(&self) -> u64 {
        Daemon::arrive(self)
    }

    async fn show_picture(&self, path: PathBuf, arrived: u64) -> Result<Response, Failure> {
        let spec = BackgroundSpec::Picture { path, fit: Fit::Cover };
        self.put_behind(spec, Some(Fit::Cover), arrived).await
    }

    fn preview(&self) -> Arc<Preview> {
        self.pipeline.preview()
    }

    fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    fn reveals_room(&self, request: &Request) -> Option<RoomVisible> {
        let scene = self.pipeline.scene();
        let mut choice = self.memory.choice().clone();
        let (spec, look) = match request {
            Request::Resume => return scene.room_when_live().filter(|_| scene.paused),
            Request::SetBackground { spec, .. } => (spec, scene.look.clone()),
            // a change that can't be made is refused later
            Request::SetLook { change } => (&scene.spec, scene.look.with(change).ok()?),
            Request::ResetLook { names } => {
                let names: Vec<_> = names.iter().map(|name| name.replace('-', "_")).collect();
                choice.look.retain(|name, _| !names.is_empty() && !names.contains(name));
                (&scene.spec, look_of(&choice, &lock(&self.config)))
            }
            _ => return None,
        };
        let after = RoomVisible::with(spec, &look);
        // whoever sees a part of the room is not yet meant to see all of it
        let more = |before| before != after && after == Some(RoomVisible::NoBackground);
        match scene.room_when_live() {
            None => after,
            before => after.clone().filter(|_| more(before)),
        }
    }
}
