//! Imports and exports.

use super::*;
use crate::media::image_file::{self, Limits, provenance};

#[test]
fn an_export_overwrites_only_with_force() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    let to = fixture.outside("out.png");
    assert_eq!(fixture.gallery.export(&entry.id, &to, false).unwrap(), to);
    let exported = fs::read(&to).unwrap();
    assert_eq!(provenance::marks(&exported), [provenance::Mark::DigitalSourceType], "it is marked as generated");
    let decode = |bytes: &[u8]| image_file::decode(bytes, "test", &Limits::default()).unwrap();
    assert_eq!(decode(&exported), decode(&image(5).bytes));

    fs::write(&to, "mine").unwrap();
    let error = fixture.gallery.export(&entry.id, &to, false).unwrap_err();
    assert!(Failure::from(error).hint.unwrap().contains("--force"));
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    fixture.gallery.export(&entry.id, &to, true).unwrap();
    assert_eq!(fs::read(&to).unwrap(), exported);

    let into = fixture.gallery.export(&entry.id, fixture.outer.path(), false).unwrap();
    assert_eq!(into, fixture.outside(&entry.file));
    assert!(matches!(
        fixture.gallery.export(&entry.id, Path::new("/dev/null"), true),
        Err(GalleryError::Exists { replaceable: false, .. })
    ));
    let missing = fixture.gallery.export(&entry.id, &fixture.outside("no/where.png"), false).unwrap_err();
    assert!(Failure::from(missing).message.contains("no/where.png"));
}

#[test]
fn an_import_keeps_the_bytes_and_the_name() {
    let fixture = Fixture::new();
    let from = fixture.outside("My holiday.jpeg");
    fs::write(&from, encoded(90, ImageFormat::Jpeg)).unwrap();
    let import = |name| fixture.gallery.import(&from, name, &Limits::default(), at(0), &[]).unwrap();
    let entry = import(None);
    assert!(entry.imported && entry.id.starts_with("my-holiday-") && entry.file.ends_with(".jpg"), "{entry:?}");
    assert_eq!((entry.recipe.text.as_str(), entry.recipe.size), ("My holiday", (32, 18)));
    assert_eq!(fs::read(fixture.gallery.path(&entry)).unwrap(), fs::read(&from).unwrap());
    let exported = fixture.gallery.export(&entry.id, &fixture.outside("copy.jpg"), false).unwrap();
    assert_eq!(fs::read(exported).unwrap(), fs::read(&from).unwrap(), "the user's own image is not marked");
    assert_eq!(fixture.gallery.find(&entry.recipe), None);
    assert_eq!(fixture.gallery.get(&import(Some("Italy")).id).unwrap().recipe.text, "Italy");
}

#[test]
fn only_images_within_the_limits_are_imported() {
    let fixture = Fixture::new();
    let limits = Limits { max_bytes: 1000, max_pixels: 1000 };
    let mut cut = encoded(1, ImageFormat::Png);
    cut.truncate(60);
    fs::write(fixture.outside("cut.png"), cut).unwrap();
    fs::write(fixture.outside("text.png"), "dear diary").unwrap();
    fs::write(fixture.outside("long.png"), [0; 1001]).unwrap();
    RgbImage::new(40, 40).save(fixture.outside("large.png")).unwrap();
    for (name, message) in [
        ("cut.png", "is truncated"),
        ("text.png", "a text file"),
        ("long.png", "1001 bytes, expected at most 1000"),
        ("large.png", "40x40 pixels"),
        ("none.png", "does not exist"),
        (".", "a folder"),
        ("../../dev/zero", "device"),
    ] {
        let path = if name.contains("zero") { PathBuf::from("/dev/zero") } else { fixture.outside(name) };
        let error = fixture.gallery.import(&path, None, &limits, at(0), &[]).unwrap_err();
        let failure = Failure::from(error);
        assert!(failure.message.contains(message), "{name}: {failure}");
    }
    assert_eq!(fixture.texts(), [""; 0]);
}
