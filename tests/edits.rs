//! `set-prompt --edit`: what is sent, the chain of edits with undo and redo, and what cannot be edited.
#![allow(clippy::unwrap_used)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    fs,
    time::{Duration, UNIX_EPOCH},
};

use bgcam::{
    background::BackgroundSpec,
    gallery::{Entry, Gallery},
    media::image_file::provenance::{self, Mark, SourceType},
    prompt::{GeneratedImage, Parent, Recipe},
};
use serde_json::Value;
use support::{Daemon, Home, write_gif, write_png};

/// Copies the image that it gets, and writes another shade for every prompt.
const EDITOR: &str = r#"[ -z "$BGCAM_IMAGE" ] || cp "$BGCAM_IMAGE" "$1/sent"
printf '%s' "$BGCAM_PROMPT" > "$1/prompt"
cat "$1/$(printf '%s' "$BGCAM_PROMPT" | cut -d' ' -f1 | tr -d ,.).png""#;

/// A home whose `command` provider edits: the first word of the prompt is the name of the image that it returns.
fn home(names: &[String]) -> Home {
    let home = Home::new();
    let program = home.write_program("editor", EDITOR);
    for (number, name) in names.iter().enumerate() {
        write_png(&home.path(&format!("{name}.png")), 160, 90, [number as u8, 200, 90]);
    }
    let dir = home.path("");
    home.write_config(&format!(
        "[prompt]\nprovider = \"command\"\n[prompt.command]\nprogram = {program:?}\nargs = [{dir:?}]\nedits = true\n"
    ));
    home
}

fn steps(count: usize) -> Vec<String> {
    (0..=count).map(|number| format!("step{number}")).collect()
}

fn start(home: &Home) -> Daemon<'_> {
    home.start(&["--camera", "demo", "--size", "320x180", "--quality", "eco"])
}

/// The gallery id of the current background.
fn shown(daemon: &mut Daemon<'_>) -> String {
    match daemon.wait_until("it answers", |_| true).scene.background {
        BackgroundSpec::Image { path, .. } => path.file_stem().unwrap().to_str().unwrap().to_owned(),
        other => panic!("{other} is not an image"),
    }
}

fn record(home: &Home, id: &str) -> Value {
    serde_json::from_str(&home.expect(&["gallery", "show", id, "--json"], 0)).unwrap()
}

#[test]
fn the_background_of_the_gallery_is_sent_and_nothing_else() {
    let home = home(&steps(1));
    let mut daemon = start(&home);
    home.expect(&["set-prompt", "step0 of a beach"], 0);
    assert!(!home.path("sent").exists(), "a new image needs none");
    let first = shown(&mut daemon);
    let stored = home.path("data/bgcam/gallery").join(record(&home, &first)["file"].as_str().unwrap());
    let output = home.expect(&["set-prompt", "--edit", "step1 make it night"], 0);
    assert!(output.contains("background: step0 of a beach, step1 make it night"), "{output}");
    assert_eq!(fs::read(home.path("sent")).unwrap(), fs::read(stored).unwrap(), "exactly the file in the gallery");
    let prompt = fs::read_to_string(home.path("prompt")).unwrap();
    assert!(prompt.starts_with("step1 make it night. Keep the composition"), "{prompt}");
    assert!(!prompt.contains("establishing shot"), "{prompt}");
    let second = shown(&mut daemon);
    assert_eq!(record(&home, &second)["recipe"]["parent"]["id"], first.as_str());

    // the same edit of the same image is served from the gallery
    fs::remove_file(home.path("sent")).unwrap();
    home.expect(&["gallery", "use", &first], 0);
    home.expect(&["set-prompt", "--edit", "step1 make it night"], 0);
    assert_eq!(shown(&mut daemon), second);
    assert!(!home.path("sent").exists());
    home.expect(&["set-prompt", "--edit", "--raw", "--of", &first, "step1 raw"], 0);
    assert_eq!(fs::read_to_string(home.path("prompt")).unwrap(), "step1 raw");
    assert_eq!(record(&home, &shown(&mut daemon))["recipe"]["parent"]["id"], first.as_str());
}

#[test]
fn a_chain_of_20_edits_is_walked_back_and_forward_also_after_a_restart() {
    const STEPS: usize = 20;
    let home = home(&steps(STEPS));
    let mut ids = Vec::new();
    let mut daemon = start(&home);
    home.expect(&["set-prompt", "step0"], 0);
    ids.push(shown(&mut daemon));
    for step in 1..=STEPS {
        home.expect(&["set-prompt", "--edit", &format!("step{step}")], 0);
        ids.push(shown(&mut daemon));
    }
    assert!(home.expect(&["set-prompt", "--redo"], 1).contains("no edit of"));
    for step in (STEPS / 2..STEPS).rev() {
        home.expect(&["set-prompt", "--undo"], 0);
        assert_eq!(shown(&mut daemon), ids[step], "back to {step}");
    }
    home.expect(&["stop"], 0);
    daemon.wait_for_end();
    let mut daemon = start(&home);
    assert_eq!(shown(&mut daemon), ids[STEPS / 2], "after a restart");
    for step in (0..STEPS / 2).rev() {
        home.expect(&["set-prompt", "--undo"], 0);
        assert_eq!(shown(&mut daemon), ids[step], "back to {step}");
    }
    let output = home.expect(&["set-prompt", "--undo"], 1);
    assert!(output.contains("was not edited") && output.contains("bgcam previous"), "{output}");
    assert_eq!(shown(&mut daemon), ids[0], "nothing has changed");

    // a step that is gone is skipped, in both directions
    home.expect(&["gallery", "remove", &ids[1]], 0);
    let output = home.expect(&["set-prompt", "--redo"], 0);
    assert!(output.contains("skipped an image"), "{output}");
    assert_eq!(shown(&mut daemon), ids[2]);
    for id in &ids[3..] {
        home.expect(&["set-prompt", "--redo"], 0);
        assert_eq!(&shown(&mut daemon), id);
    }
    home.expect(&["gallery", "use", &ids[2]], 0);
    let output = home.expect(&["set-prompt", "--undo"], 0);
    assert!(output.contains("skipped an image"), "{output}");
    assert_eq!(shown(&mut daemon), ids[0]);
    // previous and next work as for any background
    home.expect(&["previous"], 0);
    assert_eq!(shown(&mut daemon), ids[2]);
}

#[test]
fn a_redo_leads_to_the_variation_that_was_shown() {
    let home = home(&steps(2));
    let mut daemon = start(&home);
    home.expect(&["set-prompt", "step0"], 0);
    let first = shown(&mut daemon);
    let output = home.expect(&["set-prompt", "--edit", "step1", "--count", "2"], 0);
    assert!(output.contains("1 step0-step1") && output.contains("2 step0-step1"), "{output}");
    let variation = shown(&mut daemon);
    home.expect(&["set-prompt", "--undo"], 0);
    assert_eq!(shown(&mut daemon), first);
    home.expect(&["set-prompt", "--redo"], 0);
    assert_eq!(shown(&mut daemon), variation);
}

#[test]
fn an_image_file_of_the_user_is_edited_without_its_metadata() {
    let home = home(&steps(1));
    let mut daemon = start(&home);
    let photo = home.path("IMG 1.jpg");
    write_photo(&photo);
    home.expect(&["set-image", photo.to_str().unwrap()], 0);
    home.expect(&["set-prompt", "--edit", "step1 add snow"], 0);
    let sent = fs::read(home.path("sent")).unwrap();
    assert!(!sent.windows(5).any(|part| part == b"51.5N"), "the place is not sent");
    assert_eq!(image::load_from_memory(&sent).unwrap().to_rgb8().dimensions(), (320, 180));
    let edited = record(&home, &shown(&mut daemon));
    assert_eq!(
        (&edited["title"], &edited["recipe"]["parent"]["imported"]),
        (&"IMG 1, step1 add snow".into(), &true.into())
    );
    home.expect(&["set-prompt", "--undo"], 0);
    let original = record(&home, &shown(&mut daemon));
    assert_eq!((&original["imported"], &original["recipe"]["text"]), (&true.into(), &"IMG 1".into()));
    assert_eq!(
        fs::read(&photo).unwrap(),
        fs::read(home.path("data/bgcam/gallery").join(original["file"].as_str().unwrap())).unwrap()
    );
}

/// A JPEG with a place in its EXIF data.
fn write_photo(path: &std::path::Path) {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    encoder.set_exif_metadata(b"II*\0\x08\0\0\0 51.5N 0.1W".to_vec()).unwrap();
    encoder.encode_image(&image::RgbImage::from_pixel(320, 180, image::Rgb([90; 3]))).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn only_images_can_be_edited_and_a_failure_changes_nothing() {
    let home = home(&steps(1));
    let mut daemon = start(&home);
    write_gif(&home.path("waves.gif"), &[40, 200]);
    let waves = home.path("waves.gif");
    for (background, expected) in [
        (&["set-blur"][..], "your blurred room, which is never sent"),
        (&["set-color", "teal"], "the colour #008080"),
        (&["set-image", waves.to_str().unwrap()], "is an animation"),
        (&["set-none"], "there is no background"),
    ] {
        home.expect(background, 0);
        let before = daemon.status().scene.background;
        let output = home.expect(&["set-prompt", "--edit", "step1"], 1);
        assert!(output.contains("only an image can be edited: ") && output.contains(expected), "{output}");
        assert!(output.contains("--edit --of IMAGE"), "{output}");
        assert!(home.expect(&["set-prompt", "--undo"], 1).contains("was not edited"));
        assert_eq!(daemon.wait_until("it answers", |_| true).scene.background, before);
    }
    // a failed edit of a file adds nothing to the gallery
    write_png(&home.path("own.png"), 64, 36, [1, 2, 3]);
    home.expect(&["set-image", home.path("own.png").to_str().unwrap()], 0);
    home.expect(&["set-prompt", "--edit", "nothing"], 1);
    assert_eq!(home.expect(&["gallery", "list", "--json"], 0).trim(), "[]");
    assert!(home.expect(&["set-prompt", "--edit", "--of", "nowhere", "step1"], 1).contains("nowhere"));
    assert_eq!(home.run(&["set-prompt", "--of", "step0", "step1"]).status.code(), Some(2), "--of needs --edit");
    assert_eq!(home.run(&["set-prompt", "--edit"]).status.code(), Some(2), "--edit needs a prompt");
}

#[test]
fn providers_without_edits_offer_a_new_image_from_both_prompts() {
    let home = Home::new();
    home.write_config("[prompt.gateway]\nurl = \"http://127.0.0.1:1/\"\n[prompt.command]\nprogram = \"true\"\n");
    let mut daemon = start(&home);
    home.expect(&["set-prompt", "beach at sunset"], 0);
    let output = home.expect(&["set-prompt", "--edit", "make it night", "--provider", "gateway"], 1);
    assert!(output.contains("error: provider gateway cannot edit images"), "{output}");
    let command = "`bgcam set-prompt 'beach at sunset, make it night' --provider gateway`";
    assert!(output.contains(command), "{output}");
    let output = home.expect(&["set-prompt", "--edit", "make it night", "--provider", "command"], 1);
    assert!(output.contains("prompt.command.edits"), "{output}");

    // the painter paints a new image, and says so
    let first = shown(&mut daemon);
    let output = home.expect(&["set-prompt", "--edit", "with snow"], 0);
    let note = "note: the built-in painter can't change an image; it painted a new one from both descriptions";
    assert!(output.contains(note), "{output}");
    assert_ne!(shown(&mut daemon), first);
    home.expect(&["set-prompt", "--undo"], 0);
    assert_eq!(shown(&mut daemon), first);
}

#[test]
fn the_images_before_a_kept_one_are_not_evicted() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = Gallery::open(dir.path().join("gallery"), 1).unwrap();
    write_png(&dir.path().join("image.png"), 64, 36, [10, 20, 30]);
    let image = GeneratedImage { bytes: fs::read(dir.path().join("image.png")).unwrap(), ..GeneratedImage::default() };
    let add = |text: &str, parent: Option<&Entry>, seconds, keep: &[String]| {
        let parent = parent.map(|entry| Parent::new(&entry.id, &entry.recipe, false));
        let recipe = Recipe { text: text.to_owned(), provider: "openai".to_owned(), parent, ..Recipe::default() };
        gallery.add(&recipe, &image, UNIX_EPOCH + Duration::from_secs(seconds), keep).unwrap()
    };
    let texts = || gallery.list().entries.into_iter().map(|entry| entry.recipe.text).collect::<Vec<_>>();
    let first = add("first", None, 1, &[]);
    let second = add("second", Some(&first), 2, &[]);
    let third = add("third", Some(&second), 3, &[]);
    assert_eq!(third.ancestors, [second.id, first.id]);
    add("other", None, 4, std::slice::from_ref(&third.id));
    assert_eq!(texts(), ["other", "third", "second", "first"], "the gallery is full, but the chain is kept");
    add("new", None, 5, &[]);
    assert_eq!(texts(), ["new"]);
}

#[test]
fn only_the_pixels_of_a_received_image_are_stored_and_an_export_is_marked() {
    let home = home(&steps(1));
    let path = home.path("step0.png");
    let marked = provenance::with_source_type(&fs::read(&path).unwrap(), SourceType::Generated).unwrap();
    fs::write(&path, [&marked[..], b"secret behind the image"].concat()).unwrap();
    let mut daemon = start(&home);
    home.expect(&["set-prompt", "step0"], 0);
    let id = shown(&mut daemon);
    let record = record(&home, &id);
    assert_eq!(record["marks"], serde_json::json!(["digital-source-type"]));
    assert!(home.expect(&["gallery", "show", &id], 0).contains("marked    by the provider: IPTC digital source type"));
    let stored = fs::read(home.path("data/bgcam/gallery").join(record["file"].as_str().unwrap())).unwrap();
    assert!(!stored.windows(6).any(|part| part == b"secret") && provenance::marks(&stored).is_empty());
    home.expect(&["gallery", "export", &id, home.path("copy.png").to_str().unwrap()], 0);
    let exported = fs::read(home.path("copy.png")).unwrap();
    assert_eq!(provenance::marks(&exported), [Mark::DigitalSourceType]);
    assert_eq!(image::load_from_memory(&exported).unwrap(), image::load_from_memory(&stored).unwrap());
}
