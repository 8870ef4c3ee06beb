//! `bgcam doctor`: what is wrong with this machine, in plain words, each with what mends it.
//!
//! A file per group of checks; each check is a function from the machine to findings, and has tests on a twin of a
//! machine ([`crate::system`]) in which it passes and fails.

mod apps;
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
pub use self::report::Text;
use crate::{config::Config, control::protocol::Status, error::Failure, system::System};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// bgcam works, but something does not, or not as well as it could.
    Warn,
    /// Something does not work until this is mended.
    Fail,
}

/// What mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mend {
    /// The one command, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Why, or what to do where no command does it.
    pub why: String,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name, which stays the same over versions.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, as a short sentence.
    pub text: String,
    /// What mends it; there for all that is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<Mend>,
    /// Whether bgcam cannot do its work until it is mended.
    pub blocks: bool,
}

impl Finding {
    fn new(check: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self { check, level, text: text.into(), mend: None, blocks: false }
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

    /// A failure of a station's, with its hint.
    fn of(check: &'static str, level: Level, failure: &Failure) -> Self {
        let finding = Self::new(check, level, &failure.message);
        match &failure.hint {
            Some(hint) => finding.advice(hint),
            None => finding.advice("`journalctl --user -u bgcam` may tell more"),
        }
    }

    /// The command that mends it, and why.
    fn mend(mut self, command: impl Into<String>, why: impl Into<String>) -> Self {
        self.mend = Some(Mend { command: Some(command.into()), why: why.into() });
        self
    }

    /// What to do, where no command does it.
    fn advice(mut self, why: impl Into<String>) -> Self {
        self.mend = Some(Mend { command: None, why: why.into() });
        self
    }

    /// bgcam cannot do its work until it is mended.
    fn blocks(mut self) -> Self {
        self.blocks = true;
        self
    }
}

/// The findings of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its heading.
    pub name: &'static str,
    /// What its checks found.
    pub findings: Vec<Finding>,
}

/// All findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether bgcam can give apps a camera: settings, model and runtime, and a place for the picture.
    pub can_run: bool,
    /// How many findings are fails.
    pub fails: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// The findings.
    pub groups: Vec<Group>,
}

impl Report {
    fn new(groups: Vec<Group>) -> Self {
        let all = || groups.iter().flat_map(|group| &group.findings);
        let count = |level| all().filter(|finding| finding.level == level).count();
        Self {
            can_run: !all().any(|finding| finding.blocks),
            fails: count(Level::Fail),
            warnings: count(Level::Warn),
            groups,
        }
    }
}

/// What the checks look at.
#[derive(Debug)]
struct Facts<'a> {
    system: &'a System,
    /// The settings, or the defaults where they are bad.
    config: &'a Config,
    /// What the running daemon says of itself; `None` when none runs.
    daemon: &'a Result<Option<Status>, Failure>,
}

impl Facts<'_> {
    fn status(&self) -> Option<&Status> {
        self.daemon.as_ref().ok().and_then(Option::as_ref)
    }
}

type Check = fn(&Facts<'_>) -> Vec<Finding>;

/// The groups in the order of the report; each runs in a thread of its own.
const GROUPS: [(&str, Check); 9] = [
    ("Webcam", webcam::check),
    ("Virtual camera", loopback::check),
    ("PipeWire", pipewire::check),
    ("Apps", apps::check),
    ("Finding you in the picture", model::check),
    ("Pictures made of words", prompt::check),
    ("Service", service::check),
    ("What the daemon says", service::said),
    ("This computer", machine::check),
];

/// Looks at everything. Takes less than a second unless something hangs, and two then.
pub fn examine(system: &System) -> Report {
    let loaded = settings::load(system);
    let daemon = system.probe().daemon(&system.daemon_dir());
    let facts = Facts { system, config: loaded.as_ref().unwrap_or_else(|bad| &bad.defaults), daemon: &daemon };
    let examined = thread::scope(|scope| {
        let facts = &facts;
        let threads = GROUPS.map(|(name, check)| (name, scope.spawn(move || check(facts))));
        threads.map(|(name, thread)| Group { name, findings: thread.join().unwrap_or_else(|_| vec![panicked()]) })
    });
    let mut groups = vec![Group { name: "Settings", findings: vec![settings::check(&loaded)] }];
    groups.extend(examined.into_iter().filter(|group| !group.findings.is_empty()));
    Report::new(groups)
}

fn panicked() -> Finding {
    Finding::fail("doctor", "a check of bgcam doctor's own broke").advice("please report it as a bug of bgcam")
}

#[cfg(test)]
mod tests;
