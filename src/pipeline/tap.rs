//! The tap: small copies of what goes by, for whoever watches, taken only while somebody does.
//!
//! The render thread copies and goes on; it never waits for a viewer, and a viewer who is slow misses pictures.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{
    frame::blend::halve,
    frame::{Frame, Mask, Pool, Size, Yuv, mailbox::Latest},
};

/// How often a picture is taken at most: sixteen times a second.
const EVERY: Duration = Duration::from_micros(62_500);

/// The longer side of the copies, in pixels, at the most.
const LONGEST: usize = 640;

/// One copy waits, one is being encoded, one is being filled.
const BUFFERS: usize = 3;

/// What can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// What others see.
    Output,
    /// The camera's own picture, room and all.
    Camera,
    /// Where the person is: white for them, black for what is replaced.
    Matte,
}

impl View {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Output, Self::Camera, Self::Matte];
}

/// Where viewers meet the render thread.
#[derive(Debug, Default)]
pub struct Tap {
    places: [Place; View::ALL.len()],
    news: Notify,
}

#[derive(Debug, Default)]
struct Place {
    watchers: AtomicUsize,
    newest: Latest<Arc<Frame>>,
}

impl Tap {
    /// Begins to watch; ends when what is returned is dropped.
    pub fn watch(self: &Arc<Self>, view: View) -> Watching {
        self.place(view).watchers.fetch_add(1, Ordering::AcqRel);
        Watching { tap: Arc::clone(self), view }
    }

    /// Whether somebody watches anything.
    pub fn is_watched(&self) -> bool {
        self.places.iter().any(Place::is_watched)
    }

    /// Waits until a new picture may be there; for one task.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// The newest picture that nobody has taken: I420, limited range, no side longer than 640.
    pub fn take(&self, view: View) -> Option<Arc<Frame>> {
        self.place(view).newest.try_take()
    }

    fn place(&self, view: View) -> &Place {
        &self.places[view as usize]
    }
}

impl Place {
    fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) > 0
    }
}

/// Somebody watches.
#[derive(Debug)]
pub struct Watching {
    tap: Arc<Tap>,
    view: View,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.tap.place(self.view).watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The render thread's end.
#[derive(Debug)]
pub(super) struct Feed {
    tap: Arc<Tap>,
    shrink: Shrink,
    taken: [Taken; View::ALL.len()],
}

#[derive(Debug)]
struct Taken {
    /// Made when somebody watches for the first time.
    pool: Option<Pool<Frame>>,
    due: Instant,
}

impl Feed {
    /// The end for frames of `size`.
    pub(super) fn new(tap: Arc<Tap>, size: Size) -> Self {
        let now = Instant::now();
        Self { tap, shrink: Shrink::new(size), taken: View::ALL.map(|_| Taken { pool: None, due: now }) }
    }

    /// Shows `frame` to those who watch `view`, when it is time.
    pub(super) fn frame(&mut self, view: View, frame: &Frame, now: Instant) {
        self.show(view, now, |shrink, small| shrink.frame(frame, small));
    }

    /// Shows where the person is; without a mask, everywhere or nowhere.
    pub(super) fn matte(&mut self, mask: Result<&Mask, Everywhere>, now: Instant) {
        self.show(View::Matte, now, |shrink, small| match mask {
            Ok(mask) => shrink.mask(mask, small),
            Err(Everywhere(everywhere)) => small.fill(Yuv { y: if everywhere { 235 } else { 16 }, ..Yuv::BLACK }),
        });
    }

    fn show(&mut self, view: View, now: Instant, draw: impl FnOnce(&mut Shrink, &mut Frame)) {
        let (place, taken) = (self.tap.place(view), &mut self.taken[view as usize]);
        if !place.is_watched() || !taken.is_due(now) {
            return;
        }
        let (size, shrink) = (self.shrink.size, &mut self.shrink);
        let pool = taken.pool.get_or_insert_with(|| Pool::new(BUFFERS, || Frame::new(size)));
        let filled = pool.fill(|small| {
            draw(shrink, small);
            Ok::<_, Infallible>(())
        });
        if let Ok(Some(small)) = filled {
            place.newest.put(small);
            self.tap.news.notify_one();
        }
    }
}

/// That the person is everywhere or, with `false`, nowhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Everywhere(pub(super) bool);

impl Taken {
    /// Keeps the rate over time: what comes a little late is made up for by the next.
    fn is_due(&mut self, now: Instant) -> bool {
        if now < self.due {
            return false;
        }
        self.due = (self.due + EVERY).max(now);
        true
    }
}

/// Makes pictures smaller by a whole number: each point is the mean of a square of them.
#[derive(Debug)]
struct Shrink {
    from: Size,
    size: Size,
    factor: usize,
    /// Sums of columns.
    sums: Box<[u16]>,
}

impl Shrink {
    fn new(from: Size) -> Self {
        let factor = from.width().max(from.height()).div_ceil(LONGEST);
        let side = |side: usize| ((side / factor) & !1) as u32;
        let sums = vec![0; from.width()].into_boxed_slice();
        match Size::new(side(from.width()), side(from.height())) {
            Ok(size) => Self { from, size, factor, sums },
            // a ribbon, of which nothing would be left
            Err(_) => Self { from, size: from, factor: 1, sums },
        }
    }

    fn frame(&mut self, frame: &Frame, small: &mut Frame) {
        let ((y, u, v), (small_y, small_u, small_v)) = (frame.planes(), small.planes_mut());
        let (width, small_width) = (self.from.width(), self.size.width());
        self.plane(y, width, small_y, small_width);
        self.plane(u, width / 2, small_u, small_width / 2);
        self.plane(v, width / 2, small_v, small_width / 2);
    }

    fn mask(&mut self, mask: &Mask, small: &mut Frame) {
        let (width, small_width) = (self.from.width(), self.size.width());
        let (y, u, v) = small.planes_mut();
        self.plane(mask.alpha(), width, y, small_width);
        // 0..=255 to the luma of grey
        y.iter_mut().for_each(|value| *value = 16 + ((u16::from(*value) * 220) >> 8) as u8);
        u.fill(128);
        v.fill(128);
    }

    fn plane(&mut self, from: &[u8], width: usize, into: &mut [u8], into_width: usize) {
        let rows = from.chunks_exact(self.factor * width).zip(into.chunks_exact_mut(into_width));
        for (rows, into) in rows {
            match self.factor {
                1 => into.copy_from_slice(rows),
                2 => {
                    let (above, below) = rows.split_at(width);
                    halve(above, below, into);
                }
                3 => mean::<3>(rows, width, &mut self.sums, into),
                factor => mean_of(factor, rows, width, &mut self.sums, into),
            }
        }
    }
}

/// The rounded mean of each `K`x`K` points of `K` rows.
fn mean<const K: usize>(rows: &[u8], width: usize, sums: &mut [u16], into: &mut [u8]) {
    add_up(rows, width, &mut sums[..width]);
    for (into, group) in into.iter_mut().zip(sums[..width].as_chunks::<K>().0) {
        *into = rounded(group.iter().map(|sum| u32::from(*sum)).sum(), K);
    }
}

/// The same for a number that is not known beforehand.
fn mean_of(factor: usize, rows: &[u8], width: usize, sums: &mut [u16], into: &mut [u8]) {
    add_up(rows, width, &mut sums[..width]);
    for (into, group) in into.iter_mut().zip(sums[..width].chunks_exact(factor)) {
        *into = rounded(group.iter().map(|sum| u32::from(*sum)).sum(), factor);
    }
}

/// The sums of columns: of at most 13 rows, because 8192 is the longest side.
#[multiversion(targets = "simd")]
fn add_up(rows: &[u8], width: usize, sums: &mut [u16]) {
    sums.fill(0);
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, point)| *sum += u16::from(*point));
    }
}

/// A sum of `side` x `side` bytes, divided by a multiplication.
fn rounded(sum: u32, side: usize) -> u8 {
    let count = (side * side) as u64;
    (((u64::from(sum) + count / 2) * ((1 << 32) / count + 1)) >> 32) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    fn feed(size: Size) -> (Arc<Tap>, Feed) {
        let tap = Arc::<Tap>::default();
        (Arc::clone(&tap), Feed::new(tap, size))
    }

    #[test]
    fn nothing_is_copied_while_nobody_watches() {
        let (tap, mut feed) = feed(size(64, 32));
        let (frame, now) = (Frame::new(size(64, 32)), Instant::now());
        feed.frame(View::Output, &frame, now);
        assert!(feed.taken[0].pool.is_none() && !tap.is_watched());
        let watching = tap.watch(View::Output);
        feed.frame(View::Camera, &frame, now);
        feed.frame(View::Output, &frame, now);
        assert!(tap.is_watched() && tap.take(View::Output).is_some() && tap.take(View::Camera).is_none());
        drop(watching);
        feed.frame(View::Output, &frame, now + EVERY);
        assert!(!tap.is_watched() && tap.take(View::Output).is_none());
    }

    #[test]
    fn a_viewer_who_takes_nothing_stops_nobody_and_then_gets_the_newest() {
        let (tap, mut feed) = feed(size(64, 32));
        let (_watching, start) = (tap.watch(View::Output), Instant::now());
        let mut frame = Frame::new(size(64, 32));
        // one who never lets go of what he took
        let mut held = Vec::new();
        for tick in 0..10 {
            frame.fill(Yuv { y: 16 + tick as u8, ..Yuv::BLACK });
            feed.frame(View::Output, &frame, start + EVERY * tick);
            held.extend((tick < 2).then(|| tap.take(View::Output).unwrap()));
        }
        assert_eq!(tap.take(View::Output).unwrap().planes().0[0], 18, "the buffers that are held are not touched");
        assert_eq!(held.iter().map(|frame| frame.planes().0[0]).collect::<Vec<_>>(), [16, 17]);
    }

    #[test]
    fn sixteen_a_second_are_taken_of_thirty() {
        let (tap, mut feed) = feed(size(64, 32));
        let (_watching, start) = (tap.watch(View::Output), Instant::now());
        let frame = Frame::new(size(64, 32));
        let shown = (0..300).filter(|tick| {
            feed.frame(View::Output, &frame, start + Duration::from_secs(1) / 30 * *tick);
            tap.take(View::Output).is_some()
        });
        assert!((159..=161).contains(&shown.count()));
    }

    #[test]
    fn the_matte_is_grey_and_nothing_of_the_room() {
        let (tap, mut feed) = feed(size(1280, 720));
        let (_watching, now) = (tap.watch(View::Matte), Instant::now());
        let mut mask = Mask::new(size(1280, 720));
        mask.alpha_mut()[..1280 * 360].fill(255);
        feed.matte(Ok(&mask), now);
        let small = tap.take(View::Matte).unwrap();
        let (y, u, v) = small.planes();
        assert_eq!((small.size(), y[0], y[640 * 359]), (size(640, 360), 235, 16));
        assert!(u.iter().chain(v).all(|chroma| *chroma == 128));
        feed.matte(Err(Everywhere(true)), now + EVERY);
        assert_eq!(tap.take(View::Matte).unwrap().planes().0[0], 235);
    }

    #[test]
    fn copies_have_a_size_that_frames_can_have() {
        for (from, to) in [
            (size(1280, 720), size(640, 360)),
            (size(1920, 1080), size(640, 360)),
            (size(640, 480), size(640, 480)),
            (size(720, 1280), size(360, 640)),
            (size(1366, 768), size(454, 256)),
            (size(8192, 16), size(8192, 16)),
        ] {
            assert_eq!(Shrink::new(from).size, to, "{from}");
        }
    }

    proptest! {
        #[test]
        fn each_point_is_the_mean_of_its_square(factor in 2..14usize, seed in any::<u64>()) {
            let (width, height) = (factor * 16, factor * 16);
            let points: Vec<u8> = (0..width * height).map(|at| (at as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]).collect();
            let from = size(width as u32 + width as u32 % 2, height as u32 + height as u32 % 2);
            let mut shrink = Shrink { from, size: size(16, 16), factor, sums: vec![0; width].into() };
            let mut into = vec![0; 16 * 16];
            shrink.plane(&points, width, &mut into, 16);
            for (at, got) in into.iter().enumerate() {
                let (x, y) = (at % 16 * factor, at / 16 * factor);
                let square = (0..factor * factor).map(|i| f64::from(points[(y + i / factor) * width + x + i % factor]));
                let exact = square.sum::<f64>() / (factor * factor) as f64;
                prop_assert!((f64::from(*got) - exact).abs() <= 0.51, "{got} is not {exact}");
            }
        }
    }
}
