//! What the documents show must work: each TOML block is settings that bgcam takes, each trouble a message of ours.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{fs, path::Path};

use support::Home;

/// The blocks of `language` in a document, each with the number of its first line.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let (mut found, mut inside) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(fence)) => inside = Some((fence.trim() == language, number + 2, String::new())),
            (Some(_), Some(_)) => {
                if let Some((true, number, block)) = inside.take() {
                    found.push((number, block));
                }
            }
            (Some((_, _, block)), None) => *block += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let texts = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    texts
        .chain([root.join("README.md")])
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn every_toml_block_is_good_settings() {
    let mut count = 0;
    for (name, text) in documents() {
        for (line, block) in blocks(&text, "toml") {
            let home = Home::new();
            home.write_config(&block);
            let output = home.run(&["config", "check"]);
            assert!(output.status.success(), "{name}:{line}: {}", support::text(&output));
            count += 1;
        }
    }
    assert!(count > 5, "{count} blocks");
}

/// The sources, one text a line.
fn sources() -> Vec<String> {
    fn all(dir: &Path, texts: &mut Vec<String>) {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                all(&path, texts);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                texts.extend(fs::read_to_string(path).unwrap().lines().map(|line| line.replace("\\\"", "\"")));
            }
        }
    }
    let mut texts = Vec::new();
    all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    texts
}

#[test]
fn every_heading_of_troubleshooting_is_a_message_of_ours() {
    let sources = sources();
    let text = include_str!("../docs/troubleshooting.md");
    let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for heading in &headings {
        // the parts between the names and numbers, in this order in one line of the sources
        let says = |line: &&String| {
            let mut rest = line.as_str();
            heading.split('…').all(|part| match rest.find(part) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            })
        };
        let code = |line: &&String| !line.trim_start().starts_with("//");
        assert!(sources.iter().filter(code).any(|line| says(&line)), "nobody says: {heading}");
    }
    assert!(headings.len() > 30, "{} headings", headings.len());
}

#[test]
fn the_desktop_entry_starts_us() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/desktop/bgcam.desktop");
    let text = fs::read_to_string(&path).unwrap();
    for line in ["[Desktop Entry]", "Type=Application", "Exec=bgcam preview", "Icon=bgcam"] {
        assert!(text.lines().any(|found| found == line), "no {line}");
    }
    assert!(path.with_extension("svg").exists());
    match std::process::Command::new("desktop-file-validate").arg(&path).output() {
        Ok(output) => assert!(output.status.success() && output.stdout.is_empty(), "{output:?}"),
        Err(_) => eprintln!("skipped: desktop-file-validate is not there"),
    }
}
