//! The few colours that the program has; `anstream` takes them away where nobody sees them, or where `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

/// Headings, and commands to type.
pub(crate) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// All is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Not as it could be.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// Wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
