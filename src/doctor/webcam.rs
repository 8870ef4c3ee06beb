//! The webcam: there, allowed, free, and good enough.

use std::{cmp::Reverse, path::Path};

use super::{Facts, Finding};
use crate::{
    camera::{self, CameraError, Device, Format, Unreadable},
    frame::Size,
    sink::LABEL,
    system::{Cameras, System},
};

/// Fewer pictures a second look jerky.
const SMOOTH: f64 = 24.0;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let wanted = facts.config.camera.device.trim();
    if wanted == "demo" || wanted.starts_with("file:") {
        return vec![Finding::ok("webcam", format!("the settings choose {wanted:?}, which needs no webcam"))];
    }
    let cameras = facts.system.probe().cameras();
    // the one that the daemon takes, or the one that it would take if it could
    let first = || cameras.devices.iter().find(|device| is_auto(wanted) && !device.virtual_);
    let selected = camera::select(&facts.config.camera, &cameras);
    let chosen = selected.as_ref().ok().copied().or_else(first);
    let mut findings = vec![match (chosen, &selected) {
        (Some(camera), _) => there(camera, wanted),
        (None, Err(CameraError::Unreadable(camera))) => unreadable(camera),
        (None, _) => missing(facts.system, &cameras, wanted),
    }];
    findings.extend(cameras.denied.as_deref().map(|node| denied(facts.system, node)));
    if let Some(camera) = chosen {
        findings.push(free(facts, camera));
        findings.push(formats(facts, camera));
    }
    findings
}

const CHECK: &str = "webcam";

fn there(camera: &Device, wanted: &str) -> Finding {
    let text = format!("{} is there ({})", camera.name, camera.path.display());
    if camera.is_infrared() && is_auto(wanted) {
        return Finding::warn(CHECK, format!("{text}, and it is an infrared camera, which shows you in gray"))
            .advice("no other webcam was found: plug one in, or look for a switch or shutter that turns it off");
    }
    Finding::ok(CHECK, text)
}

fn is_auto(wanted: &str) -> bool {
    matches!(wanted, "" | "auto")
}

fn unreadable(camera: &Unreadable) -> Finding {
    Finding::fail(CHECK, format!("{} ({}) {}", camera.name, camera.path.display(), camera.why))
        .advice("a USB webcam works; so does this one once GStreamer, say, copies it to a v4l2loopback")
}

/// Why there is no webcam.
fn missing(system: &System, cameras: &Cameras, wanted: &str) -> Finding {
    let real: Vec<_> = cameras.devices.iter().filter(|device| !device.virtual_).collect();
    if !real.is_empty() {
        let names: Vec<_> = real.iter().map(|device| format!("{:?}", device.name)).collect();
        let text = format!("the settings want the camera {wanted:?}, which is not there");
        return Finding::fail(CHECK, text)
            .advice(format!("set camera.device to \"auto\" or one of {}", names.join(", ")));
    }
    if cameras.denied.is_some() {
        return Finding::fail(CHECK, "there is a webcam, but bgcam cannot look at it").advice("the next line says why");
    }
    if system.names("/sys/bus/pci/drivers").iter().any(|name| name.starts_with("intel-ipu")) {
        return Finding::fail(CHECK, "this laptop's own camera (Intel IPU) gives pictures to libcamera only")
            .advice("a USB webcam works; so does the demo camera: bgcam daemon --camera demo");
    }
    Finding::fail(CHECK, "no webcam is plugged in, or a switch or shutter has turned it off")
        .mend("bgcam daemon --camera demo", "works without one: a demo camera stands in for it")
}

fn denied(system: &System, node: &Path) -> Finding {
    const CHECK: &str = "webcam-permission";
    let text = format!("you may not open {}", node.display());
    let (member, gid) = system.is_in_group("video");
    if member && !gid.is_some_and(|gid| system.user.groups.contains(&gid)) {
        return Finding::fail(CHECK, text)
            .advice("you are in the group video since a moment ago: log out and in again");
    }
    Finding::fail(CHECK, text).mend(
        format!("sudo usermod -aG video {}", system.user.name),
        "cameras belong to the group video; log in again then",
    )
}

fn free(facts: &Facts<'_>, camera: &Device) -> Finding {
    const CHECK: &str = "webcam-free";
    let ours = facts.status().map(|status| status.pid);
    let holders = facts.system.probe().holders(&camera.path);
    let other = holders.iter().find(|holder| Some(holder.pid) != ours && !is_server(&holder.name));
    match other {
        Some(holder) => Finding::warn(CHECK, format!("{holder} has the webcam open, and only one program can use it"))
            .advice(format!("in {}, choose the camera {LABEL:?} in its place, or close it", holder.name)),
        None if holders.iter().any(|holder| Some(holder.pid) == ours) => Finding::ok(CHECK, "bgcam itself uses it now"),
        None => Finding::ok(CHECK, "no other program uses it"),
    }
}

/// Programs that look at cameras without taking pictures; where an app reads one through them, the app is not to be seen.
fn is_server(name: &str) -> bool {
    matches!(name, "wireplumber" | "pipewire" | "pipewire-media-")
}

fn readable(camera: &Device) -> impl Iterator<Item = &Format> {
    camera.formats.iter().filter(|format| camera::FOURCCS.contains(&format.fourcc.as_str()))
}

/// Between 5:4 and 21:9.
fn is_video_shaped(size: Size) -> bool {
    (1.25..=2.4).contains(&(size.width() as f64 / size.height() as f64))
}

fn fastest(format: &Format) -> f64 {
    format.rates.iter().copied().fold(0.0, f64::max)
}

fn formats(facts: &Facts<'_>, camera: &Device) -> Finding {
    const CHECK: &str = "webcam-formats";
    if !camera.is_readable() {
        let mut offered: Vec<_> = camera.formats.iter().map(|format| format.fourcc.as_str()).collect();
        offered.dedup();
        let text = format!("it gives {} only, which bgcam cannot read", offered.join(", "));
        return Finding::fail(CHECK, text).mend("bgcam devices", "shows whether another camera can be read");
    }
    let size = facts.config.size;
    let enough = |format: &&Format| format.size.width() >= size.width() && format.size.height() >= size.height();
    // in colour, fast enough, and then no larger than needed
    let worth = |format: &&Format| {
        let rate = fastest(format);
        let smooth = format.rates.is_empty() || rate >= SMOOTH;
        (format.fourcc != "GREY", smooth, Reverse(format.size.luma_len()), rate as u32)
    };
    let best = readable(camera).filter(enough).max_by_key(worth);
    match best {
        None => {
            let area = |format: &&Format| format.size.luma_len();
            let largest = readable(camera).max_by_key(area).map(|format| format.size.to_string()).unwrap_or_default();
            let text = format!("its pictures are smaller ({largest}) than those that others see ({size})");
            // other people's apps expect the shape of a video, which a sensor for something else does not have
            let shaped = readable(camera).filter(|format| is_video_shaped(format.size)).max_by_key(area);
            Finding::warn(CHECK, text).advice(match shaped {
                Some(format) => {
                    format!("output.size = \"{}\" in the settings saves work and loses nothing", format.size)
                }
                None => format!("a webcam that gives {size} looks sharper"),
            })
        }
        // a driver that lists no rates may have any
        Some(format) if format.rates.is_empty() || fastest(format) >= SMOOTH => {
            let rate = if format.rates.is_empty() { String::new() } else { format!(" at {:.0} fps", fastest(format)) };
            Finding::ok(CHECK, format!("it gives {} {}{rate}", format.fourcc, format.size))
        }
        Some(format) => {
            let text = format!("at {size} it gives no more than {:.0} pictures a second", fastest(format));
            Finding::warn(CHECK, text)
                .advice("output.size = \"640x480\" in the settings may be faster; a USB 3 port too")
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        camera::{Device, Unreadable},
        doctor::{
            Level,
            tests::{finding, report},
        },
        system::{
            Cameras,
            fake::{FakeMachine, holder, webcam},
        },
    };

    fn with(fourcc: &str, size: &str, rate: f64) -> FakeMachine {
        FakeMachine::new().fake(|fake| fake.cameras.devices = vec![webcam(0, fourcc, size, rate)])
    }

    #[test]
    fn a_webcam_is_there_or_the_demo_camera_is_named() {
        assert_eq!(finding(&FakeMachine::new(), "webcam").text, "Logitech BRIO is there (/dev/video0)");
        let twin = FakeMachine::new().fake(|fake| fake.cameras = Cameras::default());
        let found = finding(&twin, "webcam");
        assert!(found.level == Level::Fail && !found.blocks, "{found:?}");
        assert_eq!(found.mend.unwrap().command.unwrap(), "bgcam daemon --camera demo");
        assert!(report(&twin).can_run);
        let ipu = finding(&twin.with("/sys/bus/pci/drivers/intel-ipu6/bind", ""), "webcam");
        assert!(ipu.text.contains("Intel IPU"), "{ipu:?}");
    }

    fn named(number: u32, name: &str, fourcc: &str, size: &str) -> Device {
        Device { name: name.into(), bus: format!("usb-{number}"), ..webcam(number, fourcc, size, 30.0) }
    }

    /// What the daemon takes is judged, and nobody is told to make a call square.
    #[test]
    fn an_infrared_camera_is_judged_only_where_there_is_no_other() {
        for fourcc in ["YUYV", "MJPG", "GREY"] {
            let infrared = named(0, "Integrated IR Camera: Integrate", fourcc, "340x340");
            let colour = named(1, "Integrated Camera: Integrated C", "MJPG", "1280x720");
            let both = FakeMachine::new().fake(|fake| fake.cameras.devices = vec![infrared.clone(), colour]);
            assert_eq!(finding(&both, "webcam").text, "Integrated Camera: Integrated C is there (/dev/video1)");
            assert_eq!(finding(&both, "webcam-formats").level, Level::Ok);
            let alone = FakeMachine::new().fake(|fake| fake.cameras.devices = vec![infrared]);
            let found = finding(&alone, "webcam");
            assert!(found.level == Level::Warn && found.text.contains("infrared"), "{found:?}");
            let advice = finding(&alone, "webcam-formats").mend.unwrap();
            assert!(!advice.why.contains("output.size") && advice.why.contains("1280x720"), "{advice:?}");
        }
    }

    #[test]
    fn a_camera_that_nobody_can_read_is_not_called_missing() {
        let camera =
            Unreadable { name: "ISP".into(), path: "/dev/video3".into(), why: "speaks only the multi-planar API" };
        let file = "/home/ada/.config/bgcam/bgcam.toml";
        for device in ["auto", "isp", "/dev/video3"] {
            let text = format!("[camera]\ndevice = {device:?}");
            let cameras = Cameras { unreadable: vec![camera.clone()], ..Cameras::default() };
            let found = finding(&FakeMachine::new().fake(|fake| fake.cameras = cameras).with(file, text), "webcam");
            assert_eq!(found.text, "ISP (/dev/video3) speaks only the multi-planar API", "{device}");
            assert!(found.level == Level::Fail && found.mend.unwrap().why.contains("USB webcam"));
        }
    }

    #[test]
    fn the_settings_choose_the_webcam() {
        let file = "/home/ada/.config/bgcam/bgcam.toml";
        let choose =
            |device: &str| finding(&FakeMachine::new().with(file, format!("[camera]\ndevice = {device:?}")), "webcam");
        for device in ["brio", "/dev/video0", "demo", "file:a.mp4"] {
            assert_eq!(choose(device).level, Level::Ok, "{device}");
        }
        let found = choose("nikon");
        assert!(found.level == Level::Fail && found.mend.unwrap().why.contains("\"Logitech BRIO\""));
    }

    #[test]
    fn a_closed_door_has_its_key() {
        let denied = |twin: FakeMachine| {
            let twin =
                twin.fake(|fake| fake.cameras = Cameras { denied: Some("/dev/video0".into()), ..Cameras::default() });
            finding(&twin, "webcam-permission")
        };
        let found = denied(FakeMachine::new().with("/etc/group", "video:x:44:\n").groups(&[1000]));
        assert!(found.level == Level::Fail && found.text.contains("/dev/video0"));
        assert_eq!(found.mend.unwrap().command.unwrap(), "sudo usermod -aG video ada");
        let found = denied(FakeMachine::new().groups(&[1000]));
        assert!(found.mend.unwrap().why.contains("log out and in again"));
        assert!(report(&FakeMachine::new()).findings().all(|finding| finding.check != "webcam-permission"));
    }

    #[test]
    fn whoever_holds_it_is_named() {
        assert_eq!(finding(&FakeMachine::new(), "webcam-free").level, Level::Ok);
        let held = |name| FakeMachine::new().fake(|fake| fake.holders = vec![("/dev/video0".into(), holder(7, name))]);
        assert_eq!(finding(&held("wireplumber"), "webcam-free").level, Level::Ok);
        let found = finding(&held("zoom"), "webcam-free");
        assert!(found.level == Level::Warn && found.text.contains("zoom (pid 7)"), "{found:?}");
    }

    #[test]
    fn what_it_gives_is_weighed() {
        assert_eq!(finding(&with("MJPG", "1280x720", 30.0), "webcam-formats").text, "it gives MJPG 1280x720 at 30 fps");
        let many = FakeMachine::new().fake(|fake| {
            let each = [
                ("GREY", "1280x720", 60.0),
                ("YUYV", "1280x720", 10.0),
                ("MJPG", "1920x1080", 60.0),
                ("MJPG", "1280x720", 30.0),
            ];
            fake.cameras.devices[0].formats =
                each.iter().flat_map(|(fourcc, size, rate)| webcam(0, fourcc, size, *rate).formats).collect();
        });
        assert_eq!(finding(&many, "webcam-formats").text, "it gives MJPG 1280x720 at 30 fps");
        let slow = finding(&with("YUYV", "1280x720", 10.0), "webcam-formats");
        assert!(slow.level == Level::Warn && slow.text.contains("no more than 10"), "{slow:?}");
        let small = finding(&with("YUYV", "640x480", 30.0), "webcam-formats");
        assert!(small.level == Level::Warn && small.text.contains("640x480"), "{small:?}");
        let strange = finding(&with("H264", "1280x720", 30.0), "webcam-formats");
        assert!(strange.level == Level::Fail && strange.text.contains("H264"), "{strange:?}");
    }
}
