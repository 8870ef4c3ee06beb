//! Damaged and hostile directories, and failed writes.

use super::*;

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
