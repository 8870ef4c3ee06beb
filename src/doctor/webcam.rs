//! Checks of the webcam: presence, permission, availability and formats.

use std::{cmp::Reverse, path::Path};

use super::{Facts, Finding, libcamera};
use crate::{
    camera::{self, CameraError, CaptureFormat, Device, Unreadable},
    frame::Size,
    sink::LABEL,
    system::{Cameras, System},
    v4l2::holders::Holder,
};

/// Frame rates below this look jerky, in frames per second.
const MIN_SMOOTH_FPS: f64 = 24.0;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let wanted = facts.config.camera.device.trim();
    if wanted == "demo" || wanted.starts_with("file:") {
        return vec![Finding::ok("webcam", format!("not used: camera.device is {wanted:?}"))];
    }
    let cameras = facts.system.probe().cameras();
    // the camera that the daemon would use, or the first one if it can use none
    let first = || cameras.devices.iter().find(|device| is_auto(wanted) && !device.virtual_);
    let selected = camera::select(&facts.config.camera, &cameras);
    let chosen = selected.as_ref().ok().copied().or_else(first);
    let mut findings = vec![match (chosen, &selected) {
        (Some(camera), _) => present(camera, wanted),
        (None, Err(CameraError::Unreadable(camera))) if !libcamera::is_needed(facts.system) => unreadable(camera),
        (None, _) => missing(facts.system, &cameras, wanted),
    }];
    findings.extend(cameras.denied.as_deref().map(|node| denied(facts.system, node)));
    // PipeWire shares its cameras, and their formats are known only when they are connected
    if let Some(camera) = chosen.filter(|camera| !camera.is_pipewire()) {
        findings.push(free(facts, camera));
        findings.push(formats(facts, camera));
    }
    findings
}

const CHECK: &str = "webcam";

fn present(camera: &Device, wanted: &str) -> Finding {
    let text = format!("{} found ({})", camera.name, camera.path.display());
    if camera.is_infrared() && is_auto(wanted) {
        return Finding::warn(CHECK, format!("{text}; it is an infrared camera, which shows you in black and white"))
            .advice("no other webcam was found: connect one, or check for a privacy switch or shutter");
    }
    Finding::ok(CHECK, text)
}

fn is_auto(wanted: &str) -> bool {
    matches!(wanted, "" | "auto")
}

fn unreadable(camera: &Unreadable) -> Finding {
    Finding::fail(CHECK, format!("{} ({}) {}", camera.name, camera.path.display(), camera.why))
        .advice("use a USB webcam, or copy this camera to a v4l2loopback device, for example with GStreamer")
}

/// Explains why there is no webcam.
fn missing(system: &System, cameras: &Cameras, wanted: &str) -> Finding {
    let real: Vec<_> = cameras.devices.iter().filter(|device| !device.virtual_).collect();
    if !real.is_empty() {
        let names: Vec<_> = real.iter().map(|device| format!("{:?}", device.name)).collect();
        let text = format!("the configured camera {wanted:?} was not found");
        return Finding::fail(CHECK, text)
            .advice(format!("set camera.device to \"auto\" or one of {}", names.join(", ")));
    }
    if cameras.denied.is_some() {
        return Finding::fail(CHECK, "a webcam is connected, but bgcam cannot access it")
            .advice("see the next message");
    }
    if libcamera::is_needed(system) {
        return libcamera::missing(system);
    }
    Finding::fail(CHECK, "no webcam is connected, or a privacy switch or shutter has turned it off")
        .fix("bgcam set-camera demo", "uses a demo camera instead")
}

fn denied(system: &System, node: &Path) -> Finding {
    const CHECK: &str = "webcam-permission";
    let text = format!("no permission to open {}", node.display());
    let (member, gid) = system.is_in_group("video");
    if member && !gid.is_some_and(|gid| system.user.groups.contains(&gid)) {
        return Finding::fail(CHECK, text)
            .advice("you are in the video group, but joined it after you logged in: log out and back in");
    }
    Finding::fail(CHECK, text).fix(
        format!("sudo usermod -aG video {}", system.user.name),
        "adds you to the video group; log out and back in afterwards",
    )
}

fn free(facts: &Facts<'_>, camera: &Device) -> Finding {
    const CHECK: &str = "webcam-free";
    let ours = facts.status().map(|status| status.pid);
    let holders = facts.system.probe().holders(&camera.path);
    // media servers open all cameras, but capture only for an app
    let uses = |holder: &Holder| !is_server(&holder.name) || facts.system.probe().captures(holder, &camera.path);
    let other = holders.iter().find(|holder| Some(holder.pid) != ours && uses(holder));
    match other {
        Some(holder) if is_server(&holder.name) => {
            let text = format!("an app is using the webcam through PipeWire ({holder})");
            Finding::warn(CHECK, text).advice("close that app, or share the webcam: set camera.device = \"pipewire\"")
        }
        Some(holder) => Finding::warn(CHECK, format!("{holder} is using the webcam, and only one program can"))
            .advice(format!("in {}, choose the camera {LABEL:?} instead, or close the program", holder.name)),
        None if holders.iter().any(|holder| Some(holder.pid) == ours) => Finding::ok(CHECK, "in use by bgcam"),
        None => Finding::ok(CHECK, "not used by another program"),
    }
}

/// Media servers.
fn is_server(name: &str) -> bool {
    matches!(name, "wireplumber" | "pipewire" | "pipewire-media-")
}

fn readable(camera: &Device) -> impl Iterator<Item = &CaptureFormat> {
    camera.formats.iter().filter(|format| camera::FOURCCS.contains(&format.fourcc.as_str()))
}

/// Whether the aspect ratio is between 5:4 and 21:9.
fn is_video_shaped(size: Size) -> bool {
    (1.25..=2.4).contains(&(size.width() as f64 / size.height() as f64))
}

fn fastest(format: &CaptureFormat) -> f64 {
    format.rates.iter().copied().fold(0.0, f64::max)
}

const FORMATS_CHECK: &str = "webcam-formats";

fn formats(facts: &Facts<'_>, camera: &Device) -> Finding {
    if !camera.is_readable() {
        let mut offered: Vec<_> = camera.formats.iter().map(|format| format.fourcc.as_str()).collect();
        offered.dedup();
        let text = format!("its formats ({}) are not supported", offered.join(", "));
        return Finding::fail(FORMATS_CHECK, text).fix("bgcam devices", "lists all cameras and their formats");
    }
    let size = facts.config.size;
    let enough = |format: &&CaptureFormat| format.size.width() >= size.width() && format.size.height() >= size.height();
    // prefers colour, then a sufficient frame rate, then the smallest sufficient size
    let score = |format: &&CaptureFormat| {
        let rate = fastest(format);
        let smooth = format.rates.is_empty() || rate >= MIN_SMOOTH_FPS;
        (format.fourcc != "GREY", smooth, Reverse(format.size.luma_len()), rate as u32)
    };
    let best = readable(camera).filter(enough).max_by_key(score);
    match best {
        None => too_small(camera, size),
        // a driver that lists no frame rates may support any
        Some(format) if format.rates.is_empty() || fastest(format) >= MIN_SMOOTH_FPS => {
            let rate = if format.rates.is_empty() { String::new() } else { format!(" at {:.0} fps", fastest(format)) };
            Finding::ok(FORMATS_CHECK, format!("captures {} {}{rate}", format.fourcc, format.size))
        }
        Some(format) => {
            let text = format!("at {size}, it captures at most {:.0} frames per second", fastest(format));
            Finding::warn(FORMATS_CHECK, text).advice("try output.size = \"640x480\", or a USB 3 port")
        }
    }
}

/// The finding for a camera whose formats are all smaller than the output.
fn too_small(camera: &Device, size: Size) -> Finding {
    let area = |format: &&CaptureFormat| format.size.luma_len();
    let largest = readable(camera).max_by_key(area).map(|format| format.size.to_string()).unwrap_or_default();
    let text = format!("its largest size ({largest}) is smaller than the output ({size})");
    // never recommends an unusual aspect ratio, such as that of an infrared sensor
    let shaped = readable(camera).filter(|format| is_video_shaped(format.size)).max_by_key(area);
    Finding::warn(FORMATS_CHECK, text).advice(match shaped {
        Some(format) => format!("set output.size = \"{}\" to save CPU time without losing detail", format.size),
        None => format!("for a sharper image, use a webcam that supports {size}"),
    })
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
    fn without_a_webcam_the_demo_camera_is_suggested() {
        assert_eq!(finding(&FakeMachine::new(), "webcam").text, "Logitech BRIO found (/dev/video0)");
        let machine = FakeMachine::new().fake(|fake| fake.cameras = Cameras::default());
        let found = finding(&machine, "webcam");
        assert!(found.level == Level::Fail && !found.blocks, "{found:?}");
        assert_eq!(found.fix.unwrap().command.unwrap(), "bgcam set-camera demo");
        assert!(report(&machine).can_run);
    }

    fn named(number: u32, name: &str, fourcc: &str, size: &str) -> Device {
        Device { name: name.into(), bus: format!("usb-{number}"), ..webcam(number, fourcc, size, 30.0) }
    }

    /// The check judges the camera that the daemon would use, and never recommends a square output.
    #[test]
    fn an_infrared_camera_is_used_only_without_another() {
        for fourcc in ["YUYV", "MJPG", "GREY"] {
            let infrared = named(0, "Integrated IR Camera: Integrate", fourcc, "340x340");
            let colour = named(1, "Integrated Camera: Integrated C", "MJPG", "1280x720");
            let both = FakeMachine::new().fake(|fake| fake.cameras.devices = vec![infrared.clone(), colour]);
            assert_eq!(finding(&both, "webcam").text, "Integrated Camera: Integrated C found (/dev/video1)");
            assert_eq!(finding(&both, "webcam-formats").level, Level::Ok);
            let alone = FakeMachine::new().fake(|fake| fake.cameras.devices = vec![infrared]);
            let found = finding(&alone, "webcam");
            assert!(found.level == Level::Warn && found.text.contains("infrared"), "{found:?}");
            let advice = finding(&alone, "webcam-formats").fix.unwrap();
            assert!(!advice.text.contains("output.size") && advice.text.contains("1280x720"), "{advice:?}");
        }
    }

    #[test]
    fn an_unreadable_camera_is_not_reported_as_missing() {
        let camera =
            Unreadable { name: "ISP".into(), path: "/dev/video3".into(), why: "supports only the multi-planar API" };
        let file = "/home/ada/.config/bgcam/bgcam.toml";
        for device in ["auto", "isp", "/dev/video3"] {
            let text = format!("[camera]\ndevice = {device:?}");
            let cameras = Cameras { unreadable: vec![camera.clone()], ..Cameras::default() };
            let found = finding(&FakeMachine::new().fake(|fake| fake.cameras = cameras).with(file, text), "webcam");
            assert_eq!(found.text, "ISP (/dev/video3) supports only the multi-planar API", "{device}");
            assert!(found.level == Level::Fail && found.fix.unwrap().text.contains("USB webcam"));
        }
    }

    #[test]
    fn the_configured_webcam_is_checked() {
        let file = "/home/ada/.config/bgcam/bgcam.toml";
        let choose =
            |device: &str| finding(&FakeMachine::new().with(file, format!("[camera]\ndevice = {device:?}")), "webcam");
        for device in ["brio", "/dev/video0", "demo", "file:a.mp4"] {
            assert_eq!(choose(device).level, Level::Ok, "{device}");
        }
        let found = choose("nikon");
        assert!(found.level == Level::Fail && found.fix.unwrap().text.contains("\"Logitech BRIO\""));
    }

    #[test]
    fn missing_permission_has_a_fix() {
        let denied = |machine: FakeMachine| {
            let machine = machine
                .fake(|fake| fake.cameras = Cameras { denied: Some("/dev/video0".into()), ..Cameras::default() });
            finding(&machine, "webcam-permission")
        };
        let found = denied(FakeMachine::new().with("/etc/group", "video:x:44:\n").groups(&[1000]));
        assert!(found.level == Level::Fail && found.text.contains("/dev/video0"));
        assert_eq!(found.fix.unwrap().command.unwrap(), "sudo usermod -aG video ada");
        let found = denied(FakeMachine::new().groups(&[1000]));
        assert!(found.fix.unwrap().text.contains("log out and back in"));
        assert!(report(&FakeMachine::new()).findings().all(|finding| finding.check != "webcam-permission"));
    }

    #[test]
    fn the_program_using_the_webcam_is_named() {
        assert_eq!(finding(&FakeMachine::new(), "webcam-free").level, Level::Ok);
        let held = |name| FakeMachine::new().fake(|fake| fake.holders = vec![("/dev/video0".into(), holder(7, name))]);
        assert_eq!(finding(&held("wireplumber"), "webcam-free").level, Level::Ok);
        let found = finding(&held("zoom"), "webcam-free");
        assert!(found.level == Level::Warn && found.text.contains("zoom (pid 7)"), "{found:?}");
        let found = finding(&held("pipewire").fake(|fake| fake.captures = true), "webcam-free");
        assert_eq!(found.text, "an app is using the webcam through PipeWire (pipewire (pid 7))");
        assert!(found.level == Level::Warn && found.fix.unwrap().text.contains("camera.device = \"pipewire\""));
    }

    #[test]
    fn a_camera_in_pipewire_is_found() {
        let pipewire = Device {
            name: "Built-in Front Camera".into(),
            path: "pipewire:libcamera_input.front".into(),
            driver: "pipewire".into(),
            formats: Vec::new(),
            ..webcam(0, "MJPG", "1280x720", 30.0)
        };
        let machine = FakeMachine::new().fake(|fake| fake.cameras.devices = vec![pipewire]);
        let found = finding(&machine, "webcam");
        assert_eq!(found.text, "Built-in Front Camera found (pipewire:libcamera_input.front)");
        assert_eq!(found.level, Level::Ok);
        assert!(report(&machine).findings().all(|finding| !finding.check.starts_with("webcam-")));
    }

    #[test]
    fn the_best_format_is_judged() {
        assert_eq!(finding(&with("MJPG", "1280x720", 30.0), "webcam-formats").text, "captures MJPG 1280x720 at 30 fps");
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
        assert_eq!(finding(&many, "webcam-formats").text, "captures MJPG 1280x720 at 30 fps");
        let slow = finding(&with("YUYV", "1280x720", 10.0), "webcam-formats");
        assert!(slow.level == Level::Warn && slow.text.contains("at most 10"), "{slow:?}");
        let small = finding(&with("YUYV", "640x480", 30.0), "webcam-formats");
        assert!(small.level == Level::Warn && small.text.contains("640x480"), "{small:?}");
        let unsupported = finding(&with("H264", "1280x720", 30.0), "webcam-formats");
        assert!(unsupported.level == Level::Fail && unsupported.text.contains("H264"), "{unsupported:?}");
    }
}
