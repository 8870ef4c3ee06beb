//! The gallery on a real directory.

mod concurrency;
mod damage;
mod store;
mod transfer;

use std::{
    fs::{File, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    thread,
    time::Duration,
};

use image::{ImageFormat, Rgb, RgbImage};
use proptest::prelude::*;

use super::*;
use crate::{
    error::{Failure, Kind},
    media::regular::make_fifo,
};

pub(super) fn recipe(text: &str) -> Recipe {
    Recipe {
        text: text.to_owned(),
        prompt: format!("{text}, empty room"),
        negative: "people".to_owned(),
        style: String::new(),
        provider: "openai".to_owned(),
        model: String::new(),
        variant: String::new(),
        seed: None,
        size: (32, 18),
        parent: None,
    }
}

pub(super) fn entry(id: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        file: format!("{id}.png"),
        recipe: recipe(id),
        seed: None,
        cost: None,
        created: 0,
        used: 0,
        bytes: 0,
        favourite: false,
        imported: false,
        title: None,
        starter: false,
        ancestors: Vec::new(),
        notes: Vec::new(),
        marks: Vec::new(),
    }
}

fn encoded(shade: u8, format: ImageFormat) -> Vec<u8> {
    let mut bytes = io::Cursor::new(Vec::new());
    RgbImage::from_pixel(32, 18, Rgb([shade; 3])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn image(shade: u8) -> GeneratedImage {
    GeneratedImage {
        bytes: encoded(shade, ImageFormat::Png),
        seed: Some(7),
        cost: Some(0.04),
        ..GeneratedImage::default()
    }
}

/// A time `seconds` after a fixed moment.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

struct Fixture {
    gallery: Gallery,
    outer: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self::with_limit(u64::MAX)
    }

    fn with_limit(max_bytes: u64) -> Self {
        let outer = tempfile::tempdir().unwrap();
        Self { gallery: Gallery::open(outer.path().join("data/gallery"), max_bytes).unwrap(), outer }
    }

    fn add(&self, text: &str, seconds: u64) -> Entry {
        self.gallery.add(&recipe(text), &image(text.len() as u8), at(seconds), &[]).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.gallery.dir().join(name)
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.outer.path().join(name)
    }

    /// The prompt texts of all images; none may be damaged.
    fn texts(&self) -> Vec<String> {
        let listing = self.gallery.list();
        assert_eq!(listing.damaged, []);
        listing.entries.into_iter().map(|entry| entry.recipe.text).collect()
    }

    fn names(&self) -> Vec<String> {
        let found = fs::read_dir(self.gallery.dir()).unwrap().map(|found| found.unwrap().file_name());
        let mut names: Vec<_> = found.map(|name| name.into_string().unwrap()).filter(|name| name != ".lock").collect();
        names.sort();
        names
    }

    /// The only damaged entry, and the reason.
    fn damage(&self) -> (PathBuf, String) {
        let listing = self.gallery.list();
        let [damage] = &listing.damaged[..] else { panic!("{listing:?}") };
        damage.clone()
    }
}
