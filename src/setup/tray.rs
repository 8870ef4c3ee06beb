//! The icon in the panel: a second unit, enabled for every graphical session.

use super::{
    Effect, Options, Plan,
    service::{Unit, systemctl},
};
use crate::system::System;

const TRAY: Unit = Unit {
    name: "bgcam-tray.service",
    text: include_str!("../../systemd/bgcam-tray.service"),
    why: "shows an icon in the panel",
};

/// Plans the unit if this is a graphical session, which a server does not have.
pub(super) fn install(system: &System, options: Options, plan: &mut Plan) {
    let is_graphical = ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| system.var(name).is_some());
    if options.no_tray || !is_graphical || !cfg!(feature = "tray") || !TRAY.can_be_installed(system) {
        return;
    }
    let is_new = TRAY.write(system, plan);
    let state = TRAY.properties(system);
    let is = |key: &str, value: &str| state.as_ref().is_some_and(|state| state(key) == value);
    match (is("UnitFileState", "enabled"), is("ActiveState", "active")) {
        (true, true) if is_new => plan.push(systemctl(&["restart", TRAY.name], "restarts the icon", Effect::Nothing)),
        (true, _) => {}
        (false, _) => plan.push(systemctl(
            &["enable", "--now", TRAY.name],
            "shows the icon now and at every login",
            Effect::TrayEnabled(true),
        )),
    }
}

pub(super) fn remove(system: &System, plan: &mut Plan) {
    let is_known = TRAY.was_written(system, plan) || plan.record.tray_enabled;
    if system.has_user_systemd() && is_known {
        if TRAY.is_in_use(system) {
            let why = "removes the icon from the panel";
            plan.push(systemctl(&["disable", "--now", TRAY.name], why, Effect::TrayEnabled(false)));
        } else {
            plan.record.tray_enabled = false;
        }
    }
    TRAY.delete(system, plan, "removes the unit of the icon");
}
