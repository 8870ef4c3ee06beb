//! A fake machine in a temporary folder, for tests: healthy unless a test changes it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{Cameras, CommandOutput, Library, Probe, System, User};
use crate::{
    camera::{CaptureFormat, Device, UsbFunction},
    control::protocol::{CameraStatus, MaskStatus, SceneStatus, Status},
    error::{Failure, Kind},
    mask,
    sink::{LABEL, OutputStatus},
    stats::{Rates, StatsSnapshot},
    v4l2::holders::Holder,
};

/// Kernel release of the fake machine.
pub(crate) const KERNEL: &str = "6.1.0-30-amd64";

/// A machine that a test can modify.
#[derive(Debug)]
pub(crate) struct FakeMachine {
    root: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    groups: Vec<u32>,
    as_root: bool,
    program: PathBuf,
    pub(crate) fake: FakeProbe,
}

/// Canned answers of the fake machine's probe.
#[derive(Debug, Clone)]
pub(crate) struct FakeProbe {
    /// Output of programs by prefix of the command line; the first match counts.
    pub(crate) prints: Vec<(String, CommandOutput)>,
    pub(crate) cameras: Cameras,
    pub(crate) holders: Vec<(PathBuf, Holder)>,
    /// Whether all holders capture.
    pub(crate) captures: bool,
    /// Files without write permission.
    pub(crate) locked: Vec<PathBuf>,
    pub(crate) free: u64,
    pub(crate) onnx_runtime: Result<Library, Failure>,
    pub(crate) pipewire: Result<(), Failure>,
    pub(crate) daemon: Result<Option<Box<Status>>, Failure>,
    /// The changes made so far, with their input.
    pub(crate) changes: Arc<Mutex<Vec<String>>>,
    root: PathBuf,
    /// Changes that fail, by prefix of the command line.
    pub(crate) refuses: Vec<String>,
}

pub(crate) fn webcam(number: u32, fourcc: &str, size: &str, rate: f64) -> Device {
    Device {
        name: "Logitech BRIO".to_owned(),
        path: format!("/dev/video{number}").into(),
        id: None,
        driver: "uvcvideo".to_owned(),
        bus: "usb-1".to_owned(),
        virtual_: false,
        function: UsbFunction::default(),
        formats: vec![CaptureFormat { fourcc: fourcc.to_owned(), size: size.parse().unwrap(), rates: vec![rate] }],
    }
}

pub(crate) fn holder(pid: u32, name: &str) -> Holder {
    Holder { pid, name: name.to_owned() }
}

pub(crate) fn missing(text: &str) -> Failure {
    Failure::new(Kind::Missing, text).hint("scripts/setup")
}

/// The status of a healthy daemon.
pub(crate) fn status() -> Status {
    let background: crate::background::BackgroundSpec = "blur".parse().unwrap();
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: 4711,
        uptime_s: 60.0,
        rss_mib: 100.0,
        cpu_percent: 0.0,
        page: None,
        choice_error: None,
        scene: SceneStatus {
            version: 1,
            label: "blur".into(),
            room_visible: false,
            room_reason: None,
            background,
            look: crate::look::Look::neutral(),
            mirror: false,
            paused: false,
            pause_message: None,
            frozen: false,
        },
        camera: CameraStatus {
            wanted: "auto".into(),
            on: false,
            reason: "no app is using it".into(),
            source: None,
            error: None,
        },
        mask: MaskStatus {
            wanted: "landscape".into(),
            model: Some("landscape".into()),
            wanted_quality: crate::mask::Quality::Auto,
            quality: None,
            processor: None,
            processor_error: None,
            degraded: 0,
            models_disagree: false,
            others_visible: false,
            quality_error: None,
            error: None,
        },
        prompt: None,
        last_prompt: None,
        provider: "builtin".into(),
        costs: Default::default(),
        key_variables: Vec::new(),
        rates: Rates::default(),
        dropped_for_mask: 0,
        dropped_for_render: 0,
        counters: StatsSnapshot::default(),
        outputs: vec![OutputStatus {
            output: "v4l2".parse().unwrap(),
            name: "/dev/video10".into(),
            read: None,
            written: 1,
            dropped: 0,
            failure: None,
            failed_for: None,
            retries: 0,
        }],
        readers: Vec::new(),
    }
}

impl FakeMachine {
    /// A healthy Debian with a webcam, a virtual camera and a desktop session. No daemon is running.
    pub(crate) fn new() -> Self {
        let fake = FakeProbe {
            prints: vec![(
                "systemctl --user show".to_owned(),
                CommandOutput { ok: true, stdout: SERVICE.to_owned(), stderr: String::new() },
            )],
            cameras: Cameras { devices: vec![webcam(0, "MJPG", "1280x720", 30.0)], ..Cameras::default() },
            holders: Vec::new(),
            captures: false,
            locked: Vec::new(),
            free: 50 << 30,
            onnx_runtime: Ok(Library { path: "/lib/libonnxruntime.so".into(), version: Some("1.31.1".to_owned()) }),
            pipewire: Ok(()),
            daemon: Ok(None),
            changes: Arc::default(),
            root: PathBuf::new(),
            refuses: Vec::new(),
        };
        let variables =
            [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/home/ada"), ("XDG_RUNTIME_DIR", "/run/user/1000")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let root = tempfile::tempdir().unwrap();
        let machine = Self {
            root,
            variables,
            groups: vec![1000, 44],
            as_root: false,
            program: "/home/ada/.cargo/bin/bgcam".into(),
            fake,
        };
        FILES
            .iter()
            .fold(machine, |machine, (path, text)| {
                machine.with(&path.replace("KERNEL", KERNEL), text.replace("KERNEL", KERNEL))
            })
            .with_socket()
    }

    /// Adds or replaces a file.
    pub(crate) fn with(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Removes a file or folder.
    pub(crate) fn without(self, path: &str) -> Self {
        let path = self.at(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        self
    }

    fn with_socket(self) -> Self {
        let path = self.at("/run/user/1000/pipewire-0");
        // leaked, so the socket stays and accepts connections
        std::mem::forget(std::os::unix::net::UnixListener::bind(path).unwrap());
        self
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn groups(mut self, groups: &[u32]) -> Self {
        self.groups = groups.to_vec();
        self
    }

    pub(crate) fn with_root(mut self) -> Self {
        self.as_root = true;
        self
    }

    pub(crate) fn program(mut self, program: &str) -> Self {
        self.program = program.into();
        self
    }

    /// Changes the probe's answers.
    pub(crate) fn fake(mut self, change: impl FnOnce(&mut FakeProbe)) -> Self {
        change(&mut self.fake);
        self
    }

    /// Sets the output of a program.
    pub(crate) fn prints(self, command: &str, stdout: &str) -> Self {
        let ran = CommandOutput { ok: true, stdout: stdout.to_owned(), stderr: String::new() };
        self.fake(|fake| fake.prints.insert(0, (command.to_owned(), ran)))
    }

    /// The real location of the machine's `path`.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.at(path)).ok()
    }

    /// The changes made so far.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.fake.changes.lock().unwrap().clone()
    }

    pub(crate) fn system(&self) -> System {
        let user =
            User { uid: 1000, gid: 1000, name: "ada".into(), home: "/home/ada".into(), groups: self.groups.clone() };
        let probe = Box::new(FakeProbe { root: self.root.path().to_owned(), ..self.fake.clone() });
        System::new(self.root.path(), self.variables.clone(), user, self.as_root, self.program.clone(), probe)
    }
}

impl Probe for FakeProbe {
    fn run(&self, command: &[&str]) -> io::Result<CommandOutput> {
        let line = command.join(" ");
        let found = self.prints.iter().find(|(start, _)| line.starts_with(start));
        found.map(|(_, ran)| ran.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&self, command: &[String], input: &str) -> io::Result<()> {
        let line = command.join(" ");
        if self.refuses.iter().any(|start| line.starts_with(start)) {
            return Err(io::Error::other("command failed with exit status: 1"));
        }
        // carry out `install` and `rm`, so that the next inspection sees the result
        let last = command.last().map(|path| self.root.join(path.trim_start_matches('/')));
        if let Some(path) = last.as_ref().filter(|_| line.contains("install -D -m 644 /dev/stdin ")) {
            fs::create_dir_all(path.parent().unwrap())?;
            fs::write(path, input)?;
        } else if let Some(path) = last.filter(|_| line.contains("rm -f /")) {
            let _ = fs::remove_file(path);
        }
        let input = if input.is_empty() { String::new() } else { format!(" < {} bytes", input.len()) };
        self.changes.lock().unwrap().push(line + &input);
        Ok(())
    }

    fn cameras(&self) -> Cameras {
        self.cameras.clone()
    }

    fn holders(&self, node: &Path) -> Vec<Holder> {
        let of_node = self.holders.iter().filter(|(path, _)| node.ends_with(path.strip_prefix("/").unwrap()));
        of_node.map(|(_, holder)| holder.clone()).collect()
    }

    fn captures(&self, _: &Holder, _: &Path) -> bool {
        self.captures
    }

    fn may_write(&self, path: &Path) -> bool {
        !self.locked.iter().any(|locked| path.ends_with(locked.strip_prefix("/").unwrap()))
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free)
    }

    fn onnx_runtime(&self, _: &mask::Settings) -> Result<Library, Failure> {
        self.onnx_runtime.clone()
    }

    fn pipewire_library(&self) -> Result<(), Failure> {
        self.pipewire.clone()
    }

    fn daemon(&self, _: &Path) -> Result<Option<Status>, Failure> {
        self.daemon.clone().map(|status| status.map(|status| *status))
    }
}

/// Output of `systemctl --user show` for the service.
const SERVICE: &str = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nResult=success\n\
     FragmentPath=/home/ada/.config/systemd/user/bgcam.service\n";

const FILES: &[(&str, &str)] = &[
    ("/etc/os-release", "ID=debian\n"),
    ("/etc/group", "root:x:0:\nvideo:x:44:ada\nada:x:1000:\n"),
    ("/proc/sys/kernel/osrelease", "KERNEL\n"),
    ("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu avx avx2\n\nprocessor\t: 1\nflags\t\t: fpu avx avx2\n"),
    ("/proc/900/comm", "wireplumber\n"),
    ("/usr/bin/ffmpeg", ""),
    ("/usr/bin/sudo", ""),
    ("/usr/bin/systemctl", ""),
    ("/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service", ""),
    ("/run/user/1000/systemd/private", ""),
    ("/home/ada/.config/systemd/user/bgcam.service", "[Service]\nExecStart=%h/.cargo/bin/bgcam daemon\n"),
    ("/home/ada/.cargo/bin/bgcam", ""),
    ("/dev/video0", ""),
    ("/dev/video10", ""),
    ("/dev/v4l2loopback", ""),
    ("/lib/modules/KERNEL/modules.dep", "updates/dkms/v4l2loopback.ko: kernel/videodev.ko\n"),
    ("/lib/modules/KERNEL/build/Makefile", ""),
    ("/sys/module/v4l2loopback/version", "0.15.4\n"),
    ("/sys/module/v4l2loopback/parameters/exclusive_caps", "Y,N,N,N,N,N,N,N\n"),
    ("/sys/module/v4l2loopback/parameters/video_nr", "10,-1,-1,-1,-1,-1,-1,-1\n"),
    ("/sys/module/v4l2loopback/parameters/max_buffers", "4\n"),
    ("/sys/devices/virtual/video4linux/video10/name", LABEL),
    ("/sys/devices/virtual/video4linux/video10/format", "\n"),
    ("/sys/devices/virtual/video4linux/video10/max_openers", "10\n"),
    ("/sys/devices/virtual/video4linux/video10/state", "output\n"),
    ("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\x06\0\0\0\0"),
    ("/etc/modprobe.d/bgcam.conf", include_str!("../../systemd/modprobe.d/bgcam.conf")),
    ("/etc/modules-load.d/bgcam.conf", include_str!("../../systemd/modules-load.d/bgcam.conf")),
];
