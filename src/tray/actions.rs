//! What the user can do in the menu or with a shortcut.

use crate::{
    control::{
        client::{Client, ConnectError},
        protocol::{Request, Response},
    },
    error::{Failure, Kind, io_text},
    paths,
    process::{
        browser,
        child::{self, Needs},
    },
};

/// An action of the user.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Sends a request to the daemon.
    Ask(Request),
    /// Opens the control page.
    OpenPage,
    /// Starts the daemon.
    Start,
    /// Removes the icon.
    Quit,
}

/// Takes actions: the icon, for its menu.
pub(super) trait Act: 'static {
    /// Queues an action.
    fn act(&self, action: Action);
}

impl Action {
    /// Performs it; takes as long as the daemon does. [`Action::Quit`] does nothing here.
    pub(super) fn perform(&self) -> Result<(), Failure> {
        match self {
            Self::Ask(request) => match ask(request)? {
                Response::Warning(text) => tracing::warn!("{text}"),
                response => tracing::debug!("{response:?}"),
            },
            Self::OpenPage => open_page()?,
            Self::Start => start()?,
            Self::Quit => {}
        }
        Ok(())
    }
}

fn ask(request: &Request) -> Result<Response, Failure> {
    let client = Client::connect(&paths::runtime_dir());
    let mut client = client.map_err(|error| match error {
        ConnectError::NoDaemon => {
            Failure::new(Kind::NotFound, "bgcam is not running").hint("choose \"Start bgcam\" in the menu")
        }
        ConnectError::Failed(failure) => failure,
    })?;
    client.call(request)
}

fn open_page() -> Result<(), Failure> {
    let Response::Page(address) = ask(&Request::OpenPage)? else {
        return Err(Failure::new(Kind::Internal, "the daemon did not reply with the address of the control page"));
    };
    let failure = || Failure::new(Kind::Missing, "no browser opened").hint("run `bgcam preview --print` in a terminal");
    browser::open(&address).then_some(()).ok_or_else(failure)
}

fn start() -> Result<(), Failure> {
    let hint = "run `bgcam setup` if you have not yet; `journalctl --user -u bgcam` shows the log";
    let failure = |text: String| Failure::new(Kind::Io, text).hint(hint);
    let output = child::command("systemctl", &[Needs::Session]).args(["--user", "start", "bgcam.service"]).output();
    let output = output.map_err(|error| failure(format!("cannot run systemctl: {}", io_text(&error))))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = stderr.lines().next().unwrap_or_default();
    output.status.success().then_some(()).ok_or_else(|| failure(format!("cannot start bgcam: {reason}")))
}
