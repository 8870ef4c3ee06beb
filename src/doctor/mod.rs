//! `bgcam doctor`: diagnoses problems on this machine and suggests fixes.
//!
//! Each file has a group of checks. A check is a function from the machine to findings; its tests run on a fake machine
//! ([`crate::system`]).

mod apps;
mod libcamera;
mod loopback;
mod machine;
mod model;
pub(crate) mod module;
mod pipewire;
mod prompt;
mod report;
mod secure_boot;
pub(crate) mod service;
mod settings;
mod webcam;

use std::thread;

use serde::Serialize;

use self::module::Module;
pub use self::report::ReportText;
use crate::{config::Config, control::protocol::Status, error::Failure, system::System};

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No problem.
    Ok,
    /// bgcam works, with a limitation.
    Warn,
    /// Something does not work until this is fixed.
    Fail,
}

/// How to fix a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The command that fixes it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What the command does, or what to do if there is none.
    pub text: String,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the check, stable across versions.
    pub check: &'static str,
    /// Severity.
    pub level: Level,
    /// The result as a short sentence.
    pub text: String,
    /// How to fix it; present for warnings and failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Whether bgcam cannot run until this is fixed.
    pub blocks: bool,
}

impl Finding {
    fn new(check: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self { check, level, text: text.into(), fix: None, blocks: false }
    }

    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, text)
    }

    fn warn(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Warn, text)
    }

    fn fail(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Fail, text)
    }

    /// A finding for a failure, with its hint as the fix.
    fn of(check: &'static str, level: Level, failure: &Failure) -> Self {
        let finding = Self::new(check, level, &failure.message);
        match &failure.hint {
            Some(hint) => finding.advice(hint),
            None => finding.advice("see the log: `journalctl --user -u bgcam`"),
        }
    }

    /// Adds the command that fixes it, and what the command does.
    fn fix(mut self, command: impl Into<String>, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { command: Some(command.into()), text: text.into() });
        self
    }

    /// Adds what to do, if no command does it.
    fn advice(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { command: None, text: text.into() });
        self
    }

    /// Marks a problem that keeps bgcam from running.
    fn blocks(mut self) -> Self {
        self.blocks = true;
        self
    }
}

/// A group of findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Heading.
    pub name: &'static str,
    /// The results of the group's checks.
    pub findings: Vec<Finding>,
}

/// The results of all checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether bgcam can provide a camera: valid settings, a model with its runtime, and an output.
    pub can_run: bool,
    /// Number of failures.
    pub failures: usize,
    /// Number of warnings.
    pub warnings: usize,
    /// The findings by group.
    pub groups: Vec<Group>,
}

impl Report {
    fn new(groups: Vec<Group>) -> Self {
        let all = || groups.iter().flat_map(|group| &group.findings);
        let count = |level| all().filter(|finding| finding.level == level).count();
        Self {
            can_run: !all().any(|finding| finding.blocks),
            failures: count(Level::Fail),
            warnings: count(Level::Warn),
            groups,
        }
    }
}

/// The input of the checks.
#[derive(Debug)]
struct Facts<'a> {
    system: &'a System,
    /// The settings, or the defaults if the settings are invalid.
    config: &'a Config,
    /// Status of the daemon; `None` if it is not running.
    daemon: &'a Result<Option<Status>, Failure>,
}

impl Facts<'_> {
    fn status(&self) -> Option<&Status> {
        self.daemon.as_ref().ok().and_then(Option::as_ref)
    }
}

type Check = fn(&Facts<'_>) -> Vec<Finding>;

/// The groups in the order of the report; each runs on its own thread.
const GROUPS: [(&str, Check); 9] = [
    ("Webcam", webcam::check),
    ("Virtual camera", loopback::check),
    ("PipeWire", pipewire::check),
    ("Apps", apps::check),
    ("Segmentation", model::check),
    ("Generated backgrounds", prompt::check),
    ("Service", service::check),
    ("Daemon", service::daemon_failures),
    ("System", machine::check),
];

/// Runs all checks. Takes less than a second, or two if something hangs.
pub fn examine(system: &System) -> Report {
    let loaded = settings::load(system);
    let daemon = system.probe().daemon(&system.daemon_dir());
    let facts = Facts { system, config: loaded.as_ref().unwrap_or_else(|invalid| &invalid.defaults), daemon: &daemon };
    let findings = thread::scope(|scope| {
        let facts = &facts;
        let threads = GROUPS.map(|(name, check)| (name, scope.spawn(move || check(facts))));
        threads.map(|(name, thread)| Group { name, findings: thread.join().unwrap_or_else(|_| vec![panicked()]) })
    });
    let mut groups = vec![Group { name: "Settings", findings: vec![settings::check(&loaded)] }];
    groups.extend(findings.into_iter().filter(|group| !group.findings.is_empty()));
    Report::new(groups)
}

fn panicked() -> Finding {
    Finding::fail("doctor", "a bgcam doctor check crashed").advice("this is a bug in bgcam, please report it")
}

#[cfg(test)]
mod tests;
