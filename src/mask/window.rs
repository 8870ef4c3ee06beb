//! Selects the columns of a frame that the keyframe model runs on: those around the person, to save time.

use std::ops::Range;

/// Windows start at multiples of this: the stride of the model's coarsest features, so that a moving window does not
/// change them.
const STEP: usize = 32;

/// The margin beside the person, as a share of the frame's width, when a window is selected, and when it is kept.
const MARGINS: (f32, f32) = (1.0 / 24.0, 1.0 / 48.0);

/// The windows of a model's input.
#[derive(Debug)]
pub(super) struct Windows {
    /// The available widths; the first is that of the input.
    widths: Box<[usize]>,
    /// The current window: the index of its width, and its first column.
    current: (usize, usize),
}

impl Windows {
    /// `widths` are in pixels of the input and descending; the first is the width of the input.
    pub(super) fn new(widths: impl IntoIterator<Item = usize>) -> Self {
        Self { widths: widths.into_iter().collect(), current: (0, 0) }
    }

    /// The index of the current width, and the current columns.
    pub(super) fn current(&self) -> (usize, Range<usize>) {
        let (index, start) = self.current;
        (index, start..start + self.widths.get(index).copied().unwrap_or_default())
    }

    /// Selects the narrowest window for a person in `span`, 0 to 1; without a person, the whole input.
    pub(super) fn select(&mut self, span: Option<Range<f32>>) {
        let Some(span) = span else { return self.current = (0, 0) };
        let width = self.widths.first().copied().unwrap_or_default();
        let wanted = |margin: f32| {
            let at = |share: f32| share.clamp(0.0, 1.0) * width as f32;
            (at(span.start - margin) as usize)..(at(span.end + margin).ceil() as usize)
        };
        let (selected, kept) = (wanted(MARGINS.0), wanted(MARGINS.1));
        let place = |index: usize| Some((index, start(self.widths[index], width, &selected)?));
        let narrowest = (0..self.widths.len()).rev().find_map(place).unwrap_or((0, 0));
        let (index, columns) = self.current();
        let is_kept = index != 0 && columns.start <= kept.start && kept.end <= columns.end;
        // a wider window is left once the person also fits a narrower one with the full margin
        if !is_kept || narrowest.0 > index {
            self.current = narrowest;
        }
    }
}

/// The first column of a window of `width` that covers `wanted` columns of the input, near their middle.
fn start(width: usize, input: usize, wanted: &Range<usize>) -> Option<usize> {
    let low = wanted.end.saturating_sub(width).next_multiple_of(STEP);
    let high = wanted.start.min(input - width) / STEP * STEP;
    let middle = (wanted.start + wanted.end).saturating_sub(width) / 2;
    let nearest = (middle + STEP / 2) / STEP * STEP;
    (low <= high).then(|| nearest.clamp(low, high))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDTHS: [usize; 3] = [384, 320, 256];

    fn selected(spans: &[Range<f32>]) -> (usize, Range<usize>) {
        let mut windows = Windows::new(WIDTHS);
        spans.iter().for_each(|span| windows.select(Some(span.clone())));
        windows.current()
    }

    #[test]
    fn a_window_is_as_narrow_as_the_person_and_its_margins_allow() {
        assert_eq!(selected(&[]), (0, 0..384));
        assert_eq!(selected(&[0.3..0.7]), (2, 64..320));
        assert_eq!(selected(&[0.0..0.5]), (2, 0..256));
        assert_eq!(selected(&[0.6..1.0]), (2, 128..384));
        assert_eq!(selected(&[0.15..0.8]), (1, 32..352));
        assert_eq!(selected(&[0.05..0.95]), (0, 0..384));
    }

    #[test]
    fn a_window_is_kept_while_a_person_sways() {
        let spans: Vec<_> = [0.0, 0.03, -0.03, 0.02].map(|by| 0.3 + by..0.7 + by).into();
        for count in 1..=spans.len() {
            assert_eq!(selected(&spans[..count]), (2, 64..320));
        }
        assert_eq!(selected(&[0.3..0.7, 0.45..0.85]).1, 128..384, "the person moved away");
        assert_eq!(selected(&[0.15..0.8, 0.3..0.7]).0, 2, "a narrower window fits now");
    }

    #[test]
    fn without_a_person_or_windows_it_is_the_whole_input() {
        let mut windows = Windows::new(WIDTHS);
        windows.select(Some(0.3..0.7));
        windows.select(None);
        assert_eq!(windows.current(), (0, 0..384));
        let mut windows = Windows::new([256]);
        windows.select(Some(0.3..0.7));
        assert_eq!(windows.current(), (0, 0..256));
    }

    proptest! {
        #[test]
        fn a_window_always_covers_the_person(spans in prop::collection::vec((0f32..1.0, 0f32..1.0), 1..20)) {
            let mut windows = Windows::new(WIDTHS);
            for (a, b) in spans {
                let span = a.min(b)..a.max(b);
                windows.select(Some(span.clone()));
                let (index, columns) = windows.current();
                prop_assert_eq!(columns.len(), WIDTHS[index]);
                prop_assert!(columns.end <= 384 && columns.start % STEP == 0);
                prop_assert!(columns.start as f32 <= span.start * 384.0 && span.end * 384.0 <= columns.end as f32);
            }
        }
    }
}
