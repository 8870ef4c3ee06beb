//! Islands of alpha that are nobody: specks beside the person, which models see in skies, lamps and patterned walls, and
//! whole lamps and chairs, which the key model takes for something that is worn and the fast model does not see.
//!
//! Parts of the alpha that hang together are found at half the grid's size; those that are small beside the largest go.
//! What was kept a frame before is kept down to half that size, so that a hand at the rim of the picture does not flicker.

use multiversion::multiversion;

use super::{
    components::{Components, Run},
    motion::Motion,
};
use crate::frame::grid::Plane;

/// Grid cells on a side of a cell here.
const STEP: usize = 2;

/// The alpha from which on a cell belongs to an island.
const INSIDE: f32 = 0.25;

/// The least share of the largest island that another needs to be kept.
const LEAST_OF_LARGEST: f32 = 0.03;

/// The least share of the picture that any island needs.
const LEAST_OF_ALL: f32 = 0.002;

/// What was kept before may shrink to this share of both.
const LINGER: f32 = 0.5;

/// The mean alpha of the fast model that a key model's island needs. Of people it has .9 and more, of what is none .1, and
/// .4 at the most (a lamp, 206 key frames); a hand alone may lie between.
const BELIEVED: f32 = 0.45;

/// The same for the largest island, and for what was believed before.
const BARELY_BELIEVED: f32 = 0.25;

/// By how much the doubt in a cell grows with each frame in which it lies in an island that is not believed, and shrinks
/// with each in which it lies in none. Somebody who comes in is not seen by the fast model at once either; a lamp is
/// never.
const DOUBT_GROWS: u8 = 16;
const DOUBT_SHRINKS: u8 = 2;

/// The doubt of a new stream: what is there from the beginning has to be believed.
const FIRST_DOUBT: u8 = 160;

/// The mean doubt from which on an island that is not believed goes.
const TOO_DOUBTFUL: u32 = 128;

/// By how much another person has to be larger than the nearest of before to take their place.
const LEAD: f32 = 1.3;

/// 30ths of a second for which a place has moved lately, and for which it is remembered that it did.
const MOVED: u8 = 60;
const REMEMBERED: u8 = 240;

/// The share of an island that has to have moved lately for somebody to be there, and to be remembered.
const MOVED_SHARE: f32 = 0.15;
const REMEMBERED_SHARE: f32 = 0.05;

/// What is smaller than this share of the person in front may be a photo or a screen.
const PHOTO_SHARE: f32 = 0.6;

/// Cells at the bottom edge that make an island reach it.
const BOTTOM_CELLS: u32 = 2;

/// By how much less somebody counts who does not reach the bottom edge.
const FAR: f32 = 0.5;

/// The least share of the person in front that another person has.
const OTHER_SHARE: f32 = 0.1;

/// 30ths of a second until another person is reported, or no longer.
const OTHERS_SETTLE: i16 = 30;

/// Whom a place belonged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Owner {
    #[default]
    Nobody,
    /// The person in front, or what was once part of them, like a hand that is held up.
    Front,
    Other,
}

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

/// Removes islands, for one stream.
#[derive(Debug)]
pub(super) struct Islands {
    width: usize,
    height: usize,
    /// The greatest alpha in each cell of a row.
    most: Box<[f32]>,
    components: Components,
    /// What is known of each component, at its root.
    islands: Vec<Island>,
    /// Which cells were kept in the frame before.
    kept: Box<[bool]>,
    /// Whose each cell was in the frame before.
    owners: Box<[Owner]>,
    photo: Box<[Photo]>,
    /// 30ths of a second, up to [`OTHERS_SETTLE`], for which another person was there; below 0 for which there was none.
    others: i16,
    shows_others: bool,
    /// How long the fast model has not seen what the key model sees in each cell.
    doubt: Box<[u8]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Island {
    /// The sum of its alphas.
    area: f32,
    /// The same of the fast model's.
    believed: f32,
    /// The sum of the doubt in its cells.
    doubt: u32,
    is_believed: bool,
    /// How many of its cells were kept in the frame before.
    known: usize,
    cells: usize,
    /// Of its cells: those at the bottom edge, those that moved lately and not so lately, those that belonged to
    /// somebody before, of these the ones of the person in front, and those of photos.
    bottom: u32,
    moved: u32,
    remembered: u32,
    owned: u32,
    in_front: u32,
    photo: u32,
    is_front: bool,
    is_kept: bool,
    is_photo: bool,
}

impl Island {
    fn add(&mut self, other: &Self) {
        self.area += other.area;
        self.believed += other.believed;
        self.doubt += other.doubt;
        self.known += other.known;
        self.cells += other.cells;
        self.bottom += other.bottom;
        self.moved += other.moved;
        self.remembered += other.remembered;
        self.owned += other.owned;
        self.in_front += other.in_front;
        self.photo += other.photo;
    }

    /// The share of its cells that these are.
    fn share(&self, cells: u32) -> f32 {
        cells as f32 / self.cells as f32
    }

    fn reaches_bottom(&self) -> bool {
        self.bottom >= BOTTOM_CELLS
    }

    fn has_moved(&self) -> bool {
        self.share(self.moved) > MOVED_SHARE
    }

    /// Whether it belonged to somebody, and was no photo.
    fn was_somebody(&self) -> bool {
        let lives = self.share(self.remembered) > REMEMBERED_SHARE;
        lives && self.share(self.owned) > 0.5 && self.share(self.photo) < 0.5
    }

    /// Whether that was the person in front.
    fn was_in_front(&self) -> bool {
        self.was_somebody() && self.in_front * 2 > self.owned
    }

    /// Whose its cells are now.
    fn owner(&self) -> Owner {
        match () {
            () if self.is_front || self.was_in_front() => Owner::Front,
            () if self.reaches_bottom() || self.has_moved() || self.was_somebody() => Owner::Other,
            () => Owner::Nobody,
        }
    }

    /// How much speaks for it to be the person in front.
    fn weight(&self) -> f32 {
        let lead = if self.was_kept() { LEAD } else { 1.0 };
        let near = if self.reaches_bottom() { 1.0 } else { FAR };
        self.area * lead * near
    }

    /// Whether it is a photo or a screen beside the person in front: it moves no more than the wall, and stands on
    /// nothing.
    fn is_photo_beside(&self, front: &Self) -> bool {
        let is_still = !self.reaches_bottom() && !self.has_moved() && !self.was_somebody();
        is_still && (self.area < front.area * PHOTO_SHARE || self.share(self.photo) > 0.5)
    }

    /// Whether most of it was kept in the frame before.
    fn was_kept(&self) -> bool {
        self.known * 2 > self.cells
    }
}

impl Islands {
    /// For grids of `width` x `height`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.div_ceil(STEP), height.div_ceil(STEP));
        Self {
            width,
            height,
            most: vec![0.0; width].into(),
            components: Components::new(width, height),
            islands: Vec::with_capacity(width.div_ceil(2) * height),
            kept: vec![false; width * height].into(),
            owners: vec![Owner::Nobody; width * height].into(),
            photo: vec![Photo::No; width * height].into(),
            others: -OTHERS_SETTLE,
            shows_others: false,
            doubt: vec![FIRST_DOUBT; width * height].into(),
        }
    }

    /// Whether somebody else is shown beside the person in front.
    pub(super) fn shows_others(&self) -> bool {
        self.shows_others
    }

    /// Sets the alpha of small islands to 0, and where the fast model's alpha is given of those in which it has seen nobody
    /// for some frames; with `nearest_only` of all but the person in front. Where the motion of a stream is given, with
    /// 30ths of a second since the frame before, photos and screens behind the person go too.
    pub(super) fn drop_nobody(
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
            self.doubt();
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
        self.doubt.fill(FIRST_DOUBT);
    }

    /// What moves is no photo any more.
    fn forget_photos(&mut self, motion: &Motion) {
        for (row, photos) in self.photo.chunks_exact_mut(self.width).enumerate() {
            for (photo, &age) in photos.iter_mut().zip(motion.ages(row)) {
                *photo = if *photo == Photo::Yes && age == 0 { Photo::Once } else { *photo };
            }
        }
    }

    /// Finds the islands and what is known of them.
    fn find(&mut self, alpha: &Plane<f32>, fast: Option<&Plane<f32>>, motion: Option<&Motion>) {
        let Self { components, islands, most, photo, width, .. } = self;
        components.find(|row, inside| {
            greatest(lines(alpha, row), most);
            let photos = &photo[row * *width..][..*width];
            for ((inside, &most), &photo) in inside.iter_mut().zip(&**most).zip(photos) {
                *inside = (most > INSIDE) & (photo != Photo::Yes);
            }
        });
        islands.clear();
        islands.resize(components.len(), Island::default());
        for (root, run) in self.components.runs() {
            let part = self.measure(run, alpha, fast, motion);
            self.islands[root].add(&part);
        }
    }

    /// What is known of a run.
    fn measure(&self, run: Run, alpha: &Plane<f32>, fast: Option<&Plane<f32>>, motion: Option<&Motion>) -> Island {
        let cells = run.end - run.start;
        let lines = lines(alpha, run.row).map(|line| &line[run.start * STEP..run.end * STEP]);
        // one pixel a cell is enough of the fast model's: it is smooth
        let samples = fast.map(|fast| &fast.row(run.row * STEP)[run.start * STEP..]);
        let place = run.cells(self.width);
        let ages = motion.map_or(&[][..], |motion| &motion.ages(run.row)[run.start..run.end]);
        let owners = &self.owners[place.clone()];
        let count = |is_one: &dyn Fn(Owner) -> bool| owners.iter().filter(|&&owner| is_one(owner)).count() as u32;
        let younger = |limit: u8| ages.iter().map(|&age| u32::from(age < limit)).sum();
        Island {
            area: sum_of_greatest(lines),
            believed: samples.map_or(0.0, |samples| samples.iter().step_by(STEP).take(cells).sum()),
            doubt: self.doubt[place.clone()].iter().map(|&doubt| u32::from(doubt)).sum(),
            known: self.kept[place.clone()].iter().filter(|&&kept| kept).count(),
            cells,
            bottom: if run.row + 1 == self.height { cells as u32 } else { 0 },
            moved: younger(MOVED),
            remembered: younger(REMEMBERED),
            owned: count(&|owner| owner != Owner::Nobody),
            in_front: count(&|owner| owner == Owner::Front),
            photo: self.photo[place].iter().map(|&photo| u32::from(photo != Photo::No)).sum(),
            ..Island::default()
        }
    }

    /// Decides which islands are kept; true when all are.
    fn choose(&mut self, has_fast: bool, motion: Option<(&Motion, u8)>, nearest_only: bool) -> bool {
        let own = self.islands.iter().filter(|island| island.cells > 0);
        let front = own.copied().max_by(|a, b| a.weight().total_cmp(&b.weight())).unwrap_or_default();
        let least_of_all = (self.width * self.height) as f32 * LEAST_OF_ALL;
        let least = (front.area * LEAST_OF_LARGEST).max(least_of_all);
        let (mut all, mut others) = (!self.photo.contains(&Photo::Yes), false);
        for island in self.islands.iter_mut().filter(|island| island.cells > 0) {
            let least = if island.was_kept() { least * LINGER } else { least };
            let is_nearest = island.weight() >= front.weight();
            let was_believed = island.was_kept() && island.doubt == 0;
            let doubtful = if is_nearest || was_believed { BARELY_BELIEVED } else { BELIEVED };
            island.is_believed = !has_fast || island.believed >= doubtful * island.cells as f32;
            let is_anybody = island.is_believed || island.doubt < TOO_DOUBTFUL * island.cells as u32;
            island.is_photo = motion.is_some() && island.is_photo_beside(&front);
            island.is_front = is_nearest;
            let is_shown = is_nearest || !nearest_only || island.was_in_front();
            island.is_kept = is_anybody && island.area >= least && is_shown && !island.is_photo;
            all &= island.is_kept;
            let is_other = island.owner() == Owner::Other && island.area > front.area * OTHER_SHARE;
            others |= island.is_kept && is_other;
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
        for (root, run) in self.components.runs() {
            let (island, cells) = (&self.islands[root], run.cells(self.width));
            if island.is_kept {
                self.kept[cells.clone()].fill(true);
                self.owners[cells.clone()].fill(island.owner());
            }
            if island.is_photo {
                self.photo[cells].fill(Photo::Yes);
            }
        }
    }

    /// Doubts more, or less, what the key model sees.
    fn doubt(&mut self) {
        self.doubt.iter_mut().for_each(|doubt| *doubt = doubt.saturating_sub(DOUBT_SHRINKS));
        for (root, run) in self.components.runs() {
            let cells = &mut self.doubt[run.cells(self.width)];
            if self.islands[root].is_believed {
                cells.fill(0);
            } else {
                cells.iter_mut().for_each(|doubt| *doubt = doubt.saturating_add(DOUBT_GROWS + DOUBT_SHRINKS));
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
        for (_, run) in self.components.runs().filter(|(root, _)| !self.islands[*root].is_kept) {
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
fn sum_of_greatest([above, below]: [&[f32]; 2]) -> f32 {
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    cells.map(|(&[a, b], &[c, d])| a.max(b).max(c.max(d))).sum()
}

/// The greatest alpha in each cell, of two rows.
#[multiversion(targets = "simd")]
fn greatest([above, below]: [&[f32]; 2], into: &mut [f32]) {
    let more = |a: f32, b: f32| if a > b { a } else { b };
    let cells = above.as_chunks::<STEP>().0.iter().zip(below.as_chunks::<STEP>().0);
    for (into, (&[a, b], &[c, d])) in into.iter_mut().zip(cells) {
        *into = more(more(a, b), more(c, d));
    }
}

#[cfg(test)]
mod tests;
