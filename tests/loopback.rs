//! The virtual camera on the real driver, in all versions that distributions ship, read by real apps.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{
    env, fs, thread,
    time::{Duration, Instant},
};

use bgcam::{
    frame::{Frame, Size, Yuv},
    sink::{Outputs, SinkSpec},
};
use support::{Guest, Output, VERSIONS};

/// The colour that every producer here shows, below the top eighth.
const COLOUR: [u8; 3] = [0x20, 0xa0, 0x40];

/// `feed OUTPUT SIZE SECONDS` runs [`producer`]; `start` does so in the background, as `$W`, and waits until the device
/// is fed.
const HELPERS: &str = r#"
set -u; D=/sys/devices/virtual/video4linux/video10
feed() { OUTPUT=$1 SIZE=$2 LAST=$3 exec "$PRODUCER" --ignored --exact --nocapture producer; }
fed() { v4l2-ctl -d /dev/video10 -D | grep -q 'Video Capture' && [ -n "$(cat $D/format)" ]; }
start() { feed v4l2 1280x720 600 > "$SHARE/producer.log" 2>&1 & W=$!; until_ok 20 fed; }
kill_daemon() { kill -9 $W; wait $W 2> /dev/null; }
reads() { timeout 30 v4l2-ctl -d /dev/video10 --stream-mmap --stream-count="$1" > /dev/null 2>&1; }
have() { command -v "$1" > /dev/null; }
must() { "$@" || { echo "failed: $*"; cat "$SHARE/producer.log"; exit 1; }; }
"#;

/// Not a test: guests run it to feed an output with [`COLOUR`] and a bar that moves along the top.
///
/// It is in this file so that it is always built with the tests.
#[test]
#[ignore = "a program for the other tests"]
fn producer() {
    let var = |name| env::var(name).unwrap();
    let (spec, size, seconds): (SinkSpec, Size, u32) =
        (var("OUTPUT").parse().unwrap(), var("SIZE").parse().unwrap(), var("LAST").parse().unwrap());
    let (start, mut frame) = (Instant::now(), Frame::new(size));
    let mut outputs = Outputs::open(&[spec], size, 30, start);
    frame.fill(Yuv::from_rgb(COLOUR[0], COLOUR[1], COLOUR[2]));
    let (width, bar) = (size.width(), size.width() / 8);
    for tick in 0..30 * seconds {
        for row in frame.planes_mut().0.chunks_exact_mut(width).take(size.height() / 16) {
            row.fill(100);
            row[tick as usize * 8 % (width - bar)..][..bar].fill(235);
        }
        thread::sleep((start + Duration::from_secs(1) * tick / 30).saturating_duration_since(Instant::now()));
        outputs.write(&frame, Instant::now());
        if tick == 0 || tick + 1 == 30 * seconds {
            let status = outputs.monitor().status(Instant::now()).remove(0);
            let state = status.failure.map_or_else(|| "ok".to_owned(), |failure| failure.to_string());
            eprintln!("{}: {} frames, {state}", status.name, status.written);
        }
    }
    outputs.finish().unwrap();
}

fn guest(testbed: &std::path::Path, version: &str) -> Guest {
    let program = env::current_exe().unwrap();
    Guest::new(testbed).v4l2loopback(version).env("PRODUCER", program.to_str().unwrap())
}

fn script(guest: Guest, script: &str) -> Output {
    guest.bash(&format!("{HELPERS}\n{script}"))
}

/// Checks that an image in `$SHARE` has [`COLOUR`], within the accuracy of converters.
fn assert_colour(output: &Output, image: &str) {
    let mean = output.mean_colour(image);
    let near = mean.iter().zip(COLOUR).all(|(actual, expected)| (actual - f64::from(expected)).abs() <= 5.0);
    assert!(near, "{image} shows {mean:?}, not {COLOUR:?}");
}

/// Checks that the last raw frame read by ffmpeg equals the written one byte for byte.
fn assert_exact(output: &Output, raw: &str) {
    let (bytes, size) = (fs::read(output.file(raw)).unwrap(), Size::HD);
    assert_eq!(bytes.len() % size.i420_len(), 0);
    let frame = &bytes[bytes.len() - size.i420_len()..];
    let (luma, chroma) = frame.split_at(size.luma_len());
    let (u, v) = chroma.split_at(size.chroma_len());
    let colour = Yuv::from_rgb(COLOUR[0], COLOUR[1], COLOUR[2]);
    assert!(luma[size.luma_len() / 8..].iter().all(|y| *y == colour.y));
    assert!(u.iter().all(|u| *u == colour.u) && v.iter().all(|v| *v == colour.v));
}

fn readers_come_and_go(version: &str) {
    let testbed = testbed_or_skip!();
    let output = script(
        guest(&testbed, version),
        r#"
        must start
        must v4l2-ctl -d /dev/video10 --get-fmt-video > "$SHARE/format"
        must reads 30
        must timeout 40 ffmpeg -loglevel error -nostdin -f v4l2 -i /dev/video10 -frames:v 5 -f rawvideo -pix_fmt yuv420p "$SHARE/frames.yuv"
        if have gst-launch-1.0; then
            must timeout 40 gst-launch-1.0 -q v4l2src device=/dev/video10 num-buffers=5 ! videoconvert ! pngenc snapshot=false \
                ! multifilesink location="$SHARE/gst%d.png"
        fi
        must reads 10
        "#,
    )
    .success();
    let format = fs::read_to_string(output.file("format")).unwrap();
    for line in ["1280/720", "'YU12'", "sRGB", "ITU-R 601", "Limited Range"] {
        assert!(format.contains(line), "no {line} in {format}");
    }
    assert_exact(&output, "frames.yuv");
    if output.file("gst4.png").exists() {
        assert_colour(&output, "gst4.png");
    }
}

fn the_writer_is_killed_and_restarted(version: &str) {
    let testbed = testbed_or_skip!();
    script(
        guest(&testbed, version),
        r#"
        # A writer that breaks the rules leaves 0.12.7 stuck.
        must timeout 20 ffmpeg -loglevel error -nostdin -f lavfi -i color=size=640x480 -frames:v 30 -pix_fmt yuv420p -f v4l2 /dev/video10
        must start; must reads 10
        kill_daemon
        must start; must reads 10
        # A reader stays through the crash and continues.
        v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=150 > /dev/null 2>&1 & R=$!
        sleep 1; kill_daemon
        must start
        ( sleep 60; kill $R ) & must wait $R
        "#,
    )
    .success();
}

on_each_version!(readers_come_and_go, the_writer_is_killed_and_restarted, a_busy_device_is_left_alone);

fn a_busy_device_is_left_alone(version: &str) {
    let testbed = testbed_or_skip!();
    let output = script(
        guest(&testbed, version),
        r#"
        must start
        ( feed v4l2 1280x720 1 ) > "$SHARE/busy" 2>&1
        must reads 10
        # A reader that stays keeps the format; after it has left, another size works.
        v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=9999 > /dev/null 2>&1 & R=$!
        sleep 1; kill_daemon
        ( feed v4l2 640x480 1 ) > "$SHARE/held" 2>&1
        kill $R; wait $R 2> /dev/null
        ( feed v4l2 640x480 1 ) > "$SHARE/free" 2>&1
        "#,
    )
    .success();
    let log = |name: &str| fs::read_to_string(output.file(name)).unwrap();
    assert!(log("busy").contains("/dev/video10 is busy: another program writes to it"), "{}", log("busy"));
    assert!(log("held").contains("has the format 1280x720 YU12, expected 640x480 YU12"), "{}", log("held"));
    assert!(log("free").contains("/dev/video10: 30 frames, ok"), "{}", log("free"));
}

#[test]
fn a_module_loaded_later_is_found() {
    let testbed = testbed_or_skip!();
    let output = script(
        guest(&testbed, VERSIONS[3]).no_loopback(),
        r#"
        feed v4l2 1280x720 600 > "$SHARE/producer.log" 2>&1 &
        must until_ok 20 grep -q 'v4l2loopback is not loaded' "$SHARE/producer.log"
        modprobe v4l2loopback video_nr=10 exclusive_caps=1 card_label='"Virtual Background Cam"'
        must until_ok 20 fed
        must reads 10
        "#,
    );
    output.success();
}

#[test]
fn an_unsuitable_output_is_reported_with_its_type() {
    let testbed = testbed_or_skip!();
    let output = script(
        guest(&testbed, VERSIONS[3]),
        r#"
        for output in v4l2:/dev/video0 v4l2:/dev/video77 v4l2:Nonesuch v4l2:/etc/passwd; do ( feed $output 640x480 1 ); done 2>&1
        chmod 600 /dev/video10
        cp "$PRODUCER" /run/producer; chmod 755 /run /run/producer
        OUTPUT=v4l2 SIZE=640x480 LAST=1 setpriv --reuid 65534 --regid 65534 --clear-groups \
            /run/producer --ignored --exact --nocapture producer 2>&1
        "#,
    )
    .success();
    for part in [
        r#"/dev/video0 is "vivid" of driver vivid"#,
        r#"no virtual camera "/dev/video77", available: /dev/video10 ("Virtual Background Cam")"#,
        r#"no virtual camera "Nonesuch""#,
        "/etc/passwd is a file or directory",
        "cannot open output /dev/video10: permission denied",
    ] {
        assert!(output.stdout.contains(part), "no {part:?} in {}", output.stdout);
    }
}

#[test]
fn chromium_lists_and_shows_it() {
    let testbed = testbed_or_skip!();
    if !["/usr/bin/chromium", "/usr/bin/google-chrome"].iter().any(|path| fs::exists(path).unwrap()) {
        eprintln!("skipped: no Chromium");
        return;
    }
    let output = script(
        guest(&testbed, VERSIONS[3]).timeout(Duration::from_secs(300)),
        r#"must start; must "$TESTBED/chromium-consumer" --seconds 3 --wait 60 --start-timeout 120 --png "$SHARE/frame.png""#,
    )
    .success();
    assert!(output.stdout.contains(r#""width": 1280, "height": 720, "frameRate": 30"#), "{}", output.stdout);
    assert_colour(&output, "frame.png");
}
