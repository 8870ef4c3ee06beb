//! The `bgcam` program: sets up logging and runs the command line.

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    process::ExitCode,
};

use bgcam::{
    process::{core_dump, telemetry},
    stats::CountingAllocator,
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    // SAFETY: this is the first statement, so there is one thread.
    unsafe { telemetry::disable() };
    use_one_heap();
    let core_dumps_disabled = core_dump::disable();
    let (filter, warning) = filter(std::env::var_os("BGCAM_LOG"));
    start_log(filter);
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    if let Err(error) = core_dumps_disabled {
        tracing::warn!(%error, "cannot disable core dumps: after a crash, a dump may contain frames");
    }
    bgcam::cli::main()
}

/// Makes all threads allocate from one heap. By default, glibc gives each thread its own, in which the gaps that large images
/// leave can be used by that thread only: 30 to 60 MiB after a few generated backgrounds. The threads that handle frames do not
/// allocate, and the models allocate on one thread, so this costs no time.
fn use_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and there is one thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

fn start_log(filter: EnvFilter) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // otherwise, a write error of the log would panic
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never);
    // the journal adds timestamps itself
    let to_journal = std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal();
    if to_journal { log.without_time().init() } else { log.init() }
}

/// Names of the log levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The log filter for this value of `BGCAM_LOG`, and a warning if the value is invalid.
fn filter(value: Option<OsString>) -> (EnvFilter, Option<String>) {
    let quiet = ["ort=warn", "zbus=error"].map(|text| text.parse().unwrap_or_else(|_| LevelFilter::WARN.into()));
    let default = || EnvFilter::new("info");
    let text = value.unwrap_or_default().to_string_lossy().into_owned();
    // the parser takes any other word for a module name, which would silence all other modules
    let is_level = |part: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part.trim()));
    let is_plain =
        text.split(',').all(|part| is_level(part) || part.contains(['=', ':', '[']) || part.trim().is_empty());
    let (filter, warning) = match EnvFilter::builder().parse(&text) {
        _ if text.trim().is_empty() => (default(), None),
        Ok(filter) if is_plain => (filter, None),
        _ => {
            let expected =
                "expected a level (error, warn, info, debug or trace) or a filter such as bgcam::camera=debug";
            (default(), Some(format!("BGCAM_LOG = {text:?}: {expected}; using info")))
        }
    };
    (quiet.into_iter().fold(filter, EnvFilter::add_directive), warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_log_level_is_reported_and_replaced() {
        for (text, expected) in
            [("debug", "debug"), ("WARN", "warn"), ("", "info"), ("info,bgcam::camera=trace", "trace")]
        {
            let (filter, warning) = filter(Some(text.into()));
            assert!(warning.is_none() && filter.to_string().contains(expected), "{text}: {filter} {warning:?}");
        }
        for text in ["verbose", "bgcam=loud", "debug,everything"] {
            let (filter, warning) = filter(Some(text.into()));
            let warning = warning.unwrap_or_default();
            assert!(warning.contains(&format!("{text:?}")) && warning.contains("trace"), "{warning}");
            assert!(filter.to_string().contains("info"), "{filter}");
        }
        assert!(filter(None).1.is_none());
    }
}
