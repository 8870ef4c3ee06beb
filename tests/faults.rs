//! Faults: readers who misbehave, a daemon that is killed, a webcam that fails; on the real drivers.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use support::{Guest, VERSIONS};

/// Runs a script, which must succeed, in a guest with a daemon's helpers; says what it said.
fn script(version: &str, script: &str) {
    let testbed = testbed_or_skip!();
    let guest = Guest::new(&testbed).v4l2loopback(version).timeout(Duration::from_secs(300));
    let output = guest.daemon(&format!("{HELPERS}\n{script}")).success();
    eprintln!("{version}: {}", output.stdout.trim());
}

/// `begin` starts a daemon and has it read once, so that all is open that ever is; `settled` says that it is so again.
const HELPERS: &str = r##"
begin() {
    start --camera /dev/video0 --background '#20a040'
    watch; more live 10; leave; must until_ok 20 asleep
    FILES=$(files) THREADS=$(threads)
}
as_before() { [ "$(files) $(threads)" = "$FILES $THREADS" ]; }
settled() {
    leave
    must until_ok 20 asleep
    until_ok 10 as_before || fail "from $FILES files and $THREADS threads to $(files) and $(threads): $(ls -l /proc/$W/fd)"
}
"##;

fn readers_churn(version: &str) {
    let times = if version == VERSIONS[3] { 200 } else { 60 };
    let churn = format!(r#"must python3 "$SUPPORT/churn.py" {times} 4"#);
    script(version, &format!("begin; {churn}; back; more live 30; settled"));
}

fn killed_again_and_again(version: &str) {
    let times = if version == VERSIONS[3] { 50 } else { 20 };
    script(version, &format!(r#"must python3 "$SUPPORT/killer.py" {times} 4"#));
}

fn the_webcam_fails(version: &str) {
    script(
        version,
        r##"
        begin
        back; more live 5
        said() { grep -q "$1" "$LOG"; }
        # `again CONTROL`: what it breaks has the camera opened again, and frames come.
        again() { local before=$(field camera_opens); control $1; must until_ok 20 beyond camera_opens $before; more live 5; }
        control inject_v4l2_buf_flag_error=1; must until_ok 20 is corrupt 1; more live 5
        again inject_fatal_streaming_error=1
        control inject_vidioc_streamon_error=1; again inject_fatal_streaming_error=1; must said 'cannot start the stream'
        control inject_vidioc_reqbufs_error=1; again inject_fatal_streaming_error=1; must said 'cannot get buffers'
        again disconnect=1
        control percentage_of_dropped_buffers=50; more live 20
        control percentage_of_dropped_buffers=100; more cards 5; control percentage_of_dropped_buffers=0; more live 5
        settled
        "##,
    );
}

fn unplugged_and_plugged_in(version: &str) {
    script(
        version,
        r##"
        begin
        back; more live 5
        for time in 1 2 3 4 5 6 7 8 9 10; do
            "$TESTBED/tools/replug" unplug
            # At once, during the last picture, and when a card stands there.
            case $((time % 3)) in 1) ;; 2) more frames 3 ;; 0) more cards 3 ;; esac
            "$TESTBED/tools/replug" plug; more live 3
        done
        must [ "$(seen ends)" = 0 ]
        must beyond camera_opens 9
        settled
        "##,
    );
}

fn odd_readers(version: &str) {
    script(
        version,
        r##"
        begin
        # Ours go on, whoever sleeps; 30 are ten seconds of cards, one of pictures.
        goes_on() { must until_ok 20 beyond written $(($(field written) + 30)); }
        kill $R
        watch 0.3; more live 5; goes_on; more live 5
        kill -STOP $R; goes_on; sleep 3; must lit
        kill -CONT $R; more live 10; must [ "$(seen ends)" = 0 ]
        kill $R; wait $R 2> /dev/null
        python3 "$SUPPORT/wisher.py" || fail "another format"
        v4l2-ctl -d /dev/video10 --set-fmt-video=width=320,height=240,pixelformat=YUYV --set-parm=5 --stream-mmap \
            --stream-count=5 > /dev/null 2>&1
        must is failure null
        watch; more live 5; goes_on
        settled
        "##,
    );
}

fn nothing_grows(version: &str) {
    script(version, r#"start --camera /dev/video0 --background '#20a040'; must python3 "$SUPPORT/soak.py" $W 0.5"#);
}

on_versions!(readers_churn: v0_12_7, v0_13_2, v0_15_4);
on_versions!(killed_again_and_again: v0_12_7, v0_13_2, v0_15_4);
on_versions!(odd_readers: v0_12_7, v0_13_2, v0_15_4);
// The webcam is the same whatever the virtual camera.
on_versions!(the_webcam_fails: v0_12_7, v0_15_4);
on_versions!(unplugged_and_plugged_in: v0_15_4);
on_versions!(nothing_grows: v0_15_4);
