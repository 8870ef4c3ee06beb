//! The `bgcam` program: sets up the log and does what the command line says.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use bgcam::{core_dump, stats::CountingAllocator};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let private = core_dump::disable();
    let filter = EnvFilter::builder()
        .with_env_var("BGCAM_LOG")
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy()
        .add_directive("ort=warn".parse().unwrap_or_else(|_| LevelFilter::WARN.into()));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never);
    // the journal has its own clock
    let to_journal = std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal();
    if to_journal {
        log.without_time().init()
    } else {
        log.init()
    }
    if let Err(error) = private {
        tracing::warn!(%error, "a crash may leave a core dump with frames in it");
    }
    bgcam::cli::main()
}
