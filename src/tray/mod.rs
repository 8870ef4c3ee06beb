//! `bgcam tray`: an icon in the panel with a menu, notifications, and global shortcuts.
//!
//! The tray is a client of the daemon, like the command line. `follow` receives the daemon's changes on a thread; `item` is
//! the icon, with its `menu` and `picture`, and shows a `view`; `notices` decides what is worth a notification, and
//! `notifier` shows it; `shortcuts` binds keys; `actions` performs what the user chooses.

mod actions;
mod follow;
mod item;
mod menu;
mod notices;
mod notifier;
mod picture;
mod shortcuts;
mod view;

use ashpd::zbus::{
    self, Connection, MessageStream,
    fdo::{RequestNameFlags, RequestNameReply},
};
use futures_util::StreamExt;
use ksni::{Handle, TrayMethods};
use tokio::{sync::mpsc, task::spawn_blocking};

use self::{
    actions::Action,
    follow::Update,
    item::Item,
    notices::{Notice, Notices},
};
use crate::{
    error::{Failure, Kind, io_text},
    paths,
};

/// The name on the bus that prevents a second icon.
const BUS_NAME: &str = "io.github.bgcam.bgcam.Tray";

/// Maximum number of waiting actions, updates and notifications.
const QUEUE: usize = 8;

/// What the tray does besides showing the icon.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Show notifications.
    pub notifications: bool,
    /// Bind global shortcuts.
    pub shortcuts: bool,
}

/// Shows the icon until the user quits.
///
/// # Errors
/// If there is no session bus, the connection to it is lost, or the tray is already running.
pub fn run(options: Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Kind::Io, format!("cannot start the tray: {}", io_text(&error))))?;
    let result = runtime.block_on(async { Tray::start(options).await?.serve().await });
    // without waiting for a browser that it has opened
    runtime.shutdown_background();
    result
}

/// The running tray.
struct Tray {
    bus: Connection,
    icon: Handle<Item>,
    updates: mpsc::Receiver<Update>,
    actions: mpsc::Receiver<Action>,
    notices: Notices,
    /// Where notifications go.
    notifier: mpsc::Sender<Notice>,
}

impl Tray {
    async fn start(options: Options) -> Result<Self, Failure> {
        let bus = Connection::session().await.map_err(no_bus)?;
        claim_name(&bus).await?;
        let (action_sender, actions) = mpsc::channel(QUEUE);
        let item = Item::new(action_sender.clone());
        // a panel may start later; a sandbox does not permit the item's own name
        let item = item.assume_sni_available(true).disable_dbus_name(ashpd::is_sandboxed());
        let icon = item.spawn().await.map_err(no_icon)?;
        let (update_sender, updates) = mpsc::channel(QUEUE);
        follow::start(paths::runtime_dir(), update_sender)?;
        let (notifier, notices) = mpsc::channel(QUEUE);
        tokio::spawn(notifier::run(bus.clone(), notices, options.notifications));
        if options.shortcuts {
            tokio::spawn(shortcuts::run(bus.clone(), action_sender));
        }
        Ok(Self { bus, icon, updates, actions, notices: Notices::default(), notifier })
    }

    /// Handles updates and actions until the user quits.
    async fn serve(mut self) -> Result<(), Failure> {
        let mut messages = MessageStream::from(&self.bus);
        loop {
            tokio::select! {
                Some(update) = self.updates.recv() => self.show(update).await,
                action = self.actions.recv() => match action {
                    Some(Action::Quit) | None => break,
                    Some(action) => self.perform(action),
                },
                message = messages.next() => if !matches!(message, Some(Ok(_))) {
                    return Err(Failure::new(Kind::Io, "lost the connection to the session's D-Bus"));
                },
            }
        }
        self.icon.shutdown().await;
        Ok(())
    }

    async fn show(&mut self, update: Update) {
        if let Update::View(view) = &update {
            for notice in self.notices.of(view, std::time::Instant::now()) {
                self.notify(notice);
            }
        }
        self.icon.update(|item| item.show(update)).await;
    }

    fn notify(&self, notice: Notice) {
        if self.notifier.try_send(notice).is_err() {
            tracing::debug!("too many notifications");
        }
    }

    /// Performs an action on another thread, because the daemon may take seconds.
    fn perform(&self, action: Action) {
        let notifier = self.notifier.clone();
        spawn_blocking(move || {
            if let Err(failure) = action.perform() {
                tracing::warn!("{failure}");
                let _ = notifier.blocking_send(Notice::ActionFailed(failure));
            }
        });
    }
}

/// Prevents a second icon.
async fn claim_name(bus: &Connection) -> Result<(), Failure> {
    match bus.request_name_with_flags(BUS_NAME, RequestNameFlags::DoNotQueue.into()).await {
        Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => Ok(()),
        Ok(_) | Err(zbus::Error::NameTaken) => Err(Failure::new(Kind::Busy, "bgcam tray is already running")),
        Err(error) => Err(no_bus(error)),
    }
}

fn no_bus(error: zbus::Error) -> Failure {
    Failure::new(Kind::Missing, format!("cannot connect to the session's D-Bus: {error}")).hint(
        "run `bgcam tray` in a desktop session; elsewhere, use `bgcam status --short` and the commands of `bgcam --help`",
    )
}

fn no_icon(error: ksni::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot show an icon in the panel: {error}"))
        .hint("restart your desktop's panel, then run `bgcam tray` again")
}
