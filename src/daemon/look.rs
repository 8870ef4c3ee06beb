//! Look requests: changes on top of the configured look, saved with the choice.

use tokio::task::spawn_blocking;

use super::{
    Choice, Daemon,
    change::Change,
    loaded::{LoadedBackground, LoadedLook, Replacement, with_load_timeout},
    scene::look_of,
};
use crate::{
    background::{Background, BackgroundSpec, Grade},
    compose::Overlay,
    config::Config,
    control::protocol::Response,
    error::Failure,
    look::{self, Changes, Look},
};

impl Daemon {
    /// Changes look settings; if one of them is invalid, none is changed.
    pub(super) async fn set_look(&self, changes: Changes) -> Result<Response, Failure> {
        let mut named = Vec::with_capacity(changes.len());
        for (name, value) in changes {
            let setting = look::setting(&name)?;
            named.push((setting.name, value));
        }
        let list: Vec<String> = named.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let apply = |changed: &mut Changes| {
            changed.extend(named.into_iter().map(|(name, value)| (name.to_owned(), value)));
        };
        let version = self.change_look(apply).await?;
        Ok(self.respond(version, &format!("look: {}", list.join(", "))).await)
    }

    /// Resets look settings to the configured values; all of them if no name is given.
    pub(super) async fn reset_look(&self, names: &[String]) -> Result<Response, Failure> {
        let settings = names.iter().map(|name| look::setting(name).map(|setting| setting.name));
        let settings: Vec<&str> = settings.collect::<Result<_, _>>()?;
        let reset = |changed: &mut Changes| {
            changed.retain(|name, _| !settings.is_empty() && !settings.contains(&name.as_str()));
        };
        let version = self.change_look(reset).await?;
        let text = if settings.is_empty() {
            "look reset to defaults".to_owned()
        } else {
            format!("reset: {}", settings.join(", "))
        };
        Ok(self.respond(version, &text).await)
    }

    async fn change_look(&self, apply: impl FnOnce(&mut Changes)) -> Result<u64, Failure> {
        let change = self.begin().await;
        let mut changed = change.choice.look.clone();
        apply(&mut changed);
        let look = change.config.look.with(&changed)?;
        let new = change.with_look(look, None, &change.config).await?;
        Ok(change.commit(new, |choice| choice.look = changed))
    }
}

impl Change<'_> {
    /// Loads what another look requires, and another background if `spec` is given.
    pub(super) async fn with_look(
        &self,
        look: Look,
        spec: Option<&BackgroundSpec>,
        config: &Config,
    ) -> Result<Replacement, Failure> {
        let old = &self.scene;
        if look == old.look && spec.is_none() {
            return Ok(Replacement::default());
        }
        let overlay =
            if has_same_overlay(&old.look, &look) { old.overlay.clone() } else { load_overlay(&look, config).await? };
        let needs_grading = matches!(old.background, Background::Image(_)) && Grade::of(&look) != Grade::of(&old.look);
        let background = match spec {
            Some(spec) => Some(LoadedBackground::load(spec, &look, config).await?),
            // no fade: the user is dragging a slider and expects to see the effect immediately
            None if needs_grading => Some(LoadedBackground::load(&old.spec, &look, config).await?.without_fade()),
            None => None,
        };
        Ok(Replacement { background, look: Some(LoadedLook { look, overlay }), config: None })
    }
}

/// The overlay at startup. One that cannot be loaded does not prevent the start.
pub(super) async fn initial_overlay(choice: &Choice, config: &Config) -> Option<Overlay> {
    load_overlay(&look_of(choice, config), config).await.unwrap_or_else(|failure| {
        tracing::warn!(hint = failure.hint, "starting without the overlay: {failure}");
        None
    })
}

async fn load_overlay(look: &Look, config: &Config) -> Result<Option<Overlay>, Failure> {
    let look = look.clone();
    let size = config.size;
    let limits = config.limits;
    with_load_timeout(spawn_blocking(move || Ok(Overlay::load(&look, size, &limits)?))).await
}

fn has_same_overlay(old: &Look, new: &Look) -> bool {
    let overlay = |look: &Look| (look.overlay.clone(), look.overlay_position, look.overlay_size, look.overlay_opacity);
    overlay(old) == overlay(new)
}
