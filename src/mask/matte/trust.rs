//! Decides which of the two models is trusted, with hysteresis.

/// Results are used again once their contradiction has stayed below this share of the limit for this many results.
const RECOVERY_LIMIT: f32 = 0.6;
const RECOVERY_RESULTS: u8 = 4;

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
    implausible: u8,
    /// Consecutive plausible results while rejecting.
    plausible: u8,
}

impl Trust {
    /// `contradiction` is how strongly a result contradicts the fast model; 1 is too much.
    pub(super) fn judge(&mut self, contradiction: f32, has_keyframe: bool, is_about_person: bool) -> Verdict {
        self.is_about_person = is_about_person;
        if contradiction >= 1.0 {
            self.plausible = 0;
            self.implausible = self.implausible.saturating_add(1);
            self.rejects |= self.implausible > 1 || !has_keyframe;
            return if self.rejects { Verdict::Reject } else { Verdict::Skip };
        }
        self.implausible = 0;
        if self.rejects {
            self.plausible = if contradiction < RECOVERY_LIMIT { self.plausible + 1 } else { 0 };
            self.rejects = self.plausible < RECOVERY_RESULTS;
        }
        if self.rejects { Verdict::Reject } else { Verdict::Use }
    }
}
