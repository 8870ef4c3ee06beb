//! `bgcam preview`: opens the control page.

use std::{
    io::{self, Write},
    process::Stdio,
};

use super::{CliError, client, note};
use crate::{
    control::protocol::{Request, Response},
    error::{Failure, Kind},
    process::child::{self, Needs},
};

/// Opens the control page in the browser. With `print`, or if no browser starts, prints an address that works once.
pub(super) fn run(print: bool) -> Result<(), CliError> {
    let Response::Page(address) = client()?.call(&Request::OpenPage)? else {
        return Err(
            Failure::new(Kind::Internal, "the daemon did not reply with the address of the control page").into()
        );
    };
    if !print && open(&address) {
        note("opened the control page in your browser");
        return Ok(());
    }
    writeln!(io::stdout(), "{address}")?;
    note("open this address in a browser; it works once, within two minutes");
    Ok(())
}

/// Opens the address with the desktop's browser. Other users can read it in the process list, but it works once, and
/// only for programs of this user.
fn open(address: &str) -> bool {
    let mut command = child::command("xdg-open", &[Needs::Session, Needs::Desktop, Needs::Network]);
    let quiet = command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
