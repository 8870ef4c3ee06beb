//! Readers for untrusted media files: images, video and Y4M.

pub(crate) mod ffmpeg;
pub mod image_file;
pub mod regular;
pub(crate) mod webp;
pub mod y4m;
