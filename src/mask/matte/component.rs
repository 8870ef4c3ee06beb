//! A connected component of alpha, and the rules that distinguish people from photos and from each other.

/// How much larger another person has to be than the one in front to replace them.
const LEAD: f32 = 1.3;

/// The share of a component that must have moved recently for it to be a person, and to be remembered as one.
const MOVED_SHARE: f32 = 0.15;
const REMEMBERED_SHARE: f32 = 0.05;

/// A component smaller than this share of the person in front may be a photo or a screen.
const PHOTO_SHARE: f32 = 0.6;

/// The number of cells at the bottom edge that make a component reach it.
const BOTTOM_CELLS: u32 = 2;

/// The weight of a person who does not reach the bottom edge.
const DISTANT_WEIGHT: f32 = 0.5;

/// The owner of a cell in the previous frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Owner {
    #[default]
    None,
    /// The person in front, or something that was part of them, such as a raised hand.
    Front,
    Other,
}

/// The measurements of a component, and the decisions about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Component {
    /// The sum of its alphas.
    pub(super) area: f32,
    /// The sum of the fast model's alphas in its cells.
    pub(super) fast_alpha: f32,
    /// The sum of the distrust in its cells.
    pub(super) distrust: u32,
    pub(super) is_trusted: bool,
    /// The number of its cells that were kept in the previous frame.
    pub(super) known: usize,
    pub(super) cells: usize,
    /// The numbers of its cells at the bottom edge, with recent and with remembered motion, owned by a person, owned by
    /// the person in front, and marked as a photo.
    pub(super) bottom: u32,
    pub(super) moved: u32,
    pub(super) remembered: u32,
    pub(super) owned: u32,
    pub(super) in_front: u32,
    pub(super) photo: u32,
    pub(super) is_front: bool,
    pub(super) is_kept: bool,
    pub(super) is_photo: bool,
}

impl Component {
    pub(super) fn add(&mut self, other: &Self) {
        self.area += other.area;
        self.fast_alpha += other.fast_alpha;
        self.distrust += other.distrust;
        self.known += other.known;
        self.cells += other.cells;
        self.bottom += other.bottom;
        self.moved += other.moved;
        self.remembered += other.remembered;
        self.owned += other.owned;
        self.in_front += other.in_front;
        self.photo += other.photo;
    }

    /// A number of cells as a share of the component.
    fn share(&self, cells: u32) -> f32 {
        cells as f32 / self.cells as f32
    }

    fn reaches_bottom(&self) -> bool {
        self.bottom >= BOTTOM_CELLS
    }

    fn has_moved(&self) -> bool {
        self.share(self.moved) > MOVED_SHARE
    }

    /// Whether it belonged to a person, and was not a photo.
    fn was_person(&self) -> bool {
        let has_moved = self.share(self.remembered) > REMEMBERED_SHARE;
        has_moved && self.share(self.owned) > 0.5 && self.share(self.photo) < 0.5
    }

    /// Whether it belonged to the person in front.
    pub(super) fn was_in_front(&self) -> bool {
        self.was_person() && self.in_front * 2 > self.owned
    }

    /// The owner of its cells from now on.
    pub(super) fn owner(&self) -> Owner {
        match () {
            () if self.is_front || self.was_in_front() => Owner::Front,
            () if self.reaches_bottom() || self.has_moved() || self.was_person() => Owner::Other,
            () => Owner::None,
        }
    }

    /// The evidence for it to be the person in front.
    pub(super) fn weight(&self) -> f32 {
        let lead = if self.was_kept() { LEAD } else { 1.0 };
        let distance = if self.reaches_bottom() { 1.0 } else { DISTANT_WEIGHT };
        self.area * lead * distance
    }

    /// Whether it is a photo or a screen next to the person in front: as still as the wall, and not reaching the
    /// bottom.
    pub(super) fn is_photo_beside(&self, front: &Self) -> bool {
        let is_still = !self.reaches_bottom() && !self.has_moved() && !self.was_person();
        is_still && (self.area < front.area * PHOTO_SHARE || self.share(self.photo) > 0.5)
    }

    /// Whether most of it was kept in the previous frame.
    pub(super) fn was_kept(&self) -> bool {
        self.known * 2 > self.cells
    }
}
