//! A daemon for one test, with private directories and its own socket; killed when dropped.
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

/// Generous even for a busy machine; no test asserts durations.
const TIMEOUT: Duration = Duration::from_secs(60);

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

    /// A `bgcam` command with these directories and the installed ONNX Runtime library.
    pub fn bgcam(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgcam"));
        command.args(args).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("XDG_STATE_HOME", self.path("state"));
        command.env("XDG_DATA_HOME", self.path("data")).stdin(Stdio::null());
        // galleries start empty
        command.env("BGCAM_GALLERY_STARTER", "false");
        // programs written by the test take precedence
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        if let Ok(library) = bgcam::mask::library(&bgcam::mask::Settings::default()) {
            command.env("BGCAM_ONNXRUNTIME", library);
        }
        command
    }

    /// Runs `bgcam`.
    pub fn run(&self, args: &[&str]) -> Output {
        self.bgcam(args).output().unwrap()
    }

    /// Runs `bgcam`, asserts its exit code and returns its output.
    pub fn expect(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        text
    }

    pub fn write_config(&self, text: &str) {
        let dir = self.path("config/bgcam");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("bgcam.toml"), text).unwrap();
    }

    /// Starts a daemon without devices and waits until it responds.
    pub fn start(&self, args: &[&str]) -> Daemon<'_> {
        self.start_with(args, |_| {})
    }

    /// The same, with a customized command.
    pub fn start_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Daemon<'_> {
        let mut all = vec!["daemon", "--output", "none"];
        all.extend(args);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.bgcam(&all);
        change(&mut command);
        let child = command.stderr(log).stdout(Stdio::null()).spawn().unwrap();
        let mut daemon = self.watch(child);
        daemon.wait_until("the daemon responds", |_| true);
        daemon
    }

    /// Wraps a daemon that was started differently.
    pub fn watch(&self, child: Child) -> Daemon<'_> {
        Daemon { home: self, child }
    }

    /// Writes a shell script that takes precedence over programs of the system.
    pub fn write_program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Waits for a condition that is not part of the status.
    pub fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !condition() {
            assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// A one-time address of the control page.
    pub fn page_address(&self) -> String {
        let output = self.run(&["preview", "--print"]);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
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

    pub fn status(&self) -> Status {
        match self.call(&Request::Status).unwrap() {
            Response::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the status meets a condition.
    pub fn wait_until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + TIMEOUT;
        let mut last = None;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon exited ({status}) before: {what}\n{}", self.home.log());
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
        panic!("not within {TIMEOUT:?}: {what}\n{last:#?}\n{}", self.home.log());
    }

    /// Waits until the daemon exits.
    pub fn wait_for_end(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not exit\n{}", self.home.log());
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

/// The whole output of a program.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Writes an image of a single colour.
pub fn write_png(path: &Path, width: u32, height: u32, rgb: [u8; 3]) {
    image::RgbImage::from_pixel(width, height, image::Rgb(rgb)).save(path).unwrap();
}

/// Writes an animation of plain grey frames, 0.1 s each.
pub fn write_gif(path: &Path, levels: &[u8]) {
    let mut encoder = image::codecs::gif::GifEncoder::new(fs::File::create(path).unwrap());
    for level in levels {
        let image = image::RgbaImage::from_pixel(64, 36, image::Rgba([*level, *level, *level, 255]));
        let delay = image::Delay::from_numer_denom_ms(100, 1);
        encoder.encode_frame(image::Frame::from_parts(image, 0, 0, delay)).unwrap();
    }
}
