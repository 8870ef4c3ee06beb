//! `bgcam preview`: opens the control page.

use std::io::{self, Write};

use super::{CliError, client, note};
use crate::{
    control::protocol::{Request, Response},
    error::{Failure, Kind},
    process::browser,
};

/// Opens the control page in the browser. With `print`, or if no browser starts, prints an address that works once.
pub(super) fn run(print: bool) -> Result<(), CliError> {
    let Response::Page(address) = client()?.call(&Request::OpenPage)? else {
        return Err(
            Failure::new(Kind::Internal, "the daemon did not reply with the address of the control page").into()
        );
    };
    if !print && browser::open(&address) {
        note("opened the control page in your browser");
        return Ok(());
    }
    writeln!(io::stdout(), "{address}")?;
    note("open this address in a browser; it works once, within two minutes");
    Ok(())
}
