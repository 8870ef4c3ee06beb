//! Check of the settings.

use super::Finding;
use crate::{
    config::{Config, Flags},
    error::Failure,
    paths,
    system::System,
};

/// Invalid settings.
#[derive(Debug)]
pub(super) struct Invalid {
    failure: Failure,
    /// The defaults, which the other checks use instead.
    pub(super) defaults: Box<Config>,
}

/// Loads the settings as the daemon would.
pub(super) fn load(system: &System) -> Result<Box<Config>, Invalid> {
    let files = [paths::SYSTEM_CONFIG.into(), system.user_dir("XDG_CONFIG_HOME", ".config").join("bgcam/bgcam.toml")];
    let variables = system.variables().map(|(name, value)| (name.into(), value.into()));
    let loaded = Config::layered(&files.map(|file| system.path(file)), variables, &Flags::new());
    loaded.map(Box::new).map_err(|error| Invalid {
        failure: Failure::from(error),
        defaults: Box::new(
            Config::layered(&[], std::iter::empty(), &Flags::new()).expect("the default settings are valid"),
        ),
    })
}

pub(super) fn check(loaded: &Result<Box<Config>, Invalid>) -> Finding {
    match loaded {
        Ok(config) if config.files.is_empty() => Finding::ok("settings", "no settings file, using the defaults"),
        Ok(config) => {
            let files: Vec<_> = config.files.iter().map(|file| file.display().to_string()).collect();
            Finding::ok("settings", format!("{} OK", files.join(" and ")))
        }
        Err(invalid) => {
            let hint = invalid.failure.hint.clone().unwrap_or_else(|| "lists all errors".to_owned());
            Finding::fail("settings", &invalid.failure.message).fix("bgcam config check", hint).blocks()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        doctor::{Level, tests::finding},
        system::fake::FakeMachine,
    };

    const FILE: &str = "/home/ada/.config/bgcam/bgcam.toml";

    #[test]
    fn valid_settings_pass_and_typos_are_named() {
        assert_eq!(finding(&FakeMachine::new(), "settings").level, Level::Ok);
        let good = finding(&FakeMachine::new().with(FILE, "[output]\nfps = 15\n"), "settings");
        assert!(good.level == Level::Ok && good.text.contains("bgcam.toml"), "{good:?}");
        let bad = finding(&FakeMachine::new().with(FILE, "[output]\nfsp = 15\n"), "settings");
        assert!(bad.level == Level::Fail && bad.blocks && bad.text.contains(":2: unknown setting \"fsp\""), "{bad:?}");
        let bad = finding(&FakeMachine::new().var("BGCAM_OUTPUT_FPS", "fast"), "settings");
        assert!(bad.level == Level::Fail && bad.text.contains("BGCAM_OUTPUT_FPS"), "{bad:?}");
    }
}
