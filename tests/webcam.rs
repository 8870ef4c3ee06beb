//! Webcams on real drivers: a USB webcam with faults, MJPEG with the defects that webcams send, and interlaced video.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{fs, path::Path, time::Duration};

use bgcam::control::protocol::Status;
use image::{Rgb, RgbImage, codecs::jpeg::JpegEncoder};
use support::{Guest, Output};

/// Two loopback devices: the output, and one that is fed as a camera.
const LOOPBACKS: &str = r#"devices=2 video_nr=10,20 exclusive_caps=1,1 card_label="Virtual Background Cam,Fed Webcam""#;

fn status(output: &Output, name: &str) -> Status {
    serde_json::from_str(&fs::read_to_string(output.file(name)).unwrap()).unwrap()
}

/// A guest with a USB webcam, or `None` with a message if the testbed or udev lacks something.
fn usb_webcam(testbed: &Path, options: &str) -> Option<Guest> {
    if !testbed.join("tools/uvc-webcam").exists() {
        eprintln!("skipped: this testbed has no USB webcam");
        return None;
    }
    let guest = Guest::new(testbed).uvc(options).timeout(Duration::from_secs(300));
    support::has_udev().then(|| guest.env("BGCAM_CAMERA_ALWAYS_ON", "true"))
}

/// The left half green, the right half blue.
fn halves(width: u32, height: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let shade = (y * 50 / height) as u8;
        Rgb(if x < width / 2 { [0, 150 + shade, 0] } else { [0, 0, 150 + shade] })
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&image).unwrap();
    bytes
}

#[test]
fn mjpeg_with_the_defects_of_webcams_is_read() {
    let testbed = testbed_or_skip!();
    let guest = Guest::new(&testbed).vivid_options("none").loopback_options(LOOPBACKS);
    let whole = halves(1280, 720);
    let without_end = whole.strip_suffix(b"\xff\xd9").unwrap().to_vec();
    let padded = |bytes: &[u8], fill: u8| [bytes, &[fill; 300]].concat();
    let defects = [
        ("whole", whole.clone()),
        ("padded", padded(&whole, 0)),
        ("junk", padded(&whole, 0x5a)),
        ("no_end", without_end.clone()),
        ("no_end_padded", padded(&without_end, 0)),
        ("no_end_filled", padded(&without_end, 0xff)),
        // not the negotiated 1280x720: rows of padding, and another format
        ("taller", halves(1280, 736)),
        ("smaller", halves(640, 480)),
    ];
    for (name, bytes) in &defects {
        fs::write(guest.path(name), bytes).unwrap();
    }
    let names = defects.each_ref().map(|(name, _)| *name).join(" ");
    let output = guest
        .env("BGCAM_CAMERA_ALWAYS_ON", "true")
        .daemon(&format!(
            r#"
            for defect in {names}; do
                python3 "$SUPPORT/mjpeg_feeder.py" /dev/video20 "$SHARE/$defect" & FEEDER=$!
                start --camera /dev/video20 --output "png:$SHARE/$defect.png" --background off
                must until_ok 30 exceeds composed 30
                "$BGCAM" status --json > "$SHARE/$defect.json"
                must "$BGCAM" stop
                kill $FEEDER; wait $FEEDER 2> /dev/null || true
            done
            "#
        ))
        .success();
    for (name, _) in defects {
        let status = status(&output, &format!("{name}.json"));
        assert_eq!(status.counters.camera_opens, 1, "{name}");
        // a new size is trusted once it lasts
        let damaged = if matches!(name, "taller" | "smaller") { 1..=4 } else { 0..=0 };
        assert!(damaged.contains(&status.counters.corrupt), "{name}: {} damaged frames", status.counters.corrupt);
        let image = image::open(output.file(&format!("{name}.png"))).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (1280, 720), "{name}");
        let (left, right) = (image.get_pixel(300, 360).0, image.get_pixel(980, 360).0);
        assert!(left[1] > 120 && left[2] < 60 && right[2] > 120 && right[1] < 60, "{name}: {left:?} {right:?}");
    }
}

#[test]
fn damaged_mjpeg_is_counted_and_not_shown() {
    let testbed = testbed_or_skip!();
    let guest = Guest::new(&testbed).vivid_options("none").loopback_options(LOOPBACKS);
    let whole = halves(1280, 720);
    fs::write(guest.path("whole"), &whole).unwrap();
    fs::write(guest.path("half"), &whole[..whole.len() / 2]).unwrap();
    fs::write(guest.path("garbage"), b"\xff\xd8 not a JPEG \xff\xd9").unwrap();
    let output = guest
        .env("BGCAM_CAMERA_ALWAYS_ON", "true")
        .daemon(
            r#"
            cd "$SHARE"
            python3 "$SUPPORT/mjpeg_feeder.py" /dev/video20 whole half whole garbage &
            start --camera /dev/video20 --output png:shown.png --background off
            must until_ok 30 exceeds corrupt 20
            must until_ok 30 exceeds composed 60
            "$BGCAM" status --json > status.json
            for sample in $(seq 20); do cp shown.png sample$sample.png; sleep 0.07; done
            "#,
        )
        .success();
    assert_eq!(status(&output, "status.json").counters.camera_opens, 1);
    for sample in 1..=20 {
        // the decoder fills missing rows with grey
        let image = image::open(output.file(&format!("sample{sample}.png"))).unwrap().to_rgb8();
        let lower = image.get_pixel(300, 700).0;
        assert!(lower[1] > 120 && lower[0] < 60 && lower[2] < 60, "{sample}: {lower:?}");
    }
}

/// An HDMI capture device with a 1080i signal delivers each field in a buffer of its own.
#[test]
fn single_fields_are_rejected_with_a_reason() {
    let testbed = testbed_or_skip!();
    let hdmi = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x3 vid_cap_nr=0";
    let output = Guest::new(&testbed)
        .vivid_options(hdmi)
        .env("BGCAM_CAMERA_ALWAYS_ON", "true")
        .daemon(
            r#"
            timings() { v4l2-ctl -d /dev/video0 --set-dv-bt-timings "$1" && v4l2-ctl -d /dev/video0 --get-fmt-video | grep Field; }
            fields() { "$BGCAM" status | grep -q fields; }
            must timings cvt,width=1920,height=1080,interlaced=1,fps=30
            start --camera /dev/video0 --background off
            must until_ok 20 fields
            "$BGCAM" status
            # it is used once the signal is progressive
            must timings cvt,width=1280,height=720,fps=30
            must until_ok 30 exceeds composed 10
            "#,
        )
        .success();
    assert!(output.stdout.contains("Alternating"), "{}", output.stdout);
    assert!(output.stdout.contains("progressive mode, such as 720p"), "{}", output.stdout);
}

#[test]
fn a_usb_webcam_is_read_in_each_format() {
    let testbed = testbed_or_skip!();
    let mjpeg = ["MJPG:1280:720", "MJPG:1920:1080", "MJPG:640:480"];
    let all = [&mjpeg[..], &["YUYV:640:480", "YUYV:1280:720"]].concat();
    for (options, formats) in [("", &all[..]), ("--nodht", &mjpeg[..2])] {
        let Some(guest) = usb_webcam(&testbed, options) else { return };
        let output = guest
            .env("FORMATS", formats.join(" "))
            .daemon(
                r#"
                for format in $FORMATS; do
                    IFS=: read -r fourcc width height <<< "$format"
                    export BGCAM_CAMERA_FORMAT=$fourcc BGCAM_OUTPUT_SIZE=${width}x$height
                    start --camera auto --background off
                    must until_ok 40 exceeds composed 20
                    "$BGCAM" status --json > "$SHARE/$format.json"
                    must "$BGCAM" stop
                done
                "#,
            )
            .success();
        for format in formats {
            let status = status(&output, &format!("{format}.json"));
            let source = status.camera.source.unwrap();
            let used = format!("{}:{}:{}", source.fourcc, source.native.0, source.native.1);
            assert_eq!((used.as_str(), status.counters.camera_opens), (*format, 1), "{options}");
            assert_eq!(status.counters.corrupt, 0, "{format} {options}");
        }
    }
}

/// Every fault that the testbed's webcam can have: the camera is not reopened for a bad frame, and comes back on its
/// own from the others.
#[test]
fn a_usb_webcam_with_faults_stays_or_returns() {
    let testbed = testbed_or_skip!();
    let Some(guest) = usb_webcam(&testbed, "") else { return };
    guest
        .daemon(
            r#"
            goes_on() { must until_ok 30 exceeds composed $(($(field composed) + 30)); }
            start --camera auto --background off
            goes_on
            for fault in err lost short garbage; do
                before=$(field corrupt)
                webcam $fault 5
                must until_ok 20 exceeds corrupt $((before + 2))
                goes_on
            done
            for fault in noeof empty drop; do webcam $fault 5; goes_on; done
            must is camera_opens 1
            webcam stall
            must until_ok 20 camera_gone
            webcam go
            goes_on
            opens=$(field camera_opens)
            webcam refuse 2
            webcam unplug; webcam plug
            must until_ok 40 exceeds camera_opens "$opens"
            goes_on
            kill -0 $W
            "#,
        )
        .success();
}

#[test]
fn a_usb_webcam_survives_twelve_replugs() {
    let testbed = testbed_or_skip!();
    let Some(guest) = usb_webcam(&testbed, "") else { return };
    guest
        .daemon(
            r#"
            start --camera auto --background off
            must until_ok 30 exceeds composed 10
            files=$(files) threads=$(threads)
            for round in $(seq 12); do
                webcam unplug
                must until_ok 20 camera_gone
                webcam plug
                must until_ok 40 is camera_opens $((round + 1))
                must until_ok 20 exceeds composed $(($(field composed) + 5))
            done
            # nothing is left open: a leak would leave twelve; the pool of threads may have grown
            [ "$(files)" -le $((files + 4)) ] || fail "files: $files before, $(files) now"
            [ "$(threads)" -le $((threads + 4)) ] || fail "threads: $threads before, $(threads) now"
            "#,
        )
        .success();
}

/// uvcvideo lets one program stream at a time, and has a second node for metadata.
#[test]
fn a_usb_webcam_in_use_is_reported_as_busy() {
    let testbed = testbed_or_skip!();
    let Some(guest) = usb_webcam(&testbed, "") else { return };
    let output = guest
        .daemon(
            r#"
            for node in /dev/video*; do v4l2-ctl -d $node -D | grep -A9 'Device Caps' | grep -q 'Metadata Capture' && META=$node; done
            echo "metadata at ${META:?}"
            CAMERA=$(readlink -f /dev/v4l/by-id/*-video-index0)
            v4l2-ctl -d "$CAMERA" --stream-mmap --stream-count=100000 > /dev/null 2>&1 & HOLDER=$!
            must until_ok 20 fuser "$CAMERA"
            start --camera auto --background off
            must until_ok 30 is kind '"busy"'
            "$BGCAM" status
            "$BGCAM" devices --json > "$SHARE/devices.json"
            kill $HOLDER
            must until_ok 30 exceeds composed 10
            must "$BGCAM" stop
            start --camera "$META" --background off
            until_ok 10 sh -c '"$BGCAM" status | grep -q "not a capture device"' && echo 'metadata refused'
            "#,
        )
        .success();
    assert!(output.stdout.contains("v4l2-ctl") && output.stdout.contains("metadata refused"), "{}", output.stdout);
    let meta = output.stdout.lines().find_map(|line| line.strip_prefix("metadata at ")).unwrap();
    let devices = fs::read_to_string(output.file("devices.json")).unwrap();
    assert!(!devices.contains(&format!("\"{meta}\"")), "{devices}");
}
