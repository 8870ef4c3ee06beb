//! The kernel module v4l2loopback: loaded, installed, or why it is not.

use std::path::Path;

use crate::system::System;

/// The module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Module {
    /// In the kernel; modules before 0.13 do not tell their version.
    Loaded {
        /// Such as `0.15.4`.
        version: Option<String>,
    },
    /// On the disk, for the running kernel.
    Installed,
    /// Not there.
    Missing(Why),
}

/// Why there is no module for the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The kernel is that of the container's host.
    Container,
    /// The kernel was replaced since the computer was started.
    Restart,
    /// Its source is there, but not what it takes to build it for this kernel.
    NoHeaders,
    /// It was to be built, and this version does not build for this kernel.
    NotBuilt {
        /// The version, such as `0.12.7`.
        version: String,
    },
    /// It was never installed.
    NeverInstalled,
}

impl Module {
    /// How the module of the running kernel is.
    pub(crate) fn of(system: &System) -> Self {
        if system.exists("/sys/module/v4l2loopback") {
            return Self::Loaded { version: system.read("/sys/module/v4l2loopback/version") };
        }
        let kernel = system.kernel();
        let modules = Path::new("/lib/modules").join(&kernel);
        // also where depmod has not run since
        let listed = system.read(modules.join("modules.dep")).unwrap_or_default().contains("/v4l2loopback.ko");
        let built = ["updates/dkms", "updates", "extra", "extra/v4l2loopback"]
            .iter()
            .any(|dir| system.names(modules.join(dir)).iter().any(|name| name.starts_with("v4l2loopback.ko")));
        if listed || built { Self::Installed } else { Self::Missing(why(system, &modules)) }
    }

    /// Whether it takes commands to make and remove virtual cameras: 0.13 and later.
    pub(crate) fn can_add(system: &System) -> bool {
        system.exists("/dev/v4l2loopback")
    }
}

/// The command that installs the module and what it is built with, without `sudo`.
pub(crate) fn packages(system: &System) -> Option<String> {
    let debian = format!("v4l2loopback-dkms linux-headers-{}", system.kernel());
    system.install_command(&debian, "v4l2loopback", "v4l2loopback-dkms linux-headers", "v4l2loopback-kmp-default")
}

/// Whether the module is loaded at every start of the computer, by our file or another.
pub(crate) fn loads_at_boot(system: &System) -> bool {
    const DIRS: [&str; 4] =
        ["/etc/modules-load.d", "/usr/lib/modules-load.d", "/usr/local/lib/modules-load.d", "/run/modules-load.d"];
    let files = DIRS.iter().flat_map(|dir| system.names(dir).into_iter().map(move |name| Path::new(dir).join(name)));
    let named = |text: String| text.lines().any(|line| line.trim() == "v4l2loopback");
    files.chain([Path::new("/etc/modules").to_owned()]).any(|file| system.read(file).is_some_and(named))
}

fn why(system: &System, modules: &Path) -> Why {
    if system.is_container() {
        return Why::Container;
    }
    if !system.exists(modules) {
        return if system.names("/lib/modules").is_empty() { Why::Container } else { Why::Restart };
    }
    let sources = system.names("/usr/src");
    let Some(version) = sources.iter().filter_map(|name| name.strip_prefix("v4l2loopback-")).next_back() else {
        return Why::NeverInstalled;
    };
    if !system.exists(modules.join("build")) {
        return Why::NoHeaders;
    }
    Why::NotBuilt { version: version.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::fake::{FakeMachine, KERNEL};

    #[test]
    fn a_module_is_loaded_or_installed_or_there_is_a_reason() {
        let modules = format!("/lib/modules/{KERNEL}");
        let unloaded = || FakeMachine::new().without("/sys/module/v4l2loopback");
        let missing = || unloaded().with(&format!("{modules}/modules.dep"), "kernel/vivid.ko:\n");
        let of = |twin: FakeMachine| Module::of(&twin.system());
        assert_eq!(of(FakeMachine::new()), Module::Loaded { version: Some("0.15.4".into()) });
        assert_eq!(
            of(FakeMachine::new().without("/sys/module/v4l2loopback/version")),
            Module::Loaded { version: None }
        );
        assert_eq!(of(unloaded()), Module::Installed);
        assert_eq!(of(missing().with(&format!("{modules}/updates/dkms/v4l2loopback.ko.xz"), "")), Module::Installed);
        assert_eq!(of(missing()), Module::Missing(Why::NeverInstalled));
        let source = || missing().with("/usr/src/v4l2loopback-0.12.7/dkms.conf", "");
        assert_eq!(of(source()), Module::Missing(Why::NotBuilt { version: "0.12.7".into() }));
        assert_eq!(of(source().without(&format!("{modules}/build"))), Module::Missing(Why::NoHeaders));
        let replaced = || missing().without(&modules);
        assert_eq!(of(replaced().with("/lib/modules/6.1.0-31-amd64/modules.dep", "")), Module::Missing(Why::Restart));
        assert_eq!(of(replaced()), Module::Missing(Why::Container));
        assert_eq!(of(missing().with("/run/.containerenv", "")), Module::Missing(Why::Container));
    }
}
