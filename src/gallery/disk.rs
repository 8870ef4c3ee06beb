//! How the gallery touches the disk: whole files or none, one writer at a time, nothing followed, nothing unbounded.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use super::{GalleryError, entry};

const LOCK: &str = ".lock";
const NEW: (&str, &str) = (".new-", ".tmp");

/// A writer holds the lock for milliseconds, unless its disk is slow or it was stopped.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_STEP: Duration = Duration::from_millis(5);

/// Leftovers that are younger may be the work of somebody who is still at it.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Waits for the right to change the gallery in `dir`; closing the file gives it back.
pub(super) fn lock(dir: &Path) -> Result<File, GalleryError> {
    lock_within(dir, LOCK_PATIENCE)
}

fn lock_within(dir: &Path, patience: Duration) -> Result<File, GalleryError> {
    let path = dir.join(LOCK);
    let failed = |source| GalleryError::Io { what: "lock", path: path.clone(), source };
    let flags = libc::O_NOFOLLOW;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(&path);
    let file = file.map_err(failed)?;
    for _ in 0..patience.as_millis() / LOCK_STEP.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_STEP),
            // A file system without locks: every single file is still whole.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(GalleryError::Locked { dir: dir.to_owned(), seconds: patience.as_secs() })
}

/// Puts `bytes` at `dir/name`: a crash leaves what was there before, or all of it.
pub(super) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), GalleryError> {
    let path = dir.join(name);
    let written = tempfile::Builder::new().prefix(NEW.0).suffix(NEW.1).tempfile_in(dir).and_then(|mut file| {
        file.write_all(bytes)?;
        // A picture may have cost money and minutes: it is worth the wait, also when only its record is renewed.
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)
    });
    written.map(drop).map_err(|source| GalleryError::Io { what: "write", path, source })
}

/// Opens a file of the gallery: a regular one, and no link to somewhere else.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("it is a symbolic link"),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other("it is not a regular file")) }
}

/// All of a file of the gallery, if it has no more than `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.0.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Copies `from`, a file of the gallery, to `to`, whole or not at all; what is there is replaced only with `force`.
pub(super) fn copy(from: &Path, to: &Path, force: bool) -> io::Result<()> {
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let usual = Permissions::from_mode(0o666); // less the umask, as for any file
    let mut copy = tempfile::Builder::new().permissions(usual).tempfile_in(folder)?;
    io::copy(&mut open(from)?.0, &mut copy)?;
    let placed = if force { copy.persist(to) } else { copy.persist_noclobber(to) };
    placed.map(drop).map_err(|error| error.error)
}

/// Removes `dir/name`, and says whether it was there.
pub(super) fn remove(dir: &Path, name: &str) -> Result<bool, GalleryError> {
    let path = dir.join(name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(GalleryError::Io { what: "remove", path, source }),
    }
}

/// Removes what a crash left behind more than an hour before `now`: half-written files, and pictures without a record.
/// Only names that the gallery gives; what can't be removed stays for the next time.
pub(super) fn sweep(dir: &Path, now: SystemTime) {
    let names =
        fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|found| found.file_name().into_string().ok());
    for name in names.filter(|name| is_leftover(dir, name)) {
        let path = dir.join(name);
        let changed = fs::symlink_metadata(&path).ok().filter(Metadata::is_file).and_then(|meta| meta.modified().ok());
        let age = changed.and_then(|changed| now.duration_since(changed).ok());
        if age.is_some_and(|age| age > LEFTOVER_AGE) {
            let removed = fs::remove_file(&path);
            tracing::debug!("leftover {} in the gallery: {removed:?}", path.display());
        }
    }
}

fn is_leftover(dir: &Path, name: &str) -> bool {
    if name.starts_with(NEW.0) && name.ends_with(NEW.1) {
        return true;
    }
    let Some((id, ending)) = name.rsplit_once('.') else { return false };
    entry::is_id(id) && entry::ENDINGS.contains(&ending) && is_gone(&dir.join(entry::record_name(id)))
}

/// Whether nothing is there, not even a link to nowhere.
pub(super) fn is_gone(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_was_stopped_is_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let stopped = lock(dir.path()).unwrap();
        assert!(matches!(lock_within(dir.path(), LOCK_STEP), Err(GalleryError::Locked { .. })));
        drop(stopped);
        assert!(lock_within(dir.path(), LOCK_STEP).is_ok());
    }
}
