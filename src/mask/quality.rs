//! Quality presets, and the keyframes each of them allows.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::frame::Size;

/// The edge quality: how much CPU time is spent on the edges of the matte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The fast model only.
    Eco,
    /// With occasional keyframes of the multiclass model.
    Balanced,
    /// With larger and more frequent keyframes.
    High,
    /// Starts as [`Quality::Balanced`]; live, it follows the CPU headroom.
    #[default]
    Auto,
}

/// When a mask must be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Latency {
    /// Like `best` with quality `high`, otherwise like `low`.
    #[default]
    Auto,
    /// Immediately: a keyframe's result is used one frame late.
    Low,
    /// One frame later: a keyframe's result is used on its own frame.
    Best,
}

/// A value that is not one of the presets; the message is shown after the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct UnknownValue(pub(super) &'static str);

impl FromStr for Quality {
    type Err = UnknownValue;

    fn from_str(text: &str) -> Result<Self, UnknownValue> {
        Ok(match text {
            "eco" => Self::Eco,
            "balanced" => Self::Balanced,
            "high" => Self::High,
            "auto" => Self::Auto,
            _ => return Err(UnknownValue("eco, balanced, high or auto")),
        })
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eco => "eco",
            Self::Balanced => "balanced",
            Self::High => "high",
            Self::Auto => "auto",
        })
    }
}

impl FromStr for Latency {
    type Err = UnknownValue;

    fn from_str(text: &str) -> Result<Self, UnknownValue> {
        Ok(match text {
            "auto" => Self::Auto,
            "low" => Self::Low,
            "best" => Self::Best,
            _ => return Err(UnknownValue("auto, low or best")),
        })
    }
}

impl Latency {
    /// The number of frames by which masks are delayed.
    pub(crate) fn frames(self, quality: Quality) -> usize {
        let best = self == Self::Best || (self == Self::Auto && quality == Quality::High);
        usize::from(best && quality != Quality::Eco)
    }
}

/// The model's input for a single image, at every quality: larger inputs miss parts of a person who fills the image.
const STILL_INPUT: (usize, usize) = (256, 256);

/// The size and spacing of keyframes at 30 frames per second; at lower rates they are equally far apart in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    /// The longer and the shorter side of the model's input; multiples of 64.
    input: (usize, usize),
    /// Shorter lengths of the longer side, for frames in landscape whose person is narrower; descending.
    windows: &'static [usize],
    /// Threads per inference.
    pub(crate) threads: usize,
    /// The minimum mean gap between keyframes, in frames; bounds the cost.
    pub(crate) mean_gap: f32,
    /// The minimum gap between keyframes, in frames, when much changes.
    pub(crate) min_gap: u32,
    /// The maximum gap between keyframes, in frames, while anything moves.
    pub(crate) max_gap: u32,
}

const BALANCED: Plan = Plan { input: (256, 192), windows: &[192], threads: 1, mean_gap: 5.0, min_gap: 2, max_gap: 7 };

// two threads: an inference must be done within a frame time
const HIGH: Plan =
    Plan { input: (384, 256), windows: &[320, 256, 192], threads: 2, mean_gap: 3.5, min_gap: 2, max_gap: 4 };

impl Quality {
    /// The keyframes of this preset; none for `eco`.
    pub(crate) fn plan(self) -> Option<Plan> {
        match self {
            Self::Eco => None,
            Self::Balanced | Self::Auto => Some(BALANCED),
            Self::High => Some(HIGH),
        }
    }
}

/// The wall time of a keyframe of [`HIGH`] relative to one of [`BALANCED`]: factors of 1.24 to 1.34 were measured, for
/// 2.4 times the CPU time.
const HIGH_TIME_FACTOR: f32 = 1.3;

/// The estimated wall time of a keyframe of [`Quality::High`], given that of one of [`Quality::Balanced`].
pub(crate) fn high_keyframe_time(keyframe_time: Duration) -> Duration {
    keyframe_time.mul_f32(HIGH_TIME_FACTOR)
}

impl Plan {
    /// The widths of the windows of the model's input for frames of `size`, besides the whole input.
    pub(crate) fn windows(&self, size: Size, is_still: bool) -> &'static [usize] {
        if size.height() > size.width() || is_still { &[] } else { self.windows }
    }

    /// The size of the model's input for frames of `size`, with the same orientation.
    pub(crate) fn input(&self, size: Size, is_still: bool) -> (usize, usize) {
        let (long, short) = if is_still { STILL_INPUT } else { self.input };
        if size.height() > size.width() { (short, long) } else { (long, short) }
    }
}
