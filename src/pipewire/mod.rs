//! PipeWire client library, loaded at run time, and its data format; shared by sources and sinks.

pub(crate) mod library;
pub(crate) mod pod;
