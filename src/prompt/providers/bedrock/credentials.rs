//! AWS credentials from the sources that the AWS CLI uses: environment, profile files, `credential_process`.
//!
//! For profiles with SSO or roles, the AWS CLI provides them, or the AWS credential provider chain if the feature
//! `aws-chain` is enabled.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_credential_types::Credentials;
use secrecy::SecretString;
use serde::Deserialize;

use crate::process::child::{self, Needs};
use crate::prompt::{Name, PromptError, api_key::KeySources, program, text::clean};

/// The time limit for a program to print credentials; some prompt the user.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The maximum size of a program's output in bytes.
const MAX_OUTPUT: usize = 64 << 10;
/// The origin that is recorded with credentials.
const ORIGIN: &str = "bgcam";

/// A source of credentials.
#[derive(Debug)]
pub(super) enum Source {
    /// Access keys, and where they were found.
    Keys(Credentials, String),
    /// A program with its arguments that prints credentials, and the profile.
    Process(Vec<String>, String),
    /// The AWS credential provider chain for a profile.
    #[cfg(feature = "aws-chain")]
    Chain(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(_, place) => write!(f, "access keys from {place}"),
            Self::Process(arguments, profile) => write!(f, "keys from {} for profile {profile}", arguments[0]),
            #[cfg(feature = "aws-chain")]
            Self::Chain(profile) => write!(f, "AWS credential provider chain for profile {profile}"),
        }
    }
}

impl Source {
    /// The first source: the environment unless a profile is named, then the profile.
    ///
    /// # Errors
    /// If there is none, or the profile is invalid.
    pub(super) fn find(
        profile: &Profile,
        named: bool,
        variable: impl Fn(&str) -> Option<String>,
        sources: &KeySources<'_>,
    ) -> Result<Self, PromptError> {
        let pair = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
        if let ((Some(id), Some(secret)), false) = (pair, named) {
            let keys = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, ORIGIN);
            return Ok(Self::Keys(keys, "the environment".to_owned()));
        }
        match profile.source()? {
            Some(source) => Ok(source),
            #[cfg(feature = "aws-chain")]
            None if !named => Ok(Self::Chain(profile.name.clone())),
            None if named => Err(profile.error("is in neither ~/.aws/credentials nor ~/.aws/config, or has no keys")),
            None => Err(sources.missing()),
        }
    }

    /// Loads the credentials, which may run a program.
    ///
    /// # Errors
    /// If there are none, or the program fails.
    pub(super) async fn load(&self) -> Result<Credentials, PromptError> {
        let (arguments, profile) = match self {
            Self::Keys(keys, _) => return Ok(keys.clone()),
            Self::Process(arguments, profile) => (arguments, profile),
            #[cfg(feature = "aws-chain")]
            Self::Chain(profile) => {
                let found = tokio::time::timeout(TIME_LIMIT, super::chain::load(profile)).await;
                return found.map_err(|_| PromptError::TimedOut { provider: Name::Bedrock, limit: TIME_LIMIT })?;
            }
        };
        let program = arguments[0].clone();
        let mut process = tokio::process::Command::from(child::command(&program, needs(&program)));
        process.args(&arguments[1..]);
        let finished = tokio::time::timeout(TIME_LIMIT, program::run(process, b"", MAX_OUTPUT)).await;
        let finished = finished
            .map_err(|_| PromptError::TimedOut { provider: Name::Bedrock, limit: TIME_LIMIT })?
            .map_err(|source| PromptError::Program { program: program.clone(), source })?;
        if !finished.status.success() {
            let status = finished.status.to_string();
            let detail = clean(&finished.stderr_tail, []);
            return Err(PromptError::ProgramFailed { program, status, detail });
        }
        let printed: Printed = serde_json::from_slice(&finished.output).map_err(|_| PromptError::Profile {
            profile: profile.clone(),
            what: format!("has a program {program} that did not print credentials as JSON"),
        })?;
        Ok(Credentials::new(printed.access_key_id, printed.secret_access_key, printed.session_token, None, ORIGIN))
    }
}

/// The environment of a program that prints credentials. The AWS CLI may also read keys from there.
fn needs(program: &str) -> &'static [Needs] {
    let all = &[Needs::Session, Needs::Desktop, Needs::Network, Needs::Aws, Needs::AwsKeys];
    let is_aws_tool = Path::new(program).file_name() == Some("aws".as_ref());
    if is_aws_tool { all } else { &all[..4] }
}

/// The output of a `credential_process`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    session_token: Option<String>,
}

/// The parts of `keys` that must never be shown.
pub(super) fn secrets(keys: &Credentials) -> Vec<SecretString> {
    [Some(keys.secret_access_key()), keys.session_token()].into_iter().flatten().map(SecretString::from).collect()
}

/// A profile, merged from both configuration files.
pub(super) struct Profile {
    name: String,
    values: BTreeMap<String, String>,
}

impl Profile {
    /// The profile `name`, or that of `AWS_PROFILE`, or `default`.
    pub(super) fn find(name: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        let name = Some(name.to_owned()).filter(|name| !name.is_empty()).or_else(|| variable("AWS_PROFILE"));
        let name = name.unwrap_or_else(|| "default".to_owned());
        let home = PathBuf::from(variable("HOME").unwrap_or_default()).join(".aws");
        let file = |named: &str, usual: &str| variable(named).map_or_else(|| home.join(usual), PathBuf::from);
        let mut values = BTreeMap::new();
        // The credentials file comes last, since it takes precedence.
        for (path, section) in [
            (file("AWS_CONFIG_FILE", "config"), format!("profile {name}")),
            (file("AWS_CONFIG_FILE", "config"), name.clone()),
            (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name.clone()),
        ] {
            let text = fs::read_to_string(path).unwrap_or_default();
            values.extend(values_of(&text, &section).map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        Self { name, values }
    }

    pub(super) fn region(&self) -> Option<String> {
        self.values.get("region").cloned()
    }

    fn source(&self) -> Result<Option<Source>, PromptError> {
        let value = |key: &str| self.values.get(key).cloned().filter(|value| !value.is_empty());
        if let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) {
            let keys = Credentials::new(id, secret, value("aws_session_token"), None, ORIGIN);
            return Ok(Some(Source::Keys(keys, format!("profile {}", self.name))));
        }
        if let Some(line) = value("credential_process") {
            let arguments = shlex::split(&line).filter(|arguments| !arguments.is_empty());
            let arguments = arguments.ok_or_else(|| self.error("has a credential_process with an unclosed quote"))?;
            return Ok(Some(Source::Process(arguments, self.name.clone())));
        }
        let indirect = ["sso_session", "sso_start_url", "role_arn", "login_session"];
        if indirect.iter().any(|key| self.values.contains_key(*key)) {
            return Ok(Some(self.indirect_source()));
        }
        Ok(None)
    }

    /// The source for a profile with SSO or a role.
    #[cfg(feature = "aws-chain")]
    fn indirect_source(&self) -> Source {
        Source::Chain(self.name.clone())
    }

    /// The source for a profile with SSO or a role: the AWS CLI.
    #[cfg(not(feature = "aws-chain"))]
    fn indirect_source(&self) -> Source {
        let arguments = ["aws", "configure", "export-credentials", "--format", "process", "--profile", &self.name];
        Source::Process(arguments.map(str::to_owned).to_vec(), self.name.clone())
    }

    fn error(&self, what: &str) -> PromptError {
        PromptError::Profile { profile: self.name.clone(), what: what.to_owned() }
    }
}

/// The `key = value` lines of a section; nested and invalid lines are skipped, as in the AWS CLI.
fn values_of<'a>(text: &'a str, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut inside = false;
    text.lines().filter_map(move |line| {
        if line.starts_with([' ', '\t', '#', ';']) {
            return None;
        }
        if let Some(header) = line.strip_prefix('[') {
            let name = header.split(']').next().unwrap_or_default();
            inside = name.split_whitespace().eq(section.split_whitespace());
            return None;
        }
        let (key, value) = line.split_once('=').filter(|_| inside)?;
        let value = value.split(" #").next().unwrap_or_default();
        Some((key.trim(), value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The source for the profile `name` with these files and environment variables.
    fn found(name: &str, credentials: &str, config: &str, variables: &[(&str, &str)]) -> Result<Source, PromptError> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".aws")).unwrap();
        fs::write(folder.path().join(".aws/credentials"), credentials).unwrap();
        fs::write(folder.path().join(".aws/config"), config).unwrap();
        let variable = |wanted: &str| match wanted {
            "HOME" => Some(folder.path().display().to_string()),
            _ => variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned()),
        };
        let sources = KeySources { provider: Name::Bedrock, variable: "BEARER", file: "" };
        Source::find(&Profile::find(name, variable), !name.is_empty(), variable, &sources)
    }

    fn summary(access: Result<Source, PromptError>) -> String {
        match access.unwrap() {
            Source::Keys(keys, place) => {
                let token = keys.session_token().unwrap_or("-");
                format!("{} {} {token} {place}", keys.access_key_id(), keys.secret_access_key())
            }
            Source::Process(arguments, _) => arguments.join("|"),
            #[cfg(feature = "aws-chain")]
            Source::Chain(profile) => format!("chain of {profile}"),
        }
    }

    fn aws_program(profile: &str) -> String {
        format!("aws|configure|export-credentials|--format|process|--profile|{profile}")
    }

    const KEYS: &str = "# mine\n[default]\naws_access_key_id = A1\naws_secret_access_key=s=1/+ # old\n\n[ work ]\n\
                        aws_access_key_id = A2\naws_secret_access_key = s2\naws_session_token = t2\n";

    #[test]
    fn credentials_come_from_the_sources_of_amazons_tools() {
        let env = [("AWS_ACCESS_KEY_ID", "A0"), ("AWS_SECRET_ACCESS_KEY", "s0")];
        assert_eq!(summary(found("", KEYS, "", &env)), "A0 s0 - the environment");
        assert_eq!(summary(found("", KEYS, "", &[])), "A1 s=1/+ - profile default");
        assert_eq!(summary(found("", KEYS, "", &[("AWS_PROFILE", "work")])), "A2 s2 t2 profile work");
        assert_eq!(summary(found("work", KEYS, "", &env)), "A2 s2 t2 profile work");
        let config =
            "[profile tool]\ncredential_process = \"/opt/my tool\" --for me\nregion = eu-west-1\ns3 =\n  a = b\n";
        assert_eq!(summary(found("tool", "", config, &[])), "/opt/my tool|--for|me");
        let sso = "[profile sso]\nsso_session = x\n";
        let source = summary(found("sso", "", sso, &[]));
        let chain = cfg!(feature = "aws-chain");
        assert_eq!(source, if chain { "chain of sso".to_owned() } else { aws_program("sso") });
    }

    #[test]
    fn missing_credentials_are_reported() {
        if cfg!(not(feature = "aws-chain")) {
            assert!(matches!(found("", "", "", &[]), Err(PromptError::MissingKey { .. })));
        }
        assert!(matches!(found("missing", KEYS, "", &[]), Err(PromptError::Profile { .. })));
        assert!(matches!(found("", "[default]\ncredential_process = 'x", "", &[]), Err(PromptError::Profile { .. })));
    }

    #[tokio::test]
    async fn a_program_provides_credentials() {
        let process = |script: &str| Source::Process(["sh", "-c", script].map(str::to_owned).to_vec(), "p".to_owned());
        let script = r#"echo '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t"}'"#;
        let keys = process(script).load().await.unwrap();
        assert_eq!((keys.access_key_id(), keys.session_token()), ("A", Some("t")));
        let error = process("echo expired >&2; exit 3").load().await.unwrap_err();
        assert!(matches!(&error, PromptError::ProgramFailed { detail, .. } if detail == "expired"), "{error}");
        assert!(matches!(process("echo hello").load().await, Err(PromptError::Profile { .. })));
    }
}
