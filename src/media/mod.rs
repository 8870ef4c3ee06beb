//! Files from outside, read without trust: images, animations, video, and what is written back.

pub(crate) mod ffmpeg;
pub mod image_file;
pub mod regular;
pub(crate) mod webp;
pub mod y4m;
