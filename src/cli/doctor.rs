//! `doctor`: prints what is wrong with this machine.

use std::io::Write;

use super::{Trouble, show};
use crate::{
    doctor::{Text, examine},
    system::System,
};

/// Prints the report; not done when bgcam can't do its work here.
pub(super) fn run(json: bool) -> Result<(), Trouble> {
    let report = examine(&System::real());
    if json {
        show::json(&report)?;
    } else {
        write!(anstream::stdout().lock(), "{}", Text(&report))?;
    }
    if report.can_run { Ok(()) } else { Err(Trouble::Said) }
}
