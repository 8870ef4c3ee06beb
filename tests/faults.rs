//! Faults on real drivers: misbehaving readers, a killed daemon, a failing webcam.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{collections::BTreeSet, process::Command, time::Duration};

use bgcam::frame::{Size, Yuv};
use image::codecs::gif::GifEncoder;
use support::{Guest, VERSIONS};

/// Runs a script with the daemon's helpers in a guest. It must succeed; prints its output.
fn script(version: &str, script: &str) {
    let testbed = testbed_or_skip!();
    let guest = Guest::new(&testbed).v4l2loopback(version).timeout(Duration::from_secs(300));
    let output = guest.daemon(&format!("{HELPERS}\n{script}")).success();
    eprintln!("{version}: {}", output.stdout.trim());
}

/// `begin` starts a daemon, its model and a reader once, so that everything is open; `settled` checks that the resources
/// are the same again.
const HELPERS: &str = r##"
begin() {
    start --camera /dev/video0 --background '#20a040'
    watch; must until_ok 30 model_open; more live 10; close_reader; must until_ok 20 idle
    FILES=$(files) THREADS=$(threads)
}
# Frames count as live even before the model is open, which has threads of its own.
model_open() { local model=$(field model); [ "${model:-null}" != null ]; }
# Idle threads of the control side may have ended meanwhile; more threads would be a leak. Those started by the last
# command end after ten idle seconds.
as_before() { [ "$(files)" = "$FILES" ] && [ "$(threads)" -le "$THREADS" ]; }
settled() {
    close_reader
    must until_ok 20 idle
    until_ok 30 as_before || fail "from $FILES files and $THREADS threads to $(files) and $(threads): $(ls -l /proc/$W/fd)"
}
"##;

fn many_readers_connect_and_disconnect(version: &str) {
    let times = if version == VERSIONS[3] { 200 } else { 60 };
    let churn = format!(r#"must python3 "$SUPPORT/churn.py" {times} 4"#);
    script(version, &format!("begin; {churn}; open_reader; more live 30; settled"));
}

fn the_daemon_is_killed_repeatedly(version: &str) {
    let times = if version == VERSIONS[3] { 50 } else { 20 };
    script(version, &format!(r#"must python3 "$SUPPORT/killer.py" {times} 4"#));
}

fn the_webcam_fails(version: &str) {
    script(
        version,
        r##"
        begin
        open_reader; more live 5
        logged() { grep -q "$1" "$LOG"; }
        # `again CONTROL`: after this fault, the camera is reopened and frames arrive.
        again() { local before=$(field camera_opens); control $1; must until_ok 20 exceeds camera_opens $before; more live 5; }
        control inject_v4l2_buf_flag_error=1; must until_ok 20 is corrupt 1; more live 5
        again inject_fatal_streaming_error=1
        control inject_vidioc_streamon_error=1; again inject_fatal_streaming_error=1; must logged 'cannot start the stream'
        control inject_vidioc_reqbufs_error=1; again inject_fatal_streaming_error=1; must logged 'cannot allocate buffers'
        again disconnect=1
        control percentage_of_dropped_buffers=50; more live 20
        control percentage_of_dropped_buffers=100; more cards 5; control percentage_of_dropped_buffers=0; more live 5
        settled
        "##,
    );
}

fn the_webcam_is_unplugged_and_reconnected(version: &str) {
    script(
        version,
        r##"
        begin
        open_reader; more live 5
        for time in 1 2 3 4 5 6 7 8 9 10; do
            "$TESTBED/tools/replug" unplug
            # At once, during the last frame, and while a card is shown.
            case $((time % 3)) in 1) ;; 2) more frames 3 ;; 0) more cards 3 ;; esac
            "$TESTBED/tools/replug" plug; more live 3
        done
        must [ "$(seen ends)" = 0 ]
        must exceeds camera_opens 9
        settled
        "##,
    );
}

fn misbehaving_readers(version: &str) {
    script(
        version,
        r##"
        begin
        # Our reader continues while others sleep; 30 cards take ten seconds, 30 frames one.
        continues() { must until_ok 20 exceeds written $(($(field written) + 30)); }
        kill $R
        watch 0.3; more live 5; continues; more live 5
        kill -STOP $R; continues; sleep 3; must camera_on
        kill -CONT $R; more live 10; must [ "$(seen ends)" = 0 ]
        kill $R; wait $R 2> /dev/null
        python3 "$SUPPORT/formats.py" || fail "another format"
        v4l2-ctl -d /dev/video10 --set-fmt-video=width=320,height=240,pixelformat=YUYV --set-parm=5 --stream-mmap \
            --stream-count=5 > /dev/null 2>&1
        must is failure null
        watch; more live 5; continues
        settled
        "##,
    );
}

fn resources_do_not_grow(version: &str) {
    script(version, r#"start --camera /dev/video0 --background '#20a040'; must python3 "$SUPPORT/soak.py" $W 3 20"#);
}

/// A moving background moves for the reader; its child process pauses with the scene and exits with the daemon.
fn a_moving_background(version: &str) {
    let testbed = testbed_or_skip!();
    let guest = Guest::new(&testbed).v4l2loopback(version);
    write_gif(&guest.path("clip.gif"));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:d=2"]);
    let has_ffmpeg = ffmpeg.arg(guest.path("clip.mp4")).status().is_ok_and(|status| status.success());
    if !has_ffmpeg {
        eprintln!("the video is left out: ffmpeg is not installed");
    }
    let script = r##"
        start --camera /dev/video0 --background "$SHARE/clip.gif"
        watch; more live 10; close_reader
        must timeout 60 v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=40 --stream-to="$SHARE/frames.yuv"
        [ -e "$SHARE/clip.mp4" ] || exit 0
        must "$BGCAM" set-video "$SHARE/clip.mp4"
        must is label '"clip.mp4"'
        open_reader; more frames 20
        child() { grep -lx 'Name:.ffmpeg' /proc/[0-9]*/status; }
        work() { cut -d ' ' -f 14,15 "$(dirname "$(child)")/stat"; }
        must child
        must "$BGCAM" pause; more frames 5
        # pending work is finished by now
        rests() { local before="$(work)"; sleep 1; [ "$before" = "$(work)" ]; }
        must until_ok 20 rests
        must "$BGCAM" resume; more frames 20
        kill_daemon
        gone() { ! child; }
        must until_ok 20 gone
        "##;
    let output = guest.daemon(script).success();
    let frames = std::fs::read(output.file("frames.yuv")).unwrap();
    let shown: BTreeSet<u8> =
        frames.chunks_exact(Size::HD.i420_len()).map(|frame| frame[Size::HD.width() * 360]).collect();
    let levels = GIF_COLOURS.map(|[r, g, b]| Yuv::from_rgb(r, g, b).y);
    assert!(levels.iter().all(|level| shown.contains(level)), "{shown:?} is not {levels:?}");
}

/// Two colours, neither blue nor dark.
const GIF_COLOURS: [[u8; 3]; 2] = [[200, 180, 40], [120, 200, 60]];

/// Writes a GIF with [`GIF_COLOURS`] in turn, a fifth of a second each.
fn write_gif(path: &std::path::Path) {
    let mut encoder = GifEncoder::new(std::fs::File::create(path).unwrap());
    for [r, g, b] in GIF_COLOURS {
        let image = image::RgbaImage::from_pixel(64, 36, image::Rgba([r, g, b, 255]));
        let delay = image::Delay::from_numer_denom_ms(200, 1);
        encoder.encode_frame(image::Frame::from_parts(image, 0, 0, delay)).unwrap();
    }
}

on_versions!(a_moving_background: v0_15_4);
on_versions!(many_readers_connect_and_disconnect: v0_12_7, v0_13_2, v0_15_4);
on_versions!(the_daemon_is_killed_repeatedly: v0_12_7, v0_13_2, v0_15_4);
on_versions!(misbehaving_readers: v0_12_7, v0_13_2, v0_15_4);
// The webcam does not depend on the version of the virtual camera.
on_versions!(the_webcam_fails: v0_12_7, v0_15_4);
on_versions!(the_webcam_is_unplugged_and_reconnected: v0_15_4);
on_versions!(resources_do_not_grow: v0_15_4);
