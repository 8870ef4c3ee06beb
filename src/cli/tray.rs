//! `bgcam tray`: the icon in the panel.

use super::{CliError, args::TrayArgs};

#[cfg(feature = "tray")]
pub(super) fn run(args: TrayArgs) -> Result<(), CliError> {
    use crate::{
        config::{Config, Flags, TraySettings},
        error::Failure,
        tray,
    };

    // the icon shows that the daemon does not start, so it has to run with invalid settings
    let settings = Config::load(&Flags::new()).map(|config| config.tray).unwrap_or_else(|error| {
        tracing::warn!("using the default settings of the icon: {}", Failure::from(error));
        TraySettings::default()
    });
    Ok(tray::run(tray::Options {
        notifications: settings.notifications && !args.no_notifications,
        shortcuts: settings.shortcuts && !args.no_shortcuts,
    })?)
}

#[cfg(not(feature = "tray"))]
pub(super) fn run(_: TrayArgs) -> Result<(), CliError> {
    use crate::error::{Failure, Kind};

    Err(Failure::new(Kind::Unsupported, "this bgcam was built without the tray icon")
        .hint("build it with `cargo build --features tray`")
        .into())
}
