//! `set-prompt` for users: the painter, programs, the gallery, and errors.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/http.rs"]
mod http;
#[path = "support/daemon.rs"]
mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::mpsc, thread};

use base64::{Engine, prelude::BASE64_STANDARD};
use bgcam::background::BackgroundSpec;
use support::{Daemon, Home, write_png};

fn label(daemon: &mut Daemon<'_>) -> String {
    daemon.wait_until("it answers", |_| true).scene.label
}

/// The gallery id of the current background.
fn shown(daemon: &mut Daemon<'_>) -> String {
    match daemon.wait_until("it answers", |_| true).scene.background {
        BackgroundSpec::Image { path, .. } => path.file_stem().unwrap().to_str().unwrap().to_owned(),
        other => panic!("{other} is not an image"),
    }
}

/// A program for the provider `command`.
fn write_program(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A home whose `command` provider is `body`.
fn home_with(body: &str) -> Home {
    let home = Home::new();
    let program = home.path("maker");
    write_program(&program, body);
    write_png(&home.path("image.png"), 160, 90, [10, 20, 30]);
    home.write_config(&format!("[prompt.command]\nprogram = {program:?}\nargs = [{:?}]\n", home.path("image.png")));
    home
}

#[test]
fn a_prompt_is_painted_shown_saved_and_reused() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let output = home.expect(&["set-prompt", "beach", "at", "sunset"], 0);
    assert!(output.contains("beach at sunset (painted)"), "{output}");
    assert_eq!(label(&mut daemon), "beach at sunset (painted)");
    let first = shown(&mut daemon);
    let status = home.expect(&["status"], 0);
    assert!(status.contains("bgcam providers"), "it mentions the generators: {status}");

    home.expect(&["set-prompt", "quiet library"], 0);
    assert_eq!(label(&mut daemon), "quiet library (painted)");
    home.expect(&["set-prompt", "beach at sunset"], 0);
    assert_eq!(shown(&mut daemon), first, "the same prompt is served from the gallery");
    home.expect(&["set-prompt", "beach at sunset", "--again"], 0);
    assert_ne!(shown(&mut daemon), first);

    let list: serde_json::Value = serde_json::from_str(&home.expect(&["gallery", "list", "--json"], 0)).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 3);
    home.expect(&["gallery", "use", &first], 0);
    assert_eq!(shown(&mut daemon), first);
    home.expect(&["gallery", "favourite", &first], 0);
    assert!(home.expect(&["gallery", "show", &first], 0).contains("beach at sunset"));
    home.expect(&["gallery", "export", &first, home.path("copy.png").to_str().unwrap()], 0);
    assert!(image::open(home.path("copy.png")).is_ok());
    home.expect(&["gallery", "remove", "quiet library"], 0);
    assert!(home.expect(&["gallery", "show", "quiet library"], 1).contains("error: "));
}

#[test]
fn unpaintable_parts_are_reported_and_saved() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let output = home.expect(&["set-prompt", "Taj Mahal"], 0);
    for expected in [
        "background: abstract colours (painted)",
        "note: the built-in painter can't paint \"Taj Mahal\"; it painted abstract colours instead",
        "bgcam providers",
    ] {
        assert!(output.contains(expected), "{expected:?} is missing: {output}");
    }
    assert_eq!(label(&mut daemon), "abstract colours (painted)");
    assert_eq!(home.expect(&["set-prompt", "Taj Mahal"], 0), output, "the notes from the gallery are the same");
    let shown = home.expect(&["gallery", "show", "Taj Mahal"], 0);
    assert!(shown.contains("title     abstract colours") && shown.contains("note      the built-in"), "{shown}");
    let list = home.expect(&["gallery", "list"], 0);
    assert!(list.contains("abstract-colours-") && !list.contains("Taj Mahal"), "{list}");

    let output = home.expect(&["set-prompt", "forest castle"], 0);
    assert!(output.contains("background: forest (painted)") && output.contains("left out \"castle\""), "{output}");
    let output = home.expect(&["set-prompt", "a beautiful photo of a beach, no water"], 0);
    assert!(!output.contains("note:"), "everything was painted: {output}");
}

#[test]
fn the_painter_supports_styles_and_negative_prompts() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo"]);
    let mut images = Vec::new();
    for options in [&[][..], &["--style", "minimal"], &["--style", "3d"], &["--style", "oil"], &["--negative", "water"]]
    {
        let output = home.expect(&[&["set-prompt", "--size", "320x180", "beach"], options].concat(), 0);
        assert!(!output.contains("note:"), "{options:?}: {output}");
        assert_eq!(label(&mut daemon), "beach (painted)");
        images.push(shown(&mut daemon));
    }
    images.sort();
    images.dedup();
    assert_eq!(images.len(), 5, "each option gives another image");
    let output = home.expect(&["set-prompt", "--size", "320x180", "--negative", "trees", "forest"], 0);
    assert!(output.contains("can't paint \"forest\" without \"trees\"; it painted a meadow instead"), "{output}");
}

#[test]
fn several_images_can_be_generated() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo"]);
    let output = home.expect(&["set-prompt", "--count", "2", "bokeh"], 0);
    assert!(output.contains("1 bokeh") && output.contains("2 bokeh"), "{output}");
    assert!(label(&mut daemon).starts_with("bokeh"));
    assert_eq!(home.run(&["set-prompt", "--count", "99", "bokeh"]).status.code(), Some(2));
}

#[test]
fn any_program_generates_an_image_without_a_shell() {
    let home = home_with(r#"printf '%s' "$BGCAM_PROMPT" > "$1.prompt"; cat "$1""#);
    let mut daemon = home.start(&["--camera", "demo"]);
    let text = "x'; touch \"$(dirname $0)/pwned\"; `touch pwned` #";
    home.expect(&["set-prompt", "--provider", "command", "--raw", text], 0);
    assert!(label(&mut daemon).ends_with("(generated by command)"));
    assert_eq!(fs::read_to_string(home.path("image.png.prompt")).unwrap(), text);
    assert!(!home.path("pwned").exists());
}

#[test]
fn any_failure_keeps_the_current_background() {
    for (body, expected) in [
        ("echo no money >&2; exit 3", "no money"),
        ("exit 0", "command"),
        ("echo '<svg></svg>'", "SVG"),
        ("echo '<html>'", "a web page"),
        (r#"head -c 60 "$1""#, "command"),
        ("head -c 40000000 /dev/zero", "MB"),
    ] {
        let home = home_with(body);
        let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
        let output = home.expect(&["set-prompt", "--provider", "command", "beach"], 1);
        assert!(
            output.starts_with("error: ") && output.to_lowercase().contains(&expected.to_lowercase()),
            "{body}: {output}"
        );
        assert_eq!(label(&mut daemon), "#20a040", "{body}");
        let list: serde_json::Value = serde_json::from_str(&home.expect(&["gallery", "list", "--json"], 0)).unwrap();
        assert_eq!(list.as_array().unwrap().len(), 0, "{body}: nothing is stored");
    }
}

#[test]
fn invalid_requests_are_rejected_with_what_was_expected() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    for (args, expected) in [
        (&["set-prompt", "--provider", "dalle", "beach"][..], "openai"),
        (&["set-prompt", "--provider", "openai", "beach"], "OPENAI_API_KEY"),
        (&["set-prompt", "  "], "the prompt is empty"),
        (&["set-prompt", "--cancel"], "no image is being generated"),
    ] {
        let output = home.expect(args, 1);
        assert!(output.contains(expected), "{args:?}: {output}");
    }
    assert!(home.expect(&["set-prompt", "--style", "cubist", "beach"], 2).contains("watercolour"));
    assert_eq!(label(&mut daemon), "#20a040");
    assert!(home.expect(&["providers"], 0).contains("OPENAI_API_KEY"));
}

#[test]
fn a_newer_prompt_or_cancel_ends_the_older() {
    let home = home_with("sleep 600");
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let slow = |home: &Home| home.bgcam(&["set-prompt", "--provider", "command", "slow one"]).spawn().unwrap();

    let mut first = slow(&home);
    daemon.wait_until("it is running", |status| status.prompt.is_some());
    assert!(home.expect(&["status"], 0).contains("slow one"));
    home.expect(&["set-prompt", "--cancel"], 0);
    assert_eq!(first.wait().unwrap().code(), Some(1));
    assert_eq!(label(&mut daemon), "#20a040");

    let mut second = slow(&home);
    daemon.wait_until("it is running", |status| status.prompt.is_some());
    home.expect(&["set-prompt", "bokeh"], 0);
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert!(label(&mut daemon).starts_with("bokeh"));

    // The job survives its client, and ends with another background.
    let mut third = slow(&home);
    daemon.wait_until("it is running", |status| status.prompt.is_some());
    third.kill().unwrap();
    third.wait().unwrap();
    daemon.wait_until("the job goes on", |status| status.prompt.is_some());
    home.expect(&["set-color", "red"], 0);
    daemon.wait_until("it was cancelled", |status| status.prompt.is_none());
}

#[test]
fn several_images_end_with_a_choice_made_while_the_first_fades_in() {
    let home = home_with(r#"echo >> "$1.count"; cat "$1""#);
    let program = home.path("maker");
    home.write_config(&format!(
        "[background]\ncrossfade_ms = 2000\n[prompt.command]\nprogram = {program:?}\nargs = [{:?}]\n",
        home.path("image.png")
    ));
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let line = ["set-prompt", "--provider", "command", "--count", "4", "a wall"];
    let client = home.bgcam(&line).stderr(std::process::Stdio::piped()).spawn().unwrap();
    daemon.wait_until("the first is shown", |status| status.scene.label.starts_with("a wall"));
    home.expect(&["set-color", "red"], 0);
    let output = client.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("the others were not generated"), "{text}");
    assert_eq!(fs::read_to_string(home.path("image.png.count")).unwrap().lines().count(), 1);
    assert_eq!(label(&mut daemon), "#ff0000");
}

#[test]
fn output_continues_while_images_are_generated() {
    let home = home_with("exit 1");
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    daemon.wait_until("it runs", |status| status.counters.composed > 10);
    for round in 0..10 {
        let provider = if round % 3 == 2 { "command" } else { "builtin" };
        let seed = round.to_string();
        let code = i32::from(provider == "command");
        home.expect(&["set-prompt", "--provider", provider, "--seed", &seed, "--size", "320x180", "gradient"], code);
    }
    let before = daemon.wait_until("it answers", |_| true).counters.written;
    let status = daemon.wait_until("it goes on", |status| status.counters.written > before + 10);
    assert!(status.scene.label.starts_with("gradient"), "{}", status.scene.label);
}

#[test]
fn ignored_options_are_noted_each_time() {
    let home = home_with(r#"cat "$1""#);
    let _daemon = home.start(&["--camera", "demo"]);
    let args = ["set-prompt", "beach", "--model", "sdxl", "--negative", "people"];
    for time in ["painted", "found in the gallery"] {
        let output = home.expect(&args, 0);
        assert!(output.contains("note: the built-in painter has no models to choose from"), "{time}: {output}");
        assert!(!output.contains("negative"), "the painter takes negative prompts, {time}: {output}");
    }
    let list: serde_json::Value = serde_json::from_str(&home.expect(&["gallery", "list", "--json"], 0)).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "ignored options give the same image");
    let output = home.expect(&["set-prompt", "beach"], 0);
    assert!(!output.contains("models"), "the notes are about the request, not the image: {output}");
    let output = home.expect(&["set-prompt", "beach", "--no-wait", "--model", "sdxl"], 0);
    assert!(output.contains("note: the built-in painter has no models"), "{output}");
    let output = home.expect(&["set-prompt", "beach", "--provider", "command", "--model", "sdxl"], 0);
    assert!(output.contains("note: provider command has no models") && !output.contains("negative"), "{output}");
}

#[test]
fn the_newest_of_images_with_the_same_prompt_is_used_and_none_is_removed() {
    let home = Home::new();
    for (name, colour) in [("a.png", [1, 2, 3]), ("b.png", [4, 5, 6])] {
        write_png(&home.path(name), 160, 90, colour);
        home.expect(&["gallery", "import", home.path(name).to_str().unwrap(), "--name", "Beach"], 0);
    }
    let list: serde_json::Value = serde_json::from_str(&home.expect(&["gallery", "list", "--json"], 0)).unwrap();
    let newest = list[0]["id"].as_str().unwrap();
    for args in [&["gallery", "show", "beach"][..], &["gallery", "favourite", "bea"]] {
        let output = home.expect(args, 0);
        assert!(output.contains(&format!("2 images match \"Beach\"; using the newest, {newest}")), "{output}");
    }
    let output = home.expect(&["gallery", "remove", "beach"], 1);
    assert!(output.contains("matches 2 images") && output.contains(newest), "{output}");
    for entry in list.as_array().unwrap() {
        home.expect(&["gallery", "remove", entry["id"].as_str().unwrap()], 0);
    }
}

#[test]
fn a_cancelled_image_counts_and_a_failed_one_does_not() {
    let home = home_with(r#"[ ! -f "$1.fail" ] || exit 1; sleep 600"#);
    let mut daemon = home.start(&["--camera", "demo"]);
    let counted = |daemon: &mut Daemon<'_>| daemon.wait_until("it ends", |status| status.prompt.is_none()).costs.images;
    home.expect(&["set-prompt", "--provider", "command", "--no-wait", "a wall"], 0);
    daemon.wait_until("it is running", |status| status.prompt.is_some() && status.costs.images == 1);
    home.expect(&["set-prompt", "--cancel"], 0);
    assert_eq!(counted(&mut daemon), 1, "it may have been paid for");
    fs::write(home.path("image.png.fail"), "").unwrap();
    home.expect(&["set-prompt", "--provider", "command", "a wall"], 1);
    assert_eq!(counted(&mut daemon), 1);
}

/// Starts a server that always returns this image in Gemini's format, for the rest of the process; returns its URL.
fn serve_gemini(image: Vec<u8>) -> String {
    let (sender, url) = mpsc::channel();
    thread::spawn(move || {
        let part = serde_json::json!({"inlineData": {"data": BASE64_STANDARD.encode(image)}});
        let reply = http::json(200, &serde_json::json!({"candidates": [{"content": {"parts": [part]}}]}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(http::Server::always(reply).await.url).unwrap();
            std::future::pending::<()>().await;
        });
    });
    url.recv().unwrap()
}

#[test]
fn the_price_is_shown_before_and_the_monthly_limit_stops_in_time() {
    let home = home_with(r#"cat "$1""#);
    let url = serve_gemini(fs::read(home.path("image.png")).unwrap());
    let (key, program, image) = (home.path("key"), home.path("maker"), home.path("image.png"));
    fs::write(&key, "sk-canary").unwrap();
    home.write_config(&format!(
        "[prompt]\nprovider = \"gemini\"\nmonthly_limit = 0.05\n[prompt.gemini]\nbase_url = \"{url}\"\nkey_file = {key:?}\n\
         [prompt.command]\nprogram = {program:?}\nargs = [{image:?}]\n"
    ));
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let cost = |args: &[&str]| home.expect(&[&["set-prompt", "--cost"], args].concat(), 0);
    let first = cost(&["beach"]);
    assert!(first.contains("$0.0336 for 1 image: gemini, gemini-3.1-flash-lite-image"), "{first}");
    assert!(first.contains("so far: $0.00 for 0 images in 2") && first.contains("limit $0.05"), "{first}");
    assert!(cost(&["beach", "--count", "3"]).contains("$0.10 for 3 images"));
    assert!(cost(&["beach", "--provider", "builtin"]).contains("free: builtin"));
    assert!(cost(&["beach", "--provider", "command"]).contains("price unknown for 1 image: command"));
    assert_eq!(label(&mut daemon), "#20a040", "nothing was generated");

    home.expect(&["set-prompt", "beach"], 0);
    assert!(cost(&["beach"]).contains("free: the gallery has it already"));
    home.expect(&["set-prompt", "beach"], 0);
    for args in [&["set-prompt", "forest"][..], &["set-prompt", "beach", "--again"]] {
        let output = home.expect(args, 1);
        for part in ["$0.0336", "$0.05", "prompt.monthly_limit", "spent so far in"] {
            assert!(output.contains(part), "{output}");
        }
    }
    assert_eq!(label(&mut daemon), "beach (generated by gemini)");
    home.expect(&["set-prompt", "lake", "--provider", "command"], 0);
    home.expect(&["set-prompt", "lake", "--provider", "builtin"], 0);
    let status = home.expect(&["status"], 0);
    assert!(status.contains("$0.0336 for 2 images in 2") && status.contains("1 of them of unknown price"), "{status}");
    drop(daemon);

    let _daemon = home.start(&["--camera", "demo"]);
    let status: serde_json::Value = serde_json::from_str(&home.expect(&["status", "--json"], 0)).unwrap();
    assert_eq!((&status["costs"]["images"], &status["costs"]["limit"]), (&2.into(), &0.05.into()), "after a restart");
}
