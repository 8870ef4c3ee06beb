//! Presets: saved, used, listed and removed through the command line, across restarts.
#![allow(clippy::unwrap_used)]

#[path = "support/daemon.rs"]
mod support;

use std::{fs, path::Path};

use bgcam::control::protocol::PresetInfo;
use support::{Home, write_png};

fn list(home: &Home) -> Vec<PresetInfo> {
    let output = home.run(&["preset", "list", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn current(home: &Home) -> Vec<String> {
    list(home).into_iter().filter(|preset| preset.current).map(|preset| preset.name).collect()
}

fn set_image(home: &Home, image: &Path) {
    home.expect(&["set-image", image.to_str().unwrap()], 0);
}

#[test]
fn a_preset_restores_everything_at_once_and_survives_a_restart() {
    let home = Home::new();
    home.write_config(
        "[output]\nsize = \"320x180\"\n[camera]\ndevice = \"demo\"\n[mask]\nquality = \"eco\"\n[look]\nzoom = 110\n",
    );
    let room = home.path("room.png");
    write_png(&room, 64, 36, [1, 2, 3]);
    let file = format!("file:{}", room.display());
    let daemon = home.start(&[]);
    assert!(home.expect(&["preset"], 0).contains("there are no presets"));
    set_image(&home, &room);
    home.expect(&["look", "softness=20"], 0);
    home.expect(&["set-camera", &file], 0);
    let saved = home.expect(&["preset", "save", "Évening"], 0);
    assert!(saved.contains("saved preset \"Évening\" with background room.png"), "{saved}");
    home.expect(&["set-color", "#204060"], 0);
    home.expect(&["look", "--reset"], 0);
    home.expect(&["set-camera", "--reset"], 0);
    home.expect(&["preset", "save", "Work"], 0);
    assert_eq!(current(&home), ["Work"]);
    daemon.kill();

    let daemon = home.start(&[]);
    assert!(home.expect(&["preset", "use", "éVEN"], 0).contains("preset: Évening"));
    let status = daemon.status();
    assert_eq!((status.scene.label.as_str(), status.camera.wanted), ("room.png", file.clone()));
    assert_eq!((status.scene.look.softness, status.scene.look.zoom), (20, 110));
    assert_eq!(current(&home), ["Évening"]);
    let text = home.expect(&["preset", "list"], 0);
    assert!(text.contains("* Évening  room.png\n  Work     #204060\n"), "{text}");

    home.expect(&["preset", "use", "work"], 0);
    let status = daemon.status();
    assert_eq!((status.scene.label.as_str(), &*status.camera.wanted), ("#204060", "demo"));
    assert_eq!(status.scene.look.softness, 0);
    let choice = fs::read_to_string(home.path("state/bgcam/scene.json")).unwrap();
    let choice: serde_json::Value = serde_json::from_str(&choice).unwrap();
    assert!(choice["camera"].is_null() && choice["quality"].is_null() && choice["look"] == serde_json::json!({}));
    home.expect(&["previous"], 0);
    assert_eq!(daemon.status().scene.label, "room.png", "a preset's background is a recent one");

    assert!(home.expect(&["preset", "save", "WORK"], 0).contains("replaced preset \"WORK\""));
    assert_eq!(list(&home).len(), 2);
    assert!(home.expect(&["preset", "remove", "work"], 0).contains("removed preset \"WORK\""));
    for command in ["use", "remove"] {
        let error = home.expect(&["preset", command, "Évenign"], 1);
        assert!(error.contains("no preset is named \"Évenign\"") && error.contains("\"Évening\""), "{error}");
    }
    assert!(home.expect(&["preset", "save", "two\nlines"], 1).contains("expected one line of 1 to 40 characters"));
}

#[test]
fn a_preset_that_cannot_be_loaded_changes_nothing() {
    let home = Home::new();
    let (image, logo) = (home.path("beach.png"), home.path("logo.png"));
    write_png(&image, 64, 36, [1, 2, 3]);
    write_png(&logo, 64, 36, [1, 2, 3]);
    let file = format!("file:{}", image.display());
    let daemon = home.start(&["--size", "320x180", "--background", "#20a040"]);
    set_image(&home, &image);
    home.expect(&["preset", "save", "beach"], 0);
    home.expect(&["set-color", "teal"], 0);
    home.expect(&["look", &format!("overlay={}", logo.display())], 0);
    home.expect(&["preset", "save", "logo"], 0);
    home.expect(&["look", "--reset"], 0);
    home.expect(&["set-camera", &file], 0);
    home.expect(&["preset", "save", "camera"], 0);
    home.expect(&["set-camera", "demo"], 0);
    home.expect(&["set-color", "navy"], 0);
    home.expect(&["look", "softness=30"], 0);
    fs::remove_file(&image).unwrap();
    fs::remove_file(&logo).unwrap();
    let before = daemon.status();
    for (name, missing) in [("beach", "beach.png"), ("logo", "logo.png"), ("camera", "beach.png")] {
        let error = home.expect(&["preset", "use", name], 1);
        assert!(error.contains(&format!("cannot use preset {name:?}: ")) && error.contains(missing), "{error}");
        let now = daemon.status();
        assert_eq!((&now.scene.label, &now.scene.look), (&before.scene.label, &before.scene.look), "{name}");
        assert_eq!(now.camera.wanted, "demo", "{name}");
    }
    let path = home.path("state/bgcam/presets.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"softness\": 0", "\"softness\": 9000")).unwrap();
    assert!(home.expect(&["preset", "use", "camera"], 1).contains("softness = 9000: expected"));
    fs::write(&path, "{").unwrap();
    for words in [&["preset", "list"][..], &["preset", "save", "new"], &["preset", "use", "logo"]] {
        let error = home.expect(words, 1);
        assert!(error.contains("cannot read your presets from") && error.contains("hint: correct the file"), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "{", "nothing is lost");
}

#[test]
fn a_preset_that_shows_the_room_warns_like_the_command() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo", "--size", "320x180", "--background", "none"]);
    let warning = "your room is visible: there is no background";
    assert!(home.expect(&["set-none"], 0).contains(warning));
    assert!(home.expect(&["preset", "save", "open"], 0).contains(warning));
    home.expect(&["set-color", "teal"], 0);
    assert!(!home.expect(&["preset", "save", "teal"], 0).contains("room"));
    assert!(home.expect(&["preset", "list"], 0).contains("  open  none  shows your room: there is no background\n"));
    assert!(home.expect(&["preset", "use", "open"], 0).contains(warning));
    assert!(daemon.status().scene.room_visible);
    home.expect(&["pause"], 0);
    let saved = home.expect(&["preset", "save", "open"], 0);
    assert!(saved.contains("this preset shows your room") && !saved.contains(warning), "{saved}");
    assert!(!home.expect(&["preset", "use", "teal"], 0).contains("room"));
    assert!(daemon.status().scene.paused, "a preset does not end a pause");
}
