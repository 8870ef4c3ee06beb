//! The virtual camera: options of the kernel module, loading it now and at every start, and the group of cameras.

use std::path::Path;

use super::{Mark, Plan, Step, Who};
use crate::{
    doctor::module::{Module, Why, loads_at_boot, packages},
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
    if module == Module::Missing(Why::Container) {
        plan.note(
            "no kernel module can be loaded in a container: apps that read PipeWire can have the camera, others not",
        );
        return;
    }
    let can_load = get_module(system, plan, &module);
    let foreign = foreign_options(system);
    match &foreign {
        Some(file) => plan.note(format!(
            "{file} sets options for v4l2loopback already and is respected; bgcam wants exclusive_caps=1 and card_label={LABEL:?}"
        )),
        // a package has them where packages have theirs
        None if system.read("/usr/lib/modprobe.d/bgcam.conf").as_deref() == Some(OPTIONS.1.trim()) => {}
        None => {
            plan.write(system, Who::Root, Path::new(OPTIONS.0), OPTIONS.1.to_owned(), "what the virtual camera is like");
        }
    }
    if !loads_at_boot(system) || plan.record.has(Path::new(AT_BOOT.0)) {
        plan.write(
            system,
            Who::Root,
            Path::new(AT_BOOT.0),
            AT_BOOT.1.to_owned(),
            "has it at every start of the computer",
        );
    }
    match module {
        Module::Loaded { .. } => rename(system, plan, foreign.is_some()),
        _ if can_load => plan.push(load("makes the virtual camera now")),
        _ => {}
    }
    join_group(system, plan);
}

fn load(why: &'static str) -> Step {
    Step::run(Who::Root, &["modprobe", "v4l2loopback"], why, Mark::Loaded(true))
}

/// Plans what installs the module; false when it cannot be loaded afterwards.
fn get_module(system: &System, plan: &mut Plan, module: &Module) -> bool {
    if plan.record.packages_unfinished && system.has_program("dpkg") {
        let go_on = ["dpkg", "--configure", "-a"];
        plan.push(Step::run(Who::Root, &go_on, "completes the installation that was interrupted", Mark::Packages));
    }
    match module {
        Module::Loaded { .. } | Module::Installed => return true,
        Module::Missing(Why::NeverInstalled | Why::NoHeaders) => match packages(system) {
            Some(install) => {
                plan.steps.extend(without_questions(&install));
                return true;
            }
            None => plan.note("install v4l2loopback as your distribution does, then run this again"),
        },
        Module::Missing(Why::Restart) => plan.note("the kernel was updated: restart the computer, then run this again"),
        Module::Missing(_) => {
            plan.note("v4l2loopback does not build for the running kernel: `bgcam doctor` says what helps")
        }
    }
    false
}

/// The steps of a command that installs packages: the user has said yes to it already.
fn without_questions(install: &str) -> Vec<Step> {
    let (program, rest) = install.split_once(' ').unwrap_or((install, ""));
    let (program, yes) = match program {
        "apt" => ("apt-get", "-y"),
        "pacman" => ("pacman", "--noconfirm"),
        other => (other, "-y"),
    };
    let words: Vec<_> = [program, yes].into_iter().chain(rest.split(' ')).collect();
    let step = Step::run(Who::Root, &words, "the kernel module that makes cameras", Mark::Packages);
    let update = Step::run(Who::Root, &["apt-get", "-qq", "update"], "what is to be had now", Mark::Nothing);
    if program == "apt-get" { vec![update, step] } else { vec![step] }
}

/// Plans a camera of our name where the module is loaded without one.
fn rename(system: &System, plan: &mut Plan, foreign: bool) {
    let devices = list_in(&system.path("/sys"));
    let labelled = devices.iter().find(|device| device.label == LABEL);
    if labelled.is_some_and(|device| device.exclusive_caps != Some(false)) {
        return;
    }
    let held: Vec<_> = devices.iter().filter_map(|device| holder(system, device)).collect();
    if held.is_empty() && !foreign {
        let away = ["modprobe", "-r", "v4l2loopback"];
        plan.push(Step::run(
            Who::Root,
            &away,
            "nobody uses the virtual camera, and its options are wrong",
            Mark::Nothing,
        ));
        plan.push(load("makes it with the right ones"));
    } else if labelled.is_none() && Module::can_add(system) {
        let add = [&system.program.display().to_string(), "devices", "add", LABEL];
        plan.push(Step::run(Who::Root, &add, "makes a second virtual camera, until the next start", Mark::Nothing));
    } else {
        let who = if held.is_empty() { String::new() } else { format!(" close {};", held.join(", ")) };
        plan.note(format!("the virtual camera has other options until it is loaded again:{who} then run this again"));
    }
}

/// Who has a virtual camera open, or feeds it unseen.
fn holder(system: &System, device: &Loopback) -> Option<String> {
    let holders = system.probe().holders(&system.path(&device.path));
    let first = holders.first().map(ToString::to_string);
    first.or_else(|| (device.state == State::Fed).then(|| format!("what feeds {}", device.path.display())))
}

/// Plans to put the user into the group video, where that is what a camera lacks.
fn join_group(system: &System, plan: &mut Plan) {
    let node = list_in(&system.path("/sys")).into_iter().find(|device| device.label == LABEL).map(|device| device.path);
    let locked = node.is_some_and(|node| system.exists(&node) && !system.probe().may_write(&system.path(node)));
    if system.user.uid == 0 || system.as_root || !(locked || system.probe().cameras().denied.is_some()) {
        return;
    }
    if system.is_in_group("video").0 {
        plan.note("you are in the group video since a moment ago: log out and in again, and the cameras are yours");
        return;
    }
    let join = ["usermod", "-aG", "video", &system.user.name];
    plan.push(Step::run(Who::Root, &join, "lets you open cameras, from your next login on", Mark::Group(true)));
}

/// Plans to undo it, in the reverse order.
pub(super) fn remove(system: &System, plan: &mut Plan) {
    if plan.record.group && system.is_in_group("video").0 {
        let leave = ["gpasswd", "-d", &system.user.name, "video"];
        plan.push(Step::run(Who::Root, &leave, "you were put into that group for bgcam", Mark::Group(false)));
    }
    if plan.record.loaded && matches!(Module::of(system), Module::Loaded { .. }) {
        unload(system, plan);
    }
    plan.delete(system, Who::Root, Path::new(AT_BOOT.0), AT_BOOT.1, "no virtual camera at the next start");
    plan.delete(system, Who::Root, Path::new(OPTIONS.0), OPTIONS.1, "the options of the virtual camera");
    if plan.record.packages {
        plan.note("the package of v4l2loopback stays: other programs may use it");
    }
}

fn unload(system: &System, plan: &mut Plan) {
    let devices = list_in(&system.path("/sys"));
    let others = |device: &Loopback| {
        let holders = system.probe().holders(&system.path(&device.path));
        holders.into_iter().find(|holder| holder.name != "bgcam").map(|holder| holder.to_string())
    };
    match devices.iter().find_map(others) {
        Some(holder) => {
            plan.note(format!("{holder} uses the virtual camera: it is there until the next start of the computer"))
        }
        None => plan.push(Step::run(
            Who::Root,
            &["modprobe", "-r", "v4l2loopback"],
            "takes the virtual camera away",
            Mark::Loaded(false),
        )),
    }
}

/// The file, not of ours, that sets options for v4l2loopback.
fn foreign_options(system: &System) -> Option<String> {
    const DIRS: [&str; 4] = ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d"];
    let files = DIRS.into_iter().flat_map(|dir| system.names(dir).into_iter().map(move |name| format!("{dir}/{name}")));
    let sets = |file: &String| {
        let text = system.read(file).unwrap_or_default();
        text.lines().any(|line| line.split_whitespace().take(2).eq(["options", "v4l2loopback"]))
    };
    files.filter(|file| file.ends_with(".conf") && !file.ends_with("/bgcam.conf")).find(sets)
}
