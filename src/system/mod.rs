//! The machine as `doctor` and `setup` see it: files below a root, the environment, the user, and a probe for the rest.
//!
//! With another root and another probe it is a twin, in which tests break one thing at a time.

mod real;
#[cfg(test)]
pub(crate) mod twin;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

pub use self::real::Real;
pub use crate::camera::Cameras;
use crate::{control::protocol::Status, error::Failure, mask, paths, v4l2::holders::Holder};

/// What a program said until its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Whether it ended with status 0.
    pub ok: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// ONNX Runtime as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its file.
    pub path: PathBuf,
    /// Its version, as it says itself.
    pub version: Option<String>,
}

/// What files do not tell. Nothing here takes longer than a second.
pub trait Probe: std::fmt::Debug + Send + Sync {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// When it is not installed, can't be run or takes longer than a second.
    fn run(&self, command: &[&str]) -> io::Result<Ran>;

    /// Runs a program that changes something: it may talk to the user, and takes as long as it takes.
    ///
    /// # Errors
    /// When it can't be run, or ends with another status than 0.
    fn change(&self, command: &[String], input: &str) -> io::Result<()>;

    /// The webcams, with what each offers.
    fn cameras(&self) -> Cameras;

    /// Who has a device open.
    fn holders(&self, node: &Path) -> Vec<Holder>;

    /// Whether this user may write to a file.
    fn may_write(&self, path: &Path) -> bool;

    /// How many bytes there is room for.
    ///
    /// # Errors
    /// When the file system does not say.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Loads ONNX Runtime.
    ///
    /// # Errors
    /// When there is none, or none that can be used.
    fn onnx_runtime(&self, settings: &mask::Settings) -> Result<Library, Failure>;

    /// Loads the library of PipeWire.
    ///
    /// # Errors
    /// When there is none, or bgcam was built without it.
    fn pipewire_library(&self) -> Result<(), Failure>;

    /// Asks the daemon that serves in `dir` how it is; `None` when there is none.
    ///
    /// # Errors
    /// When it does not answer.
    fn daemon(&self, dir: &Path) -> Result<Option<Status>, Failure>;
}

/// Whose camera it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The main group's number.
    pub gid: u32,
    /// The name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
    /// The numbers of the groups that this session has.
    pub groups: Vec<u32>,
}

/// The machine.
#[derive(Debug)]
pub struct System {
    root: PathBuf,
    variables: BTreeMap<String, String>,
    /// The user; with `sudo`, the one who called it.
    pub user: User,
    /// Whether this process may do everything.
    pub as_root: bool,
    /// The running program.
    pub program: PathBuf,
    probe: Box<dyn Probe>,
}

impl System {
    /// A machine below `root`.
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

    /// What files do not tell.
    pub fn probe(&self) -> &dyn Probe {
        &*self.probe
    }

    /// Where the file `path` of this machine really lies.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The trimmed text of a file; `None` when it is missing, empty or no text.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether something is at `path`.
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

    /// A variable of the environment that is not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables of the environment.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A directory of the user's by the XDG rules, as this machine names it.
    pub fn user_dir(&self, variable: &str, below_home: &str) -> PathBuf {
        paths::absolute(self.var(variable)).unwrap_or_else(|| self.user.home.join(below_home))
    }

    /// The session's directory for sockets.
    pub fn runtime_dir(&self) -> Option<PathBuf> {
        paths::absolute(self.var("XDG_RUNTIME_DIR"))
    }

    /// The directory of the daemon's socket, as [`paths::runtime_dir`] says it.
    pub fn daemon_dir(&self) -> PathBuf {
        match self.runtime_dir() {
            Some(dir) => self.path(dir.join("bgcam")),
            None => paths::runtime_dir(),
        }
    }

    /// Whether a program is installed, as the shell would find it, and for root's programs too.
    pub fn has_program(&self, name: &str) -> bool {
        let dirs = self.var("PATH").unwrap_or_default().split(':').chain(["/usr/sbin", "/sbin"]);
        dirs.filter(|dir| dir.starts_with('/')).any(|dir| self.path(dir).join(name).is_file())
    }

    /// Whether the user is in a group, maybe since after this session began; and the group's number.
    pub fn is_in_group(&self, name: &str) -> (bool, Option<u32>) {
        let groups = self.read("/etc/group").unwrap_or_default();
        let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name);
        let Some(fields) = fields else { return (false, None) };
        let member = fields.get(3).is_some_and(|names| names.split(',').any(|name| name == self.user.name));
        (member, fields.get(2).and_then(|gid| gid.parse().ok()))
    }

    /// The running kernel's release, as `uname -r` says it.
    pub fn kernel(&self) -> String {
        self.read("/proc/sys/kernel/osrelease").unwrap_or_default()
    }

    /// Whether this is a container, whose kernel is its host's.
    pub fn is_container(&self) -> bool {
        self.exists("/.dockerenv") || self.exists("/run/.containerenv") || self.exists("/run/systemd/container")
    }

    /// Whether the user's own systemd is there to be spoken to.
    pub fn has_user_systemd(&self) -> bool {
        self.runtime_dir().is_some_and(|dir| self.exists(dir.join("systemd/private"))) && self.has_program("systemctl")
    }

    /// The command that installs packages, each named as Debian, Fedora, Arch and openSUSE have it; without root's part.
    /// `None` on other distributions.
    pub fn install(&self, debian: &str, fedora: &str, arch: &str, suse: &str) -> Option<String> {
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
    use super::twin::Twin;

    #[test]
    fn packages_are_installed_as_the_distribution_does() {
        for (os, expected) in [
            ("ID=debian", Some("apt install a")),
            ("NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"", Some("apt install a")),
            ("ID=fedora", Some("dnf install b")),
            ("ID=manjaro\nID_LIKE=arch", Some("pacman -S c")),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"", Some("zypper install d")),
            ("ID=nixos", None),
        ] {
            let twin = Twin::new().with("/etc/os-release", os);
            assert_eq!(twin.system().install("a", "b", "c", "d").as_deref(), expected, "{os}");
        }
    }

    #[test]
    fn programs_are_looked_for_in_the_path_and_where_root_has_them() {
        let twin = Twin::new().with("/opt/tools/one", "").with("/usr/sbin/two", "").var("PATH", "/usr/bin:/opt/tools");
        let system = twin.system();
        assert_eq!(["one", "two", "three"].map(|name| system.has_program(name)), [true, true, false]);
    }
}
