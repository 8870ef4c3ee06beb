//! `bgcam preview`: opens the control page.

use std::{
    fs,
    io::{self, Write},
    process::Stdio,
};

use super::{Trouble, client};
use crate::{
    child::{self, Needs},
    error::{Failure, Kind},
    paths, web,
};

/// Opens the control page in the browser, or prints its address where there is none.
pub(super) fn run(print: bool) -> Result<(), Trouble> {
    drop(client()?);
    let file = web::address_file(&paths::runtime_dir());
    let address = fs::read_to_string(&file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(Kind::NotFound, "the daemon serves no control page")
            .hint("set web.enabled = true and start it anew; its log tells when the port was taken"),
        _ => Failure::new(Kind::Io, format!("cannot read {}: {error}", file.display())),
    })?;
    if !print && open(address.trim()) {
        writeln!(io::stderr(), "the control page is open in your browser")?;
        return Ok(());
    }
    write!(io::stdout(), "{address}")?;
    Ok(())
}

/// Whether the desktop has opened it.
fn open(address: &str) -> bool {
    let mut command = child::command("xdg-open", &[Needs::Session, Needs::Desktop, Needs::Network]);
    let quiet = command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
