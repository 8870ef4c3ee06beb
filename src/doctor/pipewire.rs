//! PipeWire: the library, the server, and what lets apps find the camera in it.

use std::os::unix::net::UnixStream;

use super::{Facts, Finding};
use crate::{
    sink::{LABEL, SinkSpec},
    system::System,
};

const PORTAL: &str = "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service";
const START: &str = "systemctl --user start pipewire wireplumber";

/// Whether apps that read PipeWire can have the camera, as the settings are.
pub(super) fn is_way(facts: &Facts<'_>) -> bool {
    let wanted = |output: &SinkSpec| matches!(output, SinkSpec::Auto | SinkSpec::PipeWire(_));
    let here = || facts.system.probe().pipewire_library().is_ok() && is_running(facts.system);
    facts.config.outputs.iter().any(wanted) && here()
}

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let system = facts.system;
    if let Err(failure) = system.probe().pipewire_library() {
        let install = system.install_command(
            "pipewire wireplumber",
            "pipewire wireplumber",
            "pipewire wireplumber",
            "pipewire wireplumber",
        );
        let finding = only_way(facts, Finding::warn("pipewire-library", &failure.message));
        let why = "a second way for the picture, which needs no kernel module";
        return vec![match install {
            Some(install) => finding.mend(format!("sudo {install}"), why),
            None => finding.advice(format!("install PipeWire and WirePlumber: {why}")),
        }];
    }
    let library = Finding::ok("pipewire-library", "the library of PipeWire can be used");
    if !is_running(system) {
        let stopped = Finding::warn("pipewire", "PipeWire does not run in this session");
        return vec![library, only_way(facts, stopped).mend(START, "starts it")];
    }
    let mut findings = vec![library, Finding::ok("pipewire", "PipeWire runs"), wireplumber(system), portal(system)];
    findings.extend(seen(facts));
    findings
}

/// Where the settings have nothing but PipeWire, its absence is more than a warning.
fn only_way(facts: &Facts<'_>, finding: Finding) -> Finding {
    let outputs = &facts.config.outputs;
    let only = !outputs.is_empty() && outputs.iter().all(|output| matches!(output, SinkSpec::PipeWire(_)));
    if only { Finding { level: super::Level::Fail, ..finding }.blocks() } else { finding }
}

/// Whether somebody listens where the library would look for the server.
fn is_running(system: &System) -> bool {
    let dir = system.var("PIPEWIRE_RUNTIME_DIR").map(Into::into).or_else(|| system.runtime_dir());
    let name = system.var("PIPEWIRE_REMOTE").unwrap_or("pipewire-0");
    dir.is_some_and(|dir| UnixStream::connect(system.path(dir.join(name))).is_ok())
}

fn wireplumber(system: &System) -> Finding {
    const CHECK: &str = "wireplumber";
    let processes = system.names("/proc");
    let mut pids = processes.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    // the kernel cuts names at 15 bytes
    let manages = |name: String| name == "wireplumber" || name == "pipewire-media-";
    if pids.any(|pid| system.read(format!("/proc/{pid}/comm")).is_some_and(manages)) {
        return Finding::ok(CHECK, "WirePlumber runs: apps find what is in PipeWire");
    }
    Finding::warn(CHECK, "WirePlumber does not run, and without it no app finds a camera in PipeWire")
        .mend(START, "starts it; where that fails, install wireplumber")
}

fn portal(system: &System) -> Finding {
    const CHECK: &str = "portal";
    if system.exists(PORTAL) {
        return Finding::ok(CHECK, "the portal is there, through which browsers ask for a camera in PipeWire");
    }
    let (debian, gtk) = ("xdg-desktop-portal xdg-desktop-portal-gtk", "xdg-desktop-portal-gtk");
    let finding = Finding::warn(CHECK, "the portal is missing, through which browsers ask for a camera in PipeWire");
    match system.install_command(debian, gtk, debian, gtk) {
        Some(install) => finding.mend(format!("sudo {install}"), "needed only for cameras in PipeWire"),
        None => finding.advice("install xdg-desktop-portal with the backend of your desktop"),
    }
}

/// Whether the camera that the daemon feeds now is among those that PipeWire offers.
fn seen(facts: &Facts<'_>) -> Option<Finding> {
    const CHECK: &str = "camera-in-pipewire";
    let fed = |output: &crate::sink::OutputStatus| {
        let camera = output.name.starts_with("/dev/video") || matches!(output.output, SinkSpec::PipeWire(_));
        camera && output.failure.is_none()
    };
    if !facts.status()?.outputs.iter().any(fed) {
        return None;
    }
    let dump = facts.system.probe().run(&["pw-dump"]).ok().filter(|ran| ran.ok)?;
    let objects: Vec<serde_json::Value> = serde_json::from_str(&dump.stdout).ok()?;
    let is_ours = |object: &serde_json::Value| {
        let props = &object["info"]["props"];
        props["media.class"] == "Video/Source"
            && props["node.description"].as_str().is_some_and(|name| name.contains(LABEL))
    };
    Some(match objects.iter().any(is_ours) {
        true => Finding::ok(CHECK, format!("apps that read PipeWire see {LABEL:?}")),
        false => Finding::warn(CHECK, format!("PipeWire does not show {LABEL:?} to apps")).mend(
            "systemctl --user restart wireplumber",
            "has it look again: it may have looked before the camera was there",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::{
            Level,
            tests::{finding, report},
        },
        system::fake::{FakeMachine, missing, status},
    };

    #[test]
    fn the_library_is_there_or_what_installs_it() {
        assert_eq!(finding(&FakeMachine::new(), "pipewire-library").level, Level::Ok);
        let none = FakeMachine::new().fake(|fake| fake.pipewire = Err(missing("no PipeWire camera: no such file")));
        let found = finding(&none, "pipewire-library");
        assert!(found.level == Level::Warn && report(&none).can_run, "{found:?}");
        assert_eq!(found.mend.unwrap().command.unwrap(), "sudo apt install pipewire wireplumber");
    }

    #[test]
    fn a_server_that_nobody_started_is_seen() {
        assert_eq!(finding(&FakeMachine::new(), "pipewire").level, Level::Ok);
        let stopped = || FakeMachine::new().without("/run/user/1000/pipewire-0");
        assert_eq!(finding(&stopped(), "pipewire").mend.unwrap().command.unwrap(), START);
        let only = stopped().with("/etc/bgcam/bgcam.toml", "[output]\nto = [\"pipewire\"]\n");
        let found = finding(&only, "pipewire");
        assert!(found.level == Level::Fail && found.blocks && !report(&only).can_run);
    }

    #[test]
    fn what_apps_find_the_camera_with_is_there() {
        for (check, file) in [("wireplumber", "/proc/900"), ("portal", PORTAL)] {
            assert_eq!(finding(&FakeMachine::new(), check).level, Level::Ok);
            let found = finding(&FakeMachine::new().without(file), check);
            assert!(found.level == Level::Warn && found.mend.unwrap().command.is_some(), "{check}");
        }
    }

    #[test]
    fn a_camera_that_pipewire_has_missed_is_noticed() {
        let node = |name: &str| {
            let props = serde_json::json!({ "media.class": "Video/Source", "node.description": name });
            serde_json::json!([{ "info": { "props": props } }, { "info": null }]).to_string()
        };
        let with = |dump: &str| {
            FakeMachine::new().says("pw-dump", dump).fake(|fake| fake.daemon = Ok(Some(Box::new(status()))))
        };
        assert_eq!(finding(&with(&node("Virtual Background Cam (V4L2)")), "camera-in-pipewire").level, Level::Ok);
        let missed = finding(&with(&node("Logitech BRIO")), "camera-in-pipewire");
        assert!(missed.level == Level::Warn && missed.mend.unwrap().command.unwrap().ends_with("wireplumber"));
        assert!(report(&with("garbage")).findings().all(|finding| finding.check != "camera-in-pipewire"));
    }
}
