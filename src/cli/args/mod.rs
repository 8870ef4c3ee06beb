//! The command line, as clap reads it; its help texts are the reference of the verbs.

mod flags;
mod values;

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use self::flags::{BenchArgs, ConfigVerb, DaemonArgs, DevicesVerb, GalleryVerb, PromptArgs, RenderArgs, SetupArgs};
use self::values::{parse_camera, parse_colour, parse_every, whole};
use crate::{
    background::{BackgroundSpec, Fit},
    mask::Quality,
};

/// A virtual camera that puts another background behind you, for every app on the machine
///
/// `bgcam daemon` is the service; in your conferencing app choose "Virtual Background Cam". The other verbs change what
/// it shows, or work alone.
#[derive(Debug, Parser)]
#[command(name = "bgcam", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 done, 1 it could not be done, 2 wrong use, 3 no daemon runs.\n\
    `bgcam VERB --help` has an example for each.")]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the camera, in the foreground
    #[command(after_help = "Example: bgcam daemon --camera demo --output none --snapshot /tmp/now.png")]
    Daemon(DaemonArgs),

    /// Put a picture behind you that is made of your words
    #[command(after_help = "Example: bgcam set-prompt \"beach at sunset\"\n\
        Example: bgcam set-prompt \"a quiet library\" --provider openai --again\n\
        Without an account anywhere the picture is painted on this machine; `bgcam providers` tells who else can make it.")]
    SetPrompt(PromptArgs),

    /// List, use, keep and remove the pictures that were made
    #[command(after_help = "Example: bgcam gallery use beach")]
    Gallery {
        /// What to do with them; lists them when nothing is said
        #[command(subcommand)]
        verb: Option<GalleryVerb>,
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
    },

    /// List who can make pictures of words, and what is set up
    #[command(after_help = "Example: bgcam providers --test openai")]
    Providers {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Have this one make a small picture, to see whether it works (it may cost money)
        #[arg(long, value_name = "NAME")]
        test: Option<String>,
    },

    /// Put a picture behind you, still or animated
    #[command(
        after_help = "Example: bgcam set-image ~/Pictures/beach.jpg\nExample: bgcam set-image fire.gif --fit contain"
    )]
    SetImage {
        /// A PNG, JPEG, WebP or GIF file
        #[arg(value_hint = ValueHint::FilePath)]
        path: PathBuf,
        /// How a picture of another shape is fitted
        #[arg(long)]
        fit: Option<Fit>,
    },

    /// Put a video behind you, without sound, round and round
    #[command(after_help = "Example: bgcam set-video ~/Videos/waves.mp4\n\
        Example: bgcam set-video aquarium.webm --fit stretch\n\
        MP4, WebM, MKV, MOV and all else that ffmpeg reads; animated GIF, WebP and PNG need no ffmpeg.")]
    SetVideo {
        /// The file; what it is shows by its content, not by its name
        #[arg(value_hint = ValueHint::FilePath)]
        path: PathBuf,
        /// How a video of another shape is fitted
        #[arg(long)]
        fit: Option<Fit>,
    },

    /// Put the pictures of a folder behind you, one after another
    #[command(after_help = "Example: bgcam set-slideshow ~/Pictures/beaches --every 5m\n\
        Example: bgcam set-slideshow ~/Pictures --every 30s --shuffle\n\
        PNG, JPEG and WebP files, by name; what is put there later comes in the next round.")]
    SetSlideshow {
        /// The folder
        #[arg(value_hint = ValueHint::DirPath)]
        path: PathBuf,
        /// How long each stands: 45 or 45s, 5m, 1h
        #[arg(long, value_name = "TIME", default_value = "30s", allow_hyphen_values = true, value_parser = parse_every)]
        every: u32,
        /// In an order of chance
        #[arg(long)]
        shuffle: bool,
        /// How pictures of another shape are fitted
        #[arg(long)]
        fit: Option<Fit>,
    },

    /// Blur the room behind you
    #[command(after_help = "Example: bgcam set-blur 70")]
    SetBlur {
        /// How strongly, 1 to 100
        #[arg(default_value_t = 50, allow_negative_numbers = true, value_parser = whole::<u8, 1, 100>)]
        strength: u8,
    },

    /// Put a plain colour behind you
    #[command(after_help = "Example: bgcam set-color '#20a040'")]
    SetColor {
        /// #rrggbb, #rgb or a CSS colour name
        #[arg(value_parser = parse_colour)]
        colour: BackgroundSpec,
    },

    /// Show your real room: no background at all
    #[command(after_help = "Others see everything behind you. To hide the camera instead, use `bgcam pause`.\n\
        Example: bgcam set-none")]
    SetNone,

    /// Deprecated name of `set-none`
    #[command(hide = true, after_help = "Example: bgcam set-none")]
    Off,

    /// Mute the camera: others see a still card
    #[command(after_help = "Example: bgcam pause")]
    Pause,

    /// Show the camera again after `pause`
    #[command(after_help = "Example: bgcam resume")]
    Resume,

    /// Flip the camera's picture left to right
    #[command(after_help = "Example: bgcam mirror on")]
    Mirror {
        /// on or off
        state: OnOff,
    },

    /// Turn how you look: edges, light, framing, an overlay
    #[command(after_help = "Without arguments it lists everything that can be turned.\n\
        Example: bgcam look light_wrap=30 softness=10\n\
        Example: bgcam look --reset")]
    Look {
        /// What to turn, as NAME=VALUE; with --reset, the names to turn back
        #[arg(value_name = "NAME=VALUE")]
        knobs: Vec<String>,
        /// Turn back to what the settings say: all, or the names that are given
        #[arg(long)]
        reset: bool,
        /// Print JSON
        #[arg(long, conflicts_with_all = ["knobs", "reset"])]
        json: bool,
    },

    /// Tell how the daemon is: camera, rates, background, readers, errors
    #[command(after_help = "Example: bgcam status --watch")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Go on, once a second: in place on a terminal, a line each elsewhere
        #[arg(long)]
        watch: bool,
    },

    /// Open the control page in the browser: what others see, and everything to turn
    #[command(after_help = "Example: bgcam preview\nExample: bgcam preview --print")]
    Preview {
        /// Only print an address that opens it once, within two minutes
        #[arg(long)]
        print: bool,
    },

    /// Change to another camera
    #[command(after_help = "Example: bgcam set-camera brio\nExample: bgcam set-camera --reset")]
    SetCamera {
        /// auto, a path, a part of its name, file:PATH or demo; `bgcam devices` lists what there is
        #[arg(required_unless_present = "reset", value_parser = parse_camera)]
        camera: Option<String>,
        /// Back to what the settings say
        #[arg(long, conflicts_with = "camera")]
        reset: bool,
    },

    /// Set how much the edges around you may cost
    #[command(after_help = "Example: bgcam set-quality eco\nExample: bgcam set-quality --reset")]
    SetQuality {
        /// eco, balanced, high or auto
        #[arg(required_unless_present = "reset")]
        quality: Option<Quality>,
        /// Back to what the settings say
        #[arg(long, conflicts_with = "quality")]
        reset: bool,
    },

    /// List webcams and virtual cameras, make or remove virtual ones
    #[command(
        after_help = "Example: bgcam devices --json\nExample: sudo bgcam devices add \"Second Cam\"",
        args_conflicts_with_subcommands = true
    )]
    Devices {
        /// What to do; without it all are listed
        #[command(subcommand)]
        verb: Option<DevicesVerb>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// List the models that find you, with their licence and speed on this machine
    #[command(after_help = "Example: bgcam models")]
    Models {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Don't measure their speed
        #[arg(long)]
        no_speed: bool,
    },

    /// Look for what is wrong with this machine, and say what mends it
    ///
    /// Exits with 1 when bgcam cannot run here at all.
    #[command(after_help = "Example: bgcam doctor\nExample: bgcam doctor --json")]
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Make the virtual camera and the service; shows what it will change, and asks
    ///
    /// Root's part is done by `sudo`. What is there already is left alone, so a second run changes nothing; `--remove`
    /// undoes all of it, and keeps what you have changed since.
    #[command(after_help = "Example: bgcam setup --dry-run\nExample: bgcam setup --remove")]
    Setup(SetupArgs),

    /// Show and check the settings
    #[command(after_help = "Example: bgcam config check")]
    Config {
        /// What to do with them
        #[command(subcommand)]
        verb: ConfigVerb,
    },

    /// Make the daemon read its settings again
    #[command(after_help = "Example: bgcam reload")]
    Reload,

    /// Put another background into a picture or a video file
    #[command(after_help = "Example: bgcam render me.png me-at-the-beach.png --background beach.jpg\n\
        Example: bgcam render talk.mp4 out.mp4 --background waves.mp4\n\
        Example: bgcam render talk.y4m out.y4m --background '#20a040' --mask alpha.y4m")]
    Render(RenderArgs),

    /// Measure what a frame costs on this machine
    #[command(after_help = "Example: bgcam bench --background blur")]
    Bench(BenchArgs),

    /// End the daemon
    #[command(after_help = "Example: bgcam stop")]
    Stop,

    /// Print a completion script for a shell
    #[command(after_help = "Example: bgcam completions bash > ~/.local/share/bash-completion/completions/bgcam")]
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the manual page, or write one for each verb
    #[command(after_help = "Example: bgcam man | man -l -\nExample: bgcam man ~/.local/share/man/man1")]
    Man {
        /// A directory to write all pages to
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

/// The command line without its deprecated verbs: for completions, which would list them otherwise.
pub fn without_deprecated() -> clap::Command {
    let all = Cli::command();
    let verbs: Vec<_> = all.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    clap::Command::new("bgcam")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(all.get_arguments().cloned())
        .subcommands(verbs)
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum OnOff {
    On,
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        fn check(command: &clap::Command, line: &str) {
            for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
                let (line, help) = (format!("{line} {}", verb.get_name()), verb.clone().render_long_help().to_string());
                assert!(
                    help.contains(&format!("Example: {line}")) || help.contains(&format!("Example: sudo {line}")),
                    "{line}"
                );
                check(verb, &line);
            }
        }
        check(&Cli::command(), "bgcam");
    }
}
