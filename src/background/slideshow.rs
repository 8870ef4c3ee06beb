//! A slideshow: the images of a folder, each crossfading into the next.
//!
//! The next image is loaded as soon as one is shown, on the player's thread; the folder is read again on every pass.

use std::{
    collections::{HashSet, VecDeque},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{BackgroundError, Options, Slides, fit, player::ClipDecoder};
use crate::{
    error::Failure,
    frame::Frame,
    frame::blend::crossfade,
    media::image_file::{self, is_image_name},
};

/// The maximum number of folder entries read.
const MAX_ENTRIES: usize = 20_000;

/// The time per step of a crossfade.
const STEP: Duration = Duration::from_millis(33);

/// The images of a folder, looping.
pub(super) struct Slideshow {
    slides: Slides,
    options: Options,
    /// The remaining images of this pass.
    remaining: VecDeque<PathBuf>,
    round_count: u64,
    /// The images for which a warning was logged.
    warned: HashSet<PathBuf>,
    /// The current image, and its file.
    shown: Frame,
    path: PathBuf,
    /// The next image, the step of the crossfade, and the image's file.
    next: Option<(Frame, u32, PathBuf)>,
}

impl Slideshow {
    pub(super) fn open(slides: &Slides, options: &Options) -> Result<Self, BackgroundError> {
        let mut show = Self {
            slides: slides.clone(),
            options: options.clone(),
            remaining: VecDeque::new(),
            round_count: 0,
            warned: HashSet::new(),
            shown: Frame::new(options.size),
            path: PathBuf::new(),
            next: None,
        };
        show.advance()?;
        Ok(show)
    }

    /// Loads the next usable image; others are logged once and skipped.
    fn advance(&mut self) -> Result<(), BackgroundError> {
        for _ in 0..2 {
            while let Some(path) = self.remaining.pop_front() {
                match self.load(&path) {
                    Ok(frame) => {
                        self.next = Some((frame, 0, path));
                        return Ok(());
                    }
                    Err(error) => self.warn(path, error),
                }
            }
            self.remaining =
                order(list(&self.slides.path)?, &self.path, self.slides.shuffle.then_some(self.round_count));
            self.round_count += 1;
        }
        Err(BackgroundError::NoImages { path: self.slides.path.clone() })
    }

    fn load(&self, path: &Path) -> Result<Frame, BackgroundError> {
        Ok(fit::to_frame(image_file::read(path, &self.options.limits)?, self.slides.fit, self.options.size))
    }

    fn warn(&mut self, path: PathBuf, error: BackgroundError) {
        if self.warned.len() < MAX_ENTRIES && self.warned.insert(path) {
            let failure = Failure::from(error);
            tracing::warn!(hint = failure.hint, "{failure}; skipped in the slideshow");
        }
    }

    /// The number of steps of a crossfade, which takes at most half of an image's time.
    fn steps(&self) -> u32 {
        let fade = self.options.crossfade.min(self.every() / 2);
        (fade.as_millis() / STEP.as_millis()) as u32 // less than 43 200 000 / 33
    }

    fn every(&self) -> Duration {
        Duration::from_secs(self.slides.seconds.max(1).into())
    }
}

impl ClipDecoder for Slideshow {
    fn next(&mut self, into: &mut Frame) -> Result<Duration, BackgroundError> {
        let steps = self.steps();
        if self.next.is_none() {
            self.advance()?;
        }
        let first = self.path.as_os_str().is_empty();
        if let Some((next, step, path)) = &mut self.next {
            *step += 1;
            if *step < steps && !first && *path != self.path {
                into.copy_from(next);
                crossfade(&self.shown, (*step * 256 / steps) as u16, into);
                return Ok(STEP);
            }
        }
        if let Some((next, _, path)) = self.next.take() {
            self.shown = next;
            self.path = path;
        }
        into.copy_from(&self.shown);
        Ok(self.every() - STEP * steps.saturating_sub(1))
    }
}

/// The images of a folder, recognized by extension and sorted by name.
fn list(folder: &Path) -> Result<Vec<PathBuf>, BackgroundError> {
    let failed = |source| BackgroundError::Folder { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?.take(MAX_ENTRIES).flatten();
    let shown = |name: &str| is_image_name(name) && !name.starts_with('.');
    let mut paths: Vec<_> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(shown)).map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The order of a pass: by name, or shuffled by the pass's number so that it does not start with `last`, the previous
/// image.
fn order(mut paths: Vec<PathBuf>, last: &Path, shuffled: Option<u64>) -> VecDeque<PathBuf> {
    if let Some(round) = shuffled {
        let mut state = round.wrapping_mul(0xd134_2543_de82_ef95);
        for index in (1..paths.len()).rev() {
            // SplitMix64 (Steele, Lea, Flood, 2014), so that a recording of it is reproducible
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            paths.swap(index, ((word ^ (word >> 31)) % (index as u64 + 1)) as usize);
        }
        if paths.first().is_some_and(|first| first == last) {
            paths.rotate_left(1);
        }
    }
    paths.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        background::{Fit, player::Player},
        frame::{Size, Yuv},
    };

    fn size() -> Size {
        Size::new(16, 16).unwrap()
    }

    fn write(folder: &Path, name: &str, level: u8) {
        image::RgbImage::from_pixel(16, 16, image::Rgb([level; 3])).save(folder.join(name)).unwrap();
    }

    fn show(folder: &Path, shuffle: bool, crossfade: Duration) -> Slideshow {
        let slides = Slides { path: folder.to_owned(), seconds: 10, shuffle, fit: Fit::Cover };
        Slideshow::open(&slides, &Options { crossfade, ..Options::new(size()) }).unwrap()
    }

    /// Luma and milliseconds of the next images.
    fn look(show: &mut Slideshow, count: usize) -> Vec<(u8, u128)> {
        let mut frame = Frame::new(size());
        let mut next = || {
            let time = show.next(&mut frame).unwrap();
            (frame.planes().0[0], time.as_millis())
        };
        (0..count).map(|_| next()).collect()
    }

    fn luma(level: u8) -> u8 {
        Yuv::from_rgb(level, level, level).y
    }

    #[test]
    fn images_are_sorted_bad_ones_skipped_and_the_folder_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for (name, level) in [("b.png", 100), ("a.PNG", 50), ("c.webp", 150), (".hidden.png", 9)] {
            write(folder, name, level);
        }
        fs::write(folder.join("aa.jpg"), "not an image").unwrap();
        fs::write(folder.join("notes.txt"), "not an image").unwrap();
        let mut show = show(folder, false, Duration::ZERO);
        let whole = |level| (luma(level), 10_000);
        assert_eq!(look(&mut show, 3), [whole(50), whole(100), whole(150)]);
        assert_eq!(show.warned.len(), 1);
        fs::remove_file(folder.join("b.png")).unwrap();
        write(folder, "d.png", 200);
        assert_eq!(look(&mut show, 4), [whole(50), whole(150), whole(200), whole(50)]);
    }

    #[test]
    fn each_image_fades_into_the_next_within_its_time() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.png", 0);
        write(folder.path(), "b.png", 255);
        let mut show = show(folder.path(), false, Duration::from_millis(132));
        let times = look(&mut show, 8);
        let expected = [(16, 9_901), (71, 33), (126, 33), (180, 33), (235, 9_901), (180, 33), (126, 33), (71, 33)];
        for ((luma, time), (level, expected_time)) in times.iter().zip(expected) {
            assert!(luma.abs_diff(level) <= 1 && *time == expected_time, "{times:?}");
        }
    }

    #[test]
    fn a_folder_without_images_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let slides = |path: &Path| Slides { path: path.to_owned(), seconds: 1, shuffle: false, fit: Fit::Cover };
        let open = |path: &Path| Slideshow::open(&slides(path), &Options::new(size())).map(|_| ()).unwrap_err();
        assert!(matches!(open(folder.path()), BackgroundError::NoImages { .. }));
        assert!(matches!(open(&folder.path().join("none")), BackgroundError::Folder { .. }));
        fs::write(folder.path().join("bad.png"), "not an image").unwrap();
        assert!(matches!(open(folder.path()), BackgroundError::NoImages { .. }));
    }

    #[test]
    fn a_single_image_never_changes() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.png", 80);
        let mut show = show(folder.path(), true, Duration::from_secs(1));
        assert!(look(&mut show, 5).iter().all(|(level, _)| *level == luma(80)));
    }

    #[test]
    fn a_shuffled_pass_has_every_image_once_and_never_starts_with_the_last_one() {
        let paths: Vec<PathBuf> = (0..9).map(|number| PathBuf::from(number.to_string())).collect();
        let mut orders = HashSet::new();
        let mut last = PathBuf::new();
        for round in 0..50 {
            let order = order(paths.clone(), &last, Some(round));
            assert_ne!(order[0], last);
            let mut sorted: Vec<_> = order.iter().cloned().collect();
            sorted.sort();
            assert_eq!(sorted, paths);
            last = order[8].clone();
            orders.insert(order);
        }
        assert!(orders.len() > 40);
    }

    #[test]
    fn a_player_shows_it_by_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.png", 0);
        write(folder.path(), "b.png", 255);
        let slides = Slides { path: folder.path().to_owned(), seconds: 10, shuffle: false, fit: Fit::Cover };
        let options = Options { crossfade: Duration::from_secs(1), ..Options::new(size()) };
        let open = {
            let options = options.clone();
            move |_: &_| Ok(Box::new(Slideshow::open(&slides, &options)?) as Box<dyn ClipDecoder>)
        };
        let player = Player::start(&options, Box::new(open)).unwrap();
        for (at, luma) in [(0, 16..=16), (8_900, 16..=16), (9_500, 60..=190), (10_100, 235..=235), (15_000, 235..=235)]
        {
            player.seek(Duration::from_millis(at));
            let found = player.frame().planes().0[0];
            assert!(luma.contains(&found), "{found} at {at} ms");
        }
    }
}
