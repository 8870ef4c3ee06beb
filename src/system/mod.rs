//! The machine that `doctor` and `setup` inspect: files below a root, the environment, the user, and a probe for the
//! rest.
//!
//! Tests use `fake`: a temporary root and a fake probe, in which they change one thing at a time.

#[cfg(test)]
pub(crate) mod fake;
mod real;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

pub use self::real::Real;
pub use crate::camera::Cameras;
use crate::{control::protocol::Status, error::Failure, mask, paths, v4l2::holders::Holder};

/// How a program ended, and its output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandOutput {
    /// Whether the exit status was 0.
    pub ok: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// An ONNX Runtime library found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Path of the library.
    pub path: PathBuf,
    /// Version reported by the library.
    pub version: Option<String>,
}

/// Everything that cannot be read from a file. Every method except [`Probe::change`] returns within about a second.
pub trait Probe: std::fmt::Debug + Send + Sync {
    /// Runs a program and collects its output.
    ///
    /// # Errors
    /// If it is not installed, cannot be started, or takes longer than a second.
    fn run(&self, command: &[&str]) -> io::Result<CommandOutput>;

    /// Runs a program that changes the system. It may prompt the user, so there is no timeout.
    ///
    /// # Errors
    /// If it cannot be started or exits with a non-zero status.
    fn change(&self, command: &[String], input: &str) -> io::Result<()>;

    /// The webcams and their formats.
    fn cameras(&self) -> Cameras;

    /// The processes that have a device open.
    fn holders(&self, node: &Path) -> Vec<Holder>;

    /// Whether a process captures from a device that it has open.
    fn captures(&self, holder: &Holder, node: &Path) -> bool;

    /// Whether this user may write to a file.
    fn may_write(&self, path: &Path) -> bool;

    /// Free disk space, in bytes, on the file system of `path`.
    ///
    /// # Errors
    /// If the file system cannot be queried.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Loads ONNX Runtime.
    ///
    /// # Errors
    /// If there is no usable library.
    fn onnx_runtime(&self, settings: &mask::Settings) -> Result<Library, Failure>;

    /// Loads the PipeWire library.
    ///
    /// # Errors
    /// If it is missing, or bgcam was built without PipeWire.
    fn pipewire_library(&self) -> Result<(), Failure>;

    /// The status of the daemon whose socket is in `dir`; `None` when no daemon is running.
    ///
    /// # Errors
    /// If the daemon does not respond.
    fn daemon(&self, dir: &Path) -> Result<Option<Status>, Failure>;
}

/// The user who runs bgcam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: PathBuf,
    /// Ids of the groups of this session.
    pub groups: Vec<u32>,
}

/// A machine to inspect.
#[derive(Debug)]
pub struct System {
    root: PathBuf,
    variables: BTreeMap<String, String>,
    /// The user; under `sudo`, the caller.
    pub user: User,
    /// Whether this process runs as root.
    pub as_root: bool,
    /// Path of the running executable.
    pub program: PathBuf,
    probe: Box<dyn Probe>,
}

impl System {
    /// A machine whose files are below `root`.
    pub fn new(
        root: &Path,
        variables: BTreeMap<String, String>,
        user: User,
        as_root: bool,
        program: PathBuf,
        probe: Box<dyn Probe>,
    ) -> Self {
        Self { root: root.to_owned(), variables, user, as_root, program, probe }
    }

    /// Access to everything that is not a file.
    pub fn probe(&self) -> &dyn Probe {
        &*self.probe
    }

    /// The real location of this machine's `path`.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The trimmed text of a file; `None` when it is missing, empty or not UTF-8.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether `path` exists.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// The names in a directory, sorted.
    pub fn names(&self, dir: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(dir)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// The value of an environment variable, unless empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All environment variables.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A user directory by the XDG base directory rules.
    pub fn user_dir(&self, variable: &str, below_home: &str) -> PathBuf {
        paths::absolute(self.var(variable)).unwrap_or_else(|| self.user.home.join(below_home))
    }

    /// The session's runtime directory (`XDG_RUNTIME_DIR`).
    pub fn runtime_dir(&self) -> Option<PathBuf> {
        paths::absolute(self.var("XDG_RUNTIME_DIR"))
    }

    /// The directory of the daemon's socket; see [`paths::runtime_dir`].
    pub fn daemon_dir(&self) -> PathBuf {
        match self.runtime_dir() {
            Some(dir) => self.path(dir.join("bgcam")),
            None => paths::runtime_dir(),
        }
    }

    /// Whether a program is in `PATH` or in one of root's program directories.
    pub fn has_program(&self, name: &str) -> bool {
        let dirs = self.var("PATH").unwrap_or_default().split(':').chain(["/usr/sbin", "/sbin"]);
        dirs.filter(|dir| dir.starts_with('/')).any(|dir| self.path(dir).join(name).is_file())
    }

    /// Whether `/etc/group` lists the user in a group, and the group's id. The running session may not have the group
    /// yet.
    pub fn is_in_group(&self, name: &str) -> (bool, Option<u32>) {
        let groups = self.read("/etc/group").unwrap_or_default();
        let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name);
        let Some(fields) = fields else { return (false, None) };
        let member = fields.get(3).is_some_and(|names| names.split(',').any(|name| name == self.user.name));
        (member, fields.get(2).and_then(|gid| gid.parse().ok()))
    }

    /// The release of the running kernel, as in `uname -r`.
    pub fn kernel(&self) -> String {
        self.read("/proc/sys/kernel/osrelease").unwrap_or_default()
    }

    /// Whether this is a container, which shares its host's kernel.
    pub fn is_container(&self) -> bool {
        self.exists("/.dockerenv") || self.exists("/run/.containerenv") || self.exists("/run/systemd/container")
    }

    /// Whether the user's systemd instance can be reached.
    pub fn has_user_systemd(&self) -> bool {
        self.runtime_dir().is_some_and(|dir| self.exists(dir.join("systemd/private"))) && self.has_program("systemctl")
    }

    /// The command that installs a package, given its name in Debian, Fedora, Arch and openSUSE, without `sudo`. `None`
    /// on other distributions.
    pub fn install_command(&self, debian: &str, fedora: &str, arch: &str, suse: &str) -> Option<String> {
        let os = self.read("/etc/os-release").or_else(|| self.read("/usr/lib/os-release")).unwrap_or_default();
        let value = |key: &str| os.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
        let like = format!("{} {}", value("ID="), value("ID_LIKE=")).replace('"', "");
        like.split_whitespace().find_map(|id| match id {
            "debian" | "ubuntu" => Some(format!("apt install {debian}")),
            "fedora" | "rhel" => Some(format!("dnf install {fedora}")),
            "arch" => Some(format!("pacman -S {arch}")),
            "opensuse" | "suse" => Some(format!("zypper install {suse}")),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::fake::FakeMachine;

    #[test]
    fn install_command_matches_distribution() {
        for (os, expected) in [
            ("ID=debian", Some("apt install a")),
            ("NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"", Some("apt install a")),
            ("ID=fedora", Some("dnf install b")),
            ("ID=manjaro\nID_LIKE=arch", Some("pacman -S c")),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"", Some("zypper install d")),
            ("ID=nixos", None),
        ] {
            let machine = FakeMachine::new().with("/etc/os-release", os);
            assert_eq!(machine.system().install_command("a", "b", "c", "d").as_deref(), expected, "{os}");
        }
    }

    #[test]
    fn programs_are_found_in_path_and_in_roots_directories() {
        let machine =
            FakeMachine::new().with("/opt/tools/one", "").with("/usr/sbin/two", "").var("PATH", "/usr/bin:/opt/tools");
        let system = machine.system();
        assert_eq!(["one", "two", "three"].map(|name| system.has_program(name)), [true, true, false]);
    }
}
