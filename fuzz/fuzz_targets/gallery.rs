//! A gallery with an arbitrary record, and a lookup by an arbitrary name.
//!
//! An input is the name, a line feed, and the record of the image `a-00000000`.
#![no_main]

use std::{cell::LazyCell, fs, time::SystemTime};

use bgcam::gallery::Gallery;

const ID: &str = "a-00000000";

thread_local! {
    static GALLERY: LazyCell<Gallery> = LazyCell::new(|| {
        let folder = std::env::temp_dir().join(format!("bgcam-fuzz-{}", std::process::id()));
        let gallery = Gallery::open(folder, 1 << 20).unwrap();
        fs::write(gallery.dir().join(format!("{ID}.png")), b"12345678").unwrap();
        gallery
    });
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (name, record) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let name = String::from_utf8_lossy(name);
    GALLERY.with(|gallery| {
        fs::write(gallery.dir().join(format!("{ID}.json")), record).unwrap();
        let listing = gallery.list();
        assert_eq!(listing.entries.len() + listing.damaged.len(), 1);
        assert!(listing.damaged.iter().all(|(_, why)| why.len() < 1000));
        let found = gallery.get(&name);
        for entry in listing.entries {
            assert!(!entry.label().contains(char::is_control));
            entry.created_at();
            let kept = gallery.set_favourite(&entry.id, true).unwrap();
            assert!(kept.favourite && gallery.path(&kept).starts_with(gallery.dir()));
            assert_eq!(gallery.find(&kept.recipe).is_some(), !kept.imported);
            gallery.touch(ID, SystemTime::now()).unwrap();
        }
        if let Ok(entry) = found {
            assert_eq!(entry.id, ID);
        }
    });
});
