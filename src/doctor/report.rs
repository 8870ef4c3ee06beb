//! The report as text.

use std::fmt;

use super::{Finding, Level, Report};
use crate::style::{BAD, BOLD, DIM, GOOD, WARNING};

/// Displays a report, with colours that the output stream may strip.
#[derive(Debug)]
pub struct ReportText<'a>(pub &'a Report);

impl fmt::Display for ReportText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.0.groups {
            writeln!(f, "{BOLD}{}{BOLD:#}", group.name)?;
            group.findings.iter().try_for_each(|finding| write_finding(f, finding))?;
        }
        writeln!(f, "\n{}", self.0.summary())
    }
}

fn write_finding(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    let (style, label) = match finding.level {
        Level::Ok => (GOOD, "ok"),
        Level::Warn => (WARNING, "warn"),
        Level::Fail => (BAD, "fail"),
    };
    writeln!(f, "  {style}{label:4}{style:#}  {}", finding.text)?;
    match finding.fix.as_ref().map(|fix| (&fix.command, &fix.text)) {
        None => Ok(()),
        Some((None, text)) => writeln!(f, "        {DIM}{text}{DIM:#}"),
        Some((Some(command), text)) => writeln!(f, "        {BOLD}{command}{BOLD:#}  {DIM}# {text}{DIM:#}"),
    }
}

impl Report {
    /// All findings, in the order of the report.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.groups.iter().flat_map(|group| &group.findings)
    }

    /// The report in one line.
    pub fn summary(&self) -> String {
        let counted = |count: usize, word: &str| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{count} {word}s")),
        };
        let counts: Vec<_> =
            [counted(self.failures, "failure"), counted(self.warnings, "warning")].into_iter().flatten().collect();
        let can = if self.can_run { "bgcam can run" } else { "bgcam cannot run" };
        if counts.is_empty() { format!("{can}: no problems found") } else { format!("{can}: {}", counts.join(", ")) }
    }
}
