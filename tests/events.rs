//! `bgcam watch`: events as lines of JSON, until the daemon stops or the pipe is closed.
#![allow(clippy::unwrap_used)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::{Child, ChildStdout, ExitStatus, Stdio},
};

use serde_json::Value;
use support::Home;

/// A running `bgcam watch`.
struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(home: &Home) -> Self {
        let mut command = home.bgcam(&["watch"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut watch = Self { child, lines };
        let state = watch.next().expect("the whole state");
        assert_eq!(state["event"], "state");
        watch
    }

    /// The next event; `None` at the end.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(Some(&line).filter(|line| !line.is_empty())?).unwrap();
        assert!(event["time"].as_f64().is_some_and(|time| time > 1.7e9), "{event}");
        Some(event)
    }

    /// Reads until an event of this name.
    fn until(&mut self, name: &str) -> Value {
        let mut others = Vec::new();
        while let Some(event) = self.next() {
            if event["event"] == name {
                return event;
            }
            others.push(event);
        }
        panic!("no {name} among {others:#?}");
    }

    fn end(mut self) -> ExitStatus {
        drop(self.lines);
        self.child.wait().unwrap()
    }
}

#[test]
fn what_happens_is_reported_until_the_daemon_stops() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--size", "320x180", "--background", "#20a040"]);
    daemon.wait_until("the camera is open", |status| status.camera.source.is_some());
    let mut watch = Watch::start(&home);
    home.expect(&["set-color", "teal"], 0);
    assert_eq!(watch.until("background")["label"], "#008080");
    home.expect(&["pause", "--message", "Back at 3"], 0);
    assert_eq!(watch.until("paused")["message"], "Back at 3");
    watch.until("camera-closed");
    home.expect(&["resume"], 0);
    watch.until("resumed");
    assert_eq!(watch.until("camera-opened")["camera"], "demo");
    home.expect(&["set-none"], 0);
    assert_eq!(watch.until("room-visible")["reason"], "there is no background");
    home.expect(&["set-prompt", "beach", "--size", "320x180"], 0);
    let (mut hidden, mut finished) = (false, false);
    while !(hidden && finished) {
        let event = watch.next().unwrap();
        hidden |= event["event"] == "room-hidden";
        finished |= event["event"] == "generation-finished" && event["prompt"] == "beach";
    }
    home.expect(&["stop"], 0);
    watch.until("stopped");
    assert_eq!(watch.next(), None);
    assert_eq!(watch.end().code(), Some(0));
}

#[test]
fn a_failed_generation_is_reported() {
    let home = Home::new();
    let program = home.write_program("generate", "echo no credit left >&2; exit 1");
    let command = format!("[prompt]\nprovider = \"command\"\n[prompt.command]\nprogram = {program:?}\n");
    home.write_config(&command);
    let _daemon = home.start(&["--camera", "demo"]);
    let mut watch = Watch::start(&home);
    home.expect(&["set-prompt", "beach"], 1);
    let failed = watch.until("generation-failed");
    assert_eq!(failed["prompt"], "beach");
    assert!(failed["error"]["message"].as_str().unwrap().contains("no credit left"), "{failed}");
}

#[test]
fn a_missing_camera_that_returns_is_reported() {
    let home = Home::new();
    let room = home.path("room.png");
    let mut daemon = home.start(&["--camera", &format!("file:{}", room.display()), "--background", "none"]);
    daemon.wait_until("the missing camera is reported", |status| status.camera.error.is_some());
    let mut watch = Watch::start(&home);
    support::write_png(&room, 64, 36, [9, 9, 9]);
    home.expect(&["reload"], 0);
    assert_eq!(watch.until("camera-returned")["camera"], "room.png");
}

#[test]
fn a_closed_pipe_or_a_crash_ends_the_watch() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo", "--size", "320x180", "--background", "#20a040"]);
    // without waiting for an event
    assert_eq!(Watch::start(&home).end().code(), Some(0));
    let watch = Watch::start(&home);
    daemon.kill();
    let output = watch.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the daemon closed the connection"), "{output:?}");
    home.expect(&["watch"], 3);
}

#[test]
fn watchers_that_disconnect_or_do_not_read_are_harmless() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--size", "320x180", "--background", "#20a040"]);
    // almost as many as the daemon accepts
    let connect = |request: &str| -> Vec<UnixStream> {
        let connect = |_| {
            let mut stream = UnixStream::connect(home.path("run/bgcam/control.sock")).unwrap();
            let _ = stream.write_all(request.as_bytes()); // fails if the daemon refuses the connection
            stream
        };
        (0..30).map(connect).collect()
    };
    let is_served = |stream: &UnixStream| {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("{\"ok\":")
    };
    let silent = connect("\"watch-events\"\n");
    assert!(silent.iter().all(is_served));
    drop(silent);
    home.wait_for("the connections are free", || connect("\"status\"\n").iter().all(is_served));
    let silent = connect("\"watch-events\"\n");
    let before = daemon.wait_until("the daemon responds", |_| true).counters.written;
    daemon.wait_until("frames continue", |status| status.counters.written > before + 10);
    drop(silent);
}
