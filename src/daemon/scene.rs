//! What is shown: a background is loaded, a scene is published, and the choice is remembered.

use std::time::Duration;

use super::{
    Daemon,
    choice::{Choice, remember},
    internal, lock,
    look::look_of,
    prompt,
};
use crate::{
    background::{self, Background, BackgroundError, BackgroundSpec, DEFAULT_BLUR, Fit},
    compose::{Overlay, Scene},
    config::Config,
    error::{Failure, Kind},
    look::Look,
    paths, stats,
};

/// How long an answer waits for the outputs to have what was asked for, beside the time that it fades in; they have it
/// within a tenth of a second.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

impl Daemon {
    /// Shows something else behind the person; when it can't be loaded, everything stays.
    pub(super) async fn set_background(&self, spec: BackgroundSpec, fit: Option<Fit>) -> Result<(), Failure> {
        if let Some(path) = spec.path().filter(|path| !path.is_absolute()) {
            return Err(Failure::new(Kind::BadInput, format!("path {} is not absolute", path.display())));
        }
        let version = {
            let _in_order = self.change.lock().await;
            let config = lock(&self.config).clone();
            let spec = spec.fitted(fit.unwrap_or(config.fit));
            let ready = Ready::load(&spec, &self.pipeline.scene().look, &config).await?;
            self.show(Some(ready), None, |choice| choice.background = Some(spec))
        };
        self.until_shown(version).await;
        stats::give_memory_back();
        Ok(())
    }

    /// Changes how the scene is shown, with the same background: at once, whatever is being loaded or fades in.
    pub(super) async fn adjust(&self, change: impl FnOnce(&mut Choice)) {
        let version = self.show(None, None, change);
        self.until_shown(version).await;
    }

    /// Publishes the scene that follows from a change of the choice, with another background or look where one is ready,
    /// and remembers the choice. Returns the scene's version.
    pub(super) fn show(&self, ready: Option<Ready>, looks: Option<Looks>, change: impl FnOnce(&mut Choice)) -> u64 {
        let mut choice = lock(&self.choice);
        let before = choice.clone();
        change(&mut choice);
        let old = self.pipeline.scene();
        let version = old.version + 1;
        let looks = looks.unwrap_or_else(|| (old.look.clone(), old.overlay.clone()));
        self.pipeline.publish(match ready {
            Some(ready) => ready.scene(version, looks, &choice),
            None => {
                let (Choice { mirror, paused, .. }, (look, overlay)) = (&*choice, looks);
                let (mirror, paused) = (*mirror, *paused);
                Scene { version, look, overlay, mirror, paused, fade: Duration::ZERO, ..(*old).clone() }
            }
        });
        self.keep(&before, &choice);
        self.log_room(Some(&old));
        version
    }

    /// Remembers a new choice, and tells those who follow the status.
    pub(super) fn keep(&self, before: &Choice, choice: &Choice) {
        if choice != before
            && let Err(error) = remember(choice, &paths::state_file())
        {
            tracing::warn!("the choice will be forgotten at the next start: {error}");
        }
        self.news.send_replace(());
    }

    /// Waits until the outputs have a scene, as a whole.
    pub(super) async fn until_shown(&self, version: u64) {
        let shown = async {
            while self.pipeline.shown() < version {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let within = SHOWN_WITHIN + self.pipeline.scene().fade;
        if tokio::time::timeout(within, shown).await.is_err() {
            tracing::debug!("the outputs are late with scene {version}");
        }
    }

    /// The settings' own background, in place of an older one of theirs.
    pub(super) async fn show_default(&self) -> Result<(), Failure> {
        let _in_order = self.change.lock().await;
        let config = lock(&self.config).clone();
        let ready = Ready::load(&config.background, &self.pipeline.scene().look, &config).await?;
        self.show(Some(ready), None, |_| {});
        Ok(())
    }
}

/// A background that is ready to be shown.
pub(super) struct Ready {
    spec: BackgroundSpec,
    label: String,
    background: Background,
    fade: Duration,
}

impl Ready {
    /// Treats it as `look` wants it.
    pub(super) async fn load(spec: &BackgroundSpec, look: &Look, config: &Config) -> Result<Self, Failure> {
        let crossfade = config.crossfade;
        let options = background::Options::for_look(look, config.size, config.limits);
        let options = background::Options { crossfade, ..options };
        let (wanted, bound) = (spec.clone(), config.gallery_bytes);
        let loading = tokio::task::spawn_blocking(move || {
            let background = Background::load(&wanted, &options)?;
            let label = prompt::label(&wanted, bound);
            Ok(Self { spec: wanted, label, background, fade: crossfade })
        });
        let loaded = loading.await.map_err(|error| internal(&error))?;
        loaded.map_err(|error: BackgroundError| Failure::from(&error))
    }

    /// It comes at once, without fading in.
    pub(super) fn at_once(self) -> Self {
        Self { fade: Duration::ZERO, ..self }
    }

    /// The scene with it behind.
    pub(super) fn scene(self, version: u64, (look, overlay): Looks, &Choice { mirror, paused, .. }: &Choice) -> Scene {
        let Self { spec, label, background, fade } = self;
        Scene { version, label, spec, instead_of: None, background, look, overlay, mirror, paused, fade }
    }
}

/// A look, with the overlay that it names.
pub(super) type Looks = (Look, Option<Overlay>);

pub(super) async fn first_scene(choice: &Choice, config: &Config, overlay: Option<Overlay>) -> Result<Scene, Failure> {
    let spec = choice.background.as_ref().unwrap_or(&config.background);
    let look = look_of(choice, config);
    Ok(Ready::load(spec, &look, config).await?.scene(1, (look, overlay), choice))
}

/// The scene in place of one that can't be loaded: never the plain room.
pub(super) async fn blurred(
    choice: &Choice,
    config: &Config,
    overlay: Option<Overlay>,
    failure: &Failure,
) -> Result<Scene, Failure> {
    tracing::warn!(hint = failure.hint, "{failure}; showing a blurred room in its place");
    let instead_of = choice.background.as_ref().unwrap_or(&config.background).to_string();
    let background = Some(BackgroundSpec::Blur { strength: DEFAULT_BLUR });
    let scene = first_scene(&Choice { background, ..choice.clone() }, config, overlay).await?;
    Ok(Scene { instead_of: Some(instead_of), ..scene })
}
