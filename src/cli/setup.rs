//! `setup`: shows what will be changed, asks, and does it.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{Trouble, args::SetupArgs, style::DIM};
use crate::{
    error::{Failure, Kind},
    setup::{self, Options, Text},
    system::System,
};

pub(super) fn run(args: &SetupArgs) -> Result<(), Trouble> {
    let system = System::real();
    let options = Options { remove: args.remove, no_service: args.no_service };
    let plan = setup::plan(&system, options);
    write!(anstream::stdout().lock(), "{}", Text(&plan, &system))?;
    if plan.is_empty() {
        writeln!(io::stderr(), "nothing to change")?;
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
        true => writeln!(io::stderr(), "done: removed")?,
        false => writeln!(io::stderr(), "done; `bgcam doctor` says whether all is well")?,
    }
    Ok(())
}

/// Asks; no when nobody is there to answer.
fn agreed() -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "Do this? [Y/n] ")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    Ok(read > 0 && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}
