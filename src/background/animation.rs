//! Animated images: GIF, WebP and PNG, decoded one frame at a time.
//!
//! The converted frames of a short loop are cached; a long one is decoded again from the file's bytes on every pass.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use image::{
    AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageError, ImageFormat, ImageResult,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
};

use super::{BackgroundError, Fit, fit, gif, player::ClipDecoder};
use crate::{
    frame::Frame,
    media::{
        image_file::{self, aspect::PixelAspect, png, profile::ToSrgb},
        webp,
    },
};

/// The maximum number of pixels, 4096x2160: three such images are in memory during decoding.
const MAX_PIXELS: u64 = 4096 * 2160;

/// The maximum number of frames per pass; then the animation starts again.
const MAX_FRAMES: u32 = 20_000;

/// The maximum size of the cached frames: two seconds of 720p at 23 frames per second.
const MAX_CACHED_BYTES: usize = 64 << 20;

/// Times up to this are placeholders in old files; browsers replace them with [`DEFAULT_TIME`].
const MIN_TIME: Duration = Duration::from_millis(10);
const DEFAULT_TIME: Duration = Duration::from_millis(100);

/// The animated formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnimationFormat {
    Gif,
    WebP,
    Png,
}

impl From<AnimationFormat> for ImageFormat {
    fn from(format: AnimationFormat) -> Self {
        match format {
            AnimationFormat::Gif => Self::Gif,
            AnimationFormat::WebP => Self::WebP,
            AnimationFormat::Png => Self::Png,
        }
    }
}

/// The format of an animation that starts with these bytes. A still image has none, except that a GIF may have a single
/// frame.
pub(super) fn recognize(bytes: &[u8]) -> Option<AnimationFormat> {
    // the flag in the VP8X chunk
    const ANIMATION: u8 = 2;
    if bytes.starts_with(b"GIF8") {
        return Some(AnimationFormat::Gif);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..16) == Some(b"WEBPVP8X") {
        return bytes.get(20).filter(|flags| *flags & ANIMATION != 0).map(|_| AnimationFormat::WebP);
    }
    is_apng(bytes).then_some(AnimationFormat::Png)
}

/// Whether an `acTL` chunk precedes the pixels, as the standard requires.
fn is_apng(bytes: &[u8]) -> bool {
    png::chunks(bytes).any(|(name, _)| name == *b"acTL")
}

/// The validated bytes of an animated image.
#[derive(Debug, Clone)]
pub(super) struct Source {
    path: PathBuf,
    format: AnimationFormat,
    bytes: Arc<[u8]>,
    /// The conversion of its colours to sRGB, if they differ.
    to_srgb: Option<ToSrgb>,
    /// The shape of its pixels, if they are not square.
    aspect: Option<PixelAspect>,
}

impl Source {
    pub(super) fn new(path: &Path, format: AnimationFormat, mut bytes: Vec<u8>) -> Self {
        if format == AnimationFormat::Gif {
            gif::show_first_image(&mut bytes);
        }
        let to_srgb = colours(&bytes, format).ok().flatten();
        let aspect = PixelAspect::of(&bytes, format.into());
        let source = Self { path: path.to_owned(), format, bytes: bytes.into(), to_srgb, aspect };
        if format == AnimationFormat::Gif { source.with_end() } else { source }
    }

    /// Adds an end marker if that is all that is missing: some programs omit it, and browsers still show the image.
    ///
    /// The image is complete if it decodes to the same pixels regardless of what follows.
    fn with_end(self) -> Self {
        const MAX_BLOCK_LEN: usize = 256;
        let first = |source: &Self| Some(source.frames().ok()?.next()?.ok()?.into_buffer());
        if first(&self).is_some() {
            return self;
        }
        let ended = |fill: u8| Self {
            bytes: self.bytes.iter().copied().chain([fill; MAX_BLOCK_LEN + 1]).collect(),
            ..self.clone()
        };
        let zeros = ended(0);
        let ones = ended(0xff);
        if first(&zeros).is_some_and(|image| first(&ones) == Some(image)) { zeros } else { self }
    }

    /// Whether there is a second frame.
    pub(super) fn moves(&self) -> Result<bool, BackgroundError> {
        let mut frames = self.frames()?;
        match frames.next() {
            None => Err(self.failed(None)),
            Some(Err(error)) => Err(self.failed(Some(error))),
            // a damaged second frame does not count
            Some(Ok(_)) => Ok(matches!(frames.next(), Some(Ok(_)))),
        }
    }

    fn frames(&self) -> Result<Frames<'static>, BackgroundError> {
        let decode = || -> ImageResult<_> {
            let input = Cursor::new(Arc::clone(&self.bytes));
            let mut limits = image::Limits::default();
            limits.max_alloc = Some(MAX_PIXELS * 4 * 4); // three canvases and some tables
            Ok(match self.format {
                AnimationFormat::Gif => {
                    let mut decoder = GifDecoder::new(input)?;
                    decoder.set_limits(limits)?;
                    (decoder.dimensions(), decoder.into_frames())
                }
                AnimationFormat::WebP => {
                    webp::check(&self.bytes)?;
                    let decoder = WebPDecoder::new(input)?;
                    (decoder.dimensions(), decoder.into_frames())
                }
                AnimationFormat::Png => {
                    let decoder = PngDecoder::with_limits(input, limits)?;
                    (decoder.dimensions(), decoder.apng()?.into_frames())
                }
            })
        };
        let ((width, height), frames) = decode().map_err(|error| self.failed(Some(error)))?;
        if width == 0 || height == 0 {
            return Err(self.failed(None));
        }
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(BackgroundError::TooLarge { path: self.path.clone(), width, height, limit: MAX_PIXELS });
        }
        Ok(frames)
    }

    fn failed(&self, source: Option<ImageError>) -> BackgroundError {
        BackgroundError::Animation { path: self.path.clone(), source }
    }
}

/// The conversion of an animation's colours to sRGB.
fn colours(bytes: &[u8], format: AnimationFormat) -> ImageResult<Option<ToSrgb>> {
    let input = Cursor::new(bytes);
    Ok(match format {
        AnimationFormat::Gif => ToSrgb::of(&mut GifDecoder::new(input)?, bytes, format.into()),
        AnimationFormat::WebP => {
            webp::check(bytes)?;
            ToSrgb::of(&mut WebPDecoder::new(input)?, bytes, format.into())
        }
        AnimationFormat::Png => ToSrgb::of(&mut PngDecoder::new(input)?, bytes, format.into()),
    })
}

/// A looping animated image.
pub(super) struct Animation {
    source: Source,
    fit: Fit,
    /// The remaining frames of this pass; `None` once all are cached.
    frames: Option<Frames<'static>>,
    /// The number of frames in this pass.
    count: u32,
    cache: Vec<(Frame, Duration)>,
    /// Whether all frames so far are cached.
    is_cacheable: bool,
}

impl Animation {
    pub(super) fn open(source: Source, fit: Fit) -> Result<Self, BackgroundError> {
        let frames = Some(source.frames()?);
        Ok(Self { source, fit, frames, count: 0, cache: Vec::new(), is_cacheable: true })
    }

    /// Decodes the next frame of the file.
    fn decode(&mut self, into: &mut Frame) -> Result<Option<Duration>, BackgroundError> {
        let next = match &mut self.frames {
            Some(frames) if self.count < MAX_FRAMES => frames.next(),
            _ => None,
        };
        let image = match next {
            None => return Ok(None),
            // like browsers: a damaged frame ends the pass, unless it is the first
            Some(Err(_)) if self.count > 0 => return Ok(None),
            Some(Err(error)) => return Err(self.source.failed(Some(error))),
            Some(Ok(image)) => image,
        };
        let time = Duration::from(image.delay());
        let time = if time <= MIN_TIME { DEFAULT_TIME } else { time };
        let mut image = DynamicImage::ImageRgba8(image.into_buffer());
        if let Some(to_srgb) = &self.source.to_srgb {
            image = to_srgb.convert(image);
        }
        if let Some(aspect) = self.source.aspect {
            image = aspect.square(image, MAX_PIXELS);
        }
        into.copy_from(&fit::to_frame(image_file::on_black(image), self.fit, into.size()));
        self.count += 1;
        self.add_to_cache(into, time);
        Ok(Some(time))
    }

    fn add_to_cache(&mut self, frame: &Frame, time: Duration) {
        self.is_cacheable &= (self.cache.len() + 1) * frame.data().len() <= MAX_CACHED_BYTES;
        if self.is_cacheable {
            self.cache.push((frame.clone(), time));
        } else {
            self.cache = Vec::new();
        }
    }

    fn next_cached(&mut self, into: &mut Frame) -> Option<Duration> {
        let (frame, time) = self.cache.get(self.count as usize % self.cache.len().max(1))?;
        into.copy_from(frame);
        self.count = (self.count + 1) % self.cache.len() as u32;
        Some(*time)
    }
}

impl ClipDecoder for Animation {
    fn next(&mut self, into: &mut Frame) -> Result<Duration, BackgroundError> {
        if self.frames.is_some() {
            if let Some(time) = self.decode(into)? {
                return Ok(time);
            }
            if self.count == 0 {
                return Err(self.source.failed(None));
            }
            self.count = 0;
            self.frames = if self.is_cacheable { None } else { Some(self.source.frames()?) };
        }
        if let Some(time) = self.next_cached(into) {
            return Ok(time);
        }
        self.decode(into)?.ok_or_else(|| self.source.failed(None))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use image::{
        Delay, RgbaImage,
        codecs::gif::{GifEncoder, Repeat},
    };

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        background::{Options, player::Player},
        frame::Size,
    };

    /// A GIF of flat grey images with these levels and times in milliseconds.
    pub(crate) fn gif(frames: &[(u8, u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        encoder.set_repeat(Repeat::Infinite).unwrap();
        for (level, time) in frames {
            let image = RgbaImage::from_pixel(32, 24, image::Rgba([*level, *level, *level, 255]));
            let delay = Delay::from_numer_denom_ms(*time, 1);
            encoder.encode_frame(image::Frame::from_parts(image, 0, 0, delay)).unwrap();
        }
        drop(encoder);
        bytes
    }

    /// A PNG of flat grey images with these levels, 50 ms each.
    pub(crate) fn apng(levels: &[u8]) -> Vec<u8> {
        let chunk = |name: &[u8; 4], data: &[u8]| {
            let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
            chunk.extend(name);
            chunk.extend(data);
            let check = image_file::crc32(&chunk[4..]);
            chunk.extend(check.to_be_bytes());
            chunk
        };
        let still = |level: u8| {
            let mut bytes = Cursor::new(Vec::new());
            let image = image::GrayImage::from_pixel(32, 24, image::Luma([level]));
            image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            let bytes = bytes.into_inner();
            let at = bytes.windows(4).position(|name| name == b"IDAT").unwrap();
            let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
            (bytes[..at - 4].to_vec(), bytes[at + 4..][..length].to_vec())
        };
        let mut bytes = still(0).0;
        bytes.extend(chunk(b"acTL", &[(levels.len() as u32).to_be_bytes(), [0; 4]].concat()));
        let mut number = 0u32;
        for (index, level) in levels.iter().enumerate() {
            let numbers = [number, 32, 24, 0, 0].map(u32::to_be_bytes).concat();
            bytes.extend(chunk(b"fcTL", &[&numbers[..], &[0, 50, 3, 232, 0, 0]].concat()));
            number += 1;
            let data = still(*level).1;
            if index == 0 {
                bytes.extend(chunk(b"IDAT", &data));
            } else {
                bytes.extend(chunk(b"fdAT", &[&number.to_be_bytes()[..], &data].concat()));
                number += 1;
            }
        }
        bytes.extend(chunk(b"IEND", &[]));
        bytes
    }

    /// A lossless WebP of three 16x16 images, encoded by libwebp, with the colours and times of [`WEBP_ROUND`].
    pub(crate) const WEBP: &[u8] = b"RIFF\xba\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0f\0\0\x0f\0\0ANIM\x06\0\0\0\0\0\0\0\0\0\
        ANMF\x2a\0\0\0\0\0\0\0\0\0\x0f\0\0\x0f\0\0\x28\0\0\x02VP8L\x11\0\0\0\x2f\x0f\xc0\x03\0\x07P\x8f\x22\xd7\xa3\xff\x81\x88\xe8\x7f\0\0\
        ANMF\x2a\0\0\0\0\0\0\0\0\0\x0f\0\0\x0f\0\0\x78\0\0\x02VP8L\x11\0\0\0\x2f\x0f\xc0\x03\0\x07P\xd0\x7a\x94\xa7\xff\x81\x88\xe8\x7f\0\0\
        ANMF\x2a\0\0\0\0\0\0\0\0\0\x0f\0\0\x0f\0\0\xfa\0\0\x02VP8L\x11\0\0\0\x2f\x0f\xc0\x03\0\x07P\x9e\xa2\x94\xbb\xff\x81\x88\xe8\x7f\0\0";

    /// RGB and milliseconds.
    const WEBP_ROUND: [([u8; 3], u128); 3] = [([200, 30, 30], 40), ([30, 160, 60], 120), ([40, 60, 220], 250)];

    fn size() -> Size {
        Size::new(32, 24).unwrap()
    }

    fn source(bytes: Vec<u8>) -> Source {
        let format = recognize(&bytes).expect("an animation");
        Source::new(Path::new("test"), format, bytes)
    }

    /// Luma and milliseconds of the first frames.
    fn look(animation: &mut Animation, count: usize, size: Size) -> Vec<(u8, u128)> {
        let mut frame = Frame::new(size);
        let mut next = || {
            let time = animation.next(&mut frame).unwrap();
            (frame.planes().0[100], time.as_millis())
        };
        (0..count).map(|_| next()).collect()
    }

    fn luma(level: u8) -> u8 {
        crate::frame::Yuv::from_rgb(level, level, level).y
    }

    #[test]
    fn a_gif_loops_with_its_own_times() {
        let mut animation =
            Animation::open(source(gif(&[(0, 50), (90, 0), (255, 10), (200, 70)])), Fit::Cover).unwrap();
        let round = [(luma(0), 50), (luma(90), 100), (luma(255), 100), (luma(200), 70)];
        assert_eq!(look(&mut animation, 12, size()), round.repeat(3));
        assert!(animation.frames.is_none(), "a short loop is cached");
    }

    #[test]
    fn a_gif_with_too_small_a_screen_shows_its_first_frame() {
        for screen in [[0; 4], [1, 0, 1, 0], [32, 0, 0, 0]] {
            let mut bytes = gif(&[(200, 50), (90, 50)]);
            bytes[6..10].copy_from_slice(&screen);
            let mut animation = Animation::open(source(bytes), Fit::Cover).unwrap();
            assert_eq!(look(&mut animation, 2, size()), [(luma(200), 50), (luma(90), 50)], "{screen:?}");
        }
    }

    #[test]
    fn a_gif_without_an_end_marker_is_shown() {
        // 8x8 in one colour; the last block's length is one byte too large
        let bytes = b"GIF89a\0\0\0\0\x80\0\0\xc8\x28\x28\0\0\0,\0\0\0\0\x08\0\x08\0\0\
            \x02\x07\x84\x8f\xa9\xcb\xed\x5d\0;";
        let whole = source(bytes.to_vec());
        assert!(!whole.moves().unwrap());
        let mut animation = Animation::open(whole, Fit::Cover).unwrap();
        let expected = crate::frame::Yuv::from_rgb(200, 40, 40).y;
        assert_eq!(look(&mut animation, 3, size()), [(expected, 100); 3]);
        // half of the pixels missing: damaged
        assert!(source(bytes[..bytes.len() - 6].to_vec()).moves().is_err());
    }

    #[test]
    fn an_animation_has_the_colours_of_its_profile() {
        let mut bytes = apng(&[55, 55]);
        let mut chunk = b"\0\0\0\x04gAMA\0\x01\x86\xa0".to_vec(); // 1: linear
        chunk.extend(image_file::crc32(&chunk[4..]).to_be_bytes());
        bytes.splice(33..33, chunk);
        let mut animation = Animation::open(source(bytes), Fit::Cover).unwrap();
        assert!(look(&mut animation, 1, size())[0].0.abs_diff(luma(128)) <= 2);
    }

    #[test]
    fn pixels_that_are_not_square_are_stretched() {
        let mut bytes = gif(&[(250, 50), (250, 50)]);
        bytes[12] = 113; // the aspect in 64ths, less 15: twice as wide as high
        let mut animation = Animation::open(source(bytes), Fit::Contain).unwrap();
        let mut frame = Frame::new(Size::new(64, 24).unwrap());
        animation.next(&mut frame).unwrap();
        assert!(frame.planes().0.iter().all(|y| *y == luma(250)));
    }

    #[test]
    fn a_long_animation_is_decoded_again_and_not_cached() {
        let large = Size::new(3840, 2160).unwrap(); // five frames of this size fit in the cache
        let levels = [(0, 50), (40, 50), (80, 50), (120, 50), (160, 50), (200, 50), (240, 50)];
        let mut animation = Animation::open(source(gif(&levels)), Fit::Stretch).unwrap();
        let round = levels.map(|(level, time)| (luma(level), u128::from(time)));
        assert_eq!(look(&mut animation, 14, large), round.repeat(2));
        assert!(animation.cache.is_empty() && animation.frames.is_some());
    }

    #[test]
    fn an_animated_png_is_distinguished_from_a_still_one() {
        let mut animation = Animation::open(source(apng(&[0, 100, 250])), Fit::Cover).unwrap();
        let round = [0, 100, 250].map(|level| (luma(level), 50));
        assert_eq!(look(&mut animation, 6, size()), round.repeat(2));
        let mut still = Cursor::new(Vec::new());
        image::RgbImage::new(8, 8).write_to(&mut still, image::ImageFormat::Png).unwrap();
        assert_eq!(recognize(&still.into_inner()), None);
        assert!(!source(apng(&[0])).moves().unwrap() && source(apng(&[0, 1])).moves().unwrap());
        assert!(!source(gif(&[(1, 50)])).moves().unwrap());
    }

    #[test]
    fn a_webp_loops_with_its_own_colours_and_times() {
        let source = source(WEBP.to_vec());
        assert!(source.moves().unwrap());
        let sizes: Vec<_> = source.frames().unwrap().map(|image| image.unwrap().buffer().dimensions()).collect();
        assert_eq!(sizes, [(16, 16); 3]);
        let mut animation = Animation::open(source, Fit::Cover).unwrap();
        let mut frame = Frame::new(size());
        for (rgb, time) in WEBP_ROUND.repeat(3) {
            assert_eq!(animation.next(&mut frame).unwrap().as_millis(), time);
            let (y, u, v) = frame.planes();
            let flat = |plane: &[u8], level: u8| plane.iter().all(|found| found.abs_diff(level) <= 1);
            let reference = crate::frame::Yuv::from_rgb(rgb[0], rgb[1], rgb[2]);
            assert!(flat(y, reference.y) && flat(u, reference.u) && flat(v, reference.v), "{rgb:?}");
        }
        assert!(animation.frames.is_none(), "a short loop is cached");
    }

    #[test]
    fn a_webp_with_inconsistent_frame_sizes_is_rejected() {
        let frames_of = |size| source(crate::media::webp::samples::moving((24, 16), (24, 16), size)).moves();
        assert!(frames_of((24, 16)).unwrap());
        for size in [(32, 16), (16383, 16383)] {
            assert!(matches!(frames_of(size), Err(BackgroundError::Animation { .. })), "{size:?}");
        }
    }

    #[test]
    fn an_animated_webp_is_recognized_by_its_flag() {
        let head = |flags: u8| [&b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0"[..], &[flags, 0, 0, 0]].concat();
        assert_eq!(recognize(&head(2)), Some(AnimationFormat::WebP));
        assert_eq!(recognize(&head(0x10)), None);
        assert_eq!(recognize(b"RIFF\x40\0\0\0WEBPVP8X"), None);
    }

    #[test]
    fn a_huge_animation_is_rejected_before_it_is_decoded() {
        let mut bytes = gif(&[(1, 50), (2, 50)]);
        bytes[6..10].copy_from_slice(&[0xff; 4]); // 65535 x 65535
        let error = source(bytes).moves().unwrap_err();
        assert!(matches!(error, BackgroundError::TooLarge { width: 65535, .. }), "{error:?}");
    }

    #[test]
    fn a_truncated_animation_plays_as_far_as_it_goes() {
        let whole = gif(&[(0, 50), (90, 50), (255, 50)]);
        let mut animation = Animation::open(source(whole[..whole.len() - 20].to_vec()), Fit::Cover).unwrap();
        let round = [(luma(0), 50), (luma(90), 50)];
        assert_eq!(look(&mut animation, 4, size()), round.repeat(2));
        for cut in 0..whole.len() {
            let cut = source([&whole[..6], &whole[6.min(cut)..cut.max(6)]].concat());
            let _ = cut.moves(); // may fail, but must not panic
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_input_causes_a_panic(format in 0..3usize, changes in vec((any::<u16>(), any::<u8>()), 1..12), cut in any::<u16>()) {
            let mut bytes = [gif(&[(0, 50), (90, 0)]), apng(&[0, 100]), WEBP.to_vec()][format].clone();
            let length = bytes.len();
            for (at, value) in changes {
                bytes[usize::from(at) % length] = value;
            }
            bytes.truncate(length - usize::from(cut) % 40);
            if let Some(format) = recognize(&bytes) {
                let source = Source::new(Path::new("test"), format, bytes);
                let _ = source.moves();
                if let Ok(mut animation) = Animation::open(source, Fit::Contain) {
                    let mut frame = Frame::new(size());
                    let _ = (0..5).try_for_each(|_| animation.next(&mut frame).map(|_| ()));
                }
            }
        }
    }

    #[test]
    fn a_player_shows_it_by_the_clock() {
        let source = source(gif(&[(0, 100), (90, 200), (255, 100)]));
        let open = move |_: &_| Ok(Box::new(Animation::open(source.clone(), Fit::Cover)?) as Box<dyn ClipDecoder>);
        let player = Player::start(&Options::new(size()), Box::new(open)).unwrap();
        for (at, level) in [(0, 0), (99, 0), (100, 90), (299, 90), (300, 255), (400, 0), (4_150, 90)] {
            player.seek(Duration::from_millis(at));
            assert_eq!(player.frame().planes().0[0], luma(level), "at {at} ms");
        }
    }
}
