//! Station 5: the frame goes out, to v4l2loopback and to files.

use crate::frame::{Frame, Size};

/// Where composed frames go.
pub trait FrameSink: Send {
    /// The size of the frames that it takes; never changes.
    fn size(&self) -> Size;

    /// Writes one whole frame of [`FrameSink::size`].
    ///
    /// # Errors
    /// [`SinkError::recovery`] says what to do about each.
    fn write(&mut self, frame: &Frame) -> Result<(), SinkError>;

    /// Ends the output in good order; called once, after the last frame.
    ///
    /// # Errors
    /// When what was written can't be completed, such as a video file's index.
    fn finish(&mut self) -> Result<(), SinkError>;
}

/// What can go wrong with an output.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A write failed.
    #[error("cannot write to {name}")]
    Write {
        /// The output's path.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

impl SinkError {
    /// What the render thread does about it.
    pub fn recovery(&self) -> crate::error::Recovery {
        crate::error::Recovery::Reopen
    }
}
