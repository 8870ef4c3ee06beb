//! The whole daemon without any device: demo camera in, no output but a snapshot, driven as a user drives it.

#[path = "support/daemon.rs"]
mod support;

use std::{fs, os::unix::fs::PermissionsExt};

use bgcam::control::protocol::{Request, Response};
use support::{Home, write_png};

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[test]
fn verbs_change_the_scene_and_it_survives_a_restart() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo"]);
    daemon.wait_until("pictures are composed", |status| status.counters.composed > 5);
    for (args, label) in [
        (&["set-color", "#20a040"][..], "#20a040"),
        (&["set-blur", "70"], "blur"),
        (&["off"], "off"),
        (&["set-color", "teal"], "#008080"),
    ] {
        let output = home.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        let status = daemon.wait_until("it stands in the status", |_| true);
        assert!(status.scene.label.contains(label), "{} is not {label}", status.scene.label);
    }
    assert!(home.run(&["mirror", "on"]).status.success());
    assert!(home.run(&["pause"]).status.success());
    daemon.kill();

    let mut daemon = home.start(&["--camera", "demo"]);
    let status = daemon.wait_until("it is back", |_| true);
    assert!(status.scene.paused && status.scene.mirror, "{:?}", status.scene);
    assert!(home.run(&["resume"]).status.success());
    assert!(home.run(&["stop"]).status.success());
    assert!(daemon.wait_for_end().success());
    assert!(!home.path("run/bgcam/control.sock").exists());
}

#[test]
fn a_bad_picture_leaves_the_old_background() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    fs::write(home.path("not.png"), "hello").unwrap();
    write_png(&home.path("good.png"), 64, 36, [1, 2, 3]);
    for (file, code) in [("missing.png", 1), ("not.png", 1), ("", 1), ("good.png", 0)] {
        let output = home.run(&["set-image", home.path(file).to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(code), "{file}: {}", text(&output));
        let status = daemon.wait_until("it answers", |_| true);
        let expected = if code == 0 { "good.png" } else { "#20a040" };
        assert!(status.scene.label.contains(expected), "{file}: {}", status.scene.label);
        if code != 0 {
            assert!(text(&output).starts_with("error: "), "{}", text(&output));
        }
    }
}

#[test]
fn wrong_use_and_a_missing_daemon_have_their_own_exit_status() {
    let home = Home::new();
    assert_eq!(home.run(&["status"]).status.code(), Some(3));
    assert_eq!(home.run(&["set-color", "gren"]).status.code(), Some(2));
    assert_eq!(home.run(&["set-blur", "0"]).status.code(), Some(2));
    assert_eq!(home.run(&["no-such-verb"]).status.code(), Some(2));
    let output = home.run(&["set-color", "gren"]);
    assert!(text(&output).contains("green"), "what is near is named: {}", text(&output));
}

#[test]
fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let output = home.run(&["daemon", "--camera", "demo", "--output", "none"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&format!("already running (pid {})", daemon.child.id())), "{}", text(&output));
}

#[test]
fn a_killed_daemon_leaves_nothing_in_the_way() {
    let home = Home::new();
    home.start(&["--camera", "demo"]).kill();
    assert!(home.path("run/bgcam/control.sock").exists(), "a stale socket is what this is about");
    home.start(&["--camera", "demo"]);
}

#[test]
fn settings_are_reloaded_and_bad_ones_leave_the_old() {
    let home = Home::new();
    home.write_config("[camera]\ndevice = \"demo\"\n");
    let mut daemon = home.start(&[]);
    daemon.wait_until("frames come", |status| status.counters.captured > 0);
    home.write_config("[camera]\ndevise = \"demo\"\n");
    let output = home.run(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("bgcam.toml:2: unknown setting \"devise\""), "{}", text(&output));
    assert!(text(&output).contains("did you mean \"device\"?"), "{}", text(&output));
    // a changed file takes effect without being asked for; the camera is opened anew, the virtual one stays
    home.write_config("[camera]\ndevice = \"demo\"\ntimeout_ms = 3000\n");
    daemon.wait_until("the camera was opened again", |status| status.counters.camera_opens >= 2);
}

#[test]
fn a_lost_camera_and_a_wrong_model_are_said_and_end_nothing() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "/dev/no-such-camera", "--model", "no-such-model"]);
    let status = daemon.wait_until("both are said, and a card goes out", |status| {
        status.camera.error.is_some() && status.mask.error.is_some() && status.counters.written > 10
    });
    assert_eq!(status.counters.composed, 0);
    let output = home.run(&["status"]);
    assert!(text(&output).contains("/dev/no-such-camera"), "{}", text(&output));
    assert!(text(&output).contains("no-such-model"), "{}", text(&output));
}

#[test]
fn garbage_on_the_socket_harms_nobody() {
    use std::{io::Write, os::unix::net::UnixStream};
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo"]);
    let socket = home.path("run/bgcam/control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // more clients than are served at once, some silent, some talking nonsense
    let clients: Vec<UnixStream> = (0..20)
        .map(|number| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            if number % 2 == 0 {
                let _ = stream.write_all(&vec![b'x'; 100_000]);
            }
            stream
        })
        .collect();
    assert!(matches!(daemon.call(&Request::Status), Ok(Response::Status(_))));
    let before = daemon.wait_until("it runs", |_| true).counters.written;
    daemon.wait_until("it runs on", |status| status.counters.written > before + 10);
    drop(clients);
}
