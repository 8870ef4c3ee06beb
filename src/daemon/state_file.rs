//! Writes the files in which the daemon saves its state: JSON that people can read, replaced atomically.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

/// Saves a value atomically: a crash or power failure leaves the old or the new file.
///
/// # Errors
/// If a file operation fails; the file then has the old or the new value.
pub(super) fn save(value: &impl Serialize, path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_dir(dir)
}

/// Flushes the directory entry to disk. Errors of file systems that do not support this are ignored.
fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// Whether the path does not exist, not even as a dangling symlink to an unmounted disk.
pub(super) fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
