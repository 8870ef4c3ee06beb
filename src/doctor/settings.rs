//! Whether the settings are valid.

use super::Finding;
use crate::{
    config::{Config, Flags},
    error::Failure,
    paths,
    system::System,
};

/// Settings that are wrong.
#[derive(Debug)]
pub(super) struct Bad {
    failure: Failure,
    /// What the other checks go by.
    pub(super) defaults: Box<Config>,
}

/// The settings that the daemon would have.
pub(super) fn load(system: &System) -> Result<Box<Config>, Bad> {
    let files = [paths::SYSTEM_CONFIG.into(), system.user_dir("XDG_CONFIG_HOME", ".config").join("bgcam/bgcam.toml")];
    let variables = system.variables().map(|(name, value)| (name.into(), value.into()));
    let loaded = Config::layered(&files.map(|file| system.path(file)), variables, &Flags::new());
    loaded.map(Box::new).map_err(|error| Bad {
        failure: Failure::from(error),
        defaults: Box::new(Config::layered(&[], std::iter::empty(), &Flags::new()).expect("the defaults are tested")),
    })
}

pub(super) fn check(loaded: &Result<Box<Config>, Bad>) -> Finding {
    match loaded {
        Ok(config) if config.files.is_empty() => {
            Finding::ok("settings", "the defaults hold: there is no settings file")
        }
        Ok(config) => {
            let files: Vec<_> = config.files.iter().map(|file| file.display().to_string()).collect();
            Finding::ok("settings", format!("{} is valid", files.join(" with ")))
        }
        Err(bad) => {
            let why = bad.failure.hint.clone().unwrap_or_else(|| "tells what is wrong until nothing is".to_owned());
            Finding::fail("settings", &bad.failure.message).mend("bgcam config check", why).blocks()
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
    fn good_settings_are_ok_and_a_slip_is_named() {
        assert_eq!(finding(&FakeMachine::new(), "settings").level, Level::Ok);
        let good = finding(&FakeMachine::new().with(FILE, "[output]\nfps = 15\n"), "settings");
        assert!(good.level == Level::Ok && good.text.contains("bgcam.toml"), "{good:?}");
        let bad = finding(&FakeMachine::new().with(FILE, "[output]\nfsp = 15\n"), "settings");
        assert!(bad.level == Level::Fail && bad.blocks && bad.text.contains(":2: unknown setting \"fsp\""), "{bad:?}");
        let bad = finding(&FakeMachine::new().var("BGCAM_OUTPUT_FPS", "fast"), "settings");
        assert!(bad.level == Level::Fail && bad.text.contains("BGCAM_OUTPUT_FPS"), "{bad:?}");
    }
}
