//! Check of Secure Boot: whether the kernel accepts a module that was built on this machine.

use std::fs;

use super::{Finding, Module};
use crate::system::System;

const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Lists of the enrolled machine owner keys (MOK).
const ENROLLED: [&str; 2] = [
    "/sys/firmware/efi/mok-variables/MokListRT",
    "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23",
];

/// The certificate that DKMS signs modules with: the default, and that of Ubuntu.
const KEYS: [&str; 2] = ["/var/lib/dkms/mok.pub", "/var/lib/shim-signed/mok/MOK.der"];

/// Whether Secure Boot is on. The variable has four bytes of attributes, then one byte for the state.
pub(crate) fn is_on(system: &System) -> bool {
    fs::read(system.path(VARIABLE)).is_ok_and(|bytes| bytes.get(4) == Some(&1))
}

pub(super) fn check(system: &System, module: &Module) -> Option<Finding> {
    const CHECK: &str = "secure-boot";
    let enrol =
        "enrols the key; reboot and confirm it on the blue screen, or the module fails with \"Key was rejected\"";
    if matches!(module, Module::Missing { .. }) || system.is_container() {
        return None;
    }
    if !is_on(system) {
        return Some(Finding::ok(CHECK, "Secure Boot is off"));
    }
    if matches!(module, Module::Loaded { .. }) {
        return Some(Finding::ok(CHECK, "Secure Boot is on and accepts the kernel module"));
    }
    let Some(key) = KEYS.into_iter().find(|key| system.exists(key)) else {
        return Some(
            Finding::warn(CHECK, "Secure Boot is on, but there is no key to sign the kernel module")
                .fix("sudo dkms autoinstall --force", "creates a key and signs the module"),
        );
    };
    let command = format!("sudo mokutil --import {key}");
    Some(match is_enrolled(system, key) {
        Some(true) => Finding::ok(CHECK, "Secure Boot is on and the module signing key is enrolled"),
        Some(false) => {
            Finding::fail(CHECK, "Secure Boot is on, but the module signing key is not enrolled").fix(command, enrol)
        }
        None => Finding::warn(CHECK, "Secure Boot is on; cannot determine whether the module signing key is enrolled")
            .fix(command, enrol),
    })
}

/// Whether a list of enrolled keys contains the certificate; `None` if no list is readable.
fn is_enrolled(system: &System, key: &str) -> Option<bool> {
    let key = fs::read(system.path(key)).ok().filter(|key| !key.is_empty())?;
    let lists: Vec<_> = ENROLLED.iter().filter_map(|list| fs::read(system.path(list)).ok()).collect();
    (!lists.is_empty()).then(|| lists.iter().any(|list| list.windows(key.len()).any(|part| part == key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::{Level, tests::finding},
        system::fake::FakeMachine,
    };

    fn on() -> FakeMachine {
        FakeMachine::new().with(VARIABLE, [6, 0, 0, 0, 1]).without("/sys/module/v4l2loopback")
    }

    #[test]
    fn secure_boot_off_or_a_loaded_module_passes() {
        assert_eq!(finding(&FakeMachine::new(), "secure-boot").level, Level::Ok);
        assert_eq!(finding(&FakeMachine::new().with(VARIABLE, [6, 0, 0, 0, 1]), "secure-boot").level, Level::Ok);
    }

    #[test]
    fn the_signing_key_must_be_enrolled() {
        let key = "der of a certificate";
        let keyed = || on().with(KEYS[0], key);
        let enrolled = keyed().with(ENROLLED[1], format!("head{key}tail"));
        assert_eq!(finding(&enrolled, "secure-boot").level, Level::Ok);
        let foreign = finding(&keyed().with(ENROLLED[0], "another certificate"), "secure-boot");
        assert_eq!(foreign.level, Level::Fail);
        assert_eq!(foreign.fix.unwrap().command.unwrap(), "sudo mokutil --import /var/lib/dkms/mok.pub");
        assert_eq!(finding(&keyed(), "secure-boot").level, Level::Warn);
        assert_eq!(finding(&on(), "secure-boot").fix.unwrap().command.unwrap(), "sudo dkms autoinstall --force");
    }
}
