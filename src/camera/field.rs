//! Interlaced video: which lines of a picture a buffer holds, and pictures whose two halves were taken one after the other.

use v4l::v4l_sys::{
    v4l2_field_V4L2_FIELD_ALTERNATE, v4l2_field_V4L2_FIELD_BOTTOM, v4l2_field_V4L2_FIELD_INTERLACED,
    v4l2_field_V4L2_FIELD_INTERLACED_BT, v4l2_field_V4L2_FIELD_INTERLACED_TB, v4l2_field_V4L2_FIELD_SEQ_BT,
    v4l2_field_V4L2_FIELD_SEQ_TB, v4l2_field_V4L2_FIELD_TOP,
};

use crate::frame::Frame;

/// Which lines a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// All, taken at one time.
    Whole,
    /// All, every second of them taken later.
    Interlaced,
    /// Every second one, or first these and then the others.
    Halves,
}

impl Lines {
    /// What one of `V4L2_FIELD_*` means; what a driver leaves open is a whole picture.
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
            | v4l2_field_V4L2_FIELD_ALTERNATE => Self::Halves,
            _ => Self::Whole,
        }
    }
}

/// Blends each row of luma with the next, so that what moves has no comb. In 4:2:0 chroma is blended already.
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
    fn fields_are_whole_interlaced_or_halves() {
        let lines: Vec<_> = (0..11).map(Lines::of).collect();
        use Lines::{Halves, Interlaced, Whole};
        // any, none, top, bottom, interlaced, seq_tb, seq_bt, alternate, interlaced_tb, interlaced_bt, and no such field
        assert_eq!(
            lines,
            [Whole, Whole, Halves, Halves, Interlaced, Halves, Halves, Halves, Interlaced, Interlaced, Whole]
        );
    }

    #[test]
    fn a_comb_is_blended_and_an_edge_stays_where_it_is() {
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
