//! The control page's side of the daemon.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Daemon, lock};
use crate::{
    config::Config,
    error::Failure,
    paths,
    pipeline::Tap,
    prompt::gallery::Gallery,
    web::{Host, Page},
};

impl Daemon {
    /// Opens the control page, where the settings want it; without it the camera goes on.
    pub(super) fn open_page(self: &Arc<Self>) -> Option<Page> {
        let port = lock(&self.config).page?;
        match Page::open(Arc::clone(self), port, &paths::runtime_dir()) {
            Ok(page) => {
                tracing::info!("the control page is at {}, `bgcam preview` opens it", page.address());
                *lock(&self.page) = Some(page.address().to_owned());
                Some(page)
            }
            Err(error) => {
                let failure = Failure::from(&error);
                tracing::warn!(hint = failure.hint, "{failure}");
                None
            }
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

    fn tap(&self) -> Arc<Tap> {
        self.pipeline.tap()
    }

    fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }
}
