//! Overlapping changes, unreadable or unwritable state, missing settings and broken cameras: the room is never shown
//! without consent, and the user's last choice wins.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Child, Stdio},
};

use bgcam::control::protocol::Status;
use support::{Daemon, Home, text, write_png};

/// A home in which loading `clip.mp4` and generating with the provider `command` block until [`release`].
fn slow_home() -> Home {
    let home = Home::new();
    let at = |name: &str| home.path(name).display().to_string();
    let until = |name: &str| {
        let started = at(&format!("{name}.started"));
        let go = at(&format!("{name}.go"));
        format!(": > {started}\nwhile [ ! -e {go} ]; do sleep 0.05; done")
    };
    let y4m = "printf 'YUV4MPEG2 W320 H180 F30:1 Ip A1:1 C420jpeg\\n'\n\
               while printf 'FRAME\\n' && head -c 86400 /dev/zero; do :; done";
    home.write_program(
        "ffmpeg",
        &format!("case \"$*\" in *'-f yuv4mpegpipe'*) ;; *) exit 1 ;; esac\n{}\n{y4m}", until("clip")),
    );
    home.write_program("ffprobe", r#"echo '{"streams": [{"codec_type": "video", "height": 180}]}'"#);
    home.write_program("generator", &format!("{}\ncat {}", until("prompt"), at("made.png")));
    write_png(&home.path("made.png"), 320, 180, [10, 20, 30]);
    write_png(&home.path("room.png"), 320, 180, [90, 80, 70]);
    fs::write(home.path("clip.mp4"), b"\0\0\0\x18ftypisom nothing more").unwrap();
    home
}

/// Settings of a slow home.
fn settings(home: &Home, more: &str) {
    let generator = home.path("bin/generator");
    home.write_config(&format!("[output]\nsize = \"320x180\"\n[prompt.command]\nprogram = {generator:?}\n{more}"));
}

/// Starts a command and waits until it blocks on loading `what`.
fn begin(home: &Home, what: &str, args: &[&str]) -> Child {
    let child = home.bgcam(args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    home.wait_for(what, || home.path(&format!("{what}.started")).exists());
    child
}

fn release(home: &Home, what: &str) {
    fs::write(home.path(&format!("{what}.go")), "").unwrap();
}

/// Waits until a command succeeds and returns its output.
fn done(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

fn status(daemon: &mut Daemon<'_>) -> Status {
    daemon.wait_until("the daemon responds", |_| true)
}

fn start_command(home: &Home, args: &[&str]) -> Child {
    home.bgcam(args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_reload_does_not_undo_a_loading_background() {
    let home = slow_home();
    settings(&home, "[background]\ndefault = \"off\"\n");
    let mut daemon = home.start(&["--camera", "demo"]);
    let clip = home.path("clip.mp4");
    let loading = begin(&home, "clip", &["set-video", clip.to_str().unwrap()]);
    // Both a command and a saved file.
    settings(&home, "[background]\ndefault = \"off\"\n[look]\nzoom = 150\n");
    let reloads = [start_command(&home, &["reload"]), start_command(&home, &["reload"])];
    home.wait_for("the saved file is noticed", || home.log().contains("a settings file has changed"));
    status(&mut daemon);
    release(&home, "clip");
    assert!(done(loading).contains("background: clip.mp4"));
    reloads.into_iter().for_each(|reload| drop(done(reload)));
    daemon.wait_until("the settings are reloaded", |status| status.scene.look.zoom == 150);
    assert_eq!(status(&mut daemon).scene.label, "clip.mp4");
    daemon.kill();
    assert_eq!(status(&mut home.start(&["--camera", "demo"])).scene.label, "clip.mp4");
}

#[test]
fn a_slow_reload_undoes_nothing_and_pause_does_not_wait() {
    let home = slow_home();
    settings(&home, "[camera]\ndevice = \"demo\"\n[background]\ndefault = \"teal\"\n");
    let mut daemon = home.start(&[]);
    let clip = home.path("clip.mp4");
    settings(&home, &format!("[camera]\ndevice = \"demo\"\n[background]\ndefault = {clip:?}\n"));
    let reload = begin(&home, "clip", &["reload"]);
    home.expect(&["pause"], 0);
    home.expect(&["mirror", "on"], 0);
    let room = format!("file:{}", home.path("room.png").display());
    let camera = start_command(&home, &["set-camera", &room]);
    let scene = status(&mut daemon).scene;
    assert!(scene.paused && scene.mirror && scene.label == "#008080", "while it loads: {scene:?}");
    release(&home, "clip");
    done(reload);
    assert!(done(camera).contains("room.png"));
    for round in ["now", "after a restart"] {
        let now = status(&mut daemon);
        assert!(now.scene.paused && now.scene.mirror, "{round}: {:?}", now.scene);
        assert_eq!((&*now.scene.label, &*now.camera.wanted), ("clip.mp4", &*room), "{round}");
        daemon.kill();
        daemon = home.start(&[]);
    }
}

#[test]
fn a_reload_that_fails_midway_changes_nothing() {
    let home = slow_home();
    let room = format!("file:{}", home.path("room.png").display());
    settings(&home, "[camera]\ndevice = \"demo\"\n[background]\ndefault = \"teal\"\n[look]\nzoom = 120\n");
    let mut daemon = home.start(&[]);
    daemon.wait_until("the camera is open", |status| status.counters.captured > 0);
    for (camera, background, look, expected) in [
        (&*room, "/no/such.png", "zoom = 150", "no/such.png"),
        (&*room, "red", "zoom = 150\noverlay = \"/no/logo.png\"", "logo.png"),
        ("file:/no/such.mp4", "red", "zoom = 150", "such.mp4"),
        ("/dev/null", "red", "zoom = 150", "/dev/null"),
        ("no such camera", "red", "zoom = 150", "no such camera"),
    ] {
        settings(
            &home,
            &format!("[camera]\ndevice = {camera:?}\n[background]\ndefault = {background:?}\n[look]\n{look}\n"),
        );
        let output = home.expect(&["reload"], 1);
        assert!(output.contains(expected), "{output}");
        let now = status(&mut daemon);
        let shown = (&*now.camera.wanted, &*now.scene.label, now.scene.look.zoom);
        assert_eq!(shown, ("demo", "#008080", 120), "{camera} {background}");
        assert_eq!(now.counters.camera_opens, 1);
    }
    settings(&home, &format!("[camera]\ndevice = {room:?}\n[background]\ndefault = \"red\"\n[look]\nzoom = 150\n"));
    home.expect(&["reload"], 0);
    let now = status(&mut daemon);
    assert_eq!((&*now.camera.wanted, &*now.scene.label, now.scene.look.zoom), (&*room, "#ff0000", 150));
}

#[test]
fn the_watchdog_is_notified_while_a_background_loads() {
    let home = slow_home();
    settings(&home, "[background]\ndefault = \"teal\"\n");
    let socket = home.path("notify");
    let service_manager = UnixDatagram::bind(&socket).unwrap();
    let daemon = home.start_with(&["--camera", "demo"], |command| {
        command.env("NOTIFY_SOCKET", &socket);
    });
    let clip = home.path("clip.mp4");
    settings(&home, &format!("[background]\ndefault = {clip:?}\n"));
    let hangup = std::process::Command::new("kill").arg("-HUP").arg(daemon.child.id().to_string()).status();
    assert!(hangup.unwrap().success());
    home.wait_for("clip", || home.path("clip.started").exists());
    service_manager.set_nonblocking(true).unwrap();
    while service_manager.recv(&mut [0; 256]).is_ok() {}
    service_manager.set_nonblocking(false).unwrap();
    for _ in 0..3 {
        let mut message = [0; 256];
        let length = service_manager.recv(&mut message).unwrap();
        assert!(message[..length].starts_with(b"WATCHDOG=1"));
    }
    assert!(!home.log().contains("settings"), "loading finished too early: {}", home.log());
    release(&home, "clip");
    home.wait_for("the settings are reloaded", || home.log().contains("settings reloaded"));
}

#[test]
fn the_daemon_stops_while_a_background_and_a_prompt_load() {
    let home = slow_home();
    settings(&home, "");
    let mut daemon = home.start(&["--camera", "demo"]);
    let clip = home.path("clip.mp4");
    // neither ever finishes
    let prompt = begin(&home, "prompt", &["set-prompt", "--provider", "command", "beach"]);
    let video = begin(&home, "clip", &["set-video", clip.to_str().unwrap()]);
    let terminate = std::process::Command::new("kill").arg("-TERM").arg(daemon.child.id().to_string()).status();
    assert!(terminate.unwrap().success());
    let status = daemon.wait_for_end();
    assert!(status.success(), "{status}: {}", home.log());
    assert!(!home.log().contains("exiting"), "the deadline was needed: {}", home.log());
    for client in [prompt, video] {
        let output = client.wait_with_output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
    }
    assert!(home.client().is_none(), "the socket is closed");
}

#[test]
fn an_unreadable_choice_starts_paused_and_is_reported() {
    let home = Home::new();
    let file = home.path("state/bgcam/scene.json");
    for (damage, label, expected) in [
        ("", "blur", "empty"),
        ("{\n  \"background\": {\n    \"color\": \"#008080\"\n  },\n  \"loo", "#008080", "EOF"),
        ("{\"background\":{\"hologram\":{}},\"paused\":false,\"mirror\":true}", "blur", "hologram"),
        ("{\"background\":\"off\",\"paused\":false,\"sealed\":true}", "none", "sealed"),
    ] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, damage).unwrap();
        let mut daemon = home.start(&["--camera", "demo"]);
        let now = status(&mut daemon);
        assert!(now.scene.paused && now.scene.label.contains(label), "{damage:?}: {:?}", now.scene);
        let failure = now.choice_error.unwrap().message;
        assert!(failure.contains(expected) && failure.contains("scene.json"), "{damage:?}: {failure}");
        assert!(home.log().contains(&failure), "{}", home.log());
        assert!(home.expect(&["status"], 0).contains(expected));
        assert_eq!(now.counters.composed, 0, "no camera frame was shown");
        home.expect(&["resume"], 0);
        assert_eq!(status(&mut daemon).choice_error, None);
        daemon.kill();
        assert!(!status(&mut home.start(&["--camera", "demo"])).scene.paused, "{damage:?}: the resume was saved");
    }
}

#[test]
fn an_unsaved_choice_is_reported_and_saved_later() {
    let home = slow_home();
    settings(&home, "[mask]\nquality = \"eco\"\n");
    release(&home, "prompt");
    let mut daemon = home.start(&["--camera", "demo"]);
    let state = home.path("state");
    let _ = fs::remove_dir_all(&state);
    fs::write(&state, "a file, not a folder").unwrap();
    for args in [
        &["pause"][..],
        &["mirror", "on"],
        &["set-color", "teal"],
        &["look", "softness=20"],
        &["set-quality", "eco"],
        &["set-camera", "demo"],
        &["set-prompt", "--provider", "command", "beach"],
    ] {
        let output = home.expect(args, 0);
        assert!(
            output.contains("could not be saved: its folder is a file; it will not survive a restart"),
            "{args:?}: {output}"
        );
    }
    let output = home.expect(&["status"], 0);
    assert!(output.contains("scene.json: its folder is a file"), "{output}");
    fs::remove_file(&state).unwrap();
    daemon.wait_until("the choice is saved", |status| status.choice_error.is_none());
    daemon.kill();
    let now = status(&mut home.start(&[]));
    assert!(now.scene.paused && now.scene.mirror && now.scene.look.softness == 20, "{:?}", now.scene);
}

#[test]
fn a_deleted_or_empty_settings_file_changes_nothing() {
    let home = Home::new();
    home.write_config("[background]\ndefault = \"teal\"\n");
    let file = home.path("config/bgcam/bgcam.toml");
    let away = home.path("away.toml");
    let mut daemon = home.start(&["--camera", "demo"]);
    fs::rename(&file, &away).unwrap();
    home.wait_for("the problem is logged", || home.log().contains("no longer exists"));
    let output = home.expect(&["reload"], 1);
    assert!(output.contains("bgcam.toml no longer exists") && output.contains("restart bgcam"), "{output}");
    assert_eq!(status(&mut daemon).scene.label, "#008080");

    fs::rename(&away, &file).unwrap();
    home.wait_for("the settings are reloaded", || home.log().contains("settings reloaded"));
    fs::write(&file, "").unwrap();
    home.wait_for("the problem is logged", || home.log().contains("is now empty"));
    assert_eq!(status(&mut daemon).scene.label, "#008080");
    home.expect(&["reload"], 0);
    assert!(status(&mut daemon).scene.label.starts_with("blur"), "the user has confirmed the empty file");

    // without any settings file, a reload succeeds
    let other = Home::new();
    let _daemon = other.start(&["--camera", "demo"]);
    other.expect(&["reload"], 0);
}

#[test]
fn a_camera_without_frames_does_not_replace_a_working_one() {
    let home = Home::new();
    let path = |name: &str| home.path(name).display().to_string();
    write_png(&home.path("room.png"), 64, 36, [1, 2, 3]);
    fs::write(home.path("text.mp4"), "hello").unwrap();
    fs::write(home.path("cut.y4m"), "YUV4MPEG2 W64 H36 F30:1\nFRAME\n").unwrap();
    fs::create_dir(home.path("folder")).unwrap();
    home.write_config(&format!("[camera]\ndevice = \"file:{}\"\n", path("room.png")));
    let mut daemon = home.start(&[]);
    daemon.wait_until("the camera is open", |status| status.camera.source.is_some() || !status.camera.on);
    let before = status(&mut daemon).camera.wanted;
    for bad in [
        "file:/nope.mp4",
        &format!("file:{}", path("text.mp4")),
        &format!("file:{}", path("cut.y4m")),
        &format!("file:{}", path("folder")),
        "/dev/null",
        "/dev/no-such-camera",
        "http://127.0.0.1/camera",
        "no such camera",
    ] {
        home.expect(&["set-camera", bad], 1);
        let now = status(&mut daemon);
        assert_eq!((now.camera.wanted, now.camera.error), (before.clone(), None), "{bad}");
    }
    daemon.kill();
    assert_eq!(status(&mut home.start(&[])).camera.wanted, before, "nothing was saved");
}

#[test]
fn older_background_does_not_cancel_a_newer_prompt() {
    let home = slow_home();
    settings(&home, "");
    let mut daemon = home.start(&["--camera", "demo"]);
    let clip = home.path("clip.mp4");
    let video = begin(&home, "clip", &["set-video", clip.to_str().unwrap()]);
    let prompt = begin(&home, "prompt", &["set-prompt", "--provider", "command", "beach"]);
    release(&home, "clip");
    done(video);
    assert!(status(&mut daemon).prompt.is_some(), "the generation continues");
    release(&home, "prompt");
    done(prompt);
    assert!(status(&mut daemon).scene.label.starts_with("beach"));
}

#[test]
fn a_late_image_of_an_older_prompt_is_saved_and_not_shown() {
    let home = slow_home();
    settings(&home, "");
    let mut daemon = home.start(&["--camera", "demo"]);
    let prompt = begin(&home, "prompt", &["set-prompt", "--provider", "command", "--model", "m", "beach"]);
    let clip = home.path("clip.mp4");
    let video = begin(&home, "clip", &["set-video", clip.to_str().unwrap()]);
    release(&home, "prompt");
    let is_record = |file: fs::DirEntry| file.path().extension().is_some_and(|ending| ending == "json");
    let gallery = home.path("data/bgcam/gallery");
    home.wait_for("the image is in the gallery", || {
        fs::read_dir(&gallery).into_iter().flatten().flatten().any(is_record)
    });
    release(&home, "clip");
    done(video);
    let output = done(prompt);
    assert!(output.contains("saved in the gallery as") && output.contains("not shown"), "{output}");
    assert!(output.contains("so model \"m\" was ignored"), "{output}");
    assert_eq!(status(&mut daemon).scene.label, "clip.mp4");
}

/// Shortcuts go through the last backgrounds, survive a restart and a missing file, and never show the room.
#[test]
fn shortcuts_switch_between_the_last_backgrounds() {
    let home = Home::new();
    home.write_config("[output]\nsize = \"320x180\"\n[background]\ndefault = \"off\"\n");
    let image = home.path("room.png");
    write_png(&image, 320, 180, [90, 80, 70]);
    let daemon = home.start(&["--camera", "demo"]);
    let label = |daemon: &Daemon<'_>| daemon.status().scene.label;
    let press = |args: &[&str]| home.expect(args, 0);

    let refused = home.expect(&["previous"], 1);
    assert!(refused.contains("there is no other recent background"), "{refused}");
    press(&["toggle", "blur"]);
    assert_eq!(label(&daemon), "blur 50");
    let refused = home.expect(&["toggle", "blur"], 1);
    assert!(refused.contains("set-none"), "before the blur, the room was visible: {refused}");
    press(&["set-color", "#204060"]);
    press(&["set-image", image.to_str().unwrap()]);
    press(&["previous"]);
    assert_eq!(label(&daemon), "#204060");
    press(&["previous"]);
    assert_eq!(label(&daemon), "blur 50");
    press(&["next"]);
    press(&["next"]);
    assert_eq!(label(&daemon), "room.png");
    press(&["toggle", "blur"]);
    press(&["toggle", "blur"]);
    assert_eq!(label(&daemon), "room.png");

    press(&["set-color", "#204060"]);
    daemon.kill();
    fs::remove_file(&image).unwrap();
    let daemon = home.start(&["--camera", "demo"]);
    press(&["previous"]);
    assert_eq!(label(&daemon), "blur 50", "the missing image is skipped");

    assert!(press(&["toggle", "pause"]).contains("paused"));
    assert_eq!(press(&["status", "--short"]), "paused\n");
    assert!(press(&["toggle", "pause"]).contains("resumed"));
    assert!(press(&["pause", "--message", " Back at 3 "]).contains("Back at 3"));
    assert_eq!(daemon.status().scene.pause_message.as_deref(), Some("Back at 3"));
    for bad in ["", "two\nlines", &"x".repeat(61)] {
        assert!(home.expect(&["pause", "--message", bad], 1).contains("expected one line"), "{bad:?}");
    }
    press(&["resume"]);
    assert_eq!(daemon.status().scene.pause_message, None);
    assert!(press(&["toggle", "mirror"]).contains("mirror: on"));
    press(&["toggle", "mirror"]);
    let bar: serde_json::Value = serde_json::from_str(&press(&["status", "--waybar"])).unwrap();
    assert_eq!(bar["alt"], bar["class"]);
    assert!(bar["tooltip"].as_str().unwrap().contains("blur 50"), "{bar}");
    press(&["stop"]);
    home.expect(&["status", "--short"], 3);
    assert!(press(&["status", "--waybar"]).contains("\"class\":\"stopped\""));
}
