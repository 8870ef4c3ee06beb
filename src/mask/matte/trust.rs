//! Decides which of the two models is trusted, with hysteresis.

/// Results are used again once their contradiction has stayed below this share of the limit for this many results.
const CALM: f32 = 0.6;
const CALM_ANSWERS: u8 = 4;

/// How a result is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Use its plausible parts.
    Use,
    /// Continue with the previous keyframe.
    Skip,
    /// Continue with the fast model alone.
    Reject,
}

/// Remembers how plausible the last results were.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// Whether results are being rejected.
    pub(super) rejects: bool,
    /// Whether the fast model found a person at the last decision.
    pub(super) is_about_person: bool,
    /// Consecutive implausible results.
    odd: u8,
    /// Consecutive plausible results while rejecting.
    calm: u8,
}

impl Trust {
    /// `contradiction` is how strongly a result contradicts the fast model; 1 is too much.
    pub(super) fn judge(&mut self, contradiction: f32, has_key: bool, is_about_person: bool) -> Verdict {
        self.is_about_person = is_about_person;
        if contradiction >= 1.0 {
            self.calm = 0;
            self.odd = self.odd.saturating_add(1);
            self.rejects |= self.odd > 1 || !has_key;
            return if self.rejects { Verdict::Reject } else { Verdict::Skip };
        }
        self.odd = 0;
        if self.rejects {
            self.calm = if contradiction < CALM { self.calm + 1 } else { 0 };
            self.rejects = self.calm < CALM_ANSWERS;
        }
        if self.rejects { Verdict::Reject } else { Verdict::Use }
    }
}
