//! Who makes pictures of words: set up, and the key where the daemon finds it. No key is ever printed.

use super::{Facts, Finding, Level};
use crate::{
    error::Failure,
    prompt::{Name, providers},
};

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let settings = &facts.config.prompt;
    let name = &settings.provider;
    let mut findings = vec![match providers::open(name, settings) {
        Ok(provider) if provider.name() == Name::Builtin => {
            Finding::ok("prompt-provider", "they are painted on this computer; `bgcam providers` tells who else could")
        }
        Ok(_) => Finding::ok("prompt-provider", format!("{name} is set up; `bgcam providers --test {name}` tries it")),
        Err(error) => Finding::of("prompt-provider", Level::Warn, &Failure::from(error)),
    }];
    findings.extend(variable_of(facts).and_then(|variable| heard(facts, variable)));
    findings
}

/// The variable of the environment that holds the chosen provider's key here.
fn variable_of<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let settings = &facts.config.prompt;
    settings.key_variable(&settings.provider).filter(|variable| facts.system.var(variable).is_some())
}

/// Whether the daemon has a variable that this terminal has: the service has another environment.
fn heard(facts: &Facts<'_>, variable: &str) -> Option<Finding> {
    const CHECK: &str = "prompt-key";
    if facts.status()?.key_variables.iter().any(|name| name == variable) {
        return Some(Finding::ok(CHECK, format!("the daemon has {variable}")));
    }
    Some(
        Finding::warn(CHECK, format!("this terminal has {variable}, but the daemon does not"))
            .mend(format!("systemctl --user import-environment {variable}"), "then: systemctl --user restart bgcam"),
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

    fn openai(twin: FakeMachine) -> FakeMachine {
        let text = "[prompt]\nprovider = \"openai\"\n[prompt.openai]\nkey_env = \"NO_SUCH_KEY_OF_A_TEST\"\n";
        twin.with("/etc/bgcam/bgcam.toml", text)
    }

    #[test]
    fn a_provider_without_a_key_is_no_more_than_a_warning() {
        assert_eq!(finding(&FakeMachine::new(), "prompt-provider").level, Level::Ok);
        let twin = openai(FakeMachine::new());
        let found = finding(&twin, "prompt-provider");
        assert!(found.level == Level::Warn && found.text.contains("NO_SUCH_KEY_OF_A_TEST is not set"), "{found:?}");
        assert!(report(&twin).can_run);
    }

    #[test]
    fn a_key_in_a_file_is_found_and_never_said() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "sk-canary").unwrap();
        let text =
            format!("[prompt]\nprovider = \"stability\"\n[prompt.stability]\nkey_env = \"\"\nkey_file = {key:?}\n");
        let twin = FakeMachine::new().with("/etc/bgcam/bgcam.toml", text);
        assert_eq!(finding(&twin, "prompt-provider").level, Level::Ok);
        let all = serde_json::to_string(&report(&twin)).unwrap();
        assert!(!all.contains("canary"), "{all}");
    }

    #[test]
    fn a_key_that_only_the_terminal_has_is_noticed() {
        let twin = |variable: &str| {
            let twin = openai(FakeMachine::new()).var("NO_SUCH_KEY_OF_A_TEST", "sk-canary");
            let status = Status { key_variables: vec![variable.to_owned()], ..status() };
            twin.fake(|fake| fake.daemon = Ok(Some(Box::new(status))))
        };
        let deaf = finding(&twin("NO_SUCH_KEY_OF_A_TEST_2"), "prompt-key");
        assert!(deaf.level == Level::Warn && !format!("{deaf:?}").contains("canary"));
        assert!(deaf.mend.unwrap().command.unwrap().ends_with("import-environment NO_SUCH_KEY_OF_A_TEST"));
        assert_eq!(finding(&twin("NO_SUCH_KEY_OF_A_TEST"), "prompt-key").level, Level::Ok);
    }
}
