//! The flags and second words of the verbs that have many.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::values::{parse_background, parse_camera, whole};
use crate::{background::BackgroundSpec, frame::Size, mask::Quality, prompt::MAX_COUNT, sink::SinkSpec};

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
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<u64, 0, { u64::MAX }>)]
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
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u32, 1, { MAX_COUNT as u64 }>)]
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
    #[arg(long, value_name = "CAMERA", value_parser = parse_camera)]
    pub camera: Option<String>,
    /// Where pictures go: auto, v4l2, v4l2:/dev/video10, pipewire, y4m:PATH, mp4:PATH, png:PATH, none; repeat for several
    #[arg(long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<SinkSpec>,
    /// Width and height that others see
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// Frames a second, 1 to 120
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<u32, 1, 120>)]
    pub fps: Option<u32>,
    /// What to start with: none, blur, blur:40, a colour, the path of a picture or video, or slideshow:FOLDER
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
    /// What to put behind: none, blur, blur:40, a colour, the path of a picture or video, or slideshow:FOLDER
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
    #[arg(long, default_value_t = 300, allow_negative_numbers = true, value_parser = whole::<u32, 10, 100_000>)]
    pub frames: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
