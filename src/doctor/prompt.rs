//! Checks of the image provider and its API key. Keys are never printed.

use std::time::SystemTime;

use super::{Facts, Finding, Level};
use crate::{
    error::Failure,
    prompt::{Name, catalogue},
};

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let settings = &facts.config.prompt;
    let name = &settings.provider;
    let opened = catalogue::open(name, settings).and_then(|provider| {
        provider.check_model(provider.model().unwrap_or_default(), SystemTime::now())?;
        Ok(provider)
    });
    let mut findings = vec![match opened {
        Ok(provider) if provider.name() == Name::Builtin => {
            Finding::ok("prompt-provider", "using the built-in painter; `bgcam providers` lists image generators")
        }
        Ok(_) => Finding::ok(
            "prompt-provider",
            format!("{name} is configured; to test it, run `bgcam providers --test {name}`"),
        ),
        Err(error) => Finding::of("prompt-provider", Level::Warn, &Failure::from(error)),
    }];
    findings.extend(key_variable(facts).and_then(|variable| daemon_has(facts, variable)));
    findings
}

/// The environment variable of the provider's key, if it is set in this terminal.
fn key_variable<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let settings = &facts.config.prompt;
    settings.key_variable(&settings.provider).filter(|variable| facts.system.var(variable).is_some())
}

/// Whether the daemon has this variable too. A service does not inherit the environment of a terminal.
fn daemon_has(facts: &Facts<'_>, variable: &str) -> Option<Finding> {
    const CHECK: &str = "prompt-key";
    if facts.status()?.key_variables.iter().any(|name| name == variable) {
        return Some(Finding::ok(CHECK, format!("{variable} is set for the daemon")));
    }
    Some(
        Finding::warn(CHECK, format!("{variable} is set in this terminal, but not for the daemon"))
            .fix(format!("systemctl --user import-environment {variable}"), "then: systemctl --user restart bgcam"),
    )
}

#[cfg(test)]
mod tests {
    use crate::{
        control::protocol::Status,
        doctor::{
            Level,
            tests::{finding, report},
        },
        system::fake::{FakeMachine, status},
    };

    fn openai(machine: FakeMachine) -> FakeMachine {
        let text = "[prompt]\nprovider = \"openai\"\n[prompt.openai]\nkey_env = \"NO_SUCH_KEY_OF_A_TEST\"\n";
        machine.with("/etc/bgcam/bgcam.toml", text)
    }

    #[test]
    fn a_provider_without_a_key_is_a_warning() {
        assert_eq!(finding(&FakeMachine::new(), "prompt-provider").level, Level::Ok);
        let machine = openai(FakeMachine::new());
        let found = finding(&machine, "prompt-provider");
        assert!(found.level == Level::Warn && found.text.contains("neither NO_SUCH_KEY_OF_A_TEST nor"), "{found:?}");
        assert!(report(&machine).can_run);
    }

    #[test]
    fn a_retired_model_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "sk-canary").unwrap();
        let text = format!(
            "[prompt]\nprovider = \"openai\"\n[prompt.openai]\nmodel = \"dall-e-3\"\nkey_env = \"\"\nkey_file = {key:?}\n"
        );
        let found = finding(&FakeMachine::new().with("/etc/bgcam/bgcam.toml", text), "prompt-provider");
        assert!(found.level == Level::Warn && found.text.contains("retired model \"dall-e-3\""), "{found:?}");
    }

    #[test]
    fn a_key_in_a_file_is_found_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "sk-canary").unwrap();
        let text =
            format!("[prompt]\nprovider = \"stability\"\n[prompt.stability]\nkey_env = \"\"\nkey_file = {key:?}\n");
        let machine = FakeMachine::new().with("/etc/bgcam/bgcam.toml", text);
        assert_eq!(finding(&machine, "prompt-provider").level, Level::Ok);
        let all = serde_json::to_string(&report(&machine)).unwrap();
        assert!(!all.contains("canary"), "{all}");
    }

    #[test]
    fn a_key_set_only_in_the_terminal_is_reported() {
        let machine = |variable: &str| {
            let machine = openai(FakeMachine::new()).var("NO_SUCH_KEY_OF_A_TEST", "sk-canary");
            let status = Status { key_variables: vec![variable.to_owned()], ..status() };
            machine.fake(|fake| fake.daemon = Ok(Some(Box::new(status))))
        };
        let missing = finding(&machine("NO_SUCH_KEY_OF_A_TEST_2"), "prompt-key");
        assert!(missing.level == Level::Warn && !format!("{missing:?}").contains("canary"));
        assert!(missing.fix.unwrap().command.unwrap().ends_with("import-environment NO_SUCH_KEY_OF_A_TEST"));
        assert_eq!(finding(&machine("NO_SUCH_KEY_OF_A_TEST"), "prompt-key").level, Level::Ok);
    }
}
