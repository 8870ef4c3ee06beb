//! Components of alpha that are nobody: specks beside the person, which models see in skies, lamps and patterned walls, and
//! whole lamps and chairs, which the key model takes for something that is worn and the fast model does not see.
//!
//! Parts of the alpha that hang together are found at half the grid's size; those that are small beside the largest go.
//! What was kept a frame before is kept down to half that size, so that a hand at the rim of the picture does not flicker.

use multiversion::multiversion;

use super::{
    component::{Component, Owner},
    labels::{Labels, Run},
    motion::Motion,
};
use crate::frame::grid::Plane;

/// Grid cells on a side of a cell here.
const STEP: usize = 2;

/// The alpha from which on a cell belongs to an component.
const INSIDE: f32 = 0.25;

/// The least share of the largest component that another needs to be kept.
const MIN_SHARE_OF_LARGEST: f32 = 0.03;

/// The least share of the picture that any component needs.
const MIN_SHARE_OF_FRAME: f32 = 0.002;

/// What was kept before may shrink to this share of both.
const LINGER: f32 = 0.5;

/// The mean alpha of the fast model that a key model's component needs. Of people it has .9 and more, of what is none .1, and
/// .4 at the most (a lamp, 206 key frames); a hand alone may lie between.
const MIN_FAST_ALPHA: f32 = 0.45;

/// The same for the largest component, and for what was fast_alpha before.
const MIN_FAST_ALPHA_KNOWN: f32 = 0.25;

/// By how much the distrust in a cell grows with each frame in which it lies in an component that is not fast_alpha, and shrinks
/// with each in which it lies in none. Somebody who comes in is not seen by the fast model at once either; a lamp is
/// never.
const DISTRUST_STEP: u8 = 16;
const DISTRUST_DECAY: u8 = 2;

/// The distrust of a new stream: what is there from the beginning has to be fast_alpha.
const INITIAL_DISTRUST: u8 = 160;

/// The mean distrust from which on an component that is not fast_alpha goes.
const MAX_DISTRUST: u32 = 128;

/// 30ths of a second for which a place has moved lately, and for which it is remembered that it did.
const MOVED: u8 = 60;
const REMEMBERED: u8 = 240;

/// The least share of the person in front that another person has.
const OTHER_SHARE: f32 = 0.1;

/// 30ths of a second until another person is reported, or no longer.
const OTHERS_SETTLE: i16 = 30;

/// What is known of a place that does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Photo {
    #[default]
    No,
    /// It was part of one until something moved there.
    Once,
    /// It is part of a photo or a screen.
    Yes,
}

/// Removes components, for one stream.
#[derive(Debug)]
pub(super) struct Components {
    width: usize,
    height: usize,
    /// The greatest alpha in each cell of a row.
    max_alpha: Box<[f32]>,
    labels: Labels,
    /// What is known of each component, at its root.
    components: Vec<Component>,
    /// Which cells were kept in the frame before.
    kept: Box<[bool]>,
    /// Whose each cell was in the frame before.
    owners: Box<[Owner]>,
    photo: Box<[Photo]>,
    /// 30ths of a second, up to [`OTHERS_SETTLE`], for which another person was there; below 0 for which there was none.
    others: i16,
    shows_others: bool,
    /// How long the fast model has not seen what the key model sees in each cell.
    distrust: Box<[u8]>,
}

impl Components {
    /// For grids of `width` x `height`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.div_ceil(STEP), height.div_ceil(STEP));
        Self {
            width,
            height,
            max_alpha: vec![0.0; width].into(),
            labels: Labels::new(width, height),
            components: Vec::with_capacity(width.div_ceil(2) * height),
            kept: vec![false; width * height].into(),
            owners: vec![Owner::Nobody; width * height].into(),
            photo: vec![Photo::No; width * height].into(),
            others: -OTHERS_SETTLE,
            shows_others: false,
            distrust: vec![INITIAL_DISTRUST; width * height].into(),
        }
    }

    /// Whether somebody else is shown beside the person in front.
    pub(super) fn shows_others(&self) -> bool {
        self.shows_others
    }

    /// Sets the alpha of small components to 0, and where the fast model's alpha is given of those in which it has seen nobody
    /// for some frames; with `nearest_only` of all but the person in front. Where the motion of a stream is given, with
    /// 30ths of a second since the frame before, photos and screens behind the person go too.
    pub(super) fn remove_non_persons(
        &mut self,
        alpha: &mut Plane<f32>,
        fast: Option<&Plane<f32>>,
        motion: Option<(&Motion, u8)>,
        nearest_only: bool,
    ) {
        if let Some((motion, _)) = motion {
            self.forget_photos(motion);
        }
        self.find(alpha, fast, motion.map(|(motion, _)| motion));
        let all = self.choose(fast.is_some(), motion, nearest_only);
        self.remember();
        if fast.is_some() {
            self.distrust();
        }
        if !all {
            self.clear(alpha);
        }
    }

    pub(super) fn forget(&mut self) {
        self.kept.fill(false);
        self.owners.fill(Owner::Nobody);
        self.photo.fill(Photo::No);
        (self.others, self.shows_others) = (-OTHERS_SETTLE, false);
        self.distrust.fill(INITIAL_DISTRUST);
    }

    /// What moves is no photo any more.
    fn forget_photos(&mut self, motion: &Motion) {
        for (row, photos) in self.photo.chunks_exact_mut(self.width).enumerate() {
            for (photo, &age) in photos.iter_mut().zip(motion.ages(row)) {
                *photo = if *photo == Photo::Yes && age == 0 { Photo::Once } else { *photo };
            }
        }
    }

    /// Finds the components and what is known of them.
    fn find(&mut self, alpha: &Plane<f32>, fast: Option<&Plane<f32>>, motion: Option<&Motion>) {
        let Self { labels, components, max_alpha, photo, width, .. } = self;
        labels.find(|row, inside| {
            maxima(lines(alpha, row), max_alpha);
            let photos = &photo[row * *width..][..*width];
            for ((inside, &alpha), &photo) in inside.iter_mut().zip(&**max_alpha).zip(photos) {
                *inside = (alpha > INSIDE) & (photo != Photo::Yes);
            }
        });
        components.clear();
        components.resize(labels.len(), Component::default());
        for (root, run) in self.labels.runs() {
            let part = self.measure(run, alpha, fast, motion);
            self.components[root].add(&part);
        }
    }

    /// What is known of a run.
    fn measure(&self, run: Run, alpha: &Plane<f32>, fast: Option<&Plane<f32>>, motion: Option<&Motion>) -> Component {
        let cells = run.end - run.start;
        let lines = lines(alpha, run.row).map(|line| &line[run.start * STEP..run.end * STEP]);
        // one pixel a cell is enough of the fast model's: it is smooth
        let samples = fast.map(|fast| &fast.row(run.row * STEP)[run.start * STEP..]);
        let place = run.cells(self.width);
        let ages = motion.map_or(&[][..], |motion| &motion.ages(run.row)[run.start..run.end]);
        let owners = &self.owners[place.clone()];
        let count = |is_one: &dyn Fn(Owner) -> bool| owners.iter().filter(|&&owner| is_one(owner)).count() as u32;
        let younger = |limit: u8| ages.iter().map(|&age| u32::from(age < limit)).sum();
        Component {
            area: sum_of_maxima(lines),
            fast_alpha: samples.map_or(0.0, |samples| samples.iter().step_by(STEP).take(cells).sum()),
            distrust: self.distrust[place.clone()].iter().map(|&distrust| u32::from(distrust)).sum(),
            known: self.kept[place.clone()].iter().filter(|&&kept| kept).count(),
            cells,
            bottom: if run.row + 1 == self.height { cells as u32 } else { 0 },
            moved: younger(MOVED),
            remembered: younger(REMEMBERED),
            owned: count(&|owner| owner != Owner::Nobody),
            in_front: count(&|owner| owner == Owner::Front),
            photo: self.photo[place].iter().map(|&photo| u32::from(photo != Photo::No)).sum(),
            ..Component::default()
        }
    }

    /// Decides which components are kept; true when all are.
    fn choose(&mut self, has_fast: bool, motion: Option<(&Motion, u8)>, nearest_only: bool) -> bool {
        let own = self.components.iter().filter(|component| component.cells > 0);
        let front = own.copied().max_by(|a, b| a.weight().total_cmp(&b.weight())).unwrap_or_default();
        let least_of_all = (self.width * self.height) as f32 * MIN_SHARE_OF_FRAME;
        let least = (front.area * MIN_SHARE_OF_LARGEST).max(least_of_all);
        let (mut all, mut others) = (!self.photo.contains(&Photo::Yes), false);
        for component in self.components.iter_mut().filter(|component| component.cells > 0) {
            let least = if component.was_kept() { least * LINGER } else { least };
            let is_nearest = component.weight() >= front.weight();
            let was_trusted = component.was_kept() && component.distrust == 0;
            let doubtful = if is_nearest || was_trusted { MIN_FAST_ALPHA_KNOWN } else { MIN_FAST_ALPHA };
            component.is_trusted = !has_fast || component.fast_alpha >= doubtful * component.cells as f32;
            let is_person = component.is_trusted || component.distrust < MAX_DISTRUST * component.cells as u32;
            component.is_photo = motion.is_some() && component.is_photo_beside(&front);
            component.is_front = is_nearest;
            let is_shown = is_nearest || !nearest_only || component.was_in_front();
            component.is_kept = is_person && component.area >= least && is_shown && !component.is_photo;
            all &= component.is_kept;
            let is_other = component.owner() == Owner::Other && component.area > front.area * OTHER_SHARE;
            others |= component.is_kept && is_other;
        }
        self.count_others(others, motion.map_or(1, |(_, ticks)| ticks));
        all
    }

    /// Reports others only once they have been there, or gone, for a while.
    fn count_others(&mut self, others: bool, ticks: u8) {
        let step = if others { i16::from(ticks) } else { -i16::from(ticks) };
        self.others = (self.others + step).clamp(-OTHERS_SETTLE, OTHERS_SETTLE);
        if self.others.abs() == OTHERS_SETTLE {
            self.shows_others = self.others > 0;
        }
    }

    fn remember(&mut self) {
        self.kept.fill(false);
        self.owners.fill(Owner::Nobody);
        for (root, run) in self.labels.runs() {
            let (component, cells) = (&self.components[root], run.cells(self.width));
            if component.is_kept {
                self.kept[cells.clone()].fill(true);
                self.owners[cells.clone()].fill(component.owner());
            }
            if component.is_photo {
                self.photo[cells].fill(Photo::Yes);
            }
        }
    }

    /// Doubts more, or less, what the key model sees.
    fn distrust(&mut self) {
        self.distrust.iter_mut().for_each(|distrust| *distrust = distrust.saturating_sub(DISTRUST_DECAY));
        for (root, run) in self.labels.runs() {
            let cells = &mut self.distrust[run.cells(self.width)];
            if self.components[root].is_trusted {
                cells.fill(0);
            } else {
                cells
                    .iter_mut()
                    .for_each(|distrust| *distrust = distrust.saturating_add(DISTRUST_STEP + DISTRUST_DECAY));
            }
        }
    }

    /// Takes away what is not kept, with the levels around it.
    fn clear(&self, alpha: &mut Plane<f32>) {
        let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        for (row, photos) in self.photo.chunks_exact(self.width).enumerate() {
            for (column, _) in photos.iter().enumerate().filter(|(_, photo)| **photo == Photo::Yes) {
                let columns = column * STEP..((column + 1) * STEP).min(alpha.width);
                for y in row * STEP..((row + 1) * STEP).min(alpha.height) {
                    alpha.row_mut(y)[columns.clone()].fill(0.0);
                }
            }
        }
        for (_, run) in self.labels.runs().filter(|(root, _)| !self.components[*root].is_kept) {
            for y in around(run.row, self.height) {
                for x in run.start.saturating_sub(1)..(run.end + 1).min(self.width) {
                    let columns = around(x, self.width);
                    if around(y, self.height).any(|y| self.kept[y * self.width..][columns.clone()].contains(&true)) {
                        continue;
                    }
                    let columns = x * STEP..((x + 1) * STEP).min(alpha.width);
                    for row in y * STEP..((y + 1) * STEP).min(alpha.height) {
                        alpha.row_mut(row)[columns.clone()].fill(0.0);
                    }
                }
            }
        }
        alpha.replicate();
    }
}

/// The two rows of `alpha` that a row of cells covers; the border repeats the last column and row where a cell reaches
/// over the edge.
fn lines(alpha: &Plane<f32>, row: usize) -> [&[f32]; 2] {
    [0, 1].map(|line| &alpha.wide_row((row * STEP + line) as isize, 1)[1..])
}

/// The sum of the greatest alphas in each cell, of two rows.
fn sum_of_maxima([above, below]: [&[f32]; 2]) -> f32 {
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    cells.map(|(&[a, b], &[c, d])| a.max(b).max(c.max(d))).sum()
}

/// The greatest alpha in each cell, of two rows.
#[multiversion(targets = "simd")]
fn maxima([above, below]: [&[f32]; 2], into: &mut [f32]) {
    let more = |a: f32, b: f32| if a > b { a } else { b };
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(cells) {
        *into = more(more(a, b), more(c, d));
    }
}

#[cfg(test)]
mod tests;
