//! `doctor` on this machine.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod home;

use home::Home;

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
