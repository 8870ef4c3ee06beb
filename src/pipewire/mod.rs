//! PipeWire client library, loaded at run time, and its data format; shared by sources and sinks.

pub(crate) mod buffer;
pub(crate) mod client;
pub(crate) mod event_loop;
mod ffi;
pub(crate) mod library;
pub(crate) mod objects;
pub(crate) mod parse;
pub(crate) mod pod;
pub(crate) mod portal;
pub(crate) mod stream;
