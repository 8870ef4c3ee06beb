//! Cameras in PipeWire as the daemon reads them: real nodes in a real session.
#![cfg(feature = "pipewire")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/session.rs"]
mod session;
#[path = "support/daemon.rs"]
mod support;

use std::{
    fs,
    process::{Command, Stdio},
};

use bgcam::{
    error::Kind,
    frame::{Size, Yuv},
};
use support::{Daemon, Home};

/// The colour of the cameras, as 0xAARRGGBB for GStreamer and as RGB.
const GREEN: (&str, [u8; 3]) = ("0xff20a040", [0x20, 0xa0, 0x40]);
const RED: &str = "0xffd02010";

/// A daemon that reads PipeWire and writes to PipeWire.
fn start<'a>(home: &'a Home, camera: &str) -> Daemon<'a> {
    home.write_config("[camera]\nalways_on = true\n");
    home.start(&["--output", "pipewire", "--size", "320x240", "--camera", camera, "--background", "none"])
}

const CAPS: &str = "video/x-raw,format=I420,width=320,height=240,framerate=30/1";

#[test]
fn a_camera_that_disappears_is_found_again_by_its_name() {
    let home = Home::new();
    let mut session = session_or_skip!(&home.path("run"));
    let mut camera = session.camera("cam-back", CAPS, GREEN.0);
    session.wait_for_node("cam-back");
    let mut daemon = start(&home, "pipewire:cam-back");
    let opened = |daemon: &mut Daemon<'_>| {
        let status = daemon.wait_until("the camera works", |status| status.camera.source.is_some());
        status.camera.source.unwrap().path.unwrap().display().to_string()
    };
    assert_eq!(opened(&mut daemon), "pipewire:cam-back");
    session.wait_for_camera();
    let reader = session.read(Size::new(320, 240).unwrap());
    let [r, g, b] = GREEN.1;
    reader.expect(10, Yuv::from_rgb(r, g, b));
    drop(reader);
    for _ in 0..2 {
        drop(camera);
        let status = daemon.wait_until("the camera is gone", |status| status.camera.error.is_some());
        let failure = status.camera.error.unwrap();
        assert!(failure.message.contains("cam-back"), "{failure}");
        camera = session.camera("cam-back", CAPS, GREEN.0);
        assert_eq!(opened(&mut daemon), "pipewire:cam-back");
    }
    // another size while it runs: a new node, which is scaled
    drop(camera);
    daemon.wait_until("the camera is gone", |status| status.camera.error.is_some());
    camera = session.camera("cam-back", "video/x-raw,format=NV12,width=640,height=480,framerate=30/1", RED);
    let status = daemon.wait_until("the larger camera works", |status| {
        status.camera.source.as_ref().is_some_and(|source| source.native == (640, 480))
    });
    assert_eq!(status.camera.error, None);
    session.stop_servers();
    drop(camera);
    let status = daemon.wait_until("the server is gone", |status| status.camera.error.is_some());
    eprintln!("{}", status.camera.error.unwrap());
    session.start_servers();
    let _camera = session.camera("cam-back", CAPS, GREEN.0);
    assert_eq!(opened(&mut daemon), "pipewire:cam-back");
    let status = daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    assert_eq!(status.camera.error, None);
}

#[test]
fn the_camera_is_connected_while_an_app_reads() {
    let home = Home::new();
    let session = session_or_skip!(&home.path("run"));
    let _camera = session.camera("cam-demand", CAPS, GREEN.0);
    session.wait_for_node("cam-demand");
    let mut daemon =
        home.start(&["--output", "pipewire", "--size", "320x240", "--camera", "auto", "--background", "none"]);
    session.wait_for_camera();
    let is_connected = || session.lists("bgcam.capture");
    daemon.wait_until("the output works", |status| status.outputs[1].read == Some(false));
    assert!(!is_connected());
    let reader = session.read(Size::new(320, 240).unwrap());
    let [r, g, b] = GREEN.1;
    session::until("frames of the camera arrive", is_connected);
    reader.expect(30, Yuv::from_rgb(r, g, b));
    reader.kill();
    daemon.wait_until("it is closed", |status| !status.camera.on && status.camera.source.is_none());
    session::until("it is disconnected", || !is_connected());
    let listed = home.expect(&["devices"], 0);
    assert!(listed.contains("camera  pipewire:cam-demand  Camera-cam-demand  (selected)"), "{listed}");
}

#[test]
fn missing_servers_are_errors() {
    let home = Home::new();
    let mut session = session_or_skip!(&home.path("run"));
    session.stop_servers();
    let mut daemon = start(&home, "pipewire");
    let failure = |daemon: &mut Daemon<'_>, part: &str| {
        let status = daemon.wait_until(part, |status| {
            status.camera.error.as_ref().is_some_and(|failure| failure.message.contains(part))
        });
        status.camera.error.unwrap().hint.unwrap()
    };
    assert!(failure(&mut daemon, "PipeWire is not running").contains("systemctl --user start pipewire"));
    session.start_servers();
    assert!(failure(&mut daemon, "no PipeWire camera found").contains("bgcam doctor"));
    session.stop_wireplumber();
    let _camera = session.camera("cam-alone", CAPS, GREEN.0);
    let hint = failure(&mut daemon, "PipeWire camera \"cam-alone\" cannot be connected: no session manager");
    assert!(hint.contains("wireplumber"), "{hint}");
}

/// The same command in a sandbox like a Flatpak's, which hides PipeWire's socket.
fn sandboxed(command: &Command, home: &Home) -> Command {
    let info = home.path("flatpak-info");
    fs::write(&info, "[Application]\nname=io.github.bgcam.Test\n[Instance]\ninstance-id=1\n").unwrap();
    let mut sandbox = Command::new("bwrap");
    for entry in fs::read_dir("/").unwrap() {
        let path = entry.unwrap().path();
        match fs::read_link(&path) {
            Ok(target) => sandbox.arg("--symlink").arg(target).arg(path),
            Err(_) => sandbox.arg("--dev-bind").arg(&path).arg(&path),
        };
    }
    sandbox.arg("--ro-bind").arg(info).arg("/.flatpak-info");
    sandbox.arg("--bind").arg("/dev/null").arg(home.path("run/pipewire-0"));
    sandbox.arg("--die-with-parent").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        sandbox.env(name, value.unwrap_or_default());
    }
    sandbox.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", home.path("run/bus").display()));
    sandbox.stdin(Stdio::null());
    sandbox
}

#[test]
fn in_a_sandbox_the_camera_comes_from_the_portal() {
    if let Some(missing) =
        session::missing(&["bwrap", "xdg-desktop-portal", "xdg-permission-store", "gdbus", "python3:gi"])
    {
        eprintln!("skipped: no {missing} (scripts/setup --tests installs it)");
        return;
    }
    for is_allowed in [false, true] {
        let home = Home::new();
        let mut session = session_or_skip!(&home.path("run"));
        let _camera = session.camera("cam-portal", CAPS, GREEN.0);
        session.wait_for_node("cam-portal");
        session.start_portal();
        if !is_allowed {
            fs::write(home.path("run/refuse"), "").unwrap();
        }
        home.write_config("[camera]\nalways_on = true\n");
        let arguments = ["--size", "320x240", "--camera", "pipewire", "--background", "none"];
        let mut daemon = home.start_with(&arguments, |command| *command = sandboxed(command, &home));
        if is_allowed {
            let status = daemon.wait_until("the camera works", |status| status.counters.composed > 10);
            assert_eq!(status.camera.source.unwrap().name, "Camera-cam-portal");
        } else {
            let status = daemon.wait_until("the user has refused", |status| status.camera.error.is_some());
            let failure = status.camera.error.unwrap();
            assert_eq!(failure.kind, Kind::Denied, "{failure}");
            assert!(failure.message.contains("you have refused it"), "{failure}");
        }
    }
}
