//! `doctor` on this machine, and with `setup` in a guest on the real module.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod home;
mod support;

use std::fs;

use home::Home;
use support::{Guest, VERSIONS};

#[test]
fn it_says_the_same_to_people_and_to_programs() {
    let home = Home::new();
    let json = home.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let can_run = report["can_run"].as_bool().unwrap();
    assert_eq!(json.status.code(), Some(if can_run { 0 } else { 1 }));
    let text = home.run(&["doctor"]);
    assert_eq!(text.status.code(), json.status.code());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(!text.contains('\x1b'), "colours for nobody: {text}");
    assert!(
        text.ends_with('\n')
            && text.lines().last().unwrap().starts_with(if can_run { "bgcam can" } else { "bgcam cannot" })
    );
    for finding in report["groups"].as_array().unwrap().iter().flat_map(|group| group["findings"].as_array().unwrap()) {
        // numbers such as the room on the disk may have changed in between
        assert!(finding["check"].is_string() && finding["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(finding["mend"].is_null(), finding["level"] == "ok", "{finding}");
    }
}

#[test]
fn bad_settings_are_why_it_cannot_run() {
    let home = Home::new();
    home.write_config("[output]\nfsp = 15\n");
    let said = home.expect(&["doctor"], 1);
    assert!(said.contains("unknown setting \"fsp\"") && said.contains("bgcam cannot run"), "{said}");
}

#[test]
fn a_running_daemon_is_asked() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let said = String::from_utf8(home.run(&["doctor"]).stdout).unwrap();
    assert!(said.contains(&format!("the daemon answers (pid {})", daemon.child.id())), "{said}");
}

/// Root of a fresh machine with the module installed: told what is wrong, set up, well, and as before.
#[test]
fn a_machine_is_set_up_and_put_back_as_it_was() {
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
    let said = |name: &str| fs::read_to_string(output.file(name)).unwrap();
    assert!(
        output.stdout.starts_with("before 1\n/etc/modprobe.d/bgcam.conf\n/etc/modules-load.d/bgcam.conf\n"),
        "{}",
        output.stdout
    );
    assert!(
        said("before").contains("v4l2loopback is installed, but not loaded") && said("before").contains("bgcam setup")
    );
    assert!(said("plan").contains("modprobe v4l2loopback"), "{}", said("plan"));
    let after = said("after");
    for line in [
        "ok    vivid is there (/dev/video0)",
        "ok    the kernel module v4l2loopback 0.15.4 is loaded",
        "ok    apps see it as \"Virtual Background Cam\" (/dev/video10)",
        "ok    browsers list it",
        "ok    slow apps see whole pictures (max_buffers=4)",
        "ok    it is there again after a restart",
    ] {
        assert!(after.contains(line), "no {line:?} in\n{after}");
    }
    assert!(said("again").contains("nothing to change"), "{}", said("again"));
    assert!(said("running").contains("ok    bgcam feeds it now"), "{}", said("running"));
    let left: Vec<_> = output.stdout.lines().skip(3).collect();
    assert_eq!(left, ["/etc/modules-load.d/bgcam.conf"], "what was changed is kept, all else is gone");
    assert!(said("removed").contains("/etc/modules-load.d/bgcam.conf is kept"), "{}", said("removed"));
}

/// Nothing is changed that could not be shown; and after a real kill in the middle of a step, what was begun is undone or
/// continued.
#[test]
fn a_setup_that_is_killed_is_undone_and_continued() {
    let testbed = testbed_or_skip!();
    let output = Guest::new(&testbed).v4l2loopback(VERSIONS[3]).no_loopback().daemon(
        r#"
        rm -f /etc/modprobe.d/bgcam.conf /etc/modules-load.d/bgcam.conf
        left() { ls -A /etc/modprobe.d /etc/modules-load.d | grep bgcam; ls -d /sys/module/v4l2loopback; }
        "$BGCAM" setup --yes > /dev/full 2> "$SHARE/unshown"; echo "unshown $?"
        left 2> /dev/null
        # it loads the module, and kills whoever called it
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
    let said = |name: &str| fs::read_to_string(output.file(name)).unwrap();
    assert!(said("unshown").contains("nothing was changed: cannot print"), "{}", said("unshown"));
    assert!(said("removed").contains("modprobe -r v4l2loopback"), "{}", said("removed"));
    assert!(!said("continued").contains("write /etc/"), "{}", said("continued"));
}
