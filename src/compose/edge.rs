//! Moves and feathers the edge of the person.
//!
//! Feathering extends only into the person, because pixels outside the edge show the room.

use multiversion::multiversion;

use crate::{frame::Mask, look::Look};

/// The maximum distance by which an edge is moved or feathered, in 1/720 of the frame's height.
const MAX_RADIUS: usize = 10;

/// The mask being reshaped, and buffers.
#[derive(Debug)]
pub(super) struct Edge {
    mask: Mask,
    scratch: Box<[u8]>,
    row: Box<[u8]>,
    sums: Box<[u16]>,
}

impl Edge {
    pub(super) fn new(size: crate::frame::Size) -> Self {
        let reach = 2 * pixels(100, size.height());
        Self {
            mask: Mask::new(size),
            scratch: vec![0; size.luma_len()].into(),
            row: vec![0; size.width() + 2 * reach].into(),
            sums: vec![0; size.width() + 2 * reach].into(),
        }
    }

    /// `mask` with its edge as set in `look`; the same mask if nothing is set.
    pub(super) fn shape<'a>(&'a mut self, mask: &'a Mask, look: &Look) -> &'a Mask {
        let height = mask.size().height();
        let feather = pixels(look.softness, height);
        let moved = if look.edge_shift < 0 { -1 } else { 1 } * pixels(look.edge_shift.abs(), height) as isize;
        // the feather extends inwards only: an edge feathered to both sides is moved inwards by as much
        let moved = moved - feather as isize;
        if moved == 0 && feather == 0 {
            return mask;
        }
        self.mask.alpha_mut().copy_from_slice(mask.alpha());
        self.mask.seq = mask.seq;
        self.mask.captured_at = mask.captured_at;
        let width = mask.size().width();
        if moved != 0 {
            self.morph(width, moved.unsigned_abs(), moved > 0);
        }
        if feather > 0 {
            // two box filters give a slope without corners
            let (one, other) = (feather.div_ceil(2), feather / 2);
            [one, other].into_iter().filter(|radius| *radius > 0).for_each(|radius| self.blur(width, radius));
        }
        &self.mask
    }

    /// Dilates or erodes: takes the maximum alpha within `radius`, or the minimum.
    fn morph(&mut self, width: usize, radius: usize, outwards: bool) {
        let alpha = self.mask.alpha_mut();
        let height = alpha.len() / width;
        let row = &mut self.row[..width + 2 * radius];
        for (from, into) in alpha.chunks_exact(width).zip(self.scratch.chunks_exact_mut(width)) {
            pad(from, radius, row);
            into.copy_from_slice(&row[..width]);
            (1..=2 * radius).for_each(|k| extreme(&row[k..][..width], into, outwards));
        }
        for (y, into) in alpha.chunks_exact_mut(width).enumerate() {
            let rows = y.saturating_sub(radius)..(y + radius + 1).min(height);
            into.copy_from_slice(&self.scratch[y * width..][..width]);
            rows.for_each(|y| extreme(&self.scratch[y * width..][..width], into, outwards));
        }
    }

    /// Takes the mean within `radius`.
    fn blur(&mut self, width: usize, radius: usize) {
        let alpha = self.mask.alpha_mut();
        let height = alpha.len() / width;
        let row = &mut self.row[..width + 2 * radius];
        let sums = &mut self.sums[..width];
        for (from, into) in alpha.chunks_exact(width).zip(self.scratch.chunks_exact_mut(width)) {
            pad(from, radius, row);
            sums.fill(0);
            (0..=2 * radius).for_each(|k| add(&row[k..][..width], sums));
            divide(sums, radius, into);
        }
        sums.fill(0);
        let rows = |y: isize| y.clamp(0, height as isize - 1) as usize * width;
        let reach = radius as isize;
        (-reach..=reach).for_each(|y| add(&self.scratch[rows(y)..][..width], sums));
        for (y, into) in alpha.chunks_exact_mut(width).enumerate() {
            divide(sums, radius, into);
            let y = y as isize;
            add(&self.scratch[rows(y + reach + 1)..][..width], sums);
            subtract(&self.scratch[rows(y - reach)..][..width], sums);
        }
    }
}

/// A percentage of [`MAX_RADIUS`] in pixels, for a frame of this height; at least one pixel unless it is zero.
fn pixels(per_cent: i32, height: usize) -> usize {
    let per_cent = per_cent.clamp(0, 100) as usize;
    (per_cent * MAX_RADIUS * height).div_ceil(100 * 720)
}

/// Copies a row, with its ends repeated.
fn pad(from: &[u8], radius: usize, row: &mut [u8]) {
    let width = from.len();
    row[..radius].fill(from[0]);
    row[radius..][..width].copy_from_slice(from);
    row[radius + width..].fill(from[width - 1]);
}

#[multiversion(targets = "simd")]
fn extreme(from: &[u8], into: &mut [u8], greatest: bool) {
    if greatest {
        into.iter_mut().zip(from).for_each(|(into, from)| *into = (*into).max(*from));
    } else {
        into.iter_mut().zip(from).for_each(|(into, from)| *into = (*into).min(*from));
    }
}

#[multiversion(targets = "simd")]
fn add(row: &[u8], sums: &mut [u16]) {
    sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum += u16::from(*byte));
}

#[multiversion(targets = "simd")]
fn subtract(row: &[u8], sums: &mut [u16]) {
    sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum -= u16::from(*byte));
}

/// Divides sums of `2 radius + 1` bytes by their number.
#[multiversion(targets = "simd")]
fn divide(sums: &[u16], radius: usize, into: &mut [u8]) {
    let count = (2 * radius + 1) as u32;
    let inverse = (1 << 20) / count + 1; // exact for 0 and 255
    for (into, &sum) in into.iter_mut().zip(sums) {
        *into = (((u32::from(sum) + count / 2) * inverse) >> 20) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;

    /// The alpha of a middle row across the right edge of a person that ends at column 400.
    fn row(softness: i32, edge_shift: i32) -> Vec<u8> {
        let mut mask = Mask::new(Size::HD);
        mask.alpha_mut().iter_mut().enumerate().for_each(|(at, alpha)| *alpha = u8::from(at % 1280 < 400) * 255);
        let look = Look { softness, edge_shift, ..Look::neutral() };
        Edge::new(Size::HD).shape(&mask, &look).alpha()[360 * 1280..][..1280].to_vec()
    }

    #[test]
    fn the_edge_moves_by_the_requested_distance() {
        let edge = |shift| row(0, shift).iter().filter(|alpha| **alpha == 255).count();
        assert_eq!([edge(0), edge(100), edge(-100), edge(50), edge(1)], [400, 410, 390, 405, 401]);
    }

    #[test]
    fn feathering_extends_inwards() {
        let row = row(100, 0);
        assert!(row[400..].iter().all(|alpha| *alpha < 3), "{:?}", &row[395..410]);
        assert_eq!(row[..379], [255; 379]);
        assert!(row[380..400].windows(2).all(|pair| pair[0] >= pair[1]));
        assert!(row[389].abs_diff(128) < 30, "{}", row[389]);
    }

    #[test]
    fn full_and_empty_masks_never_change() {
        for size in [Size::new(64, 48).unwrap(), Size::new(640, 480).unwrap(), Size::new(16, 16).unwrap()] {
            let mut edge = Edge::new(size);
            for value in [0, 255] {
                let mut mask = Mask::new(size);
                mask.alpha_mut().fill(value);
                for (softness, edge_shift) in [(100, 100), (100, -100), (1, 0), (33, 7)] {
                    let look = Look { softness, edge_shift, ..Look::neutral() };
                    assert!(edge.shape(&mask, &look).alpha().iter().all(|alpha| *alpha == value));
                }
            }
        }
    }
}
