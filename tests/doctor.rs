//! `doctor` on this machine, and with `setup` in a virtual machine with the real kernel module.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod home;
mod support;

use std::fs;

use home::Home;
use support::{Guest, VERSIONS};

#[test]
fn text_and_json_agree() {
    let home = Home::new();
    let json = home.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let can_run = report["can_run"].as_bool().unwrap();
    assert_eq!(json.status.code(), Some(if can_run { 0 } else { 1 }));
    let text = home.run(&["doctor"]);
    assert_eq!(text.status.code(), json.status.code());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(!text.contains('\x1b'), "colours without a terminal: {text}");
    assert!(
        text.ends_with('\n')
            && text.lines().last().unwrap().starts_with(if can_run { "bgcam can" } else { "bgcam cannot" })
    );
    for finding in report["groups"].as_array().unwrap().iter().flat_map(|group| group["findings"].as_array().unwrap()) {
        // numbers such as the free disk space may have changed in between
        assert!(finding["check"].is_string() && finding["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(finding["fix"].is_null(), finding["level"] == "ok", "{finding}");
    }
}

#[test]
fn invalid_settings_keep_bgcam_from_running() {
    let home = Home::new();
    home.write_config("[output]\nfsp = 15\n");
    let text = home.expect(&["doctor"], 1);
    assert!(text.contains("unknown setting \"fsp\"") && text.contains("bgcam cannot run"), "{text}");
}

#[test]
fn a_running_daemon_is_queried() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let text = String::from_utf8(home.run(&["doctor"]).stdout).unwrap();
    assert!(text.contains(&format!("the daemon is running (pid {})", daemon.child.id())), "{text}");
}

/// As root on a fresh machine with the module installed: diagnosed, set up, healthy, and restored.
#[test]
fn a_machine_is_set_up_and_restored() {
    let testbed = testbed_or_skip!();
    let output = Guest::new(&testbed).v4l2loopback(VERSIONS[3]).no_loopback().daemon(
        r#"
        rm -f /etc/modprobe.d/bgcam.conf /etc/modules-load.d/bgcam.conf
        "$BGCAM" doctor > "$SHARE/before"; echo "before $?"
        must "$BGCAM" setup --yes > "$SHARE/plan" 2>&1
        ls /etc/modprobe.d/bgcam.conf /etc/modules-load.d/bgcam.conf
        must "$BGCAM" doctor > "$SHARE/after"
        must "$BGCAM" setup --yes > "$SHARE/again" 2>&1
        start --camera demo --output v4l2
        must "$BGCAM" doctor > "$SHARE/running"
        must "$BGCAM" stop
        echo mine >> /etc/modules-load.d/bgcam.conf
        must "$BGCAM" setup --remove --yes > "$SHARE/removed" 2>&1
        ls /etc/modprobe.d/bgcam.conf /etc/modules-load.d/bgcam.conf /sys/module/v4l2loopback
        true
        "#,
    );
    let output = output.success();
    let text = |name: &str| fs::read_to_string(output.file(name)).unwrap();
    assert!(
        output.stdout.starts_with("before 1\n/etc/modprobe.d/bgcam.conf\n/etc/modules-load.d/bgcam.conf\n"),
        "{}",
        output.stdout
    );
    assert!(
        text("before").contains("v4l2loopback is installed, but not loaded") && text("before").contains("bgcam setup")
    );
    assert!(text("plan").contains("modprobe v4l2loopback"), "{}", text("plan"));
    let after = text("after");
    for line in [
        "ok    vivid found (/dev/video0)",
        "ok    the kernel module v4l2loopback 0.15.4 is loaded",
        "ok    apps show it as \"Virtual Background Cam\" (/dev/video10)",
        "ok    visible in browsers",
        "ok    enough buffers for slow apps (max_buffers=4)",
        "ok    the virtual camera will survive a reboot",
    ] {
        assert!(after.contains(line), "no {line:?} in\n{after}");
    }
    assert!(text("again").contains("nothing to change"), "{}", text("again"));
    assert!(text("running").contains("ok    in use by bgcam"), "{}", text("running"));
    let left: Vec<_> = output.stdout.lines().skip(3).collect();
    assert_eq!(left, ["/etc/modules-load.d/bgcam.conf"], "edited files are kept, all others removed");
    assert!(text("removed").contains("/etc/modules-load.d/bgcam.conf is kept"), "{}", text("removed"));
}

/// Changes that cannot be shown are not made. After a kill in the middle of a step, setup can be undone or continued.
#[test]
fn a_killed_setup_is_undone_and_continued() {
    let testbed = testbed_or_skip!();
    let output = Guest::new(&testbed).v4l2loopback(VERSIONS[3]).no_loopback().daemon(
        r#"
        rm -f /etc/modprobe.d/bgcam.conf /etc/modules-load.d/bgcam.conf
        left() { ls -A /etc/modprobe.d /etc/modules-load.d | grep bgcam; ls -d /sys/module/v4l2loopback; }
        "$BGCAM" setup --yes > /dev/full 2> "$SHARE/unshown"; echo "unshown $?"
        left 2> /dev/null
        # loads the module and kills the calling process
        mkdir /tmp/killer
        printf '#!/bin/sh\n%s "$@"\nkill -9 $PPID\n' "$(command -v modprobe)" > /tmp/killer/modprobe
        chmod +x /tmp/killer/modprobe
        PATH=/tmp/killer:$PATH "$BGCAM" setup --yes > "$SHARE/killed" 2>&1; echo "killed $?"
        must "$BGCAM" setup --remove --yes > "$SHARE/removed" 2>&1
        left 2> /dev/null; echo undone
        PATH=/tmp/killer:$PATH "$BGCAM" setup --yes > /dev/null 2>&1; echo "killed $?"
        must "$BGCAM" setup --yes > "$SHARE/continued" 2>&1
        must "$BGCAM" setup --remove --yes > /dev/null 2>&1
        left 2> /dev/null; echo undone
        "#,
    );
    let output = output.success();
    assert_eq!(output.stdout, "unshown 1\nkilled 137\nundone\nkilled 137\nundone\n");
    let text = |name: &str| fs::read_to_string(output.file(name)).unwrap();
    assert!(text("unshown").contains("nothing was changed: cannot print"), "{}", text("unshown"));
    assert!(text("removed").contains("modprobe -r v4l2loopback"), "{}", text("removed"));
    assert!(!text("continued").contains("write /etc/"), "{}", text("continued"));
}
