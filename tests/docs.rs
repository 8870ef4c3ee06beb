//! The documentation matches the program: TOML blocks are valid settings, commands parse, files exist, and headings of
//! the troubleshooting guide are messages in the sources.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{env, fs, path::Path};

use bgcam::{cli::args::Cli, config};
use clap::Parser;

use support::Home;

/// The fenced blocks of `language` in a document, each with the number of its first line.
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
        .chain(["README.md", "CONTRIBUTING.md", "models/README.md"].map(|name| root.join(name)))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn every_toml_block_is_valid_settings() {
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

/// The `bgcam` commands in a document, in blocks and in code spans, each with its line number.
fn commands(text: &str) -> Vec<(usize, String)> {
    let inline = text.lines().enumerate().flat_map(|(number, line)| {
        let spans = line.split('`').skip(1).step_by(2);
        spans.map(move |span| (number + 1, span.to_owned())).collect::<Vec<_>>()
    });
    let in_blocks = blocks(text, "sh").into_iter().flat_map(|(first, block)| {
        let lines = block.lines().map(str::to_owned).collect::<Vec<_>>();
        lines.into_iter().enumerate().map(move |(offset, line)| (first + offset, line))
    });
    let all = inline.chain(in_blocks).map(|(line, text)| (line, text.trim().trim_start_matches("sudo ").to_owned()));
    all.filter(|(_, text)| text.starts_with("bgcam ")).collect()
}

#[test]
fn every_command_in_the_documents_parses() {
    let mut count = 0;
    for (name, text) in documents() {
        for (line, command) in commands(&text) {
            let words = shlex::split(&command).unwrap_or_else(|| panic!("{name}:{line}: {command}"));
            let words = words.into_iter().take_while(|word| !["&&", "|", ">"].contains(&word.as_str()));
            // a command may be shown without its arguments, or with placeholders such as FILE as their values
            if let Err(error) = Cli::try_parse_from(words) {
                use clap::error::ErrorKind::{
                    DisplayHelp, DisplayVersion, InvalidValue, MissingRequiredArgument, MissingSubcommand,
                    ValueValidation,
                };
                let known = [DisplayHelp, DisplayVersion, MissingRequiredArgument, MissingSubcommand];
                let is_placeholder = |word: &str| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase());
                let has_placeholder =
                    [InvalidValue, ValueValidation].contains(&error.kind()) && command.split(' ').any(is_placeholder);
                assert!(known.contains(&error.kind()) || has_placeholder, "{name}:{line}: {command}: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count} commands");
}

/// docs/config.md, generated from the compiled-in settings.
fn config_document() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Generated from [config/bgcam.toml](../config/bgcam.toml) by `UPDATE_DOCS=1 cargo test --test docs`. `bgcam config path`\n\
         prints where the files are, `bgcam config check` finds mistakes, `bgcam reload` applies changes during a call. Each setting\n\
         is also an environment variable: `output.fps` is `BGCAM_OUTPUT_FPS`.\n",
    );
    let (mut section, mut comment, mut started) = (String::new(), Vec::new(), false);
    for line in config::DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim_start().to_owned());
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            started = true;
            section = name.to_owned();
            text += &format!("\n## {name}\n\n");
            if !comment.is_empty() {
                text += &format!("{}\n\n", comment.join(" "));
            }
            comment.clear();
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| started) {
            let value = value.split(" #").next().unwrap_or(value).trim();
            text += &format!("- `{section}.{key}` = `{value}`");
            text += &if comment.is_empty() { "\n".to_owned() } else { format!(": {}\n", comment.join(" ")) };
            comment.clear();
        } else if !started || line.is_empty() {
            comment.clear();
        }
    }
    text
}

#[test]
fn the_settings_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    let expected = config_document();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "docs/config.md is out of date: run `UPDATE_DOCS=1 cargo test --test docs`");
}

/// The lines of the sources, with escaped quotes unescaped.
fn source_lines() -> Vec<String> {
    fn all(dir: &Path, texts: &mut Vec<String>) {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                all(&path, texts);
            } else if path.extension().is_some_and(|ending| ["rs", "html", "js"].iter().any(|known| ending == *known)) {
                texts.extend(fs::read_to_string(path).unwrap().lines().map(|line| line.replace("\\\"", "\"")));
            }
        }
    }
    let mut texts = Vec::new();
    all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    texts
}

#[test]
fn every_heading_of_the_troubleshooting_guide_is_a_message() {
    let sources = source_lines();
    let text = include_str!("../docs/troubleshooting.md");
    let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for heading in &headings {
        // the parts around the placeholders must occur in this order in one line of the sources
        let contains_heading = |line: &&String| {
            let mut rest = line.as_str();
            heading.split('…').all(|part| match rest.find(part) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            })
        };
        let is_code = |line: &&String| !line.trim_start().starts_with("//");
        assert!(
            sources.iter().filter(is_code).any(|line| contains_heading(&line)),
            "not a message in the sources: {heading}"
        );
    }
    assert!(headings.len() > 30, "{} headings", headings.len());
}

#[test]
fn the_desktop_entry_starts_bgcam() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/desktop/io.github.bgcam.bgcam.desktop");
    let text = fs::read_to_string(&path).unwrap();
    for line in ["[Desktop Entry]", "Type=Application", "Exec=bgcam preview --start", "Icon=bgcam"] {
        assert!(text.lines().any(|found| found == line), "no {line}");
    }
    assert!(path.with_file_name("bgcam.svg").exists());
    match std::process::Command::new("desktop-file-validate").arg(&path).output() {
        Ok(output) => assert!(output.status.success() && output.stdout.is_empty(), "{output:?}"),
        Err(_) => eprintln!("skipped: desktop-file-validate is not installed"),
    }
}

/// Whether `name` is a source file, such as `pipeline/render.rs`, or a directory, such as `frame/`, as the documents
/// write them.
fn is_path(name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    name.chars().all(part) && ([".rs", ".py"].iter().any(|ending| name.ends_with(ending)) || name.ends_with('/'))
}

#[test]
fn every_file_named_in_the_documents_exists() {
    fn paths(dir: &Path, found: &mut Vec<String>) {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            found.push(format!("{}{}", path.display(), if path.is_dir() { "/" } else { "" }));
            if path.is_dir() {
                paths(&path, found);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut existing = Vec::new();
    for dir in ["src", "tests", "benches", "fuzz/fuzz_targets", "models", "scripts"] {
        existing.push(format!("{}/", root.join(dir).display()));
        paths(&root.join(dir), &mut existing);
    }
    let mut count = 0;
    for (name, text) in documents().into_iter().filter(|(name, _)| !name.ends_with("guide.md")) {
        for (number, line) in text.lines().enumerate() {
            for span in line.split('`').skip(1).step_by(2).filter(|span| is_path(span)) {
                let ending = format!("/{span}");
                assert!(existing.iter().any(|path| path.ends_with(&ending)), "{name}:{}: no {span}", number + 1);
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count} files");
}

#[test]
fn the_design_document_lists_every_module() {
    let design = include_str!("../docs/design.md");
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let slash = if entry.path().is_dir() { "/" } else { "" };
        if !["lib.rs", "main.rs"].contains(&&*name) {
            assert!(design.contains(&format!("| `{name}{slash}` |")), "docs/design.md does not list {name}");
        }
    }
}
