//! What the documents show must work: TOML blocks are settings that bgcam takes, commands are verbs that it has, troubles
//! are messages of ours.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{env, fs, path::Path};

use bgcam::{cli::args::Cli, config};
use clap::Parser;

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
        .chain(["README.md", "CONTRIBUTING.md", "models/README.md"].map(|name| root.join(name)))
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

/// The commands of `bgcam` in a document, in blocks and between backticks, each with its line.
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
fn every_command_is_one_that_bgcam_has() {
    let mut count = 0;
    for (name, text) in documents() {
        for (line, command) in commands(&text) {
            let words = shlex::split(&command).unwrap_or_else(|| panic!("{name}:{line}: {command}"));
            let words = words.into_iter().take_while(|word| !["&&", "|", ">"].contains(&word.as_str()));
            // a name alone, as in "`bgcam gallery`", may want arguments; what it says must still be a verb
            if let Err(error) = Cli::try_parse_from(words) {
                use clap::error::ErrorKind::{
                    DisplayHelp, DisplayVersion, InvalidValue, MissingRequiredArgument, MissingSubcommand,
                    ValueValidation,
                };
                let known = [DisplayHelp, DisplayVersion, MissingRequiredArgument, MissingSubcommand];
                let is_place = |word: &str| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase());
                let stands_for_a_value =
                    [InvalidValue, ValueValidation].contains(&error.kind()) && command.split(' ').any(is_place);
                assert!(known.contains(&error.kind()) || stands_for_a_value, "{name}:{line}: {command}: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count} commands");
}

/// docs/config.md, as the compiled-in settings say it.
fn config_document() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Generated from [config/bgcam.toml](../config/bgcam.toml) by `UPDATE_DOCS=1 cargo test --test docs`. `bgcam config path`\n\
         prints where the files are, `bgcam config check` finds mistakes, `bgcam reload` applies changes during a call. Each setting\n\
         is also an environment variable: `output.fps` is `BGCAM_OUTPUT_FPS`.\n",
    );
    let (mut section, mut comment, mut started) = (String::new(), Vec::new(), false);
    for line in config::DEFAULTS.lines() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim_start().to_owned());
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
fn the_document_of_the_settings_is_theirs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    let expected = config_document();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "docs/config.md is out of date: run `UPDATE_DOCS=1 cargo test --test docs`");
}

/// The sources, one text a line.
fn sources() -> Vec<String> {
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
