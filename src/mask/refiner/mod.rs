//! The refiner: a tiny network that draws the strands of hair in the matte's edge, on tiles of the frame.
//!
//! `band` finds where it may be used and `network` runs it. The model card, models/refiner/README.md, has its inputs, its
//! training and the rule for its use.

use multiversion::multiversion;

use self::{
    band::Band,
    network::{Network, TILE},
};
use super::{MaskError, matte::Hair, onnx::Runtime};
use crate::frame::{Frame, Size, grid::Grid};

mod band;
mod network;

/// Pixels at each side of a tile that are input only. The network sees 36 pixels in each direction; with fewer, alpha
/// differs by .012 to .019 in the mean.
const MARGIN: usize = 16;

/// The side of the area that a tile refines.
const INNER: usize = TILE - 2 * MARGIN;

/// The maximum number of tiles per frame, which bounds the time.
const MAX_TILES: usize = 32;

/// The shorter sides of frames, in pixels, for which the network is used. It was trained at 720; at 360, faces get worse.
const HEIGHTS: std::ops::RangeInclusive<usize> = 480..=960;

/// Refines the hair in frames of one size.
#[derive(Debug)]
pub(super) struct Refiner {
    grid: Grid,
    size: Size,
    band: Band,
    network: Network,
    /// The tiles of the current frame.
    tiles: Vec<Tile>,
    /// The alpha with hard edges, which the network was trained with.
    coarse: Box<[u8]>,
    /// The probability of hair in the current row of the grid.
    hair: Box<[f32]>,
}

/// A tile of [`TILE`] x [`TILE`] pixels; it refines those within [`INNER`] of `x` and `y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tile {
    /// The left column and the top row of the refined area.
    x: usize,
    y: usize,
    /// The left column and the top row of the input.
    left: usize,
    top: usize,
}

impl Tile {
    fn new(x: usize, y: usize, size: Size) -> Self {
        let start = |at: usize, side: usize| at.saturating_sub(MARGIN).min(side - TILE);
        Self { x, y, left: start(x, size.width()), top: start(y, size.height()) }
    }
}

impl Refiner {
    /// Whether there is a refiner for frames of `size`.
    pub(super) fn suits(size: Size) -> bool {
        HEIGHTS.contains(&size.height().min(size.width()))
            && size.width().is_multiple_of(4)
            && size.height().is_multiple_of(4)
    }

    /// Loads the network.
    ///
    /// # Errors
    /// If ONNX Runtime cannot run it.
    pub(super) fn load(runtime: &Runtime, size: Size) -> Result<Self, MaskError> {
        let grid = Grid::new(size);
        Ok(Self {
            grid,
            size,
            band: Band::new(grid, size),
            network: Network::load(runtime)?,
            tiles: Vec::with_capacity(MAX_TILES),
            coarse: vec![0; size.luma_len()].into(),
            hair: vec![0.0; grid.width].into(),
        })
    }

    /// The buffer for the matte of the next frame with hard edges.
    pub(super) fn coarse(&mut self) -> &mut [u8] {
        &mut self.coarse
    }

    /// Refines `alpha`, the matte of `frame`, in hair; [`Refiner::coarse`] has it with hard edges.
    ///
    /// # Errors
    /// If ONNX Runtime fails. `alpha` is then refined in parts.
    pub(super) fn run(&mut self, frame: &Frame, hair: &Hair, alpha: &mut [u8]) -> Result<(), MaskError> {
        if !self.band.find(hair, &self.coarse) {
            return Ok(());
        }
        self.place_tiles();
        for at in 0..self.tiles.len() {
            let tile = self.tiles[at];
            self.fill(tile, frame, hair);
            let refined = self.network.run()?;
            let width = self.size.width();
            let columns = tile.x..(tile.x + INNER).min(width);
            for y in tile.y..(tile.y + INNER).min(self.size.height()) {
                let from = (y - tile.top) * TILE + tile.x - tile.left;
                self.band.blend(y, columns.clone(), &refined[from..], &mut alpha[y * width..][..width]);
            }
        }
        Ok(())
    }

    /// Covers the band with tiles: rows of tiles from the top, each from the left.
    fn place_tiles(&mut self) {
        self.tiles.clear();
        let (width, height) = (self.size.width(), self.size.height());
        let mut y = 0;
        while let Some(top) = self.band.first_row(y..height) {
            let rows = top..(top + INNER).min(height);
            let mut x = 0;
            while let Some(left) = self.band.first_column(rows.clone(), x..width) {
                if self.tiles.len() == MAX_TILES {
                    return;
                }
                self.tiles.push(Tile::new(left, top, self.size));
                x = left + INNER;
            }
            y = rows.end;
        }
    }

    /// Writes a tile of the frame, its alpha and its hair to the network's input.
    fn fill(&mut self, tile: Tile, frame: &Frame, hair: &Hair) {
        let width = self.size.width();
        let (luma, u, v) = frame.planes();
        let input = self.network.input();
        let mut planes = input.chunks_exact_mut(TILE * TILE);
        let mut plane = || planes.next().map(|plane| plane.chunks_exact_mut(TILE)).into_iter().flatten();
        let rows = plane().zip(plane()).zip(plane()).zip(plane()).zip(plane());
        for (row, ((((red, green), blue), alpha), probability)) in rows.enumerate() {
            let y = tile.top + row;
            let chroma = y / 2 * (width / 2) + tile.left / 2..;
            let yuv = (&luma[y * width + tile.left..][..TILE], &u[chroma.clone()][..TILE / 2], &v[chroma][..TILE / 2]);
            convert(yuv, (red, green, blue));
            to_unit(&self.coarse[y * width + tile.left..][..TILE], alpha);
            if row == 0 || y.is_multiple_of(self.grid.factor) {
                hair.probability_row(y / self.grid.factor, &mut self.hair);
            }
            for (x, probability) in probability.iter_mut().enumerate() {
                *probability = self.hair[(tile.left + x) / self.grid.factor];
            }
        }
    }
}

/// BT.601, limited range, to RGB 0..1.
#[multiversion(targets = "simd")]
fn convert((luma, u, v): (&[u8], &[u8], &[u8]), (red, green, blue): (&mut [f32], &mut [f32], &mut [f32])) {
    for x in 0..TILE {
        let y = (f32::from(luma[x]) - 16.0) * (1.0 / 219.0);
        let [u, v] = [u, v].map(|plane| (f32::from(plane[x / 2]) - 128.0) * (1.0 / 224.0));
        red[x] = (y + 1.402 * v).clamp(0.0, 1.0);
        green[x] = (y - 0.344_136 * u - 0.714_136 * v).clamp(0.0, 1.0);
        blue[x] = (y + 1.772 * u).clamp(0.0, 1.0);
    }
}

#[multiversion(targets = "simd")]
fn to_unit(bytes: &[u8], out: &mut [f32]) {
    out.iter_mut().zip(bytes).for_each(|(out, &byte)| *out = f32::from(byte) * (1.0 / 255.0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::{Yuv, grid::Plane},
        mask::onnx::runtime,
    };

    /// A refiner; `None` and a message if ONNX Runtime is not installed.
    fn open() -> Option<Refiner> {
        match runtime(None).and_then(|runtime| Refiner::load(&runtime, Size::HD)) {
            Ok(refiner) => Some(refiner),
            #[expect(clippy::print_stderr, reason = "reports a skipped test")]
            Err(error @ MaskError::NoLibrary { .. }) => {
                eprintln!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn hair(probability: f32) -> Hair {
        let grid = Grid::new(Size::HD);
        let mut plane = Plane::new(grid.width, grid.height);
        (0..grid.height).for_each(|y| plane.row_mut(y).fill(probability));
        let mut hair = Hair::new(grid.width, grid.height);
        hair.set(&plane);
        hair
    }

    /// A disc around the middle with this radius, as alpha.
    fn disc(radius: f32) -> Vec<u8> {
        let (width, height) = (Size::HD.width(), Size::HD.height());
        let distance = |at: usize| {
            let (x, y) = ((at % width) as f32 - width as f32 / 2.0, (at / width) as f32 - height as f32 / 2.0);
            x.hypot(y)
        };
        (0..width * height).map(|at| ((radius - distance(at)) * 40.0 + 128.0).clamp(0.0, 255.0) as u8).collect()
    }

    /// A dark disc in front of a bright wall, with dark strands up to 6 pixels from it.
    fn picture(radius: f32) -> Frame {
        let mut frame = Frame::new(Size::HD);
        frame.fill(Yuv { y: 200, u: 128, v: 128 });
        let alpha = disc(radius);
        let strands = disc(radius + 6.0);
        let luma = frame.planes_mut().0;
        for (at, luma) in luma.iter_mut().enumerate() {
            if alpha[at] > 128 || (strands[at] > 128 && at % 7 < 2) {
                *luma = 40;
            }
        }
        frame
    }

    #[test]
    fn only_the_edge_in_hair_is_refined() {
        let Some(mut refiner) = open() else { return };
        let (frame, coarse) = (picture(150.0), disc(150.0));
        let mut alpha = coarse.clone();
        refiner.coarse().copy_from_slice(&coarse);
        refiner.run(&frame, &hair(0.0), &mut alpha).unwrap();
        assert!(alpha == coarse, "no hair");
        refiner.run(&frame, &hair(0.95), &mut alpha).unwrap();
        let (far, away) = (disc(150.0 - 14.0), disc(150.0 + 14.0));
        let changed = |at: &usize| alpha[*at] != coarse[*at];
        let at_edge = |at: &usize| far[*at] < 128 && away[*at] > 128;
        assert!((0..alpha.len()).filter(changed).all(|at| at_edge(&at)));
        let mean = |is_strand: bool| {
            let ring = |at: &usize| coarse[*at] == 0 && disc_holds(*at, 154.0) && (at % 7 < 2) == is_strand;
            let (sum, count) = (0..alpha.len())
                .filter(ring)
                .fold((0.0, 0.0), |(sum, count), at| (sum + f32::from(alpha[at]), count + 1.0));
            sum / count
        };
        assert!(mean(true) > mean(false) + 10.0, "strands {}, between them {}", mean(true), mean(false));
    }

    fn disc_holds(at: usize, radius: f32) -> bool {
        let (x, y) = ((at % Size::HD.width()) as f32 - 640.0, (at / Size::HD.width()) as f32 - 360.0);
        x.hypot(y) < radius
    }

    #[test]
    fn tiles_cover_the_band_without_overlap() {
        let Some(mut refiner) = open() else { return };
        for radius in [3.0, 60.0, 150.0, 340.0] {
            assert!(refiner.band.find(&hair(0.95), &disc(radius)));
            refiner.place_tiles();
            let tiles = &refiner.tiles;
            assert!(!tiles.is_empty() && tiles.len() < MAX_TILES, "{radius}: {} tiles", tiles.len());
            for (at, tile) in tiles.iter().enumerate() {
                assert!(tile.left + TILE <= Size::HD.width() && tile.top + TILE <= Size::HD.height(), "{tile:?}");
                assert!(tile.left <= tile.x && tile.top <= tile.y, "{tile:?}");
                let overlaps = |other: &Tile| tile.x.abs_diff(other.x) < INNER && tile.y.abs_diff(other.y) < INNER;
                assert!(!tiles[..at].iter().any(overlaps), "{radius}: {tile:?}");
            }
            let covered = |x: usize, y: usize| {
                tiles.iter().any(|tile| (tile.x..tile.x + INNER).contains(&x) && (tile.y..tile.y + INNER).contains(&y))
            };
            for y in (0..Size::HD.height()).step_by(band::BLOCK) {
                if let Some(x) = refiner.band.first_column(y..y + 1, 0..Size::HD.width()) {
                    assert!(covered(x, y), "{radius}: {x}, {y}");
                }
            }
        }
    }
}
