//! `bgcam pause --freeze`: the last frame as a still, without the camera, and never the room unless the user was told.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use support::{Daemon, Home};

const FROZEN: &str = "frozen: other people see your last frame as a still";

/// Waits for new frames with a mask, or without one if the background needs none.
fn wait_for_frames(daemon: &mut Daemon<'_>) {
    let shown = |counters: &bgcam::stats::StatsSnapshot| counters.composed - counters.unmasked;
    let before = shown(&daemon.status().counters);
    daemon.wait_until("frames are composed", |status| shown(&status.counters) > before + 5);
}

#[test]
fn a_freeze_closes_the_camera_and_ends_with_resume() {
    let home = Home::new();
    if bgcam::mask::library(&bgcam::mask::Settings::default()).is_err() {
        eprintln!("skipped: no ONNX Runtime (scripts/setup installs it)");
        return;
    }
    let args = ["--camera", "demo", "--size", "320x180", "--quality", "eco", "--background", "#20a040"];
    let mut daemon = home.start(&args);
    wait_for_frames(&mut daemon);
    let reply = home.expect(&["pause", "--freeze"], 0);
    assert!(reply.contains(FROZEN) && !reply.contains("room"), "{reply}");
    let status = daemon.wait_until("the camera is closed", |status| status.camera.source.is_none());
    assert!(status.scene.paused && status.scene.frozen && !status.scene.room_visible, "{:?}", status.scene);
    let written = status.counters.written;
    daemon.wait_until("the still is written again", |status| status.counters.written > written + 3);
    assert!(home.expect(&["status"], 0).contains("frozen; on resume: #20a040"));
    assert_eq!(home.expect(&["status", "--short"], 0), "frozen\n");

    // the still does not show what is chosen in the meantime
    assert!(!home.expect(&["set-none"], 0).contains("room"));
    let scene = daemon.status().scene;
    assert!(scene.frozen && !scene.room_visible && scene.room_reason.is_some(), "{scene:?}");
    assert!(home.expect(&["resume"], 0).contains("resumed\nyour room is visible: there is no background"));
    assert!(!daemon.status().scene.frozen);
    daemon.kill();

    let mut daemon =
        home.start(&["--camera", "demo", "--size", "320x180", "--quality", "eco", "--background", "#20a040"]);
    wait_for_frames(&mut daemon);
    assert!(home.expect(&["pause", "--freeze"], 0).contains(FROZEN));
    daemon.kill();
    let daemon = home.start(&args);
    let scene = daemon.status().scene;
    assert!(scene.paused && !scene.frozen, "after a restart, there is no frame: {scene:?}");
}

#[test]
fn a_frozen_room_is_reported_until_it_is_gone() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--size", "320x180", "--background", "none"]);
    wait_for_frames(&mut daemon);
    let reply = home.expect(&["pause", "--freeze"], 0);
    assert!(reply.contains(&format!("{FROZEN}\nyour room is visible: there is no background")), "{reply}");
    // another background is not in the still
    home.expect(&["set-color", "teal"], 0);
    let scene = daemon.status().scene;
    assert!(scene.frozen && scene.room_visible, "{scene:?}");
    assert!(home.expect(&["status"], 0).contains("your room is visible: there is no background"));
    assert_eq!(home.expect(&["status", "--short"], 0), "frozen (your room is visible)\n");
    assert!(!home.expect(&["pause"], 0).contains("room"));
    let scene = daemon.status().scene;
    assert!(scene.paused && !scene.frozen && !scene.room_visible, "{scene:?}");
    let reply = home.expect(&["pause", "--freeze"], 0);
    assert!(reply.contains("card, because there is no frame to freeze"), "{reply}");
    assert!(!daemon.status().scene.frozen);
    home.expect(&["pause", "--freeze", "--message", "no"], 2);
}
