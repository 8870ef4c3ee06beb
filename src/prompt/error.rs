//! What can go wrong between words and a picture, and the way out of each.

use std::{io, path::PathBuf, time::Duration};

use super::{provider::Name, template};
use crate::error::{Failure, Kind, chain};

/// What can go wrong between words and a picture. `said` is what the server or program said of it, made clean and short.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PromptError {
    /// Nothing to paint.
    #[error("the prompt is empty")]
    NoWords,
    /// More than any provider takes.
    #[error("the prompt has {count} characters, expected at most {limit}")]
    TooManyWords { count: usize, limit: usize },
    /// No provider of that name.
    #[error("no provider is called {name:?}, expected {}", Name::expected())]
    UnknownProvider { name: String },
    /// No style of that name.
    #[error("no style is called {name:?}, expected one of {}", template::STYLES.map(|(style, _)| style).join(", "))]
    UnknownStyle { name: String },
    /// A setting makes no sense.
    #[error("setting {key} = {value:?} is not {expected}")]
    Setting { key: &'static str, value: String, expected: String },
    /// A setting is needed and empty.
    #[error("provider {provider} is not set up: {key} is empty, expected {expected}")]
    NotSetUp { provider: Name, key: &'static str, expected: &'static str },
    /// No key anywhere.
    #[error("provider {provider} has no key: {variable} is not set, and neither is {setting}")]
    NoKey { provider: Name, variable: String, setting: String },
    /// The file of the key can't be read.
    #[error("cannot read the key of provider {provider} in {}", path.display())]
    KeyFile { provider: Name, path: PathBuf, source: io::Error },
    /// What stands in the key's place is no key.
    #[error("the key of provider {provider} in {place} is {what}")]
    BadKey { provider: Name, place: String, what: &'static str },
    /// A profile of Amazon's files can't be used.
    #[error("profile {profile:?} {what}")]
    Profile { profile: String, what: String },
    /// Anybody on the way could read the key.
    #[error("the key of provider {provider} would go to {host} unencrypted")]
    PlainKey { provider: Name, host: String },
    /// A proxy on the way could read the key.
    #[error("the key of provider {provider} would go to {host} unencrypted, through the proxy {proxy}")]
    PlainKeyToProxy { provider: Name, host: String, proxy: String, variable: &'static str },
    /// The proxy fails or refuses, not the server; `status` is its answer where it gave one.
    #[error("provider {provider}: the proxy {proxy} {why}")]
    Proxy { provider: Name, proxy: String, variable: &'static str, host: String, status: Option<u16>, why: String },
    /// The name of the host has no address.
    #[error("provider {provider}: cannot find host {host}")]
    Dns { provider: Name, host: String },
    /// Nobody listens there.
    #[error("provider {provider}: cannot connect to {host}: {why}")]
    Connect { provider: Name, host: String, why: String },
    /// The connection can't be trusted.
    #[error("provider {provider}: no secure connection to {host}: {why}")]
    Tls { provider: Name, host: String, why: String },
    /// It took too long.
    #[error("provider {provider} did not answer within {} s", limit.as_secs())]
    TimedOut { provider: Name, limit: Duration },
    /// The connection broke in the middle.
    #[error("provider {provider}: the connection to {host} was lost: {why}")]
    Lost { provider: Name, host: String, why: String },
    /// The server sends us elsewhere.
    #[error("provider {provider}: {host} redirects to {to}, which is not followed")]
    Redirected { provider: Name, host: String, to: String },
    /// The address is wrong.
    #[error("provider {provider}: {host} does not know the path {path}{}", Said(said))]
    NoSuchPath { provider: Name, host: String, path: String, said: String },
    /// The server doesn't take the key.
    #[error("provider {provider} refused the key (status {status}){}", Said(said))]
    KeyRefused { provider: Name, status: u16, said: String },
    /// The model is retired, or doesn't live there.
    #[error("provider {provider} has no model {model:?}{}{}", In(region), Said(said))]
    ModelGone { provider: Name, model: String, region: String, said: String },
    /// The prompt or the picture was found improper.
    #[error("provider {provider} refused this prompt{}", Said(said))]
    Moderated { provider: Name, said: String },
    /// Too many requests.
    #[error("provider {provider} has too much to do{}", Said(said))]
    Throttled { provider: Name, said: String },
    /// The account is used up.
    #[error("the account at provider {provider} is used up{}", Said(said))]
    Quota { provider: Name, said: String },
    /// The server doesn't like the request.
    #[error("provider {provider} refused the request (status {status}){}", Said(said))]
    BadRequest { provider: Name, status: u16, said: String },
    /// The server is in trouble.
    #[error("provider {provider} failed (status {status}){}", Said(said))]
    Server { provider: Name, status: u16, said: String },
    /// An answer without a picture that we can read.
    #[error("provider {provider} gave no picture: {what}")]
    BadAnswer { provider: Name, what: String },
    /// A picture in another format, or no picture.
    #[error("provider {provider} gave {found}, not a PNG, JPEG or WebP picture")]
    NotAPicture { provider: Name, found: &'static str },
    /// More bytes than we take.
    #[error("provider {provider} answered with more than {} MB", limit / 1_000_000)]
    TooManyBytes { provider: Name, limit: usize },
    /// The picture is said to be at another place.
    #[error("provider {provider}: the picture is at {host}, which is not the provider's")]
    ForeignPicture { provider: Name, host: String },
    /// The workflow can't be used.
    #[error("workflow {} {what}", path.display())]
    Workflow { path: PathBuf, what: String },
    /// The workflow can't be read.
    #[error("cannot read workflow {}", path.display())]
    ReadWorkflow { path: PathBuf, source: io::Error },
    /// The program can't be started or spoken to.
    #[error("cannot run {program}")]
    Program { program: String, source: io::Error },
    /// The program says that it failed.
    #[error("{program} failed with {status}{}", Said(said))]
    ProgramFailed { program: String, status: String, said: String },
    /// A bug of ours.
    #[error("cannot make the picture: {0}")]
    Internal(String),
}

/// `: text`, or nothing.
struct Said<'a>(&'a str);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// ` in region`, or nothing.
struct In<'a>(&'a str);

impl std::fmt::Display for In<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " in {}", self.0) }
    }
}

impl PromptError {
    /// Whether the same request may succeed in a moment.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Throttled { .. } => true,
            Self::Server { status, .. } | Self::Proxy { status: Some(status), .. } => {
                matches!(status, 408 | 424 | 502 | 503 | 504)
            }
            _ => false,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoWords
            | Self::TooManyWords { .. }
            | Self::UnknownProvider { .. }
            | Self::UnknownStyle { .. }
            | Self::Setting { .. }
            | Self::BadKey { .. }
            | Self::Profile { .. }
            | Self::NoSuchPath { .. }
            | Self::BadRequest { .. }
            | Self::Workflow { .. } => Kind::BadInput,
            Self::NotSetUp { .. } | Self::NoKey { .. } => Kind::Missing,
            Self::ModelGone { .. } => Kind::NotFound,
            Self::PlainKey { .. }
            | Self::PlainKeyToProxy { .. }
            | Self::KeyRefused { .. }
            | Self::Moderated { .. }
            | Self::Quota { .. } => Kind::Denied,
            Self::KeyFile { source, .. } | Self::ReadWorkflow { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Kind::NotFound,
                io::ErrorKind::PermissionDenied => Kind::Denied,
                _ => Kind::Io,
            },
            Self::Program { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::Missing,
            Self::Throttled { .. } => Kind::Busy,
            Self::NotAPicture { .. } | Self::TooManyBytes { .. } | Self::ForeignPicture { .. } => Kind::Unsupported,
            Self::Dns { .. }
            | Self::Proxy { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Redirected { .. }
            | Self::Server { .. }
            | Self::BadAnswer { .. }
            | Self::Program { .. }
            | Self::ProgramFailed { .. } => Kind::Io,
            Self::Internal(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownProvider { name } => near(name, Name::ALL.iter().map(|known| known.as_str()))?,
            Self::UnknownStyle { name } => near(name, template::STYLES.iter().map(|(style, _)| *style))?,
            Self::Setting { .. } => "`bgcam config show` prints every setting".to_owned(),
            Self::NotSetUp { key, .. } => format!("set {key} in the config, see `bgcam config path`"),
            Self::NoKey { provider, variable, setting } => key_hint(*provider, variable, setting),
            Self::KeyFile { path, .. } => format!("ls -l {}", path.display()),
            Self::BadKey { .. } => "the key stands there alone, on one line".to_owned(),
            Self::Profile { .. } => "aws configure list-profiles".to_owned(),
            Self::PlainKey { provider, .. } => format!("use an https:// address in prompt.{provider}"),
            Self::PlainKeyToProxy { provider, host, variable, .. } => format!(
                "use an https:// address in prompt.{provider}, or bypass the proxy: add {} to NO_PROXY, or unset \
                 {variable}, in the daemon's environment",
                without_port(host)
            ),
            Self::Proxy { variable, host, .. } => format!(
                "{variable} in the daemon's environment names this proxy: correct or unset it, or add {} to NO_PROXY",
                without_port(host)
            ),
            Self::Dns { .. } => "is this machine online, and the address right?".to_owned(),
            Self::Connect { provider, .. } => connect_hint(*provider),
            Self::Tls { .. } => {
                "is the clock right? a certificate of your own is named by SSL_CERT_FILE in the daemon's environment"
                    .to_owned()
            }
            Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Server { .. }
            | Self::BadAnswer { .. }
            | Self::NotAPicture { .. }
            | Self::TooManyBytes { .. } => "try again, or another provider: set-prompt --provider builtin".to_owned(),
            Self::Redirected { provider, to, .. } => {
                format!("if {to} is right, put it into the config at prompt.{provider}")
            }
            Self::NoSuchPath { provider, .. } => format!("check the address in the config at prompt.{provider}"),
            Self::KeyRefused { provider, .. } => refused_hint(*provider),
            Self::ModelGone { provider, .. } => model_hint(*provider),
            Self::Moderated { .. } => "say it in other words".to_owned(),
            Self::Throttled { .. } => "wait a minute and try again".to_owned(),
            Self::Quota { provider, .. } => {
                format!("look at your account there ({provider}), or use set-prompt --provider builtin")
            }
            Self::ForeignPicture { provider: Name::OpenAi, host } => {
                format!("if you trust it, add {host:?} to prompt.openai.picture_hosts")
            }
            Self::Workflow { .. } => {
                "export it in ComfyUI with Workflow > Export (API), with %prompt% in it".to_owned()
            }
            Self::ReadWorkflow { path, .. } => format!("ls -l {}", path.display()),
            Self::Program { program, .. } => format!("command -v {program}"),
            _ => return None,
        })
    }
}

fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let (score, best) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score > 0.8).then(|| format!("did you mean {best:?}?"))
}

/// A host as NO_PROXY takes it.
fn without_port(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if is_port(port) && (!bare.contains(':') || bare.ends_with(']')) => bare,
        _ => host,
    };
    bare.trim_matches(['[', ']'])
}

fn key_hint(provider: Name, variable: &str, setting: &str) -> String {
    let also = if provider == Name::Bedrock {
        ", or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws"
    } else {
        ""
    };
    format!(
        "set {variable} in the daemon's environment, or {setting} to a file that only you can read, or the systemd \
         credential bgcam.{provider}{also}"
    )
}

fn connect_hint(provider: Name) -> String {
    match provider {
        Name::SdWebUi => "is it running, and started with --api? its address is prompt.sdwebui.url".to_owned(),
        Name::ComfyUi => "is it running? its address is prompt.comfyui.url".to_owned(),
        _ => format!("is it running, and its address in the config at prompt.{provider} right?"),
    }
}

fn refused_hint(provider: Name) -> String {
    match provider {
        Name::Bedrock => {
            "is it expired, and may it bedrock:InvokeModel? is the model open to your account in this region? \
                          is the clock right?"
                .to_owned()
        }
        _ => format!("is it the right one, and not expired? `bgcam providers` tells where {provider} takes it from"),
    }
}

fn model_hint(provider: Name) -> String {
    let known = match provider {
        Name::Bedrock => "; stability.stable-image-core-v1:1 is known to live in us-west-2",
        Name::OpenAi => "; gpt-image-2 is known to live at OpenAI",
        Name::Gemini => "; gemini-2.5-flash-image is known to live",
        Name::Stability => "; core, ultra and sd3.5-large are known to live",
        _ => "",
    };
    let setting =
        if provider == Name::Gateway { "in the function".to_owned() } else { format!("prompt.{provider}.model") };
    format!("models are retired about once a year: change {setting}{known}")
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}
