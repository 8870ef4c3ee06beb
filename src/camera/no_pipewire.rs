//! PipeWire cameras in a build without PipeWire: there are none.

use super::{CameraError, FrameSource, PipeWireError, Settings, device::PipeWireCameras};

fn unavailable() -> PipeWireError {
    PipeWireError::NoLibrary { reason: "bgcam was built without PipeWire support".to_owned() }
}

pub(super) fn cameras() -> Result<PipeWireCameras, PipeWireError> {
    Err(unavailable())
}

pub(super) fn open(_: Option<&str>, _: &Settings) -> Result<Box<dyn FrameSource>, CameraError> {
    Err(unavailable().into())
}
