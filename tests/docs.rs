//! What the documents show must work: each TOML block is settings that bgcam takes.
#![allow(clippy::unwrap_used)]

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
