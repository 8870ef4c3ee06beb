//! Styles of terminal output. `anstream` strips them if the output is not a terminal, or if `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

/// Headings and commands.
pub(crate) const BOLD: Style = Style::new().bold();
/// Details and hints.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Success.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Warnings.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// Errors.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
