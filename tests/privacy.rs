//! The room is never shown by accident: a reader checks every frame completely while all kinds of faults occur, on
//! real drivers.
//!
//! The webcam shows only blue, and nothing else here is blue. `support/watcher.py` reports where it saw the room.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::fs;

use support::{Guest, Output};

/// `config CAMERA MODEL` makes the daemon load other settings, valid or not; `run` is a command that succeeds.
const HELPERS: &str = r##"
config() {
    # Replaced atomically: half a file would not set the background, and the default blurs the room.
    cat > $H/config/next << END
camera = { device = "$1" }
background = { default = "#20a040" }
[mask]
model = "$2"
[[mask.custom]]
name = "broken"
file = "$SHARE/broken"
layout = "nchw"
width = 256
height = 144
range = "0..1"
output = "alpha"
END
    mv $H/config/next $H/config/bgcam/bgcam.toml
    "$BGCAM" reload
}
# A command returns when the driver has the frame; 0.12.7 may give a new reader the frame before the last.
shown() { must until_ok 10 exceeds written $(($(field written) + 1)); }
run() { "$BGCAM" "$@" > /dev/null || fail "$*"; }
echo garbage > "$SHARE/broken"
paint_room
"##;

/// Runs a script, and checks that the room was seen in all phases whose names start with "off", and in no other.
fn the_room_never_leaks(version: &str, script: &str) {
    let testbed = testbed_or_skip!();
    let guest = Guest::new(&testbed).v4l2loopback(version);
    let image = guest.path("image.png");
    image::RgbImage::from_pixel(64, 36, image::Rgb([0, 100, 0])).save(image).unwrap();
    image::RgbImage::from_pixel(64, 36, image::Rgb([0, 0, 255])).save(guest.path("room.png")).unwrap();
    let output = guest.daemon(&format!("{HELPERS}\n{script}")).success();
    let (expected, leaks) = sightings(&output);
    assert!(leaks.is_empty(), "the room was seen:\n{}", leaks.join("\n"));
    assert!(expected >= 10, "the room was seen {expected} times while it should be visible: the reader does not work");
    eprintln!("{version}: {}", output.stdout.trim());
}

/// How often the room was seen when it should be, and the reports of the other times.
fn sightings(output: &Output) -> (usize, Vec<String>) {
    let report = fs::read_to_string(output.file("room")).unwrap();
    let (expected, leaks): (Vec<_>, Vec<_>) =
        report.lines().map(str::to_owned).partition(|line| line.starts_with("off"));
    (expected.len(), leaks)
}

fn from_one_start_to_the_next(version: &str) {
    the_room_never_leaks(
        version,
        r##"
        phase a reader waits for the first daemon
        watch
        config /dev/video0 landscape
        start; more live 10
        phase a reader comes back at once
        for again in 1 2 3; do open_reader; more live 3; done
        phase a reader comes when the camera is off
        close_reader; must until_ok 20 idle
        open_reader; more live 10
        phase another model
        must config /dev/video0 general; must until_ok 20 is model '"general"'; more frames 20
        phase a model that cannot run
        ! config /dev/video0 broken || fail "garbage was taken for a model"
        more frames 20
        phase the first model again
        must config /dev/video0 landscape; more frames 20
        phase killed
        kill_daemon; start; more live 5
        phase paused
        run pause; more frames 5
        phase resumed
        run resume; more live 10

        phase off
        run set-none; more room 10
        close_reader; run set-color '#20a040'
        shown
        phase a reader comes after the room was shown
        open_reader; more live 10
        phase off once more
        run set-none; more room 5
        close_reader; run pause
        shown
        phase a reader comes to a paused camera
        open_reader; more frames 5
        run set-color '#20a040'; run resume; more live 5
        seen frames
        "##,
    );
}

fn cameras_and_scenes(version: &str) {
    the_room_never_leaks(
        version,
        r##"
        config /dev/video0 landscape
        start; watch; more live 10
        phase another camera
        must config "file:$SHARE/room.png" landscape; must until_ok 20 camera_off; more live 10
        phase a camera that is not there
        if config /dev/video77 landscape; then fail "a camera that is not there was taken"; fi; more live 10
        phase the first camera again
        must config /dev/video0 landscape; must until_ok 20 camera_on; more live 5
        phase unplugged and plugged in
        "$TESTBED/tools/replug" 2; paint_room; more live 10
        phase scenes
        for colour in '#806020' '#20a040'; do run set-color $colour; more live 5; done
        run set-image "$SHARE/image.png"; more frames 10
        run set-prompt forest; more frames 10
        run mirror on; more frames 5
        phase a background that cannot be loaded
        ! "$BGCAM" set-image "$SHARE/broken" || fail "garbage was accepted as an image"
        more frames 5
        run set-color '#20a040'; more live 5
        phase off
        run set-none; more room 10
        seen frames
        "##,
    );
}

on_versions!(from_one_start_to_the_next: v0_12_7, v0_13_2, v0_15_4);
on_versions!(cameras_and_scenes: v0_15_4);
