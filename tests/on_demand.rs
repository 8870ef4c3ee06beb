//! The camera's light: on while somebody reads the virtual camera, off otherwise; on the real drivers.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::fs;

use support::{Guest, Output};

/// `start ARGUMENTS` runs a daemon as `$W` with a home of its own; `ask WHAT` is a field of its status, by a path of Python.
const HELPERS: &str = r##"
set -u
H=/tmp/home; mkdir -p -m 700 $H/run
export XDG_RUNTIME_DIR=$H/run XDG_CONFIG_HOME=$H/config XDG_DATA_HOME=$H/data XDG_STATE_HOME=$H/state
ask() { "$BGCAM" status --json | python3 -c "import json,sys; s=json.load(sys.stdin); print($1)"; }
is() { [ "$(ask "$1" 2>/dev/null)" = "$2" ]; }
must() { "$@" || { echo "failed: $*"; "$BGCAM" status; cat "$SHARE/log"; exit 1; }; }
start() { "$BGCAM" daemon --camera "${CAMERA:-/dev/video0}" --background '#20a040' "$@" > "$SHARE/log" 2>&1 & W=$!; must until_ok 30 "$BGCAM" status; }
lit() { readlink /proc/$W/fd/* | grep -q '^/dev/video0$'; }
dark() { ! lit; }
asleep() { is "s['camera']['on']" False && dark; }
awake() { is "s['camera']['on']" True && lit && [ "$(ask "s['counters']['composed']")" -gt 0 ]; }
reader() { exec v4l2-ctl -d /dev/video10 --stream-mmap --stream-count="$1" > /dev/null 2>&1; }
ticks() { awk '{ print $14 + $15 }' /proc/$W/stat; }
"##;

fn script(version: &str, script: &str) -> Option<Output> {
    let testbed = support::testbed()?;
    let mut guest = Guest::new(&testbed).v4l2loopback(version);
    if let Ok(library) = bgcam::mask::library(&bgcam::mask::Settings::default()) {
        guest = guest.env("BGCAM_ONNXRUNTIME", library.to_str().unwrap());
    }
    Some(guest.bash(&format!("{HELPERS}\n{script}")).success())
}

fn the_light_follows_the_readers(version: &str) {
    let output = script(
        version,
        r##"
        start
        must until_ok 10 asleep
        # A program that lists cameras, as chat programs do: four times every three seconds.
        for round in 1 2 3; do
            for look in 1 2 3 4; do v4l2-ctl -d /dev/video10 -D --list-formats > /dev/null; done
            sleep 3; must dark
        done
        must is "s['counters']['camera_opens']" 0
        reader 9999 & R=$!
        must until_ok 20 awake
        must is "'v4l2-ctl' in s['camera']['why']" True
        # A reader that comes back at once finds the camera as it was.
        kill $R; wait $R 2> /dev/null
        ( reader 30 )
        must is "s['counters']['camera_opens']" 1
        must until_ok 20 asleep
        # kill -9 of a reader is an end like any other.
        reader 9999 & R=$!
        must until_ok 20 awake
        kill -9 $R; wait $R 2> /dev/null
        must until_ok 20 asleep
        # Paused, the light is off whoever reads, and a still card is shown.
        reader 9999 & R=$!
        must until_ok 20 awake
        "$BGCAM" pause; must until_ok 10 dark
        "$BGCAM" resume; must until_ok 10 lit
        kill $R; wait $R 2> /dev/null
        must until_ok 20 asleep
        before=$(ticks); sleep 10; echo "idle: $(( $(ticks) - before )) hundredths of a second in 10 s"
        grep -c 'camera on: v4l2-ctl' "$SHARE/log"
        "##,
    );
    if let Some(output) = output {
        eprintln!("{version}: {}", output.stdout.trim());
        let log = fs::read_to_string(output.file("log")).unwrap();
        assert!(log.contains("camera off: nobody reads"), "{log}");
    } else {
        eprintln!("skipped: no testbed (scripts/testbed builds one, BGCAM_TESTBED names one)");
    }
}

on_each_version!(the_light_follows_the_readers);

#[test]
fn a_second_app_has_a_camera_of_its_own() {
    let output = script(
        "0.15.4",
        r##"
        start
        second=$("$BGCAM" devices add "Second Cam" 2> /dev/null); echo "$second"
        must v4l2-ctl -d "$second" -D
        kill $W; wait $W
        start --output v4l2 --output "v4l2:$second"
        v4l2-ctl -d /dev/video10 --stream-mmap --stream-count=9999 > /dev/null 2>&1 & R=$!
        must until_ok 20 awake
        must timeout 20 v4l2-ctl -d "$second" --stream-mmap --stream-count=30
        must is "s['counters']['camera_opens']" 1
        "$BGCAM" status | must grep -q 'bgcam devices add'
        "$BGCAM" devices remove "$second" 2>&1 | must grep -q 'close the apps'
        kill $R $W; wait $W
        must "$BGCAM" devices remove "$second"
        [ ! -e "$second" ] || exit 1
        setpriv --reuid 65534 --regid 65534 --clear-groups "$BGCAM" devices add 2>&1 | grep sudo
        "##,
    );
    match output {
        Some(output) => assert!(output.stdout.contains("/dev/video1\n"), "{}", output.stdout),
        None => eprintln!("skipped: no testbed (scripts/testbed builds one, BGCAM_TESTBED names one)"),
    }
}

#[test]
fn a_camera_is_found_under_another_node() {
    let output = script(
        "0.15.4",
        r##"
        CAMERA=vivid start
        reader 9999 & R=$!
        must until_ok 20 awake
        for round in 1 2; do
            echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind
            must until_ok 20 is "s['camera']['source'] is None" True
            must until_ok 20 grep -q 'not found\|gone away' "$SHARE/log"
            # another camera takes its number
            taken=$("$BGCAM" devices add Taken)
            echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
            must until_ok 20 is "s['camera']['source']['name']" vivid
        done
        ask "s['camera']['source']['path']"
        "##,
    );
    match output {
        Some(output) => assert!(output.stdout.contains("/dev/video2"), "{}", output.stdout),
        None => eprintln!("skipped: no testbed (scripts/testbed builds one, BGCAM_TESTBED names one)"),
    }
}

#[test]
fn a_camera_that_suits_better_is_changed_to() {
    let output = script(
        "0.15.4",
        r##"
        echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind
        # a virtual camera of that name is second choice; another program feeds it
        other=$("$BGCAM" devices add vivid)
        ffmpeg -loglevel error -nostdin -re -f lavfi -i color=size=1280x720:rate=30 -pix_fmt yuyv422 -f v4l2 "$other" &
        CAMERA=vivid start
        reader 9999 & R=$!
        must until_ok 30 is "s['camera']['source']['path']" "$other"
        echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
        must until_ok 20 is "s['camera']['source']['path'] != '$other'" True
        must grep -q 'suits "vivid" better' "$SHARE/log"
        "##,
    );
    if output.is_none() {
        eprintln!("skipped: no testbed (scripts/testbed builds one, BGCAM_TESTBED names one)");
    }
}
