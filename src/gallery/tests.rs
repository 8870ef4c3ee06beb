//! The gallery on a real directory.

use std::{
    fs::{File, Permissions},
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
        seed: None,
        size: (32, 18),
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
        notes: Vec::new(),
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
        title: None,
        notes: Vec::new(),
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

#[test]
fn an_added_image_is_listed_and_private() {
    let fixture = Fixture::new();
    let entry = fixture.add("Beach at sunset", 0);
    assert!(entry.id.starts_with("beach-at-sunset-"), "{}", entry.id);
    assert_eq!((entry.seed, entry.cost, entry.created_at()), (Some(7), Some(0.04), at(0)));
    assert_eq!(fs::read(fixture.gallery.path(&entry)).unwrap(), image(15).bytes);
    assert_eq!(fixture.gallery.list().entries, vec![entry.clone()]);
    assert_eq!(fixture.gallery.get(&entry.id).unwrap(), entry);
    assert_eq!(fixture.names(), [entry.id.clone() + ".json", entry.file.clone()]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(fixture.gallery.dir()), mode(&fixture.gallery.path(&entry))), (0o700, 0o600));
}

#[test]
fn an_existing_gallery_is_opened() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    let again = Gallery::open(fixture.gallery.dir().to_owned(), 0).unwrap();
    assert_eq!(again.list().entries, [entry]);
}

#[test]
fn the_newest_image_of_a_recipe_is_found() {
    let fixture = Fixture::new();
    let add = |shade, seconds| fixture.gallery.add(&recipe("beach"), &image(shade), at(seconds), &[]).unwrap();
    let (newest, _older) = (add(1, 9), add(2, 5));
    assert_eq!(fixture.gallery.find(&recipe("beach")), Some(newest));

    let seeded = Recipe { seed: Some(1), ..recipe("beach") };
    assert_eq!(fixture.gallery.find(&seeded), None);
    let seeded_entry = fixture.gallery.add(&seeded, &image(3), at(1), &[]).unwrap();
    assert_eq!(fixture.gallery.find(&seeded), Some(seeded_entry));
    assert_eq!(fixture.gallery.find(&Recipe { model: "other".to_owned(), ..recipe("beach") }), None);
}

#[test]
fn an_identical_image_keeps_its_entry() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    fixture.gallery.set_favourite(&entry.id, true).unwrap();
    let again = fixture.add("beach", 60);
    let used = entry.used + 60_000;
    assert_eq!(again, Entry { favourite: true, used, ..entry });
    assert_eq!(fixture.gallery.list().entries, [again]);
}

#[test]
fn the_latest_notes_are_stored() {
    let fixture = Fixture::new();
    let add = |notes: &[&str]| {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        fixture.gallery.add(&recipe("beach"), &GeneratedImage { notes, ..image(1) }, at(0), &[]).unwrap()
    };
    let old = add(&[]);
    let record = fs::read_to_string(fixture.gallery.dir().join(format!("{}.json", old.id))).unwrap();
    assert!(!record.contains("notes"), "records without notes look like those of older versions: {record}");
    assert_eq!(fixture.gallery.entry(&old.id).unwrap().notes, Vec::<String>::new());
    let new = add(&["no palms"]);
    assert_eq!((&new.id, &*new.notes), (&old.id, &["no palms".to_owned()][..]));
    assert_eq!(fixture.gallery.find(&recipe("beach")).unwrap().notes, ["no palms"]);
}

#[test]
fn the_title_names_the_image() {
    let fixture = Fixture::new();
    let painted = Recipe { provider: "builtin".to_owned(), ..recipe("Taj Mahal") };
    let old = fixture.gallery.add(&painted, &image(1), at(0), &[]).unwrap();
    assert_eq!(old.label(), "image painted for \"Taj Mahal\"", "older versions recorded no title");
    assert_eq!(fixture.gallery.find(&painted), None, "so it is painted again");
    let titled = GeneratedImage { title: Some("abstract colours".to_owned()), ..image(2) };
    let new = fixture.gallery.add(&painted, &titled, at(1), &[]).unwrap();
    assert_eq!((&*new.label(), new.name()), ("abstract colours (painted)", "abstract colours"));
    assert!(new.id.starts_with("abstract-colours-"), "{}", new.id);
    assert_eq!(fixture.gallery.find(&painted), Some(new));
    assert_eq!(
        fixture.gallery.add(&recipe("hut"), &image(3), at(2), &[]).unwrap().label(),
        "hut (generated by openai)"
    );
}

#[test]
fn the_newest_image_is_listed_first() {
    let fixture = Fixture::new();
    for (text, seconds) in [("b", 2), ("c", 3), ("a", 1)] {
        fixture.add(text, seconds);
    }
    assert_eq!(fixture.texts(), ["c", "b", "a"]);
}

#[test]
fn only_supported_formats_are_stored_with_their_extension() {
    let fixture = Fixture::new();
    for (format, extension) in [(ImageFormat::Png, ".png"), (ImageFormat::Jpeg, ".jpg"), (ImageFormat::WebP, ".webp")] {
        let image = GeneratedImage { bytes: encoded(1, format), ..GeneratedImage::default() };
        let entry = fixture.gallery.add(&recipe("beach"), &image, at(0), &[]).unwrap();
        assert_eq!(entry.file, entry.id.clone() + extension);
    }
    for bytes in [&b"GIF89a"[..], b"<svg></svg>", b""] {
        let image = GeneratedImage { bytes: bytes.to_vec(), ..GeneratedImage::default() };
        let error = fixture.gallery.add(&recipe("beach"), &image, at(0), &[]).unwrap_err();
        assert!(matches!(error, GalleryError::ImageFile(_)), "{error:?}");
    }
    assert_eq!(fixture.texts().len(), 3);
}

#[test]
fn an_overlong_text_is_refused_before_anything_is_written() {
    let fixture = Fixture::new();
    let error = fixture.gallery.add(&recipe(&"w".repeat(70_000)), &image(1), at(0), &[]).unwrap_err();
    assert!(matches!(error, GalleryError::TooLong { .. }), "{error:?}");
    assert_eq!(fixture.names(), [""; 0]);
}

#[test]
fn leftovers_of_a_crash_are_removed_after_an_hour() {
    let fixture = Fixture::new();
    let mine = ["beach-1a2b3c4d.png", "city-1a2b3c4d.webp", ".new-Ab3dEf.tmp"];
    let unrelated = ["holiday.png", "notes.txt", "beach-1a2b3c4d.gif", ".new-folder"];
    for name in mine.iter().chain(&unrelated) {
        fs::write(fixture.at(name), "half").unwrap();
        File::options().append(true).open(fixture.at(name)).unwrap().set_modified(at(0)).unwrap();
    }
    let owned = fixture.add("forest", 3590);
    assert_eq!(fixture.texts(), ["forest"]);
    let before = fixture.names();
    assert!(mine.iter().all(|name| before.contains(&(*name).to_owned())), "a writer may still be active: {before:?}");

    fixture.add("sea", 3610);
    let after = fixture.names();
    assert!(mine.iter().all(|name| !after.contains(&(*name).to_owned())), "{after:?}");
    assert!(unrelated.iter().all(|name| after.contains(&(*name).to_owned())), "{after:?}");
    assert!(fixture.gallery.path(&owned).exists());
}

#[test]
fn a_damaged_entry_is_reported_and_can_be_removed() {
    type Damage = fn(&Fixture, &Entry);
    let damages: [(Damage, &str); 9] = [
        (|f, e| fs::write(f.at(&(e.id.clone() + ".json")), "").unwrap(), "EOF"),
        (|f, e| fs::write(f.at(&(e.id.clone() + ".json")), "{\"id\": 3}").unwrap(), "invalid type"),
        (|f, e| fs::write(f.at(&(e.id.clone() + ".json")), format!("{{\"x\":{}", "[".repeat(60_000))).unwrap(), "EOF"),
        (|f, e| fs::write(f.at(&(e.id.clone() + ".json")), [b' '; 65_537]).unwrap(), "more than 65536 bytes"),
        (|f, e| fs::write(f.at(&(e.id.clone() + ".json")), [0xff; 9]).unwrap(), "expected value"),
        (|f, e| fs::remove_file(f.at(&e.file)).unwrap(), "is missing"),
        (|f, e| fs::write(f.at(&e.file), "short").unwrap(), "has 5 bytes, expected"),
        (
            |f, e| {
                fs::remove_file(f.at(&e.file)).unwrap();
                fs::create_dir(f.at(&e.file)).unwrap();
            },
            "is not a regular file",
        ),
        (
            |f, e| fs::rename(f.at(&(e.id.clone() + ".json")), f.at("other-00000000.json")).unwrap(),
            "it is the record of another image",
        ),
    ];
    for (damage, expected) in damages {
        let fixture = Fixture::new();
        let entry = fixture.add("beach", 0);
        let good = fixture.add("forest", 0);
        damage(&fixture, &entry);
        let (path, why) = fixture.damage();
        assert!(why.contains(expected), "{expected}: {why}");
        assert_eq!(fixture.gallery.list().entries, [good]);

        let id = path.file_stem().unwrap().to_str().unwrap();
        assert!(matches!(fixture.gallery.get(id), Err(GalleryError::Damaged { .. })));
        assert!(matches!(fixture.gallery.touch(id, at(1)), Err(GalleryError::Damaged { .. })));
        if !fixture.at(&entry.file).is_dir() {
            fixture.gallery.remove(id).unwrap();
            assert_eq!(fixture.gallery.list().damaged, []);
        }
    }
}

#[test]
fn a_damaged_entry_is_repaired_by_the_same_image() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    fs::write(fixture.gallery.path(&entry), "short").unwrap();
    assert_eq!(fixture.gallery.find(&recipe("beach")), None);
    assert_eq!(fixture.add("beach", 0), entry);
    assert_eq!(fixture.gallery.find(&recipe("beach")), Some(entry));
}

#[test]
fn a_record_cannot_point_outside() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    fs::write(fixture.outside("secret.png"), image(5).bytes).unwrap();
    let absolute = fixture.outside("secret.png").display().to_string();
    for file in ["../../secret.png", &absolute, "secret.png", "", ".", "..", "beach.png/../x.png"] {
        let tampered = Entry { file: file.to_owned(), ..entry.clone() };
        fs::write(fixture.at(&(entry.id.clone() + ".json")), record(&tampered).unwrap()).unwrap();
        assert!(fixture.damage().1.contains("in the same directory"), "{file}");
        assert!(fixture.gallery.export(&entry.id, &fixture.outside("out.png"), false).is_err());
    }
    fixture.gallery.remove(&entry.id).unwrap();
    assert!(fixture.outside("secret.png").exists());
}

#[test]
fn an_id_cannot_point_outside() {
    let fixture = Fixture::new();
    fs::write(fixture.outside("secret-1a2b3c4d.png"), "x").unwrap();
    fs::write(fixture.outside("secret-1a2b3c4d.json"), "x").unwrap();
    for id in ["../../secret-1a2b3c4d", "", ".", "/", "..", ".lock", "a/../../../secret-1a2b3c4d"] {
        assert!(matches!(fixture.gallery.remove(id), Err(GalleryError::Unknown { .. })), "{id}");
        assert!(matches!(fixture.gallery.touch(id, at(0)), Err(GalleryError::Unknown { .. })), "{id}");
        assert!(matches!(fixture.gallery.get(id), Err(GalleryError::Unknown { .. })), "{id}");
    }
    assert!(fixture.outside("secret-1a2b3c4d.png").exists());
}

#[test]
fn links_are_not_followed() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    let json = entry.id.clone() + ".json";
    let png = &entry.file;
    for name in [&json, png] {
        fs::rename(fixture.at(name), fixture.outside(name)).unwrap();
        symlink(fixture.outside(name), fixture.at(name)).unwrap();
        let (_, why) = fixture.damage();
        assert!(why.contains("symbolic link") || why.contains("not a regular file"), "{why}");
        fs::rename(fixture.outside(name), fixture.at(name)).unwrap();
    }
    assert_eq!(fixture.gallery.list().entries, vec![entry.clone()]);

    for name in [&json, png] {
        fs::rename(fixture.at(name), fixture.outside(name)).unwrap();
        symlink(fixture.outside(name), fixture.at(name)).unwrap();
    }
    fixture.gallery.remove(&entry.id).unwrap();
    assert_eq!(fixture.names(), [""; 0]);
    assert!(fixture.outside(&json).exists() && fixture.outside(png).exists());
}

#[test]
fn a_pipe_in_the_directory_does_not_block() {
    let fixture = Fixture::new();
    make_fifo(&fixture.at("beach-1a2b3c4d.json"));
    assert_eq!(fixture.damage().1, "it is not a regular file");
}

#[test]
fn a_full_gallery_evicts_the_least_recently_used() {
    let one = image(1).bytes.len() as u64;
    let fixture = Fixture::with_limit(3 * one + one / 2);
    let [a, b, _c] = ["a", "b", "c"].map(|text| fixture.add(text, text.as_bytes()[0].into()));
    fixture.gallery.touch(&a.id, at(200)).unwrap();
    fixture.gallery.set_favourite(&b.id, true).unwrap();

    fixture.add("d", 201);
    assert_eq!(fixture.texts(), ["d", "b", "a"]);
    fixture.add("e", 202);
    assert_eq!(fixture.texts(), ["e", "d", "b"]);
    fixture.add("f", 203);
    assert_eq!(fixture.texts(), ["f", "e", "b"]);
    assert_eq!(fixture.names().len(), 6, "record and image are removed together");
}

#[test]
fn the_new_and_the_current_image_are_kept_over_the_limit() {
    let fixture = Fixture::with_limit(1);
    let shown = fixture.add("shown", 0);
    let keep = [shown.id.clone()];
    for (seconds, text) in ["a", "b"].into_iter().enumerate() {
        fixture.gallery.add(&recipe(text), &image(1), at(10 + seconds as u64), &keep).unwrap();
        assert_eq!(fixture.texts(), [text, "shown"]);
    }
    fixture.gallery.set_favourite(&shown.id, true).unwrap();
    fixture.add("c", 30);
    assert_eq!(fixture.texts(), ["c", "shown"]);
    fixture.gallery.set_favourite(&shown.id, false).unwrap();
    fixture.add("d", 40);
    assert_eq!(fixture.texts(), ["d"]);
}

#[test]
fn an_export_overwrites_only_with_force() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    let to = fixture.outside("out.png");
    assert_eq!(fixture.gallery.export(&entry.id, &to, false).unwrap(), to);
    assert_eq!(fs::read(&to).unwrap(), image(5).bytes);

    fs::write(&to, "mine").unwrap();
    let error = fixture.gallery.export(&entry.id, &to, false).unwrap_err();
    assert!(Failure::from(error).hint.unwrap().contains("--force"));
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    fixture.gallery.export(&entry.id, &to, true).unwrap();
    assert_eq!(fs::read(&to).unwrap(), image(5).bytes);

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

#[test]
fn concurrent_writers_lose_nothing() {
    let fixture = Fixture::new();
    let shared = fixture.add("shared", 0);
    thread::scope(|scope| {
        for writer in 0..2 {
            let (fixture, id) = (&fixture, &shared.id);
            scope.spawn(move || {
                // Like another process.
                let gallery = Gallery::open(fixture.gallery.dir().to_owned(), u64::MAX).unwrap();
                for n in 0..20 {
                    let entry = gallery.add(&recipe(&format!("{writer} {n}")), &image(n), at(1), &[]).unwrap();
                    gallery.touch(id, at(n.into())).unwrap();
                    assert_eq!(gallery.list().damaged, [], "no partial entry is visible");
                    if n % 4 == 0 {
                        gallery.set_favourite(id, true).unwrap();
                        gallery.remove(&entry.id).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(fixture.texts().len(), 1 + 2 * 15);
    assert!(fixture.gallery.get(&shared.id).unwrap().favourite);
    assert_eq!(fixture.names().len(), 2 * 31);
}

/// Retries while the lock is taken: on a slow disk the lock would time out.
fn retry_locked(change: impl Fn() -> Result<Entry, GalleryError>) -> Entry {
    loop {
        match change() {
            Err(GalleryError::Locked { .. }) => {}
            changed => return changed.unwrap(),
        }
    }
}

#[test]
fn concurrent_changes_are_not_lost() {
    let fixture = Fixture::new();
    let id = fixture.add("beach", 0).id;
    thread::scope(|scope| {
        let touching_thread =
            scope.spawn(|| (0..200).for_each(|n| drop(retry_locked(|| fixture.gallery.touch(&id, at(n))))));
        let mut favourite = false;
        while !touching_thread.is_finished() {
            favourite = !favourite;
            retry_locked(|| fixture.gallery.set_favourite(&id, favourite));
            assert_eq!(fixture.gallery.get(&id).unwrap().favourite, favourite);
        }
    });
}

#[test]
fn a_reader_never_sees_a_partial_entry() {
    let fixture = Fixture::new();
    thread::scope(|scope| {
        let add_and_remove = |n| fixture.gallery.remove(&fixture.add(&format!("scene {n}"), 0).id).unwrap();
        let writer = scope.spawn(move || (0..300).for_each(add_and_remove));
        while !writer.is_finished() {
            assert_eq!(fixture.gallery.list().damaged, []);
        }
    });
}

#[test]
fn two_processes_evict_concurrently() {
    let one = image(1).bytes.len() as u64;
    let fixture = Fixture::with_limit(2 * one + one / 2);
    thread::scope(|scope| {
        for writer in 0..2 {
            let fixture = &fixture;
            scope.spawn(move || (0..20).for_each(|n| drop(fixture.add(&format!("{writer} {n}"), n))));
        }
    });
    assert_eq!(fixture.texts().len(), 2);
    assert_eq!(fixture.names().len(), 4);
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let id = id::make_id("beach", &recipe("beach"), Some(7), &image(5).bytes).unwrap();
    // A directory in the record's place makes its rename fail after the image was written.
    fs::create_dir(fixture.at(&id::record_name(&id))).unwrap();
    let error = fixture.gallery.add(&recipe("beach"), &image(5), at(0), &[]).unwrap_err();
    assert!(matches!(error, GalleryError::Io { what: "write", .. }), "{error:?}");
    assert_eq!(fixture.names(), [id::record_name(&id)]);
}

#[test]
fn a_missing_or_read_only_directory_is_reported() {
    let fixture = Fixture::new();
    fs::remove_dir(fixture.gallery.dir()).unwrap();
    assert!(fixture.gallery.add(&recipe("beach"), &image(1), at(0), &[]).is_err());
    assert_eq!(fixture.damage().0, fixture.gallery.dir());

    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    fs::remove_file(fixture.at(".lock")).unwrap();
    fs::set_permissions(fixture.gallery.dir(), Permissions::from_mode(0o500)).unwrap();
    let root = File::create(fixture.at("probe")).is_ok(); // permissions do not apply to root
    if !root {
        let error = fixture.gallery.add(&recipe("sea"), &image(2), at(0), &[]).unwrap_err();
        assert_eq!(Failure::from(error).kind, Kind::Denied);
        assert_eq!(fixture.gallery.find(&recipe("beach")), Some(entry));
    }
    fs::set_permissions(fixture.gallery.dir(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_full_disk_has_a_hint() {
    let source = io::Error::from_raw_os_error(libc::ENOSPC);
    let failure = Failure::from(GalleryError::Io { what: "write", path: "there/a.png".into(), source });
    assert!(failure.message.starts_with("cannot write there/a.png: "), "{failure}");
    assert!(failure.hint.unwrap().contains("free some disk space"));
}

#[test]
fn a_removed_image_is_unknown() {
    let fixture = Fixture::new();
    let entry = fixture.add("beach", 0);
    fixture.gallery.remove(&entry.id).unwrap();
    assert_eq!(fixture.names(), [""; 0]);
    assert!(matches!(fixture.gallery.remove(&entry.id), Err(GalleryError::Unknown { .. })));
    assert!(matches!(fixture.gallery.touch(&entry.id, at(1)), Err(GalleryError::Unknown { .. })));
    assert!(matches!(fixture.gallery.set_favourite(&entry.id, true), Err(GalleryError::Unknown { .. })));
    assert_eq!(fixture.gallery.find(&recipe("beach")), None);
    assert_eq!(fixture.names(), [""; 0], "a touch restores nothing");
}

/// Records with some values replaced.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let values = prop_oneof![
        any::<String>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<bool>().prop_map(Into::into),
        Just(serde_json::Value::Null),
        Just(serde_json::json!({"text": [], "size": [1, -1]})),
    ];
    const KEYS: [&str; 10] =
        ["id", "file", "recipe", "seed", "cost", "created", "used", "bytes", "favourite", "imported"];
    let edits = proptest::collection::vec((proptest::sample::select(&KEYS[..]), values), 0..3);
    edits.prop_map(|edits| {
        let mut record = serde_json::to_value(entry("beach-1a2b3c4d")).unwrap();
        for (key, value) in edits {
            record[key] = value;
        }
        record.to_string().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_record_panics(
        bytes in prop_oneof![records(), proptest::collection::vec(any::<u8>(), 0..200)],
        cut in 0..2000usize,
        name in any::<String>(),
    ) {
        let fixture = Fixture::new();
        fs::write(fixture.at("beach-1a2b3c4d.png"), "").unwrap();
        fs::write(fixture.at("beach-1a2b3c4d.json"), &bytes[..bytes.len().min(cut.max(20))]).unwrap();
        let listing = fixture.gallery.list();
        prop_assert_eq!(listing.entries.len() + listing.damaged.len(), 1);
        for entry in &listing.entries {
            let _ = entry.created_at();
            let path = fixture.gallery.path(entry);
            prop_assert_eq!(path.parent(), Some(fixture.gallery.dir()));
            prop_assert!(fixture.gallery.get(&entry.id).is_ok());
        }
        let _ = fixture.gallery.get(&name);
        fixture.add("forest", 0);
        fixture.gallery.remove("beach-1a2b3c4d").unwrap();
    }
}
