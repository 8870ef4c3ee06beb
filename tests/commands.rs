//! Commands that need no daemon: render, bench, models, devices, config, completions, man.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::fs;

use bgcam::mask;
use support::{Home, write_gif, write_png};

fn has_runtime() -> bool {
    let found = mask::library(&mask::Settings::default());
    if let Err(error) = &found {
        eprintln!("skipped: {error} (scripts/setup installs it)");
    }
    found.is_ok()
}

/// A short Y4M clip of a grey room.
fn write_clip(path: &std::path::Path, width: usize, height: usize, frames: usize) {
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg\n").into_bytes();
    for _ in 0..frames {
        bytes.extend(b"FRAME\n");
        bytes.extend(vec![90; width * height]);
        bytes.extend(vec![128; 2 * width.div_ceil(2) * height.div_ceil(2)]);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_image_is_rendered_at_its_own_size_with_its_mask() {
    if !has_runtime() {
        return;
    }
    let home = Home::new();
    let path = |name: &str| home.path(name).display().to_string();
    write_png(&home.path("in.png"), 321, 179, [90, 90, 90]);
    home.expect(
        &["render", &path("in.png"), &path("out.png"), "--mask", &path("mask.png"), "--background", "#20a040"],
        0,
    );
    let out = image::open(path("out.png")).unwrap();
    let mask = image::open(path("mask.png")).unwrap();
    assert_eq!((out.width(), out.height(), mask.width(), mask.height()), (321, 179, 321, 179));
    assert_eq!(mask.color(), image::ColorType::L8);
    let corner = out.to_rgb8().get_pixel(0, 0).0;
    assert!(
        corner.iter().zip([0x20, 0xa0, 0x40]).all(|(actual, expected)| actual.abs_diff(expected) < 4),
        "{corner:?}"
    );
}

#[test]
fn a_clip_is_rendered_frame_by_frame() {
    if !has_runtime() {
        return;
    }
    let home = Home::new();
    let path = |name: &str| home.path(name).display().to_string();
    write_clip(&home.path("in.y4m"), 320, 180, 7);
    home.expect(&["render", &path("in.y4m"), &path("out.y4m"), "--mask", &path("mask.y4m")], 0);
    for name in ["out.y4m", "mask.y4m"] {
        let bytes = fs::read(path(name)).unwrap();
        let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        assert!(bytes.starts_with(b"YUV4MPEG2 W320 H180 F30:1"), "{name}");
        assert_eq!(bytes.len() - header, 7 * (6 + 320 * 180 * 3 / 2), "{name}");
    }
}

/// A clip at 30 fps with a background at 10 fps: each background frame appears three times, regardless of the
/// rendering time.
#[test]
fn moving_backgrounds_follow_the_frame_times() {
    if !has_runtime() {
        return;
    }
    let home = Home::new();
    let path = |name: &str| home.path(name).display().to_string();
    write_clip(&home.path("in.y4m"), 320, 180, 15);
    write_gif(&home.path("steps.gif"), &[0, 120, 255]);
    home.expect(&["render", &path("in.y4m"), &path("out.y4m"), "--background", &path("steps.gif")], 0);
    let bytes = fs::read(path("out.y4m")).unwrap();
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let corners: Vec<u8> = bytes[header..].chunks_exact(6 + 320 * 180 * 3 / 2).map(|frame| frame[6]).collect();
    assert_eq!(corners, [16, 16, 16, 119, 119, 119, 235, 235, 235, 16, 16, 16, 119, 119, 119]);
}

#[test]
fn render_errors_are_reported_and_no_file_is_damaged() {
    let home = Home::new();
    let path = |name: &str| home.path(name).display().to_string();
    write_clip(&home.path("in.y4m"), 320, 180, 3);
    let before = fs::read(path("in.y4m")).unwrap();
    assert!(home.expect(&["render", &path("in.y4m"), &path("in.y4m")], 1).contains("same file"));
    assert!(
        home.expect(&["render", &path("in.y4m"), &path("o.y4m"), "--mask", &path("in.y4m")], 1).contains("same file")
    );
    assert!(home.expect(&["render", &path("in.y4m"), &path("o.avi")], 1).contains(".y4m or .mp4"));
    assert!(home.expect(&["render", &path("none.y4m"), &path("o.y4m")], 1).contains("none.y4m"));
    assert_eq!(fs::read(path("in.y4m")).unwrap(), before);
}

#[test]
fn bench_measures_every_stage() {
    if !has_runtime() {
        return;
    }
    let home = Home::new();
    for (quality, expected) in [
        ("eco", &["mjpeg", "mask", "compose", "all but mjpeg"][..]),
        ("balanced", &["mjpeg", "mask", "keyframes", "compose", "all but mjpeg"]),
    ] {
        let args = ["bench", "--frames", "10", "--size", "320x180", "--quality", quality, "--json"];
        let report: serde_json::Value = serde_json::from_str(&home.expect(&args, 0)).unwrap();
        let stages = report["stages"].as_array().unwrap();
        let names: Vec<_> = stages.iter().map(|stage| stage["name"].clone()).collect();
        assert_eq!(report["quality"], quality);
        assert_eq!(names, expected);
        assert!(report["inference_ms"].as_f64().unwrap() > 0.0, "{report}");
        for stage in stages.iter().filter(|stage| stage["name"] != "keyframes") {
            assert!(stage["cpu_ms"].as_f64().unwrap() > 0.0, "{stage}");
        }
    }
}

#[test]
fn lists_are_printed() {
    let home = Home::new();
    let models: serde_json::Value = serde_json::from_str(&home.expect(&["models", "--json", "--no-speed"], 0)).unwrap();
    let names: Vec<_> = models.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["landscape", "general", "multiclass"]);
    let devices = home.run(&["devices", "--json"]);
    assert!(serde_json::from_slice::<serde_json::Value>(&devices.stdout).unwrap()["cameras"].is_array());
    assert!(home.expect(&["config", "path"], 0).contains("bgcam/bgcam.toml"));
    assert!(home.expect(&["config", "show"], 0).contains("[camera]"));
}

#[test]
fn shells_accept_their_completion_scripts() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.expect(&["completions", shell], 0);
        for command in ["set-color", "set-none", "doctor", "setup"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(
            !script.contains("bgcam,off") && !script.contains("Deprecated"),
            "{shell} completes a deprecated command"
        );
        let path = home.path(shell);
        fs::write(&path, script).unwrap();
        match std::process::Command::new(shell).arg("-n").arg(&path).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", support::text(&output)),
            Err(_) => eprintln!("skipped: {shell} is not installed"),
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_examples() {
    use clap::CommandFactory;
    fn check(command: &clap::Command, name: &str, dir: &std::path::Path) {
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = format!("{name}-{}", command.get_name());
            let page =
                fs::read_to_string(dir.join(format!("{name}.1"))).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(page.contains("\n.SH EXAMPLES\n"), "{name} has no examples");
            check(command, &name, dir);
        }
    }
    let home = Home::new();
    home.expect(&["man", home.path("man").to_str().unwrap()], 0);
    check(&bgcam::cli::args::Cli::command(), "bgcam", &home.path("man"));
    // groff warns about requests that it does not know
    let page = home.path("man/bgcam.1");
    match std::process::Command::new("man").args(["--warnings", "-l"]).arg(&page).env("MANPAGER", "cat").output() {
        Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{}", support::text(&output)),
        Err(_) => eprintln!("skipped: man is not installed"),
    }
}

#[test]
fn setup_shows_the_changes_and_asks() {
    let home = Home::new();
    let before = home.run(&["setup", "--dry-run", "--no-service"]);
    assert!(before.status.success(), "{}", support::text(&before));
    let is_unchanged = String::from_utf8_lossy(&before.stderr).contains("nothing to change");
    // stdin is not a terminal, so there is no confirmation
    let text = home.expect(&["setup", "--no-service"], if is_unchanged { 0 } else { 1 });
    assert!(is_unchanged || text.contains("nothing was changed: not confirmed"), "{text}");
    for line in [&["setup", "--remove"][..], &["setup", "--remove", "--dry-run"]] {
        assert!(home.expect(line, 0).contains("nothing to change"), "{line:?}");
    }
}

#[test]
fn a_settings_file_is_checked_on_its_own() {
    let home = Home::new();
    let file = home.path("mine.toml");
    fs::write(&file, "[output]\nfps = 15\n").unwrap();
    home.expect(&["config", "check", file.to_str().unwrap()], 0);
    fs::write(&file, "[output]\nfps = 1000\n").unwrap();
    assert!(home.expect(&["config", "check", file.to_str().unwrap()], 1).contains("output.fps = 1000"));
    let missing = home.expect(&["config", "check", "/no/such.toml"], 1);
    assert!(missing.contains("/no/such.toml: settings file not found"), "{missing}");
    fs::write(&file, "[output]\nfps = 1000\n[look]\nzoom = 1\n[mask]\nmemory = 3\n").unwrap();
    let all = home.expect(&["config", "check", file.to_str().unwrap()], 1);
    for part in ["mine.toml:2: output.fps", "mine.toml:4: look.zoom", "mine.toml:6: mask.memory"] {
        assert!(all.contains(part), "no {part} in {all}");
    }
    assert_eq!(all.matches("hint: ").count(), 1, "{all}");
}

#[test]
fn invalid_values_name_what_is_expected() {
    let home = Home::new();
    for (line, expected) in [
        ("daemon --fps abc", "'abc' for '--fps <FPS>': expected a whole number from 1 to 120"),
        ("daemon --fps -1", "'-1' for '--fps <FPS>': expected a whole number from 1 to 120"),
        ("set-blur NaN", "expected a whole number from 1 to 100"),
        ("set-blur -5", "expected a whole number from 1 to 100"),
        ("set-prompt x --count 0", "expected a whole number from 1 to 8"),
        ("set-prompt x --seed -1", "expected a whole number, 0 or more"),
        ("set-slideshow . --every 5x", "such as 45s, 5m or 1h"),
        ("bench --frames x", "expected a whole number from 10 to 100000"),
        ("set-camera file:", "expected auto, a device path"),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let text = home.expect(&words, 2);
        assert!(text.contains(expected) && !text.contains("invalid digit"), "{line}: {text}");
    }
    let text = home.expect(&["bench", "--compare", "/dev/null"], 1);
    assert!(text.contains("/dev/null is not a file saved by bgcam bench"), "{text}");
}
