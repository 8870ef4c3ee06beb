//! Amazon's credentials where its own tools look for them: environment, profile files, `credential_process`.
//!
//! Profiles that sign in by SSO or take on a role are asked of the `aws` program, or of Amazon's own chain of
//! credentials where the feature `aws-chain` has it built in.

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
use crate::prompt::{
    PromptError,
    key::{KeyPlaces, clean},
    provider::Name,
    providers::command::run,
};

/// How long a program may take to give keys; some ask the user.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than any keys.
const MOST_BYTES: usize = 64 << 10;
const NOTE: &str = "bgcam";

/// Where the keys come from.
#[derive(Debug)]
pub(super) enum Access {
    /// Access keys, from the place that is named.
    Keys(Credentials, String),
    /// A program of this profile that gives keys: itself, then its arguments.
    Process(Vec<String>, String),
    /// Amazon's own chain, for this profile.
    #[cfg(feature = "aws-chain")]
    Chain(String),
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(_, place) => write!(f, "access keys of {place}"),
            Self::Process(words, profile) => write!(f, "keys from {} for profile {profile}", words[0]),
            #[cfg(feature = "aws-chain")]
            Self::Chain(profile) => write!(f, "what Amazon's chain of credentials finds for profile {profile}"),
        }
    }
}

impl Access {
    /// The first that there is: the environment, unless a profile is named; the profile.
    pub(super) fn find(
        profile: &Profile,
        named: bool,
        variable: impl Fn(&str) -> Option<String>,
        places: &KeyPlaces<'_>,
    ) -> Result<Self, PromptError> {
        let pair = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
        if let ((Some(id), Some(secret)), false) = (pair, named) {
            let keys = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, NOTE);
            return Ok(Self::Keys(keys, "the environment".to_owned()));
        }
        match profile.access()? {
            Some(access) => Ok(access),
            #[cfg(feature = "aws-chain")]
            None if !named => Ok(Self::Chain(profile.name.clone())),
            None if named => Err(profile.wrong("is in neither ~/.aws/credentials nor ~/.aws/config, or has no keys")),
            None => Err(places.missing()),
        }
    }

    /// The keys, which may take a program's run.
    pub(super) async fn keys(&self) -> Result<Credentials, PromptError> {
        let (words, profile) = match self {
            Self::Keys(keys, _) => return Ok(keys.clone()),
            Self::Process(words, profile) => (words, profile),
            #[cfg(feature = "aws-chain")]
            Self::Chain(profile) => {
                let found = tokio::time::timeout(PATIENCE, super::chain::keys(profile)).await;
                return found.map_err(|_| PromptError::TimedOut { provider: Name::Bedrock, limit: PATIENCE })?;
            }
        };
        let program = words[0].clone();
        let mut process = tokio::process::Command::from(child::command(&program, needs(&program)));
        process.args(&words[1..]);
        let ran = tokio::time::timeout(PATIENCE, run(&program, process, b"", MOST_BYTES)).await;
        let ran = ran.map_err(|_| PromptError::TimedOut { provider: Name::Bedrock, limit: PATIENCE })??;
        if !ran.status.success() {
            let (status, said) = (ran.status.to_string(), clean(&ran.complaint, []));
            return Err(PromptError::ProgramFailed { program, status, said });
        }
        let given: Given = serde_json::from_slice(&ran.output).map_err(|_| PromptError::Profile {
            profile: profile.clone(),
            what: format!("has a program {program} that gave no keys in JSON"),
        })?;
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, given.session_token, None, NOTE))
    }
}

/// The environment of a program that gives keys. A profile may tell Amazon's own tool to take them from there.
fn needs(program: &str) -> &'static [Needs] {
    let all = &[Needs::Session, Needs::Desktop, Needs::Network, Needs::Aws, Needs::AwsKeys];
    let is_amazons = Path::new(program).file_name() == Some("aws".as_ref());
    if is_amazons { all } else { &all[..4] }
}

/// What a `credential_process` prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    session_token: Option<String>,
}

/// The texts in `keys` that must never be shown.
pub(super) fn secrets(keys: &Credentials) -> Vec<SecretString> {
    [Some(keys.secret_access_key()), keys.session_token()].into_iter().flatten().map(SecretString::from).collect()
}

/// One profile, joined from both files.
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
        // The credentials file wins, so it is read last.
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

    fn access(&self) -> Result<Option<Access>, PromptError> {
        let value = |key: &str| self.values.get(key).cloned().filter(|value| !value.is_empty());
        if let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) {
            let keys = Credentials::new(id, secret, value("aws_session_token"), None, NOTE);
            return Ok(Some(Access::Keys(keys, format!("profile {}", self.name))));
        }
        if let Some(line) = value("credential_process") {
            let words = shlex::split(&line).filter(|words| !words.is_empty());
            let words = words.ok_or_else(|| self.wrong("has a credential_process with an open quote"))?;
            return Ok(Some(Access::Process(words, self.name.clone())));
        }
        let chained = ["sso_session", "sso_start_url", "role_arn", "login_session"];
        if chained.iter().any(|key| self.values.contains_key(*key)) {
            return Ok(Some(self.chained()));
        }
        Ok(None)
    }

    /// Who speaks for a profile that signs in or takes on a role.
    #[cfg(feature = "aws-chain")]
    fn chained(&self) -> Access {
        Access::Chain(self.name.clone())
    }

    /// Who speaks for a profile that signs in or takes on a role: Amazon's own program.
    #[cfg(not(feature = "aws-chain"))]
    fn chained(&self) -> Access {
        let words = ["aws", "configure", "export-credentials", "--format", "process", "--profile", &self.name];
        Access::Process(words.map(str::to_owned).to_vec(), self.name.clone())
    }

    fn wrong(&self, what: &str) -> PromptError {
        PromptError::Profile { profile: self.name.clone(), what: what.to_owned() }
    }
}

/// The `key = value` lines of a section; nested and broken lines are left out, as Amazon's tools do.
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

    /// The profile `name` of these two files, with these variables.
    fn found(name: &str, credentials: &str, config: &str, variables: &[(&str, &str)]) -> Result<Access, PromptError> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".aws")).unwrap();
        fs::write(folder.path().join(".aws/credentials"), credentials).unwrap();
        fs::write(folder.path().join(".aws/config"), config).unwrap();
        let variable = |wanted: &str| match wanted {
            "HOME" => Some(folder.path().display().to_string()),
            _ => variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned()),
        };
        let places = KeyPlaces { provider: Name::Bedrock, variable: "BEARER", file: "" };
        Access::find(&Profile::find(name, variable), !name.is_empty(), variable, &places)
    }

    fn told(access: Result<Access, PromptError>) -> String {
        match access.unwrap() {
            Access::Keys(keys, place) => {
                let token = keys.session_token().unwrap_or("-");
                format!("{} {} {token} {place}", keys.access_key_id(), keys.secret_access_key())
            }
            Access::Process(words, _) => words.join("|"),
            #[cfg(feature = "aws-chain")]
            Access::Chain(profile) => format!("chain of {profile}"),
        }
    }

    fn aws_program(profile: &str) -> String {
        format!("aws|configure|export-credentials|--format|process|--profile|{profile}")
    }

    const KEYS: &str = "# mine\n[default]\naws_access_key_id = A1\naws_secret_access_key=s=1/+ # old\n\n[ work ]\n\
                        aws_access_key_id = A2\naws_secret_access_key = s2\naws_session_token = t2\n";

    #[test]
    fn keys_come_from_where_amazons_tools_look() {
        let env = [("AWS_ACCESS_KEY_ID", "A0"), ("AWS_SECRET_ACCESS_KEY", "s0")];
        assert_eq!(told(found("", KEYS, "", &env)), "A0 s0 - the environment");
        assert_eq!(told(found("", KEYS, "", &[])), "A1 s=1/+ - profile default");
        assert_eq!(told(found("", KEYS, "", &[("AWS_PROFILE", "work")])), "A2 s2 t2 profile work");
        assert_eq!(told(found("work", KEYS, "", &env)), "A2 s2 t2 profile work");
        let config =
            "[profile tool]\ncredential_process = \"/opt/my tool\" --for me\nregion = eu-west-1\ns3 =\n  a = b\n";
        assert_eq!(told(found("tool", "", config, &[])), "/opt/my tool|--for|me");
        let sso = "[profile sso]\nsso_session = x\n";
        let asked = told(found("sso", "", sso, &[]));
        let chain = cfg!(feature = "aws-chain");
        assert_eq!(asked, if chain { "chain of sso".to_owned() } else { aws_program("sso") });
    }

    #[test]
    fn what_is_missing_is_named() {
        if cfg!(not(feature = "aws-chain")) {
            assert!(matches!(found("", "", "", &[]), Err(PromptError::NoKey { .. })));
        }
        assert!(matches!(found("nobody", KEYS, "", &[]), Err(PromptError::Profile { .. })));
        assert!(matches!(found("", "[default]\ncredential_process = 'x", "", &[]), Err(PromptError::Profile { .. })));
    }

    #[tokio::test]
    async fn a_program_gives_keys() {
        let process = |script: &str| Access::Process(["sh", "-c", script].map(str::to_owned).to_vec(), "p".to_owned());
        let script = r#"echo '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t"}'"#;
        let keys = process(script).keys().await.unwrap();
        assert_eq!((keys.access_key_id(), keys.session_token()), ("A", Some("t")));
        let error = process("echo expired >&2; exit 3").keys().await.unwrap_err();
        assert!(matches!(&error, PromptError::ProgramFailed { said, .. } if said == "expired"), "{error}");
        assert!(matches!(process("echo hello").keys().await, Err(PromptError::Profile { .. })));
    }
}
