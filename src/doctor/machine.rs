//! Checks of disk space, CPU features and ffmpeg.

use std::path::Path;

use super::{Facts, Finding};
use crate::{error::io_text, system::System};

/// Free disk space below this is reported, in bytes.
const MIN_FREE_BYTES: u64 = 200 << 20;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let system = facts.system;
    let gallery = system.user_dir("XDG_DATA_HOME", ".local/share").join("bgcam/gallery");
    let state = system.user_dir("XDG_STATE_HOME", ".local/state").join("bgcam");
    vec![
        disk(system, "disk-gallery", &gallery, "gallery"),
        disk(system, "disk-state", &state, "state directory"),
        cpu(system),
        ffmpeg(system),
    ]
}

fn disk(system: &System, check: &'static str, dir: &Path, what: &str) -> Finding {
    // a directory that does not exist yet will be created in its nearest existing ancestor
    let existing = dir.ancestors().find(|dir| system.exists(dir)).unwrap_or(Path::new("/"));
    let real = system.path(existing);
    if !system.probe().may_write(&real) {
        return Finding::warn(check, format!("{what}: no permission to write to {}", existing.display()))
            .fix(format!("sudo chown -R {} {}", system.user.name, existing.display()), "makes you the owner");
    }
    match system.probe().free_bytes(&real) {
        Ok(free) if free < MIN_FREE_BYTES => {
            let text = format!("{what}: only {} MB free in {}", free >> 20, existing.display());
            Finding::warn(check, text).fix(
                format!("du -xh -d 2 {} | sort -h | tail", system.user.home.display()),
                "shows what uses the space",
            )
        }
        Ok(free) => Finding::ok(check, format!("{what}: enough free space ({} GB)", free >> 30)),
        Err(error) => Finding::warn(
            check,
            format!("{what}: cannot determine the free space in {}: {}", existing.display(), io_text(&error)),
        )
        .fix(format!("df -h {}", existing.display()), "shows details"),
    }
}

fn cpu(system: &System) -> Finding {
    const CHECK: &str = "cpu";
    let text = system.read("/proc/cpuinfo").unwrap_or_default();
    let value = |line: &str, key: &str| {
        line.strip_prefix(key).and_then(|rest| rest.split_once(':')).map(|(_, value)| value.to_owned())
    };
    let cores = text.lines().filter(|line| value(line, "processor").is_some()).count().max(1);
    // x86 calls them flags, Arm features
    let flags =
        text.lines().find_map(|line| value(line, "flags").or_else(|| value(line, "Features"))).unwrap_or_default();
    let has = |name: &str| flags.split_whitespace().any(|flag| flag == name);
    let counted = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let fast = [("avx512bw", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON")].into_iter().find(|(flag, _)| has(flag));
    match fast {
        None => Finding::warn(CHECK, format!("the CPU is slow ({counted}, no AVX2): the frame rate may be low"))
            .advice("set mask.quality = \"eco\" and output.size = \"640x480\" to reduce the load"),
        Some((_, name)) if cores == 1 => {
            Finding::warn(CHECK, format!("the CPU has only one core ({name}), which the video app needs too"))
                .advice("set mask.quality = \"eco\" to reduce the load")
        }
        Some((_, name)) => Finding::ok(CHECK, format!("CPU is fast enough ({counted}, {name})")),
    }
}

fn ffmpeg(system: &System) -> Finding {
    const CHECK: &str = "ffmpeg";
    if system.has_program("ffmpeg") {
        return Finding::ok(CHECK, "ffmpeg is installed");
    }
    let finding = Finding::warn(CHECK, "ffmpeg is not installed: video files are not supported");
    let why = "needed for video files only";
    match system.install_command("ffmpeg", "ffmpeg-free", "ffmpeg", "ffmpeg") {
        Some(install) => finding.fix(format!("sudo {install}"), why),
        None => finding.advice(format!("install ffmpeg: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        doctor::{Level, tests::finding},
        system::fake::FakeMachine,
    };

    #[test]
    fn disks_have_free_space_and_are_writable() {
        for check in ["disk-gallery", "disk-state"] {
            assert_eq!(finding(&FakeMachine::new(), check).level, Level::Ok);
            let full = finding(&FakeMachine::new().fake(|fake| fake.free = 5 << 20), check);
            assert!(full.level == Level::Warn && full.text.contains("only 5 MB free in /home/ada"), "{full:?}");
            let locked = finding(&FakeMachine::new().fake(|fake| fake.locked = vec!["/home/ada".into()]), check);
            assert!(locked.fix.unwrap().command.unwrap().starts_with("sudo chown -R ada /home/ada"));
        }
    }

    #[test]
    fn cpu_features_are_recognized() {
        let cpu = |text: &str| finding(&FakeMachine::new().with("/proc/cpuinfo", text), "cpu");
        assert!(finding(&FakeMachine::new(), "cpu").text.contains("2 cores, AVX2"));
        let arm = cpu("processor\t: 0\nFeatures\t: fp asimd\nprocessor\t: 1\nFeatures\t: fp asimd\n");
        assert!(arm.level == Level::Ok && arm.text.contains("NEON"));
        assert!(cpu("processor : 0\nprocessor : 1\nflags : avx2 avx512bw\n").text.contains("AVX-512"));
        assert_eq!(cpu("processor : 0\nprocessor : 1\nflags : sse4_2\n").level, Level::Warn);
        assert_eq!(cpu("processor : 0\nflags : avx2\n").level, Level::Warn);
    }

    #[test]
    fn ffmpeg_is_found_or_the_fix_installs_it() {
        assert_eq!(finding(&FakeMachine::new(), "ffmpeg").level, Level::Ok);
        let found = finding(&FakeMachine::new().without("/usr/bin/ffmpeg"), "ffmpeg");
        assert!(found.level == Level::Warn && found.fix.unwrap().command.unwrap() == "sudo apt install ffmpeg");
    }
}
