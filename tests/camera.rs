//! The main use case on real drivers: webcam in, background replaced, virtual camera read by real apps.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{fs, path::Path};

use bgcam::{control::protocol::Status, mask};
use support::{Guest, Output, VERSIONS};

/// The background.
const GREEN: [u8; 3] = [0x20, 0xa0, 0x40];

/// `start ARGUMENTS` runs the daemon in the background, as `$D`, with the camera always open; `status FILTER` applies
/// jq to its status.
const HELPERS: &str = r#"
set -u; export XDG_CONFIG_HOME=/tmp/config XDG_STATE_HOME=/tmp/state BGCAM_CAMERA_ALWAYS_ON=true
start() { "$BGCAM" daemon "$@" >> "$SHARE/daemon.log" 2>&1 & D=$!; until_ok 30 "$BGCAM" status; }
status_is() { "$BGCAM" status --json | python3 -c "
import json, sys
s = json.load(sys.stdin)
sys.exit(not ($1))"; }
live() { until_ok 40 status_is 's["counters"]["composed"] - s["counters"]["unmasked"] > 10'; }
reads() { timeout 60 v4l2-ctl -d /dev/video10 --stream-mmap --stream-count="$1" > /dev/null 2>&1; }
sees() { timeout 60 ffmpeg -loglevel error -nostdin -y -f v4l2 -i /dev/video10 -vf trim=start_frame=4 -frames:v 1 -sws_flags accurate_rnd "$SHARE/$1"; }
must() { "$@" || { echo "failed: $*"; "$BGCAM" status; tail -30 "$SHARE/daemon.log"; exit 1; }; }
"#;

/// The testbed, or `None` with a message if it or ONNX Runtime is missing.
macro_rules! guest_or_skip {
    ($version:expr) => {{
        let testbed = testbed_or_skip!();
        if let Err(error) = mask::library(&mask::Settings::default()) {
            eprintln!("skipped: {error} (scripts/setup installs it)");
            return;
        }
        Guest::new(&testbed).v4l2loopback($version)
    }};
}

fn script(guest: Guest, script: &str) -> Output {
    guest.bash(&format!("{HELPERS}\n{script}"))
}

fn status(output: &Output, name: &str) -> Status {
    serde_json::from_str(&fs::read_to_string(output.file(name)).unwrap()).unwrap()
}

/// The share of pixels with the background's colour, within the accuracy of an app's converter.
fn share_of_background(output: &Output, image: &str) -> f64 {
    let image = image::open(output.file(image)).unwrap().to_rgb8();
    let near =
        |pixel: &&image::Rgb<u8>| pixel.0.iter().zip(GREEN).all(|(actual, expected)| actual.abs_diff(expected) <= 6);
    image.pixels().filter(near).count() as f64 / f64::from(image.width() * image.height())
}

fn apps_receive_the_background(version: &str) {
    let output = script(
        guest_or_skip!(version),
        r#"
        export BGCAM_CAMERA_FORMAT=YUYV
        must start --camera /dev/video0
        must "$BGCAM" set-color '#20a040'
        must live
        must v4l2-ctl -d /dev/video10 --get-fmt-video > "$SHARE/format"
        must reads 30
        must sees frame.png
        if command -v gst-launch-1.0 > /dev/null; then
            must timeout 60 gst-launch-1.0 -q v4l2src device=/dev/video10 num-buffers=5 ! videoconvert ! pngenc snapshot=false \
                ! multifilesink location="$SHARE/gst%d.png"
        fi
        v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=1000 > /dev/null 2>&1 & R=$!
        must until_ok 20 status_is 'any(r["name"] == "v4l2-ctl" for r in s["readers"])'
        kill $R; wait $R
        must until_ok 20 status_is 'not s["readers"]'
        must reads 10
        "$BGCAM" status --json > "$SHARE/status.json"
        must "$BGCAM" stop
        "#,
    )
    .success();
    let format = fs::read_to_string(output.file("format")).unwrap();
    assert!(format.contains("1280/720") && format.contains("'YU12'"), "{format}");
    // vivid shows a test pattern without a person
    for image in ["frame.png", "gst4.png"].into_iter().filter(|name| output.file(name).exists()) {
        let share = share_of_background(&output, image);
        assert!(share > 0.9, "{image}: {share} is background");
    }
    let status = status(&output, "status.json");
    let source = status.camera.source.unwrap();
    assert_eq!((source.fourcc.as_str(), source.native), ("YUYV", (1280, 720)));
    assert_eq!((status.counters.corrupt, status.counters.overrun), (0, 0));
}

fn readers_survive_a_killed_daemon(version: &str) {
    script(
        guest_or_skip!(version),
        r#"
        must start --camera /dev/video0; must live; must reads 5
        kill -9 $D; wait $D 2> /dev/null
        must start --camera /dev/video0; must live; must reads 5
        # a reader that stays through the crash receives frames again: v4l2-ctl prints a mark for each
        v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=100000 > /tmp/marks 2>&1 & R=$!
        must until_ok 30 status_is 's["readers"]'
        kill -9 $D; wait $D 2> /dev/null
        before=$(stat -c %s /tmp/marks)
        more() { [ "$(stat -c %s /tmp/marks)" -gt $((before + 30)) ]; }
        must start --camera /dev/video0
        must until_ok 30 more
        "#,
    )
    .success();
}

on_each_version!(apps_receive_the_background, readers_survive_a_killed_daemon);

#[test]
fn an_unplugged_camera_is_reopened_and_readers_stay() {
    let output = script(
        guest_or_skip!(VERSIONS[3]),
        r#"
        must start --camera auto
        must "$BGCAM" set-color '#20a040'; must live
        v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=100000 > /dev/null 2>&1 & R=$!
        for round in 1 2 3; do
            opened=$("$BGCAM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["counters"]["camera_opens"])')
            echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind
            must until_ok 20 status_is 's["camera"]["error"] and not s["camera"]["source"]'
            [ $round = 1 ] && "$BGCAM" status > "$SHARE/lost"
            echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
            must until_ok 20 status_is "s['camera']['source'] and s['counters']['camera_opens'] > $opened"
            must kill -0 $R
        done
        kill $R; wait $R
        must sees frame.png
        "#,
    )
    .success();
    let lost = fs::read_to_string(output.file("lost")).unwrap();
    assert!(lost.contains("camera      error: "), "{lost}");
    assert!(share_of_background(&output, "frame.png") > 0.9);
}

#[test]
fn the_camera_recovers_from_driver_errors() {
    script(
        guest_or_skip!(VERSIONS[3]),
        r#"
        must start --camera /dev/video0; must "$BGCAM" set-color '#20a040'; must live
        composed() { "$BGCAM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["counters"]["composed"])'; }
        for fault in inject_v4l2_buf_flag_error=1 percentage_of_dropped_buffers=50 percentage_of_dropped_buffers=0 \
                inject_fatal_streaming_error=1; do
            v4l2-ctl -d /dev/video0 -c $fault
            sleep 0.5 # the fault needs a frame
            before=$(composed)
            must until_ok 20 status_is "s['counters']['composed'] > $before + 20"
        done
        "#,
    )
    .success();
}

#[test]
fn an_mjpeg_webcam_is_read_and_damaged_frames_are_skipped() {
    let output = script(
        guest_or_skip!(VERSIONS[3]).mjpeg(None),
        r#"
        must start --camera 'mjpg webcam'
        must "$BGCAM" set-color '#20a040'; must live
        must sees frame.png
        "$BGCAM" devices --json > "$SHARE/devices.json"
        "$BGCAM" status --json > "$SHARE/status.json"
        "#,
    )
    .success();
    let source = status(&output, "status.json").camera.source.unwrap();
    assert_eq!((source.fourcc.as_str(), source.native), ("MJPG", (1280, 720)));
    assert!(share_of_background(&output, "frame.png") > 0.5);
    let devices = fs::read_to_string(output.file("devices.json")).unwrap();
    assert!(devices.contains("\"MJPG\"") && devices.contains("\"YUYV\""), "{devices}");
}

#[test]
fn missing_and_busy_devices_are_reported_with_a_hint() {
    let output = script(
        guest_or_skip!(VERSIONS[3]).no_loopback(),
        r#"
        start --camera /dev/video0
        must until_ok 20 status_is 's["outputs"][0]["failure"]'
        "$BGCAM" status
        modprobe v4l2loopback video_nr=10 exclusive_caps=1 card_label='"Virtual Background Cam"'
        must until_ok 30 status_is 'not s["outputs"][0]["failure"]'
        must reads 5
        must "$BGCAM" stop
        v4l2-ctl -d /dev/video0 --stream-mmap --stream-count=100000 > /dev/null 2>&1 & R=$!
        until_ok 10 fuser /dev/video0 || sleep 1
        start --camera /dev/video0
        must until_ok 20 status_is 's["camera"]["error"] and s["camera"]["error"]["kind"] == "busy"'
        "$BGCAM" status
        kill $R
        must until_ok 20 status_is 's["camera"]["source"]'
        "#,
    )
    .success();
    for expected in ["v4l2loopback", "bgcam setup", "/dev/video0", "busy"] {
        assert!(output.stdout.contains(expected), "no {expected} in\n{}", output.stdout);
    }
}

#[test]
fn chromium_lists_and_reads_it() {
    let guest = guest_or_skip!(VERSIONS[3]);
    if !Path::new("/usr/lib/chromium/chromium").exists() {
        eprintln!("skipped: no Chromium (apt install chromium)");
        return;
    }
    let output = script(
        guest.timeout(std::time::Duration::from_secs(240)),
        r#"
        must start --camera /dev/video0
        must "$BGCAM" set-color '#20a040'; must live
        must "$TESTBED/chromium-consumer" --size 1280x720 --seconds 5 --png "$SHARE/chromium.png"
        "#,
    )
    .success();
    assert!(output.stdout.contains("Virtual Background Cam"), "{}", output.stdout);
    assert!(output.stdout.contains("1280"), "{}", output.stdout);
    let share = share_of_background(&output, "chromium.png");
    assert!(share > 0.9, "{share} of what Chromium shows is background");
}

/// Runs a script with background `none`, which needs no model.
fn plain(guest: Guest, text: &str) -> Output {
    script(guest, &format!("export BGCAM_WEB_ENABLED=false\n{text}")).success()
}

/// A laptop's colour and infrared cameras are one USB device with one link, which leads to the infrared one.
#[test]
fn auto_never_selects_the_infrared_camera_instead_of_the_webcam() {
    let testbed = testbed_or_skip!();
    if !support::has_udev() {
        return;
    }
    for (options, camera) in
        [("--ir", "/dev/v4l/by-id/usb-Testbed_UVC_Webcam_TB0001-video-index0"), ("--ir-first", "auto")]
    {
        let output = plain(
            Guest::new(&testbed).uvc(options),
            &format!(
                r#"
                sees_colour() {{ status_is '"RGB" in s["camera"]["source"]["name"] and s["camera"]["source"]["fourcc"] != "GREY"'; }}
                must start --camera {camera} --background off
                must until_ok 40 sees_colour
                readlink -f /dev/v4l/by-id/usb-Testbed_UVC_Webcam_TB0001-video-index0 > "$SHARE/leads"
                for round in 1 2; do
                    opened=$("$BGCAM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["counters"]["camera_opens"])')
                    "$TESTBED/tools/uvc-webcam" ctl unplug
                    must until_ok 20 status_is 'not s["camera"]["source"]'
                    "$TESTBED/tools/uvc-webcam" ctl plug
                    must until_ok 40 status_is "s['camera']['source'] and s['counters']['camera_opens'] > $opened"
                    must until_ok 10 sees_colour
                done
                BGCAM_CAMERA_DEVICE={camera} "$BGCAM" devices --json > "$SHARE/devices.json"
                BGCAM_CAMERA_DEVICE={camera} "$BGCAM" doctor > "$SHARE/doctor"
                must "$BGCAM" stop
                # it is used if named
                must start --camera "uvc webcam ir" --background off
                must until_ok 20 status_is 's["camera"]["source"]["fourcc"] == "GREY"'
                "#
            ),
        );
        let devices: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(output.file("devices.json")).unwrap()).unwrap();
        let cameras = devices["cameras"].as_array().unwrap();
        let find = |infrared: bool| cameras.iter().find(|camera| camera["infrared"] == infrared).unwrap();
        let (colour, infrared) = (find(false), find(true));
        assert!(colour["name"].as_str().unwrap().contains("RGB") && colour["selected"] == true, "{colour}");
        assert!(colour["id"].as_str().unwrap().starts_with("/dev/v4l/by-id/"), "{colour}");
        assert!(infrared["id"].as_str().unwrap().starts_with("/dev/v4l/by-path/"), "{infrared}");
        let doctor = fs::read_to_string(output.file("doctor")).unwrap();
        assert!(doctor.contains("RGB found"), "{doctor}");
    }
}

#[test]
fn a_multi_planar_camera_is_reported_as_unsupported() {
    let testbed = testbed_or_skip!();
    let vivid = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 vid_cap_nr=0 multiplanar=2";
    let output = plain(
        Guest::new(&testbed).vivid_options(vivid),
        r#"
        "$BGCAM" doctor | sed -n '/^Webcam/,/^Virtual/p'
        "$BGCAM" devices
        for camera in auto /dev/video0 vivid; do
            start --camera $camera --background off
            must until_ok 20 status_is '"multi-planar" in s["camera"]["error"]["message"]'
            must "$BGCAM" stop
        done
        "#,
    );
    let reports = output.stdout.matches("supports only the multi-planar API, which bgcam cannot read").count();
    assert!(reports >= 2 && !output.stdout.contains("is connected, or"), "{}", output.stdout);
}

/// vivid's S-Video input supports only interlaced frames.
#[test]
fn interlaced_video_is_shown() {
    let testbed = testbed_or_skip!();
    let vivid = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x2 vid_cap_nr=0";
    plain(
        Guest::new(&testbed).vivid_options(vivid),
        r#"
        v4l2-ctl -d /dev/video0 --get-fmt-video | grep -i 'field.*interlaced' || { v4l2-ctl -d /dev/video0 --get-fmt-video; exit 1; }
        must start --camera /dev/video0 --background off
        must until_ok 30 status_is 's["counters"]["composed"] > 5 and s["counters"]["corrupt"] == 0'
        "#,
    );
}
