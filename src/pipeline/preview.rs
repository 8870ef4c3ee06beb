//! Live previews: small copies of the frames, taken only while there are viewers.
//!
//! The render thread never waits for a viewer; a slow viewer misses frames.

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

/// The minimum time between two copies: every frame of a camera with 30 per second, also if it is slightly fast.
const INTERVAL: Duration = Duration::from_millis(33);

/// The maximum length of the longer side of a copy, in pixels.
const MAX_SIDE: usize = 640;

/// One copy in the mailbox, one being encoded, one being filled.
const BUFFERS: usize = 3;

/// The frames that can be viewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The output, as seen by other people.
    Output,
    /// The camera frame, including the room.
    Camera,
    /// The mask: white for the person, black for the background.
    Matte,
}

impl View {
    /// All views.
    pub const ALL: [Self; 3] = [Self::Output, Self::Camera, Self::Matte];
}

/// The connection between the render thread and the viewers.
#[derive(Debug, Default)]
pub struct Preview {
    channels: [Channel; View::ALL.len()],
    frame_ready: Notify,
}

#[derive(Debug, Default)]
struct Channel {
    viewers: AtomicUsize,
    newest: Latest<Arc<Frame>>,
}

impl Preview {
    /// Starts copying the frames of `view`, until the returned guard is dropped.
    pub fn subscribe(self: &Arc<Self>, view: View) -> Subscription {
        self.channel(view).viewers.fetch_add(1, Ordering::AcqRel);
        Subscription { preview: Arc::clone(self), view }
    }

    /// Whether any view has a viewer.
    pub fn has_viewers(&self) -> bool {
        self.channels.iter().any(Channel::has_viewers)
    }

    /// Waits until there may be a new frame; for a single task.
    pub async fn changed(&self) {
        self.frame_ready.notified().await;
    }

    /// Takes the newest frame, unless it was taken already: I420, limited range, at most 640 pixels on either side.
    pub fn take(&self, view: View) -> Option<Arc<Frame>> {
        self.channel(view).newest.try_take()
    }

    fn channel(&self, view: View) -> &Channel {
        &self.channels[view as usize]
    }
}

impl Channel {
    fn has_viewers(&self) -> bool {
        self.viewers.load(Ordering::Acquire) > 0
    }
}

/// Keeps a view being copied while it exists.
#[derive(Debug)]
pub struct Subscription {
    preview: Arc<Preview>,
    view: View,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.preview.channel(self.view).viewers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The render thread's end of the preview.
#[derive(Debug)]
pub(super) struct PreviewFeed {
    preview: Arc<Preview>,
    downscaler: Downscaler,
    sampler: [Sampler; View::ALL.len()],
}

#[derive(Debug)]
struct Sampler {
    /// Allocated on the first use.
    pool: Option<Pool<Frame>>,
    due: Instant,
}

impl PreviewFeed {
    /// Creates the end for frames of `size`.
    pub(super) fn new(preview: Arc<Preview>, size: Size) -> Self {
        let now = Instant::now();
        Self {
            preview,
            downscaler: Downscaler::new(size),
            sampler: View::ALL.map(|_| Sampler { pool: None, due: now }),
        }
    }

    /// Offers `frame` to the viewers of `view`, if a copy is due.
    pub(super) fn frame(&mut self, view: View, frame: &Frame, now: Instant) {
        self.show(view, now, |downscaler, small| downscaler.frame(frame, small));
    }

    /// Offers a mask, or a uniform matte if there is none.
    pub(super) fn matte(&mut self, mask: Result<&Mask, UniformMatte>, now: Instant) {
        self.show(View::Matte, now, |downscaler, small| match mask {
            Ok(mask) => downscaler.mask(mask, small),
            Err(UniformMatte(is_person)) => small.fill(Yuv { y: if is_person { 235 } else { 16 }, ..Yuv::BLACK }),
        });
    }

    fn show(&mut self, view: View, now: Instant, draw: impl FnOnce(&mut Downscaler, &mut Frame)) {
        let (channel, sampler) = (self.preview.channel(view), &mut self.sampler[view as usize]);
        if !channel.has_viewers() || !sampler.is_due(now) {
            return;
        }
        let (size, downscaler) = (self.downscaler.size, &mut self.downscaler);
        let pool = sampler.pool.get_or_insert_with(|| Pool::new(BUFFERS, || Frame::new(size)));
        let filled = pool.fill(|small| {
            draw(downscaler, small);
            Ok::<_, Infallible>(())
        });
        if let Ok(Some(small)) = filled {
            channel.newest.put(small);
            self.preview.frame_ready.notify_one();
        }
    }
}

/// A matte of a single value: the person everywhere, or nowhere with `false`.
#[derive(Debug, Clone, Copy)]
pub(super) struct UniformMatte(pub(super) bool);

impl Sampler {
    /// Keeps the average rate: a copy that is late makes the next one due earlier.
    fn is_due(&mut self, now: Instant) -> bool {
        if now < self.due {
            return false;
        }
        self.due = (self.due + INTERVAL).max(now);
        true
    }
}

/// Downscales frames by a whole number; each pixel becomes the mean of a square.
#[derive(Debug)]
struct Downscaler {
    from: Size,
    size: Size,
    factor: usize,
    /// Sums of columns.
    sums: Box<[u16]>,
}

impl Downscaler {
    fn new(from: Size) -> Self {
        let factor = from.width().max(from.height()).div_ceil(MAX_SIDE);
        let side = |side: usize| ((side / factor) & !1) as u32;
        let sums = vec![0; from.width()].into_boxed_slice();
        match Size::new(side(from.width()), side(from.height())) {
            Ok(size) => Self { from, size, factor, sums },
            // too narrow to be scaled down
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
        // alpha 0..=255 to limited-range luma
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

/// The rounded mean of each `K`x`K` square in `K` rows.
fn mean<const K: usize>(rows: &[u8], width: usize, sums: &mut [u16], into: &mut [u8]) {
    add_up(rows, width, &mut sums[..width]);
    for (into, group) in into.iter_mut().zip(sums[..width].as_chunks::<K>().0) {
        *into = rounded(group.iter().map(|sum| u32::from(*sum)).sum(), K);
    }
}

/// Like [`mean`], for a factor known only at run time.
fn mean_of(factor: usize, rows: &[u8], width: usize, sums: &mut [u16], into: &mut [u8]) {
    add_up(rows, width, &mut sums[..width]);
    for (into, group) in into.iter_mut().zip(sums[..width].chunks_exact(factor)) {
        *into = rounded(group.iter().map(|sum| u32::from(*sum)).sum(), factor);
    }
}

/// Adds up at most 13 rows, because the longest side of a frame is 8192.
#[multiversion(targets = "simd")]
fn add_up(rows: &[u8], width: usize, sums: &mut [u16]) {
    sums.fill(0);
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, point)| *sum += u16::from(*point));
    }
}

/// A sum of `side` x `side` bytes divided by their number, by multiplication.
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

    fn feed(size: Size) -> (Arc<Preview>, PreviewFeed) {
        let preview = Arc::<Preview>::default();
        (Arc::clone(&preview), PreviewFeed::new(preview, size))
    }

    #[test]
    fn nothing_is_copied_without_viewers() {
        let (preview, mut feed) = feed(size(64, 32));
        let (frame, now) = (Frame::new(size(64, 32)), Instant::now());
        feed.frame(View::Output, &frame, now);
        assert!(feed.sampler[0].pool.is_none() && !preview.has_viewers());
        let watching = preview.subscribe(View::Output);
        feed.frame(View::Camera, &frame, now);
        feed.frame(View::Output, &frame, now);
        assert!(preview.has_viewers() && preview.take(View::Output).is_some() && preview.take(View::Camera).is_none());
        drop(watching);
        feed.frame(View::Output, &frame, now + INTERVAL);
        assert!(!preview.has_viewers() && preview.take(View::Output).is_none());
    }

    #[test]
    fn a_stalled_viewer_blocks_nothing_and_then_gets_the_newest() {
        let (preview, mut feed) = feed(size(64, 32));
        let (_watching, start) = (preview.subscribe(View::Output), Instant::now());
        let mut frame = Frame::new(size(64, 32));
        // a viewer that never releases its frames
        let mut held = Vec::new();
        for tick in 0..10 {
            frame.fill(Yuv { y: 16 + tick as u8, ..Yuv::BLACK });
            feed.frame(View::Output, &frame, start + INTERVAL * tick);
            held.extend((tick < 2).then(|| preview.take(View::Output).unwrap()));
        }
        assert_eq!(preview.take(View::Output).unwrap().planes().0[0], 18, "buffers in use are not overwritten");
        assert_eq!(held.iter().map(|frame| frame.planes().0[0]).collect::<Vec<_>>(), [16, 17]);
    }

    #[test]
    fn thirty_of_sixty_frames_are_copied_per_second() {
        let (preview, mut feed) = feed(size(64, 32));
        let (_watching, start) = (preview.subscribe(View::Output), Instant::now());
        let frame = Frame::new(size(64, 32));
        let mut shown = |rate: u32| {
            let start = start + Duration::from_secs(100) * rate;
            let shown = (0..10 * rate).filter(|tick| {
                feed.frame(View::Output, &frame, start + Duration::from_secs(1) * *tick / rate);
                preview.take(View::Output).is_some()
            });
            shown.count()
        };
        assert_eq!(shown(30), 300);
        assert!((298..=304).contains(&shown(60)));
    }

    #[test]
    fn the_matte_is_grey_and_shows_nothing_of_the_room() {
        let (preview, mut feed) = feed(size(1280, 720));
        let (_watching, now) = (preview.subscribe(View::Matte), Instant::now());
        let mut mask = Mask::new(size(1280, 720));
        mask.alpha_mut()[..1280 * 360].fill(255);
        feed.matte(Ok(&mask), now);
        let small = preview.take(View::Matte).unwrap();
        let (y, u, v) = small.planes();
        assert_eq!((small.size(), y[0], y[640 * 359]), (size(640, 360), 235, 16));
        assert!(u.iter().chain(v).all(|chroma| *chroma == 128));
        feed.matte(Err(UniformMatte(true)), now + INTERVAL);
        assert_eq!(preview.take(View::Matte).unwrap().planes().0[0], 235);
    }

    #[test]
    fn copies_have_a_valid_frame_size() {
        for (from, to) in [
            (size(1280, 720), size(640, 360)),
            (size(1920, 1080), size(640, 360)),
            (size(640, 480), size(640, 480)),
            (size(720, 1280), size(360, 640)),
            (size(1366, 768), size(454, 256)),
            (size(8192, 16), size(8192, 16)),
        ] {
            assert_eq!(Downscaler::new(from).size, to, "{from}");
        }
    }

    proptest! {
        #[test]
        fn each_pixel_is_the_mean_of_its_square(factor in 2..14usize, seed in any::<u64>()) {
            let (width, height) = (factor * 16, factor * 16);
            let points: Vec<u8> = (0..width * height).map(|at| (at as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]).collect();
            let from = size(width as u32 + width as u32 % 2, height as u32 + height as u32 % 2);
            let mut downscaler = Downscaler { from, size: size(16, 16), factor, sums: vec![0; width].into() };
            let mut into = vec![0; 16 * 16];
            downscaler.plane(&points, width, &mut into, 16);
            for (at, got) in into.iter().enumerate() {
                let (x, y) = (at % 16 * factor, at / 16 * factor);
                let square = (0..factor * factor).map(|i| f64::from(points[(y + i / factor) * width + x + i % factor]));
                let exact = square.sum::<f64>() / (factor * factor) as f64;
                prop_assert!((f64::from(*got) - exact).abs() <= 0.51, "{got} is not {exact}");
            }
        }
    }
}
