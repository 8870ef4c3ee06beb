//! Runs programs in the testbed: a guest kernel with a real webcam driver and v4l2loopback, in an ordinary process.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)] // each test file uses a part of it

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// The versions of v4l2loopback that distributions ship, oldest first.
pub const VERSIONS: [&str; 4] = ["0.12.7", "0.13.2", "0.15.0", "0.15.4"];

/// The testbed's directory, or skips the test with a message.
#[macro_export]
macro_rules! testbed_or_skip {
    () => {
        match $crate::support::testbed() {
            Some(testbed) => testbed,
            None => {
                eprintln!("skipped: no testbed (build one with scripts/testbed build, or set BGCAM_TESTBED)");
                return;
            }
        }
    };
}

/// Defines a module per function, with a test for each of [`VERSIONS`].
#[macro_export]
macro_rules! on_each_version {
    ($($test:ident),*) => {
        $(mod $test {
            #[test]
            fn v0_12_7() { super::$test($crate::support::VERSIONS[0]); }
            #[test]
            fn v0_13_2() { super::$test($crate::support::VERSIONS[1]); }
            #[test]
            fn v0_15_0() { super::$test($crate::support::VERSIONS[2]); }
            #[test]
            fn v0_15_4() { super::$test($crate::support::VERSIONS[3]); }
        })*
    };
}

/// Defines a module for a slow function, with tests for some of [`VERSIONS`]: `on_versions!(f: v0_12_7)`.
#[macro_export]
macro_rules! on_versions {
    ($test:ident: $($version:ident),*) => {
        mod $test {
            $(#[test]
            fn $version() { super::$test(&stringify!($version)[1..].replace('_', ".")); })*
        }
    };
}

/// The testbed: named by `BGCAM_TESTBED`, next to the repository, or built by `scripts/testbed`.
pub fn testbed() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = match env::var_os("BGCAM_TESTBED") {
        Some(named) => vec![PathBuf::from(named)],
        None => ["../shared/testbed", ".cache/testbed"].map(|place| root.join(place)).to_vec(),
    };
    places.into_iter().find(|place| place.join("run").is_file()).and_then(|place| place.canonicalize().ok())
}

/// Whether this machine has udev, which guests with USB webcams need.
pub fn has_udev() -> bool {
    let found = ["/lib/systemd/systemd-udevd", "/usr/lib/systemd/systemd-udevd"].map(Path::new);
    let has = found.iter().any(|path| path.exists());
    if !has {
        eprintln!("skipped: no udev (apt install udev)");
    }
    has
}

/// The `bgcam` of this build.
pub fn bgcam() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_bgcam"))
}

/// A guest, ready to boot.
#[derive(Debug)]
pub struct Guest {
    testbed: PathBuf,
    options: Vec<String>,
    envs: Vec<(String, String)>,
    timeout: Duration,
    share: tempfile::TempDir,
}

/// The result of a guest's script.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    share: tempfile::TempDir,
}

impl Guest {
    /// A guest with a vivid webcam at `/dev/video0` and the newest v4l2loopback at `/dev/video10`.
    pub fn new(testbed: &Path) -> Self {
        let share = tempfile::tempdir().unwrap();
        let options = vec!["--share".to_owned(), share.path().display().to_string()];
        Self { testbed: testbed.to_owned(), options, envs: Vec::new(), timeout: Duration::from_secs(180), share }
    }

    /// A file in `$SHARE`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.share.path().join(name)
    }

    /// Uses another version of v4l2loopback, one of [`VERSIONS`].
    pub fn v4l2loopback(self, version: &str) -> Self {
        self.option(&["--v4l2loopback", version])
    }

    /// Installs v4l2loopback without loading it.
    pub fn no_loopback(self) -> Self {
        self.option(&["--no-loopback"])
    }

    /// Sets the options of v4l2loopback, in the syntax of `insmod`.
    pub fn loopback_options(self, options: &str) -> Self {
        self.option(&["--loopback-opts", options])
    }

    /// Adds a second webcam, `/dev/video20`, with MJPEG frames from `source`, an image or video, or else a test
    /// pattern.
    pub fn mjpeg(self, source: Option<&Path>) -> Self {
        let guest = self.option(&["--mjpeg"]);
        match source {
            Some(source) => guest.env("MJPEG_SOURCE", source.to_str().unwrap()),
            None => guest,
        }
    }

    /// Replaces vivid by a USB webcam with these options of the testbed's `uvc-webcam`, and udev, which adds it to
    /// `/dev/v4l`.
    pub fn uvc(self, options: &str) -> Self {
        let uvc = format!("--uvc={options}");
        self.option(&[&uvc, "--udev", "--vivid-opts", "none"])
    }

    /// Starts udev.
    pub fn udev(self) -> Self {
        self.option(&["--udev"])
    }

    /// Sets the options of vivid, in the syntax of `insmod`.
    pub fn vivid_options(self, options: &str) -> Self {
        self.option(&["--vivid-opts", options])
    }

    /// Adds a writable shared directory, in addition to [`Guest::share`].
    pub fn shared(self, dir: &Path) -> Self {
        self.option(&["--share", dir.to_str().unwrap()])
    }

    /// Sets an environment variable of the script.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the timeout; three minutes by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn option(mut self, words: &[&str]) -> Self {
        self.options.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Boots, runs a bash script, and powers off.
    ///
    /// The script can use `$BGCAM`, `$TESTBED`, the directory `$SHARE`, which outlives the guest, and the function
    /// `until_ok SECONDS COMMAND...`, which repeats a command until it succeeds. Its processes end with the guest.
    ///
    /// # Panics
    /// When the guest itself fails; the caller checks the result of the script.
    pub fn bash(self, script: &str) -> Output {
        let path = self.share.path().join("script.sh");
        fs::write(&path, format!("{PRELUDE}\n{script}")).unwrap();
        self.run("bash", &[path.to_str().unwrap()])
    }

    /// The same with the functions of `daemon.sh` and the ONNX Runtime library.
    ///
    /// # Panics
    /// When the guest itself fails; the caller checks the result of the script.
    pub fn daemon(self, script: &str) -> Output {
        let library = bgcam::mask::library(&bgcam::mask::Settings::default());
        let guest = match library {
            Ok(library) => self.env("BGCAM_ONNXRUNTIME", library.to_str().unwrap()),
            Err(_) => self,
        };
        let support = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support");
        guest.env("SUPPORT", support).bash(&format!("{}\n{script}", include_str!("daemon.sh")))
    }

    /// Boots, runs a program, and powers off.
    ///
    /// # Panics
    /// When the guest itself fails; the caller checks the result of the program.
    pub fn run(self, program: &str, args: &[&str]) -> Output {
        let _pinned = Pinned::new();
        let output = Command::new(self.testbed.join("run"))
            .args(&self.options)
            .args(["--timeout", &self.timeout.as_secs().to_string(), "--", program])
            .args(args)
            .envs(self.envs)
            .env("BGCAM", bgcam())
            .env("SHARE", self.share.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_ne!(output.status.code(), Some(125), "the guest failed:\n{stdout}\n{stderr}");
        Output { status: output.status, stdout, stderr, share: self.share }
    }
}

/// Keeps this thread, and the guests started by it, on one CPU while it exists.
///
/// A guest has one CPU, and its kernel traces its processes: each system call switches between them, which takes more
/// than twice as long if they are on different CPUs.
struct Pinned {
    before: libc::cpu_set_t,
}

/// The number of guests started by this process without nextest.
static GUESTS: AtomicUsize = AtomicUsize::new(0);

impl Pinned {
    /// `None` if the CPUs are unknown.
    fn new() -> Option<Self> {
        // SAFETY: all bit patterns are valid.
        let (mut before, mut one): (libc::cpu_set_t, libc::cpu_set_t) = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel fills a set of this size.
        let result = unsafe { libc::sched_getaffinity(0, size_of_val(&before), &raw mut before) };
        // SAFETY: the number is below that of the set's bits.
        let allowed = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &before) };
        let cpus: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(allowed).collect();
        if result != 0 || cpus.is_empty() {
            return None;
        }
        // nextest numbers the tests of a group that run at the same time; cargo test runs them in one process
        let slot = env::var("NEXTEST_TEST_GROUP_SLOT").ok().and_then(|slot| slot.parse().ok());
        let slot: usize = slot.unwrap_or_else(|| GUESTS.fetch_add(1, Ordering::Relaxed));
        let cpu = cpus[slot % cpus.len()];
        // SAFETY: as above.
        unsafe { libc::CPU_SET(cpu, &mut one) };
        Self::set(&one).then_some(Self { before })
    }

    fn set(cpus: &libc::cpu_set_t) -> bool {
        // SAFETY: the set is valid and of this size.
        unsafe { libc::sched_setaffinity(0, size_of_val(cpus), cpus) == 0 }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        Self::set(&self.before);
    }
}

const PRELUDE: &str = include_str!("guest.sh");

impl Output {
    /// Asserts that the script succeeded.
    ///
    /// # Panics
    /// When it failed.
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{}\nstdout:\n{}\nstderr:\n{}", self.status, self.stdout, self.stderr);
        self
    }

    /// A file in `$SHARE`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.share.path().join(name)
    }

    /// The mean colour of an image in `$SHARE`, except its topmost eighth.
    ///
    /// # Panics
    /// When the image cannot be read.
    pub fn mean_colour(&self, name: &str) -> [f64; 3] {
        let image = image::open(self.file(name)).unwrap().to_rgb8();
        let rows = image.rows().skip(image.height() as usize / 8);
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for pixel in rows.flatten() {
            sum.iter_mut().zip(pixel.0).for_each(|(sum, value)| *sum += f64::from(value));
            count += 1.0;
        }
        sum.map(|sum| sum / count)
    }
}
