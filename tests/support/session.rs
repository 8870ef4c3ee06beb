//! A desktop session for one test: message bus, PipeWire, WirePlumber and optionally the portal, in a private
//! directory; and apps that read the camera there.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)] // each test file uses a part of it

use std::{
    env, fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use bgcam::frame::{Size, Yuv};

/// Generous even for a busy machine; no test asserts durations.
const TIMEOUT: Duration = Duration::from_secs(40);

/// The directories of the portal in Debian, Fedora and Arch, which are not in `PATH`.
const PORTAL_DIRS: [&str; 2] = ["/usr/libexec", "/usr/lib"];

/// The system's Python, which has the modules of Debian packages; `PATH` may contain another one.
const PYTHON: &str = "/usr/bin/python3";

/// Starts a session in `dir`, or skips the test with a message.
#[macro_export]
macro_rules! session_or_skip {
    ($dir:expr) => {{
        if let Some(missing) = $crate::session::missing(&$crate::session::PROGRAMS) {
            eprintln!("skipped: no {missing} (scripts/setup --tests installs it)");
            return;
        }
        $crate::session::Session::start($dir)
    }};
}

/// The programs that a session and a native reader need.
pub const PROGRAMS: [&str; 6] =
    ["dbus-daemon", "pipewire", "wireplumber", "pw-cli", "gst-launch-1.0", "gst-inspect-1.0:pipewiresrc"];

/// The first of these programs that is not installed. `gst-inspect-1.0:ELEMENT` means a GStreamer element, and
/// `python3:MODULE` a Python module.
pub fn missing<'a>(programs: &[&'a str]) -> Option<&'a str> {
    let is_installed = |name: &str| match name.split_once(':') {
        Some(("python3", module)) => succeeds(Command::new(PYTHON).args(["-c", &format!("import {module}")])),
        Some((program, element)) => succeeds(Command::new(program).arg(element)),
        None => find(name).is_some(),
    };
    programs.iter().copied().find(|name| !is_installed(name))
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(PORTAL_DIRS.map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Polls a condition until it is true.
///
/// # Panics
/// When it does not become true.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A program that is killed when dropped.
pub struct Program(Child);

impl Program {
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

pub struct Session {
    dir: PathBuf,
    wireplumber: Program,
    pipewire: Program,
    others: Vec<Program>,
}

impl Session {
    /// A session whose runtime directory is `dir`.
    pub fn start(dir: &Path) -> Self {
        let bus = format!("--address={}", bus(dir));
        let bus = spawn(dir, "dbus-daemon", &["--session", "--nofork", "--nopidfile", &bus]);
        until("the bus exists", || dir.join("bus").exists());
        let pipewire = start_pipewire(dir);
        Self { dir: dir.to_owned(), wireplumber: start_wireplumber(dir), pipewire, others: vec![bus] }
    }

    pub fn stop_servers(&mut self) {
        self.wireplumber.kill();
        self.pipewire.kill();
        // left behind by a killed server
        for name in ["pipewire-0", "pipewire-0.lock"] {
            let _ = fs::remove_file(self.dir.join(name));
        }
    }

    pub fn start_servers(&mut self) {
        self.pipewire = start_pipewire(&self.dir);
        self.wireplumber = start_wireplumber(&self.dir);
    }

    pub fn stop_wireplumber(&mut self) {
        self.wireplumber.kill();
        until("the old session manager is gone", || !session_is_managed(&self.dir));
    }

    pub fn restart_wireplumber(&mut self) {
        self.stop_wireplumber();
        self.wireplumber = start_wireplumber(&self.dir);
    }

    /// Starts the portal through which browsers request a camera, with a desktop that grants every request.
    pub fn start_portal(&mut self) {
        let portals = self.dir.join("portals");
        fs::create_dir_all(&portals).unwrap();
        let wanted = "org.freedesktop.impl.portal.Access;org.freedesktop.impl.portal.Lockdown;";
        let name = "org.freedesktop.impl.portal.desktop.bgcamtest";
        let text = format!("[portal]\nDBusName={name}\nInterfaces={wanted}\nUseIn=bgcamtest\n");
        fs::write(portals.join("bgcamtest.portal"), text).unwrap();
        self.others.push(spawn(&self.dir, "xdg-permission-store", &[]));
        let desktop = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/portal.py");
        self.others.push(spawn(&self.dir, PYTHON, &[desktop]));
        self.wait_for_object(name, "impl.portal.Access");
        self.others.push(spawn(&self.dir, "xdg-desktop-portal", &[]));
        self.wait_for_object("org.freedesktop.portal.Desktop", "portal.Camera");
    }

    fn wait_for_object(&self, name: &str, interface: &str) {
        until(name, || {
            let args = ["introspect", "--session", "-d", name, "-o", "/org/freedesktop/portal/desktop"];
            stdout_of(self.command("gdbus").args(args)).contains(interface)
        });
    }

    /// A command that runs in this session.
    pub fn command(&self, program: &str) -> Command {
        command(&self.dir, program)
    }

    /// Waits until the camera is in the server's graph.
    pub fn wait_for_camera(&self) {
        until("the camera is in the graph", || self.lists("node.name = \"bgcam\""));
    }

    /// Waits until a node with this name is in the server's graph.
    pub fn wait_for_node(&self, name: &str) {
        until(name, || self.lists(&format!("node.name = \"{name}\"")));
    }

    /// A camera in the graph, of one colour: 0xAARRGGBB.
    pub fn camera(&self, name: &str, caps: &str, colour: &str) -> Program {
        self.encoded_camera(name, caps, "identity", colour)
    }

    /// As [`Session::camera`], with frames encoded by this GStreamer element.
    pub fn encoded_camera(&self, name: &str, caps: &str, encoder: &str, colour: &str) -> Program {
        let colour = format!("foreground-color={colour}");
        let properties = format!(
            "stream-properties=p,media.class=Video/Source,media.role=Camera,node.name={name},\
             node.description=Camera-{name}"
        );
        let source = ["-q", "videotestsrc", "is-live=true", "pattern=solid-color", &colour, "!", caps, "!", encoder];
        let args = [&source[..], &["!", "pipewiresink", "mode=provide", &properties]].concat();
        spawn(&self.dir, "gst-launch-1.0", &args)
    }

    /// A camera that changes its format while it runs; see `pipewire_camera.py`.
    pub fn changing_camera(&self, name: &str) -> (Program, ChildStdin) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/pipewire_camera.py");
        let mut child = self.command(PYTHON).args([script, name]).stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        (Program(child), stdin)
    }

    pub fn lists(&self, property: &str) -> bool {
        stdout_of(self.command("pw-cli").args(["ls", "Node"])).contains(property)
    }

    /// Runs a native app that is killed while it uses a frame.
    pub fn hold_and_die(&self) {
        let holder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/holder.py");
        let mut app = Program(self.command(PYTHON).arg(holder).spawn().unwrap());
        let mut status = None;
        until("an app holds a frame", || {
            status = app.0.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.signal()), Some(9), "{status:?}");
    }

    /// Starts a native app that reads the camera until it is killed.
    pub fn read(&self, size: Size) -> Reader {
        let caps = format!("video/x-raw,format=I420,width={},height={}", size.width(), size.height());
        let mut child = self
            .command("gst-launch-1.0")
            .args(["-q", "pipewiresrc", "target-object=bgcam", "!", &caps, "!", "fdsink", "fd=1", "sync=false"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, frames) = channel();
        let mut stdout = child.stdout.take().unwrap();
        let mut frame = vec![0; size.i420_len()];
        thread::spawn(
            move || {
                while stdout.read_exact(&mut frame).is_ok() && sender.send(corner(&frame, size)).is_ok() {}
            },
        );
        Reader { program: Program(child), frames }
    }
}

/// An app that reads the camera.
pub struct Reader {
    program: Program,
    frames: Receiver<Yuv>,
}

impl Reader {
    /// Waits for `count` more complete frames, and asserts the corner colour of the last one.
    ///
    /// # Panics
    /// When they do not arrive.
    pub fn expect(&self, count: usize, colour: Yuv) {
        let next = || self.frames.recv_timeout(TIMEOUT).expect("a frame at the reader");
        let mut last = next();
        (1..count).for_each(|_| last = next());
        let near = |a: u8, b: u8| a.abs_diff(b) <= 2;
        assert!(
            near(last.y, colour.y) && near(last.u, colour.u) && near(last.v, colour.v),
            "{last:?} is not {colour:?}"
        );
    }

    /// Kills it, as in a crash.
    pub fn kill(mut self) {
        self.program.kill();
    }
}

fn corner(frame: &[u8], size: Size) -> Yuv {
    let chroma = size.luma_len() + size.width() / 2 + 1;
    Yuv { y: frame[size.width() * 2 + 2], u: frame[chroma], v: frame[chroma + size.chroma_len()] }
}

fn start_pipewire(dir: &Path) -> Program {
    let pipewire = spawn(dir, "pipewire", &[]);
    until("PipeWire listens", || dir.join("pipewire-0").exists());
    pipewire
}

fn start_wireplumber(dir: &Path) -> Program {
    let wireplumber = spawn(dir, "wireplumber", &[]);
    until("WirePlumber manages the session", || session_is_managed(dir));
    wireplumber
}

fn session_is_managed(dir: &Path) -> bool {
    stdout_of(command(dir, "pw-cli").args(["ls", "Metadata"])).contains("\"default\"")
}

fn bus(dir: &Path) -> String {
    format!("unix:path={}", dir.join("bus").display())
}

fn command(dir: &Path, program: &str) -> Command {
    let mut command = Command::new(find(program).unwrap_or_else(|| program.into()));
    command.env("XDG_RUNTIME_DIR", dir).env("DBUS_SESSION_BUS_ADDRESS", bus(dir)).env("HOME", dir);
    for (name, sub) in [("CONFIG", "config"), ("STATE", "state"), ("DATA", "data"), ("CACHE", "cache")] {
        command.env(format!("XDG_{name}_HOME"), dir.join(sub));
    }
    command.env("XDG_CURRENT_DESKTOP", "bgcamtest").env("XDG_DESKTOP_PORTAL_DIR", dir.join("portals"));
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env("GVFS_REMOTE_VOLUME_MONITOR_IGNORE", "1");
    command.stdin(Stdio::null());
    command
}

fn spawn(dir: &Path, program: &str, args: &[&str]) -> Program {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("session.log")).unwrap();
    let output = log.try_clone().unwrap();
    Program(command(dir, program).args(args).stdout(output).stderr(log).spawn().unwrap())
}

fn stdout_of(command: &mut Command) -> String {
    let output = command.stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
