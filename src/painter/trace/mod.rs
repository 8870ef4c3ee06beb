//! A small path tracer for rooms: solids, soft shadows, light that bounces once, and a lens with depth of field.
//!
//! It traces few rays per pixel and smooths the light, not the surfaces, so that edges and textures stay.

mod backdrop;
mod filter;
mod lens;
mod light;
mod render;
mod solid;
mod surface;
mod tree;
mod vector;

pub(super) use backdrop::Backdrop;
pub(super) use light::Light;
pub(super) use render::{Camera, Room, render};
pub(super) use solid::{Shape, Solid};
pub(super) use surface::{Surface, Texture};
pub(super) use vector::{Vec3, vec3};

#[cfg(test)]
mod tests;
