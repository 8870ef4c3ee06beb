//! How the picture looks: turned by requests, laid over what the settings say, remembered.

use tokio::task::spawn_blocking;

use super::{
    Choice, Daemon,
    change::{Change, Replacement, loaded},
    scene::Ready,
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
    /// Turns some knobs; with one wrong among them, nothing changes.
    pub(super) async fn set_look(&self, changes: Changes) -> Result<Response, Failure> {
        let mut named = Vec::with_capacity(changes.len());
        for (name, value) in changes {
            let setting = look::setting(&name)?;
            named.push((setting.name, value));
        }
        let told: Vec<String> = named.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let turn = |turned: &mut Changes| {
            turned.extend(named.into_iter().map(|(name, value)| (name.to_owned(), value)));
        };
        let version = self.turn(turn).await?;
        Ok(self.done(version, &format!("look: {}", told.join(", "))).await)
    }

    /// Takes knobs back to what the settings say; all of them when none is named.
    pub(super) async fn reset_look(&self, names: &[String]) -> Result<Response, Failure> {
        let settings = names.iter().map(|name| look::setting(name).map(|setting| setting.name));
        let settings: Vec<&str> = settings.collect::<Result<_, _>>()?;
        let keep = |turned: &mut Changes| {
            turned.retain(|name, _| !settings.is_empty() && !settings.contains(&name.as_str()));
        };
        let version = self.turn(keep).await?;
        Ok(self.done(version, "look: as the settings say").await)
    }

    async fn turn(&self, turn: impl FnOnce(&mut Changes)) -> Result<u64, Failure> {
        let change = self.begin().await;
        let mut turned = change.choice.look.clone();
        turn(&mut turned);
        let look = change.config.look.with(&turned)?;
        let new = change.with_look(look, None, &change.config).await?;
        Ok(change.commit(new, |choice| choice.look = turned))
    }
}

impl Change<'_> {
    /// Loads what has to be replaced for another look, and for another background where one is given.
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
        let overlay = if lies_as(&old.look, &look) { old.overlay.clone() } else { load_overlay(&look, config).await? };
        let treated_anew = matches!(old.background, Background::Picture(_)) && Grade::of(&look) != Grade::of(&old.look);
        let background = match spec {
            Some(spec) => Some(Ready::load(spec, &look, config).await?),
            // whoever turns a knob wants to see at once what it does
            None if treated_anew => Some(Ready::load(&old.spec, &look, config).await?.at_once()),
            None => None,
        };
        Ok(Replacement { background, looks: Some((look, overlay)), config: None })
    }
}

/// The settings' look with what was turned since; a knob that there is no more, or not so, is left out.
pub(super) fn look_of(choice: &Choice, config: &Config) -> Look {
    choice.look.iter().fold(config.look.clone(), |look, (name, value)| {
        let one = Changes::from_iter([(name.clone(), value.clone())]);
        look.with(&one).unwrap_or_else(|error| {
            tracing::warn!("of what was turned of the look before: {error}");
            look
        })
    })
}

/// The overlay to start with; one that can't be shown is no reason not to start.
pub(super) async fn first_overlay(choice: &Choice, config: &Config) -> Option<Overlay> {
    load_overlay(&look_of(choice, config), config).await.unwrap_or_else(|failure| {
        tracing::warn!(hint = failure.hint, "nothing is laid over the picture: {failure}");
        None
    })
}

async fn load_overlay(look: &Look, config: &Config) -> Result<Option<Overlay>, Failure> {
    let (look, size, limits) = (look.clone(), config.size, config.limits);
    let load = move || Overlay::load(&look, size, &limits).map_err(Failure::from);
    loaded(spawn_blocking(load)).await
}

/// Whether the overlay is the same in both.
fn lies_as(old: &Look, new: &Look) -> bool {
    let overlay = |look: &Look| (look.overlay.clone(), look.overlay_position, look.overlay_size, look.overlay_opacity);
    overlay(old) == overlay(new)
}
