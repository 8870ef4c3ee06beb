//! Reads files named by the user without trusting them.
//!
//! Anything that could block or has no end, such as a pipe or a device, is rejected.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use crate::error::{Kind, io_text};

/// Reason why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system call failed.
    #[error("{}", io_text(.0))]
    Io(#[from] io::Error),
    /// A directory, pipe, socket or device.
    #[error("is {0}, not a regular file")]
    NotRegular(&'static str),
    /// The file exceeds the size limit.
    #[error("{bytes} bytes, expected at most {limit}")]
    TooLarge {
        /// Size of the file in bytes.
        bytes: u64,
        /// Maximum size in bytes.
        limit: u64,
    },
}

impl FileError {
    /// The kind of failure shown to the user.
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
/// If it can't be opened or is not a regular file.
pub fn open(path: &Path) -> Result<File, FileError> {
    // Without O_NONBLOCK, opening a FIFO blocks until a writer appears.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(file) } else { Err(FileError::NotRegular(kind_of(&metadata))) }
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// If it can't be read, is not a regular file or is larger.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(FileError::TooLarge { bytes: length, limit });
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // The file may grow meanwhile, and files in /proc report a length of 0.
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

/// Creates a named pipe at `path`, for tests of code that must not block on one.
#[cfg(test)]
pub(crate) fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
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
