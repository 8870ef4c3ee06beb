//! `bgcam preview`: opens the control page.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{CliError, client, note};
use crate::{
    control::protocol::{Request, Response},
    error::{Failure, Kind},
    process::{
        browser,
        child::{self, Needs},
    },
    system::System,
};

/// How long systemd may take to start the service; longer than `TimeoutStartSec` in its unit.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(35);

/// How long the daemon may take to answer after it was started.
const START_TIMEOUT: Duration = Duration::from_secs(15);

/// Interval between attempts to reach it.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Opens the control page in the browser. With `print`, or if no browser starts, prints an address that works once.
/// With `start`, starts the daemon if necessary, and reports a failure as a notification, because the applications menu
/// shows no output.
pub(super) fn run(print: bool, start: bool) -> Result<(), CliError> {
    if !start {
        return show_page(print);
    }
    let shown = start_daemon().and_then(|()| open_page());
    if let Err(CliError::Failed(failure)) = &shown {
        notify(failure);
    }
    shown
}

fn show_page(print: bool) -> Result<(), CliError> {
    let address = one_time_address()?;
    if !print && browser::open(&address) {
        note("opened the control page in your browser");
        return Ok(());
    }
    writeln!(io::stdout(), "{address}")?;
    note("open this address in a browser; it works once, within two minutes");
    Ok(())
}

fn open_page() -> Result<(), CliError> {
    if browser::open(&one_time_address()?) {
        return Ok(());
    }
    let failure = Failure::new(Kind::Missing, "cannot open a browser for the control page");
    Err(failure.hint("install a browser and xdg-utils, or run `bgcam preview --print` in a terminal").into())
}

fn one_time_address() -> Result<String, CliError> {
    match client()?.call(&Request::OpenPage)? {
        Response::Page(address) => Ok(address),
        _ => {
            let text = "the daemon did not reply with the address of the control page";
            Err(Failure::new(Kind::Internal, text).into())
        }
    }
}

/// Starts the service or, if it is not set up, a daemon; waits until it answers.
fn start_daemon() -> Result<(), CliError> {
    match client() {
        Err(CliError::NoDaemon) => {}
        client => return client.map(drop),
    }
    let system = System::real();
    if !(system.has_user_systemd() && start_service()) {
        let mut command = child::command(&system.program, &[Needs::Session, Needs::Network]);
        let quiet = command.arg("daemon").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // its own process group: it must not end with the terminal or the menu that started this command
        quiet.process_group(0).spawn().map_err(|error| not_started(&error.to_string()))?;
    }
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match client() {
            Err(CliError::NoDaemon) if Instant::now() < deadline => thread::sleep(RETRY_INTERVAL),
            Err(CliError::NoDaemon) => return Err(not_started("it does not answer").into()),
            client => return client.map(drop),
        }
    }
}

/// Starts the service; false if it is not set up or fails.
fn start_service() -> bool {
    let mut command = child::command("systemctl", &[Needs::Session]);
    let quiet = command.args(["--user", "start", "bgcam.service"]);
    let started = quiet.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.and_then(|mut child| child::wait(&mut child, SERVICE_TIMEOUT)).is_ok_and(|status| status.success())
}

fn not_started(why: &str) -> Failure {
    Failure::new(Kind::Io, format!("cannot start bgcam: {why}"))
        .hint("run `bgcam doctor` in a terminal, or see the log: `journalctl --user -u bgcam`")
}

/// Shows a failure on the desktop, if it has notifications.
fn notify(failure: &Failure) {
    let mut command = child::command("notify-send", &[Needs::Session, Needs::Desktop]);
    command.args(["--app-name=Virtual Background", "--icon=bgcam", "--urgency=critical", "--"]);
    command.arg(&failure.message).args(&failure.hint);
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
