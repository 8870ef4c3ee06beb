//! Errors of image generation, with a hint for each.

use std::{io, path::PathBuf, time::Duration};

use super::{Hints, Name, retired, template};
use crate::error::{Failure, Kind, chain, nearest};

/// An error of image generation. `detail` is the message of the server or program, sanitized and shortened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PromptError {
    /// The prompt has no text.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The prompt is longer than providers accept.
    #[error("the prompt has {count} characters, expected at most {limit}")]
    PromptTooLong { count: usize, limit: usize },
    /// There is no provider with this name.
    #[error("unknown provider {name:?}, expected {}", Name::expected())]
    UnknownProvider { name: String },
    /// There is no style with this name.
    #[error("unknown style {name:?}, expected one of {}", template::STYLES.map(|(style, _)| style).join(", "))]
    UnknownStyle { name: String },
    /// A setting has an invalid value.
    #[error("{key} = {value:?}: expected {expected}")]
    Setting { key: &'static str, value: String, expected: String },
    /// A required setting is empty.
    #[error("provider {provider} is not configured: {key} is empty, expected {expected}")]
    NotConfigured { provider: Name, key: &'static str, expected: &'static str },
    /// The file that a setting names can't be used.
    #[error("provider {provider} is not configured: cannot use {}, the file in {key}", path.display())]
    SettingFile { provider: Name, key: &'static str, path: PathBuf, source: io::Error },
    /// No source has an API key.
    #[error("provider {provider} has no API key: neither {variable} nor {setting} is set")]
    MissingKey { provider: Name, variable: String, setting: String },
    /// The file with the API key can't be read.
    #[error("cannot read the API key of provider {provider} from {}", path.display())]
    KeyFile { provider: Name, path: PathBuf, source: io::Error },
    /// A source has something that is not an API key.
    #[error("the API key of provider {provider} in {place} is {what}")]
    InvalidKey { provider: Name, place: String, what: &'static str },
    /// A profile in the AWS configuration files can't be used.
    #[error("profile {profile:?} {what}")]
    Profile { profile: String, what: String },
    /// The API key would be sent without encryption.
    #[error("the API key of provider {provider} would be sent to {host} unencrypted")]
    UnencryptedKey { provider: Name, host: String },
    /// A proxy could read the API key.
    #[error("the API key of provider {provider} would be sent to {host} unencrypted through the proxy {proxy}")]
    UnencryptedKeyToProxy { provider: Name, host: String, proxy: String, variable: &'static str },
    /// The proxy failed or refused, not the server; `status` is its HTTP status, if it sent one.
    #[error("provider {provider}: the proxy {proxy} {why}")]
    Proxy { provider: Name, proxy: String, variable: &'static str, host: String, status: Option<u16>, why: String },
    /// The host name can't be resolved.
    #[error("provider {provider}: cannot find host {host}")]
    Dns { provider: Name, host: String },
    /// The server refuses connections or can't be reached.
    #[error("provider {provider}: cannot connect to {host}: {why}")]
    Connect { provider: Name, host: String, why: String },
    /// The TLS handshake failed.
    #[error("provider {provider}: cannot establish a secure connection to {host}: {why}")]
    Tls { provider: Name, host: String, why: String },
    /// The time limit was exceeded.
    #[error("provider {provider} did not respond within {} s", limit.as_secs())]
    TimedOut { provider: Name, limit: Duration },
    /// The connection was lost.
    #[error("provider {provider}: the connection to {host} was lost: {why}")]
    ConnectionLost { provider: Name, host: String, why: String },
    /// The server redirects to another server.
    #[error("provider {provider}: {host} redirects to {to}, which is not followed")]
    Redirected { provider: Name, host: String, to: String },
    /// The server does not know this URL path.
    #[error("provider {provider}: {host} has no path {path}{}", Detail(detail))]
    NoSuchPath { provider: Name, host: String, path: String, detail: String },
    /// The server rejected the API key.
    #[error("provider {provider} rejected the API key (status {status}){}", Detail(detail))]
    KeyRejected { provider: Name, status: u16, detail: String },
    /// The model is retired or not available on this server.
    #[error("provider {provider} has no model {model:?}{}{}", In(region), Detail(detail))]
    ModelNotFound { provider: Name, model: String, region: String, detail: String },
    /// The provider has switched the model off.
    #[error("provider {provider} retired model {model:?} on {end}")]
    ModelRetired { provider: Name, model: String, end: &'static str, successor: &'static str },
    /// A content filter rejected the prompt or the image.
    #[error("provider {provider} rejected this prompt{}", Detail(detail))]
    Moderated { provider: Name, detail: String },
    /// Too many requests, or the server is overloaded.
    #[error("provider {provider} is busy{}", Detail(detail))]
    Throttled { provider: Name, detail: String },
    /// The account is out of credit or at its limit.
    #[error("the account at provider {provider} is out of credit or at its limit{}", Detail(detail))]
    QuotaExceeded { provider: Name, detail: String },
    /// The server rejected the request.
    #[error("provider {provider} rejected the request (status {status}){}", Detail(detail))]
    BadRequest { provider: Name, status: u16, detail: String },
    /// The server failed.
    #[error("provider {provider} failed (status {status}){}", Detail(detail))]
    Server { provider: Name, status: u16, detail: String },
    /// The response has no usable image.
    #[error("provider {provider} returned no image: {what}")]
    BadResponse { provider: Name, what: String },
    /// The response is in an unsupported format, or not an image.
    #[error("provider {provider} returned {found}, expected a PNG, JPEG or WebP image")]
    NotAnImage { provider: Name, found: &'static str },
    /// The response is larger than the limit.
    #[error("provider {provider} sent more than {} MB", limit / 1_000_000)]
    ResponseTooLarge { provider: Name, limit: usize },
    /// The image is on another server than the provider's.
    #[error("provider {provider}: the image is on {host}, which is not the provider's server")]
    ForeignImageHost { provider: Name, host: String },
    /// The ComfyUI workflow can't be used.
    #[error("workflow {} {what}", path.display())]
    Workflow { path: PathBuf, what: String },
    /// The ComfyUI workflow can't be read.
    #[error("cannot read workflow {}", path.display())]
    ReadWorkflow { path: PathBuf, source: io::Error },
    /// The program can't be started, or its pipes failed.
    #[error("cannot run {program}")]
    Program { program: String, source: io::Error },
    /// The program exited with an error.
    #[error("{program} failed with {status}{}", Detail(detail))]
    ProgramFailed { program: String, status: String, detail: String },
    /// The provider can't edit images; `command` generates a new one from both prompts.
    #[error("provider {provider} cannot edit images{}", Detail(why))]
    CannotEdit { provider: String, why: String, command: String },
    /// A bug in bgcam.
    #[error("cannot generate the image: {0}")]
    Internal(String),
}

/// `: text`, or nothing.
struct Detail<'a>(&'a str);

impl std::fmt::Display for Detail<'_> {
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
    /// The error for an invalid value of the setting `key`.
    pub(super) fn setting(key: &'static str, value: impl ToString, expected: impl Into<String>) -> Self {
        Self::Setting { key, value: value.to_string(), expected: expected.into() }
    }

    /// Whether a retry of the same request may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled { .. } => true,
            Self::Server { status, .. } | Self::Proxy { status: Some(status), .. } => {
                matches!(status, 408 | 424 | 502 | 503 | 504)
            }
            _ => false,
        }
    }

    /// Whether the server may have generated the image, so that it is billed, and would be billed again after a retry.
    pub fn may_be_billed(&self) -> bool {
        match self {
            Self::TimedOut { .. }
            | Self::ConnectionLost { .. }
            | Self::BadResponse { .. }
            | Self::NotAnImage { .. }
            | Self::ResponseTooLarge { .. }
            | Self::ForeignImageHost { .. }
            | Self::Internal(_) => true,
            Self::Server { status, .. } | Self::Proxy { status: Some(status), .. } => matches!(status, 408 | 504),
            _ => false,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::EmptyPrompt
            | Self::PromptTooLong { .. }
            | Self::UnknownProvider { .. }
            | Self::UnknownStyle { .. }
            | Self::Setting { .. }
            | Self::InvalidKey { .. }
            | Self::Profile { .. }
            | Self::NoSuchPath { .. }
            | Self::BadRequest { .. }
            | Self::Workflow { .. } => Kind::BadInput,
            Self::NotConfigured { .. } | Self::MissingKey { .. } => Kind::Missing,
            Self::ModelNotFound { .. } | Self::ModelRetired { .. } => Kind::NotFound,
            Self::UnencryptedKey { .. }
            | Self::UnencryptedKeyToProxy { .. }
            | Self::KeyRejected { .. }
            | Self::Moderated { .. }
            | Self::QuotaExceeded { .. } => Kind::Denied,
            Self::KeyFile { source, .. } | Self::ReadWorkflow { source, .. } | Self::SettingFile { source, .. } => {
                match source.kind() {
                    io::ErrorKind::NotFound => Kind::NotFound,
                    io::ErrorKind::PermissionDenied => Kind::Denied,
                    _ => Kind::Io,
                }
            }
            Self::Program { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::Missing,
            Self::Throttled { .. } => Kind::Busy,
            Self::NotAnImage { .. }
            | Self::ResponseTooLarge { .. }
            | Self::ForeignImageHost { .. }
            | Self::CannotEdit { .. } => Kind::Unsupported,
            Self::Dns { .. }
            | Self::Proxy { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::TimedOut { .. }
            | Self::ConnectionLost { .. }
            | Self::Redirected { .. }
            | Self::Server { .. }
            | Self::BadResponse { .. }
            | Self::Program { .. }
            | Self::ProgramFailed { .. } => Kind::Io,
            Self::Internal(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownProvider { name } => did_you_mean(name, Name::ALL.iter().map(|known| known.as_str()))?,
            Self::UnknownStyle { name } => did_you_mean(name, template::STYLES.iter().map(|(style, _)| *style))?,
            Self::Setting { .. } => "`bgcam config show` prints all settings".to_owned(),
            Self::NotConfigured { provider, key, .. } => configure_hint(*provider, key),
            Self::SettingFile { provider, key, .. } => configure_hint(*provider, key),
            Self::MissingKey { provider, variable, setting } => key_hint(*provider, variable, setting),
            Self::KeyFile { path, .. } => format!("check it with `ls -l {}`", path.display()),
            Self::InvalidKey { .. } => "it must contain only the key, on one line".to_owned(),
            Self::Profile { .. } => "`aws configure list-profiles` lists all profiles".to_owned(),
            Self::UnencryptedKey { provider, .. } => format!("use an https:// URL in [prompt.{provider}]"),
            Self::UnencryptedKeyToProxy { provider, host, variable, .. } => format!(
                "use an https:// URL in [prompt.{provider}], or bypass the proxy: add {} to NO_PROXY, or unset \
                 {variable}, in the daemon's environment",
                without_port(host)
            ),
            Self::Proxy { variable, host, .. } => format!(
                "{variable} in the daemon's environment names this proxy: correct or unset it, or add {} to NO_PROXY",
                without_port(host)
            ),
            Self::Dns { .. } => "check the network connection and the URL".to_owned(),
            Self::Connect { provider, .. } => connect_hint(*provider),
            Self::Tls { .. } => {
                "check the system clock; for a private certificate, set SSL_CERT_FILE in the daemon's environment"
                    .to_owned()
            }
            Self::TimedOut { .. }
            | Self::ConnectionLost { .. }
            | Self::Server { .. }
            | Self::BadResponse { .. }
            | Self::NotAnImage { .. }
            | Self::ResponseTooLarge { .. } => {
                "try again, or use the painter: `bgcam set-prompt --provider builtin`".to_owned()
            }
            Self::Redirected { provider, to, .. } => {
                format!("if {to} is correct, set it as the URL in [prompt.{provider}]")
            }
            Self::NoSuchPath { provider, .. } => format!("check the URL in [prompt.{provider}]"),
            Self::KeyRejected { provider, .. } => rejected_hint(*provider),
            Self::ModelNotFound { provider, model, .. } => model_hint(*provider, model),
            Self::ModelRetired { provider, successor, .. } => successor_hint(*provider, successor),
            Self::Moderated { .. } => "try rewording it".to_owned(),
            Self::Throttled { .. } => "wait a minute and try again".to_owned(),
            Self::QuotaExceeded { provider, .. } => {
                format!("check your {provider} account, or use the painter: `bgcam set-prompt --provider builtin`")
            }
            Self::ForeignImageHost { provider, host } => {
                format!("if you trust it, add {host:?} to {}", Hints::of(*provider).image_hosts?)
            }
            Self::Workflow { .. } => {
                "export it in ComfyUI with Workflow > Export (API), and put %prompt% where the prompt belongs, and in the \
                 workflow for edits %image% as the image of a LoadImage node"
                    .to_owned()
            }
            Self::ReadWorkflow { path, .. } => format!("check it with `ls -l {}`", path.display()),
            Self::CannotEdit { command, .. } => format!("generate a new image from both prompts: `{command}`"),
            Self::Program { program, .. } => format!("check that it is installed: `command -v {program}`"),
            _ => return None,
        })
    }
}

fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|best| format!("did you mean {best:?}?"))
}

/// A host as NO_PROXY expects it: without port and brackets.
fn without_port(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if is_port(port) && (!bare.contains(':') || bare.ends_with(']')) => bare,
        _ => host,
    };
    bare.trim_matches(['[', ']'])
}

fn key_hint(provider: Name, variable: &str, setting: &str) -> String {
    let or = Hints::of(provider).credentials.map(|other| format!(", or {other}")).unwrap_or_default();
    format!(
        "set {variable} in the daemon's environment, or set {setting} to a file that only you can read, or add the \
         systemd credential bgcam.{provider}{or}"
    )
}

fn configure_hint(provider: Name, key: &str) -> String {
    let general = || format!("set {key} in the settings file; `bgcam config path` prints its path");
    Hints::of(provider).configure.map_or_else(general, str::to_owned)
}

fn connect_hint(provider: Name) -> String {
    let general = || format!("check that the server is running, and its URL in [prompt.{provider}]");
    Hints::of(provider).connect.map_or_else(general, str::to_owned)
}

fn rejected_hint(provider: Name) -> String {
    let general =
        || format!("check that the key is correct and has not expired; `bgcam providers` shows where {provider} is");
    Hints::of(provider).rejected_key.map_or_else(general, str::to_owned)
}

fn model_hint(provider: Name, model: &str) -> String {
    if let Some(retirement) = retired::find(provider, model) {
        return successor_hint(provider, retirement.successor);
    }
    let hints = Hints::of(provider);
    let setting = model_setting(provider, &hints);
    let models = hints.models.map(|models| format!("; {models}")).unwrap_or_default();
    format!("providers retire models about once a year: change {setting}{models}")
}

fn successor_hint(provider: Name, successor: &str) -> String {
    format!("its successor is {successor}: change {}", model_setting(provider, &Hints::of(provider)))
}

fn model_setting(provider: Name, hints: &Hints) -> String {
    hints.model_setting.map_or_else(|| format!("prompt.{provider}.model"), str::to_owned)
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}
