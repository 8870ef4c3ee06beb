//! `setup`: shows what will be changed, asks, and does it.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{Trouble, args::SetupArgs, note};
use crate::style::DIM;
use crate::{
    error::{Failure, Kind},
    setup::{self, Options, Text},
    system::System,
};

pub(super) fn run(args: &SetupArgs) -> Result<(), Trouble> {
    let system = System::real();
    let options = Options { remove: args.remove, no_service: args.no_service };
    let plan = setup::plan(&system, options);
    // nothing is done that could not be shown
    let shown = write!(anstream::stdout().lock(), "{}", Text(&plan, &system)).and_then(|()| io::stdout().flush());
    match shown {
        Err(error) if !args.dry_run && !plan.is_empty() => {
            let text = format!("nothing was changed: cannot print what would be: {error}");
            return Err(Failure::new(Kind::Io, text).hint("`bgcam setup --yes > FILE` keeps it in a file").into());
        }
        shown => shown?,
    }
    if plan.is_empty() {
        if !args.dry_run {
            plan.carry_out(&system, |_| {})?; // only the record, of what is gone already
        }
        note("nothing to change");
        return Ok(());
    }
    if args.dry_run {
        return Ok(());
    }
    if !args.yes && !agreed()? {
        return Err(Failure::new(Kind::BadInput, "nothing was changed: nobody said yes")
            .hint("`bgcam setup --yes` does it without asking, `bgcam setup --dry-run` only shows it")
            .into());
    }
    plan.carry_out(&system, |line| drop(writeln!(anstream::stderr(), "{DIM}{line}{DIM:#}")))?;
    match args.remove {
        true => note("done: removed"),
        false => note("done; `bgcam doctor` says whether all is well"),
    }
    Ok(())
}

/// Asks; no when nobody is there to answer.
fn agreed() -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "Do this? [Y/n] ")?; // a question that cannot be asked has no answer
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    Ok(read > 0 && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}
