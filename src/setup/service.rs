//! The service: a unit in the user's folder, or that of a package, enabled for every login.

use std::path::{Path, PathBuf};

use super::{Action, Effect, Plan, RunAs, Step};
use crate::{doctor::service::properties_of, system::System};

const SERVICE: Unit =
    Unit { name: "bgcam.service", text: include_str!("../../systemd/bgcam.service"), why: "starts bgcam" };

pub(super) fn install(system: &System, plan: &mut Plan) {
    if !system.has_user_systemd() {
        plan.note("no systemd user session: bgcam does not start automatically; start it with `bgcam daemon`");
        return;
    }
    if !SERVICE.can_be_installed(system) {
        plan.note(format!(
            "systemd does not support quotes in the path of a program: move {}",
            system.program.display()
        ));
        return;
    }
    let is_new = SERVICE.write(system, plan);
    let state = SERVICE.properties(system);
    let is = |key: &str, value: &str| state.as_ref().is_some_and(|state| state(key) == value);
    let active = is("ActiveState", "active");
    let enabled = is("UnitFileState", "enabled");
    let runs_elsewhere = !active && matches!(system.probe().daemon(&system.daemon_dir()), Ok(Some(_)));
    match (enabled, active) {
        (true, true) if is_new => {
            plan.push(systemctl(&["restart", SERVICE.name], "restarts the service", Effect::Nothing))
        }
        (true, true) => {}
        _ if runs_elsewhere => {
            plan.note("bgcam is already running outside the service; to switch, run `bgcam stop`, then `systemctl --user start bgcam`");
            if !enabled {
                plan.push(systemctl(&["enable", SERVICE.name], "starts bgcam at every login", Effect::Enabled(true)));
            }
        }
        _ => plan.push(systemctl(
            &["enable", "--now", SERVICE.name],
            "starts bgcam now and at every login",
            Effect::Enabled(true),
        )),
    }
}

pub(super) fn remove(system: &System, plan: &mut Plan) {
    let is_known = SERVICE.was_written(system, plan) || plan.record.enabled;
    if system.has_user_systemd() && is_known {
        if SERVICE.is_in_use(system) {
            plan.push(systemctl(
                &["disable", "--now", SERVICE.name],
                "stops bgcam and disables the service",
                Effect::Enabled(false),
            ));
        } else {
            plan.record.enabled = false;
        }
    }
    SERVICE.delete(system, plan, "removes the service");
}

/// A systemd unit of bgcam.
pub(super) struct Unit {
    pub(super) name: &'static str,
    /// Its text for a program installed by cargo.
    pub(super) text: &'static str,
    /// Its purpose, in a few words.
    pub(super) why: &'static str,
}

impl Unit {
    /// Whether systemd can start this program.
    pub(super) fn can_be_installed(&self, system: &System) -> bool {
        system.has_user_systemd() && !system.program.display().to_string().contains(['"', '\'', '\\'])
    }

    /// Plans to write it, unless a package includes it. Returns whether it changes.
    pub(super) fn write(&self, system: &System, plan: &mut Plan) -> bool {
        let steps = plan.steps.len();
        if !self.is_packaged(system) {
            plan.write(system, RunAs::User, &self.path(system), self.text_for(system), self.why);
        }
        let is_new = plan.steps.len() > steps;
        if is_new {
            plan.push(systemctl(&["daemon-reload"], "loads the new unit", Effect::Nothing));
        }
        is_new
    }

    /// Plans to delete it.
    pub(super) fn delete(&self, system: &System, plan: &mut Plan, why: &'static str) {
        let deleted = plan.delete(system, RunAs::User, &self.path(system), &self.text_for(system), why);
        if deleted && system.has_user_systemd() {
            plan.push(systemctl(&["daemon-reload"], "unloads the unit", Effect::Nothing));
        }
    }

    /// Its properties, if systemd responds.
    pub(super) fn properties(&self, system: &System) -> Option<impl Fn(&str) -> String + use<>> {
        properties_of(system, self.name)
    }

    /// Whether it is enabled or running.
    pub(super) fn is_in_use(&self, system: &System) -> bool {
        let state = self.properties(system);
        state.is_some_and(|state| state("UnitFileState") == "enabled" || state("ActiveState") == "active")
    }

    /// Whether setup wrote the file.
    pub(super) fn was_written(&self, system: &System, plan: &Plan) -> bool {
        let path = self.path(system);
        let is_current = |text: String| text == self.text_for(system);
        plan.record.has(&path) || std::fs::read_to_string(system.path(&path)).is_ok_and(is_current)
    }

    fn path(&self, system: &System) -> PathBuf {
        system.user_dir("XDG_CONFIG_HOME", ".config").join("systemd/user").join(self.name)
    }

    /// Whether this program belongs to a package that includes the unit.
    fn is_packaged(&self, system: &System) -> bool {
        let mut dirs = ["/usr/lib/systemd/user", "/lib/systemd/user", "/etc/systemd/user"].iter().map(Path::new);
        system.program.starts_with("/usr/bin") && dirs.any(|dir| system.exists(dir.join(self.name)))
    }

    /// Its text for this program.
    fn text_for(&self, system: &System) -> String {
        let default_path = system.user.home.join(".cargo/bin/bgcam");
        if system.program == default_path {
            return self.text.to_owned();
        }
        // quoted and escaped as in systemd.service(5), which does not expand variables in the program's path
        let program = system.program.display().to_string().replace('%', "%%");
        self.text.replace("%h/.cargo/bin/bgcam", &format!("\"{program}\""))
    }
}

pub(super) fn systemctl(words: &[&str], why: &'static str, effect: Effect) -> Step {
    let command = ["systemctl", "--user"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    Step { run_as: RunAs::User, action: Action::Run { command }, why, effect }
}
