//! Shows notifications through the desktop's service, org.freedesktop.Notifications.

use std::{collections::HashMap, time::Duration};

use ashpd::zbus::{self, Connection, zvariant::Value};
use tokio::{sync::mpsc, time::timeout};

use super::{menu::markup, notices::Notice};
use crate::error::Failure;

/// How long the service may take to start and reply.
const TIMEOUT: Duration = Duration::from_secs(10);

const SERVICE: &str = "org.freedesktop.Notifications";

/// Shows all notices until the sender is gone. What the user chose and could not be done is reported even if notifications
/// are `enabled` for nothing else.
pub(super) async fn run(bus: Connection, mut notices: mpsc::Receiver<Notice>, enabled: bool) {
    // a newer notification replaces the one about the same thing
    let mut ids = HashMap::new();
    while let Some(notice) = notices.recv().await {
        if !enabled && !matches!(notice, Notice::ActionFailed(_)) {
            continue;
        }
        let id = ids.entry(notice.topic()).or_default();
        match timeout(TIMEOUT, show(&bus, &notice, *id)).await {
            Ok(Ok(shown)) => *id = shown,
            Ok(Err(error)) => tracing::debug!("cannot show a notification: {error}"),
            Err(_) => tracing::debug!("cannot show a notification: {SERVICE} did not respond"),
        }
    }
}

/// Shows a notification in place of another one, or of none if its id is 0. Returns the new id.
async fn show(bus: &Connection, notice: &Notice, replaces: u32) -> zbus::Result<u32> {
    let (summary, body) = notice.text();
    let hints = HashMap::from([("urgency", Value::U8(1)), ("desktop-entry", Value::from("bgcam"))]);
    let no_actions: [&str; 0] = [];
    let default_timeout = -1_i32;
    let arguments = ("bgcam", replaces, "bgcam", &*summary, &*markup(&body), &no_actions[..], hints, default_timeout);
    let path = "/org/freedesktop/Notifications";
    bus.call_method(Some(SERVICE), path, Some(SERVICE), "Notify", &arguments).await?.body().deserialize()
}

impl Notice {
    fn topic(&self) -> &'static str {
        match self {
            Self::CameraLost(_) => "camera",
            Self::RoomVisible(_) => "room",
            Self::ImageReady(_) | Self::PromptFailed(..) => "prompt",
            Self::ActionFailed(_) => "action",
        }
    }

    /// Summary and body, as plain text.
    fn text(&self) -> (String, String) {
        match self {
            Self::CameraLost(failure) => ("Camera lost".to_owned(), full(failure)),
            Self::RoomVisible(reason) => {
                ("Your room is visible".to_owned(), format!("Other people can see it: {reason}"))
            }
            Self::ImageReady(text) => ("Your background is ready".to_owned(), text.clone()),
            Self::PromptFailed(text, failure) => (format!("Could not generate \"{text}\""), full(failure)),
            Self::ActionFailed(failure) => ("That did not work".to_owned(), full(failure)),
        }
    }
}

fn full(failure: &Failure) -> String {
    let hint = failure.hint.as_ref().map(|hint| format!("\n{hint}"));
    format!("{failure}{}", hint.unwrap_or_default())
}
