//! The computer itself: room on the disk, what the CPU can do, ffmpeg.

use std::path::Path;

use super::{Facts, Finding};
use crate::{error::io_text, system::System};

/// Less room than this, and a few pictures fill the disk.
const ROOM: u64 = 200 << 20;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let system = facts.system;
    let gallery = system.user_dir("XDG_DATA_HOME", ".local/share").join("bgcam/gallery");
    let state = system.user_dir("XDG_STATE_HOME", ".local/state").join("bgcam");
    vec![
        disk(system, "disk-gallery", &gallery, "pictures made of words"),
        disk(system, "disk-state", &state, "what you chose last"),
        cpu(system),
        ffmpeg(system),
    ]
}

fn disk(system: &System, check: &'static str, dir: &Path, what: &str) -> Finding {
    // what is not there yet will be made in the first of these that is
    let there = dir.ancestors().find(|dir| system.exists(dir)).unwrap_or(Path::new("/"));
    let real = system.path(there);
    if !system.probe().may_write(&real) {
        return Finding::warn(check, format!("{what}: you may not write to {}", there.display()))
            .mend(format!("sudo chown -R {} {}", system.user.name, there.display()), "it should be yours");
    }
    match system.probe().free_bytes(&real) {
        Ok(free) if free < ROOM => {
            let text = format!("{what}: there are only {} MB left in {}", free >> 20, there.display());
            Finding::warn(check, text).mend(
                format!("du -xh -d 2 {} | sort -h | tail", system.user.home.display()),
                "shows what takes the room",
            )
        }
        Ok(free) => Finding::ok(check, format!("{what}: there is room ({} GB)", free >> 30)),
        Err(error) => Finding::warn(
            check,
            format!("{what}: cannot ask how much room there is in {}: {}", there.display(), io_text(&error)),
        )
        .mend(format!("df -h {}", there.display()), "may tell more"),
    }
}

fn cpu(system: &System) -> Finding {
    const CHECK: &str = "cpu";
    let text = system.read("/proc/cpuinfo").unwrap_or_default();
    let value = |line: &str, key: &str| {
        line.strip_prefix(key).and_then(|rest| rest.split_once(':')).map(|(_, value)| value.to_owned())
    };
    let cores = text.lines().filter(|line| value(line, "processor").is_some()).count().max(1);
    // the first is x86's, the second Arm's
    let flags =
        text.lines().find_map(|line| value(line, "flags").or_else(|| value(line, "Features"))).unwrap_or_default();
    let has = |name: &str| flags.split_whitespace().any(|flag| flag == name);
    let counted = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let fast = [("avx512bw", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON")].into_iter().find(|(flag, _)| has(flag));
    match fast {
        None => Finding::warn(CHECK, format!("the processor is old ({counted}, no AVX2): pictures may come slowly"))
            .advice("mask.quality = \"eco\" and output.size = \"640x480\" in the settings make the least work"),
        Some((_, name)) if cores == 1 => {
            Finding::warn(CHECK, format!("the processor has one core ({name}), which the video app needs too"))
                .advice("mask.quality = \"eco\" in the settings makes the least work")
        }
        Some((_, name)) => Finding::ok(CHECK, format!("the processor is fit for it ({counted}, {name})")),
    }
}

fn ffmpeg(system: &System) -> Finding {
    const CHECK: &str = "ffmpeg";
    if system.has_program("ffmpeg") {
        return Finding::ok(CHECK, "ffmpeg is there, for videos");
    }
    let finding = Finding::warn(CHECK, "ffmpeg is missing: no videos can be read or written");
    let why = "needed only for videos";
    match system.install_command("ffmpeg", "ffmpeg-free", "ffmpeg", "ffmpeg") {
        Some(install) => finding.mend(format!("sudo {install}"), why),
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
    fn disks_have_room_and_are_ours() {
        for check in ["disk-gallery", "disk-state"] {
            assert_eq!(finding(&FakeMachine::new(), check).level, Level::Ok);
            let full = finding(&FakeMachine::new().fake(|fake| fake.free = 5 << 20), check);
            assert!(full.level == Level::Warn && full.text.contains("only 5 MB left in /home/ada"), "{full:?}");
            let locked = finding(&FakeMachine::new().fake(|fake| fake.locked = vec!["/home/ada".into()]), check);
            assert!(locked.mend.unwrap().command.unwrap().starts_with("sudo chown -R ada /home/ada"));
        }
    }

    #[test]
    fn processors_are_told_apart() {
        let cpu = |text: &str| finding(&FakeMachine::new().with("/proc/cpuinfo", text), "cpu");
        assert!(finding(&FakeMachine::new(), "cpu").text.contains("2 cores, AVX2"));
        let arm = cpu("processor\t: 0\nFeatures\t: fp asimd\nprocessor\t: 1\nFeatures\t: fp asimd\n");
        assert!(arm.level == Level::Ok && arm.text.contains("NEON"));
        assert!(cpu("processor : 0\nprocessor : 1\nflags : avx2 avx512bw\n").text.contains("AVX-512"));
        assert_eq!(cpu("processor : 0\nprocessor : 1\nflags : sse4_2\n").level, Level::Warn);
        assert_eq!(cpu("processor : 0\nflags : avx2\n").level, Level::Warn);
    }

    #[test]
    fn ffmpeg_is_there_or_is_installed() {
        assert_eq!(finding(&FakeMachine::new(), "ffmpeg").level, Level::Ok);
        let found = finding(&FakeMachine::new().without("/usr/bin/ffmpeg"), "ffmpeg");
        assert!(found.level == Level::Warn && found.mend.unwrap().command.unwrap() == "sudo apt install ffmpeg");
    }
}
