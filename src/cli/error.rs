//! Why a command failed, and how the failure is printed.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    config::ConfigError,
    control::client::ConnectError,
    error::{Failure, Kind, io_text},
    gallery::GalleryError,
    style::{BAD, DIM},
};

/// Why a command failed.
#[derive(Debug)]
pub(super) enum CliError {
    /// The failure still has to be printed.
    Failed(Failure),
    /// The daemon is not running.
    NoDaemon,
    /// The failure is already printed.
    Reported,
    /// The reader of the output closed it, such as `head`.
    BrokenPipe,
}

impl CliError {
    /// Prints the error and returns the exit status.
    pub(super) fn report(self) -> ExitCode {
        match self {
            Self::BrokenPipe => ExitCode::SUCCESS,
            Self::Reported => ExitCode::from(1),
            Self::Failed(failure) => {
                print_failure(&failure);
                ExitCode::from(1)
            }
            Self::NoDaemon => {
                print_failure(
                    &Failure::new(Kind::NotFound, "bgcam is not running")
                        .hint("start it with `systemctl --user start bgcam`, or in a terminal with `bgcam daemon`"),
                );
                ExitCode::from(3)
            }
        }
    }
}

/// Prints a failure with its hint to stderr. An error of stderr itself cannot be reported.
pub(super) fn print_failure(failure: &Failure) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{BAD}error:{BAD:#} {failure}");
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "{DIM}hint: {hint}{DIM:#}");
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Failed(Failure::from(error))
    }
}

impl From<GalleryError> for CliError {
    fn from(error: GalleryError) -> Self {
        Self::Failed(Failure::from(error))
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Failed(Failure::new(Kind::Io, format!("cannot write the output: {}", io_text(&error)))),
        }
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::NoDaemon => Self::NoDaemon,
            ConnectError::Failed(failure) => Self::Failed(failure),
        }
    }
}
