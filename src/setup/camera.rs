//! The virtual camera: options of the kernel module, loading it now and at boot, and the group video.

use std::path::Path;

use super::{Effect, Plan, RunAs, Step};
use crate::{
    doctor::module::{MissingReason, Module, loads_at_boot, packages},
    sink::{
        LABEL,
        loopback::{Loopback, State, list_in},
    },
    system::System,
};

const OPTIONS: (&str, &str) = ("/etc/modprobe.d/bgcam.conf", include_str!("../../systemd/modprobe.d/bgcam.conf"));
const AT_BOOT: (&str, &str) =
    ("/etc/modules-load.d/bgcam.conf", include_str!("../../systemd/modules-load.d/bgcam.conf"));

pub(super) fn install(system: &System, plan: &mut Plan) {
    let module = Module::of(system);
    if module == Module::Missing(MissingReason::Container) {
        plan.note("containers cannot load kernel modules: only apps that support PipeWire can use the camera");
        return;
    }
    let can_load = install_module(system, plan, &module);
    let foreign = foreign_options(system);
    match &foreign {
        Some(file) => plan.note(format!(
            "{file} already sets options for v4l2loopback and is kept; bgcam needs exclusive_caps=1 and card_label={LABEL:?}"
        )),
        // installed by a package
        None if system.read("/usr/lib/modprobe.d/bgcam.conf").as_deref() == Some(OPTIONS.1.trim()) => {}
        None => {
            plan.write(system, RunAs::Root, Path::new(OPTIONS.0), OPTIONS.1.to_owned(), "options of the virtual camera");
        }
    }
    if !loads_at_boot(system) || plan.record.has(Path::new(AT_BOOT.0)) {
        plan.write(system, RunAs::Root, Path::new(AT_BOOT.0), AT_BOOT.1.to_owned(), "loads the module at every boot");
    }
    match module {
        Module::Loaded { .. } => recreate(system, plan, foreign.is_some()),
        _ if can_load => plan.push(load("creates the virtual camera")),
        _ => {}
    }
    join_group(system, plan);
}

fn load(why: &'static str) -> Step {
    Step::run(RunAs::Root, &["modprobe", "v4l2loopback"], why, Effect::Loaded(true))
}

/// Plans to install the module. Returns false if it cannot be loaded afterwards.
fn install_module(system: &System, plan: &mut Plan, module: &Module) -> bool {
    if plan.record.packages_unfinished && system.has_program("dpkg") {
        let configure = ["dpkg", "--configure", "-a"];
        plan.push(Step::run(RunAs::Root, &configure, "completes the interrupted installation", Effect::Packages));
    }
    match module {
        Module::Loaded { .. } | Module::Installed => return true,
        Module::Missing(MissingReason::NotInstalled | MissingReason::HeadersMissing) => match packages(system) {
            Some(install) => {
                plan.steps.extend(noninteractive(&install));
                return true;
            }
            None => plan.note("install v4l2loopback with your package manager, then run setup again"),
        },
        Module::Missing(MissingReason::RebootNeeded) => {
            plan.note("the kernel was updated: reboot, then run setup again")
        }
        Module::Missing(_) => {
            plan.note("v4l2loopback failed to build for the running kernel: run `bgcam doctor` for details")
        }
    }
    false
}

/// The steps to install packages without prompting, because the user has confirmed the plan.
fn noninteractive(install: &str) -> Vec<Step> {
    let (program, rest) = install.split_once(' ').unwrap_or((install, ""));
    let (program, yes) = match program {
        "apt" => ("apt-get", "-y"),
        "pacman" => ("pacman", "--noconfirm"),
        other => (other, "-y"),
    };
    let words: Vec<_> = [program, yes].into_iter().chain(rest.split(' ')).collect();
    let step = Step::run(RunAs::Root, &words, "installs the kernel module of the virtual camera", Effect::Packages);
    let update = Step::run(RunAs::Root, &["apt-get", "-qq", "update"], "updates the package lists", Effect::Nothing);
    if program == "apt-get" { vec![update, step] } else { vec![step] }
}

/// Plans to create a camera with the right name and options, if the loaded module has none.
fn recreate(system: &System, plan: &mut Plan, foreign: bool) {
    let devices = list_in(&system.path("/sys"));
    let labelled = devices.iter().find(|device| device.label == LABEL);
    if labelled.is_some_and(|device| device.exclusive_caps != Some(false)) {
        return;
    }
    let held: Vec<_> = devices.iter().filter_map(|device| holder(system, device)).collect();
    if held.is_empty() && !foreign {
        let unload = ["modprobe", "-r", "v4l2loopback"];
        plan.push(Step::run(
            RunAs::Root,
            &unload,
            "removes the unused virtual camera, which has the wrong options",
            Effect::Nothing,
        ));
        plan.push(load("creates it with the right options"));
    } else if labelled.is_none() && Module::can_add(system) {
        let add = [&system.program.display().to_string(), "devices", "add", LABEL];
        plan.push(Step::run(RunAs::Root, &add, "adds a second virtual camera, until the next reboot", Effect::Nothing));
    } else {
        let close = if held.is_empty() { String::new() } else { format!(" close {};", held.join(", ")) };
        plan.note(format!(
            "the virtual camera has the wrong options until the module is reloaded:{close} then run setup again"
        ));
    }
}

/// A program that has the virtual camera open, or a description of an invisible one.
fn holder(system: &System, device: &Loopback) -> Option<String> {
    let holders = system.probe().holders(&system.path(&device.path));
    let first = holders.first().map(ToString::to_string);
    first.or_else(|| {
        (device.state == State::Fed).then(|| format!("the program that writes to {}", device.path.display()))
    })
}

/// Plans to add the user to the group video, if a camera is not accessible.
fn join_group(system: &System, plan: &mut Plan) {
    let node = list_in(&system.path("/sys")).into_iter().find(|device| device.label == LABEL).map(|device| device.path);
    let locked = node.is_some_and(|node| system.exists(&node) && !system.probe().may_write(&system.path(node)));
    if system.user.uid == 0 || system.as_root || !(locked || system.probe().cameras().denied.is_some()) {
        return;
    }
    if system.is_in_group("video").0 {
        plan.note(
            "you are in the video group, but joined it after you logged in: log out and back in to use the cameras",
        );
        return;
    }
    let join = ["usermod", "-aG", "video", &system.user.name];
    plan.push(Step::run(RunAs::Root, &join, "gives you access to cameras, after your next login", Effect::Group(true)));
}

/// Plans to undo the changes, in reverse order.
pub(super) fn remove(system: &System, plan: &mut Plan) {
    if plan.record.group && system.is_in_group("video").0 {
        let leave = ["gpasswd", "-d", &system.user.name, "video"];
        plan.push(Step::run(
            RunAs::Root,
            &leave,
            "removes you from the video group, to which setup added you",
            Effect::Group(false),
        ));
    }
    if plan.record.loaded && matches!(Module::of(system), Module::Loaded { .. }) {
        unload(system, plan);
    }
    plan.delete(system, RunAs::Root, Path::new(AT_BOOT.0), AT_BOOT.1, "stops loading the module at boot");
    plan.delete(system, RunAs::Root, Path::new(OPTIONS.0), OPTIONS.1, "removes the options of the virtual camera");
    if plan.record.packages {
        plan.note("the v4l2loopback package is kept, because other programs may use it");
    }
}

fn unload(system: &System, plan: &mut Plan) {
    let devices = list_in(&system.path("/sys"));
    let others = |device: &Loopback| {
        let holders = system.probe().holders(&system.path(&device.path));
        holders.into_iter().find(|holder| holder.name != "bgcam").map(|holder| holder.to_string())
    };
    match devices.iter().find_map(others) {
        Some(holder) => plan.note(format!("{holder} is using the virtual camera, which remains until the next reboot")),
        None => plan.push(Step::run(
            RunAs::Root,
            &["modprobe", "-r", "v4l2loopback"],
            "removes the virtual camera",
            Effect::Loaded(false),
        )),
    }
}

/// A file of another program or the user that sets options for v4l2loopback.
fn foreign_options(system: &System) -> Option<String> {
    const DIRS: [&str; 4] = ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d"];
    let files = DIRS.into_iter().flat_map(|dir| system.names(dir).into_iter().map(move |name| format!("{dir}/{name}")));
    let sets = |file: &String| {
        let text = system.read(file).unwrap_or_default();
        text.lines().any(|line| line.split_whitespace().take(2).eq(["options", "v4l2loopback"]))
    };
    files.filter(|file| file.ends_with(".conf") && !file.ends_with("/bgcam.conf")).find(sets)
}
