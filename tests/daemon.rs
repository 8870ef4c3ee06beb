//! The whole daemon without devices, with the demo camera, controlled through the command line.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{fs, os::unix::fs::PermissionsExt};

use support::{Home, text, write_gif, write_png};

#[test]
fn commands_change_the_scene_and_it_survives_a_restart() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo"]);
    daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    for (args, label) in [
        (&["set-color", "#20a040"][..], "#20a040"),
        (&["set-blur", "70"], "blur"),
        (&["set-none"], "none (your room is visible)"),
        (&["set-color", "teal"], "#008080"),
    ] {
        let output = home.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        let status = daemon.wait_until("the daemon responds", |_| true);
        assert!(status.scene.label.contains(label), "{} is not {label}", status.scene.label);
    }
    assert!(home.run(&["mirror", "on"]).status.success());
    assert!(home.run(&["pause"]).status.success());
    daemon.kill();

    let mut daemon = home.start(&["--camera", "demo"]);
    let status = daemon.wait_until("the daemon responds", |_| true);
    assert!(status.scene.paused && status.scene.mirror, "{:?}", status.scene);
    assert!(home.run(&["resume"]).status.success());
    assert!(home.run(&["stop"]).status.success());
    assert!(daemon.wait_for_end().success());
    assert!(!home.path("run/bgcam/control.sock").exists());
}

#[test]
fn off_still_works_and_shows_its_new_name() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let output = home.expect(&["off"], 0);
    assert!(output.contains("`bgcam set-none`") && output.contains("`bgcam pause`"), "{output}");
    assert!(output.contains("your room is visible: there is no background"), "{output}");
    daemon.wait_until("the room is shown", |status| status.scene.room_visible);
    let state = fs::read_to_string(home.path("state/bgcam/scene.json")).unwrap();
    assert!(state.contains(r#""background": "none""#), "{state}");
    daemon.kill();
    // written by an older version
    fs::write(home.path("state/bgcam/scene.json"), state.replace("none", "off")).unwrap();
    let mut daemon = home.start(&["--camera", "demo"]);
    let scene = daemon.wait_until("the daemon responds", |_| true).scene;
    assert_eq!(scene.label, "none (your room is visible)");
    let help = home.expect(&["--help"], 0);
    assert!(help.contains("  set-none") && help.contains("your real room") && !help.contains("  off"), "{help}");
}

#[test]
fn a_visible_room_is_reported_everywhere() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    assert!(!home.expect(&["status"], 0).contains("room"));
    let output = home.expect(&["look", "background_opacity=50"], 0);
    assert!(output.contains("your room is visible: the background's opacity is 50 %"), "{output}");
    for (args, expected) in [
        (&["status"][..], "is visible: the background's opacity is 50 %"),
        (&["status", "--json"], "\"room_visible\": true"),
    ] {
        let output = home.expect(args, 0);
        assert!(output.contains(expected), "{output}");
        assert!(output.contains("#20a040 (your room is visible)"), "{output}");
    }
    // repeated after every other change
    let prompt = &["set-prompt", "beach", "--size", "320x180"];
    for args in [&["look", "zoom=110"][..], prompt, &["set-color", "teal"], &["reload"]] {
        assert!(home.expect(args, 0).contains("your room is visible"), "{args:?}");
    }
    assert!(!home.expect(&["pause"], 0).contains("room"));
    let scene = daemon.wait_until("it is paused", |status| status.scene.paused).scene;
    assert!(!scene.room_visible && scene.room_reason.is_some(), "{scene:?}");
    assert!(home.expect(&["status"], 0).contains("your room will be visible when you resume"));
    assert!(home.expect(&["resume"], 0).contains("your room is visible"));
    assert!(!home.expect(&["look", "--reset"], 0).contains("room"));
    assert!(home.expect(&["set-blur", "5"], 0).contains("blur 5 is too weak to hide it"));
    assert!(!home.expect(&["set-blur", "20"], 0).contains("room"));
}

#[test]
fn a_room_counts_as_visible_until_it_has_faded_out() {
    let home = Home::new();
    home.write_config("[background]\ncrossfade_ms = 3000\n");
    let mut daemon = home.start(&["--camera", "demo", "--background", "none"]);
    daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    std::thread::scope(|scope| {
        scope.spawn(|| home.expect(&["set-color", "teal"], 0));
        let fading =
            daemon.wait_until("the colour is chosen", |status| status.scene.background.to_string() == "#008080");
        assert!(fading.scene.room_visible, "{:?}", fading.scene);
        assert_eq!(fading.scene.room_reason.as_deref(), Some("there is no background"));
    });
    assert!(!daemon.wait_until("the daemon responds", |_| true).scene.room_visible);
}

#[test]
fn a_blurred_room_replacing_a_missing_image_is_reported() {
    let home = Home::new();
    home.write_config("[background]\ndefault = \"/nowhere/beach.jpg\"\n");
    let mut daemon = home.start(&["--camera", "demo"]);
    let scene = daemon.wait_until("the daemon responds", |_| true).scene;
    assert_eq!(scene.label, "blur 50 (your room is visible)");
    assert_eq!(scene.room_reason.as_deref(), Some("beach.jpg can't be shown, so your room is blurred instead"));
    home.expect(&["set-blur"], 0);
    assert!(!daemon.wait_until("the daemon responds", |_| true).scene.room_visible, "this blur was requested");
}

#[test]
fn the_look_is_adjusted_live_and_saved_and_invalid_values_change_nothing() {
    let home = Home::new();
    home.write_config("[look]\nzoom = 120\n");
    write_png(&home.path("logo.png"), 64, 36, [250, 250, 250]);
    let logo = home.path("logo.png");
    let mut daemon = home.start(&["--camera", "demo"]);
    daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    home.expect(&["look", "softness=20", "light-wrap=30", &format!("overlay={}", logo.display())], 0);
    let look = daemon.wait_until("the daemon responds", |_| true).scene.look;
    assert_eq!((look.softness, look.light_wrap, look.zoom), (20, 30, 120));
    for (wrong, expected) in [
        (["softness=10", "zoom=9000"], "from 100 to 400"),
        (["softness=10", "softnes=1"], "did you mean \"softness\"?"),
        (["softness=10", "overlay=/nowhere.png"], "/nowhere.png"),
        (["softness=10", "zoom"], "is not NAME=VALUE"),
    ] {
        let output = home.expect(&["look", wrong[0], wrong[1]], 1);
        assert!(output.contains(expected), "{output}");
        assert_eq!(daemon.wait_until("the daemon responds", |_| true).scene.look, look, "{wrong:?}");
    }
    daemon.kill();
    fs::remove_file(&logo).unwrap();

    let mut daemon = home.start(&["--camera", "demo"]);
    let status = daemon.wait_until("it starts without the missing overlay", |status| status.counters.composed > 5);
    assert_eq!((status.scene.look.softness, status.scene.look.zoom), (20, 120));
    home.expect(&["look", "--reset", "softness"], 0);
    let look = daemon.wait_until("the daemon responds", |_| true).scene.look;
    assert_eq!((look.softness, look.light_wrap), (0, 30));
    home.write_config("[look]\nzoom = 150\n");
    home.expect(&["reload"], 0);
    daemon.wait_until("the new settings apply", |status| status.scene.look.zoom == 150);
    home.expect(&["look", "--reset"], 0);
    assert_eq!(daemon.wait_until("the daemon responds", |_| true).scene.look.light_wrap, 0);
}

#[test]
fn camera_and_quality_are_changed_live_and_saved() {
    let home = Home::new();
    home.write_config("[camera]\ndevice = \"demo\"\n[mask]\nquality = \"eco\"\n");
    let mut daemon = home.start(&[]);
    write_png(&home.path("room.png"), 64, 36, [1, 2, 3]);
    let file = format!("file:{}", home.path("room.png").display());
    home.expect(&["set-camera", &file], 0);
    let source = daemon.wait_until("the camera is open", |status| status.camera.source.is_some());
    assert_eq!(source.camera.wanted, file);
    assert!(home.expect(&["set-camera", "no such camera"], 1).contains("no such camera"));
    home.expect(&["set-quality", "eco"], 0);
    home.expect(&["reload"], 0);
    daemon.kill();

    let mut daemon = home.start(&[]);
    assert_eq!(daemon.wait_until("the daemon responds", |_| true).camera.wanted, file);
    home.expect(&["set-camera", "--reset"], 0);
    assert_eq!(daemon.wait_until("the daemon responds", |_| true).camera.wanted, "demo");
    home.expect(&["set-camera", &file], 0);
    daemon.kill();

    // the flag takes precedence over the saved choice
    let mut daemon = home.start(&["--camera", "demo"]);
    assert_eq!(daemon.wait_until("the daemon responds", |_| true).camera.wanted, "demo");
}

#[test]
fn an_invalid_image_keeps_the_current_background() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    fs::write(home.path("not.png"), "hello").unwrap();
    write_png(&home.path("good.png"), 64, 36, [1, 2, 3]);
    for (file, code) in [("missing.png", 1), ("not.png", 1), ("", 1), ("good.png", 0)] {
        let output = home.run(&["set-image", home.path(file).to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(code), "{file}: {}", text(&output));
        let status = daemon.wait_until("the daemon responds", |_| true);
        let expected = if code == 0 { "good.png" } else { "#20a040" };
        assert!(status.scene.label.contains(expected), "{file}: {}", status.scene.label);
        if code != 0 {
            assert!(text(&output).starts_with("error: "), "{}", text(&output));
        }
    }
}

#[test]
fn moving_backgrounds_are_recognized_by_content() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    fs::create_dir(home.path("photos")).unwrap();
    write_png(&home.path("photos/good.png"), 64, 36, [1, 2, 3]);
    write_gif(&home.path("fire.gif"), &[50, 200]);
    write_gif(&home.path("disguised.png"), &[50, 200]);
    fs::write(home.path("not.mp4"), "hello").unwrap();
    for (verb, file, label) in [
        ("set-image", "fire.gif", "fire.gif"),
        ("set-video", "disguised.png", "disguised.png"),
        ("set-slideshow", "photos", "slideshow of photos, 30 s each"),
        ("set-video", "photos/good.png", "good.png"),
    ] {
        home.expect(&[verb, home.path(file).to_str().unwrap()], 0);
        let status = daemon.wait_until("frames continue", |_| true);
        assert_eq!(status.scene.label, label);
        let before = status.counters.composed;
        daemon.wait_until("frames continue", |status| status.counters.composed > before + 10);
    }
    for (verb, file, expected) in [
        ("set-video", "not.mp4", "is a text file"),
        ("set-video", "photos", "set-slideshow"),
        ("set-slideshow", "none", "cannot read the folder"),
        ("set-slideshow", "not.mp4", "cannot read the folder"),
    ] {
        let output = home.expect(&[verb, home.path(file).to_str().unwrap()], 1);
        assert!(output.contains(expected), "{verb} {file}: {output}");
        assert_eq!(daemon.wait_until("the daemon responds", |_| true).scene.label, "good.png");
    }
    let output = home.expect(&["set-slideshow", "/", "--every", "soon"], 2);
    assert!(output.contains("from 1s to 24h"), "{output}");
}

#[test]
fn pause_does_not_wait_for_a_fade() {
    let home = Home::new();
    home.write_config("background.crossfade_ms = 5000\n");
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    let mut fading = home.bgcam(&["set-color", "teal"]).spawn().unwrap();
    daemon.wait_until("the fade has started", |status| status.scene.label == "#008080");
    home.expect(&["pause"], 0);
    assert!(fading.wait().unwrap().success());
    assert!(daemon.wait_until("the daemon responds", |_| true).scene.paused);
}

#[test]
fn usage_errors_and_a_missing_daemon_have_their_own_exit_status() {
    let home = Home::new();
    assert_eq!(home.run(&["status"]).status.code(), Some(3));
    assert_eq!(home.run(&["set-color", "gren"]).status.code(), Some(2));
    assert_eq!(home.run(&["set-blur", "0"]).status.code(), Some(2));
    assert_eq!(home.run(&["no-such-verb"]).status.code(), Some(2));
    let output = home.run(&["set-color", "gren"]);
    assert!(text(&output).contains("green"), "a suggestion is missing: {}", text(&output));
}

#[test]
fn a_second_daemon_fails_with_the_pid_of_the_first() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let output = home.run(&["daemon", "--camera", "demo", "--output", "none"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&format!("already running (pid {})", daemon.child.id())), "{}", text(&output));
}

#[test]
fn a_new_daemon_starts_after_a_killed_one() {
    let home = Home::new();
    home.start(&["--camera", "demo"]).kill();
    assert!(home.path("run/bgcam/control.sock").exists(), "this test needs a stale socket");
    home.start(&["--camera", "demo"]);
}

#[test]
fn settings_are_reloaded_and_invalid_ones_keep_the_previous() {
    let home = Home::new();
    home.write_config("[camera]\ndevice = \"demo\"\n");
    let mut daemon = home.start(&[]);
    daemon.wait_until("frames arrive", |status| status.counters.captured > 0);
    home.write_config("[camera]\ndevise = \"demo\"\n");
    let output = home.run(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("bgcam.toml:2: unknown setting \"devise\""), "{}", text(&output));
    assert!(text(&output).contains("did you mean \"device\"?"), "{}", text(&output));
    // a changed file is reloaded automatically; the camera is reopened, the virtual camera stays
    home.write_config("[camera]\ndevice = \"demo\"\ntimeout_ms = 3000\n");
    daemon.wait_until("the camera is reopened", |status| status.counters.camera_opens >= 2);
}

#[test]
fn a_lost_camera_and_an_unknown_model_are_reported_and_the_daemon_continues() {
    let home = Home::new();
    home.write_config(
        "[mask]\nmodel = \"mine\"\n[[mask.custom]]\nname = \"mine\"\nfile = \"/no-such-model.onnx\"\nlayout = \"nchw\"\n\
         width = 256\nheight = 144\nrange = \"0..1\"\noutput = \"alpha\"\n",
    );
    let mut daemon = home.start(&["--camera", "/dev/no-such-camera"]);
    let status = daemon.wait_until("both are reported, and a card is shown", |status| {
        // with ONNX Runtime installed, the built-in model replaces the invalid one
        let model = status.mask.quality_error.as_ref().or(status.mask.error.as_ref());
        status.camera.error.is_some() && model.is_some() && status.counters.written > 10
    });
    assert_eq!(status.counters.composed, 0);
    let output = home.run(&["status"]);
    assert!(text(&output).contains("/dev/no-such-camera"), "{}", text(&output));
    assert!(text(&output).contains("no-such-model"), "{}", text(&output));
}

#[test]
fn a_reload_with_a_failing_model_keeps_the_running_one() {
    let home = Home::new();
    home.write_config("[camera]\ndevice = \"demo\"\n");
    let mut daemon = home.start(&[]);
    if daemon
        .wait_until("the model is loaded or has failed", |status| {
            status.mask.model.is_some() || status.mask.error.is_some()
        })
        .mask
        .model
        .is_none()
    {
        eprintln!("skipped: no ONNX Runtime (scripts/setup installs it)");
        return;
    }
    fs::write(home.path("bad.onnx"), "no model at all").unwrap();
    for (mask, expected) in [
        ("model = \"landscap\"\n".to_owned(), "landscap"),
        (
            format!(
                "model = \"bad\"\n[[mask.custom]]\nname = \"bad\"\nfile = {:?}\nlayout = \"nchw\"\nwidth = 256\n\
                 height = 144\nrange = \"0..1\"\noutput = \"alpha\"\n",
                home.path("bad.onnx")
            ),
            "bad",
        ),
        (
            format!(
                "model = \"rvm\"\n[[mask.custom]]\nname = \"rvm\"\nfile = {:?}\nlayout = \"nchw\"\nwidth = 128\n\
                 height = 64\nrange = \"0..1\"\noutput = \"alpha\"\n",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/recurrent/like_rvm.onnx")
            ),
            "constants = { \"downsample_ratio\" = NUMBER }",
        ),
    ] {
        home.write_config(&format!("[camera]\ndevice = \"demo\"\n[mask]\n{mask}"));
        let output = home.expect(&["reload"], 1);
        assert!(output.contains(expected), "{output}");
    }
    let masks = daemon.wait_until("the daemon responds", |_| true).counters.masks;
    let status = daemon.wait_until("masks continue", |status| status.counters.masks > masks + 5);
    assert_eq!(status.mask.model.as_deref(), Some("landscape"));
}

#[test]
fn without_a_choice_the_background_follows_the_settings() {
    let home = Home::new();
    let config =
        |colour: &str| home.write_config(&format!("[camera]\ndevice = \"demo\"\n[background]\ndefault = {colour:?}\n"));
    config("teal");
    let mut daemon = home.start(&[]);
    assert!(home.run(&["mirror", "on"]).status.success());
    config("#102030");
    assert!(home.run(&["reload"]).status.success());
    daemon.wait_until("the new default is shown", |status| status.scene.label == "#102030" && status.scene.mirror);
    assert!(home.run(&["set-color", "red"]).status.success());
    config("teal");
    assert!(home.run(&["reload"]).status.success());
    daemon.wait_until("the chosen background stays", |status| status.scene.label == "#ff0000");
}

#[test]
fn a_reload_finds_a_camera_connected_later() {
    let home = Home::new();
    let room = home.path("room.png");
    let mut daemon = home.start(&["--camera", &format!("file:{}", room.display())]);
    daemon.wait_until("the missing camera is reported", |status| status.camera.error.is_some());
    write_png(&room, 64, 36, [9, 9, 9]);
    assert!(home.run(&["reload"]).status.success());
    daemon.wait_until("the camera is open", |status| status.camera.source.is_some());
}

#[test]
fn garbage_on_the_socket_is_harmless() {
    use std::{io::Write, os::unix::net::UnixStream};
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo"]);
    let socket = home.path("run/bgcam/control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // more clients than the limit; some send nothing, some send garbage
    let clients: Vec<UnixStream> = (0..40)
        .map(|number| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            if number % 2 == 0 {
                let _ = stream.write_all(&vec![b'x'; 100_000]);
            }
            stream
        })
        .collect();
    // silent clients time out, so that the user is served while they are still connected
    let before = daemon.wait_until("the daemon responds", |_| true).counters.written;
    daemon.wait_until("frames continue", |status| status.counters.written > before + 10);
    drop(clients);
}
