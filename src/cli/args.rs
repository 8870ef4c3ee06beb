//! The command line, as clap reads it; its help texts are the reference of the verbs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::{
    background::{BackgroundError, BackgroundSpec, Fit, parse_seconds},
    control::protocol::MAX_COUNT,
    error::Failure,
    frame::Size,
    mask::Quality,
    sink::SinkSpec,
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
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_every)]
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
        #[arg(default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=100))]
        strength: u8,
    },

    /// Put a plain colour behind you
    #[command(after_help = "Example: bgcam set-color '#20a040'")]
    SetColor {
        /// #rrggbb, #rgb or a CSS colour name
        #[arg(value_parser = parse_colour)]
        colour: BackgroundSpec,
    },

    /// Show the plain camera, room and all
    #[command(after_help = "Example: bgcam off")]
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
        /// Only print its address; whoever has that controls the camera
        #[arg(long)]
        print: bool,
    },

    /// Change to another camera
    #[command(after_help = "Example: bgcam set-camera brio\nExample: bgcam set-camera --reset")]
    SetCamera {
        /// auto, a path, a part of its name, file:PATH or demo; `bgcam devices` lists what there is
        #[arg(required_unless_present = "reset")]
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

/// Flags of `bgcam set-prompt`.
#[derive(Debug, Args)]
pub struct PromptArgs {
    /// What the background should show
    #[arg(required_unless_present = "cancel")]
    pub words: Vec<String>,
    /// Who makes it; see `bgcam providers`
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The provider's model id
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// The seed: the same one gives the same picture, where the provider can do that
    #[arg(long)]
    pub seed: Option<u64>,
    /// Width and height to ask for; the camera's when nothing is said
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// A style, such as photo, cinematic, watercolour or minimal
    #[arg(long)]
    pub style: Option<String>,
    /// What the picture should not have
    #[arg(long, value_name = "WORDS")]
    pub negative: Option<String>,
    /// Send the words as they are, without the template of the settings
    #[arg(long)]
    pub raw: bool,
    /// Make so many, then choose one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_COUNT)))]
    pub count: u32,
    /// Make a new one, even when the gallery has one for these words
    #[arg(long)]
    pub again: bool,
    /// Return at once; the picture comes when it is ready
    #[arg(long)]
    pub no_wait: bool,
    /// Cancel the picture that is being made
    #[arg(long, conflicts_with = "words")]
    pub cancel: bool,
}

/// Verbs of `bgcam devices`.
#[derive(Debug, Subcommand)]
pub enum DevicesVerb {
    /// Make one more virtual camera; needs root, and v4l2loopback 0.13 or later
    ///
    /// From 0.14 on one app at a time reads a virtual camera. Name the new one in output.to, so that the daemon feeds both.
    #[command(after_help = "Example: sudo bgcam devices add \"Second Cam\"")]
    Add {
        /// The name that apps show, at most 31 bytes
        #[arg(default_value = crate::sink::LABEL)]
        label: String,
    },
    /// Remove a virtual camera that nobody has open; needs root
    #[command(after_help = "Example: sudo bgcam devices remove /dev/video11")]
    Remove {
        /// Its node
        node: PathBuf,
    },
}

/// Verbs of `bgcam gallery`. A picture is named by its id, the start of its id, or its words.
#[derive(Debug, Subcommand)]
pub enum GalleryVerb {
    /// List all pictures, newest first
    #[command(after_help = "Example: bgcam gallery list")]
    List,
    /// Put a picture behind you
    #[command(after_help = "Example: bgcam gallery use beach")]
    Use {
        /// The picture
        name: String,
    },
    /// Tell all about a picture
    #[command(after_help = "Example: bgcam gallery show beach")]
    Show {
        /// The picture
        name: String,
    },
    /// Remove a picture
    #[command(after_help = "Example: bgcam gallery remove beach")]
    Remove {
        /// The picture
        name: String,
    },
    /// Keep a picture for good
    #[command(after_help = "Example: bgcam gallery favourite beach")]
    Favourite {
        /// The picture
        name: String,
        /// Keep it no longer than others
        #[arg(long)]
        not: bool,
    },
    /// Copy a picture to a file or directory
    #[command(after_help = "Example: bgcam gallery export beach ~/Pictures")]
    Export {
        /// The picture
        name: String,
        /// Where to
        #[arg(value_hint = ValueHint::AnyPath)]
        to: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Take a picture file in
    #[command(after_help = "Example: bgcam gallery import ~/Pictures/office.jpg --words office")]
    Import {
        /// A PNG, JPEG or WebP file
        #[arg(value_hint = ValueHint::FilePath)]
        path: PathBuf,
        /// What to call it
        #[arg(long)]
        words: Option<String>,
    },
}

/// Flags of `bgcam setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Undo what was set up
    #[arg(long)]
    pub remove: bool,
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Only show what would be done
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Only the virtual camera: leave the service as it is
    #[arg(long)]
    pub no_service: bool,
}

/// Flags of `bgcam daemon`; each wins over the settings.
#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// Camera: auto, a path, a part of its name, file:PATH or demo
    #[arg(long, value_name = "CAMERA")]
    pub camera: Option<String>,
    /// Where pictures go: auto, v4l2, v4l2:/dev/video10, pipewire, y4m:PATH, mp4:PATH, png:PATH, none; repeat for several
    #[arg(long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<SinkSpec>,
    /// Width and height that others see
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// Frames a second, 1 to 120
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub fps: Option<u32>,
    /// What to start with: off, blur, blur:40, a colour, the path of a picture or video, or slideshow:FOLDER
    #[arg(long, value_name = "BACKGROUND", value_parser = parse_background)]
    pub background: Option<BackgroundSpec>,
    /// The model that finds you
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// How much the matte may cost: eco, balanced, high or auto
    #[arg(long, value_name = "NAME")]
    pub quality: Option<Quality>,
    /// Keep a PNG of what others see at this path
    #[arg(long, value_name = "PNG", value_hint = ValueHint::FilePath)]
    pub snapshot: Option<PathBuf>,
    /// End after the first second of composed pictures
    #[arg(long)]
    pub once: bool,
}

/// Verbs of `bgcam config`.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Print all settings that hold now, as TOML
    #[command(after_help = "Example: bgcam config show")]
    Show,
    /// Say what is wrong in the settings, or in a file
    #[command(after_help = "Example: bgcam config check")]
    Check {
        /// A file to check in place of those in force
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print where settings are looked for
    #[command(after_help = "Example: bgcam config path")]
    Path,
}

/// Flags of `bgcam render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// A picture (PNG, JPEG, WebP) or a video (Y4M; others through ffmpeg)
    #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// Where the result goes: .png or .jpg for a picture, .y4m or .mp4 for a video
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// What to put behind: off, blur, blur:40, a colour, the path of a picture or video, or slideshow:FOLDER
    #[arg(long, value_name = "BACKGROUND", value_parser = parse_background)]
    pub background: Option<BackgroundSpec>,
    /// Where the alpha that was blended goes: .png for a picture, .y4m for a video
    #[arg(long, value_name = "MASK", value_hint = ValueHint::FilePath)]
    pub mask: Option<PathBuf>,
    /// The model that finds the person
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// How much the matte may cost: eco, balanced, high or auto
    #[arg(long, value_name = "NAME")]
    pub quality: Option<Quality>,
}

/// Flags of `bgcam bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Where frames come from: demo or file:PATH
    #[arg(long, default_value = "demo", value_name = "CAMERA")]
    pub camera: String,
    /// Width and height
    #[arg(long, default_value = "1280x720", value_name = "WxH")]
    pub size: Size,
    /// What is put behind; a picture of its own when nothing is said
    #[arg(long, value_name = "BACKGROUND", value_parser = parse_background)]
    pub background: Option<BackgroundSpec>,
    /// The model
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// How much the matte may cost: eco, balanced, high or auto
    #[arg(long, value_name = "NAME")]
    pub quality: Option<Quality>,
    /// Write the figures to a file, to compare others with
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    /// Compare with figures that were saved before; the more alike the machine's load is, the better
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub compare: Option<PathBuf>,
    /// How many frames
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub frames: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum OnOff {
    On,
    Off,
}

fn parse_colour(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map(BackgroundSpec::Color).map_err(|error| with_hint(&error))
}

fn parse_every(text: &str) -> Result<u32, String> {
    parse_seconds(text).map_err(|error| with_hint(&error))
}

fn parse_background(text: &str) -> Result<BackgroundSpec, String> {
    text.parse().map_err(|error| with_hint(&error))
}

fn with_hint(error: &BackgroundError) -> String {
    let Failure { message, hint, .. } = Failure::from(error);
    hint.map_or(message.clone(), |hint| format!("{message}\n  hint: {hint}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        fn check(command: &clap::Command, line: &str) {
            for verb in command.get_subcommands() {
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
