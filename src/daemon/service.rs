//! The requests of the socket and of the control page.

use std::{path::PathBuf, sync::Arc, time::Instant};

use tokio::sync::mpsc;

use super::{Daemon, lock};
use crate::{
    control::{
        protocol::{CameraStatus, MaskStatus, Request, Response, SceneStatus, Status},
        server::Service,
    },
    error::Failure,
    sink::{self, OutputStatus, SinkSpec},
    stats,
};

impl Service for Arc<Daemon> {
    async fn call(&self, request: Request, talk: mpsc::Sender<Response>) -> Result<Response, Failure> {
        match request {
            Request::Status | Request::Watch => Ok(Response::Status(Box::new(self.status().await))),
            Request::SetBackground { spec, fit } => {
                self.set_background(spec, fit).await?;
                // whoever chooses something else does not want it replaced by an older wish a minute later
                self.jobs.cancel();
                Ok(Response::Done(format!("background: {}", self.pipeline.scene().label)))
            }
            Request::SetPrompt { wish } => self.set_prompt(*wish, talk).await,
            Request::CancelPrompt => self.cancel_prompt(),
            Request::Pause => {
                self.adjust(|choice| choice.paused = true).await;
                Ok(Response::Done("paused: others see a still card".to_owned()))
            }
            Request::Resume => {
                self.adjust(|choice| choice.paused = false).await;
                Ok(Response::Done("resumed".to_owned()))
            }
            Request::Mirror { on } => {
                self.adjust(|choice| choice.mirror = on).await;
                Ok(Response::Done(format!("mirror: {}", if on { "on" } else { "off" })))
            }
            Request::SetLook { change } => self.set_look(change).await,
            Request::ResetLook { names } => self.reset_look(&names).await,
            Request::SetQuality { quality } => self.set_quality(quality).await,
            Request::SetCamera { camera } => self.set_camera(camera).await,
            Request::Reload => Ok(Response::Done(self.reload().await?)),
            Request::Stop => {
                self.stop.notify_one();
                Ok(Response::Done("stopping".to_owned()))
            }
        }
    }

    async fn status(&self) -> Status {
        let outputs = self.outputs.status(Instant::now());
        let nodes = nodes(&outputs);
        let readers = tokio::task::spawn_blocking(move || readers_of(&nodes)).await.unwrap_or_default();
        let scene = self.pipeline.scene();
        let stations = self.pipeline.stations();
        let (dropped_for_mask, dropped_for_render) = self.pipeline.dropped();
        let (on, why) = self.pipeline.wanted();
        let (rates, cpu_percent) = lock(&self.pulse).measured();
        let page = lock(&self.page).clone();
        let config = lock(&self.config);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            rss_mib: stats::rss_mib(),
            cpu_percent,
            page,
            scene: SceneStatus {
                version: scene.version,
                label: scene.label.clone(),
                background: scene.spec.clone(),
                look: scene.look.clone(),
                mirror: scene.mirror,
                paused: scene.paused,
            },
            camera: CameraStatus {
                wanted: config.camera.device.clone(),
                on: on && !scene.paused,
                why: if scene.paused { "paused".to_owned() } else { why },
                source: stations.source,
                error: stations.camera_failure,
            },
            mask: MaskStatus {
                wanted: config.mask.model.clone(),
                model: stations.model,
                wanted_quality: config.mask.quality,
                quality: stations.quality,
                processor: stations.processor,
                processor_error: stations.processor_failure,
                eased: stations.eased,
                models_disagree: stations.masks.models_disagree,
                others_visible: stations.masks.others_visible,
                quality_error: stations.quality_failure,
                error: stations.mask_failure,
            },
            prompt: self.jobs.status(),
            provider: config.prompt.provider.clone(),
            rates,
            dropped_for_mask,
            dropped_for_render,
            counters: self.pipeline.stats().snapshot(),
            outputs,
            readers,
        }
    }
}

/// The device nodes among the virtual cameras that are well.
fn nodes(outputs: &[OutputStatus]) -> Vec<PathBuf> {
    let well = outputs.iter().filter(|output| output.failure.is_none());
    well.filter(|output| matches!(output.output, SinkSpec::Loopback(_) | SinkSpec::Auto))
        .map(|output| PathBuf::from(&output.name))
        .filter(|path| path.is_absolute())
        .collect()
}

fn readers_of(nodes: &[PathBuf]) -> Vec<sink::Reader> {
    nodes.iter().flat_map(|node| sink::readers(node).unwrap_or_default()).collect()
}
