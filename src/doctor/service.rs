//! Checks of the systemd service and the running daemon.

use super::{Facts, Finding, Level};
use crate::{control::protocol::Status, error::Failure, system::System};

const UNIT: &str = "bgcam.service";
const SETUP: &str = "bgcam setup";

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    vec![service(facts), daemon(facts)]
}

/// Properties of a unit, from `systemctl --user show`.
pub(crate) fn properties_of(system: &System, unit: &str) -> Option<impl Fn(&str) -> String + use<>> {
    let properties = "--property=LoadState,ActiveState,UnitFileState,Result,FragmentPath";
    let ran = system.probe().run(&["systemctl", "--user", "show", unit, properties]).ok().filter(|ran| ran.ok)?;
    Some(move |key: &str| {
        let value = ran.stdout.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().to_owned()
    })
}

fn service(facts: &Facts<'_>) -> Finding {
    const CHECK: &str = "service";
    let system = facts.system;
    let Some(property) = system.has_user_systemd().then(|| properties_of(system, UNIT)).flatten() else {
        return Finding::warn(CHECK, "no systemd user session: bgcam does not start automatically")
            .advice("add `bgcam daemon` to the autostart programs of your desktop");
    };
    if property("LoadState") != "loaded" {
        return Finding::warn(CHECK, "the service is not set up: bgcam does not start automatically")
            .fix(SETUP, "sets it up");
    }
    if let Some(program) = missing_program(system, &property("FragmentPath")) {
        return Finding::fail(CHECK, format!("the service starts {program}, which does not exist"))
            .fix(SETUP, "sets up the service for this bgcam");
    }
    let log = "journalctl --user -u bgcam -n 30";
    match (property("ActiveState").as_str(), property("UnitFileState").as_str()) {
        ("failed", _) => Finding::fail(CHECK, format!("the service failed ({})", property("Result")))
            .fix(log, "shows why; retry with systemctl --user restart bgcam"),
        ("active", "enabled") => Finding::ok(CHECK, "the service is running and starts when you log in"),
        ("active", _) => Finding::warn(CHECK, "the service is running, but does not start when you log in")
            .fix("systemctl --user enable bgcam", "starts it at every login"),
        (_, "enabled") => Finding::warn(CHECK, "the service is set up, but not running")
            .fix("systemctl --user start bgcam", "starts it"),
        _ => Finding::warn(CHECK, "the service is disabled")
            .fix("systemctl --user enable --now bgcam", "starts it now and at every login"),
    }
}

/// The program that the unit starts, if it does not exist.
fn missing_program(system: &System, unit: &str) -> Option<String> {
    let text = system.read(unit)?;
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    let program =
        shlex::split(line)?.first()?.replace("%h", &system.user.home.display().to_string()).replace("%%", "%");
    (program.starts_with('/') && !system.exists(&program)).then_some(program)
}

fn daemon(facts: &Facts<'_>) -> Finding {
    const CHECK: &str = "daemon";
    match facts.daemon {
        Ok(None) => {
            let finding = Finding::warn(CHECK, "the daemon is not running");
            match facts.system.has_user_systemd() {
                true => finding.fix("systemctl --user start bgcam", "starts it"),
                false => finding.fix("bgcam daemon", "starts it in this terminal"),
            }
        }
        Err(failure) if facts.system.as_root && facts.system.user.uid != 0 => {
            Finding::warn(CHECK, format!("cannot query the daemon as root: {failure}"))
                .fix("bgcam doctor", "works without sudo")
        }
        Err(failure) => Finding::of(CHECK, Level::Fail, failure),
        Ok(Some(status)) if status.version != env!("CARGO_PKG_VERSION") => {
            let running = &status.version;
            let this = env!("CARGO_PKG_VERSION");
            Finding::warn(CHECK, format!("the daemon is bgcam {running}, but this is bgcam {this}"))
                .fix("systemctl --user restart bgcam", "starts the new version; interrupts the camera for a second")
        }
        Ok(Some(status)) => Finding::ok(CHECK, format!("the daemon is running (pid {})", status.pid)),
    }
}

/// The current failures of a running daemon.
pub(super) fn daemon_failures(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(Status { camera, mask, outputs, .. }) = facts.status() else { return Vec::new() };
    let finding = |check: &'static str, level: Level, failure: &Failure| Finding::of(check, level, failure);
    let mut findings: Vec<_> = camera.error.iter().map(|error| finding("daemon-camera", Level::Fail, error)).collect();
    findings.extend(mask.error.iter().map(|error| finding("daemon-model", Level::Fail, error)));
    findings.extend(mask.quality_error.iter().map(|error| finding("daemon-quality", Level::Warn, error)));
    findings.extend(mask.processor_error.iter().map(|error| finding("daemon-processor", Level::Warn, error)));
    let failed = outputs.iter().filter_map(|output| output.failure.as_ref());
    findings.extend(failed.map(|error| finding("daemon-output", Level::Fail, error)));
    findings
}

#[cfg(test)]
mod tests {
    use crate::{
        control::protocol::Status,
        doctor::{
            Level,
            tests::{finding, report},
        },
        system::fake::{FakeMachine, missing, status},
    };

    const UNIT: &str = "/home/ada/.config/systemd/user/bgcam.service";

    fn shown(load: &str, active: &str, file: &str) -> FakeMachine {
        let path = "FragmentPath=/home/ada/.config/systemd/user/bgcam.service";
        let text = format!("LoadState={load}\nActiveState={active}\nUnitFileState={file}\nResult=exit-code\n{path}\n");
        FakeMachine::new().prints("systemctl --user show", &text)
    }

    fn with(change: impl FnOnce(&mut Status)) -> FakeMachine {
        let mut status = status();
        change(&mut status);
        FakeMachine::new().fake(|fake| fake.daemon = Ok(Some(Box::new(status))))
    }

    #[test]
    fn the_service_runs_or_the_fix_starts_it() {
        assert_eq!(finding(&FakeMachine::new(), "service").level, Level::Ok);
        for (machine, level, command) in [
            (shown("not-found", "inactive", ""), Level::Warn, "bgcam setup"),
            (shown("loaded", "failed", "enabled"), Level::Fail, "journalctl --user -u bgcam -n 30"),
            (shown("loaded", "active", "disabled"), Level::Warn, "systemctl --user enable bgcam"),
            (shown("loaded", "inactive", "enabled"), Level::Warn, "systemctl --user start bgcam"),
            (shown("loaded", "inactive", "disabled"), Level::Warn, "systemctl --user enable --now bgcam"),
            (FakeMachine::new().without("/home/ada/.cargo/bin/bgcam"), Level::Fail, "bgcam setup"),
        ] {
            let found = finding(&machine, "service");
            assert_eq!((found.level, found.fix.unwrap().command.unwrap().as_str()), (level, command), "{}", found.text);
        }
        let without = FakeMachine::new().without("/run/user/1000/systemd");
        assert!(finding(&without, "service").fix.unwrap().text.contains("bgcam daemon"));
        let spaced = FakeMachine::new().with(UNIT, "[Service]\nExecStart=\"/opt/my apps/bgcam\" daemon\n");
        assert!(finding(&spaced, "service").text.contains("/opt/my apps/bgcam, which does not exist"));
    }

    #[test]
    fn the_daemon_runs_and_has_the_same_version() {
        let none = |machine: FakeMachine| finding(&machine, "daemon").fix.unwrap().command.unwrap();
        assert_eq!(none(FakeMachine::new()), "systemctl --user start bgcam");
        assert_eq!(none(FakeMachine::new().without("/run/user/1000/systemd")), "bgcam daemon");
        assert_eq!(finding(&with(|_| {}), "daemon").text, "the daemon is running (pid 4711)");
        assert!(finding(&with(|status| status.version = "0.0.9".into()), "daemon").text.contains("0.0.9"));
        let stuck = FakeMachine::new().fake(|fake| fake.daemon = Err(missing("the daemon did not respond in time")));
        assert_eq!(finding(&stuck, "daemon").level, Level::Fail);
    }

    #[test]
    fn failures_of_the_daemon_are_reported() {
        assert!(report(&with(|_| {})).findings().all(|finding| !finding.check.starts_with("daemon-")));
        let wrong = || missing("cannot use camera /dev/video0: busy");
        let machine = with(|status| {
            status.camera.error = Some(wrong());
            status.mask.error = Some(wrong());
            status.mask.quality_error = Some(wrong());
            status.mask.processor_error = Some(wrong());
            status.outputs[0].failure = Some(wrong());
        });
        for (check, level) in [
            ("daemon-camera", Level::Fail),
            ("daemon-model", Level::Fail),
            ("daemon-quality", Level::Warn),
            ("daemon-processor", Level::Warn),
            ("daemon-output", Level::Fail),
        ] {
            let found = finding(&machine, check);
            assert!(found.level == level && found.text.contains("busy") && found.fix.is_some(), "{found:?}");
        }
    }
}
