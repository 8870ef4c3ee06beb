//! `bgcam doctor`: prints the report of all checks.

use std::io::Write;

use super::{CliError, show};
use crate::{
    doctor::{ReportText, examine},
    system::System,
};

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
