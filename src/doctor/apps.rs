//! Video apps that came as a snap or flatpak, which see cameras only when they are let.

use super::{Facts, Finding};
use crate::system::System;

/// Snaps and flatpaks that use cameras, by the name that people know.
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
            found.push(snapped(system, name, snap));
        }
        found.extend(
            flatpak_dirs(system)
                .iter()
                .find(|dir| system.exists(format!("{dir}/app/{flatpak}")))
                .map(|dir| flatpacked(system, name, flatpak, dir)),
        );
    }
    if found.is_empty() {
        found.push(Finding::ok("sandboxed-apps", "no video app is shut in as a snap or flatpak"));
    }
    found
}

/// The system's, and the user's own, which has the last word.
fn flatpak_dirs(system: &System) -> [String; 2] {
    let own = system.user_dir("XDG_DATA_HOME", ".local/share").join("flatpak");
    ["/var/lib/flatpak".to_owned(), own.display().to_string()]
}

/// snapd writes the devices that a snap may open into a rules file of udev's.
fn snapped(system: &System, name: &str, snap: &str) -> Finding {
    const CHECK: &str = "snap";
    let rules = system.read(format!("/etc/udev/rules.d/70-snap.{snap}.rules")).unwrap_or_default();
    if rules.contains("video[0-9]") {
        return Finding::ok(CHECK, format!("{name} is a snap, and may use cameras"));
    }
    Finding::warn(CHECK, format!("{name} is a snap, and may use no camera at all"))
        .mend(format!("sudo snap connect {snap}:camera"), "opens cameras to it; start it anew then")
}

/// The permissions of an app stand in its metadata, and changes to them in files of overrides.
fn flatpacked(system: &System, name: &str, id: &str, dir: &str) -> Finding {
    const CHECK: &str = "flatpak";
    let mut files = vec![format!("{dir}/app/{id}/current/active/metadata")];
    files.extend(
        flatpak_dirs(system).iter().flat_map(|dir| ["global", id].map(|file| format!("{dir}/overrides/{file}"))),
    );
    let mut devices = files.iter().filter_map(|file| system.read(file)).filter_map(|text| {
        text.lines().find_map(|line| Some(line.strip_prefix("devices=")?.split(';').any(|device| device == "all")))
    });
    if devices.next_back().unwrap_or(false) {
        return Finding::ok(CHECK, format!("{name} is a flatpak, and may use cameras"));
    }
    Finding::warn(CHECK, format!("{name} is a flatpak, and sees cameras in PipeWire only"))
        .mend(format!("flatpak override --user --device=all {id}"), "opens all cameras to it; start it anew then")
}

#[cfg(test)]
mod tests {
    use crate::{
        doctor::{Level, tests::finding},
        system::fake::FakeMachine,
    };

    #[test]
    fn no_sandbox_is_fine() {
        assert_eq!(finding(&FakeMachine::new(), "sandboxed-apps").level, Level::Ok);
    }

    #[test]
    fn a_snap_has_its_plug() {
        let snap = || FakeMachine::new().with("/snap/firefox/current/meta", "");
        let found = finding(&snap(), "snap");
        assert_eq!(found.mend.unwrap().command.unwrap(), "sudo snap connect firefox:camera");
        let rules = "# camera\nKERNEL==\"video[0-9]*\", TAG+=\"snap_firefox_firefox\"\n";
        assert_eq!(finding(&snap().with("/etc/udev/rules.d/70-snap.firefox.rules", rules), "snap").level, Level::Ok);
    }

    #[test]
    fn a_flatpak_has_its_devices() {
        let metadata = "/var/lib/flatpak/app/us.zoom.Zoom/current/active/metadata";
        let zoom =
            |devices: &str| FakeMachine::new().with(metadata, format!("[Context]\nshared=network;\n{devices}\n"));
        assert_eq!(finding(&zoom("devices=all;"), "flatpak").level, Level::Ok);
        let found = finding(&zoom("devices=dri;"), "flatpak");
        assert!(
            found.level == Level::Warn && found.mend.unwrap().command.unwrap().ends_with("--device=all us.zoom.Zoom")
        );
        let overrides = "/home/ada/.local/share/flatpak/overrides/us.zoom.Zoom";
        assert_eq!(finding(&zoom("").with(overrides, "[Context]\ndevices=all;\n"), "flatpak").level, Level::Ok);
    }
}
