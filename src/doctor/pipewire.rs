//! Checks of PipeWire: the library, the server, WirePlumber and the portal.

use std::os::unix::net::UnixStream;

use super::{Facts, Finding};
use crate::{
    sink::{LABEL, SinkSpec},
    system::System,
};

const PORTAL: &str = "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service";
const START: &str = "systemctl --user start pipewire wireplumber";

/// Whether PipeWire is a configured and working output.
pub(super) fn is_usable(facts: &Facts<'_>) -> bool {
    let wanted = |output: &SinkSpec| matches!(output, SinkSpec::Auto | SinkSpec::PipeWire(_));
    let works = || facts.system.probe().pipewire_library().is_ok() && is_running(facts.system);
    facts.config.outputs.iter().any(wanted) && works()
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
        let finding = fail_if_only_output(facts, Finding::warn("pipewire-library", &failure.message));
        let why = "provides a camera without a kernel module";
        return vec![match install {
            Some(install) => finding.fix(format!("sudo {install}"), why),
            None => finding.advice(format!("install PipeWire and WirePlumber: {why}")),
        }];
    }
    let library = Finding::ok("pipewire-library", "the PipeWire library is installed");
    if !is_running(system) {
        let stopped = Finding::warn("pipewire", "PipeWire is not running in this session");
        return vec![library, fail_if_only_output(facts, stopped).fix(START, "starts it")];
    }
    let mut findings =
        vec![library, Finding::ok("pipewire", "PipeWire is running"), wireplumber(system), portal(system)];
    findings.extend(offered(facts));
    findings
}

/// Turns a warning into a failure if PipeWire is the only configured output.
fn fail_if_only_output(facts: &Facts<'_>, finding: Finding) -> Finding {
    let outputs = &facts.config.outputs;
    let only = !outputs.is_empty() && outputs.iter().all(|output| matches!(output, SinkSpec::PipeWire(_)));
    if only { Finding { level: super::Level::Fail, ..finding }.blocks() } else { finding }
}

/// Whether the server accepts connections at the address that the library would use.
fn is_running(system: &System) -> bool {
    let dir = system.var("PIPEWIRE_RUNTIME_DIR").map(Into::into).or_else(|| system.runtime_dir());
    let name = system.var("PIPEWIRE_REMOTE").unwrap_or("pipewire-0");
    dir.is_some_and(|dir| UnixStream::connect(system.path(dir.join(name))).is_ok())
}

fn wireplumber(system: &System) -> Finding {
    const CHECK: &str = "wireplumber";
    let processes = system.names("/proc");
    let mut pids = processes.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    // the kernel truncates names to 15 bytes
    let manages = |name: String| name == "wireplumber" || name == "pipewire-media-";
    if pids.any(|pid| system.read(format!("/proc/{pid}/comm")).is_some_and(manages)) {
        return Finding::ok(CHECK, "WirePlumber is running");
    }
    Finding::warn(CHECK, "WirePlumber is not running: apps cannot find cameras in PipeWire")
        .fix(START, "starts it; if that fails, install wireplumber")
}

fn portal(system: &System) -> Finding {
    const CHECK: &str = "portal";
    if system.exists(PORTAL) {
        return Finding::ok(CHECK, "the desktop portal is installed");
    }
    let debian = "xdg-desktop-portal xdg-desktop-portal-gtk";
    let gtk = "xdg-desktop-portal-gtk";
    let finding = Finding::warn(CHECK, "the desktop portal is not installed: browsers cannot use cameras in PipeWire");
    match system.install_command(debian, gtk, debian, gtk) {
        Some(install) => finding.fix(format!("sudo {install}"), "needed for cameras in PipeWire only"),
        None => finding.advice("install xdg-desktop-portal and the backend for your desktop"),
    }
}

/// Whether PipeWire offers the camera that the daemon writes to; `None` if that is unknown.
fn offered(facts: &Facts<'_>) -> Option<Finding> {
    const CHECK: &str = "camera-in-pipewire";
    let is_camera = |output: &crate::sink::OutputStatus| {
        let camera = output.name.starts_with("/dev/video") || matches!(output.output, SinkSpec::PipeWire(_));
        camera && output.failure.is_none()
    };
    if !facts.status()?.outputs.iter().any(is_camera) {
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
        true => Finding::ok(CHECK, format!("PipeWire offers {LABEL:?} to apps")),
        false => Finding::warn(CHECK, format!("PipeWire does not offer {LABEL:?} to apps"))
            .fix("systemctl --user restart wireplumber", "makes it scan for cameras again"),
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
    fn the_library_is_found_or_the_fix_installs_it() {
        assert_eq!(finding(&FakeMachine::new(), "pipewire-library").level, Level::Ok);
        let none = FakeMachine::new().fake(|fake| fake.pipewire = Err(missing("no PipeWire camera: no such file")));
        let found = finding(&none, "pipewire-library");
        assert!(found.level == Level::Warn && report(&none).can_run, "{found:?}");
        assert_eq!(found.fix.unwrap().command.unwrap(), "sudo apt install pipewire wireplumber");
    }

    #[test]
    fn a_stopped_server_is_reported() {
        assert_eq!(finding(&FakeMachine::new(), "pipewire").level, Level::Ok);
        let stopped = || FakeMachine::new().without("/run/user/1000/pipewire-0");
        assert_eq!(finding(&stopped(), "pipewire").fix.unwrap().command.unwrap(), START);
        let only = stopped().with("/etc/bgcam/bgcam.toml", "[output]\nto = [\"pipewire\"]\n");
        let found = finding(&only, "pipewire");
        assert!(found.level == Level::Fail && found.blocks && !report(&only).can_run);
    }

    #[test]
    fn wireplumber_and_the_portal_are_checked() {
        for (check, file) in [("wireplumber", "/proc/900"), ("portal", PORTAL)] {
            assert_eq!(finding(&FakeMachine::new(), check).level, Level::Ok);
            let found = finding(&FakeMachine::new().without(file), check);
            assert!(found.level == Level::Warn && found.fix.unwrap().command.is_some(), "{check}");
        }
    }

    #[test]
    fn a_camera_missing_from_pipewire_is_reported() {
        let node = |name: &str| {
            let props = serde_json::json!({ "media.class": "Video/Source", "node.description": name });
            serde_json::json!([{ "info": { "props": props } }, { "info": null }]).to_string()
        };
        let with = |dump: &str| {
            FakeMachine::new().prints("pw-dump", dump).fake(|fake| fake.daemon = Ok(Some(Box::new(status()))))
        };
        assert_eq!(finding(&with(&node("Virtual Background Cam (V4L2)")), "camera-in-pipewire").level, Level::Ok);
        let missed = finding(&with(&node("Logitech BRIO")), "camera-in-pipewire");
        assert!(missed.level == Level::Warn && missed.fix.unwrap().command.unwrap().ends_with("wireplumber"));
        assert!(report(&with("garbage")).findings().all(|finding| finding.check != "camera-in-pipewire"));
    }
}
