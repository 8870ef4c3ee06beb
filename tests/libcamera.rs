//! A camera that only libcamera supports, as in recent laptops: through PipeWire into the virtual camera.
#![cfg(feature = "pipewire")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{fs, path::Path, time::Duration};

use bgcam::control::protocol::Status;
use support::Guest;

/// Whether PipeWire's libcamera plugin is installed, with a message if not.
fn has_plugin() -> bool {
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders = libraries.chain([Path::new("/usr/lib64").to_owned()]);
    let found = folders.any(|folder| folder.join("spa-0.2/libcamera/libspa-libcamera.so").exists());
    if !found {
        eprintln!("skipped: no PipeWire plugin for libcamera (scripts/setup --tests installs it)");
    }
    found
}

/// The kernel's vimc has nodes like those of a laptop's MIPI camera, which are no webcams, and a test pattern.
#[test]
fn a_camera_that_needs_libcamera_is_used_through_pipewire() {
    let testbed = testbed_or_skip!();
    if !has_plugin() || !support::has_udev() {
        return;
    }
    let guest = Guest::new(&testbed).udev().vivid_options("none").timeout(Duration::from_secs(240));
    let output = guest
        .env("BGCAM_CAMERA_ALWAYS_ON", "true")
        .daemon(
            r#"
            modprobe vimc || { echo 'no vimc'; exit 0; }
            pipewire_session
            must until_ok 60 node libcamera_input
            for size in 1280x720 1920x1080; do
                export BGCAM_OUTPUT_SIZE=$size
                start --camera auto --background none
                must until_ok 60 exceeds composed 10
                "$BGCAM" status --json > "$SHARE/$size.json"
                must timeout 60 ffmpeg -loglevel error -nostdin -y -f v4l2 -i /dev/video10 -vf trim=start_frame=4 -frames:v 1 "$SHARE/$size.png"
                "$BGCAM" devices
                must "$BGCAM" stop
            done
            "#,
        )
        .success();
    if output.stdout.contains("no vimc") {
        eprintln!("skipped: this testbed has no vimc");
        return;
    }
    assert!(output.stdout.contains("camera  pipewire:libcamera_input"), "{}", output.stdout);
    for size in ["1280x720", "1920x1080"] {
        let status = fs::read_to_string(output.file(&format!("{size}.json"))).unwrap();
        let status: Status = serde_json::from_str(&status).unwrap();
        assert!(status.camera.source.unwrap().name.contains("Sensor"), "{size}");
        assert_eq!(status.counters.corrupt, 0, "{size}");
        // The pattern has eight bars of colour, vertical if no row is skewed; vimc writes text at the top.
        let image = image::open(output.file(&format!("{size}.png"))).unwrap().to_rgb8();
        let (width, height) = image.dimensions();
        assert_eq!(format!("{width}x{height}"), size);
        let column = |x: u32| [6, 7, 9].map(|y| image.get_pixel(x, height * y / 10).0);
        let bars: Vec<_> = (0..8).map(|bar| column(width * (2 * bar + 1) / 16)).collect();
        for rows in &bars {
            let differs = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).any(|(a, b)| a.abs_diff(b) > 24);
            assert!(!differs(rows[0], rows[1]) && !differs(rows[0], rows[2]), "{size}: {bars:?}");
        }
        assert!(bars.windows(2).all(|pair| pair[0] != pair[1]), "{size}: {bars:?}");
    }
}
