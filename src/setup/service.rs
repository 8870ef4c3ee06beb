//! The service: the unit in the user's own folder, or that of a package, started with every session.

use std::path::{Path, PathBuf};

use super::{Action, Mark, Plan, Step, Who};
use crate::{doctor::service::shown, system::System};

const UNIT: &str = include_str!("../../systemd/bgcam.service");
const NAME: &str = "bgcam.service";

pub(super) fn install(system: &System, plan: &mut Plan) {
    if !system.has_user_systemd() {
        plan.note("there is no systemd for this user here, so nothing starts bgcam by itself: `bgcam daemon` does");
        return;
    }
    if system.program.display().to_string().contains(['"', '\'', '\\']) {
        plan.note(format!("systemd starts no program with quotes in its path: move {}", system.program.display()));
        return;
    }
    let is_new = !is_packaged(system) && {
        let steps = plan.steps.len();
        plan.write(system, Who::User, &path(system), unit(system), "how bgcam is started");
        plan.steps.len() > steps
    };
    if is_new {
        plan.push(systemctl(&["daemon-reload"], "has systemd read it", Mark::Nothing));
    }
    let state = shown(system);
    let is = |key: &str, value: &str| state.as_ref().is_some_and(|state| state(key) == value);
    let (active, enabled) = (is("ActiveState", "active"), is("UnitFileState", "enabled"));
    let runs_elsewhere = !active && matches!(system.probe().daemon(&system.daemon_dir()), Ok(Some(_)));
    match (enabled, active) {
        (true, true) if is_new => plan.push(systemctl(&["restart", NAME], "starts it anew", Mark::Nothing)),
        (true, true) => {}
        _ if runs_elsewhere => {
            plan.note("a daemon runs already, not as the service: `bgcam stop`, then `systemctl --user start bgcam`");
            if !enabled {
                plan.push(systemctl(&["enable", NAME], "starts bgcam with every session", Mark::Enabled(true)));
            }
        }
        _ => plan.push(systemctl(
            &["enable", "--now", NAME],
            "starts bgcam, now and with every session",
            Mark::Enabled(true),
        )),
    }
}

pub(super) fn remove(system: &System, plan: &mut Plan) {
    let path = path(system);
    let written =
        plan.record.has(&path) || std::fs::read_to_string(system.path(&path)).is_ok_and(|text| text == unit(system));
    if system.has_user_systemd() && (written || plan.record.enabled) {
        let state = shown(system);
        if state.is_some_and(|state| state("UnitFileState") == "enabled" || state("ActiveState") == "active") {
            plan.push(systemctl(
                &["disable", "--now", NAME],
                "ends bgcam, and starts it no more",
                Mark::Enabled(false),
            ));
        } else {
            plan.record.enabled = false;
        }
    }
    if plan.delete(system, Who::User, &path, &unit(system), "how bgcam was started") && system.has_user_systemd() {
        plan.push(systemctl(&["daemon-reload"], "has systemd forget it", Mark::Nothing));
    }
}

fn systemctl(words: &[&str], why: &'static str, mark: Mark) -> Step {
    let command = ["systemctl", "--user"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    Step { who: Who::User, action: Action::Run { command }, why, mark }
}

fn path(system: &System) -> PathBuf {
    system.user_dir("XDG_CONFIG_HOME", ".config").join("systemd/user").join(NAME)
}

/// Whether this program came with a unit of its own.
fn is_packaged(system: &System) -> bool {
    let unit = ["/usr/lib/systemd/user", "/lib/systemd/user", "/etc/systemd/user"].map(|dir| Path::new(dir).join(NAME));
    system.program.starts_with("/usr/bin") && unit.iter().any(|unit| system.exists(unit))
}

/// The unit that starts this program.
fn unit(system: &System) -> String {
    let usual = system.user.home.join(".cargo/bin/bgcam");
    if system.program == usual {
        return UNIT.to_owned();
    }
    // as systemd.service(5) has it, where a dollar in the name of the program is none but a dollar
    let program = system.program.display().to_string();
    let program = program.replace('%', "%%");
    UNIT.replace("%h/.cargo/bin/bgcam", &format!("\"{program}\""))
}
