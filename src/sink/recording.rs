//! Creates recording files: private, and never overwriting an earlier one.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What to do with an existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverwritePolicy {
    /// Keep it: `call.mp4` becomes `call-2.mp4`, readable only by this user. For recordings of a camera.
    Keep,
    /// Overwrite it. For converted files.
    Replace,
}

/// Maximum number of recordings with the same name in a folder.
const MAX_NUMBER: u32 = 9999;

/// Creates a recording and returns its actual path. Named pipes and devices are opened as they are; opening a pipe
/// fails without a reader. The descriptor is non-blocking.
///
/// With [`OverwritePolicy::Keep`], symbolic links to files are not followed: the recording is created next to the link.
///
/// # Errors
/// If it can't be created.
pub(super) fn create(path: &Path, policy: OverwritePolicy) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    if policy == OverwritePolicy::Replace {
        return Ok((options.create(true).truncate(true).open(path)?, path.to_owned()));
    }
    let is_stream = fs::metadata(path).is_ok_and(|meta| !meta.is_file());
    if is_stream || ["/dev/stdout", "/dev/fd", "/proc"].iter().any(|start| path.starts_with(start)) {
        return Ok((options.open(path)?, path.to_owned()));
    }
    options.create_new(true).mode(0o600);
    create_numbered(path, &options)
}

/// Creates the first file of `call.mp4`, `call-2.mp4`, ... that does not exist.
fn create_numbered(path: &Path, options: &OpenOptions) -> io::Result<(File, PathBuf)> {
    for number in 1..=MAX_NUMBER {
        let candidate = numbered(path, number);
        match options.open(&candidate) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => {
                let file = opened?;
                if number > 1 {
                    tracing::info!("{} exists and is kept; recording to {}", path.display(), candidate.display());
                }
                return Ok((file, candidate));
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{MAX_NUMBER} recordings with this name already exist")))
}

/// `call.mp4`, `call-2.mp4`, `call-3.mp4`
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().map(OsString::from).unwrap_or_default();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn earlier_recordings_are_kept_and_new_ones_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.of.monday.mp4");
        fs::write(&path, "monday").unwrap();
        for number in [2, 3] {
            let (mut file, got) = create(&path, OverwritePolicy::Keep).unwrap();
            assert_eq!(got, folder.path().join(format!("call.of.monday-{number}.mp4")));
            file.write_all(b"tuesday").unwrap();
            assert_eq!(fs::metadata(&got).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read(&path).unwrap(), b"monday");
        assert_eq!(create(&folder.path().join("plain"), OverwritePolicy::Keep).unwrap().1, folder.path().join("plain"));
        assert_eq!(
            create(&folder.path().join("plain"), OverwritePolicy::Keep).unwrap().1,
            folder.path().join("plain-2")
        );
    }

    #[test]
    fn links_to_files_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("a.y4m"), folder.path().join("target"));
        for there in [false, true] {
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(&target, &link).unwrap();
            if there {
                fs::write(&target, "mine").unwrap();
            }
            let (_, got) = create(&link, OverwritePolicy::Keep).unwrap();
            assert_ne!(got, link);
        }
        assert_eq!(fs::read(&target).unwrap(), b"mine");
        assert_eq!(names(folder.path()), ["a-2.y4m", "a-3.y4m", "a.y4m", "target"]);
    }

    #[test]
    fn pipes_and_devices_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (fifo, link) = (folder.path().join("fifo.y4m"), folder.path().join("link.y4m"));
        crate::media::regular::make_fifo(&fifo);
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        assert_eq!(create(&fifo, OverwritePolicy::Keep).unwrap_err().raw_os_error(), Some(libc::ENXIO));
        let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
        for path in [&fifo, &link] {
            assert_eq!(create(path, OverwritePolicy::Keep).unwrap().1, *path);
        }
        drop(reader);
        assert_eq!(create(Path::new("/dev/null"), OverwritePolicy::Keep).unwrap().1, Path::new("/dev/null"));
        assert_eq!(names(folder.path()), ["fifo.y4m", "link.y4m"]);
    }

    #[test]
    fn a_converted_file_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.y4m");
        fs::write(&path, "old").unwrap();
        assert_eq!(create(&path, OverwritePolicy::Replace).unwrap().1, path);
        assert_eq!((fs::read(&path).unwrap().len(), names(folder.path()).len()), (0, 1));
    }
}
