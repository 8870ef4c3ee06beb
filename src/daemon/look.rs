//! How the picture looks: turned by requests, laid over what the settings say, remembered.

use super::{
    Choice, Daemon, internal, lock,
    scene::{Looks, Ready},
};
use crate::{
    background::{Background, Treatment},
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
            let knob = look::knob(&name).map_err(|error| Failure::from(&error))?;
            named.push((knob.name, value));
        }
        let told: Vec<String> = named.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let turn = |turned: &mut Changes| {
            turned.extend(named.into_iter().map(|(name, value)| (name.to_owned(), value)));
        };
        self.turn(turn).await?;
        Ok(self.done(format!("look: {}", told.join(", "))))
    }

    /// Takes knobs back to what the settings say; all of them when none is named.
    pub(super) async fn reset_look(&self, names: &[String]) -> Result<Response, Failure> {
        let knobs = names.iter().map(|name| look::knob(name).map(|knob| knob.name));
        let knobs: Vec<&str> = knobs.collect::<Result<_, _>>().map_err(|error| Failure::from(&error))?;
        self.turn(|turned| turned.retain(|name, _| !knobs.is_empty() && !knobs.contains(&name.as_str()))).await?;
        Ok(self.done("look: as the settings say".to_owned()))
    }

    async fn turn(&self, change: impl FnOnce(&mut Changes)) -> Result<(), Failure> {
        let version = {
            let _in_order = self.change.lock().await;
            let mut turned = lock(&self.choice).look.clone();
            change(&mut turned);
            let config = lock(&self.config).clone();
            let look = config.look.with(&turned).map_err(|error| Failure::from(&error))?;
            let (ready, looks) = self.looked(look, &config).await?;
            self.show(ready, Some(looks), |choice| choice.look = turned)
        };
        self.until_shown(version).await;
        Ok(())
    }

    /// What of a scene has to be made anew for another look.
    async fn looked(&self, look: Look, config: &Config) -> Result<(Option<Ready>, Looks), Failure> {
        let old = self.pipeline.scene();
        let overlay = if lies_as(&old.look, &look) { old.overlay.clone() } else { load_overlay(&look, config).await? };
        let treatment = Treatment::of(&look);
        let ready = match &old.background {
            Background::Picture(_) if treatment != Treatment::of(&old.look) => {
                // whoever turns a knob wants to see at once what it does
                Some(Ready::load(&old.spec, &look, config).await?.at_once())
            }
            Background::Moving(player) => {
                player.treat(treatment);
                None
            }
            _ => None,
        };
        Ok((ready, (look, overlay)))
    }

    /// Shows the settings' look after they were read again.
    pub(super) async fn follow_look(&self) -> Result<(), Failure> {
        let _in_order = self.change.lock().await;
        let config = lock(&self.config).clone();
        let look = look_of(&lock(&self.choice), &config);
        if look != self.pipeline.scene().look {
            let (ready, looks) = self.looked(look, &config).await?;
            self.show(ready, Some(looks), |_| {});
        }
        Ok(())
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
    let loading = tokio::task::spawn_blocking(move || Overlay::load(&look, size, &limits));
    loading.await.map_err(|error| internal(&error))?.map_err(|error| Failure::from(&error))
}

/// Whether the overlay is the same in both.
fn lies_as(old: &Look, new: &Look) -> bool {
    let overlay = |look: &Look| (look.overlay.clone(), look.overlay_place, look.overlay_size, look.overlay_opacity);
    overlay(old) == overlay(new)
}
