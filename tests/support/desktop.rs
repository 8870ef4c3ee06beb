//! A session bus for one test with doubles of a desktop: the registry of tray icons, notifications and the portal of global
//! shortcuts.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::{
    collections::HashMap,
    future::Future,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
};
use zbus::{
    Connection, connection, interface,
    message::Header,
    zvariant::{OwnedObjectPath, OwnedValue, Structure, Value},
};

/// Generous even for a busy machine; no test asserts durations.
const TIMEOUT: Duration = Duration::from_secs(60);

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const NOTIFICATIONS: &str = "org.freedesktop.Notifications";
const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PORTAL_PATH: &str = "/org/freedesktop/portal/desktop";
const MENU: &str = "com.canonical.dbusmenu";
const MENU_PATH: &str = "/MenuBar";

type Details = HashMap<String, OwnedValue>;

/// What a double was asked for.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// An icon was registered, under this name on the bus.
    Registered(String),
    /// Summary and body of a notification.
    Notified(String, String),
    /// Identifiers of shortcuts that were bound.
    Bound(Vec<String>),
}

/// A message bus that is killed when dropped.
pub struct Bus {
    pub address: String,
    child: Child,
}

impl Bus {
    /// Starts a bus in `dir`; `None` if none is installed.
    pub fn start(dir: &Path) -> Option<Self> {
        let socket = dir.join("bus");
        let address = format!("unix:path={}", socket.display());
        // without services of this machine: the test provides them
        let config = dir.join("bus.conf");
        let policy = r#"<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>"#;
        let text = format!("<busconfig><type>session</type><listen>{address}</listen>{policy}</busconfig>");
        std::fs::write(&config, text).unwrap();
        let option = format!("--config-file={}", config.display());
        let mut command = Command::new("dbus-daemon");
        command.args([&option, "--nofork", "--nopidfile"]).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().ok()?;
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { address, child })
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Watcher(UnboundedSender<Event>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String) {
        let _ = self.0.send(Event::Registered(service));
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }
}

struct Notifications(UnboundedSender<Event>);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[allow(clippy::too_many_arguments)]
    fn notify(
        &self,
        _app: String,
        _replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: Details,
        _timeout: i32,
    ) -> u32 {
        let _ = self.0.send(Event::Notified(summary, body));
        1
    }
}

struct Shortcuts(UnboundedSender<Event>);

#[interface(name = "org.freedesktop.portal.GlobalShortcuts")]
impl Shortcuts {
    #[zbus(property, name = "version")]
    fn version(&self) -> u32 {
        1
    }

    async fn create_session(
        &self,
        options: Details,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> OwnedObjectPath {
        let session = object("session", &header, &options["session_handle_token"]);
        let answer = HashMap::from([("session_handle", Value::from(session.to_string()))]);
        respond(bus, &header, &options, answer).await
    }

    async fn bind_shortcuts(
        &self,
        _session: OwnedObjectPath,
        shortcuts: Vec<(String, Details)>,
        _parent: String,
        options: Details,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> OwnedObjectPath {
        let path = respond(bus, &header, &options, HashMap::new()).await;
        let _ = self.0.send(Event::Bound(shortcuts.into_iter().map(|(id, _)| id).collect()));
        path
    }

    #[zbus(signal)]
    async fn activated(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        session: OwnedObjectPath,
        id: &str,
        timestamp: u64,
        options: HashMap<&str, Value<'_>>,
    ) -> zbus::Result<()>;
}

/// The path of a request or session, which contains the caller and its token.
fn object(kind: &str, header: &Header<'_>, token: &OwnedValue) -> OwnedObjectPath {
    let sender = header.sender().unwrap().trim_start_matches(':').replace('.', "_");
    let token: &str = token.downcast_ref().unwrap();
    format!("{PORTAL_PATH}/{kind}/{sender}/{token}").try_into().unwrap()
}

/// Grants a request.
async fn respond(
    bus: &Connection,
    header: &Header<'_>,
    options: &Details,
    answer: HashMap<&str, Value<'_>>,
) -> OwnedObjectPath {
    let request = object("request", header, &options["handle_token"]);
    let sender = header.sender().unwrap().to_owned();
    let body = (0_u32, answer);
    bus.emit_signal(Some(sender), request.as_ref(), "org.freedesktop.portal.Request", "Response", &body).await.unwrap();
    request
}

/// A desktop with all three services.
pub struct Desktop {
    bus: Connection,
    events: UnboundedReceiver<Event>,
}

impl Desktop {
    pub async fn start(address: &str) -> Self {
        let (sender, events) = unbounded_channel();
        let builder = connection::Builder::address(address).unwrap();
        let builder = builder.serve_at("/StatusNotifierWatcher", Watcher(sender.clone())).unwrap();
        let builder = builder.serve_at("/org/freedesktop/Notifications", Notifications(sender.clone())).unwrap();
        let builder = builder.serve_at(PORTAL_PATH, Shortcuts(sender)).unwrap();
        let bus = builder.build().await.unwrap();
        for name in [WATCHER, NOTIFICATIONS, PORTAL] {
            bus.request_name(name).await.unwrap();
        }
        Self { bus, events }
    }

    /// Restarts the panel and the portal.
    pub async fn restart_services(&self) {
        for name in [WATCHER, PORTAL] {
            self.bus.release_name(name).await.unwrap();
            self.bus.request_name(name).await.unwrap();
        }
    }

    /// The next event that this function accepts; others are dropped.
    pub async fn wait_for<T>(&mut self, what: &str, accept: impl Fn(Event) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = accept(self.events.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        timeout(TIMEOUT, found).await.unwrap_or_else(|_| panic!("not within {TIMEOUT:?}: {what}"))
    }

    /// The notifications and shortcuts that were not waited for.
    pub fn seen(&mut self) -> Vec<Event> {
        let events = std::iter::from_fn(|| self.events.try_recv().ok());
        events.filter(|event| !matches!(event, Event::Registered(_))).collect()
    }

    pub async fn icon(&mut self) -> Menu {
        let registered = |event| if let Event::Registered(name) = event { Some(name) } else { None };
        Menu { name: self.wait_for("an icon is registered", registered).await, bus: self.bus.clone() }
    }

    pub async fn bound_shortcuts(&mut self) -> Vec<String> {
        let bound = |event| if let Event::Bound(ids) = event { Some(ids) } else { None };
        self.wait_for("shortcuts are bound", bound).await
    }

    /// The next notification: summary and body.
    pub async fn notification(&mut self) -> (String, String) {
        let notified = |event| if let Event::Notified(summary, body) = event { Some((summary, body)) } else { None };
        self.wait_for("a notification", notified).await
    }

    /// Presses the key of a shortcut.
    pub async fn press(&self, id: &str) {
        let session = OwnedObjectPath::try_from(format!("{PORTAL_PATH}/session/1/1")).unwrap();
        let emitter = zbus::object_server::SignalEmitter::new(&self.bus, PORTAL_PATH).unwrap();
        Shortcuts::activated(&emitter, session, id, 0, HashMap::new()).await.unwrap();
    }
}

/// The menu of an icon.
pub struct Menu {
    name: String,
    bus: Connection,
}

/// An entry of a menu.
#[derive(Debug, Default)]
pub struct Entry {
    pub id: i32,
    pub label: String,
    pub is_on: bool,
    pub has_picture: bool,
}

impl Menu {
    /// The entries, without separators.
    pub async fn entries(&self) -> Vec<Entry> {
        let arguments = (0_i32, -1_i32, Vec::<&str>::new());
        let reply = self.call("GetLayout", &arguments).await.unwrap();
        let (_, root): (u32, (i32, Details, Vec<OwnedValue>)) = reply.body().deserialize().unwrap();
        root.2.iter().map(entry).filter(|entry| !entry.label.is_empty()).collect()
    }

    /// Waits for an entry with this label.
    pub async fn wait_for(&self, label: &str) -> Entry {
        self.wait_until(label, |entry| entry.label == label).await
    }

    pub async fn wait_until(&self, what: &str, wanted: impl Fn(&Entry) -> bool) -> Entry {
        let found = async {
            loop {
                if let Some(entry) = self.entries().await.into_iter().find(&wanted) {
                    return entry;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let found = timeout(TIMEOUT, found).await;
        match found {
            Ok(entry) => entry,
            Err(_) => panic!("not in the menu: {what}\n{:#?}", self.entries().await),
        }
    }

    /// Chooses the entry with this label; again if the menu has changed in between, which gives entries new numbers.
    pub async fn choose(&self, label: &str) {
        loop {
            let entry = self.wait_for(label).await;
            let event = (entry.id, "clicked", Value::I32(0), 0_u32);
            if self.call("Event", &event).await.is_ok() {
                return;
            }
        }
    }

    /// Clicks on the icon with the middle button.
    pub async fn middle_click(&self) {
        let interface = Some("org.kde.StatusNotifierItem");
        let click =
            self.bus.call_method(Some(&*self.name), "/StatusNotifierItem", interface, "SecondaryActivate", &(0, 0));
        click.await.unwrap();
    }

    fn call<B: serde::Serialize + zbus::zvariant::DynamicType>(
        &self,
        method: &str,
        arguments: &B,
    ) -> impl Future<Output = zbus::Result<zbus::Message>> {
        self.bus.call_method(Some(&*self.name), MENU_PATH, Some(MENU), method.to_owned(), arguments)
    }
}

fn entry(value: &OwnedValue) -> Entry {
    let item: &Structure<'_> = value.downcast_ref().unwrap();
    let [Value::I32(id), Value::Dict(properties), _] = item.fields() else { panic!("{item:?}") };
    let find = |name: &str| properties.iter().find(|(key, _)| **key == Value::from(name)).map(|(_, value)| value);
    let label: &str = find("label").and_then(|value| value.downcast_ref().ok()).unwrap_or_default();
    let state: Option<i32> = find("toggle-state").and_then(|value| value.downcast_ref().ok());
    Entry {
        id: *id,
        label: label.replace("__", "_"),
        is_on: state == Some(1),
        has_picture: find("icon-data").is_some(),
    }
}
