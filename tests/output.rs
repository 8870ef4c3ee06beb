//! Every command with an output that is closed, full, or without a reader: none panics or reports success.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    fs::{File, OpenOptions},
    io,
    process::{Command, Output, Stdio},
};

use bgcam::cli::args::Cli;
use clap::CommandFactory;
use support::{Home, text};

/// Arguments of the commands that require some, or take too long without; other commands run without arguments.
const ARGUMENTS: &[(&str, &[&str])] = &[
    ("set-prompt", &["beach --size 320x180", "--edit snow", "--undo", "--redo", "--cancel"]),
    ("gallery list", &["", "--json"]),
    ("gallery use", &["none"]),
    ("gallery show", &["none", "none --json"]),
    ("gallery remove", &["none"]),
    ("gallery favourite", &["none"]),
    ("gallery export", &["none /none"]),
    ("gallery import", &["/none.png"]),
    ("providers", &["", "--json", "--test none"]),
    ("generator setup", &["--weights /none", "--server /none --weights /none"]),
    ("generator status", &["", "--json"]),
    ("generator remove", &["", "--yes"]),
    ("set-image", &["/none.png"]),
    ("set-video", &["/none.mp4"]),
    ("set-slideshow", &["/none"]),
    ("set-color", &["teal", "none-such"]),
    ("mirror", &["on"]),
    ("pause", &["", "--message hello", "--freeze"]),
    ("toggle", &["mirror"]),
    ("look", &["", "--json", "zoom=120", "zoom", "--reset"]),
    ("set-overlay", &["none", "/none.png"]),
    ("preset save", &["work"]),
    ("preset use", &["none-such"]),
    ("preset list", &["", "--json"]),
    ("preset remove", &["none-such"]),
    ("status", &["", "--json", "--short", "--waybar"]),
    ("preview", &["--print"]),
    ("set-camera", &["demo"]),
    ("set-quality", &["eco"]),
    ("devices", &["", "--formats", "--json"]),
    ("devices add", &["a-label-that-is-longer-than-the-driver-has-room-for"]),
    ("devices remove", &["/dev/null"]),
    ("models", &["--no-speed", "--no-speed --json"]),
    ("doctor", &["", "--json"]),
    ("setup", &["--dry-run --no-service", "--remove --no-service"]),
    ("config check", &["", "/none.toml"]),
    ("render", &["/none.png /none.jpg"]),
    ("bench", &["--frames 10 --size 64x64 --quality eco"]),
    ("completions", &["bash", "zsh", "fish"]),
    ("man", &[""]),
];

/// All command lines: every command, the help of every command, and unknown commands.
fn lines() -> Vec<String> {
    fn walk(command: &clap::Command, above: &str, lines: &mut Vec<String>) {
        for subcommand in command.get_subcommands() {
            let line = format!("{above}{}", subcommand.get_name());
            walk(subcommand, &format!("{line} "), lines);
            let known = ARGUMENTS.iter().find(|(known, _)| *known == line);
            match known {
                Some((_, arguments)) => lines.extend(arguments.iter().map(|words| format!("{line} {words}"))),
                // would stop the daemon that the other commands need
                None if line == "stop" => {}
                // ends with the daemon
                None if line == "watch" => {}
                None => lines.push(line.clone()),
            }
            lines.push(format!("{line} --help"));
        }
    }
    let mut lines = ["", "--version", "--help", "help", "help daemon", "no-such-command", "status --no-such-flag"]
        .map(str::to_owned)
        .to_vec();
    walk(&Cli::command(), "", &mut lines);
    lines
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// A pipe whose reader is closed.
fn unread() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// The same command with that descriptor closed.
fn closed(command: &Command, descriptor: u32) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec \"$@\" {descriptor}>&-"), "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    shell
}

/// The exit status of a command that neither panicked nor was killed.
fn status(line: &str, how: &str, output: &Output) -> i32 {
    let printed = text(output);
    let code = output.status.code();
    assert!(
        code.is_some_and(|code| code <= 3) && !printed.contains("panicked"),
        "`bgcam {line}` {how}: {code:?}\n{printed}"
    );
    code.unwrap()
}

#[test]
fn no_command_panics_if_its_output_fails() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo"]);
    let lines = lines();
    assert!(lines.len() > 80, "{} commands", lines.len());
    for line in &lines {
        let command = || home.bgcam(&words(line));
        let usual = command().output().unwrap();
        let expected = status(line, "as usual", &usual);
        status(line, "without stdout", &closed(&command(), 1).output().unwrap());
        status(line, "without stderr", &closed(&command(), 2).output().unwrap());
        status(line, "with an unread stdout", &command().stdout(unread()).output().unwrap());
        status(line, "with an unread stderr", &command().stderr(unread()).output().unwrap());
        status(line, "with a full stderr", &command().stderr(full()).output().unwrap());
        let cut = command().stdout(full()).output().unwrap();
        let found = status(line, "with a full stdout", &cut);
        if expected == 0 && !usual.stdout.is_empty() {
            assert!(
                found == 1 && text(&cut).contains("cannot write the output: "),
                "`bgcam {line}`: {found}\n{}",
                text(&cut)
            );
        }
    }
    daemon.wait_until("it works as before", |_| true);
}

#[test]
fn watching_ends_when_the_pipe_is_closed() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    for line in ["status --watch", "status --watch --json", "watch"] {
        let unread = home.bgcam(&words(line)).stdout(unread()).output().unwrap();
        assert_eq!(status(line, "with an unread stdout", &unread), 0);
        let full = home.bgcam(&words(line)).stdout(full()).output().unwrap();
        assert_eq!(status(line, "with a full stdout", &full), 1);
    }
}

#[test]
fn an_unprintable_message_is_not_a_failure() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    for line in ["set-blur 30", "pause", "resume", "reload", "config check", "setup --dry-run --no-service"] {
        for stderr in [unread(), full().into()] {
            let output = home.bgcam(&words(line)).stderr(stderr).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{line}");
        }
    }
}

#[test]
fn the_daemon_survives_a_closed_log() {
    let home = Home::new();
    let mut command = home.bgcam(&["daemon", "--output", "none", "--camera", "demo"]);
    let child = command.env("BGCAM_LOG", "no-such-level").stdout(unread()).stderr(unread()).spawn().unwrap();
    let mut daemon = home.watch(child);
    daemon.wait_until("the daemon answers", |_| true);
    home.expect(&["reload"], 0);
    home.expect(&["set-color", "teal"], 0);
    daemon.wait_until("it shows the colour", |status| status.scene.label.contains("#008080"));
    home.expect(&["stop"], 0);
    assert!(daemon.wait_for_end().success());
}
