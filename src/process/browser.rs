//! Opens addresses in the desktop's browser.

use std::process::Stdio;

use super::child::{self, Needs};

/// Opens the address of the control page. Other users can read it in the process list, but it works once, and only for
/// programs of this user. Returns false if no browser opened; may return only when the browser is closed.
pub(crate) fn open(address: &str) -> bool {
    let mut command = child::command("xdg-open", &[Needs::Session, Needs::Desktop, Needs::Network]);
    let quiet = command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
