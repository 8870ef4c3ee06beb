//! Child processes with a clean environment, bounded waits and captured stderr.

use std::{
    collections::VecDeque,
    env,
    ffi::OsStr,
    io::{self, Read},
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::poll::wait_for;
use crate::duration::HumanDuration;

/// Length of the stderr tail kept for error messages, in bytes.
const STDERR_TAIL_LEN: usize = 2048;

/// Groups of environment variables that a program needs besides [`BASE`]. None of them contains API keys, except
/// [`Needs::AwsKeys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Services of the user's session: D-Bus, `systemctl --user`, PipeWire.
    Session,
    /// The display, to open a window.
    Desktop,
    /// Proxies and certificates.
    Network,
    /// Variables of package tools and `sudo`.
    Admin,
    /// Profile and settings of AWS tools, without keys.
    Aws,
    /// AWS keys.
    AwsKeys,
}

/// Variables passed to every program: paths, user, locale and terminal.
const BASE: &[&str] = &[
    "PATH",
    "LD_LIBRARY_PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TZDIR",
    "TMPDIR",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_HOME",
    "XDG_DATA_DIRS",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
];

impl Needs {
    /// Variable names; a trailing `*` matches any suffix.
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Session => &[
                "DBUS_SESSION_BUS_ADDRESS",
                "DBUS_SYSTEM_BUS_ADDRESS",
                "PIPEWIRE_REMOTE",
                "PIPEWIRE_RUNTIME_DIR",
                "XDG_SESSION_ID",
                "XDG_SESSION_TYPE",
                "XDG_SESSION_CLASS",
                "XDG_CURRENT_DESKTOP",
                "XDG_SEAT",
                "XDG_VTNR",
            ],
            Self::Desktop => &[
                "DISPLAY",
                "WAYLAND_DISPLAY",
                "XAUTHORITY",
                "ICEAUTHORITY",
                "SESSION_MANAGER",
                "DESKTOP_SESSION",
                "DESKTOP_STARTUP_ID",
                "XDG_ACTIVATION_TOKEN",
                "XDG_MENU_PREFIX",
                "XDG_SESSION_DESKTOP",
                "BROWSER",
                "XMODIFIERS",
                "XCURSOR_*",
                "GTK_*",
                "GDK_*",
                "QT_*",
                "KDE_*",
                "GNOME_DESKTOP_SESSION_ID",
                "MOZ_ENABLE_WAYLAND",
            ],
            Self::Network => &[
                "http_proxy",
                "https_proxy",
                "ftp_proxy",
                "all_proxy",
                "no_proxy",
                "HTTP_PROXY",
                "HTTPS_PROXY",
                "FTP_PROXY",
                "ALL_PROXY",
                "NO_PROXY",
                "SSL_CERT_FILE",
                "SSL_CERT_DIR",
                "CURL_CA_BUNDLE",
                "REQUESTS_CA_BUNDLE",
                "NIX_SSL_CERT_FILE",
            ],
            Self::Admin => &["DEBIAN_FRONTEND", "DEBCONF_*", "SUDO_ASKPASS", "SUDO_USER", "SUDO_UID", "SUDO_GID"],
            Self::Aws => &[
                "AWS_PROFILE",
                "AWS_DEFAULT_PROFILE",
                "AWS_CONFIG_FILE",
                "AWS_SHARED_CREDENTIALS_FILE",
                "AWS_REGION",
                "AWS_DEFAULT_REGION",
                "AWS_CA_BUNDLE",
                "AWS_ROLE_ARN",
                "AWS_ROLE_SESSION_NAME",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_EC2_METADATA_*",
                "AWS_ENDPOINT_URL*",
                "AWS_STS_REGIONAL_ENDPOINTS",
                "AWS_USE_*",
                "GPG_TTY",
            ],
            Self::AwsKeys => &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
        }
    }
}

/// A command for `program` with only the variables in [`BASE`] and `needs`. API keys and systemd's sockets are not
/// passed on.
pub(crate) fn command(program: impl AsRef<OsStr>, needs: &[Needs]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(env::vars_os().filter(|(name, _)| is_needed(name, needs)));
    command
}

fn is_needed(name: &OsStr, needs: &[Needs]) -> bool {
    let matches = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => name.as_encoded_bytes().starts_with(start.as_bytes()),
        None => name == *pattern,
    };
    BASE.iter().any(&matches) || needs.iter().any(|group| group.variables().iter().any(&matches))
}

/// Waits for `child` to exit and kills it after `timeout`.
///
/// # Errors
/// If it was killed ([`io::ErrorKind::TimedOut`]), or a system call fails.
pub(crate) fn wait(child: &mut Child, timeout: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not exit within {}", HumanDuration(timeout)),
            ));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// A handle of any process (a pidfd), which stays valid when its PID is reused.
#[derive(Debug)]
pub(crate) struct Process(OwnedFd);

impl Process {
    /// Opens the process `pid`; `None` if it has exited, or the kernel is older than 5.3.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(pid.try_into().ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Self)
    }

    /// Waits up to `timeout` for its exit; returns whether it has exited.
    pub(crate) fn exits_within(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match wait_for(&self.0, PollFlags::IN, left) {
                Ok(events) if !events.is_empty() => return true,
                _ if left.is_zero() => return false,
                _ => {} // a signal, or less than a millisecond is left
            }
        }
    }
}

/// The last [`STDERR_TAIL_LEN`] bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<u8>);

impl Tail {
    /// Appends `bytes`, discarding the oldest ones beyond the limit.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let excess = self.0.len().saturating_sub(STDERR_TAIL_LEN);
        self.0.drain(..excess);
    }

    /// The bytes as text; invalid UTF-8 is replaced.
    pub(crate) fn into_string(mut self) -> String {
        String::from_utf8_lossy(self.0.make_contiguous()).into_owned()
    }
}

/// Reads `pipe` to its end and returns its [`Tail`].
pub(crate) fn stderr_tail(mut pipe: impl Read) -> String {
    let mut tail = Tail::default();
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut chunk) {
        tail.push(&chunk[..count]);
    }
    tail.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Needs; 6] = [Needs::Session, Needs::Desktop, Needs::Network, Needs::Admin, Needs::Aws, Needs::AwsKeys];

    #[test]
    fn only_aws_tools_get_secrets() {
        let harmless = &ALL[..5];
        for name in [
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "BGCAM_PROMPT_OPENAI_KEY_FILE",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "GITHUB_TOKEN",
            "NOTIFY_SOCKET",
            "CREDENTIALS_DIRECTORY",
            "SSH_AUTH_SOCK",
            "LD_PRELOAD",
            "PATH_TO_KEY",
            "ANYTHING_ELSE",
        ] {
            assert!(!is_needed(name.as_ref(), harmless), "{name}");
        }
        assert!(is_needed("AWS_SECRET_ACCESS_KEY".as_ref(), &ALL));
        for (name, needs) in [("LC_TIME", None), ("PATH", None), ("https_proxy", Some(Needs::Network))] {
            assert!(is_needed(name.as_ref(), needs.as_slice()), "{name}");
        }
        assert!(!is_needed("https_proxy".as_ref(), &[]));
    }

    #[test]
    fn a_child_gets_only_the_base_environment() {
        // Cargo sets additional variables for every test.
        let output = command("env", &[]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.lines().any(|line| line.starts_with("PATH=")), "{text}");
        let foreign =
            text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| !is_needed(name.as_ref(), &[]));
        assert_eq!(foreign, None);
    }

    /// A program started without [`command`] would inherit the whole environment.
    #[test]
    fn all_programs_are_started_with_a_clean_environment() {
        fn look(folder: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    look(&path, found);
                } else if path.extension() == Some("rs".as_ref()) && !path.ends_with("child.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let text = text.replace("clap::Command::new(", "");
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    let starts = ["Command::new(", "Process::new(\"", "process::Command::new"];
                    if !path.ends_with("tests.rs") && starts.iter().any(|start| code.contains(start)) {
                        found.push(path.display().to_string());
                    }
                }
            }
        }
        let mut found = Vec::new();
        look(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.is_empty(), "use child::command in {found:?}");
    }

    #[test]
    fn a_child_that_does_not_exit_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut child = Command::new("true").spawn().unwrap();
        assert!(wait(&mut child, Duration::from_secs(60)).unwrap().success());
    }

    #[test]
    fn the_exit_of_a_process_is_noticed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        assert!(!process.exits_within(Duration::ZERO));
        child.kill().unwrap();
        assert!(process.exits_within(Duration::from_secs(60)));
        child.wait().unwrap();
        assert!(Process::find(u32::MAX).is_none());
    }

    #[test]
    fn only_the_tail_of_stderr_is_kept() {
        let text = format!("{}the end", "chatter ".repeat(2000));
        let kept = stderr_tail(text.as_bytes());
        assert!(kept.len() == STDERR_TAIL_LEN && kept.ends_with("the end"));
    }
}
