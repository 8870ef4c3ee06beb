//! Laptops whose camera needs libcamera and PipeWire: what is missing.

use super::Finding;
use crate::system::System;

/// Folders of libraries in Debian, Fedora and Arch.
const LIBRARIES: [&str; 4] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/// Drivers of cameras that deliver raw images.
const DRIVERS: &str = "/sys/bus/pci/drivers";

/// Whether the built-in camera cannot be used as a webcam.
pub(super) fn is_needed(system: &System) -> bool {
    system.names(DRIVERS).iter().any(|name| name.starts_with("intel-ipu"))
}

/// Explains why the built-in camera is not available.
pub(super) fn missing(system: &System) -> Finding {
    const CHECK: &str = "webcam";
    const CAMERA: &str = "the built-in camera (Intel IPU) needs libcamera and PipeWire";
    let has_firmware = ["/lib/firmware/intel", "/usr/lib/firmware/intel"].iter().any(|dir| has(system, dir, "ipu"));
    let libraries = || LIBRARIES.iter();
    let has_libcamera = libraries().any(|dir| has(system, dir, "libcamera.so"));
    let has_plugin = libraries().any(|dir| has(system, &format!("{dir}/spa-0.2/libcamera"), "libspa-libcamera.so"));
    let lacks = match (has_firmware, has_libcamera, has_plugin) {
        (false, ..) => {
            let packages = ("firmware-misc-nonfree", "linux-firmware", "linux-firmware", "kernel-firmware-intel");
            Some(("its firmware", packages))
        }
        (_, false, _) => Some(("libcamera", LIBCAMERA)),
        (.., false) => Some(("the libcamera plugin of PipeWire", LIBCAMERA)),
        _ => None,
    };
    let Some((what, (debian, fedora, arch, suse))) = lacks else {
        return Finding::fail(CHECK, format!("{CAMERA}, which do not list it")).fix(
            "systemctl --user restart wireplumber",
            "makes it scan for cameras again; otherwise use a USB webcam",
        );
    };
    let finding = Finding::fail(CHECK, format!("{CAMERA}: {what} is not installed"));
    match system.install_command(debian, fedora, arch, suse).filter(|command| !command.ends_with(' ')) {
        Some(install) => finding.fix(format!("sudo {install}"), "log out and back in afterwards"),
        None => finding.advice(format!("install {what}, then log out and back in")),
    }
}

/// Packages of libcamera and of the plugin in Debian, Fedora, Arch and (unknown) openSUSE.
const LIBCAMERA: (&str, &str, &str, &str) = (
    "libcamera-ipa pipewire-libcamera",
    "libcamera-ipa pipewire-plugin-libcamera",
    "libcamera-ipa pipewire-libcamera",
    "",
);

/// Whether a directory has an entry with this prefix.
fn has(system: &System, dir: &str, prefix: &str) -> bool {
    system.names(dir).iter().any(|name| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use crate::{
        doctor::{Level, tests::finding},
        system::{Cameras, fake::FakeMachine},
    };

    #[test]
    fn what_the_built_in_camera_needs_is_named() {
        let mut machine = FakeMachine::new()
            .fake(|fake| fake.cameras = Cameras::default())
            .with("/sys/bus/pci/drivers/intel-ipu6/bind", "");
        let plugin = "/usr/lib64/spa-0.2/libcamera/libspa-libcamera.so";
        let steps = [
            ("/lib/firmware/intel/ipu6epmtl_fw.bin", "its firmware", "sudo apt install firmware-misc-nonfree"),
            ("/usr/lib64/libcamera.so.0.2", ": libcamera is", "sudo apt install libcamera-ipa pipewire-libcamera"),
            (plugin, "the libcamera plugin of PipeWire", "sudo apt install libcamera-ipa pipewire-libcamera"),
        ];
        for (file, lacks, command) in steps {
            let found = finding(&machine, "webcam");
            assert!(found.level == Level::Fail && found.text.contains(lacks), "{found:?}");
            assert_eq!(found.fix.unwrap().command.unwrap(), command);
            machine = machine.with(file, "");
        }
        let found = finding(&machine, "webcam");
        assert!(found.text.ends_with("which do not list it"), "{found:?}");
        assert_eq!(found.fix.unwrap().command.unwrap(), "systemctl --user restart wireplumber");
        let other = machine.with("/etc/os-release", "ID=nixos").without("/usr/lib64/libcamera.so.0.2");
        assert!(finding(&other, "webcam").fix.unwrap().text.contains("install libcamera"));
    }
}
