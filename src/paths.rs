//! Paths of settings, state, data and socket, by the XDG base directory rules.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The system-wide settings file.
pub const SYSTEM_CONFIG: &str = "/etc/bgcam/bgcam.toml";

/// The settings files, in order of increasing precedence; they may not exist.
pub fn config_files() -> Vec<PathBuf> {
    vec![PathBuf::from(SYSTEM_CONFIG), home("XDG_CONFIG_HOME", ".config").join("bgcam/bgcam.toml")]
}

/// The file with the user's choice, kept across restarts.
pub fn state_file() -> PathBuf {
    home("XDG_STATE_HOME", ".local/state").join("bgcam/scene.json")
}

/// The file with the user's presets.
pub fn presets_file() -> PathBuf {
    home("XDG_STATE_HOME", ".local/state").join("bgcam/presets.json")
}

/// The file with what generated images have cost.
pub fn costs_file() -> PathBuf {
    home("XDG_STATE_HOME", ".local/state").join("bgcam/costs.json")
}

/// The user's data: models, the ONNX Runtime library, generated images.
pub fn data_dir() -> PathBuf {
    home("XDG_DATA_HOME", ".local/share").join("bgcam")
}

/// The directory of generated and imported images.
pub fn gallery_dir() -> PathBuf {
    data_dir().join("gallery")
}

/// The directory of uploaded videos and overlays.
pub fn uploads_dir() -> PathBuf {
    data_dir().join("uploads")
}

/// The directory of the daemon's socket: `$XDG_RUNTIME_DIR/bgcam`, or `bgcam-UID` in the temporary directory where the
/// variable is not set (containers, `sudo`).
pub fn runtime_dir() -> PathBuf {
    match absolute(env::var_os("XDG_RUNTIME_DIR")) {
        Some(dir) => dir.join("bgcam"),
        None => env::temp_dir().join(format!("bgcam-{}", rustix::process::getuid())),
    }
}

/// The path in a setting or request; `~/` at the start is the home directory, as in a shell.
pub fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn home(variable: &str, below_home: &str) -> PathBuf {
    absolute(env::var_os(variable))
        .unwrap_or_else(|| env::home_dir().unwrap_or_else(|| PathBuf::from("/")).join(below_home))
}

/// The path in an XDG variable; the XDG rules require relative paths to be ignored.
pub(crate) fn absolute(value: Option<impl AsRef<OsStr>>) -> Option<PathBuf> {
    value.map(|value| Path::new(value.as_ref()).to_owned()).filter(|path| path.is_absolute())
}
