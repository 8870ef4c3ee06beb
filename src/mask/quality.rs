//! What a matte may cost: the presets, and what each means in key frames.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::frame::Size;

/// How much CPU the matte may take for its edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The fast model alone.
    Eco,
    /// With a key frame of the multiclass model now and then.
    Balanced,
    /// With larger and more key frames.
    High,
    /// Begins as [`Quality::Balanced`]; live, it goes where the CPU's head-room allows.
    #[default]
    Auto,
}

/// When a mask has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Latency {
    /// As `best` in quality high, else as `low`.
    #[default]
    Auto,
    /// At once: a key frame's answer is used a frame late.
    Low,
    /// A frame later: a key frame's answer is used on its own frame.
    Best,
}

/// A word that is no preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of {1}")]
pub struct UnknownWord(pub(super) String, pub(super) &'static str);

impl FromStr for Quality {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Ok(match text {
            "eco" => Self::Eco,
            "balanced" => Self::Balanced,
            "high" => Self::High,
            "auto" => Self::Auto,
            _ => return Err(UnknownWord(text.to_owned(), "eco, balanced, high, auto")),
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
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Ok(match text {
            "auto" => Self::Auto,
            "low" => Self::Low,
            "best" => Self::Best,
            _ => return Err(UnknownWord(text.to_owned(), "auto, low, best")),
        })
    }
}

impl Latency {
    /// By how many frames a mask follows its frame.
    pub(crate) fn frames(self, quality: Quality) -> usize {
        let best = self == Self::Best || (self == Self::Auto && quality == Quality::High);
        usize::from(best && quality != Quality::Eco)
    }
}

/// The model's input for a single picture, in every quality: larger ones find less of a person who fills it.
const STILL: (usize, usize) = (256, 256);

/// Key frames: of which size, and how often, at 30 frames a second; with fewer frames, in the same time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    /// The longer and the shorter side of the model's input; multiples of 64.
    input: (usize, usize),
    /// Threads for one inference.
    pub(crate) threads: usize,
    /// Frames from key to key over a longer time, at the least: what bounds the cost.
    pub(crate) mean: f32,
    /// Frames from key to key at the least, when much changes.
    pub(crate) least: u32,
    /// Frames from key to key at the most while anything moves.
    pub(crate) most: u32,
}

const BALANCED: Plan = Plan { input: (256, 192), threads: 1, mean: 5.0, least: 2, most: 7 };

// Two threads: an inference has to be done within the time of a frame.
const HIGH: Plan = Plan { input: (384, 256), threads: 2, mean: 3.5, least: 2, most: 4 };

impl Quality {
    /// The key frames of this preset; none in `eco`.
    pub(crate) fn plan(self) -> Option<Plan> {
        match self {
            Self::Eco => None,
            Self::Balanced | Self::Auto => Some(BALANCED),
            Self::High => Some(HIGH),
        }
    }
}

/// How much longer a key frame of [`HIGH`] takes by the clock than one of [`BALANCED`]: 1.24 to 1.34 times as long was
/// measured, for 2.4 times the CPU time.
const LONGER: f32 = 1.3;

/// How long a key frame of [`Quality::High`] would take by the clock, told from one of [`Quality::Balanced`].
pub(crate) fn high_keyframe_time(keyframe_time: Duration) -> Duration {
    keyframe_time.mul_f32(LONGER)
}

impl Plan {
    /// The size of the model's input for frames of `size`: as wide or tall as they are.
    pub(crate) fn input(&self, size: Size, is_still: bool) -> (usize, usize) {
        let (long, short) = if is_still { STILL } else { self.input };
        if size.height() > size.width() { (short, long) } else { (long, short) }
    }
}
