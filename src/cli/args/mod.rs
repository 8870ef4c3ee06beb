//! The definition of the command line. Its help texts are the reference of all commands, and the source of the manual
//! pages.

mod flags;
mod generator;

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use self::{
    flags::{
        ConfigCommand, DaemonArgs, DevicesCommand, GalleryCommand, OverlayArgs, PresetCommand, PromptArgs,
        ProvidersArgs, SetupArgs, SlideshowArgs, StatusArgs, TrayArgs,
    },
    generator::{GeneratorArgs, GeneratorCommand, GeneratorOptions},
};
use crate::{
    background::{BackgroundSpec, Fit},
    bench::BenchArgs,
    config::arguments::{parse_camera, parse_colour, whole},
    control::protocol::Switch,
    mask::Quality,
    render::RenderArgs,
};

/// Virtual camera that replaces your background in any video app
///
/// `bgcam daemon` runs the camera. In your video app, choose the camera "Virtual Background Cam". The other commands
/// control the running camera, or work on their own.
#[derive(Debug, Parser)]
#[command(name = "bgcam", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 success, 1 failure, 2 usage error, 3 daemon not running.\n\n\
    Examples:\n  bgcam setup\n  bgcam set-image ~/Pictures/beach.jpg\n  bgcam preview\n\n\
    `bgcam COMMAND --help` shows details and examples of a command.")]
pub struct Cli {
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the virtual camera in the foreground
    #[command(
        after_help = "Examples:\n  bgcam daemon\n  bgcam daemon --camera demo --output none --snapshot /tmp/now.png"
    )]
    Daemon(DaemonArgs),

    /// Generate a background from a text description
    ///
    /// Without an account, the built-in painter draws a simple scene offline; `bgcam providers` lists the alternatives.
    /// Every image is saved in the gallery, and repeating a prompt reuses it for free.
    ///
    /// `--edit` changes the current background, if it is an image: "make it night". `--undo` and `--redo` walk through the
    /// edits, also after a restart; images that were deleted are skipped.
    #[command(after_help = "Examples:\n  bgcam set-prompt \"beach at sunset\"\n  \
        bgcam set-prompt \"a quiet library\" --provider openai --again\n  \
        bgcam set-prompt \"forest in fog\" --count 4\n  \
        bgcam set-prompt \"forest in fog\" --cost\n  \
        bgcam set-prompt --edit \"make it night\"\n  bgcam set-prompt --undo")]
    SetPrompt(PromptArgs),

    /// Manage generated and imported background images
    #[command(after_help = "Examples:\n  bgcam gallery\n  bgcam gallery use beach")]
    Gallery {
        /// What to do [default: list]
        #[command(subcommand)]
        command: Option<GalleryCommand>,
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
    },

    /// List image providers and whether each is configured
    #[command(after_help = "Examples:\n  bgcam providers\n  bgcam providers openai")]
    Providers(ProvidersArgs),

    /// Set up, show or remove an image generator on this machine
    ///
    /// Generates images without an account and without sending your prompts anywhere. Uses sd-server of
    /// stable-diffusion.cpp, which is started when it is needed. Needs several GB of disk and memory.
    #[command(
        after_help = "Examples:\n  bgcam generator setup --weights ~/models/model.safetensors\n  bgcam generator status"
    )]
    Generator(GeneratorOptions),

    /// Set an image as your background, still or animated
    #[command(
        after_help = "Examples:\n  bgcam set-image ~/Pictures/beach.jpg\n  bgcam set-image fire.gif --fit contain"
    )]
    SetImage {
        /// PNG, JPEG, WebP or GIF file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        path: PathBuf,
        /// How to fit an image with another aspect ratio [default: as configured]
        #[arg(long)]
        fit: Option<Fit>,
    },

    /// Play a muted, looping video as your background
    ///
    /// Supports MP4, WebM, MKV, MOV and every other format of ffmpeg, which must be installed. Animated GIF, WebP and
    /// PNG files play without ffmpeg. The file type is detected from the content.
    #[command(after_help = "Examples:\n  bgcam set-video ~/Videos/waves.mp4\n  \
        bgcam set-video aquarium.webm --fit stretch")]
    SetVideo {
        /// Video file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        path: PathBuf,
        /// How to fit a video with another aspect ratio [default: as configured]
        #[arg(long)]
        fit: Option<Fit>,
    },

    /// Play a slideshow of the images in a folder as your background
    ///
    /// Shows PNG, JPEG and WebP files, ordered by name. Files added later are included in the next cycle.
    #[command(after_help = "Examples:\n  bgcam set-slideshow ~/Pictures/beaches --every 5m\n  \
        bgcam set-slideshow ~/Pictures --every 30s --shuffle")]
    SetSlideshow(SlideshowArgs),

    /// Blur the room behind you
    #[command(after_help = "Examples:\n  bgcam set-blur\n  bgcam set-blur 70")]
    SetBlur {
        /// Strength, 1 to 100; below 20, your room is recognizable
        #[arg(default_value_t = 50, allow_negative_numbers = true, value_parser = whole::<u8, 1, 100>)]
        strength: u8,
    },

    /// Set a solid colour as your background
    #[command(
        name = "set-color",
        alias = "set-colour",
        after_help = "Examples:\n  bgcam set-color '#20a040'\n  bgcam set-color teal"
    )]
    SetColour {
        /// #rrggbb, #rgb or a CSS colour name
        #[arg(value_name = "COLOR", value_parser = parse_colour)]
        colour: BackgroundSpec,
    },

    /// Show your real room, without a virtual background
    ///
    /// Other people see everything behind you. To hide the camera, use `bgcam pause`.
    #[command(after_help = "Examples:\n  bgcam set-none")]
    SetNone,

    /// Deprecated name of `set-none`
    #[command(hide = true, after_help = "Examples:\n  bgcam set-none")]
    Off,

    /// Pause your video: other people see a "Camera paused" card
    #[command(after_help = "Examples:\n  bgcam pause\n  bgcam pause --message \"Back at 3\"\n  bgcam pause --freeze")]
    Pause {
        /// A line for the card, at most 60 characters
        #[arg(long, value_name = "TEXT")]
        message: Option<String>,
        /// Show your last frame as a still instead of the card, with the background it had
        #[arg(long, conflicts_with = "message")]
        freeze: bool,
    },

    /// Show your video again after `pause`
    #[command(after_help = "Examples:\n  bgcam resume")]
    Resume,

    /// Mirror your video
    #[command(after_help = "Examples:\n  bgcam mirror on")]
    Mirror {
        /// Whether to mirror your video
        state: OnOff,
    },

    /// Turn pause, mirror or blur on or off
    ///
    /// For a keyboard shortcut or a button. Turning the blur off returns to your last background that was not a blur.
    #[command(after_help = "Examples:\n  bgcam toggle pause\n  bgcam toggle blur")]
    Toggle {
        /// What to turn on or off
        switch: Switch,
    },

    /// Return to the background before this one
    ///
    /// bgcam remembers your last eight backgrounds. `previous` goes back through them, `next` forward. They never show
    /// your room: for that, use `bgcam set-none`.
    #[command(after_help = "Examples:\n  bgcam previous")]
    Previous,

    /// Switch to the background after this one, the reverse of `previous`
    #[command(after_help = "Examples:\n  bgcam next")]
    Next,

    /// Adjust edges, lighting, framing and overlay
    ///
    /// Without arguments, lists every setting with its value and range. Changes last until you reset them.
    #[command(after_help = "Examples:\n  bgcam look\n  bgcam look light_wrap=30 softness=10\n  \
        bgcam look --reset\n  bgcam look --reset zoom pan_x")]
    Look {
        /// Settings to change; with --reset, names of the settings to reset
        #[arg(value_name = "NAME=VALUE")]
        settings: Vec<String>,
        /// Reset the named settings, or all of them, to the configured values
        #[arg(long)]
        reset: bool,
        /// Print JSON
        #[arg(long, conflicts_with_all = ["settings", "reset"])]
        json: bool,
    },

    /// Show an image with transparency, such as a logo or name tag, over your video
    ///
    /// The same as the settings `overlay` of `bgcam look`, which lists their values.
    #[command(after_help = "Examples:\n  bgcam set-overlay logo.png\n  \
        bgcam set-overlay logo.png --position top-left --size 15\n  bgcam set-overlay none")]
    SetOverlay(OverlayArgs),

    /// Save and restore background, look, camera and quality together
    #[command(after_help = "Examples:\n  bgcam preset\n  bgcam preset save Work\n  bgcam preset use work")]
    Preset {
        /// What to do [default: list]
        #[command(subcommand)]
        command: Option<PresetCommand>,
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
    },

    /// Show daemon status: camera, apps, frame rates, background, errors
    #[command(
        after_help = "Examples:\n  bgcam status\n  bgcam status --watch\n  bgcam status --json\n  bgcam status --waybar --watch"
    )]
    Status(StatusArgs),

    /// Print what happens as lines of JSON, for scripts
    ///
    /// The first event is the whole state. Later ones are changes: of background, pause, camera, apps, a visible room,
    /// generated images and errors. They are found by comparing states, at least once per second: what is undone before that
    /// is not reported. A reader that is too slow gets the whole state again. Ends when the daemon stops, with the event
    /// `stopped` and exit status 0.
    #[command(after_help = "Examples:\n  bgcam watch\n  bgcam watch | jq -r .event")]
    Watch,

    /// Open the control page in your browser, with a preview and every setting
    #[command(after_help = "Examples:\n  bgcam preview\n  bgcam preview --print")]
    Preview {
        /// Print the address instead; it works once, within two minutes
        #[arg(long)]
        print: bool,
        /// Start bgcam first if it is not running, and show errors as notifications, as the applications menu does
        #[arg(long, conflicts_with = "print")]
        start: bool,
    },

    /// Show an icon in the panel, with a menu, notifications and global shortcuts
    ///
    /// For panels with tray icons (StatusNotifierItem): KDE, Xfce, LXQt, Cinnamon, MATE, Waybar, and GNOME with the extension
    /// AppIndicator. A middle click pauses. `bgcam setup` starts the icon at every login.
    #[command(after_help = "Examples:\n  bgcam tray\n  bgcam tray --no-notifications")]
    Tray(TrayArgs),

    /// Switch to another webcam
    #[command(after_help = "Examples:\n  bgcam set-camera brio\n  bgcam set-camera --reset")]
    SetCamera {
        /// auto, a device path, part of a camera's name, pipewire:NAME, file:PATH or demo; see `bgcam devices`
        #[arg(required_unless_present = "reset", value_parser = parse_camera)]
        camera: Option<String>,
        /// Reset to the configured camera
        #[arg(long, conflicts_with = "camera")]
        reset: bool,
    },

    /// Set edge quality
    #[command(after_help = "Examples:\n  bgcam set-quality eco\n  bgcam set-quality --reset")]
    SetQuality {
        /// eco, balanced, high or auto
        #[arg(required_unless_present = "reset")]
        quality: Option<Quality>,
        /// Reset to the configured quality
        #[arg(long, conflicts_with = "quality")]
        reset: bool,
    },

    /// List webcams and virtual cameras; add or remove virtual cameras
    #[command(
        after_help = "Examples:\n  bgcam devices\n  bgcam devices --formats\n  sudo bgcam devices add \"Second Cam\"",
        args_conflicts_with_subcommands = true
    )]
    Devices {
        /// What to do [default: list the devices]
        #[command(subcommand)]
        command: Option<DevicesCommand>,
        /// Also list the formats, sizes and frame rates of each webcam
        #[arg(long, conflicts_with = "json")]
        formats: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// List segmentation models with their licence and speed on this machine
    #[command(after_help = "Examples:\n  bgcam models\n  bgcam models --no-speed")]
    Models {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Do not measure the speed
        #[arg(long)]
        no_speed: bool,
    },

    /// Diagnose problems on this machine and suggest fixes
    ///
    /// The exit status is 1 if bgcam cannot run on this machine.
    #[command(after_help = "Examples:\n  bgcam doctor\n  bgcam doctor --json")]
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Set up the virtual camera and the service
    ///
    /// Shows every change and asks before making it. Commands that require root run with `sudo`. Existing configuration
    /// is kept, and a second run skips finished steps. `--remove` undoes all changes except files that you edited
    /// since.
    #[command(after_help = "Examples:\n  bgcam setup\n  bgcam setup --dry-run\n  bgcam setup --remove")]
    Setup(SetupArgs),

    /// Show and check the settings
    #[command(after_help = "Examples:\n  bgcam config show\n  bgcam config check")]
    Config {
        /// What to do
        #[command(subcommand)]
        command: ConfigCommand,
    },

    /// Reload the settings without restarting
    #[command(after_help = "Examples:\n  bgcam reload")]
    Reload,

    /// Replace the background in an image or video file
    #[command(after_help = "Examples:\n  bgcam render me.png beach.png --background beach.jpg\n  \
        bgcam render talk.mp4 out.mp4 --background waves.mp4\n  \
        bgcam render talk.y4m out.y4m --background '#20a040' --mask alpha.y4m")]
    Render(RenderArgs),

    /// Measure the CPU time per frame on this machine
    #[command(after_help = "Examples:\n  bgcam bench\n  bgcam bench --background blur --save before.json\n  \
        bgcam bench --compare before.json")]
    Bench(BenchArgs),

    /// Stop the daemon
    #[command(after_help = "Examples:\n  bgcam stop")]
    Stop,

    /// Print a shell completion script
    #[command(after_help = "Examples:\n  bgcam completions bash > ~/.local/share/bash-completion/completions/bgcam")]
    Completions {
        /// Shell
        shell: Shell,
    },

    /// Print the manual page, or write the pages of all commands to a folder
    #[command(after_help = "Examples:\n  bgcam man | man -l -\n  bgcam man ~/.local/share/man/man1")]
    Man {
        /// Folder to write the pages to
        #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

/// The command line without hidden commands, because completion scripts would list them.
pub fn without_hidden() -> clap::Command {
    let all = Cli::command();
    let visible: Vec<_> = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    clap::Command::new("bgcam")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(all.get_arguments().cloned())
        .subcommands(visible)
}

/// State of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
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
    fn every_command_has_examples() {
        fn check(command: &clap::Command, line: &str) {
            for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
                let line = format!("{line} {}", command.get_name());
                let help = command.clone().render_long_help().to_string();
                let examples = help.split_once("Examples:\n").map(|(_, examples)| examples).unwrap_or_default();
                assert!(
                    examples.contains(&format!("  {line}")) || examples.contains(&format!("  sudo {line}")),
                    "{line}: {help}"
                );
                check(command, &line);
            }
        }
        check(&Cli::command(), "bgcam");
    }
}
