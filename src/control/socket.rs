//! The control socket: its path, its lock file and its access control.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use crate::error::{Failure, Kind};

/// Why the socket cannot be created or trusted.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another daemon is running.
    #[error("bgcam is already running{}", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Running {
        /// Its process id, if the lock file has it.
        pid: Option<u32>,
    },
    /// The directory belongs to another user, or others can access it.
    #[error("directory {dir} belongs to user {owner}, mode {mode:o}; expected user {us}, mode 700")]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Its permission bits.
        mode: u32,
        /// This process's user id.
        us: u32,
    },
    /// A system call failed.
    #[error("cannot use {path}")]
    Io {
        /// The directory, lock or socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        let text = crate::error::chain(&error);
        match error {
            SocketError::Running { .. } => {
                Self::new(Kind::Busy, text).hint("run `bgcam status` to see it, or `bgcam stop` to stop it")
            }
            SocketError::Foreign { dir, .. } => Self::new(Kind::Denied, text)
                .hint(format!("set XDG_RUNTIME_DIR to a directory that you own, or remove {}", dir.display())),
            SocketError::Io { .. } => Self::new(Kind::Io, text),
        }
    }
}

/// A bound control socket, with the lock that prevents a second daemon.
#[derive(Debug)]
pub struct Bound {
    /// The listening socket: non-blocking, mode 0600 in a directory of mode 0700.
    pub listener: UnixListener,
    /// Must be kept until the daemon exits.
    pub claim: Claim,
}

/// Exclusive ownership of the socket path; removes the socket when dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _lock: File,
}

impl Claim {
    /// Removes the socket, so that clients can no longer connect; a second daemon is still prevented.
    pub fn close_socket(&self) {
        // the lock is held, so the socket is ours
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.close_socket();
    }
}

/// The process id in the lock file in `dir`.
pub fn pid_in(dir: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(lock_in(dir)).ok()?.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn lock_in(dir: &Path) -> PathBuf {
    dir.join("daemon.lock")
}

/// The path of the socket in `dir`.
pub fn path_in(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// Acquires the lock in `dir` and listens there; replaces a stale socket.
///
/// # Errors
/// If another daemon holds the lock, other users can access the directory, or a system call fails.
pub fn bind(dir: &Path) -> Result<Bound, SocketError> {
    make_private(dir)?;
    let lock = take_lock(&lock_in(dir))?;
    let path = path_in(dir);
    let io_error = |source| SocketError::Io { path: path.clone(), source };
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(io_error)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(io_error)?;
    listener.set_nonblocking(true).map_err(io_error)?;
    Ok(Bound { listener, claim: Claim { path, _lock: lock } })
}

/// Checks that only this user can access `dir`, so that no other user can impersonate the daemon.
///
/// # Errors
/// If others can ([`SocketError::Foreign`]), or its metadata cannot be read ([`SocketError::Io`]).
pub fn check_private(dir: &Path) -> Result<(), SocketError> {
    let meta = fs::symlink_metadata(dir).map_err(|source| SocketError::Io { path: dir.to_owned(), source })?;
    let us = rustix::process::getuid().as_raw();
    let mode = meta.mode() & 0o777;
    if meta.is_dir() && meta.uid() == us && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(SocketError::Foreign { dir: dir.to_owned(), owner: meta.uid(), mode, us })
}

fn make_private(dir: &Path) -> Result<(), SocketError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    created.map_err(|source| SocketError::Io { path: dir.to_owned(), source })?;
    check_private(dir)
}

fn take_lock(path: &Path) -> Result<File, SocketError> {
    let io_error = |source| SocketError::Io { path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(SocketError::Running { pid: path.parent().and_then(pid_in) });
        }
        Err(TryLockError::Error(error)) => return Err(io_error(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(io_error)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn runtime_dir() -> (tempfile::TempDir, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("bgcam");
        (outer, dir)
    }

    #[test]
    fn socket_is_private_to_the_user() {
        let (_outer, dir) = runtime_dir();
        let bound = bind(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path_in(&dir)).unwrap().mode() & 0o777, 0o600);
        drop(bound);
        assert!(!path_in(&dir).exists());
    }

    #[test]
    fn second_daemon_is_refused_with_pid_of_the_first() {
        let (_outer, dir) = runtime_dir();
        let _bound = bind(&dir).unwrap();
        let error = bind(&dir).unwrap_err();
        assert!(matches!(error, SocketError::Running { pid: Some(pid) } if pid == std::process::id()), "{error}");
        assert!(UnixStream::connect(path_in(&dir)).is_ok(), "the first daemon's socket must survive");
    }

    #[test]
    fn closed_socket_still_prevents_a_second_daemon() {
        let (_outer, dir) = runtime_dir();
        let bound = bind(&dir).unwrap();
        assert_eq!(pid_in(&dir), Some(std::process::id()));
        drop(bound.listener);
        bound.claim.close_socket();
        assert!(UnixStream::connect(path_in(&dir)).is_err());
        assert!(matches!(bind(&dir), Err(SocketError::Running { .. })));
        drop(bound.claim);
        assert!(bind(&dir).is_ok());
    }

    #[test]
    fn stale_socket_is_replaced() {
        let (_outer, dir) = runtime_dir();
        make_private(&dir).unwrap();
        drop(UnixListener::bind(path_in(&dir)).unwrap());
        assert!(UnixStream::connect(path_in(&dir)).is_err());
        let _bound = bind(&dir).unwrap();
        assert!(UnixStream::connect(path_in(&dir)).is_ok());
    }

    #[test]
    fn directory_accessible_to_others_is_refused() {
        let (_outer, dir) = runtime_dir();
        DirBuilder::new().mode(0o755).create(&dir).unwrap();
        assert!(matches!(bind(&dir), Err(SocketError::Foreign { mode: 0o755, .. })));
    }
}
