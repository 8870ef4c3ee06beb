//! Arguments of `bgcam generator`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::{config::arguments::whole, frame::Size};

/// The arguments of `bgcam generator`.
#[derive(Debug, Args)]
pub struct GeneratorOptions {
    /// What to do [default: status]
    #[command(subcommand)]
    pub command: Option<GeneratorCommand>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// Actions on the image generator.
#[derive(Debug, Subcommand)]
pub enum GeneratorCommand {
    /// Find or build sd-server, get the weights, and write the settings
    ///
    /// Shows the changes and the licence of the weights, and asks before it makes them. The daemon uses the generator at
    /// once.
    #[command(
        after_help = "Examples:\n  bgcam generator setup --weights ~/models/model.gguf --steps 4 --cfg-scale 1\n  \
        bgcam generator setup --weights https://example.org/model.safetensors --sha256 SUM"
    )]
    Setup(GeneratorArgs),
    /// Show whether it is ready, and its processes
    #[command(after_help = "Examples:\n  bgcam generator status\n  bgcam generator status --json")]
    Status,
    /// Remove its settings, and what the setup built and downloaded
    #[command(after_help = "Examples:\n  bgcam generator remove")]
    Remove {
        /// Do not ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
}

/// Options of `bgcam generator setup`.
#[derive(Debug, Args)]
pub struct GeneratorArgs {
    /// The model's weights: a .safetensors, .gguf or .ckpt file, or its https:// URL [default: as configured]
    #[arg(long, value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    pub weights: Option<String>,
    /// SHA-256 sum of the weights at a URL, 64 hexadecimal digits
    #[arg(long, value_name = "SUM", requires = "weights")]
    pub sha256: Option<String>,
    /// Path of sd-server [default: the one in PATH, or a new build]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub server: Option<PathBuf>,
    /// Number of steps, 1 to 150; distilled ("turbo", "lightning") models need 1 to 8
    #[arg(long, value_parser = whole::<u32, 1, 150>)]
    pub steps: Option<u32>,
    /// How closely an image follows the prompt, 0 to 35; distilled models need 1
    #[arg(long, value_name = "SCALE", value_parser = parse_cfg_scale)]
    pub cfg_scale: Option<f32>,
    /// Size of generated images
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub size: Option<Size>,
    /// Another argument for sd-server, such as --arg=--vae --arg=/path/to/vae.safetensors; may be repeated
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}

/// Parses a CFG scale.
fn parse_cfg_scale(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(scale) if (0.0..=35.0).contains(&scale) => Ok(scale),
        _ => Err("expected a number from 0 to 35".to_owned()),
    }
}
