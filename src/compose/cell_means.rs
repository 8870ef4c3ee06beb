//! The means of frame, mask and background over a grid of small cells: the input of `fringe` and `tone`.

use crate::{
    background::Background,
    frame::{
        Frame, Mask, Size,
        grid::{BoxDownscaler, Grid, Guide, Plane},
    },
};

/// The side of a cell in luma pixels; half as many chroma pixels.
pub(super) const FACTOR: usize = 4;

/// The means of the cells.
#[derive(Debug)]
pub(super) struct CellMeans {
    pub(super) grid: Grid,
    cells: BoxDownscaler,
    /// Of the frame.
    pub(super) frame: Guide,
    /// Of the mask.
    pub(super) person: Plane<u8>,
    /// Of the background, unless that is the room; see [`CellMeans::measure_background`].
    pub(super) behind: Guide,
}

impl CellMeans {
    pub(super) fn new(size: Size) -> Self {
        let grid = Grid::of_cells(FACTOR, size);
        Self {
            grid,
            cells: BoxDownscaler::new(grid, size),
            frame: Guide::new(grid),
            person: Plane::new(grid.width, grid.height),
            behind: Guide::new(grid),
        }
    }

    pub(super) fn measure(&mut self, frame: &Frame, mask: &Mask) {
        self.cells.fill(frame, &mut self.frame);
        self.cells.luma(mask.alpha(), mask.size(), &mut self.person);
    }

    /// Measures the background, mirrored like the camera; false if the background is the room.
    pub(super) fn measure_background(&mut self, background: &Background, mirror: bool) -> bool {
        match background {
            Background::Off | Background::Blur { .. } => return false,
            Background::Colour(colour) => {
                self.behind.y.raw_mut().fill(colour.y);
                self.behind.u.raw_mut().fill(colour.u);
                self.behind.v.raw_mut().fill(colour.v);
            }
            Background::Image(frame) => self.measure_frame(frame, mirror),
            Background::Moving(player) => self.measure_frame(&player.frame(), mirror),
        }
        true
    }

    fn measure_frame(&mut self, frame: &Frame, mirror: bool) {
        self.cells.fill(frame, &mut self.behind);
        if mirror {
            for plane in [&mut self.behind.y, &mut self.behind.u, &mut self.behind.v] {
                (0..plane.height).for_each(|y| plane.row_mut(y).reverse());
                plane.replicate();
            }
        }
    }
}
