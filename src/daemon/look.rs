//! How the picture looks: turned by requests, laid over what the settings say, remembered.

use super::{Choice, Daemon, load_scene, lock};
use crate::{
    compose::Scene,
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
        Ok(Response::Done(format!("look: {}", told.join(", "))))
    }

    /// Takes knobs back to what the settings say; all of them when none is named.
    pub(super) async fn reset_look(&self, names: &[String]) -> Result<Response, Failure> {
        let knobs = names.iter().map(|name| look::knob(name).map(|knob| knob.name));
        let knobs: Vec<&str> = knobs.collect::<Result<_, _>>().map_err(|error| Failure::from(&error))?;
        self.turn(|turned| turned.retain(|name, _| !knobs.is_empty() && !knobs.contains(&name.as_str()))).await?;
        Ok(Response::Done("look: as the settings say".to_owned()))
    }

    async fn turn(&self, change: impl FnOnce(&mut Changes)) -> Result<(), Failure> {
        let _in_order = self.change.lock().await;
        let (mut choice, config) = (lock(&self.choice).clone(), lock(&self.config).clone());
        change(&mut choice.look);
        let look = config.look.with(&choice.look).map_err(|error| Failure::from(&error))?;
        let scene = self.looked(look, &choice, &config).await?;
        self.show(scene, choice).await;
        Ok(())
    }

    /// The scene of now with another look.
    async fn looked(&self, look: Look, choice: &Choice, config: &Config) -> Result<Scene, Failure> {
        let old = self.pipeline.scene();
        if needs_loading(&old.look, &look) {
            return load_scene(choice, config, old.version + 1).await;
        }
        Ok(Scene { version: old.version + 1, look, ..(*old).clone() })
    }

    /// Shows the settings' look after they were read again.
    pub(super) async fn follow_look(&self) -> Result<(), Failure> {
        let _in_order = self.change.lock().await;
        let (choice, config) = (lock(&self.choice).clone(), lock(&self.config).clone());
        let look = look_of(&choice, &config);
        if look != self.pipeline.scene().look {
            let scene = self.looked(look, &choice, &config).await?;
            self.pipeline.publish(scene);
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

/// Whether something of a scene has to be made anew, away from the frames.
fn needs_loading(old: &Look, new: &Look) -> bool {
    let treatment = |look: &Look| (look.background_blur, look.background_brightness, look.background_saturation);
    let overlay = |look: &Look| (look.overlay.clone(), look.overlay_place, look.overlay_size, look.overlay_opacity);
    treatment(old) != treatment(new) || overlay(old) != overlay(new)
}
