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
        && let Some(command) = command_for(word)
    {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![command.to_owned()]));
    }
    error
}

fn command_for(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    SYNONYMS.iter().find(|(words, _)| words.contains(&&*word)).map(|(_, command)| *command)
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
