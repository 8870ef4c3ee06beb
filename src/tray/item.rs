//! The icon as the panel sees it.

use ksni::{Category, Icon, MenuItem, OfflineReason, Status, ToolTip};
use tokio::sync::mpsc;

use super::{
    actions::{Act, Action},
    follow::Update,
    menu::{self, Recent},
    picture,
    view::{Face, View},
};
use crate::control::protocol::{Request, Switch};

/// The icon with its menu.
pub(super) struct Item {
    view: View,
    pictures: Vec<Icon>,
    recent: Vec<Recent>,
    actions: mpsc::Sender<Action>,
}

impl Item {
    /// The icon before the daemon has been reached.
    pub(super) fn new(actions: mpsc::Sender<Action>) -> Self {
        let view = View::Stopped;
        Self { pictures: picture::draw(view.face()), view, recent: Vec::new(), actions }
    }

    pub(super) fn show(&mut self, update: Update) {
        match update {
            Update::View(view) => {
                if view.face() != self.view.face() {
                    self.pictures = picture::draw(view.face());
                }
                self.view = view;
            }
            Update::Recent(recent) => self.recent = recent.into_iter().map(Recent::new).collect(),
        }
    }
}

impl Act for Item {
    /// Drops the action if the user clicks faster than actions are performed.
    fn act(&self, action: Action) {
        if let Err(error) = self.actions.try_send(action) {
            tracing::debug!("ignored: {error}");
        }
    }
}

impl ksni::Tray for Item {
    // panels that do not support it open the page
    const MENU_ON_ACTIVATE: bool = true;

    fn id(&self) -> String {
        "bgcam".to_owned()
    }

    fn title(&self) -> String {
        "bgcam".to_owned()
    }

    fn category(&self) -> Category {
        Category::Hardware
    }

    fn status(&self) -> Status {
        match self.view.face() {
            Face::Room => Status::NeedsAttention,
            _ => Status::Active,
        }
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        self.pictures.clone()
    }

    fn attention_icon_pixmap(&self) -> Vec<Icon> {
        self.pictures.clone()
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip { title: "bgcam".to_owned(), description: menu::markup(&self.view.text()), ..ToolTip::default() }
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.act(Action::OpenPage);
    }

    fn secondary_activate(&mut self, _x: i32, _y: i32) {
        self.act(Action::Ask(Request::Toggle { switch: Switch::Pause }));
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        menu::build(&self.view, &self.recent)
    }

    fn watcher_online(&self) {
        tracing::info!("a panel shows the icon");
    }

    fn watcher_offline(&self, _reason: OfflineReason) -> bool {
        tracing::info!(
            "no panel shows tray icons at the moment; waiting for one (GNOME needs the extension AppIndicator)"
        );
        true
    }
}
