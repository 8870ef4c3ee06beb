//! Mask quality at run time: what load, battery and headroom allow, and swapping models between frames.

pub(crate) mod headroom;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod relay;
