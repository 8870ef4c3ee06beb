//! Mask quality at run time: what load, battery and CPU headroom allow, and swapping models between frames.

pub(crate) mod auto;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod model_swap;
