//! `bgcam tray` on a private message bus, with doubles of the desktop's services and a real daemon.
#![cfg(feature = "tray")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/desktop.rs"]
mod desktop;

use std::process::{Child, Command, ExitStatus};

use bgcam::{
    background::BackgroundSpec,
    control::protocol::{Request, Status},
};
use daemon::{Daemon, Home, text, write_png};
use desktop::{Bus, Desktop, Menu};

/// Starts a bus, or skips the test with a message.
macro_rules! bus_or_skip {
    ($home:expr) => {
        match Bus::start(&$home.path("run")) {
            Some(bus) => bus,
            None => return eprintln!("skipped: no dbus-daemon (scripts/setup --tests installs it)"),
        }
    };
}

const DAEMON: [&str; 6] = ["--camera", "demo", "--quality", "eco", "--background", "#204060"];

/// A tray that is killed when dropped.
struct Tray(Child);

impl Tray {
    fn start(home: &Home, bus: &Bus, options: &[&str]) -> Self {
        Self(command(home, bus, options).spawn().unwrap())
    }

    fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Tray {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(home: &Home, bus: &Bus, options: &[&str]) -> Command {
    let mut command = home.bgcam(&["tray"]);
    command.args(options).env("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    command
}

fn set(daemon: &Daemon<'_>, text: &str) {
    daemon.call(&Request::SetBackground { spec: text.parse().unwrap(), fit: None }).unwrap();
}

fn is_blurred(status: &Status) -> bool {
    matches!(status.scene.background, BackgroundSpec::Blur { .. })
}

#[tokio::test]
async fn the_menu_shows_and_changes_the_daemon() {
    let home = Home::new();
    let bus = bus_or_skip!(home);
    let mut desktop = Desktop::start(&bus.address).await;
    let _tray = Tray::start(&home, &bus, &[]);
    let menu = desktop.icon().await;
    menu.wait_for("bgcam is not running").await;
    let mut daemon = home.start(&DAEMON);
    menu.choose("Mirror").await;
    daemon.wait_until("it mirrors", |status| status.scene.mirror);
    menu.wait_until("Mirror is checked", |entry| entry.label == "Mirror" && entry.is_on).await;
    menu.choose("Pause video").await;
    daemon.wait_until("it pauses", |status| status.scene.paused);
    menu.wait_for("Paused: other people see a card").await;
    menu.middle_click().await;
    daemon.wait_until("it resumes", |status| !status.scene.paused);
    menu.choose("Blur").await;
    daemon.wait_until("it blurs", is_blurred);

    let image = home.path("my_beach.png");
    write_png(&image, 64, 36, [200, 0, 0]);
    set(&daemon, image.to_str().unwrap());
    let current = menu.wait_until("the image", |entry| entry.label == "my_beach.png" && entry.is_on).await;
    assert!(current.has_picture, "{current:?}");
    menu.choose("#204060").await;
    daemon.wait_until("the first background", |status| status.scene.background.to_string() == "#204060");

    home.expect(&["stop"], 0);
    drop(daemon);
    menu.wait_for("Start bgcam").await;
    let _daemon = home.start(&DAEMON);
    menu.wait_until("Mirror is still checked", |entry| entry.label == "Mirror" && entry.is_on).await;
    quit(&menu, _tray).await;
}

async fn quit(menu: &Menu, mut tray: Tray) {
    menu.choose("Quit tray icon").await;
    assert_eq!(tray.wait().code(), Some(0));
}

#[tokio::test]
async fn notifications_and_shortcuts_work_and_survive_a_restart_of_the_desktop() {
    let home = Home::new();
    let bus = bus_or_skip!(home);
    let mut desktop = Desktop::start(&bus.address).await;
    let mut daemon = home.start(&DAEMON);
    let _tray = Tray::start(&home, &bus, &[]);
    let menu = desktop.icon().await;
    assert_eq!(desktop.bound_shortcuts().await, ["pause", "next", "blur"]);
    menu.choose("No background (show my room)").await;
    let (summary, body) = desktop.notification().await;
    assert!(summary == "Your room is visible" && body.contains("no background"), "{summary}: {body}");
    menu.wait_until("the room is visible", |entry| entry.label.starts_with("Your room is visible: ")).await;

    desktop.press("blur").await;
    daemon.wait_until("it blurs", is_blurred);
    desktop.press("pause").await;
    daemon.wait_until("it pauses", |status| status.scene.paused);
    desktop.restart_services().await;
    desktop.icon().await;
    desktop.bound_shortcuts().await;
    desktop.press("next").await;
    daemon.wait_until("the next background", |status| status.scene.background.to_string() == "#204060");

    home.expect(&["stop"], 0);
    drop(daemon);
    menu.wait_for("Start bgcam").await;
    desktop.press("pause").await;
    let (mut summary, mut body) = desktop.notification().await;
    while body.contains("closed the connection") {
        (summary, body) = desktop.notification().await; // about earlier requests, whose replies the stop prevented
    }
    assert!(summary == "That did not work" && body.contains("bgcam is not running"), "{summary}: {body}");
}

#[tokio::test]
async fn notifications_and_shortcuts_can_be_switched_off() {
    let home = Home::new();
    let bus = bus_or_skip!(home);
    let mut desktop = Desktop::start(&bus.address).await;
    let daemon = home.start(&DAEMON);
    home.write_config("[tray]\nshortcuts = false\n");
    let tray = Tray::start(&home, &bus, &["--no-notifications"]);
    let menu = desktop.icon().await;
    menu.wait_for("Pause video").await;
    set(&daemon, "none");
    menu.wait_until("the room is visible", |entry| entry.label.starts_with("Your room is visible: ")).await;
    quit(&menu, tray).await;
    assert_eq!(desktop.seen(), [], "no notification, no shortcut");
}

#[tokio::test]
async fn a_tray_without_a_panel_waits_for_one() {
    let home = Home::new();
    let bus = bus_or_skip!(home);
    let log = std::fs::File::create(home.path("log")).unwrap();
    let _tray = Tray(command(&home, &bus, &[]).stderr(log).spawn().unwrap());
    home.wait_for("the tray waits", || home.log().contains("waiting for one"));
    let mut desktop = Desktop::start(&bus.address).await;
    desktop.icon().await.wait_for("bgcam is not running").await;
}

#[tokio::test]
async fn a_second_tray_is_refused_and_an_ended_session_ends_the_first() {
    let home = Home::new();
    let bus = bus_or_skip!(home);
    let mut desktop = Desktop::start(&bus.address).await;
    let mut tray = Tray::start(&home, &bus, &[]);
    desktop.icon().await;
    let second = command(&home, &bus, &[]).output().unwrap();
    assert!(!second.status.success() && text(&second).contains("bgcam tray is already running"), "{}", text(&second));
    drop(bus);
    assert_eq!(tray.wait().code(), Some(1));
}

#[test]
fn without_a_bus_the_tray_fails_clearly() {
    let home = Home::new();
    let mut command = home.bgcam(&["tray"]);
    let output = command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus").output().unwrap();
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot connect to the session's D-Bus") && text.contains("hint: "), "{text}");
}
