//! `bgcam doctor`: prints the report of all checks.

use std::io::Write;

use super::{CliError, show};
use crate::{
    doctor::{ReportText, examine},
    error::{Failure, Kind},
    system::System,
};

/// The report as JSON, for the control page.
pub(super) fn as_json() -> Result<serde_json::Value, Failure> {
    serde_json::to_value(examine(&System::real())).map_err(|error| Failure::new(Kind::Internal, error.to_string()))
}

/// Prints the report. The command fails if bgcam cannot run on this machine.
pub(super) fn run(json: bool) -> Result<(), CliError> {
    let report = examine(&System::real());
    if json {
        show::json(&report)?;
    } else {
        write!(anstream::stdout().lock(), "{}", ReportText(&report))?;
    }
    if report.can_run { Ok(()) } else { Err(CliError::Reported) }
}
