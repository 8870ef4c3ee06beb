//! Selects the images to evict from a full gallery.

use super::Entry;

/// The ids of the images to remove so that at most `count` images with at most `bytes` bytes remain: the least recently
/// used first, but no favourites and none of `keep`. Images for new users do not count and stay.
pub(super) fn victims(entries: &[Entry], bytes: u64, count: usize, keep: &[&str]) -> Vec<String> {
    let entries: Vec<_> = entries.iter().filter(|entry| !entry.starter).collect();
    let mut left = entries.len();
    let mut total: u128 = entries.iter().map(|entry| u128::from(entry.bytes)).sum();
    let mut candidates: Vec<_> =
        entries.into_iter().filter(|entry| !entry.favourite && !keep.contains(&entry.id.as_str())).collect();
    candidates.sort_by_key(|entry| (entry.used, entry.created, &entry.id));
    let surplus = candidates.into_iter().take_while(|entry| {
        let over = total > u128::from(bytes) || left > count;
        total -= u128::from(entry.bytes);
        left -= 1;
        over
    });
    surplus.map(|entry| entry.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::entry, *};

    /// Images of 20 bytes, last used in the order a, c, d, b.
    fn four() -> Vec<Entry> {
        [("a", 1), ("b", 9), ("c", 2), ("d", 3)].map(|(id, used)| Entry { used, bytes: 20, ..entry(id) }).into()
    }

    #[test]
    fn the_least_recently_used_are_evicted_first() {
        assert_eq!(victims(&four(), 80, 10, &[]), Vec::<String>::new());
        assert_eq!(victims(&four(), 79, 10, &[]), ["a"]);
        assert_eq!(victims(&four(), 40, 10, &[]), ["a", "c"]);
        assert_eq!(victims(&four(), 80, 1, &[]), ["a", "c", "d"]);
    }

    #[test]
    fn favourites_and_the_current_background_are_never_evicted() {
        let mut entries = four();
        entries[0].favourite = true;
        assert_eq!(victims(&entries, 40, 10, &[]), ["c", "d"]);
        assert_eq!(victims(&entries, 40, 10, &["c"]), ["d", "b"]);
        assert_eq!(victims(&entries, 0, 0, &["b", "c", "d"]), Vec::<String>::new());
    }

    #[test]
    fn images_for_new_users_neither_count_nor_go() {
        let mut entries = four();
        entries[0].starter = true;
        assert_eq!(victims(&entries, 60, 3, &[]), Vec::<String>::new());
        assert_eq!(victims(&entries, 0, 0, &[]), ["c", "d", "b"]);
    }

    proptest! {
        #[test]
        fn the_rest_fits_or_must_be_kept(
            entries in proptest::collection::vec((any::<u64>(), 0..100u64, any::<bool>()), 0..20),
            bound in 0..1000u64,
        ) {
            let entries: Vec<_> = entries
                .into_iter()
                .enumerate()
                .map(|(i, (bytes, used, favourite))| Entry { bytes, used, favourite, ..entry(&i.to_string()) })
                .collect();
            let gone = victims(&entries, bound, 100, &["3"]);
            let left = entries.iter().filter(|entry| !gone.contains(&entry.id));
            let total = left.clone().map(|entry| u128::from(entry.bytes)).sum::<u128>();
            prop_assert!(total <= u128::from(bound) || left.clone().all(|entry| entry.favourite || entry.id == "3"));
        }
    }
}
