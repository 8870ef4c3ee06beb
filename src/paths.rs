//! Where things lie, by the XDG base directory rules.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The settings for all users.
pub const SYSTEM_CONFIG: &str = "/etc/bgcam/bgcam.toml";

/// The settings files, weakest first; they need not be there.
pub fn config_files() -> Vec<PathBuf> {
    vec![PathBuf::from(SYSTEM_CONFIG), home("XDG_CONFIG_HOME", ".config").join("bgcam/bgcam.toml")]
}

/// Where the scene is remembered from one start to the next.
pub fn state_file() -> PathBuf {
    home("XDG_STATE_HOME", ".local/state").join("bgcam/scene.json")
}

/// The user's data: models, the ONNX Runtime library, generated pictures.
pub fn data_dir() -> PathBuf {
    home("XDG_DATA_HOME", ".local/share").join("bgcam")
}

/// Where pictures that were made of words are kept.
pub fn gallery_dir() -> PathBuf {
    data_dir().join("gallery")
}

/// The directory of the daemon's socket: `$XDG_RUNTIME_DIR/bgcam`, or one of the user's own under the temporary
/// directory where a session sets none (containers, `sudo`).
pub fn runtime_dir() -> PathBuf {
    match absolute(env::var_os("XDG_RUNTIME_DIR")) {
        Some(dir) => dir.join("bgcam"),
        // SAFETY: getuid only reads and cannot fail.
        None => env::temp_dir().join(format!("bgcam-{}", unsafe { libc::getuid() })),
    }
}

fn home(variable: &str, below_home: &str) -> PathBuf {
    absolute(env::var_os(variable))
        .unwrap_or_else(|| env::home_dir().unwrap_or_else(|| PathBuf::from("/")).join(below_home))
}

/// The XDG rules say that a relative path in such a variable is to be ignored.
pub(crate) fn absolute(value: Option<impl AsRef<OsStr>>) -> Option<PathBuf> {
    value.map(|value| Path::new(value.as_ref()).to_owned()).filter(|path| path.is_absolute())
}
