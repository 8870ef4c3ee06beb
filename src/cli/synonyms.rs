//! Suggests the command for a word that is not one, such as `blur` for `set-blur`.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Words that people try, and the commands for them.
const SYNONYMS: [(&[&str], &str); 21] = [
    (&["blur", "bokeh"], "set-blur"),
    (&["color", "colour"], "set-color"),
    (&["image", "picture", "photo", "background", "set-background", "set-picture"], "set-image"),
    (&["video", "movie"], "set-video"),
    (&["slideshow"], "set-slideshow"),
    (&["prompt", "generate", "imagine", "ai", "edit", "refine", "undo", "redo"], "set-prompt"),
    (&["none", "clear", "disable"], "set-none"),
    (&["camera", "webcam", "set-webcam"], "set-camera"),
    (&["quality"], "set-quality"),
    (&["start", "run", "serve"], "daemon"),
    (&["unpause", "continue", "play", "show"], "resume"),
    (&["hide", "freeze", "still", "mute"], "pause"),
    (&["flip"], "mirror"),
    (&["quit", "exit", "kill"], "stop"),
    (&["list", "cameras", "ls"], "devices"),
    (&["ui", "gui", "open", "page", "web"], "preview"),
    (&["install", "uninstall", "init"], "setup"),
    (&["check", "diagnose"], "doctor"),
    (&["overlay", "logo", "set-logo"], "set-overlay"),
    (&["presets", "profile", "profiles"], "preset"),
    (&["events", "monitor", "subscribe"], "watch"),
];

/// Adds the suggestion to the error of an unknown command.
pub(super) fn suggest(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
        && let Some(command) = command_for(word).or_else(|| most_similar(word, &error))
    {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![command]));
    }
    error
}

/// The most similar of the commands that clap suggests; it suggests every one that starts with `set-`.
fn most_similar(word: &str, error: &clap::Error) -> Option<String> {
    let Some(ContextValue::Strings(similar)) = error.get(ContextKind::SuggestedSubcommand) else { return None };
    similar.iter().min_by_key(|command| strsim::osa_distance(command, word)).cloned()
}

fn command_for(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    SYNONYMS.iter().find(|(words, _)| words.contains(&&*word)).map(|(_, command)| (*command).to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn unknown_words_lead_to_the_command() {
        for (line, command) in [
            (&["bgcam", "blur", "50"][..], "set-blur"),
            (&["bgcam", "Unpause"], "resume"),
            (&["bgcam", "stpo"], "stop"),
        ] {
            let error = suggest(Cli::try_parse_from(line).unwrap_err()).to_string();
            assert!(error.contains(&format!("'{command}'")), "{line:?}: {error}");
        }
        let one = suggest(Cli::try_parse_from(["bgcam", "set-promt"]).unwrap_err()).to_string();
        assert!(one.contains("'set-prompt'") && !one.contains("set-blur"), "{one}");
        let unknown = suggest(Cli::try_parse_from(["bgcam", "xyzzy"]).unwrap_err()).to_string();
        assert!(!unknown.contains("similar"), "{unknown}");
    }

    #[test]
    fn every_suggestion_is_a_command_and_no_word_is() {
        let cli = Cli::command();
        let is_command = |word: &str| cli.get_subcommands().any(|command| command.get_name() == word);
        for (words, command) in SYNONYMS {
            assert!(is_command(command), "{command}");
            assert!(!words.iter().any(|word| is_command(word)), "{words:?}");
        }
    }
}
