//! bgcam: a virtual camera that puts another background behind you, for every app on the machine.
//!
//! The folders are the stations of a frame, in the order of its journey:
//!
//! 1. [`camera`]: a frame comes in, from a webcam, a file or the demo scene, and is decoded to I420.
//! 2. [`mask`]: an ONNX model says where the person is; the answer is made steady and sharp.
//! 3. [`background`]: what stands behind the person, fitted once, ready to blend.
//!    [`prompt`] turns words into such a picture.
//! 4. [`compose`]: the person over the background.
//! 5. [`sink`]: the frame goes out, to v4l2loopback, to PipeWire and to files.
//!
//! [`pipeline`] runs the stations on three threads joined by [`latest`] mailboxes; [`frame`] is what travels. Beside the
//! way of the frame stand [`daemon`], which owns the pipeline, [`control`], the socket through which the command line
//! ([`cli`]) talks to it, [`web`], the page through which a browser does, [`config`] with [`paths`], [`look`], what people turn
//! while they see themselves, [`stats`] and [`error`].
//!
//! The stations share `grid`, frames shrunk to cells, [`regular`], which reads files that users name, [`picture`], which decodes
//! them, `webp`, which looks at those of that kind before, `v4l2`, which calls device drivers, [`holders`], which sees who has a
//! device open, `child`, which starts and ends other programs, `duration`, which prints durations, and `ffmpeg`, which decodes
//! videos with one; [`core_dump`] keeps frames out of crash reports. [`doctor`] says what is wrong with the machine, as [`system`]
//! shows it, and [`setup`] sets it up. [`render`] sends files the same way, and [`mod@bench`] measures it.

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
pub mod look;
pub mod mask;
pub mod media;
pub mod painter;
pub mod paths;
pub mod pipeline;
mod pipewire;
pub mod process;
pub mod prompt;
pub mod render;
pub mod setup;
pub mod sink;
pub mod stats;
mod style;
pub mod system;
pub mod v4l2;
pub mod web;
