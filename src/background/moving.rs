//! Loads a background file by its content: a still image, an animation or a video.

use std::{io, io::Read, path::Path, sync::Arc};

use image::RgbImage;

use super::{
    Background, BackgroundError, Fit, Options, Slides,
    animation::{self, Animation, Source},
    fit,
    grade::Grader,
    player::{ClipDecoder, Player},
    slideshow::Slideshow,
    spec::has_video_name,
    video::Video,
};
use crate::frame::Frame;
use crate::media::{
    image_file::{self, ImageFileError},
    regular::{self, FileError},
};

/// The number of bytes read to recognize a file.
const HEAD: u64 = 1024;

/// Loads the file at `path`; its first frame is decoded on return.
pub(super) fn load(path: &Path, fit: Fit, options: &Options) -> Result<Background, BackgroundError> {
    let head = head(path)?;
    let name = path.display().to_string();
    let known = image_file::sniff(&head, &name);
    if known.is_ok() || head.starts_with(b"GIF8") {
        return load_image(path, &name, fit, options);
    }
    match known {
        Err(ImageFileError::NotAnImage { found, .. }) if may_be_video(&head, found) => video(path, fit, options),
        Err(ImageFileError::NotAnImage { found, .. }) => {
            Err(BackgroundError::Unsupported { path: path.to_owned(), found })
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(BackgroundError::Broken),
    }
}

fn head(path: &Path) -> Result<Vec<u8>, BackgroundError> {
    let mut head = Vec::with_capacity(HEAD as usize);
    let read = regular::open(path).and_then(|file| Ok(file.take(HEAD).read_to_end(&mut head)?));
    match read {
        Ok(_) => Ok(head),
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            let suggestion = image_file::near(path, |name| image_file::is_image_name(name) || has_video_name(name));
            Err(BackgroundError::NotFound { path: path.to_owned(), suggestion })
        }
        Err(source) => Err(ImageFileError::Read { name: path.display().to_string(), source }.into()),
    }
}

/// Whether a file that starts with these bytes may be a video; ffmpeg decides.
fn may_be_video(head: &[u8], found: &str) -> bool {
    head.starts_with(b"YUV4MPEG2") || ["a video", "a video or audio file", "an unknown file type"].contains(&found)
}

fn load_image(path: &Path, name: &str, fit: Fit, options: &Options) -> Result<Background, BackgroundError> {
    let bytes = image_file::read_bytes(path, &options.limits)?;
    let Some(format) = animation::recognize(&bytes) else {
        let image = image_file::decode(&bytes, name, &options.limits)?;
        return Ok(Background::still(image, fit, options));
    };
    let source = Source::new(path, format, bytes);
    let moves = source.moves()?;
    let open = move |_: &_| Ok(Box::new(Animation::open(source.clone(), fit)?) as Box<dyn ClipDecoder>);
    let player = Player::start(options, Box::new(open))?;
    // a still image needs no thread
    Ok(if moves { Background::Moving(Arc::new(player)) } else { Background::Image(player.frame()) })
}

/// A decoded image, fitted and adjusted.
pub(super) fn still(image: RgbImage, fit: Fit, options: &Options) -> Frame {
    let mut frame = fit::to_frame(image, fit, options.size);
    Grader::new(options.grade, options.size).apply(&mut frame);
    frame
}

fn video(path: &Path, fit: Fit, options: &Options) -> Result<Background, BackgroundError> {
    let path = path.to_owned();
    let size = options.size;
    let open = move |stop: &_| Ok(Box::new(Video::open(&path, fit, size, stop)?) as Box<dyn ClipDecoder>);
    Ok(Background::Moving(Arc::new(Player::start(options, Box::new(open))?)))
}

/// Loads a slideshow.
pub(super) fn slideshow(slides: &Slides, options: &Options) -> Result<Background, BackgroundError> {
    let slides = slides.clone();
    let shown = options.clone();
    let open = move |_: &_| Ok(Box::new(Slideshow::open(&slides, &shown)?) as Box<dyn ClipDecoder>);
    Ok(Background::Moving(Arc::new(Player::start(options, Box::new(open))?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        background::animation::tests::{WEBP, apng, gif},
        error::{Failure, Kind},
        frame::Size,
    };

    fn load_bytes(name: &str, bytes: &[u8]) -> Result<Background, BackgroundError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load(&path, Fit::Cover, &Options::new(Size::new(32, 24).unwrap()))
    }

    #[test]
    fn a_file_is_recognized_by_its_content_and_not_by_its_name() {
        let moving = [
            ("still.png", gif(&[(1, 50), (2, 50)])),
            ("clip.mp4", apng(&[1, 2])),
            ("x", gif(&[(1, 50), (2, 50)])),
            ("beach.jpg", WEBP.to_vec()),
        ];
        for (name, bytes) in moving {
            assert!(matches!(load_bytes(name, &bytes), Ok(Background::Moving(_))), "{name}");
        }
        for (name, bytes) in [("moving.gif", gif(&[(1, 50)])), ("clip.mp4", apng(&[1]))] {
            assert!(matches!(load_bytes(name, &bytes), Ok(Background::Image(_))), "{name}");
        }
    }

    #[test]
    fn an_unsupported_file_is_rejected_with_its_type() {
        for (bytes, expected) in
            [(&b"nonsense"[..], "is a text file"), (b"", "is empty"), (b"%PDF-1.4", "is a PDF document")]
        {
            let failure = Failure::from(load_bytes("clip.mp4", bytes).unwrap_err());
            assert!(failure.message.contains(expected) && failure.kind == Kind::BadInput, "{failure}");
        }
        let failure = Failure::from(load_bytes("clip.mp4", b"\0\0\0\x18ftypisom nothing more").unwrap_err());
        assert!(failure.message.contains("clip.mp4"), "{failure}");
        let path = Path::new("/no/such/clip.mp4");
        let error = load(path, Fit::Cover, &Options::new(Size::HD)).unwrap_err();
        assert_eq!(Failure::from(error).kind, Kind::NotFound);
    }
}
