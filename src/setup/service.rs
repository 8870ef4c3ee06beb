//! The service: a unit in the user's folder, or that of a package, enabled for every login.

use std::path::{Path, PathBuf};

use super::{Action, Effect, Plan, RunAs, Step};
use crate::{doctor::service::unit_properties, system::System};

const UNIT: &str = include_str!("../../systemd/bgcam.service");
const NAME: &str = "bgcam.service";

pub(super) fn install(system: &System, plan: &mut Plan) {
    if !system.has_user_systemd() {
        plan.note("no systemd user session: bgcam does not start automatically; start it with `bgcam daemon`");
        return;
    }
    if system.program.display().to_string().contains(['"', '\'', '\\']) {
        plan.note(format!(
            "systemd does not support quotes in the path of a program: move {}",
            system.program.display()
        ));
        return;
    }
    let is_new = !is_packaged(system) && {
        let steps = plan.steps.len();
        plan.write(system, RunAs::User, &path(system), unit(system), "starts bgcam");
        plan.steps.len() > steps
    };
    if is_new {
        plan.push(systemctl(&["daemon-reload"], "loads the new unit", Effect::Nothing));
    }
    let state = unit_properties(system);
    let is = |key: &str, value: &str| state.as_ref().is_some_and(|state| state(key) == value);
    let active = is("ActiveState", "active");
    let enabled = is("UnitFileState", "enabled");
    let runs_elsewhere = !active && matches!(system.probe().daemon(&system.daemon_dir()), Ok(Some(_)));
    match (enabled, active) {
        (true, true) if is_new => plan.push(systemctl(&["restart", NAME], "restarts the service", Effect::Nothing)),
        (true, true) => {}
        _ if runs_elsewhere => {
            plan.note("bgcam is already running outside the service; to switch, run `bgcam stop`, then `systemctl --user start bgcam`");
            if !enabled {
                plan.push(systemctl(&["enable", NAME], "starts bgcam at every login", Effect::Enabled(true)));
            }
        }
        _ => plan.push(systemctl(
            &["enable", "--now", NAME],
            "starts bgcam now and at every login",
            Effect::Enabled(true),
        )),
    }
}

pub(super) fn remove(system: &System, plan: &mut Plan) {
    let path = path(system);
    let written =
        plan.record.has(&path) || std::fs::read_to_string(system.path(&path)).is_ok_and(|text| text == unit(system));
    if system.has_user_systemd() && (written || plan.record.enabled) {
        let state = unit_properties(system);
        if state.is_some_and(|state| state("UnitFileState") == "enabled" || state("ActiveState") == "active") {
            plan.push(systemctl(
                &["disable", "--now", NAME],
                "stops bgcam and disables the service",
                Effect::Enabled(false),
            ));
        } else {
            plan.record.enabled = false;
        }
    }
    if plan.delete(system, RunAs::User, &path, &unit(system), "removes the service") && system.has_user_systemd() {
        plan.push(systemctl(&["daemon-reload"], "unloads the unit", Effect::Nothing));
    }
}

fn systemctl(words: &[&str], why: &'static str, effect: Effect) -> Step {
    let command = ["systemctl", "--user"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    Step { run_as: RunAs::User, action: Action::Run { command }, why, effect }
}

fn path(system: &System) -> PathBuf {
    system.user_dir("XDG_CONFIG_HOME", ".config").join("systemd/user").join(NAME)
}

/// Whether this program belongs to a package that includes the unit.
fn is_packaged(system: &System) -> bool {
    let unit = ["/usr/lib/systemd/user", "/lib/systemd/user", "/etc/systemd/user"].map(|dir| Path::new(dir).join(NAME));
    system.program.starts_with("/usr/bin") && unit.iter().any(|unit| system.exists(unit))
}

/// The text of the unit for this program.
fn unit(system: &System) -> String {
    let default_path = system.user.home.join(".cargo/bin/bgcam");
    if system.program == default_path {
        return UNIT.to_owned();
    }
    // quoted and escaped as in systemd.service(5), which does not expand variables in the program's path
    let program = system.program.display().to_string();
    let program = program.replace('%', "%%");
    UNIT.replace("%h/.cargo/bin/bgcam", &format!("\"{program}\""))
}
