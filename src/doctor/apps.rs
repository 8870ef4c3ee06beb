//! Check of sandboxed (Snap or Flatpak) video apps, which need permission to use cameras.

use super::{Facts, Finding};
use crate::system::System;

/// Video apps: display name, snap name (empty if there is none), Flatpak id.
const APPS: [(&str, &str, &str); 12] = [
    ("Firefox", "firefox", "org.mozilla.firefox"),
    ("Chromium", "chromium", "org.chromium.Chromium"),
    ("Chrome", "", "com.google.Chrome"),
    ("Brave", "brave", "com.brave.Browser"),
    ("Edge", "", "com.microsoft.Edge"),
    ("Vivaldi", "vivaldi", "com.vivaldi.Vivaldi"),
    ("Opera", "opera", "com.opera.Opera"),
    ("Zoom", "zoom-client", "us.zoom.Zoom"),
    ("Teams", "teams-for-linux", "com.github.IsmaelMartinez.teams_for_linux"),
    ("Discord", "discord", "com.discordapp.Discord"),
    ("Slack", "slack", "com.slack.Slack"),
    ("OBS", "obs-studio", "com.obsproject.Studio"),
];

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let system = facts.system;
    let mut found = Vec::new();
    for (name, snap, flatpak) in APPS {
        if !snap.is_empty() && system.exists(format!("/snap/{snap}/current")) {
            found.push(check_snap(system, name, snap));
        }
        found.extend(
            flatpak_dirs(system)
                .iter()
                .find(|dir| system.exists(format!("{dir}/app/{flatpak}")))
                .map(|dir| check_flatpak(system, name, flatpak, dir)),
        );
    }
    if found.is_empty() {
        found.push(Finding::ok("sandboxed-apps", "no sandboxed (Snap/Flatpak) video apps found"));
    }
    found
}

/// The system-wide installation, and the user's, which takes precedence.
fn flatpak_dirs(system: &System) -> [String; 2] {
    let own = system.user_dir("XDG_DATA_HOME", ".local/share").join("flatpak");
    ["/var/lib/flatpak".to_owned(), own.display().to_string()]
}

/// Checks a snap: snapd lists the permitted devices in a file of udev rules.
fn check_snap(system: &System, name: &str, snap: &str) -> Finding {
    const CHECK: &str = "snap";
    let rules = system.read(format!("/etc/udev/rules.d/70-snap.{snap}.rules")).unwrap_or_default();
    if rules.contains("video[0-9]") {
        return Finding::ok(CHECK, format!("{name} (snap) has permission to use cameras"));
    }
    Finding::warn(CHECK, format!("{name} (snap) has no permission to use cameras"))
        .fix(format!("sudo snap connect {snap}:camera"), "grants it; restart the app afterwards")
}

/// Checks a Flatpak: permissions are in the app's metadata and in override files, of which the last one applies.
fn check_flatpak(system: &System, name: &str, id: &str, dir: &str) -> Finding {
    const CHECK: &str = "flatpak";
    let mut files = vec![format!("{dir}/app/{id}/current/active/metadata")];
    files.extend(
        flatpak_dirs(system).iter().flat_map(|dir| ["global", id].map(|file| format!("{dir}/overrides/{file}"))),
    );
    let mut devices = files.iter().filter_map(|file| system.read(file)).filter_map(|text| {
        text.lines().find_map(|line| Some(line.strip_prefix("devices=")?.split(';').any(|device| device == "all")))
    });
    if devices.next_back().unwrap_or(false) {
        return Finding::ok(CHECK, format!("{name} (Flatpak) has permission to use cameras"));
    }
    Finding::warn(CHECK, format!("{name} (Flatpak) has permission for cameras in PipeWire only")).fix(
        format!("flatpak override --user --device=all {id}"),
        "grants access to all cameras; restart the app afterwards",
    )
}

#[cfg(test)]
mod tests {
    use crate::{
        doctor::{Level, tests::finding},
        system::fake::FakeMachine,
    };

    #[test]
    fn no_sandboxed_apps_is_ok() {
        assert_eq!(finding(&FakeMachine::new(), "sandboxed-apps").level, Level::Ok);
    }

    #[test]
    fn a_snap_needs_the_camera_plug() {
        let snap = || FakeMachine::new().with("/snap/firefox/current/meta", "");
        let found = finding(&snap(), "snap");
        assert_eq!(found.fix.unwrap().command.unwrap(), "sudo snap connect firefox:camera");
        let rules = "# camera\nKERNEL==\"video[0-9]*\", TAG+=\"snap_firefox_firefox\"\n";
        assert_eq!(finding(&snap().with("/etc/udev/rules.d/70-snap.firefox.rules", rules), "snap").level, Level::Ok);
    }

    #[test]
    fn a_flatpak_needs_device_access() {
        let metadata = "/var/lib/flatpak/app/us.zoom.Zoom/current/active/metadata";
        let zoom =
            |devices: &str| FakeMachine::new().with(metadata, format!("[Context]\nshared=network;\n{devices}\n"));
        assert_eq!(finding(&zoom("devices=all;"), "flatpak").level, Level::Ok);
        let found = finding(&zoom("devices=dri;"), "flatpak");
        assert!(
            found.level == Level::Warn && found.fix.unwrap().command.unwrap().ends_with("--device=all us.zoom.Zoom")
        );
        let overrides = "/home/ada/.local/share/flatpak/overrides/us.zoom.Zoom";
        assert_eq!(finding(&zoom("").with(overrides, "[Context]\ndevices=all;\n"), "flatpak").level, Level::Ok);
    }
}
