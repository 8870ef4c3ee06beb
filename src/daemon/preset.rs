//! Preset requests: saves what is in effect under a name, and restores it in one change.

use std::sync::atomic::Ordering;

use super::{
    Daemon,
    camera_and_quality::test_model,
    change::Change,
    images, lock,
    presets::{Preset, checked_name},
    scene::look_of,
};
use crate::{
    background::BackgroundSpec,
    compose::RoomVisible,
    config::Config,
    control::protocol::{PresetInfo, Response},
    error::{Failure, Kind},
    look::{Changes, Look},
    stats,
};

impl Daemon {
    /// Saves background, look, camera and quality as they are now; replaces a preset with the same name.
    pub(super) async fn save_preset(&self, name: &str) -> Result<Response, Failure> {
        let name = checked_name(name)?;
        let preset = {
            let change = self.begin().await; // so that no other change is half done
            Preset::of(&change, name.clone())
        };
        let room = preset.room_reason(&lock(&self.config));
        let background = preset.background.clone();
        let verb = if self.presets.put(preset).await? { "replaced" } else { "saved" };
        self.status_changes.send_replace(());
        let background = self.described(background).await;
        let text = format!("{verb} preset {name:?} with background {background}");
        Ok(Response::Done(match room {
            // the usual warning would be wrong
            Some(reason) if self.pipeline.scene().paused => format!("{text}\nthis preset shows your room: {reason}"),
            _ => self.with_room_warning(text),
        }))
    }

    /// Restores a preset; if anything in it cannot be loaded, nothing changes.
    pub(super) async fn use_preset(&self, name: String, arrival: u64) -> Result<Response, Failure> {
        let preset = self.presets.get(name).await?;
        let change = self.begin().await;
        if self.is_superseded(arrival) {
            return Ok(Response::Warning("not used: you chose another background in the meantime".to_owned()));
        }
        let name = preset.name.clone();
        let used = self.commit_preset(change, preset, arrival).await;
        let version =
            used.map_err(|failure| Failure { message: format!("cannot use preset {name:?}: {failure}"), ..failure })?;
        let response = self.respond(version, &format!("preset: {name}")).await;
        stats::trim_heap(); // that of the old background
        Ok(response)
    }

    /// Loads what a preset needs, then commits it. Returns the scene's version.
    async fn commit_preset(&self, change: Change<'_>, preset: Preset, arrival: u64) -> Result<u64, Failure> {
        if let Some(path) = preset.background.path().filter(|path| !path.is_absolute()) {
            return Err(Failure::new(Kind::BadInput, format!("path {} is not absolute", path.display())));
        }
        let old = &change.config;
        let new = old.clone().with(Some(&preset.camera), Some(preset.quality));
        let look = preset.look_in(&new)?;
        // a background that is shown stays, even if its file is gone
        let is_shown = preset.background == change.scene.spec && change.scene.replaces.is_none();
        let spec = (!is_shown).then_some(&preset.background);
        let mut replacement = change.with_look(look.clone(), spec, &new).await?;
        test_model(old, &new).await?;
        if new.camera.device != old.camera.device {
            self.test_camera(old, &new, self.is_light_on()).await?;
        }
        replacement.config = (new.camera != old.camera || new.mask != old.mask).then_some(new.clone());
        let configured = new.with(None, None);
        let old_background = change.background().clone();
        let version = change.commit(replacement, |choice| {
            choice.choose(preset.background, &old_background);
            choice.look = changes_of(&configured.look, &look);
            choice.camera = Some(preset.camera).filter(|camera| *camera != configured.camera.device);
            choice.quality = Some(preset.quality).filter(|quality| *quality != configured.mask.quality);
        });
        self.background_arrival.store(arrival, Ordering::Relaxed);
        self.jobs.cancel_older(arrival);
        Ok(version)
    }

    /// Removes a preset.
    pub(super) async fn remove_preset(&self, name: String) -> Result<Response, Failure> {
        let name = self.presets.remove(name).await?;
        self.status_changes.send_replace(());
        Ok(Response::Done(format!("removed preset {name:?}")))
    }

    /// All presets, with the one in effect marked.
    pub(super) async fn list_presets(&self) -> Result<Response, Failure> {
        let presets = self.presets.list().await?;
        let config = lock(&self.config).clone();
        let choice = self.saved_choice.lock().clone();
        let background = choice.background.as_ref().unwrap_or(&config.background);
        let look = look_of(&choice, &config);
        let mut list = Vec::with_capacity(presets.len());
        for preset in presets {
            let current = preset.background == *background
                && preset.look_in(&config).is_ok_and(|saved| saved == look)
                && (&preset.camera, preset.quality) == (&config.camera.device, config.mask.quality);
            let room_reason = preset.room_reason(&config);
            let background = self.described(preset.background).await;
            list.push(PresetInfo { name: preset.name, background, current, room_reason });
        }
        Ok(Response::Presets(list))
    }

    /// The display name of a background.
    async fn described(&self, spec: BackgroundSpec) -> String {
        let gallery_bytes = lock(&self.config).gallery_bytes;
        let plain = spec.to_string();
        let described = tokio::task::spawn_blocking(move || images::name(&spec, gallery_bytes));
        described.await.unwrap_or(plain)
    }
}

impl Preset {
    /// What is in effect now.
    fn of(change: &Change<'_>, name: String) -> Self {
        Self {
            name,
            background: change.background().clone(),
            look: look_of(&change.choice, &change.config).to_map(),
            camera: change.config.camera.device.clone(),
            quality: change.config.mask.quality,
        }
    }

    /// The complete look; settings that the preset does not have are as configured.
    pub(super) fn look_in(&self, config: &Config) -> Result<Look, Failure> {
        Ok(config.look.with(&self.look)?)
    }

    /// Why other people can see the user's room with this preset.
    pub(super) fn room_reason(&self, config: &Config) -> Option<String> {
        let look = self.look_in(config).ok()?;
        RoomVisible::with(&self.background, &look).map(|reason| reason.to_string())
    }
}

/// The settings of `look` that differ from the `configured` look.
fn changes_of(configured: &Look, look: &Look) -> Changes {
    let configured = configured.to_map();
    look.to_map().into_iter().filter(|(name, value)| configured.get(name) != Some(value)).collect()
}
