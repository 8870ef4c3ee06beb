//! Suspends of a whole machine with a USB webcam that is present afterwards, or gone.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{process::Command, time::Duration};

use support::Guest;

#[test]
fn after_a_suspend_only_new_pictures_are_shown() {
    let testbed = testbed_or_skip!();
    if !support::has_udev() {
        return;
    }
    let webcam = testbed.join("tools/uvc-webcam");
    if !(webcam.exists() && testbed.join("tools/suspend").exists()) {
        eprintln!("skipped: this testbed has no USB webcam or cannot be suspended");
        return;
    }
    let guest = Guest::new(&testbed).uvc("").timeout(Duration::from_secs(540));
    for colour in ["red", "blue"] {
        let made = Command::new(&webcam)
            .args(["prepare", &format!("color={colour}")])
            .arg(guest.path(colour))
            .env("UVC_FRAMES", "2")
            .status();
        assert!(made.unwrap().success());
    }
    let pictures = guest.path("red").display().to_string();
    let output = guest
        .env("UVC_PICTURES", pictures)
        .daemon(
            r#"
            start --camera auto --background off
            must python3 "$SUPPORT/suspends.py" 10
            must kill -0 $W
            must is camera_opens 11
            "#,
        )
        .success();
    eprintln!("{}", output.stdout.trim());
}
