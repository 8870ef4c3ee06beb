//! The gallery's file operations: atomic writes, one writer at a time, no symbolic links, bounded reads.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use super::{GalleryError, id};

/// The lock file.
const LOCK_FILE: &str = ".lock";

/// Prefix and suffix of unfinished files.
const UNFINISHED: (&str, &str) = (".new-", ".tmp");

/// How long to wait for the lock. A writer holds it for milliseconds, unless its disk is slow or it was stopped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The age at which unfinished files count as leftovers of a crash.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Locks the gallery in `dir` for changes until the file is closed.
///
/// # Errors
/// If another process holds the lock for too long, or the lock file can't be opened.
pub(super) fn lock(dir: &Path) -> Result<File, GalleryError> {
    lock_within(dir, LOCK_TIMEOUT)
}

fn lock_within(dir: &Path, timeout: Duration) -> Result<File, GalleryError> {
    let path = dir.join(LOCK_FILE);
    let failed = |source| GalleryError::Io { what: "lock", path: path.clone(), source };
    let flags = libc::O_NOFOLLOW;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(&path);
    let file = file.map_err(failed)?;
    for _ in 0..timeout.as_millis() / LOCK_POLL_INTERVAL.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_POLL_INTERVAL),
            // Without locks, each single file is still written atomically.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(GalleryError::Locked { dir: dir.to_owned(), seconds: timeout.as_secs() })
}

/// Writes `bytes` to `dir/name` atomically.
///
/// # Errors
/// If the file can't be written.
pub(super) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), GalleryError> {
    let path = dir.join(name);
    let written =
        tempfile::Builder::new().prefix(UNFINISHED.0).suffix(UNFINISHED.1).tempfile_in(dir).and_then(|mut file| {
            file.write_all(bytes)?;
            // An image may have cost money and minutes, so it and its record are worth a sync.
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)
        });
    written.map(drop).map_err(|source| GalleryError::Io { what: "write", path, source })
}

/// Opens a file of the gallery.
///
/// # Errors
/// If it is not a regular file, or can't be opened.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("it is a symbolic link"),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Reads a file of the gallery.
///
/// # Errors
/// If it has more than `limit` bytes, or can't be read.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.0.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Writes `bytes` to `to` atomically; an existing file is only replaced with `force`.
///
/// # Errors
/// If the file exists, or can't be written.
pub(super) fn place(bytes: &[u8], to: &Path, force: bool) -> io::Result<()> {
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let default = Permissions::from_mode(0o666); // minus the umask, as for any new file
    let mut copy = tempfile::Builder::new().permissions(default).tempfile_in(folder)?;
    copy.write_all(bytes)?;
    let placed = if force { copy.persist(to) } else { copy.persist_noclobber(to) };
    placed.map(drop).map_err(|error| error.error)
}

/// Removes `dir/name`; false if there is no such file.
///
/// # Errors
/// If it can't be removed.
pub(super) fn remove(dir: &Path, name: &str) -> Result<bool, GalleryError> {
    let path = dir.join(name);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(GalleryError::Io { what: "remove", path, source }),
    }
}

/// Removes leftovers of crashes that are more than an hour old: unfinished files, and images without a record. Only
/// touches files with the gallery's own names.
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
    if name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1) {
        return true;
    }
    let Some((id, extension)) = name.rsplit_once('.') else { return false };
    id::is_id(id) && id::EXTENSIONS.contains(&extension) && is_gone(&dir.join(id::record_name(id)))
}

/// Whether `path` does not exist, not even as a dangling symbolic link.
pub(super) fn is_gone(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_lock_has_a_timeout() {
        let dir = tempfile::tempdir().unwrap();
        let stopped = lock(dir.path()).unwrap();
        assert!(matches!(lock_within(dir.path(), LOCK_POLL_INTERVAL), Err(GalleryError::Locked { .. })));
        drop(stopped);
        assert!(lock_within(dir.path(), LOCK_POLL_INTERVAL).is_ok());
    }
}
