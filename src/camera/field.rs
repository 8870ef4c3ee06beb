//! Interlaced video: field order of a buffer, and blending of the two fields.

use v4l::v4l_sys::{
    v4l2_field_V4L2_FIELD_ALTERNATE, v4l2_field_V4L2_FIELD_BOTTOM, v4l2_field_V4L2_FIELD_INTERLACED,
    v4l2_field_V4L2_FIELD_INTERLACED_BT, v4l2_field_V4L2_FIELD_INTERLACED_TB, v4l2_field_V4L2_FIELD_SEQ_BT,
    v4l2_field_V4L2_FIELD_SEQ_TB, v4l2_field_V4L2_FIELD_TOP,
};

use crate::frame::Frame;

/// Lines contained in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// All lines, captured together (progressive).
    Whole,
    /// All lines of two fields captured one after the other.
    Interlaced,
    /// A single field, or two fields stored one after the other.
    SingleField,
}

impl Lines {
    /// Lines for a `V4L2_FIELD_*` value; unspecified means progressive.
    #[allow(non_upper_case_globals)]
    pub(super) fn of(field: u32) -> Self {
        match field {
            v4l2_field_V4L2_FIELD_INTERLACED
            | v4l2_field_V4L2_FIELD_INTERLACED_TB
            | v4l2_field_V4L2_FIELD_INTERLACED_BT => Self::Interlaced,
            v4l2_field_V4L2_FIELD_TOP
            | v4l2_field_V4L2_FIELD_BOTTOM
            | v4l2_field_V4L2_FIELD_SEQ_TB
            | v4l2_field_V4L2_FIELD_SEQ_BT
            | v4l2_field_V4L2_FIELD_ALTERNATE => Self::SingleField,
            _ => Self::Whole,
        }
    }
}

/// Blends each luma row with the next to remove combing on motion. Chroma is already blended in 4:2:0.
pub(super) fn blend(frame: &mut Frame) {
    let (width, height) = (frame.size().width(), frame.size().height());
    let (y, ..) = frame.planes_mut();
    for row in 0..height - 1 {
        let (upper, lower) = y[row * width..].split_at_mut(width);
        for (upper, lower) in upper.iter_mut().zip(&lower[..width]) {
            *upper = (u16::from(*upper) + u16::from(*lower)).div_ceil(2) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_progressive_interlaced_or_single() {
        let lines: Vec<_> = (0..11).map(Lines::of).collect();
        use Lines::{Interlaced, SingleField, Whole};
        // any, none, top, bottom, interlaced, seq_tb, seq_bt, alternate, interlaced_tb, interlaced_bt, and an invalid
        // value
        assert_eq!(
            lines,
            [
                Whole,
                Whole,
                SingleField,
                SingleField,
                Interlaced,
                SingleField,
                SingleField,
                SingleField,
                Interlaced,
                Interlaced,
                Whole
            ]
        );
    }

    #[test]
    fn combing_is_blended_and_edges_stay_in_place() {
        let mut frame = Frame::new("32x16".parse().unwrap());
        let (y, ..) = frame.planes_mut();
        for (row, pixels) in y.chunks_mut(32).enumerate() {
            pixels[..16].fill(if row % 2 == 0 { 40 } else { 200 });
            pixels[16..].fill(if row < 8 { 40 } else { 200 });
        }
        blend(&mut frame);
        let (y, ..) = frame.planes();
        assert!((0..15).all(|row| y[row * 32] == 120));
        assert_eq!([6, 7, 8].map(|row| y[row * 32 + 20]), [40, 120, 200]);
    }
}
