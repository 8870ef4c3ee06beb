//! The PipeWire library, loaded at run time, and its wire format; shared by sources and sinks.

pub(crate) mod library;
pub(crate) mod pod;
