//! Which of the two models is believed, without changing with every answer.

/// Answers are used again once they contradict by less than this share of the limits, so many times in a row.
const CALM: f32 = 0.6;
const CALM_ANSWERS: u8 = 4;

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Use it, where it is plausible.
    Use,
    /// Go on with the key frame before.
    Skip,
    /// Go on with the fast model alone.
    Reject,
}

/// Remembers how plausible the last answers were.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// Whether answers are rejected at the moment.
    pub(super) rejects: bool,
    /// Whether the fast model saw a person when it last judged.
    pub(super) is_about_somebody: bool,
    /// Implausible answers in a row.
    odd: u8,
    /// Plausible answers in a row while they are rejected.
    calm: u8,
}

impl Trust {
    /// `contradiction` is how much an answer contradicts the fast model; 1 is too much.
    pub(super) fn judge(&mut self, contradiction: f32, has_key: bool, is_about_somebody: bool) -> Verdict {
        self.is_about_somebody = is_about_somebody;
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
