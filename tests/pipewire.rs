//! The PipeWire camera as apps see it: the real daemon in a real session, read by native apps and by browsers.
#![cfg(feature = "pipewire")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/session.rs"]
mod session;
#[path = "support/daemon.rs"]
mod support;

use std::{fs, path::Path, process::Output};

use bgcam::{
    control::protocol::Status,
    frame::{Size, Yuv},
    sink::OutputStatus,
};
use session::{Session, missing};
use support::{Daemon, Home, text};

const GREEN: [u8; 3] = [0x20, 0xa0, 0x40];
const SMALL: (&str, u32, u32) = ("320x180", 320, 180);

fn small() -> Size {
    Size::new(SMALL.1, SMALL.2).unwrap()
}

fn green() -> Yuv {
    Yuv::from_rgb(GREEN[0], GREEN[1], GREEN[2])
}

/// A daemon whose camera is always open, so that the first frame shows the scene.
fn start<'a>(home: &'a Home, output: &str, size: &str) -> Daemon<'a> {
    home.write_config("[camera]\nalways_on = true\n");
    let mut daemon = home.start(&["--output", output, "--size", size, "--camera", "demo", "--background", "#20a040"]);
    daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    daemon
}

/// The output under test; the first is `none`.
fn output(status: &Status) -> &OutputStatus {
    &status.outputs[1]
}

#[test]
fn a_native_app_receives_frames_and_is_reported() {
    let home = Home::new();
    let session = session_or_skip!(&home.path("run"));
    let mut daemon = start(&home, "pipewire", "1280x720");
    session.wait_for_camera();
    let status = daemon.wait_until("the output works", |status| output(status).read == Some(false));
    assert_eq!(output(&status).name, "pipewire");
    let reader = session.read(Size::HD);
    reader.expect(30, green());
    let status = daemon.wait_until("an app reads", |status| output(status).read == Some(true));
    assert_eq!(output(&status).failure, None);
    home.expect(&["set-color", "#ff0000"], 0);
    daemon.wait_until("it is shown", |status| status.scene.version > 1);
    reader.expect(60, Yuv::from_rgb(255, 0, 0));
    reader.kill();
    daemon.wait_until("no app reads", |status| output(status).read == Some(false));
    assert!(session.lists("node.description = \"Virtual Background Cam\""));
    home.expect(&["stop"], 0);
    assert!(daemon.wait_for_end().success(), "{}", home.log());
    session::until("the camera is gone", || !session.lists("\"bgcam\""));
}

#[test]
fn the_camera_is_open_while_an_app_reads() {
    let home = Home::new();
    let session = session_or_skip!(&home.path("run"));
    let mut daemon =
        home.start(&["--output", "pipewire", "--size", SMALL.0, "--camera", "demo", "--background", "#20a040"]);
    session.wait_for_camera();
    let status = daemon.wait_until("the output works", |status| output(status).read == Some(false));
    assert_eq!((status.camera.on, status.counters.camera_opens), (false, 0));
    let reader = session.read(small());
    daemon.wait_until("the camera is open", |status| status.camera.on && status.counters.composed > 5);
    reader.kill();
    let status = daemon.wait_until("it is closed", |status| !status.camera.on && status.camera.source.is_none());
    assert_eq!(status.counters.camera_opens, 1);
}

#[test]
fn readers_connect_disconnect_and_are_killed() {
    let home = Home::new();
    let session = session_or_skip!(&home.path("run"));
    let mut daemon = start(&home, "pipewire", SMALL.0);
    session.wait_for_camera();
    for _ in 0..20 {
        let reader = session.read(small());
        reader.expect(3, green());
        reader.kill();
    }
    let stays = session.read(small());
    stays.expect(3, green());
    for _ in 0..5 {
        let beside = session.read(small());
        beside.expect(3, green());
        stays.expect(3, green());
        beside.kill();
    }
    stays.expect(30, green());
    let status = daemon.wait_until("the output works", |status| output(status).failure.is_none());
    assert_eq!(output(&status).read, Some(true));
}

#[test]
fn buffers_of_killed_readers_are_reclaimed() {
    let home = Home::new();
    let session = session_or_skip!(&home.path("run"));
    let _daemon = start(&home, "pipewire", SMALL.0);
    session.wait_for_camera();
    let stays = session.read(small());
    stays.expect(3, green());
    // there are at most 16 buffers, and each reader dies with one
    for _ in 0..20 {
        session.hold_and_die();
    }
    stays.expect(30, green());
    let another = session.read(small());
    another.expect(30, green());
}

#[test]
fn pipewire_may_start_late_and_restart() {
    let home = Home::new();
    let mut session = session_or_skip!(&home.path("run"));
    session.stop_servers();
    let mut daemon = start(&home, "pipewire", SMALL.0);
    let status = daemon.wait_until("the output reports why", |status| output(status).failure.is_some());
    let failure = output(&status).failure.clone().unwrap();
    assert!(failure.message.starts_with("no PipeWire camera \"pipewire\": "), "{failure}");
    assert!(failure.hint.unwrap().contains("systemctl --user start pipewire"));
    for _ in 0..2 {
        session.start_servers();
        daemon.wait_until("the output works", |status| output(status).read == Some(false));
        session.wait_for_camera();
        let reader = session.read(small());
        reader.expect(10, green());
        session.restart_wireplumber();
        let another = session.read(small());
        another.expect(10, green());
        session.stop_servers();
        daemon.wait_until("the output fails", |status| output(status).failure.is_some());
    }
}

#[test]
fn auto_uses_pipewire_without_v4l2loopback() {
    if !bgcam::sink::loopback::list().is_empty() {
        eprintln!("skipped: there is a v4l2loopback device");
        return;
    }
    let home = Home::new();
    let session = session_or_skip!(&home.path("run"));
    let mut daemon = start(&home, "auto", SMALL.0);
    let status = daemon.wait_until("the output works", |status| output(status).read == Some(false));
    assert_eq!((output(&status).output.to_string().as_str(), output(&status).name.as_str()), ("auto", "pipewire"));
    session.wait_for_camera();
    session.read(small()).expect(3, green());
}

#[test]
fn chromium_reads_it_through_the_portal() {
    browse(&["chromium"], &[]);
}

#[test]
fn firefox_reads_it_through_the_portal() {
    browse(&["firefox-esr"], &["--firefox"]);
}

/// Opens the camera in a browser and checks the image there.
fn browse(browser: &[&str], options: &[&str]) {
    let portal = ["xdg-desktop-portal", "xdg-permission-store", "gdbus", "python3:gi"];
    if let Some(missing) = missing(browser).or_else(|| missing(&portal)) {
        eprintln!("skipped: no {missing} (scripts/setup --tests installs it)");
        return;
    }
    let home = Home::new();
    let mut session = session_or_skip!(&home.path("run"));
    session.start_portal();
    let _daemon = start(&home, "pipewire", "1280x720");
    session.wait_for_camera();
    let image = home.path("seen.png");
    let output = consume(&session, &image, options);
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("Virtual Background Cam"), "{printed}");
    assert!(printed.contains("\"width\": 1280, \"height\": 720"), "{printed}");
    let corner = image::open(&image).unwrap().to_rgb8().get_pixel(8, 8).0;
    assert!(corner.iter().zip(GREEN).all(|(a, b)| a.abs_diff(b) <= 16), "{corner:?} is not {GREEN:?}; {printed}");
    eprintln!("{printed}");
}

/// Exit status 2 means that the browser exited; Chromium's PipeWire capture does so occasionally, so it is retried.
fn consume(session: &Session, image: &Path, options: &[&str]) -> Output {
    let consumer = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/testbed.d/chromium-consumer");
    let mut tries = 3;
    loop {
        let mut command = session.command(consumer);
        command.args(["--pipewire", "--seconds", "2", "--wait", "20", "--png"]).arg(image).args(options);
        let output = command.output().unwrap();
        tries -= 1;
        if output.status.code() != Some(2) || tries == 0 {
            return output;
        }
        eprintln!("trying again: {}", text(&output));
        let _ = fs::remove_file(image);
    }
}
