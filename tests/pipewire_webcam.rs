//! The size and rate of a webcam that PipeWire offers, in a guest.
#![cfg(feature = "pipewire")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{path::Path, time::Duration};

use support::Guest;

/// Vivid lists its smallest size and 1 frame per second first, which PipeWire takes without a narrower request.
#[test]
fn the_best_size_and_rate_are_negotiated() {
    let testbed = testbed_or_skip!();
    if !support::has_udev() {
        return;
    }
    if !Path::new("/usr/bin/wireplumber").exists() {
        eprintln!("skipped: no WirePlumber (scripts/setup --tests installs it)");
        return;
    }
    let guest = Guest::new(&testbed).udev().timeout(Duration::from_secs(240));
    let output = guest
        .env("BGCAM_CAMERA_ALWAYS_ON", "true")
        .daemon(
            r#"
            pipewire_session
            must until_ok 60 node v4l2_input
            native() { "$BGCAM" status --json | tr -d ' \n' | sed -n 's/.*"native":\[\([0-9]*\),\([0-9]*\)\],"fps":\([0-9.]*\).*/\1x\2 at \3/p'; }
            for request in 1280x720:30 1280x720:24 600x340:30 640x360:60; do
                export BGCAM_OUTPUT_FPS=${request#*:} BGCAM_OUTPUT_SIZE=${request%:*}
                start --camera "pipewire:$(node v4l2_input)" --background none
                must until_ok 60 exceeds composed 3
                echo "$request: $(native)"
                must "$BGCAM" stop
                wait $W
            done
            "#,
        )
        .success();
    for line in [
        "1280x720:30: 1280x720 at 30.0",
        "1280x720:24: 1280x720 at 25.0",
        "600x340:30: 640x360 at 30.0",
        "640x360:60: 640x360 at 60.0",
    ] {
        assert!(output.stdout.lines().any(|found| found == line), "{line} is not in:\n{}", output.stdout);
    }
    eprintln!("{}", output.stdout.trim());
}
