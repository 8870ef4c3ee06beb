//! Several threads and processes at the same time.

use super::*;

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
