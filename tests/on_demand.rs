//! Camera on demand on real drivers: open while an app reads the virtual camera, closed otherwise; and camera
//! selection.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use support::Guest;

/// Helpers in addition to `support/daemon.sh`; run `reader FRAMES` in the background or in parentheses.
const HELPERS: &str = r##"
active() { is on true && camera_on && exceeds composed 0; }
reader() { exec v4l2-ctl -d /dev/video10 --stream-mmap --stream-count="$1" > /dev/null 2>&1; }
ticks() { awk '{ print $14 + $15 }' /proc/$W/stat; }
begin() { start --background '#20a040' --camera "$@"; }
"##;

/// Runs a script with the daemon's helpers in a guest. It must succeed; prints its output.
fn script(version: &str, script: &str) {
    let testbed = testbed_or_skip!();
    let guest = Guest::new(&testbed).v4l2loopback(version).timeout(Duration::from_secs(300));
    let output = guest.daemon(&format!("{HELPERS}\n{script}")).success();
    eprintln!("{version}: {}", output.stdout.trim());
}

fn the_light_follows_the_readers(version: &str) {
    script(
        version,
        r##"
        begin /dev/video0
        must until_ok 10 idle
        # A program that lists cameras, as chat programs do: four times every three seconds.
        for round in 1 2; do
            for look in 1 2 3 4; do v4l2-ctl -d /dev/video10 -D > /dev/null; done
            sleep 3; must camera_off
        done
        must is camera_opens 0
        before=$(ticks); sleep 5; echo "idle: $(( $(ticks) - before )) hundredths of a second in 5 s"
        reader 9999 & R=$!
        must until_ok 20 active
        must grep -q 'camera on: v4l2-ctl' "$LOG"
        # A reader that returns at once finds the camera still open.
        kill $R; wait $R 2> /dev/null
        ( reader 30 )
        must is camera_opens 1
        must until_ok 20 idle
        # While paused, the camera is closed and a card is shown; kill -9 ends it like any other exit.
        reader 9999 & R=$!
        must until_ok 20 active
        must "$BGCAM" pause; must until_ok 10 camera_off
        must "$BGCAM" resume; must until_ok 10 camera_on
        kill -9 $R; wait $R 2> /dev/null
        must until_ok 20 idle
        must grep -q 'camera off: no app is using the camera' "$LOG"
        # With always_on, readers are ignored, and their events cause no busy loop.
        printf '[camera]\nalways_on = true\n' > $H/config/bgcam/bgcam.toml; must "$BGCAM" pause; must "$BGCAM" reload
        must until_ok 10 is reason '"paused"'; must until_ok 10 grep -q 'camera on: camera.always_on is set' "$LOG"
        ( reader 5 )
        before=$(ticks); sleep 3; used=$(( $(ticks) - before ))
        must [ $used -lt 100 ]
        "##,
    );
}

on_versions!(the_light_follows_the_readers: v0_12_7, v0_13_2, v0_15_4);

#[test]
fn the_control_page_is_a_reader_too() {
    script(
        "0.15.4",
        r##"
        begin /dev/video0
        must until_ok 10 idle
        url=$("$BGCAM" preview --print); url=${url#http://}; host=${url%%/*}
        # get PATH HEADER: sends the request on descriptor 5
        get() {
            exec 5<> "/dev/tcp/${host%:*}/${host#*:}"
            printf 'GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n' "$1" "$host" "$2" >&5
        }
        get "/${url#*/}" 'Connection: close'
        cookie=$(grep -io 'bgcam-[^;]*' <&5)
        page() {
            get /live/output "Cookie: $cookie"
            exec cat <&5 > /tmp/stream
        }
        page & V=$!
        must until_ok 20 active
        must is reason '"the control page is open"'
        # An app that also reads is reported, and keeps the camera open when the page is closed.
        reader 9999 & R=$!
        must until_ok 20 is reason "\"v4l2-ctl (pid $R) is using /dev/video10\""
        kill $V; sleep 5
        must camera_on; must is camera_opens 1
        kill $R
        must until_ok 20 idle
        # A browser that hangs is disconnected.
        page & V=$!
        must until_ok 20 active
        kill -STOP $V
        must until_ok 60 idle
        kill -KILL $V
        "##,
    );
}

#[test]
fn a_second_app_uses_a_second_camera() {
    script(
        "0.15.4",
        r##"
        begin /dev/video0
        second=$("$BGCAM" devices add "Second Cam" 2> /dev/null)
        must [ "$second" = /dev/video1 ]
        kill $W; wait $W
        begin /dev/video0 --output v4l2 --output "v4l2:$second"
        v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=9999 > /dev/null 2>&1 & R=$!
        must until_ok 20 active
        must timeout 20 v4l2-ctl -d "$second" --stream-mmap --stream-count=30 > /dev/null 2>&1
        must is camera_opens 1
        "$BGCAM" status > /tmp/output; must grep -q 'bgcam devices add' /tmp/output
        "$BGCAM" devices remove "$second" 2> /tmp/output; must grep -q 'close the apps' /tmp/output
        kill $R $W; wait $W
        must "$BGCAM" devices remove "$second"
        must [ ! -e "$second" ]
        setpriv --reuid 65534 --regid 65534 --clear-groups "$BGCAM" devices add 2> /tmp/output; must grep -q sudo /tmp/output
        "##,
    );
}

#[test]
fn a_camera_is_found_at_another_node() {
    script(
        "0.15.4",
        r##"
        begin vivid
        reader 9999 & R=$!
        must until_ok 20 active
        for number in 1 2; do
            echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind
            must until_ok 20 is source null
            # another camera gets its number
            "$BGCAM" devices add Taken 2> /dev/null
            echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
            must until_ok 20 is path "\"/dev/video$number\""
        done
        "##,
    );
}

#[test]
fn a_better_camera_is_selected_when_connected() {
    script(
        "0.15.4",
        r##"
        echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind
        # a virtual camera with that name has lower priority; another program feeds it
        other=$("$BGCAM" devices add vivid 2> /dev/null)
        ffmpeg -loglevel error -nostdin -re -f lavfi -i color=size=1280x720:rate=30 -pix_fmt yuyv422 -f v4l2 "$other" &
        begin vivid
        reader 9999 & R=$!
        must until_ok 30 is path "\"$other\""
        echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
        must until_ok 20 grep -q 'better match for "vivid"' "$LOG"
        must until_ok 20 is path '"/dev/video1"'
        "##,
    );
}
