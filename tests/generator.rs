//! `bgcam generator` with a double of sd-server: setup, a prompt, failures and removal, through the command line.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use sha2::{Digest, Sha256};
use support::{Home, text};

const CONFIG: &str = "# mine\n[output]\nsize = \"320x180\" # small\n[camera]\ndevice = \"demo\"\n";

fn double() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/sd_server.py")
}

fn weights() -> Vec<u8> {
    let header = br#"{"__metadata__": {"modelspec.title": "Tiny", "modelspec.license": "MIT"}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &[7; 3_000_000]].concat()
}

fn sum() -> String {
    Sha256::digest(weights()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Serves the weights to any number of connections, without telling their length, and returns their URL.
fn serve_weights() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/tiny.safetensors?download=true", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(stream.try_clone().unwrap());
            request.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            // a client that has seen enough hangs up
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&weights());
        }
    });
    url
}

fn is_running(pid: &str) -> bool {
    // a zombie has ended
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_generator_is_set_up_used_and_removed() {
    let home = Home::new();
    home.write_config(CONFIG);
    let settings = || fs::read_to_string(home.path("config/bgcam/bgcam.toml")).unwrap();
    let status = home.expect(&["generator"], 0);
    assert!(status.contains("not ready") && status.contains("bgcam generator setup"), "{status}");
    let daemon = home.start(&[]);

    let (url, server) = (serve_weights(), double());
    let server = server.to_str().unwrap();
    let line = ["generator", "setup", "--weights", &url, "--server", server, "--steps", "4", "--cfg-scale", "1.1"];
    let refused = home.expect(&line, 1);
    assert!(refused.contains("licence: MIT") && refused.contains("model: Tiny"), "{refused}");
    assert!(refused.contains("nothing was changed: not confirmed") && settings() == CONFIG, "{refused}");
    let wrong = "0".repeat(64);
    let failed = home.expect(&[&line[..], &["--yes", "--sha256", &wrong]].concat(), 1);
    assert!(failed.contains(&sum()) && settings() == CONFIG, "{failed}");
    home.expect(&[&line[..], &["--yes", "--sha256", &sum()]].concat(), 0);
    let file = home.path("data/bgcam/generator/tiny.safetensors");
    assert_eq!(fs::read(&file).unwrap(), weights());
    assert!(settings().starts_with(CONFIG) && settings().contains("cfg_scale = 1.1\n"), "{}", settings());
    home.expect(&["config", "check"], 0);
    let status = home.expect(&["generator"], 0);
    assert!(status.contains("ready, used for every prompt") && status.contains("(4 MB)"), "{status}");

    // the daemon follows the settings file
    home.wait_for("the new provider", || home.expect(&["config", "show"], 0).contains("provider = \"local\""));
    home.expect(&["reload"], 0);
    home.expect(&["set-prompt", "a quiet library"], 0);
    assert_eq!(daemon.status().scene.label, "a quiet library");
    let notes = fs::read_to_string(file.with_added_extension("server")).unwrap();
    let (pid, nice) = notes.trim().split_once(' ').unwrap();
    assert_eq!(nice, "19");
    let crash = home.expect(&["set-prompt", "crash"], 1);
    assert!(crash.contains("sd_server.py failed with exit status: 1: out of memory"), "{crash}");
    assert_eq!(daemon.status().scene.label, "a quiet library");
    home.wait_for("the end of the crashed server", || !is_running(pid));
    home.expect(&["set-prompt", "a garden"], 0);
    let notes = fs::read_to_string(file.with_added_extension("server")).unwrap();
    let pid = notes.split(' ').next().unwrap();
    assert!(is_running(pid));
    // even a daemon that is killed takes its server with it
    daemon.kill();
    home.wait_for("the end of the server", || !is_running(pid));

    let shown = home.expect(&["generator", "remove"], 1);
    assert!(shown.contains("tiny.safetensors (4 MB)") && file.exists(), "{shown}");
    home.expect(&["generator", "remove", "--yes"], 0);
    assert_eq!(settings(), CONFIG);
    assert!(!home.path("data/bgcam/generator").exists() && double().exists());
    assert!(home.expect(&["gallery"], 0).contains("a garden"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let home = Home::new();
    let (page, server) = (home.path("page.safetensors"), home.write_program("sd-cli", "echo usage: sd-cli"));
    fs::write(&page, "<!doctype html><title>Log in</title>").unwrap();
    let (page, server, double) = (page.to_str().unwrap(), server.to_str().unwrap(), double());
    let double = double.to_str().unwrap();
    for (arguments, expected) in [
        (&["--server", double][..], "no weights are given"),
        (&["--server", double, "--weights", page], "page.safetensors is a web page, expected the weights of a model"),
        (&["--server", double, "--weights", "/nowhere/model"], "no such file or directory"),
        (&["--server", double, "--weights", "http://example.org/model"], "expected an https:// URL"),
        (&["--server", double, "--weights", "https:///"], "is not a URL"),
        (&["--server", double, "--weights", page, "--sha256", "abc"], "expected 64 hexadecimal digits"),
        (&["--server", server, "--weights", page], "does not list --listen-port"),
        (&["--server", "/nowhere/sd-server", "--weights", page], "not an executable file"),
    ] {
        let output = home.expect(&[&["generator", "setup", "--yes"], arguments].concat(), 1);
        assert!(output.contains(expected) && output.contains("hint: "), "{arguments:?}: {output}");
    }
    assert!(!home.path("config").exists() && !home.path("data").exists());
}

#[test]
fn a_full_disk_is_reported() {
    let home = Home::new();
    let folder = home.path("data/bgcam/generator");
    fs::create_dir_all(&folder).unwrap();
    let (url, server) = (serve_weights(), double());
    let bgcam = home.bgcam(&["generator", "setup", "--yes", "--weights", &url, "--server", server.to_str().unwrap()]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs -o size=1m none \"$0\" || exit 99; \"$@\""]).arg(&folder);
    command.arg(bgcam.get_program()).args(bgcam.get_args());
    command.envs(bgcam.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Ok(output) = command.stdin(Stdio::null()).output() else {
        eprintln!("skipped: unshare is not installed");
        return;
    };
    if output.status.code() == Some(99) || text(&output).contains("unshare failed") {
        eprintln!("skipped: mounting needs root");
        return;
    }
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("disk space") && text.contains("run the same command again"), "{text}");
    assert!(!home.path("config").exists());
}
