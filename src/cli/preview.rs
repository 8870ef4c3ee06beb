//! `bgcam preview`: opens the control page.

use std::{
    io::{self, Write},
    process::Stdio,
};

use super::{Trouble, client, note};
use crate::{
    control::protocol::{Request, Response},
    error::{Failure, Kind},
    process::child::{self, Needs},
};

/// Opens the control page in the browser, or prints an address that opens it once where there is none.
pub(super) fn run(print: bool) -> Result<(), Trouble> {
    let Response::Page(address) = client()?.call(&Request::OpenPage)? else {
        return Err(Failure::new(Kind::Internal, "the daemon did not answer with the address of its page").into());
    };
    if !print && open(&address) {
        note("the control page is open in your browser");
        return Ok(());
    }
    writeln!(io::stdout(), "{address}")?;
    note("this address opens the page once, within two minutes");
    Ok(())
}

/// Whether the desktop has opened it. Others can see the address in the list of processes: it works once, and for this
/// user's programs alone.
fn open(address: &str) -> bool {
    let mut command = child::command("xdg-open", &[Needs::Session, Needs::Desktop, Needs::Network]);
    let quiet = command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
