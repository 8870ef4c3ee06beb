//! State of the kernel module v4l2loopback: loaded, installed, or the reason why it is missing.

use std::path::Path;

use crate::system::System;

/// State of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Module {
    /// Loaded into the kernel. Versions before 0.13 do not report their version.
    Loaded {
        /// Such as `0.15.4`.
        version: Option<String>,
    },
    /// Installed for the running kernel, not loaded.
    Installed,
    /// Not installed for the running kernel.
    Missing(MissingReason),
}

/// Why the module is missing for the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MissingReason {
    /// This is a container: the kernel belongs to the host.
    Container,
    /// The kernel was updated after the last boot.
    RebootNeeded,
    /// The module's source is installed, the kernel headers are not.
    HeadersMissing,
    /// The source and the headers are installed, but the module was not built.
    BuildFailed {
        /// The version, such as `0.12.7`.
        version: String,
    },
    /// The module's package is not installed.
    NotInstalled,
}

impl Module {
    /// Determines the state for the running kernel.
    pub(crate) fn of(system: &System) -> Self {
        if system.exists("/sys/module/v4l2loopback") {
            return Self::Loaded { version: system.read("/sys/module/v4l2loopback/version") };
        }
        let kernel = system.kernel();
        let modules = Path::new("/lib/modules").join(&kernel);
        // modules.dep may be out of date
        let listed = system.read(modules.join("modules.dep")).unwrap_or_default().contains("/v4l2loopback.ko");
        let built = ["updates/dkms", "updates", "extra", "extra/v4l2loopback"]
            .iter()
            .any(|dir| system.names(modules.join(dir)).iter().any(|name| name.starts_with("v4l2loopback.ko")));
        if listed || built { Self::Installed } else { Self::Missing(missing_reason(system, &modules)) }
    }

    /// Whether the loaded module can add and remove virtual cameras at run time: 0.13 and later.
    pub(crate) fn can_add(system: &System) -> bool {
        system.exists("/dev/v4l2loopback")
    }
}

/// The command that installs the module and its build dependencies, without `sudo`.
pub(crate) fn packages(system: &System) -> Option<String> {
    let debian = format!("v4l2loopback-dkms linux-headers-{}", system.kernel());
    system.install_command(&debian, "v4l2loopback", "v4l2loopback-dkms linux-headers", "v4l2loopback-kmp-default")
}

/// Whether any configuration file loads the module at boot.
pub(crate) fn loads_at_boot(system: &System) -> bool {
    const DIRS: [&str; 4] =
        ["/etc/modules-load.d", "/usr/lib/modules-load.d", "/usr/local/lib/modules-load.d", "/run/modules-load.d"];
    let files = DIRS.iter().flat_map(|dir| system.names(dir).into_iter().map(move |name| Path::new(dir).join(name)));
    let named = |text: String| text.lines().any(|line| line.trim() == "v4l2loopback");
    files.chain([Path::new("/etc/modules").to_owned()]).any(|file| system.read(file).is_some_and(named))
}

fn missing_reason(system: &System, modules: &Path) -> MissingReason {
    if system.is_container() {
        return MissingReason::Container;
    }
    if !system.exists(modules) {
        return if system.names("/lib/modules").is_empty() {
            MissingReason::Container
        } else {
            MissingReason::RebootNeeded
        };
    }
    let sources = system.names("/usr/src");
    let Some(version) = sources.iter().filter_map(|name| name.strip_prefix("v4l2loopback-")).next_back() else {
        return MissingReason::NotInstalled;
    };
    if !system.exists(modules.join("build")) {
        return MissingReason::HeadersMissing;
    }
    MissingReason::BuildFailed { version: version.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::fake::{FakeMachine, KERNEL};

    #[test]
    fn the_state_of_the_module_is_recognized() {
        let modules = format!("/lib/modules/{KERNEL}");
        let unloaded = || FakeMachine::new().without("/sys/module/v4l2loopback");
        let missing = || unloaded().with(&format!("{modules}/modules.dep"), "kernel/vivid.ko:\n");
        let of = |machine: FakeMachine| Module::of(&machine.system());
        assert_eq!(of(FakeMachine::new()), Module::Loaded { version: Some("0.15.4".into()) });
        assert_eq!(
            of(FakeMachine::new().without("/sys/module/v4l2loopback/version")),
            Module::Loaded { version: None }
        );
        assert_eq!(of(unloaded()), Module::Installed);
        assert_eq!(of(missing().with(&format!("{modules}/updates/dkms/v4l2loopback.ko.xz"), "")), Module::Installed);
        assert_eq!(of(missing()), Module::Missing(MissingReason::NotInstalled));
        let source = || missing().with("/usr/src/v4l2loopback-0.12.7/dkms.conf", "");
        assert_eq!(of(source()), Module::Missing(MissingReason::BuildFailed { version: "0.12.7".into() }));
        assert_eq!(of(source().without(&format!("{modules}/build"))), Module::Missing(MissingReason::HeadersMissing));
        let replaced = || missing().without(&modules);
        assert_eq!(
            of(replaced().with("/lib/modules/6.1.0-31-amd64/modules.dep", "")),
            Module::Missing(MissingReason::RebootNeeded)
        );
        assert_eq!(of(replaced()), Module::Missing(MissingReason::Container));
        assert_eq!(of(missing().with("/run/.containerenv", "")), Module::Missing(MissingReason::Container));
    }
}
