//! Tests of the settings: layers, errors and their locations.

use std::fs;

use super::*;
use crate::error::Failure;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bgcam.toml");
    fs::write(&file, text).unwrap();
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::layered(&[file], variables, &Flags::new())
}

fn error(text: &str) -> String {
    let failure = Failure::from(load(text, &[]).unwrap_err());
    format!("{} | {}", failure.message, failure.hint.unwrap_or_default())
}

#[test]
fn the_defaults_are_valid_settings() {
    let config = Config::layered(&[], std::iter::empty(), &Flags::new()).unwrap();
    assert_eq!((config.size, config.fps), (Size::HD, 30));
    assert_eq!(config.limits.max_bytes, 100 << 20);
    check_text(&config.to_toml(), "show").unwrap();
}

#[test]
fn files_override_defaults_and_variables_override_files() {
    let text = "[output]\nfps = 15\nsize = \"640x480\"\n";
    let config = load(text, &[("BGCAM_OUTPUT_FPS", "24"), ("BGCAM_OUTPUT_TO", "none, y4m:/tmp/x.y4m")]).unwrap();
    assert_eq!((config.size.to_string().as_str(), config.fps, config.outputs.len()), ("640x480", 24, 2));
}

#[test]
fn unknown_keys_are_reported_with_line_and_suggestion() {
    let text = error("[camera]\ndevice = \"auto\"\n[output]\nsiez = \"640x480\"\n");
    assert!(text.contains("bgcam.toml:4: unknown setting \"siez\""), "{text}");
    assert!(text.contains("did you mean \"size\"?"), "{text}");
    let text = error("\n[ouput]\n");
    assert!(text.contains(":2: unknown setting \"ouput\"") && text.contains("\"output\""), "{text}");
}

#[test]
fn invalid_values_are_reported_with_the_expected_ones() {
    for (text, expected) in [
        ("[output]\nfps = 0", "output.fps = 0: expected a number from 1 to 120"),
        ("[output]\nsize = \"big\"", "output.size = \"big\": expected WIDTHxHEIGHT"),
        ("[mask]\nedge = [0.7, 0.3]", "mask.edge = [0.7, 0.3]: expected two increasing numbers"),
        ("\n[output]\nfps = \"fast\"", "bgcam.toml:3: output.fps = \"fast\": expected a number from 1 to 120"),
        ("[web]\nport = 70000", "bgcam.toml:2: web.port = 70000: expected a number from 0 to 65535"),
        ("[web]\nport = -1", "bgcam.toml:2: web.port = -1: expected a number from 0 to 65535"),
        ("[output]\nfps = 99999999999999999999", "output.fps = \"99999999999999999999\": expected a number"),
        ("[look]\nzoom = 99999999999", "look.zoom = 99999999999: expected a whole number from 100 to 400"),
        (
            "[look]\noverlay_position = \"left\"",
            "look.overlay_position = \"left\": expected one of top-left, top-right",
        ),
        ("[camera]\nalways_on = \"yes\"", "camera.always_on = \"yes\": expected true or false"),
        ("[mask]\nmemory = nan", "mask.memory = NaN: expected a number from 0 to 0.95"),
        ("[mask]\nedge = [0.5]", "mask.edge = [0.5]: expected two increasing numbers from 0 to 1"),
        ("[prompt.sdwebui]\nsteps = -3", "prompt.sdwebui.steps = -3: expected a whole number, 0 or more"),
        ("[prompt.sdwebui]\nsteps = 900", ":2: prompt.sdwebui.steps = 900: expected a number from 1 to 150"),
        ("camera = 1", ":1: camera is a section: write [camera]"),
        ("[mask]\nmodel = \"landscap\"", "mask.model = \"landscap\": unknown model"),
        ("[output\n", ":1: "),
    ] {
        let text = error(text);
        assert!(text.contains(expected), "{text}");
    }
}

/// The messages of all errors of these files, variables and flags, in order.
fn messages(files: &[&str], variables: &[(&str, &str)], flags: &Flags) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..files.len()).map(|number| dir.path().join(format!("{number}.toml"))).collect();
    for (path, text) in paths.iter().zip(files) {
        fs::write(path, text).unwrap();
    }
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let error = Config::layered(&paths, variables, flags).unwrap_err();
    let folder = format!("{}/", dir.path().display());
    error.into_errors().map(|error| error.to_string().replace(&folder, "")).collect()
}

#[test]
fn errors_of_all_layers_are_reported_with_their_locations() {
    let files = [
        "[output]\nfps = 0\nsiez = 1\n[prompt.openai]\nsize = \"huge\"\n[mask]\nmodel = \"nope\"\n",
        "[output]\nfps = 500\n[mask]\nedge = [1, 0]\nmemory = 7\n[look]\nzoom = 1\nsoftness = 500\n",
    ];
    let variables = [("BGCAM_OUTPUT_FPS", "fast"), ("BGCAM_OUTPUT_SIZ", "1"), ("BGCAM_LOOK_ZOOM", "120")];
    let flags = vec![("mask.quality", "best".into()), ("mask.model", "landscape".into())];
    let found = messages(&files, &variables, &flags);
    let expected = [
        "0.toml:2: output.fps = 0: expected a number from 1 to 120",
        "0.toml:3: unknown setting \"siez\"",
        "0.toml:5: prompt.openai.size = ",
        "0.toml:7: mask.model = \"nope\"",
        "1.toml:2: output.fps = 500: expected a number from 1 to 120",
        "1.toml:4: mask.edge = [1, 0]: expected two increasing numbers",
        "1.toml:5: mask.memory = 7: expected",
        "1.toml:7: look.zoom = 1: expected a whole number from 100 to 400",
        "1.toml:8: look.softness = 500: expected a whole number from 0 to 100",
        "BGCAM_OUTPUT_FPS: output.fps = \"fast\": expected a number from 1 to 120",
        "BGCAM_OUTPUT_SIZ: no setting has this name",
        "--quality: mask.quality = \"best\": expected eco",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }
}

#[test]
fn syntax_errors_are_reported_beside_other_errors() {
    for (text, expected) in [
        ("[output]\nfps = \nsize = big\nto = [\"auto\"]\n[look]\nzoom = 1\n", &["2", "3", "6"][..]),
        (
            "broken line\n[output]\nfps = 0\n[mask\nmemory = 0.5\n[look]\nzoom = 1s\nsoftness = -1",
            &["1", "3", "4", "5", "7", "8"],
        ),
        ("[output]\nfps = 30\nfps = 24\n[look]\nzoom = 1", &["3", "5"]),
        ("[look]\nzoom = 1\noverlay = \"logo.png", &["2", "3"]),
        ("\u{0}\u{1}\n[look]\nzoom = 1", &["1", "3"]),
    ] {
        let found = messages(&[text], &[], &Flags::new());
        let line = |text: &String| text.split(": ").next().unwrap_or_default().replace("0.toml:", "");
        assert_eq!(found.iter().map(line).collect::<Vec<_>>(), expected, "{text}\n{found:#?}");
    }
}

#[test]
fn the_first_error_counts_the_others() {
    let text = error("[output]\nfps = 0\n[mask]\nmemory = 2\n[look]\nzoom = 1\n");
    assert!(text.contains("output.fps = 0") && text.contains("(and 2 more errors)"), "{text}");
    assert!(text.ends_with("| `bgcam config check` lists all of them"), "{text}");
}

#[test]
fn a_custom_model_may_be_defined_in_a_lower_layer() {
    let dir = tempfile::tempdir().unwrap();
    let low = dir.path().join("low.toml");
    let high = dir.path().join("high.toml");
    let custom = "[[mask.custom]]\nname = \"mine\"\nfile = \"/mine.onnx\"\nlayout = \"nchw\"\nwidth = 256\nheight = 144\n\
        range = \"0..1\"\noutput = \"alpha\"\n";
    fs::write(&low, custom).unwrap();
    fs::write(&high, "[mask]\nmodel = \"mine\"\n").unwrap();
    let load = |files: &[PathBuf]| Config::layered(files, std::iter::empty(), &Flags::new());
    assert_eq!(load(&[low, high.clone()]).unwrap().mask.model, "mine");
    assert!(load(&[high]).is_err());
    let found = messages(&["[[mask.custom]]\nname = \"mine\"\nwidth = \"wide\"\n"], &[], &Flags::new());
    assert!(found[0].starts_with("0.toml:1: mask.custom"), "{found:?}");
}

#[test]
fn unreadable_files_are_reported_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("latin1.toml"), b"[output]\n# \xe9\n").unwrap();
    fs::create_dir(path("folder.toml")).unwrap();
    for (name, expected) in [
        ("none.toml", "settings file not found"),
        ("latin1.toml", "line 2 is not UTF-8 text"),
        ("folder.toml", "is a folder, not a regular file"),
    ] {
        let failure = Failure::from(check_file(&path(name)).unwrap_err());
        assert!(failure.message.contains(name) && failure.message.contains(expected), "{failure}");
    }
}

#[test]
fn choices_override_the_settings_until_they_are_reset() {
    let config = load("[camera]\ndevice = \"brio\"\n[mask]\nquality = \"eco\"\n", &[]).unwrap();
    let chosen = config.with(Some("demo"), Some(Quality::High));
    assert_eq!((chosen.camera.device.as_str(), chosen.mask.quality), ("demo", Quality::High));
    let own = chosen.with(None, None);
    assert_eq!((own.camera.device.as_str(), own.mask.quality), ("brio", Quality::Eco));
}

#[test]
fn unknown_variables_are_errors() {
    let failure = Failure::from(load("", &[("BGCAM_OUTPUT_SIZ", "1x1")]).unwrap_err());
    assert!(failure.message.starts_with("BGCAM_OUTPUT_SIZ: "), "{failure}");
    assert_eq!(failure.hint.as_deref(), Some("did you mean \"BGCAM_OUTPUT_SIZE\"?"));
    let unlike = Failure::from(load("", &[("BGCAM_NOPE", "1")]).unwrap_err()).hint.unwrap_or_default();
    assert!(!unlike.contains("did you mean"), "{unlike}");
    assert!(load("", &[("BGCAM_LOG", "debug"), ("HOME", "/")]).is_ok());
    let failure = Failure::from(load("", &[("BGCAM_OUTPUT_FPS", "fast")]).unwrap_err());
    assert!(failure.message.starts_with("BGCAM_OUTPUT_FPS: "), "{failure}");
}

#[test]
fn only_settings_must_be_utf8_text() {
    use std::os::unix::ffi::OsStringExt;
    let bad = || OsString::from_vec(vec![0xff]);
    let load = |name: OsString| Config::layered(&[], [(name, bad())].into_iter(), &Flags::new());
    assert!(load("FOO".into()).is_ok() && load(bad()).is_ok());
    let failure = Failure::from(load("BGCAM_CAMERA_DEVICE".into()).unwrap_err());
    assert!(failure.message.contains("BGCAM_CAMERA_DEVICE: the value is not UTF-8"), "{failure}");
}
