//! Arguments of the commands that have many.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint, builder::PossibleValuesParser};

use crate::{
    background::{BackgroundSpec, Fit},
    config::arguments::{MaskArgs, parse_background, parse_camera, parse_every, whole},
    frame::Size,
    look::POSITIONS,
    prompt::{MAX_COUNT, template::STYLES},
    sink::SinkSpec,
};

/// The arguments of `bgcam providers`.
#[derive(Debug, Args)]
pub struct ProvidersArgs {
    /// Show only this provider, with what is missing and how to set it up
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Generate a test image with this provider (costs as much as an image; not counted)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "json"])]
    pub test: Option<String>,
}

/// The arguments of `bgcam set-prompt`.
#[derive(Debug, Args)]
pub struct PromptArgs {
    /// Description of the background; with --edit, what to change
    #[arg(value_name = "PROMPT", required_unless_present_any = ["cancel", "undo", "redo"])]
    pub prompt: Vec<String>,
    /// Change the current background instead, such as "make it night"; the image is sent to the provider, never your video
    #[arg(long)]
    pub edit: bool,
    /// Edit this image of the gallery instead of the current background: its prompt or id, or the start of its id
    #[arg(long, value_name = "IMAGE", requires = "edit")]
    pub of: Option<String>,
    /// Return to the image before the last edit
    #[arg(long, conflicts_with_all = ["prompt", "edit", "redo", "cancel"])]
    pub undo: bool,
    /// Return to the edit that was undone
    #[arg(long, conflicts_with_all = ["prompt", "edit", "cancel"])]
    pub redo: bool,
    /// Image provider; see `bgcam providers` [default: as configured]
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Model of the provider [default: as configured]
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// Seed: the same seed and prompt produce the same image, if the provider supports seeds
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<u64, 0, { u64::MAX }>)]
    pub seed: Option<u64>,
    /// Image size in pixels [default: the output size]
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub size: Option<Size>,
    /// How the image is painted
    #[arg(long, value_parser = PossibleValuesParser::new(STYLES.map(|(name, _)| name)))]
    pub style: Option<String>,
    /// What the image should not contain
    #[arg(long, value_name = "PROMPT")]
    pub negative: Option<String>,
    /// Send the prompt as is, without the configured template
    #[arg(long)]
    pub raw: bool,
    /// Number of images to generate, 1 to 8; you choose one of them
    #[arg(long, value_name = "NUMBER", default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u32, 1, { MAX_COUNT as u64 }>)]
    pub count: u32,
    /// Generate a new image, even if the gallery has one for this prompt
    #[arg(long)]
    pub again: bool,
    /// Return immediately; the background changes when the image is ready
    #[arg(long)]
    pub no_wait: bool,
    /// Print the price without generating anything
    #[arg(long, conflicts_with_all = ["cancel", "no_wait"])]
    pub cost: bool,
    /// Cancel the image being generated
    #[arg(long, conflicts_with = "prompt")]
    pub cancel: bool,
}

/// The commands of `bgcam devices`.
#[derive(Debug, Subcommand)]
pub enum DevicesCommand {
    /// Add a virtual camera (requires root and v4l2loopback 0.13 or later)
    ///
    /// Recent versions of v4l2loopback let only one app at a time use a virtual camera. To use two apps at once, add a
    /// second camera and list both in the setting output.to.
    #[command(after_help = "Examples:\n  sudo bgcam devices add \"Second Cam\"")]
    Add {
        /// Name of the camera in apps, at most 31 bytes
        #[arg(default_value = crate::sink::LABEL)]
        label: String,
    },
    /// Remove a virtual camera that no program has open (requires root)
    #[command(after_help = "Examples:\n  sudo bgcam devices remove /dev/video11")]
    Remove {
        /// Device node, such as /dev/video11
        #[arg(value_name = "DEVICE")]
        node: PathBuf,
    },
}

/// The commands of `bgcam gallery`.
#[derive(Debug, Subcommand)]
pub enum GalleryCommand {
    /// List all images, newest first
    #[command(after_help = "Examples:\n  bgcam gallery list\n  bgcam gallery list --json")]
    List,
    /// Set an image as your background
    #[command(after_help = "Examples:\n  bgcam gallery use beach")]
    Use {
        /// Prompt or id of an image; the start of the id is enough
        #[arg(value_name = "IMAGE")]
        name: String,
    },
    /// Show the details of an image
    #[command(after_help = "Examples:\n  bgcam gallery show beach")]
    Show {
        /// Prompt or id of an image; the start of the id is enough
        #[arg(value_name = "IMAGE")]
        name: String,
    },
    /// Delete an image
    #[command(after_help = "Examples:\n  bgcam gallery remove beach")]
    Remove {
        /// Prompt or id of an image; the start of the id is enough
        #[arg(value_name = "IMAGE")]
        name: String,
    },
    /// Mark an image as a favourite, which is never deleted automatically
    #[command(after_help = "Examples:\n  bgcam gallery favourite beach\n  bgcam gallery favourite beach --unset")]
    Favourite {
        /// Prompt or id of an image; the start of the id is enough
        #[arg(value_name = "IMAGE")]
        name: String,
        /// Remove it from your favourites
        #[arg(long)]
        unset: bool,
    },
    /// Copy an image to a file or folder
    #[command(after_help = "Examples:\n  bgcam gallery export beach ~/Pictures")]
    Export {
        /// Prompt or id of an image; the start of the id is enough
        #[arg(value_name = "IMAGE")]
        name: String,
        /// File or folder to copy to
        #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
        to: PathBuf,
        /// Overwrite an existing file
        #[arg(long)]
        force: bool,
    },
    /// Import an image file
    #[command(after_help = "Examples:\n  bgcam gallery import ~/Pictures/office.jpg --name office")]
    Import {
        /// PNG, JPEG or WebP file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        path: PathBuf,
        /// Name of the image in the gallery [default: the file name]
        #[arg(long)]
        name: Option<String>,
    },
}

/// The arguments of `bgcam set-overlay`.
#[derive(Debug, Args)]
pub struct OverlayArgs {
    /// PNG, JPEG or WebP file, or `none`
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Corner of the frame, or its center [default: unchanged]
    #[arg(long, value_parser = PossibleValuesParser::new(POSITIONS))]
    pub position: Option<String>,
    /// Width in percent of the frame width, 1 to 100 [default: unchanged]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = whole::<u8, 1, 100>)]
    pub size: Option<u8>,
    /// Opacity in percent, 0 to 100 [default: unchanged]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = whole::<u8, 0, 100>)]
    pub opacity: Option<u8>,
}

/// The commands of `bgcam preset`.
#[derive(Debug, Subcommand)]
pub enum PresetCommand {
    /// Save the current background, look, camera and quality
    ///
    /// A preset with the same name is replaced.
    #[command(after_help = "Examples:\n  bgcam preset save Work")]
    Save {
        /// Name of the preset, at most 40 characters; upper and lower case are the same
        name: String,
    },
    /// Restore a preset
    ///
    /// If anything in it cannot be loaded, such as an image that was deleted, nothing changes.
    #[command(after_help = "Examples:\n  bgcam preset use work")]
    Use {
        /// Name of the preset; the start of the name is enough
        name: String,
    },
    /// List all presets; `*` marks the one in effect
    #[command(after_help = "Examples:\n  bgcam preset list\n  bgcam preset list --json")]
    List,
    /// Remove a preset
    #[command(after_help = "Examples:\n  bgcam preset remove work")]
    Remove {
        /// Name of the preset; the start of the name is enough
        name: String,
    },
}

/// The arguments of `bgcam status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long, group = "format")]
    pub json: bool,
    /// Print one line, such as "live: beach.jpg"
    #[arg(long, group = "format")]
    pub short: bool,
    /// Print one line of JSON for a custom module of Waybar: text, tooltip, class
    #[arg(long, group = "format")]
    pub waybar: bool,
    /// Update every second
    #[arg(long)]
    pub watch: bool,
}

/// The arguments of `bgcam set-slideshow`.
#[derive(Debug, Args)]
pub struct SlideshowArgs {
    /// Folder of images
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub path: PathBuf,
    /// Time per image, 1s to 24h, such as 45s, 5m or 1h
    #[arg(long, value_name = "TIME", default_value = "30s", allow_hyphen_values = true, value_parser = parse_every)]
    pub every: u32,
    /// Shuffle the order
    #[arg(long)]
    pub shuffle: bool,
    /// How to fit images with another aspect ratio [default: as configured]
    #[arg(long)]
    pub fit: Option<Fit>,
}

/// The arguments of `bgcam setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Undo the changes made by an earlier setup
    #[arg(long)]
    pub remove: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Show the changes without making them
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Set up the virtual camera only, not the service
    #[arg(long)]
    pub no_service: bool,
    /// Do not set up the icon in the panel
    #[arg(long)]
    pub no_tray: bool,
}

/// The arguments of `bgcam tray`, which override the settings.
#[derive(Debug, Clone, Copy, Args)]
pub struct TrayArgs {
    /// Do not show notifications
    #[arg(long)]
    pub no_notifications: bool,
    /// Do not bind global shortcuts
    #[arg(long)]
    pub no_shortcuts: bool,
}

/// The arguments of `bgcam daemon`, which override the settings.
#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// Webcam: auto, a device path, part of its name, pipewire:NAME, file:PATH or demo
    #[arg(long, value_name = "CAMERA", value_parser = parse_camera)]
    pub camera: Option<String>,
    /// Output: auto, v4l2, v4l2:/dev/video10, pipewire, y4m:PATH, mp4:PATH, png:PATH or none; repeat for several
    #[arg(long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<SinkSpec>,
    /// Output size in pixels
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub size: Option<Size>,
    /// Output frame rate in frames per second, 1 to 120
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<u32, 1, 120>)]
    pub fps: Option<u32>,
    /// Initial background: none, blur, blur:40, a colour, an image or video file, or slideshow:FOLDER
    #[arg(long, value_name = "BACKGROUND", value_parser = parse_background)]
    pub background: Option<BackgroundSpec>,
    /// Model and quality.
    #[command(flatten)]
    pub mask_args: MaskArgs,
    /// Save the current output frame to this PNG file, continuously updated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub snapshot: Option<PathBuf>,
    /// Exit after one second of output
    #[arg(long)]
    pub once: bool,
}

/// The commands of `bgcam config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings currently in effect, as TOML
    #[command(after_help = "Examples:\n  bgcam config show")]
    Show,
    /// Check the settings, or one file, for errors
    #[command(after_help = "Examples:\n  bgcam config check\n  bgcam config check new.toml")]
    Check {
        /// Settings file to check [default: all settings in effect]
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the locations of the settings files
    #[command(after_help = "Examples:\n  bgcam config path")]
    Path,
}
