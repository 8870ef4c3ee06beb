//! The `bgcam` program: sets up the log and does what the command line says.

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    process::ExitCode,
};

use bgcam::{process::core_dump, stats::CountingAllocator};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    let private = core_dump::disable();
    let (filter, complaint) = filter(std::env::var_os("BGCAM_LOG"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // a log that nobody reads any more is no reason to panic
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never);
    // the journal has its own clock
    let to_journal = std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal();
    if to_journal {
        log.without_time().init()
    } else {
        log.init()
    }
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
    if let Err(error) = private {
        tracing::warn!(%error, "a crash may leave a core dump with frames in it");
    }
    bgcam::cli::main()
}

/// The levels of the log.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged with this `BGCAM_LOG`, and what is wrong with it.
fn filter(wanted: Option<OsString>) -> (EnvFilter, Option<String>) {
    let quiet_library = "ort=warn".parse().unwrap_or_else(|_| LevelFilter::WARN.into());
    let usual = || EnvFilter::new("info");
    let text = wanted.unwrap_or_default().to_string_lossy().into_owned();
    // a word alone would be taken for the name of a module, and nothing else be logged
    let is_level = |part: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part.trim()));
    let is_plain =
        text.split(',').all(|part| is_level(part) || part.contains(['=', ':', '[']) || part.trim().is_empty());
    let (filter, complaint) = match EnvFilter::builder().parse(&text) {
        _ if text.trim().is_empty() => (usual(), None),
        Ok(filter) if is_plain => (filter, None),
        _ => {
            let expected = "expected error, warn, info, debug or trace, or such as bgcam::camera=debug";
            (usual(), Some(format!("BGCAM_LOG = {text:?} is no level of the log, {expected}; info is used")))
        }
    };
    (filter.add_directive(quiet_library), complaint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_level_that_is_none_is_reported_and_replaced() {
        for (text, expected) in
            [("debug", "debug"), ("WARN", "warn"), ("", "info"), ("info,bgcam::camera=trace", "trace")]
        {
            let (filter, complaint) = filter(Some(text.into()));
            assert!(complaint.is_none() && filter.to_string().contains(expected), "{text}: {filter} {complaint:?}");
        }
        for text in ["verbose", "bgcam=loud", "debug,everything"] {
            let (filter, complaint) = filter(Some(text.into()));
            let complaint = complaint.unwrap_or_default();
            assert!(complaint.contains(&format!("{text:?}")) && complaint.contains("trace"), "{complaint}");
            assert!(filter.to_string().contains("info"), "{filter}");
        }
        assert!(filter(None).1.is_none());
    }
}
