//! docs/protocol.md is true: every example gets the documented reply from a running daemon, every request and event is
//! documented, and every request has a command.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
};

use bgcam::{
    cli::args::Cli,
    control::{event::EventKind, protocol::Request},
};
use clap::Parser;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::{Home, text};

const DOCUMENT: &str = include_str!("../docs/protocol.md");

/// The fenced blocks in this language.
fn blocks(language: &str) -> Vec<String> {
    let mut parts = DOCUMENT.split("```").skip(1).step_by(2);
    let fence = format!("{language}\n");
    parts.by_ref().filter_map(|block| block.strip_prefix(&fence).map(str::to_owned)).collect()
}

/// The names of an enum's variants, from the error for an unknown one.
fn names<T: DeserializeOwned>(unknown: Value) -> Vec<String> {
    let error = serde_json::from_value::<T>(unknown).err().unwrap().to_string();
    let expected = error.split_once("expected one of ").unwrap().1;
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn name(request: &Value) -> &str {
    request.as_str().unwrap_or_else(|| request.as_object().unwrap().keys().next().unwrap())
}

/// Whether a reply is as documented: it has at least the documented fields, with the same values, or with values of the
/// same type where the value is `"…"` or differs from daemon to daemon.
fn is_as_documented(found: &Value, documented: &Value) -> bool {
    match (found, documented) {
        (Value::Object(found), Value::Object(documented)) => {
            documented.iter().all(|(name, value)| found.get(name).is_some_and(|found| is_as_documented(found, value)))
        }
        (Value::Array(found), Value::Array(documented)) => {
            found.len() == documented.len()
                && found.iter().zip(documented).all(|(found, documented)| is_as_documented(found, documented))
        }
        (Value::String(_), Value::String(documented)) if documented == "…" => true,
        (Value::Number(_), Value::Number(_)) => true,
        _ => found == documented,
    }
}

#[test]
fn every_example_gets_the_documented_reply() {
    let home = Home::new();
    let mut daemon =
        home.start(&["--camera", "demo", "--size", "320x180", "--quality", "eco", "--background", "#20a040"]);
    daemon.wait_until("frames are composed", |status| status.counters.composed > 5);
    let examples = blocks("json");
    assert!(examples.len() > 20, "{} examples", examples.len());
    for example in examples {
        let mut stream = UnixStream::connect(home.path("run/bgcam/control.sock")).unwrap();
        let mut replies = BufReader::new(stream.try_clone().unwrap());
        let mut lines = example.lines();
        stream.write_all(format!("{}\n", lines.next().unwrap()).as_bytes()).unwrap();
        for documented in lines {
            let documented: Value = serde_json::from_str(documented).unwrap();
            let found = loop {
                let mut line = String::new();
                replies.read_line(&mut line).unwrap();
                let found: Value = serde_json::from_str(&line).unwrap();
                if found["ok"]["progress"].is_null() {
                    break found;
                }
            };
            assert!(is_as_documented(&found, &documented), "{example}\n{found:#}");
        }
    }
    assert!(daemon.wait_for_end().success(), "the last example stops it");
}

#[test]
fn the_programs_in_the_document_work() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--size", "320x180", "--background", "#20a040"]);
    let run = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        let command = command.args(args).env("XDG_RUNTIME_DIR", home.path("run")).stdin(Stdio::null());
        command.output().ok()
    };
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let tool = line.split(['|', ' ']).find(|word| ["socat", "nc", "python3"].contains(word)).unwrap();
        let is_installed = |tool: &str| run("sh", &["-c", &format!("command -v {tool}")]).unwrap().status.success();
        if !is_installed(tool) || line.contains("jq") && !is_installed("jq") {
            eprintln!("skipped: {tool} or jq is not installed");
            continue;
        }
        let output = run("bash", &["-o", "pipefail", "-c", line]).unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output));
        let expected = if tool == "socat" { "#20a040\n" } else { "{\"ok\":{\"done\":" };
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(expected), "{line}: {}", text(&output));
    }
    for program in blocks("python") {
        let Some(output) = run("python3", &["-c", &program]) else {
            eprintln!("skipped: python3 is not installed");
            continue;
        };
        assert!(output.status.success(), "{}", text(&output));
        let printed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[..3], ["background: #008080", "#008080", "state"]);
        assert_eq!(lines.last(), Some(&"paused"));
    }
    assert!(!daemon.wait_until("the daemon responds", |_| true).scene.paused);
}

#[test]
fn every_request_and_event_is_documented() {
    let examples = blocks("json");
    let requests: Vec<Value> =
        examples.iter().map(|example| serde_json::from_str(example.lines().next().unwrap()).unwrap()).collect();
    for wanted in names::<Request>(json!("explode")) {
        assert!(requests.iter().any(|request| name(request) == wanted), "docs/protocol.md has no example of {wanted}");
    }
    for wanted in names::<EventKind>(json!({"event": "explode"})) {
        assert!(DOCUMENT.contains(&format!("`{wanted}`")), "docs/protocol.md does not explain the event {wanted}");
    }
}

/// A command for each request.
const COMMANDS: &[(&str, &str)] = &[
    ("status", "status --json"),
    ("watch", "status --watch"),
    ("watch-events", "watch"),
    ("follow", "tray"),
    ("recent", "previous"),
    ("set-background", "set-image beach.jpg"),
    ("set-prompt", "set-prompt beach"),
    ("prompt-cost", "set-prompt beach --cost"),
    ("cancel-prompt", "set-prompt --cancel"),
    ("undo-edit", "set-prompt --undo"),
    ("redo-edit", "set-prompt --redo"),
    ("pause", "pause"),
    ("pause-with-message", "pause --message hello"),
    ("freeze", "pause --freeze"),
    ("resume", "resume"),
    ("toggle", "toggle blur"),
    ("show-recent", "previous"),
    ("mirror", "mirror on"),
    ("set-look", "look zoom=120"),
    ("reset-look", "look --reset"),
    ("set-quality", "set-quality eco"),
    ("set-camera", "set-camera demo"),
    ("save-preset", "preset save work"),
    ("use-preset", "preset use work"),
    ("remove-preset", "preset remove work"),
    ("list-presets", "preset list"),
    ("open-page", "preview"),
    ("reload", "reload"),
    ("stop", "stop"),
];

/// A command for each endpoint of the control page that is not a request.
const ENDPOINTS: &[(&str, &str)] = &[
    ("/live/{view}", "daemon --snapshot now.png"),
    ("/api/events", "status --watch"),
    ("/api/look", "look --json"),
    ("/api/devices", "devices --json"),
    ("/api/providers", "providers --json"),
    ("/api/doctor", "doctor --json"),
    ("/api/session", "preview"),
    ("/api/styles", "set-prompt beach --style photo"),
    ("/api/gallery", "gallery list --json"),
    ("/api/gallery/{id}", "gallery remove beach"),
    ("/api/gallery/{id}/thumb", "gallery export beach ."),
    ("/api/gallery/{id}/use", "gallery use beach"),
    ("/api/gallery/{id}/favourite", "gallery favourite beach"),
    ("/api/upload/{name}", "gallery import beach.jpg"),
    // the page keeps copies of what it uploads; commands use the files where they are
    ("/api/files", "set-video waves.mp4"),
    ("/api/files/{name}", "set-video waves.mp4"),
    ("/api/files/background/{name}", "set-video waves.mp4"),
    ("/api/files/overlay/{name}", "set-overlay logo.png"),
];

#[test]
fn whatever_the_page_can_do_a_command_can() {
    let find = |table: &[(&str, &'static str)], name: &str| {
        let found = table.iter().find(|(known, _)| *known == name);
        found.map(|(_, command)| *command).unwrap_or_else(|| panic!("no command for {name}"))
    };
    let mut commands: Vec<&str> = names::<Request>(json!("explode")).iter().map(|name| find(COMMANDS, name)).collect();
    let routes = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/mod.rs")).unwrap();
    let routes = routes.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let is_endpoint = |route: &&str| route.starts_with("/api/") || route.starts_with("/live/");
    let endpoints: Vec<&str> = routes.filter(is_endpoint).filter(|route| *route != "/api/request").collect();
    assert!(endpoints.len() > 10, "{endpoints:?}");
    commands.extend(endpoints.iter().map(|route| find(ENDPOINTS, route)));
    for command in commands {
        let words = std::iter::once("bgcam").chain(command.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("bgcam {command}: {error}");
        }
    }
}
