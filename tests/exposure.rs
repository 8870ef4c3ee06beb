//! Data that must not leak: memory in core dumps, API keys to other programs, recordings to other users.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::ExitStatusExt,
    },
    path::Path,
    process::Command,
};

use support::{Home, text, write_png};

#[test]
fn a_daemon_leaves_no_core_dump() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let proc = format!("/proc/{}", daemon.child.id());
    let limits = fs::read_to_string(format!("{proc}/limits")).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{cores}");
    // files of a process that is not dumpable belong to root
    assert_eq!(fs::metadata(format!("{proc}/environ")).unwrap().uid(), 0);
    Command::new("kill").args(["-ABRT", &daemon.child.id().to_string()]).status().unwrap();
    let status = daemon.wait_for_end();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}

#[test]
fn the_service_leaves_no_core_dump_before_the_program_runs_either() {
    let unit = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/bgcam.service")).unwrap();
    assert!(unit.lines().any(|line| line == "LimitCORE=0"), "{unit}");
}

/// ONNX Runtime would report each start to its makers and store a device id, except where it detects a CI machine.
#[test]
fn onnx_runtime_reports_and_stores_nothing() {
    let library = match bgcam::mask::library(&bgcam::mask::Settings::default()) {
        Ok(library) => library,
        Err(error) => return eprintln!("skipped: {error} (scripts/setup installs it)"),
    };
    let home = Home::new();
    let user = home.path("user");
    fs::create_dir(&user).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bgcam"))
        .args(["bench", "--frames", "10", "--quality", "eco"])
        .env_clear()
        .envs([("HOME", &user), ("BGCAM_ONNXRUNTIME", &library)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let stored: Vec<_> = fs::read_dir(&user).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(stored.is_empty(), "{stored:?}");
}

/// Variables that no other program may see.
const SECRETS: [&str; 6] = [
    "OPENAI_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "BGCAM_PROMPT_OPENAI_KEY_FILE",
    "GITHUB_TOKEN",
    "NOTIFY_SOCKET_OF_A_TEST",
    "SOMETHING_ELSE",
];

fn write_program(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn assert_clean(dump: &Path, what: &str) {
    let environment = fs::read_to_string(dump).unwrap_or_default();
    assert!(environment.contains("\nPATH=") || environment.starts_with("PATH="), "{what} was not run: {environment}");
    assert!(!environment.contains("canary"), "{what} saw {environment}");
}

#[test]
fn child_processes_see_no_api_keys() {
    let home = Home::new();
    let bin = home.path("bin");
    fs::create_dir(&bin).unwrap();
    let dump = home.path("dump");
    for name in ["ffmpeg", "ffprobe"] {
        write_program(&bin.join(name), &format!("env >> {}; exit 1", dump.display()));
    }
    let input = home.path("in.png");
    write_png(&input, 64, 36, [90; 3]);
    fs::write(home.path("clip.mp4"), b"\0\0\0\x1cftypisom\0\0\0\0").unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = |args: &[&str]| {
        let _ = fs::remove_file(&dump);
        let mut command = home.bgcam(args);
        command.env("PATH", &path);
        for name in SECRETS {
            command.env(name, "canary");
        }
        text(&command.output().unwrap())
    };
    let (input, clip, out) = (input.display().to_string(), home.path("clip.mp4"), home.path("out.png"));
    let clip = clip.display().to_string();
    run(&["render", &input, out.to_str().unwrap(), "--background", &clip]);
    assert_clean(&dump, "ffprobe of a background");
    run(&["render", &clip, out.to_str().unwrap(), "--background", "off"]);
    assert_clean(&dump, "ffprobe of a camera");
    run(&["render", &input, home.path("out.mp4").to_str().unwrap(), "--background", "off"]);
    assert_clean(&dump, "ffmpeg of a recording");
    // ffprobe must accept the file before ffmpeg starts
    write_program(&bin.join("ffprobe"), "echo '{\"streams\":[{\"codec_type\":\"video\"}]}'");
    run(&["render", &input, out.to_str().unwrap(), "--background", &clip]);
    assert_clean(&dump, "ffmpeg of a background");
}

#[test]
fn an_image_generator_sees_only_the_variables_passed_to_it() {
    let home = Home::new();
    let (generator, image, dump) = (home.path("generator"), home.path("image.png"), home.path("dump"));
    write_png(&image, 160, 90, [10, 20, 30]);
    write_program(&generator, &format!("env > {}; cat {}", dump.display(), image.display()));
    home.write_config(&format!("[prompt.command]\nprogram = {generator:?}\nenv = [\"MY_OWN_TOKEN\", \"NOT_SET\"]\n"));
    let mut command = home.bgcam(&["daemon", "--output", "none", "--camera", "demo", "--background", "#20a040"]);
    for name in SECRETS {
        if !name.starts_with("BGCAM_") {
            command.env(name, "canary");
        }
    }
    let mut child = command.env("MY_OWN_TOKEN", "given").spawn().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while home.client().is_none() && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    let output = home.run(&["set-prompt", "a beach", "--provider", "command"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_clean(&dump, "the program");
    let environment = fs::read_to_string(&dump).unwrap();
    for line in ["MY_OWN_TOKEN=given", "BGCAM_PROMPT="] {
        assert!(environment.contains(line), "{line}: {environment}");
    }
    assert!(!environment.contains("NOT_SET"));
}

#[test]
fn a_restart_keeps_the_recording_of_the_call() {
    let home = Home::new();
    let path = home.path("call.y4m");
    let mut names = Vec::new();
    for _ in 0..2 {
        let output = format!("y4m:{}", path.display());
        let mut daemon =
            home.start(&["--camera", "demo", "--background", "#20a040", "--size", "320x180", "--output", &output]);
        let status = daemon.wait_until("frames are recorded", |status| {
            status.outputs.iter().any(|output| output.name.ends_with(".y4m") && output.written > 3)
        });
        names.extend(status.outputs.iter().map(|output| output.name.clone()).filter(|name| name != "none"));
        daemon.kill();
    }
    let second = home.path("call-2.y4m");
    assert_eq!(names, [path.display().to_string(), second.display().to_string()], "the status names the file");
    for path in [path, second] {
        let meta = fs::metadata(&path).unwrap();
        assert!(meta.len() > 0 && meta.permissions().mode() & 0o777 == 0o600, "{}: {meta:?}", path.display());
    }
}
