//! Station 2: who is in front? An ONNX model's answer, made steady over time and sharp at the edge.

use crate::frame::{Frame, Mask};

/// What finds the person in a frame.
pub trait Segmenter: Send {
    /// Writes the alpha of the person in `frame` to `into`, at the size of the frame, with its number and time.
    ///
    /// Remembers earlier frames to hold the mask steady. Allocates nothing once the first frame has gone by.
    ///
    /// # Errors
    /// When the model fails; `into` is undefined then, and the room must not be shown.
    fn segment(&mut self, frame: &Frame, into: &mut Mask) -> Result<(), MaskError>;

    /// Forgets earlier frames: the next one comes from elsewhere.
    fn reset(&mut self);
}

/// What can go wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// The model ran and failed.
    #[error("model {model:?} failed on a frame")]
    Run {
        /// The model's name in the catalogue.
        model: String,
    },
}
