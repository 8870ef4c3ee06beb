//! The virtual camera: the kernel module, its device, and whether apps will see it.

use std::path::Path;

use super::{
    Facts, Finding, Module,
    module::{Why, loads_at_boot, packages},
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
        let text = format!("the settings send the picture elsewhere: output.to is {}", to.join(", "));
        return vec![Finding::ok("v4l2loopback", text)];
    }
    let module = Module::of(system);
    let mut findings = vec![module_is(facts, &module)];
    findings.extend(secure_boot::check(system, &module));
    if matches!(module, Module::Loaded { .. }) {
        findings.extend(devices(facts));
        findings.push(max_buffers(system));
        findings.push(at_boot(system));
    }
    findings
}

/// Whether a virtual camera of v4l2loopback's is one of the places for the picture.
fn wanted(facts: &Facts<'_>) -> bool {
    facts.config.outputs.iter().any(|output| matches!(output, SinkSpec::Auto | SinkSpec::Loopback(_)))
}

/// What keeps apps from having the camera here: no more than a warning where PipeWire has one.
fn none_here(facts: &Facts<'_>, check: &'static str, text: impl Into<String>) -> Finding {
    let text = text.into();
    if pipewire::is_way(facts) {
        Finding::warn(check, format!("{text}; only apps that read PipeWire have the camera"))
    } else {
        Finding::fail(check, text).blocks()
    }
}

fn module_is(facts: &Facts<'_>, module: &Module) -> Finding {
    const CHECK: &str = "v4l2loopback";
    let kernel = facts.system.kernel();
    let none = |text: String| none_here(facts, CHECK, text);
    match module {
        Module::Loaded { version } => Finding::ok(CHECK, loaded(version.as_deref())),
        Module::Installed => none("the kernel module v4l2loopback is installed, but not loaded".to_owned())
            .mend(SETUP, "loads it, now and at every start of the computer"),
        Module::Missing(Why::Container) => {
            none("this is a container, whose kernel takes no module from here".to_owned())
                .advice("load v4l2loopback on the computer itself and give the container its /dev/video node")
        }
        Module::Missing(Why::Restart) => {
            none(format!("the kernel was updated: the modules of the running one ({kernel}) are gone"))
                .mend("systemctl reboot", "starts the new kernel")
        }
        Module::Missing(Why::NoHeaders) => {
            let headers = format!("linux-headers-{kernel}");
            let install = facts.system.install_command(
                &headers,
                &format!("kernel-devel-{kernel}"),
                "linux-headers",
                "kernel-devel",
            );
            let text = format!("the kernel module v4l2loopback cannot be built: {headers} is not installed");
            with_install(none(text), install, "the module is built for your kernel on your computer, and needs them")
        }
        Module::Missing(Why::NotBuilt { version }) => {
            let log = format!("/var/lib/dkms/v4l2loopback/{version}/build/make.log says why");
            let finding = none(format!("v4l2loopback {version} did not build for the kernel {kernel}"));
            match version.starts_with("0.12.") {
                true => {
                    finding.advice(format!("kernels from 6.8 on need a newer one, as Debian's backports have; {log}"))
                }
                false => finding.mend("sudo dkms autoinstall", format!("tries again; {log}")),
            }
        }
        Module::Missing(Why::NeverInstalled) => {
            let text = "the kernel module v4l2loopback is not installed".to_owned();
            with_install(
                none(text),
                packages(facts.system),
                "makes the camera that apps see; bgcam setup does the rest",
            )
        }
    }
}

fn with_install(finding: Finding, install: Option<String>, why: &str) -> Finding {
    match install {
        Some(install) => finding.mend(format!("sudo {install}"), why),
        None => finding.advice(format!("install it as your distribution does: it {why}")),
    }
}

/// That it is loaded, with what each version can't do.
fn loaded(version: Option<&str>) -> String {
    match version {
        None => "the kernel module v4l2loopback is loaded; it is older than 0.13: when two apps read, one may freeze the other"
            .to_owned(),
        Some(version) => format!(
            "the kernel module v4l2loopback {version} is loaded; one app at a time reads a virtual camera, and \
             `sudo bgcam devices add` makes another"
        ),
    }
}

/// The device that the daemon would write to.
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
        return vec![none_here(facts, "virtual-camera", text).mend(SETUP, "makes one")];
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
        return Finding::ok(CHECK, format!("apps see it as {LABEL:?} ({node})"));
    }
    Finding::warn(CHECK, format!("apps see the virtual camera as {:?} ({node})", device.label))
        .mend(SETUP, format!("makes one that is called {LABEL:?}"))
}

fn exclusive_caps(device: &Loopback) -> Option<Finding> {
    const CHECK: &str = "exclusive-caps";
    device.exclusive_caps.map(|exclusive| match exclusive {
        true => Finding::ok(CHECK, "browsers list it (exclusive_caps=1)"),
        false => Finding::warn(CHECK, "browsers will not list it (exclusive_caps=0): to them it is no camera")
            .mend(SETUP, "makes it a camera and nothing else"),
    })
}

fn permission(facts: &Facts<'_>, node: &Path) -> Finding {
    const CHECK: &str = "virtual-camera-permission";
    if facts.system.probe().may_write(&facts.system.path(node)) {
        return Finding::ok(CHECK, format!("you may write to {}", node.display()));
    }
    none_here(facts, CHECK, format!("you may not write to {}", node.display())).mend(
        format!("sudo usermod -aG video {}", facts.system.user.name),
        "cameras belong to the group video; log out and in again then",
    )
}

fn writer(facts: &Facts<'_>, device: &Loopback) -> Finding {
    const CHECK: &str = "virtual-camera-free";
    let holders = facts.system.probe().holders(&device.path);
    let ours = facts.status().map(|status| status.pid);
    if device.state == State::Idle {
        return Finding::ok(CHECK, "no other program feeds it");
    }
    if holders.iter().any(|holder| Some(holder.pid) == ours || holder.name == "bgcam") {
        return Finding::ok(CHECK, "bgcam feeds it now");
    }
    let node = device.path.display();
    let who: Vec<_> = holders.iter().map(ToString::to_string).collect();
    let who = if who.is_empty() { "a program of another user's".to_owned() } else { who.join(" or ") };
    Finding::warn(CHECK, format!("{who} feeds it already, and only one program can")).mend(
        format!("sudo fuser -v {node}"),
        "shows who: stop it, or make bgcam a camera of its own, sudo bgcam devices add",
    )
}

fn max_buffers(system: &System) -> Finding {
    const CHECK: &str = "max-buffers";
    let count = system.read("/sys/module/v4l2loopback/parameters/max_buffers").and_then(|text| text.parse().ok());
    match count.unwrap_or(4_u32) {
        count @ 0..=2 => Finding::warn(CHECK, format!("a slow app may see torn pictures (max_buffers={count})"))
            .mend(SETUP, "sets 4, from the next start of the computer on"),
        count => Finding::ok(CHECK, format!("slow apps see whole pictures (max_buffers={count})")),
    }
}

fn at_boot(system: &System) -> Finding {
    const CHECK: &str = "virtual-camera-at-boot";
    if loads_at_boot(system) {
        return Finding::ok(CHECK, "it is there again after a restart of the computer");
    }
    Finding::warn(CHECK, "it will be gone after a restart of the computer").mend(SETUP, "has it loaded at every start")
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

    fn command(twin: &FakeMachine, check: &str) -> String {
        finding(twin, check).mend.unwrap().command.unwrap()
    }

    #[test]
    fn a_missing_module_has_the_command_for_its_reason() {
        let found = finding(&FakeMachine::new(), "v4l2loopback");
        assert!(found.level == Level::Ok && found.text.contains("0.15.4 is loaded; one app at a time"));
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
        let headless = built().without(&format!("/lib/modules/{KERNEL}/build"));
        assert_eq!(command(&headless, "v4l2loopback"), format!("sudo apt install linux-headers-{KERNEL}"));
        let old = finding(&absent().with("/usr/src/v4l2loopback-0.12.7/dkms.conf", ""), "v4l2loopback");
        assert!(old.mend.unwrap().why.contains("backports"));
        let updated = absent().without(&format!("/lib/modules/{KERNEL}")).with("/lib/modules/6.2/modules.dep", "");
        assert_eq!(command(&updated, "v4l2loopback"), "systemctl reboot");
        let container = finding(&absent().with("/.dockerenv", ""), "v4l2loopback");
        assert!(container.text.contains("container") && container.mend.is_some());
    }

    #[test]
    fn without_the_module_pipewire_is_enough_and_without_both_nothing_runs() {
        let found = finding(&unloaded(), "v4l2loopback");
        assert!(found.level == Level::Warn && !found.blocks && report(&unloaded()).can_run);
        let neither = unloaded().fake(|fake| fake.pipewire = Err(missing("no PipeWire camera: no library")));
        let found = finding(&neither, "v4l2loopback");
        assert!(found.level == Level::Fail && found.blocks && !report(&neither).can_run);
    }

    #[test]
    fn who_sends_the_picture_elsewhere_needs_no_module() {
        let twin = absent().with("/etc/bgcam/bgcam.toml", "[output]\nto = [\"pipewire\", \"none\"]\n");
        let found = finding(&twin, "v4l2loopback");
        assert!(found.level == Level::Ok && found.text.contains("pipewire, none"), "{found:?}");
    }

    #[test]
    fn the_device_is_one_that_apps_see_under_our_name() {
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
    fn the_device_is_ours_to_write_and_free() {
        assert_eq!(finding(&FakeMachine::new(), "virtual-camera-permission").level, Level::Ok);
        let locked = FakeMachine::new().fake(|fake| fake.locked = vec!["/dev/video10".into()]);
        assert_eq!(command(&locked, "virtual-camera-permission"), "sudo usermod -aG video ada");
        assert_eq!(finding(&FakeMachine::new(), "virtual-camera-free").level, Level::Ok);
        let fed = |name| {
            let twin = FakeMachine::new().with(&format!("{NODE}/state"), "capture");
            twin.fake(|fake| fake.holders = vec![("/dev/video10".into(), holder(7, name))])
        };
        assert_eq!(finding(&fed("bgcam"), "virtual-camera-free").level, Level::Ok);
        let found = finding(&fed("obs"), "virtual-camera-free");
        assert!(found.level == Level::Warn && found.text.contains("obs (pid 7)"), "{found:?}");
    }

    #[test]
    fn it_has_room_for_slow_apps_and_comes_back() {
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
