//! A daemon of a test's own: private directories, its own socket, ended when dropped.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses a part of it

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use bgcam::control::{
    client::Client,
    protocol::{Request, Response, Status},
};

/// Longer than anything here takes on a busy machine; nothing is asserted about time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Private directories for one daemon and its clients.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("run")).unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `bgcam` with these directories; the ONNX Runtime library comes from where it always is.
    pub fn bgcam(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgcam"));
        command.args(args).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("XDG_STATE_HOME", self.path("state"));
        command.env("XDG_DATA_HOME", self.path("data")).stdin(Stdio::null());
        // programs of the test's own come first
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        if let Ok(library) = bgcam::mask::library(&bgcam::mask::Settings::default()) {
            command.env("BGCAM_ONNXRUNTIME", library);
        }
        command
    }

    /// Runs `bgcam` to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.bgcam(args).output().unwrap()
    }

    /// Runs `bgcam` to its end, which must have this status, and gives what it said.
    pub fn expect(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    pub fn write_config(&self, text: &str) {
        let dir = self.path("config/bgcam");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("bgcam.toml"), text).unwrap();
    }

    /// Starts a daemon without any device and waits until it answers.
    pub fn start(&self, args: &[&str]) -> Daemon<'_> {
        self.start_with(args, |_| {})
    }

    /// The same, after a change of how it is started.
    pub fn start_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Daemon<'_> {
        let mut all = vec!["daemon", "--output", "none"];
        all.extend(args);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.bgcam(&all);
        change(&mut command);
        let child = command.stderr(log).stdout(Stdio::null()).spawn().unwrap();
        let mut daemon = self.watch(child);
        daemon.wait_until("the daemon answers", |_| true);
        daemon
    }

    /// A daemon that was started in another way.
    pub fn watch(&self, child: Child) -> Daemon<'_> {
        Daemon { home: self, child }
    }

    /// Makes a program of the test's own, which the daemon finds before the system's.
    pub fn write_program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Waits until something is so that no status tells.
    pub fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn client(&self) -> Option<Client> {
        Client::connect(&self.path("run/bgcam")).ok()
    }
}

pub struct Daemon<'a> {
    home: &'a Home,
    pub child: Child,
}

impl Daemon<'_> {
    pub fn call(&self, request: &Request) -> Result<Response, bgcam::error::Failure> {
        self.home.client().expect("a daemon").call(request)
    }

    /// Waits until the status is as wanted.
    pub fn wait_until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended ({status}) before {what}\n{}", self.home.log());
            }
            let response = self.home.client().and_then(|mut client| client.call(&Request::Status).ok());
            if let Some(Response::Status(status)) = response {
                if wanted(&status) {
                    return *status;
                }
                last = Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not within {PATIENCE:?}: {what}\n{last:#?}\n{}", self.home.log());
    }

    /// Waits for the daemon's end.
    pub fn wait_for_end(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not end\n{}", self.home.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that a program said.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A plain picture of one colour, as a file.
pub fn write_png(path: &Path, width: u32, height: u32, rgb: [u8; 3]) {
    image::RgbImage::from_pixel(width, height, image::Rgb(rgb)).save(path).unwrap();
}

/// Plain grey pictures, a tenth of a second each, as a file.
pub fn write_gif(path: &Path, levels: &[u8]) {
    let mut encoder = image::codecs::gif::GifEncoder::new(fs::File::create(path).unwrap());
    for level in levels {
        let picture = image::RgbaImage::from_pixel(64, 36, image::Rgba([*level, *level, *level, 255]));
        let delay = image::Delay::from_numer_denom_ms(100, 1);
        encoder.encode_frame(image::Frame::from_parts(picture, 0, 0, delay)).unwrap();
    }
}
