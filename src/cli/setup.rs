//! `bgcam setup`: shows the changes, asks for confirmation, and makes them.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{CliError, args::SetupArgs, note};
use crate::style::DIM;
use crate::{
    error::{Failure, Kind},
    setup::{self, PlanText},
    system::System,
};

pub(super) fn run(args: &SetupArgs) -> Result<(), CliError> {
    let system = System::real();
    let options = setup::Options { remove: args.remove, no_service: args.no_service, no_tray: args.no_tray };
    let plan = setup::plan(&system, options);
    let shown = write!(anstream::stdout().lock(), "{}", PlanText(&plan, &system)).and_then(|()| io::stdout().flush());
    match shown {
        Err(error) if !args.dry_run && !plan.is_empty() => return Err(not_shown(&error)),
        shown => shown?,
    }
    if plan.is_empty() {
        if !args.dry_run {
            plan.execute(&system, |_| {})?; // updates the record only
        }
        note("nothing to change");
        return Ok(());
    }
    if args.dry_run {
        return Ok(());
    }
    if !args.yes && !confirmed("Make these changes?")? {
        let hint = "to skip the question, use `bgcam setup --yes`; to see the changes only, `bgcam setup --dry-run`";
        return Err(Failure::new(Kind::BadInput, "nothing was changed: not confirmed").hint(hint).into());
    }
    plan.execute(&system, |line| drop(writeln!(anstream::stderr(), "{DIM}{line}{DIM:#}")))?;
    match args.remove {
        true => note("done: all changes undone"),
        false => note("done; run `bgcam doctor` to check that everything works"),
    }
    Ok(())
}

/// Nothing is changed unless the user could see the plan.
fn not_shown(error: &io::Error) -> CliError {
    let text = format!("nothing was changed: cannot print the planned changes: {error}");
    Failure::new(Kind::Io, text).hint("write them to a file with `bgcam setup --yes > FILE`").into()
}

/// Asks for confirmation. Without a terminal, the answer is no.
pub(super) fn confirmed(question: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "{question} [Y/n] ")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    Ok(read > 0 && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}
