//! Files that a user names, read without trust: nothing that could block, such as a pipe, and nothing without an end.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use crate::error::{Kind, io_text};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error("{}", io_text(.0))]
    Io(#[from] io::Error),
    /// A folder, a pipe, a device.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// More bytes than allowed.
    #[error("it has {bytes} bytes, expected at most {limit}")]
    TooLarge {
        /// Bytes of the file.
        bytes: u64,
        /// The most that are allowed.
        limit: u64,
    },
}

impl FileError {
    /// What the user meets, by kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Io(error) => Self::kind_of(error),
            Self::NotRegular(_) => Kind::BadInput,
            Self::TooLarge { .. } => Kind::Unsupported,
        }
    }

    pub(crate) fn kind_of(error: &io::Error) -> Kind {
        match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Io,
        }
    }
}

/// Opens a regular file for reading.
///
/// # Errors
/// When it can't be opened or is something else.
pub fn open(path: &Path) -> Result<File, FileError> {
    // Without O_NONBLOCK, opening a FIFO waits for a writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(file) } else { Err(FileError::NotRegular(kind_of(&metadata))) }
}

/// The bytes of a regular file, `limit` of them at most.
///
/// # Errors
/// When it can't be read, is something else or larger.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(FileError::TooLarge { bytes: length, limit });
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // It may grow meanwhile, or be one of /proc that hides its length.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > limit { Err(FileError::TooLarge { bytes: length, limit }) } else { Ok(bytes) }
}

fn kind_of(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// A named pipe at `path`, for tests of what must not wait for its other end.
#[cfg(test)]
pub(crate) fn make_fifo(path: &Path) {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: `name` is a string that ends in a zero byte and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, fifo) = (folder.path().join("file"), folder.path().join("fifo"));
        std::fs::write(&file, [7; 1000]).unwrap();
        assert_eq!(read(&file, 1000).unwrap(), [7; 1000]);
        assert!(matches!(read(&file, 999), Err(FileError::TooLarge { bytes: 1000, limit: 999 })));
        assert!(matches!(read(Path::new("/proc/self/status"), 5), Err(FileError::TooLarge { bytes: 6, .. })));
        make_fifo(&fifo);
        for (path, kind) in
            [(&*fifo, "a named pipe"), (folder.path(), "a folder"), (Path::new("/dev/zero"), "a device")]
        {
            assert!(matches!(read(path, 1000), Err(FileError::NotRegular(what)) if what == kind), "{kind} was read");
        }
        assert_eq!(read(&folder.path().join("none"), 9).unwrap_err().kind(), Kind::NotFound);
    }
}
