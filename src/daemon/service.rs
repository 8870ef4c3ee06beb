//! Handles the requests of the control socket and the control page.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Instant, SystemTime},
};

use tokio::sync::{mpsc, watch};

use super::{Daemon, lock, pause::checked_message, scene::BackgroundOutcome, settings::ReloadTrigger};
use crate::{
    background::{BackgroundSpec, Fit},
    control::{
        overview::Overview,
        protocol::{CameraStatus, MaskStatus, Request, Response, SceneStatus, Status, Switch},
        server::Service,
    },
    error::Failure,
    gallery::{Gallery, GalleryError},
    sink::{self, OutputStatus},
    stats,
};

impl Service for Arc<Daemon> {
    async fn call(&self, request: Request, progress: mpsc::Sender<Response>) -> Result<Response, Failure> {
        let arrival = self.next_arrival();
        match request {
            Request::Status | Request::Watch | Request::WatchEvents => {
                Ok(Response::Status(Box::new(self.status().await)))
            }
            Request::Follow => Ok(Response::Overview(Box::new(self.overview_now()))),
            Request::Recent => Ok(self.recent_backgrounds().await),
            Request::SetBackground { spec, fit } => self.show_background(spec, fit, arrival).await,
            Request::SetPrompt(request) => self.set_prompt(*request, arrival, progress).await,
            Request::PromptCost(request) => self.prompt_cost(*request).await,
            Request::CancelPrompt => self.cancel_prompt(),
            Request::UndoEdit => {
                self.walk_edits(Gallery::before, |name| GalleryError::NotEdited { name }, arrival).await
            }
            Request::RedoEdit => self.walk_edits(Gallery::after, |name| GalleryError::NoEdit { name }, arrival).await,
            Request::Pause => Ok(self.pause(|_| true, None).await),
            Request::PauseWithMessage { message } => Ok(self.pause(|_| true, Some(checked_message(&message)?)).await),
            Request::Freeze => Ok(self.freeze().await),
            Request::Resume => Ok(self.pause(|_| false, None).await),
            Request::Mirror { on } => Ok(self.mirror(|_| on).await),
            Request::Toggle { switch: Switch::Pause } => Ok(self.pause(|paused| !paused, None).await),
            Request::Toggle { switch: Switch::Mirror } => Ok(self.mirror(|mirrored| !mirrored).await),
            Request::Toggle { switch: Switch::Blur } => {
                let outcome = self.toggle_blur(arrival).await?;
                Ok(self.respond_to_background(outcome).await)
            }
            Request::ShowRecent { direction } => {
                let outcome = self.show_recent(direction, arrival).await?;
                Ok(self.respond_to_background(outcome).await)
            }
            Request::SetLook { change } => self.set_look(change).await,
            Request::ResetLook { names } => self.reset_look(&names).await,
            Request::SetQuality { quality } => self.set_quality(quality).await,
            Request::SetCamera { camera } => self.set_camera(camera).await,
            Request::SavePreset { name } => self.save_preset(&name).await,
            Request::UsePreset { name } => self.use_preset(name, arrival).await,
            Request::RemovePreset { name } => self.remove_preset(name).await,
            Request::ListPresets => self.list_presets().await,
            Request::Reload => Ok(Response::Done(self.with_room_warning(self.reload(ReloadTrigger::User).await?))),
            Request::OpenPage => self.one_time_page_address(),
            Request::Stop => {
                self.stop.notify_one();
                Ok(Response::Done("stopping".to_owned()))
            }
        }
    }

    fn status_changes(&self) -> watch::Receiver<()> {
        self.status_changes.subscribe()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    async fn status(&self) -> Status {
        let outputs = self.outputs.status(Instant::now());
        let nodes: Vec<_> = outputs.iter().filter_map(OutputStatus::loopback_node).collect();
        let readers = tokio::task::spawn_blocking(move || readers_of(&nodes)).await.unwrap_or_default();
        let scene = self.pipeline.scene();
        let health = self.pipeline.health();
        let (dropped_for_mask, dropped_for_render) = self.pipeline.dropped();
        let (on, reason) = self.pipeline.camera_wanted();
        let (rates, cpu_percent) = lock(&self.meter).last();
        let page = lock(&self.page).as_ref().map(|page| page.address());
        let (room_visible, room_reason) = self.room_visibility();
        let config = lock(&self.config);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            rss_mib: stats::rss_mib(),
            cpu_percent,
            page,
            choice_error: self.saved_choice.failure(),
            scene: SceneStatus {
                version: scene.version,
                label: scene.label_with_warning(),
                room_visible,
                room_reason,
                background: scene.spec.clone(),
                look: scene.look.clone(),
                mirror: scene.mirror,
                paused: scene.paused,
                pause_message: scene.pause_message.clone(),
                frozen: scene.paused && scene.frozen.is_some(),
            },
            camera: CameraStatus {
                wanted: config.camera.device.clone(),
                on: on && !scene.paused,
                reason: if scene.paused { "paused".to_owned() } else { reason },
                source: health.source,
                error: health.camera_failure,
            },
            mask: MaskStatus {
                wanted: config.mask.model.clone(),
                model: health.model,
                wanted_quality: config.mask.quality,
                quality: health.quality,
                processor: health.processor,
                processor_error: health.processor_failure,
                degraded: health.degraded,
                models_disagree: health.masks.models_disagree,
                others_visible: health.masks.others_visible,
                quality_error: health.quality_failure,
                error: health.mask_failure,
            },
            prompt: self.jobs.status(),
            last_prompt: self.jobs.finished(),
            provider: config.prompt.provider.clone(),
            costs: self.costs.of_month(SystemTime::now(), config.prompt.monthly_limit),
            key_variables: config.prompt.key_variables(),
            rates,
            dropped_for_mask,
            dropped_for_render,
            counters: self.pipeline.stats().snapshot(),
            outputs,
            readers,
        }
    }

    fn overview(&self) -> Overview {
        self.overview_now()
    }
}

impl Daemon {
    /// Shows another background for the request with this arrival number.
    pub(super) async fn show_background(
        &self,
        spec: BackgroundSpec,
        fit: Option<Fit>,
        arrival: u64,
    ) -> Result<Response, Failure> {
        let outcome = self.set_background(spec, fit, None, arrival).await?;
        Ok(self.respond_to_background(outcome).await)
    }

    pub(super) async fn respond_to_background(&self, outcome: BackgroundOutcome) -> Response {
        match outcome {
            BackgroundOutcome::Superseded => {
                Response::Warning("not shown: you chose another background in the meantime".to_owned())
            }
            BackgroundOutcome::Shown { version, label } => {
                let response = self.respond(version, &format!("background: {label}")).await;
                stats::trim_heap(); // that of the old background
                response
            }
        }
    }

    /// Mirrors the video or not, depending on whether it is mirrored now.
    async fn mirror(&self, change: impl FnOnce(bool) -> bool) -> Response {
        let mut mirrored = false;
        let version = self.change_immediately(|choice| {
            mirrored = change(choice.mirror);
            choice.mirror = mirrored;
        });
        self.respond(version, if mirrored { "mirror: on" } else { "mirror: off" }).await
    }
}

fn readers_of(nodes: &[PathBuf]) -> Vec<sink::Reader> {
    nodes.iter().flat_map(|node| sink::readers(node).unwrap_or_default()).collect()
}
