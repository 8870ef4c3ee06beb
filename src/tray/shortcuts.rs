//! Global shortcuts through the portal: keys that work in every app, which the user assigns in the desktop's settings.

use ashpd::{
    AppID,
    desktop::{
        CreateSessionOptions,
        global_shortcuts::{BindShortcutsOptions, GlobalShortcuts, NewShortcut},
    },
    zbus::{
        self, Connection,
        fdo::{DBusProxy, NameOwnerChangedStream},
    },
};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::actions::Action;
use crate::control::protocol::{Direction, Request, Switch};

const PORTAL: &str = "org.freedesktop.portal.Desktop";

/// Identifies bgcam to the portal, which remembers the keys of each app.
const APP_ID: &str = "io.github.bgcam.bgcam";

/// The shortcuts: identifier, description for the user, request.
const SHORTCUTS: [(&str, &str, Request); 3] = [
    ("pause", "Pause or resume your video", Request::Toggle { switch: Switch::Pause }),
    ("next", "Switch to the next background", Request::ShowRecent { direction: Direction::Next }),
    ("blur", "Blur your room, or end the blur", Request::Toggle { switch: Switch::Blur }),
];

/// Binds the shortcuts, again after the portal has restarted. Without a portal, nothing happens.
pub(super) async fn run(bus: Connection, actions: mpsc::Sender<Action>) {
    let owners = async { DBusProxy::new(&bus).await?.receive_name_owner_changed_with_args(&[(0, PORTAL)]).await };
    let Ok(mut owners) = owners.await else { return };
    register(&bus).await;
    loop {
        tokio::select! {
            result = listen(&bus, &actions) => match result {
                Ok(()) => return,
                Err(error) => tracing::debug!("no global shortcuts: {error}"),
            },
            () = wait(&mut owners, Owner::Gone) => {}
        }
        wait(&mut owners, Owner::New).await;
    }
}

/// Gives the portal the name of this app, which it cannot know outside a sandbox. Older portals do without.
async fn register(bus: &Connection) {
    let Ok(id) = AppID::try_from(APP_ID) else { return };
    if let Err(error) = ashpd::register_host_app_with_connection(bus.clone(), id).await {
        tracing::debug!("the portal did not register {APP_ID}: {error}");
    }
}

/// Sends the actions of activated shortcuts until the receiver is gone.
async fn listen(bus: &Connection, actions: &mpsc::Sender<Action>) -> Result<(), ashpd::Error> {
    let portal = GlobalShortcuts::with_connection(bus.clone()).await?;
    let mut activated = std::pin::pin!(portal.receive_activated().await?);
    // the shortcuts are bound as long as the session exists
    let session = portal.create_session(CreateSessionOptions::default()).await?;
    let wanted = SHORTCUTS.map(|(id, description, _)| NewShortcut::new(id, description));
    portal.bind_shortcuts(&session, &wanted, None, BindShortcutsOptions::default()).await?.response()?;
    tracing::debug!("bound global shortcuts");
    while let Some(activation) = activated.next().await {
        let found = SHORTCUTS.into_iter().find(|(id, ..)| *id == activation.shortcut_id());
        if let Some((.., request)) = found
            && actions.send(Action::Ask(request)).await.is_err()
        {
            return Ok(());
        }
    }
    Err(zbus::Error::InputOutput(std::sync::Arc::new(std::io::ErrorKind::BrokenPipe.into())).into())
}

/// What happened to the portal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    New,
    Gone,
}

/// Waits until the portal starts or stops.
async fn wait(changes: &mut NameOwnerChangedStream, wanted: Owner) {
    loop {
        let Some(change) = changes.next().await else { return std::future::pending().await };
        let has_owner = change.args().is_ok_and(|args| args.new_owner().is_some());
        if has_owner == (wanted == Owner::New) {
            return;
        }
    }
}
