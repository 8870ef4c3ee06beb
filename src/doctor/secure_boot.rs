//! Secure Boot: whether the kernel takes a module that was built on this machine.

use std::fs;

use super::{Finding, Module};
use crate::system::System;

const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// The keys that the owner has enrolled, as the kernel got them from the boot loader.
const ENROLLED: [&str; 2] = [
    "/sys/firmware/efi/mok-variables/MokListRT",
    "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23",
];

/// Where DKMS keeps the key that it signs with, on Debian and others, and on Ubuntu.
const KEYS: [&str; 2] = ["/var/lib/dkms/mok.pub", "/var/lib/shim-signed/mok/MOK.der"];

/// Whether Secure Boot is on: four bytes of attributes, then one that says it.
pub(crate) fn is_on(system: &System) -> bool {
    fs::read(system.path(VARIABLE)).is_ok_and(|bytes| bytes.get(4) == Some(&1))
}

pub(super) fn check(system: &System, module: &Module) -> Option<Finding> {
    const CHECK: &str = "secure-boot";
    let rejected = "without it the kernel says \"Key was rejected\"; restart then, and enrol it in the blue screen";
    if matches!(module, Module::Missing { .. }) || system.is_container() {
        return None;
    }
    if !is_on(system) {
        return Some(Finding::ok(CHECK, "Secure Boot is off, and forbids no kernel module"));
    }
    if matches!(module, Module::Loaded { .. }) {
        return Some(Finding::ok(CHECK, "Secure Boot is on, and takes the kernel module"));
    }
    let Some(key) = KEYS.into_iter().find(|key| system.exists(key)) else {
        return Some(
            Finding::warn(CHECK, "Secure Boot is on, and there is no key that the kernel module could be signed with")
                .mend("sudo dkms autoinstall --force", "signs it with a key of this computer's"),
        );
    };
    let enroll = format!("sudo mokutil --import {key}");
    Some(match is_enrolled(system, key) {
        Some(true) => Finding::ok(CHECK, "Secure Boot is on, and knows the key of this computer"),
        Some(false) => {
            Finding::fail(CHECK, "Secure Boot does not know the key of this computer").mend(enroll, rejected)
        }
        None => Finding::warn(CHECK, "Secure Boot is on, and bgcam cannot see whether it knows this computer's key")
            .mend(enroll, rejected),
    })
}

/// Whether the certificate stands, byte for byte, in a list of enrolled ones; `None` where no list can be read.
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
    fn what_is_off_or_has_taken_the_module_is_ok() {
        assert_eq!(finding(&FakeMachine::new(), "secure-boot").level, Level::Ok);
        assert_eq!(finding(&FakeMachine::new().with(VARIABLE, [6, 0, 0, 0, 1]), "secure-boot").level, Level::Ok);
    }

    #[test]
    fn a_key_is_enrolled_or_has_to_be() {
        let key = "der of a certificate";
        let keyed = || on().with(KEYS[0], key);
        let enrolled = keyed().with(ENROLLED[1], format!("head{key}tail"));
        assert_eq!(finding(&enrolled, "secure-boot").level, Level::Ok);
        let foreign = finding(&keyed().with(ENROLLED[0], "another certificate of somebody's"), "secure-boot");
        assert_eq!(foreign.level, Level::Fail);
        assert_eq!(foreign.mend.unwrap().command.unwrap(), "sudo mokutil --import /var/lib/dkms/mok.pub");
        assert_eq!(finding(&keyed(), "secure-boot").level, Level::Warn);
        assert_eq!(finding(&on(), "secure-boot").mend.unwrap().command.unwrap(), "sudo dkms autoinstall --force");
    }
}
