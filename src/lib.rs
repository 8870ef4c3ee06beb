//! bgcam: a virtual camera for Linux that hides or replaces your room in every video app.
//!
//! The library exists for the `bgcam` program and its tests; its API is not stable. `docs/design.md` has the diagrams,
//! the import order and a glossary. The modules, in reading order:
//!
//! Foundations:
//!
//! - [`frame`]: pixels in memory: size, I420 frame, mask, buffer pool, mailbox, downscaling, blending, blur, colour.
//! - [`media`]: reading untrusted files: images, WebP, Y4M, ffmpeg.
//! - [`v4l2`]: V4L2 ioctls, and the programs that have a device open.
//! - `pipewire`: libpipewire, loaded at run time: its loop, a connection with its objects, streams, PODs, and the
//!   camera portal.
//! - [`process`]: child processes with a clean environment, no core dumps, no telemetry.
//! - [`error`]: `Failure`, the error that users see: kind, message and hint.
//! - [`paths`], [`stats`], `style`, `duration`: directories, counters, terminal colours, durations as text.
//!
//! The stages of a frame:
//!
//! 1. [`camera`]: input from a webcam, PipeWire, a file or the demo scene, decoded to I420.
//! 2. [`mask`]: segmentation with ONNX models, refined to a matte.
//! 3. [`background`]: colour, image, animation, video, slideshow or blur, ready to blend.
//! 4. [`compose`]: the person over the background, adjusted by [`look`].
//! 5. [`sink`]: output to v4l2loopback, PipeWire and files.
//!
//! [`pipeline`] runs the stages on three threads joined by mailboxes, opens the camera on demand, and adapts the
//! quality to the load.
//!
//! Generated backgrounds:
//!
//! - [`painter`]: the built-in offline painter.
//! - [`prompt`]: from a prompt to an image, with one file per provider.
//! - [`gallery`]: generated and imported images on disk.
//! - [`generator`]: sets up an image generator on this machine.
//!
//! The program:
//!
//! - [`control`]: the socket between command line and daemon.
//! - [`web`]: the control page.
//! - [`daemon`]: the service, which handles requests and owns the pipeline.
//! - `tray`: the icon in the panel, a client of the daemon.
//! - [`cli`]: the command line.
//! - [`doctor`], [`setup`], [`system`]: diagnosis and setup of a machine, and their view of the machine.
//! - [`config`] reads the settings: defaults, files, environment variables, flags.
//! - [`render`], [`mod@bench`]: the stages on files, and their measurement.

pub mod background;
pub mod bench;
pub mod camera;
pub mod cli;
pub mod compose;
pub mod config;
pub mod control;
pub mod daemon;
pub mod doctor;
mod duration;
pub mod error;
pub mod frame;
pub mod gallery;
pub mod generator;
pub mod look;
pub mod mask;
pub mod media;
pub mod painter;
pub mod paths;
pub mod pipeline;
#[cfg(feature = "pipewire")]
mod pipewire;
pub mod process;
pub mod prompt;
pub mod render;
pub mod setup;
pub mod sink;
pub mod stats;
mod style;
pub mod system;
#[cfg(feature = "tray")]
pub mod tray;
pub mod v4l2;
pub mod web;
