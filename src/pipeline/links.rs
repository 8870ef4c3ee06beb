//! The links between the threads: builds each thread with only the mailboxes and state that it needs.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use super::{
    CapturedFrame, Clock, MaskedFrame, OpenCamera, OpenModel, Preview, Settings,
    capture::Capture,
    health::Health,
    limits::FrameTime,
    quality::machine::LatestHeadroom,
    render::Render,
    scenes::Scenes,
    segment::Segment,
    wake::WakeSignal,
    watch::{CameraPower, Watch},
};
use crate::{
    camera,
    frame::{Size, mailbox::Latest},
    mask,
    sink::Outputs,
    stats::Stats,
};

/// The control side's end of everything that the threads share.
#[derive(Debug)]
pub(super) struct Links {
    size: Size,
    pub(super) wake: Arc<WakeSignal>,
    pub(super) scenes: Arc<Scenes>,
    pub(super) camera: Arc<ArcSwap<camera::Settings>>,
    pub(super) mask: Arc<ArcSwap<mask::Settings>>,
    pub(super) power: Arc<CameraPower>,
    pub(super) frames_to_segment: Arc<Latest<CapturedFrame>>,
    pub(super) frames_to_render: Arc<Latest<CapturedFrame>>,
    pub(super) masks: Arc<Latest<MaskedFrame>>,
    pub(super) frame_time: Arc<FrameTime>,
    cpu: Arc<LatestHeadroom>,
    pub(super) preview: Arc<Preview>,
    pub(super) health: Arc<Health>,
    pub(super) stats: Arc<Stats>,
}

impl Links {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            size: settings.size,
            wake: Arc::default(),
            scenes: Arc::new(Scenes::new(settings.scene)),
            camera: Arc::new(ArcSwap::from_pointee(settings.camera)),
            mask: Arc::new(ArcSwap::from_pointee(settings.mask)),
            power: Arc::new(CameraPower::new(settings.always_on)),
            frames_to_segment: Arc::default(),
            frames_to_render: Arc::default(),
            masks: Arc::default(),
            frame_time: Arc::new(FrameTime::new(Duration::from_secs(1) / settings.fps.max(1))),
            cpu: Arc::default(),
            preview: Arc::default(),
            health: Arc::default(),
            stats: Arc::default(),
        }
    }

    pub(super) fn capture(&self, open_camera: OpenCamera, clock: Clock) -> Capture {
        Capture {
            size: self.size,
            open_camera,
            clock,
            wake: Arc::clone(&self.wake),
            scenes: Arc::clone(&self.scenes),
            settings: Arc::clone(&self.camera),
            power: Arc::clone(&self.power),
            frames_to_segment: Arc::clone(&self.frames_to_segment),
            frames_to_render: Arc::clone(&self.frames_to_render),
            frame_time: Arc::clone(&self.frame_time),
            health: Arc::clone(&self.health),
            stats: Arc::clone(&self.stats),
        }
    }

    pub(super) fn segment(&self, open_model: OpenModel, load_interval: Duration) -> Segment {
        Segment {
            size: self.size,
            open_model,
            load_interval,
            wake: Arc::clone(&self.wake),
            scenes: Arc::clone(&self.scenes),
            settings: Arc::clone(&self.mask),
            frames: Arc::clone(&self.frames_to_segment),
            masks: Arc::clone(&self.masks),
            frame_time: Arc::clone(&self.frame_time),
            cpu: Arc::clone(&self.cpu),
            health: Arc::clone(&self.health),
            stats: Arc::clone(&self.stats),
        }
    }

    pub(super) fn render(&self, clock: Clock, outputs: Outputs) -> Render {
        let inputs = super::render::Inputs {
            clock,
            wake: Arc::clone(&self.wake),
            scenes: Arc::clone(&self.scenes),
            power: Arc::clone(&self.power),
            frames: Arc::clone(&self.frames_to_render),
            masks: Arc::clone(&self.masks),
            frame_time: Arc::clone(&self.frame_time),
            health: Arc::clone(&self.health),
            stats: Arc::clone(&self.stats),
        };
        Render::new(inputs, self.size, Arc::clone(&self.preview), outputs)
    }

    pub(super) fn watch(&self, load_interval: Duration) -> Watch {
        Watch {
            load_interval,
            wake: Arc::clone(&self.wake),
            camera: Arc::clone(&self.camera),
            mask: Arc::clone(&self.mask),
            power: Arc::clone(&self.power),
            cpu: Arc::clone(&self.cpu),
            preview: Arc::clone(&self.preview),
            health: Arc::clone(&self.health),
        }
    }
}
