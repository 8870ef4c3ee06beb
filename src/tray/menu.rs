//! The menu of the icon.

use base64::{Engine, prelude::BASE64_STANDARD};
use ksni::{
    MenuItem,
    menu::{CheckmarkItem, RadioGroup, RadioItem, StandardItem, SubMenu},
};

use super::{
    actions::{Act, Action},
    view::View,
};
use crate::{
    background::BackgroundSpec,
    control::{
        overview::{Overview, PresetEntry, RecentBackground},
        protocol::{Request, Switch},
    },
};

/// How many of the last backgrounds are listed.
const MAX_RECENT: usize = 5;

/// Maximum length of a label, in characters.
const MAX_LABEL: usize = 48;

/// One of the last backgrounds.
#[derive(Debug)]
pub(super) struct Recent {
    background: RecentBackground,
    /// The thumbnail as PNG; empty if there is none.
    png: Vec<u8>,
}

impl Recent {
    pub(super) fn new(background: RecentBackground) -> Self {
        let thumbnail = background.thumbnail.as_ref();
        let png = thumbnail.and_then(|text| BASE64_STANDARD.decode(text).ok()).unwrap_or_default();
        Self { background, png }
    }
}

/// The menu for this view.
pub(super) fn build<T: Act>(view: &View, recent: &[Recent]) -> Vec<MenuItem<T>> {
    let mut menu = vec![note(&view.text())];
    if let View::Running(overview) = view {
        menu.extend(overview.generating.as_ref().map(|text| note(&format!("Generating \"{text}\""))));
        menu.push(MenuItem::Separator);
        menu.extend(switches(overview));
        menu.extend(backgrounds(overview, recent));
        menu.extend(presets(overview));
        menu.push(MenuItem::Separator);
        menu.push(show_room(overview));
        menu.push(MenuItem::Separator);
        menu.push(command("Control page…", Action::OpenPage));
    } else {
        menu.push(MenuItem::Separator);
        menu.push(command("Start bgcam", Action::Start));
    }
    menu.push(command("Quit tray icon", Action::Quit));
    menu
}

fn switches<T: Act>(overview: &Overview) -> [MenuItem<T>; 3] {
    let pause = match (overview.paused, &overview.room_reason) {
        (false, _) => "Pause video",
        (true, None) => "Resume video",
        (true, Some(_)) => "Resume video (shows your room)",
    };
    let toggle = |switch| Action::Ask(Request::Toggle { switch });
    let is_blurred = matches!(overview.background, BackgroundSpec::Blur { .. });
    [
        command(pause, toggle(Switch::Pause)),
        check("Mirror", overview.mirror, toggle(Switch::Mirror)),
        check("Blur", is_blurred, toggle(Switch::Blur)),
    ]
}

/// The last backgrounds, of which the current one is selected.
fn backgrounds<T: Act>(overview: &Overview, recent: &[Recent]) -> Vec<MenuItem<T>> {
    let listed = &recent[..recent.len().min(MAX_RECENT)];
    if listed.is_empty() {
        return Vec::new();
    }
    let selected = listed.iter().position(|recent| recent.background.spec == overview.background);
    let specs: Vec<_> = listed.iter().map(|recent| recent.background.spec.clone()).collect();
    let select = move |item: &mut T, index: usize| {
        if let Some(spec) = specs.get(index).cloned() {
            item.act(Action::Ask(Request::SetBackground { spec, fit: None }));
        }
    };
    let options = listed.iter().map(option).collect();
    // without a selection, the index is past the end
    let group = RadioGroup { selected: selected.unwrap_or(usize::MAX), select: Box::new(select), options };
    vec![MenuItem::Separator, note("Last backgrounds"), group.into()]
}

fn option(recent: &Recent) -> RadioItem {
    let icon_name = match recent.background.spec {
        _ if !recent.png.is_empty() => "",
        BackgroundSpec::Video { .. } => "video-x-generic",
        BackgroundSpec::Image { .. } | BackgroundSpec::Slideshow(_) => "image-x-generic",
        _ => "",
    };
    RadioItem {
        label: label(&recent.background.label),
        icon_name: icon_name.to_owned(),
        icon_data: recent.png.clone(),
        ..RadioItem::default()
    }
}

/// The presets, if there are any.
fn presets<T: Act>(overview: &Overview) -> Option<MenuItem<T>> {
    let entry = |PresetEntry { name, shows_room }: &PresetEntry| {
        let warning = if *shows_room { " (shows your room)" } else { "" };
        command(&format!("{name}{warning}"), Action::Ask(Request::UsePreset { name: name.clone() }))
    };
    let submenu: Vec<_> = overview.presets.iter().map(entry).collect();
    (!submenu.is_empty()).then(|| SubMenu { label: "Presets".to_owned(), submenu, ..SubMenu::default() }.into())
}

fn show_room<T: Act>(overview: &Overview) -> MenuItem<T> {
    let action = Action::Ask(Request::SetBackground { spec: BackgroundSpec::Off, fit: None });
    check("No background (show my room)", overview.background == BackgroundSpec::Off, action)
}

/// A line that cannot be chosen.
fn note<T: Act>(text: &str) -> MenuItem<T> {
    StandardItem { label: label(text), enabled: false, ..StandardItem::default() }.into()
}

fn command<T: Act>(text: &str, action: Action) -> MenuItem<T> {
    let activate = move |item: &mut T| item.act(action.clone());
    StandardItem { label: label(text), activate: Box::new(activate), ..StandardItem::default() }.into()
}

fn check<T: Act>(text: &str, checked: bool, action: Action) -> MenuItem<T> {
    let activate = move |item: &mut T| item.act(action.clone());
    CheckmarkItem { label: label(text), checked, activate: Box::new(activate), ..CheckmarkItem::default() }.into()
}

/// Text as a label: one line, shortened; an underscore would mark an access key.
fn label(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    let short = match text.char_indices().nth(MAX_LABEL) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    };
    short.replace('_', "__")
}

/// Text for places that allow markup.
pub(super) fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::control::overview::State;

    /// Takes the place of the icon.
    struct Item {
        menu: Vec<MenuItem<Item>>,
        chosen: RefCell<Vec<Action>>,
    }

    impl Act for Item {
        fn act(&self, action: Action) {
            self.chosen.borrow_mut().push(action);
        }
    }

    fn item(view: View, recent: &[&str]) -> Item {
        let recent = recent.iter().map(|text| {
            let spec = text.parse().unwrap();
            Recent::new(RecentBackground { spec, label: (*text).to_owned(), thumbnail: None })
        });
        Item { menu: build(&view, &recent.collect::<Vec<_>>()), chosen: RefCell::default() }
    }

    fn running(change: impl FnOnce(&mut Overview)) -> View {
        let mut overview = Overview::fake();
        change(&mut overview);
        View::Running(Box::new(overview))
    }

    /// The labels; selected and checked ones have a mark.
    fn labels(item: &Item) -> Vec<String> {
        let mark = |is_marked: bool, label: &str| format!("{}{label}", if is_marked { "* " } else { "" });
        let lines = |entry: &MenuItem<Item>| match entry {
            MenuItem::Standard(item) => vec![item.label.clone()],
            MenuItem::Checkmark(item) => vec![mark(item.checked, &item.label)],
            MenuItem::RadioGroup(group) => {
                let option = |(index, option): (usize, &RadioItem)| mark(index == group.selected, &option.label);
                group.options.iter().enumerate().map(option).collect()
            }
            MenuItem::Separator => vec!["-".to_owned()],
            MenuItem::SubMenu(menu) => {
                let inner = menu.submenu.iter().filter_map(|entry| match entry {
                    MenuItem::Standard(item) => Some(format!("  {}", item.label)),
                    _ => None,
                });
                std::iter::once(menu.label.clone()).chain(inner).collect()
            }
        };
        item.menu.iter().flat_map(lines).collect()
    }

    /// Chooses the entry with this label and returns its action.
    fn choose(item: &mut Item, wanted: &str) -> Action {
        let menu = std::mem::take(&mut item.menu);
        for entry in &menu {
            match entry {
                MenuItem::Standard(entry) if entry.label == wanted => (entry.activate)(item),
                MenuItem::Checkmark(entry) if entry.label == wanted => (entry.activate)(item),
                MenuItem::RadioGroup(group) => {
                    if let Some(index) = group.options.iter().position(|option| option.label == wanted) {
                        (group.select)(item, index);
                    }
                }
                MenuItem::SubMenu(menu) => {
                    for entry in &menu.submenu {
                        if let MenuItem::Standard(entry) = entry
                            && entry.label == wanted
                        {
                            (entry.activate)(item);
                        }
                    }
                }
                _ => {}
            }
        }
        item.menu = menu;
        item.chosen.borrow_mut().pop().unwrap()
    }

    #[test]
    fn presets_are_in_a_submenu() {
        let entry = |name: &str, shows_room| PresetEntry { name: name.to_owned(), shows_room };
        let view = running(|overview| overview.presets = vec![entry("Work", false), entry("At home", true)]);
        let mut item = item(view, &[]);
        let labels = labels(&item);
        let at = labels.iter().position(|label| label == "Presets").unwrap();
        assert_eq!(labels[at + 1..at + 3], ["  Work", "  At home (shows your room)"]);
        let Action::Ask(request) = choose(&mut item, "At home (shows your room)") else { panic!("not a request") };
        assert_eq!(request, Request::UsePreset { name: "At home".to_owned() });
        assert!(!self::labels(&self::item(running(|_| {}), &[])).contains(&"Presets".to_owned()));
    }

    #[test]
    fn the_menu_has_the_state_and_every_switch() {
        let view = running(|overview| {
            overview.mirror = true;
            overview.background = "green".parse().unwrap();
        });
        let mut item = item(view, &["red", "green", "blur:60", "#000001", "#000002", "#000003"]);
        let expected = [
            "No app is watching: beach.jpg",
            "-",
            "Pause video",
            "* Mirror",
            "Blur",
            "-",
            "Last backgrounds",
            "red",
            "* green",
            "blur:60",
            "#000001",
            "#000002",
            "-",
            "No background (show my room)",
            "-",
            "Control page…",
            "Quit tray icon",
        ];
        assert_eq!(labels(&item), expected);
        let toggle = |switch| Action::Ask(Request::Toggle { switch });
        let set = |text: &str| Action::Ask(Request::SetBackground { spec: text.parse().unwrap(), fit: None });
        for (label, action) in [
            ("Pause video", toggle(Switch::Pause)),
            ("Mirror", toggle(Switch::Mirror)),
            ("Blur", toggle(Switch::Blur)),
            ("blur:60", set("blur:60")),
            ("No background (show my room)", set("none")),
            ("Control page…", Action::OpenPage),
            ("Quit tray icon", Action::Quit),
        ] {
            assert_eq!(choose(&mut item, label), action, "{label}");
        }
    }

    #[test]
    fn the_menu_warns_before_it_shows_the_room() {
        let paused = |reason: Option<&str>| {
            let view = running(|overview| {
                overview.state = State::Paused;
                overview.paused = true;
                overview.room_reason = reason.map(str::to_owned);
            });
            labels(&item(view, &[]))[2].clone()
        };
        assert_eq!(paused(None), "Resume video");
        assert_eq!(paused(Some("no background")), "Resume video (shows your room)");
    }

    #[test]
    fn a_stopped_daemon_can_be_started() {
        let mut item = item(View::Stopped, &["red"]);
        assert_eq!(labels(&item), ["bgcam is not running", "-", "Start bgcam", "Quit tray icon"]);
        assert_eq!(choose(&mut item, "Start bgcam"), Action::Start);
    }

    #[test]
    fn labels_are_short_and_have_no_access_keys() {
        assert_eq!(label("my_beach\n.jpg"), "my__beach .jpg");
        let long = label(&"ä".repeat(100));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_LABEL + 1, true));
        assert_eq!(markup("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}
