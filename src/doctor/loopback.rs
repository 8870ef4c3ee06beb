//! Checks of the virtual camera: the kernel module, its device, and visibility to apps.

use std::path::Path;

use super::{
    Facts, Finding, Module,
    module::{MissingReason, loads_at_boot, packages},
    pipewire, secure_boot,
};
use crate::{
    sink::{
        LABEL, LoopbackTarget, SinkSpec,
        loopback::{Loopback, State, list_in},
    },
    system::System,
};

const SETUP: &str = "bgcam setup";

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let system = facts.system;
    if !wanted(facts) {
        let to: Vec<_> = facts.config.outputs.iter().map(ToString::to_string).collect();
        let text = format!("not used: output.to is {}", to.join(", "));
        return vec![Finding::ok("v4l2loopback", text)];
    }
    let module = Module::of(system);
    let mut findings = vec![check_module(facts, &module)];
    findings.extend(secure_boot::check(system, &module));
    if matches!(module, Module::Loaded { .. }) {
        findings.extend(devices(facts));
        findings.push(max_buffers(system));
        findings.push(at_boot(system));
    }
    findings
}

/// Whether v4l2loopback is one of the configured outputs.
fn wanted(facts: &Facts<'_>) -> bool {
    facts.config.outputs.iter().any(|output| matches!(output, SinkSpec::Auto | SinkSpec::Loopback(_)))
}

/// A finding for a missing virtual camera: a failure, or a warning if PipeWire provides one.
fn no_camera(facts: &Facts<'_>, check: &'static str, text: impl Into<String>) -> Finding {
    let text = text.into();
    if pipewire::is_usable(facts) {
        Finding::warn(check, format!("{text}; only apps that support PipeWire can use the camera"))
    } else {
        Finding::fail(check, text).blocks()
    }
}

fn check_module(facts: &Facts<'_>, module: &Module) -> Finding {
    const CHECK: &str = "v4l2loopback";
    let kernel = facts.system.kernel();
    let none = |text: String| no_camera(facts, CHECK, text);
    match module {
        Module::Loaded { version } => Finding::ok(CHECK, loaded(version.as_deref())),
        Module::Installed => none("the kernel module v4l2loopback is installed, but not loaded".to_owned())
            .fix(SETUP, "loads it now and at every boot"),
        Module::Missing(MissingReason::Container) => {
            none("this is a container, which cannot load kernel modules".to_owned())
                .advice("load v4l2loopback on the host and pass its /dev/video device to the container")
        }
        Module::Missing(MissingReason::RebootNeeded) => {
            none(format!("the kernel was updated: the modules of the running kernel ({kernel}) were removed"))
                .fix("systemctl reboot", "starts the new kernel")
        }
        Module::Missing(MissingReason::HeadersMissing) => {
            let headers = format!("linux-headers-{kernel}");
            let install = facts.system.install_command(
                &headers,
                &format!("kernel-devel-{kernel}"),
                "linux-headers",
                "kernel-devel",
            );
            let text = format!("the kernel module v4l2loopback cannot be built: {headers} is not installed");
            with_install(none(text), install, "needed to build the module for your kernel")
        }
        Module::Missing(MissingReason::BuildFailed { version }) => {
            let log = format!("see /var/lib/dkms/v4l2loopback/{version}/build/make.log");
            let finding = none(format!("v4l2loopback {version} failed to build for the kernel {kernel}"));
            match version.starts_with("0.12.") {
                true => finding.advice(format!(
                    "Linux 6.8 and later need a newer version, for example from Debian backports; {log}"
                )),
                false => finding.fix("sudo dkms autoinstall", format!("tries again; {log}")),
            }
        }
        Module::Missing(MissingReason::NotInstalled) => {
            let text = "the kernel module v4l2loopback is not installed".to_owned();
            with_install(none(text), packages(facts.system), "provides the virtual camera; then run bgcam setup")
        }
    }
}

fn with_install(finding: Finding, install: Option<String>, why: &str) -> Finding {
    match install {
        Some(install) => finding.fix(format!("sudo {install}"), why),
        None => finding.advice(format!("install it with your package manager: {why}")),
    }
}

/// Text for a loaded module, with the limitation of its version.
fn loaded(version: Option<&str>) -> String {
    match version {
        None => "the kernel module v4l2loopback is loaded, but is older than 0.13: apps that use the camera at the same time may freeze"
            .to_owned(),
        Some(version) => format!(
            "the kernel module v4l2loopback {version} is loaded; each virtual camera serves one app at a time, \
             and `sudo bgcam devices add` adds another"
        ),
    }
}

/// The device that the daemon would use.
fn device<'a>(facts: &Facts<'_>, devices: &'a [Loopback]) -> Option<&'a Loopback> {
    let named = facts.config.outputs.iter().find_map(|output| match output {
        SinkSpec::Loopback(LoopbackTarget::Path(path)) => devices.iter().find(|device| device.path == *path),
        SinkSpec::Loopback(LoopbackTarget::Label(label)) => devices.iter().find(|device| device.label == *label),
        _ => None,
    });
    let labelled = || devices.iter().find(|device| device.label == LABEL);
    named.or_else(labelled).or_else(|| devices.iter().find(|device| device.state == State::Idle)).or(devices.first())
}

fn devices(facts: &Facts<'_>) -> Vec<Finding> {
    let devices = list_in(&facts.system.path("/sys"));
    let Some(device) = device(facts, &devices) else {
        let text = "v4l2loopback is loaded, but there is no virtual camera";
        return vec![no_camera(facts, "virtual-camera", text).fix(SETUP, "creates one")];
    };
    let mut findings = vec![label(device)];
    findings.extend(exclusive_caps(device));
    findings.push(permission(facts, &device.path));
    findings.push(writer(facts, device));
    findings
}

fn label(device: &Loopback) -> Finding {
    const CHECK: &str = "virtual-camera";
    let node = device.path.display();
    if device.label == LABEL {
        return Finding::ok(CHECK, format!("apps show it as {LABEL:?} ({node})"));
    }
    Finding::warn(CHECK, format!("apps show the virtual camera as {:?} ({node})", device.label))
        .fix(SETUP, format!("creates one named {LABEL:?}"))
}

fn exclusive_caps(device: &Loopback) -> Option<Finding> {
    const CHECK: &str = "exclusive-caps";
    device.exclusive_caps.map(|exclusive| match exclusive {
        true => Finding::ok(CHECK, "visible in browsers (exclusive_caps=1)"),
        false => Finding::warn(CHECK, "not visible in browsers (exclusive_caps=0)").fix(SETUP, "sets exclusive_caps=1"),
    })
}

fn permission(facts: &Facts<'_>, node: &Path) -> Finding {
    const CHECK: &str = "virtual-camera-permission";
    if facts.system.probe().may_write(&facts.system.path(node)) {
        return Finding::ok(CHECK, format!("you have permission to write to {}", node.display()));
    }
    no_camera(facts, CHECK, format!("no permission to write to {}", node.display())).fix(
        format!("sudo usermod -aG video {}", facts.system.user.name),
        "adds you to the video group; log out and back in afterwards",
    )
}

fn writer(facts: &Facts<'_>, device: &Loopback) -> Finding {
    const CHECK: &str = "virtual-camera-free";
    let holders = facts.system.probe().holders(&device.path);
    let ours = facts.status().map(|status| status.pid);
    if device.state == State::Idle {
        return Finding::ok(CHECK, "not used by another program");
    }
    if holders.iter().any(|holder| Some(holder.pid) == ours || holder.name == "bgcam") {
        return Finding::ok(CHECK, "in use by bgcam");
    }
    let node = device.path.display();
    let names: Vec<_> = holders.iter().map(ToString::to_string).collect();
    let names = if names.is_empty() { "a program of another user".to_owned() } else { names.join(" or ") };
    Finding::warn(CHECK, format!("{names} is writing to it, and only one program can")).fix(
        format!("sudo fuser -v {node}"),
        "shows the program; stop it, or add another camera with sudo bgcam devices add",
    )
}

fn max_buffers(system: &System) -> Finding {
    const CHECK: &str = "max-buffers";
    let count = system.read("/sys/module/v4l2loopback/parameters/max_buffers").and_then(|text| text.parse().ok());
    match count.unwrap_or(4_u32) {
        count @ 0..=2 => Finding::warn(CHECK, format!("slow apps may show torn frames (max_buffers={count})"))
            .fix(SETUP, "sets max_buffers=4, after the next reboot"),
        count => Finding::ok(CHECK, format!("enough buffers for slow apps (max_buffers={count})")),
    }
}

fn at_boot(system: &System) -> Finding {
    const CHECK: &str = "virtual-camera-at-boot";
    if loads_at_boot(system) {
        return Finding::ok(CHECK, "the virtual camera will survive a reboot");
    }
    Finding::warn(CHECK, "the virtual camera will not survive a reboot").fix(SETUP, "loads the module at every boot")
}

#[cfg(test)]
mod tests {
    use crate::{
        doctor::{
            Level,
            tests::{finding, report},
        },
        system::fake::{FakeMachine, KERNEL, holder, missing},
    };

    const NODE: &str = "/sys/devices/virtual/video4linux/video10";

    fn unloaded() -> FakeMachine {
        FakeMachine::new().without("/sys/module/v4l2loopback")
    }

    fn absent() -> FakeMachine {
        unloaded().without(&format!("/lib/modules/{KERNEL}/modules.dep"))
    }

    fn command(machine: &FakeMachine, check: &str) -> String {
        finding(machine, check).fix.unwrap().command.unwrap()
    }

    #[test]
    fn a_missing_module_has_a_fix_for_each_reason() {
        let found = finding(&FakeMachine::new(), "v4l2loopback");
        assert!(
            found.level == Level::Ok
                && found.text.contains("0.15.4 is loaded; each virtual camera serves one app at a time")
        );
        assert!(
            finding(&FakeMachine::new().without("/sys/module/v4l2loopback/version"), "v4l2loopback")
                .text
                .contains("0.13")
        );
        assert_eq!(command(&unloaded(), "v4l2loopback"), "bgcam setup");
        assert_eq!(
            command(&absent(), "v4l2loopback"),
            format!("sudo apt install v4l2loopback-dkms linux-headers-{KERNEL}")
        );
        let built = || absent().with("/usr/src/v4l2loopback-0.15.0/dkms.conf", "");
        assert_eq!(command(&built(), "v4l2loopback"), "sudo dkms autoinstall");
        let without_headers = built().without(&format!("/lib/modules/{KERNEL}/build"));
        assert_eq!(command(&without_headers, "v4l2loopback"), format!("sudo apt install linux-headers-{KERNEL}"));
        let old = finding(&absent().with("/usr/src/v4l2loopback-0.12.7/dkms.conf", ""), "v4l2loopback");
        assert!(old.fix.unwrap().text.contains("backports"));
        let updated = absent().without(&format!("/lib/modules/{KERNEL}")).with("/lib/modules/6.2/modules.dep", "");
        assert_eq!(command(&updated, "v4l2loopback"), "systemctl reboot");
        let container = finding(&absent().with("/.dockerenv", ""), "v4l2loopback");
        assert!(container.text.contains("container") && container.fix.is_some());
    }

    #[test]
    fn pipewire_replaces_a_missing_module() {
        let found = finding(&unloaded(), "v4l2loopback");
        assert!(found.level == Level::Warn && !found.blocks && report(&unloaded()).can_run);
        let neither = unloaded().fake(|fake| fake.pipewire = Err(missing("no PipeWire camera: no library")));
        let found = finding(&neither, "v4l2loopback");
        assert!(found.level == Level::Fail && found.blocks && !report(&neither).can_run);
    }

    #[test]
    fn other_outputs_need_no_module() {
        let machine = absent().with("/etc/bgcam/bgcam.toml", "[output]\nto = [\"pipewire\", \"none\"]\n");
        let found = finding(&machine, "v4l2loopback");
        assert!(found.level == Level::Ok && found.text.contains("pipewire, none"), "{found:?}");
    }

    #[test]
    fn the_device_has_the_right_label_and_caps() {
        assert!(finding(&FakeMachine::new(), "virtual-camera").text.contains("/dev/video10"));
        let dummy = FakeMachine::new().with(&format!("{NODE}/name"), "Dummy video device (0x0000)");
        assert_eq!(
            (finding(&dummy, "virtual-camera").level, command(&dummy, "virtual-camera")),
            (Level::Warn, "bgcam setup".into())
        );
        let none = finding(&FakeMachine::new().without(NODE), "virtual-camera");
        assert!(none.text.contains("there is no virtual camera"));
        assert_eq!(finding(&FakeMachine::new(), "exclusive-caps").level, Level::Ok);
        let open = FakeMachine::new().with("/sys/module/v4l2loopback/parameters/exclusive_caps", "N,N");
        assert_eq!(finding(&open, "exclusive-caps").level, Level::Warn);
    }

    #[test]
    fn the_device_is_writable_and_free() {
        assert_eq!(finding(&FakeMachine::new(), "virtual-camera-permission").level, Level::Ok);
        let locked = FakeMachine::new().fake(|fake| fake.locked = vec!["/dev/video10".into()]);
        assert_eq!(command(&locked, "virtual-camera-permission"), "sudo usermod -aG video ada");
        assert_eq!(finding(&FakeMachine::new(), "virtual-camera-free").level, Level::Ok);
        let fed = |name| {
            let machine = FakeMachine::new().with(&format!("{NODE}/state"), "capture");
            machine.fake(|fake| fake.holders = vec![("/dev/video10".into(), holder(7, name))])
        };
        assert_eq!(finding(&fed("bgcam"), "virtual-camera-free").level, Level::Ok);
        let found = finding(&fed("obs"), "virtual-camera-free");
        assert!(found.level == Level::Warn && found.text.contains("obs (pid 7)"), "{found:?}");
    }

    #[test]
    fn buffers_and_loading_at_boot_are_checked() {
        assert_eq!(finding(&FakeMachine::new(), "max-buffers").level, Level::Ok);
        let two = FakeMachine::new().with("/sys/module/v4l2loopback/parameters/max_buffers", "2");
        assert_eq!(finding(&two, "max-buffers").level, Level::Warn);
        assert_eq!(finding(&FakeMachine::new(), "virtual-camera-at-boot").level, Level::Ok);
        let forgotten = || FakeMachine::new().without("/etc/modules-load.d/bgcam.conf");
        assert_eq!(finding(&forgotten(), "virtual-camera-at-boot").level, Level::Warn);
        let by_others = forgotten().with("/etc/modules", "# mine\nv4l2loopback\n");
        assert_eq!(finding(&by_others, "virtual-camera-at-boot").level, Level::Ok);
    }
}
