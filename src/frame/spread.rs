//! Dilation of flags: marks everything within some rows and columns of what is marked.

use multiversion::multiversion;

/// Dilates rows of one width.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    max_reach: usize,
    /// A row with [`Spread::max_reach`] more flags at both ends, which are zero.
    padded: Box<[u8]>,
}

impl Spread {
    pub(crate) fn new(width: usize, max_reach: usize) -> Self {
        Self { max_reach, padded: vec![0; width + 2 * max_reach].into() }
    }

    /// Writes to `into`, for each column, 1 if a flag of any of `rows` is set within `reach` columns, and 0 otherwise.
    pub(crate) fn run<'a>(&mut self, rows: impl Iterator<Item = &'a [u8]>, reach: usize, into: &mut [u8]) {
        debug_assert!(reach <= self.max_reach, "{reach}");
        let inner = &mut self.padded[self.max_reach..][..into.len()];
        inner.fill(0);
        rows.for_each(|row| unite(row, inner));
        into.fill(0);
        for shift in self.max_reach - reach..=self.max_reach + reach {
            unite(&self.padded[shift..], into);
        }
    }
}

#[multiversion(targets = "simd")]
fn unite(flags: &[u8], into: &mut [u8]) {
    into.iter_mut().zip(flags).for_each(|(into, &flag)| *into |= flag);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn flags_within_reach_are_set(
            rows in prop::collection::vec(prop::collection::vec(0u8..=1, 40), 1..4),
            reach in 0usize..=4,
        ) {
            let mut spread = Spread::new(40, 4);
            let mut found = vec![7; 40];
            for _ in 0..2 {
                spread.run(rows.iter().map(Vec::as_slice), reach, &mut found);
                for (x, &found) in found.iter().enumerate() {
                    let near = x.saturating_sub(reach)..(x + reach + 1).min(40);
                    let expected = rows.iter().any(|row| row[near.clone()].contains(&1));
                    prop_assert_eq!(found, u8::from(expected), "column {}", x);
                }
            }
        }
    }
}
