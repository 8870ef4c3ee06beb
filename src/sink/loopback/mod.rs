//! v4l2loopback devices: listing, selection and writing.

pub mod control;
mod ioctl;
pub mod usage;
mod writer;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
pub(super) use writer::Loopback as Writer;

use super::{LABEL, LoopbackTarget, SinkError};

/// A v4l2loopback device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loopback {
    /// Card label, shown by apps.
    pub label: String,
    /// Device node, `/dev/videoN`.
    pub path: PathBuf,
    /// Module version; `None` before 0.13.
    pub driver_version: Option<String>,
    /// Whether it appears as a pure capture device while it has a writer (required by Chromium); unknown for devices
    /// added at run time.
    pub exclusive_caps: Option<bool>,
    /// Whether it has a writer.
    pub state: State,
    /// Format set in the driver, for example `YU12:1280x720@30`.
    pub format: Option<String>,
}

/// State of a virtual camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No writer.
    Idle,
    /// Has a writer, possibly bgcam.
    Fed,
}

/// The virtual cameras of this machine, by number.
///
/// Reads only sysfs: opening a node would notify processes that wait for readers.
pub fn list() -> Vec<Loopback> {
    list_in(Path::new("/sys"))
}

/// Whether the kernel module is loaded.
fn module_loaded() -> bool {
    Path::new("/sys/module/v4l2loopback").exists()
}

/// The node selected by `wanted`.
///
/// # Errors
/// If there is none.
pub fn find(wanted: &LoopbackTarget) -> Result<PathBuf, SinkError> {
    let found = choose(wanted, &list())?;
    match found {
        Some(path) => Ok(path),
        None if module_loaded() => Err(not_found(wanted, &[])),
        None => Err(SinkError::NoModule),
    }
}

/// `Ok(None)`: there are no virtual cameras at all.
fn choose(wanted: &LoopbackTarget, have: &[Loopback]) -> Result<Option<PathBuf>, SinkError> {
    let chosen = match wanted {
        // A node missing in sysfs may be a link or another device; the writer reports which.
        LoopbackTarget::Path(path) if path.exists() => return Ok(Some(path.clone())),
        _ if have.is_empty() => return Ok(None),
        LoopbackTarget::Path(path) => have.iter().find(|device| device.path == *path),
        LoopbackTarget::Label(label) => labelled(have, label),
        LoopbackTarget::Auto => labelled(have, LABEL)
            .or_else(|| have.iter().find(|device| device.state == State::Idle))
            .or_else(|| have.first()),
    };
    chosen.map(|device| Some(device.path.clone())).ok_or_else(|| not_found(wanted, have))
}

fn labelled<'a>(have: &'a [Loopback], label: &str) -> Option<&'a Loopback> {
    let exact = have.iter().find(|device| device.label == label);
    exact.or_else(|| have.iter().find(|device| device.label.eq_ignore_ascii_case(label)))
}

fn not_found(wanted: &LoopbackTarget, have: &[Loopback]) -> SinkError {
    let wanted = match wanted {
        LoopbackTarget::Auto => LABEL.to_owned(),
        LoopbackTarget::Path(path) => path.display().to_string(),
        LoopbackTarget::Label(label) => label.clone(),
    };
    let have: Vec<_> = have.iter().map(|device| format!("{} ({:?})", device.path.display(), device.label)).collect();
    let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
    SinkError::NotFound { wanted, have }
}

/// The same for another `sysfs` root.
pub(crate) fn list_in(sys: &Path) -> Vec<Loopback> {
    let module = sys.join("module/v4l2loopback");
    let driver_version = read(&module.join("version"));
    let mut devices: Vec<_> = numbered_nodes(&sys.join("devices/virtual/video4linux"))
        .into_iter()
        .map(|(number, node)| (number, loopback(number, &node, driver_version.clone())))
        .collect();
    devices.sort_by_key(|(number, _)| *number);
    let exclusive = exclusive_caps(&module, &devices.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    let with_caps = devices.into_iter().zip(exclusive);
    with_caps.map(|((_, device), exclusive_caps)| Loopback { exclusive_caps, ..device }).collect()
}

/// Nodes named `videoN` with v4l2loopback's attributes, and their numbers.
fn numbered_nodes(dir: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
            entry.path().join("max_openers").exists().then(|| (number, entry.path()))
        })
        .collect()
}

fn loopback(number: u32, node: &Path, driver_version: Option<String>) -> Loopback {
    let format = read(&node.join("format"));
    // Before 0.13 there is no `state`; `format` then exists only while there is a writer.
    let fed = match read(&node.join("state")) {
        Some(state) => state == "capture",
        None => format.is_some(),
    };
    Loopback {
        label: read(&node.join("name")).unwrap_or_default(),
        path: PathBuf::from(format!("/dev/video{number}")),
        driver_version,
        exclusive_caps: None,
        state: if fed { State::Fed } else { State::Idle },
        format,
    }
}

/// Matches the module's `exclusive_caps` to its `video_nr` by position; without `video_nr`, to the devices in order.
fn exclusive_caps(module: &Path, numbers: &[u32]) -> Vec<Option<bool>> {
    let list = |name: &str| read(&module.join("parameters").join(name)).unwrap_or_default();
    let (caps, fixed) = (list("exclusive_caps"), list("video_nr"));
    let caps: Vec<bool> = caps.split(',').map(|flag| flag == "Y").collect();
    let fixed: Vec<i64> = fixed.split(',').filter_map(|number| number.parse().ok()).collect();
    let place_of = |index: usize, number: u32| match fixed.iter().position(|fixed| *fixed == i64::from(number)) {
        None if fixed.iter().all(|fixed| *fixed < 0) => index,
        place => place.unwrap_or(usize::MAX),
    };
    numbers.iter().enumerate().map(|(index, number)| caps.get(place_of(index, *number)).copied()).collect()
}

/// Text of a sysfs file; `None` if it is missing or empty.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysfs(version: Option<&str>, numbers: &str, nodes: &[(&str, &str, &str, Option<&str>)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = sys.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        };
        put("module/v4l2loopback/parameters/exclusive_caps", "Y,N,N,N,N,N,N,N");
        put("module/v4l2loopback/parameters/video_nr", numbers);
        if let Some(version) = version {
            put("module/v4l2loopback/version", version);
        }
        for (node, label, format, state) in nodes {
            let dir = format!("devices/virtual/video4linux/{node}");
            put(&format!("{dir}/name"), label);
            put(&format!("{dir}/format"), format);
            put(&format!("{dir}/max_openers"), "10");
            if let Some(state) = state {
                put(&format!("{dir}/state"), state);
            }
        }
        sys
    }

    #[test]
    fn devices_are_listed_by_number_with_their_state() {
        let nodes = [
            ("video10", "OBS", "YU12:640x480@30", Some("capture")),
            ("video9", LABEL, "YU12:640x480@30", Some("output")),
        ];
        let sys = sysfs(Some("0.15.4"), "10,9,-1,-1", &nodes);
        fs::create_dir_all(sys.path().join("devices/virtual/video4linux/video3")).unwrap(); // another driver
        let devices = list_in(sys.path());
        let summary: Vec<_> = devices.iter().map(|d| (d.label.as_str(), d.state, d.exclusive_caps)).collect();
        assert_eq!(summary, [(LABEL, State::Idle, Some(false)), ("OBS", State::Fed, Some(true))]);
        assert_eq!(devices[0].path, Path::new("/dev/video9"));
        assert_eq!(devices[0].driver_version.as_deref(), Some("0.15.4"));
    }

    #[test]
    fn old_modules_report_less() {
        let nodes = [("video2", "A", "", None), ("video3", "B", "YUYV:640x480@30", None), ("video0", "C", "", None)];
        let devices = list_in(sysfs(None, "-1,-1,-1", &nodes).path());
        let summary: Vec<_> = devices.iter().map(|d| (d.label.as_str(), d.state, d.exclusive_caps)).collect();
        let expected =
            [("C", State::Idle, Some(true)), ("A", State::Idle, Some(false)), ("B", State::Fed, Some(false))];
        assert_eq!(summary, expected);
        assert_eq!(devices[0].driver_version, None);
        assert_eq!(list_in(Path::new("/nonexistent")), []);
    }

    #[test]
    fn auto_prefers_the_default_label_then_an_idle_device() {
        let device = |number: u32, label: &str, state| Loopback {
            label: label.to_owned(),
            path: PathBuf::from(format!("/dev/video-none{number}")),
            driver_version: None,
            exclusive_caps: None,
            state,
            format: None,
        };
        let chosen =
            |have: &[Loopback]| choose(&LoopbackTarget::Auto, have).unwrap().map(|path| path.display().to_string());
        let (fed, idle) = (device(1, "OBS", State::Fed), device(2, "Dummy", State::Idle));
        let ours = device(3, LABEL, State::Fed);
        assert_eq!(chosen(&[fed.clone(), idle.clone(), ours]).unwrap(), "/dev/video-none3");
        assert_eq!(chosen(&[fed.clone(), idle.clone()]).unwrap(), "/dev/video-none2");
        assert_eq!(chosen(std::slice::from_ref(&fed)).unwrap(), "/dev/video-none1");
        assert_eq!(chosen(&[]), None);
        let error = choose(&LoopbackTarget::Label("Cam".into()), &[fed, idle]).expect_err("no such label").to_string();
        assert_eq!(
            error,
            r#"no virtual camera "Cam", available: /dev/video-none1 ("OBS"), /dev/video-none2 ("Dummy")"#
        );
    }
}
