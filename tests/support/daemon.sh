# For scripts in a guest: a daemon with a private home, and a reader.
#
# `start ARGUMENTS` runs the daemon as `$W`; `field NAME` prints the first field of that name in its status; `must COMMAND` ends
# the script if the command fails. `watch` runs watcher.py, in the directory `$SUPPORT`, as `$R`; `close_reader` and
# `open_reader` close and reopen its camera, `seen FIELD` prints one of its counters. Uses little Python, which takes
# seconds to start on kernel 6.1.
set -u
H=/tmp/home; mkdir -p -m 700 $H/run $H/config/bgcam
export BGCAM_GALLERY_STARTER=false XDG_RUNTIME_DIR=$H/run XDG_CONFIG_HOME=$H/config XDG_DATA_HOME=$H/data XDG_STATE_HOME=$H/state
export LOG=$SHARE/log; SEEN=/tmp/seen

field() { "$BGCAM" status --json 2> /dev/null | sed -n "s/^ *\"$1\": \(.*[^,]\),*$/\1/p" | head -n 1; }
is() { [ "$(field "$1")" = "$2" ]; }
exceeds() { [ "$(field "$1")" -gt "$2" ]; }
must() { "$@" || fail "$*"; }
fail() { echo "failed: $*"; cat $SEEN $SEEN.phase; "$BGCAM" status; tail -n 40 "$LOG"; exit 1; } 2> /dev/null
launch() { "$BGCAM" daemon "$@" >> "$LOG" 2>&1 & W=$!; }
responds() { "$BGCAM" status; }
start() { launch "$@"; must until_ok 30 responds; }
kill_daemon() { kill -9 $W; wait $W 2> /dev/null; }
camera_on() { readlink /proc/$W/fd/* | grep -q '^/dev/video0$'; }
camera_off() { ! camera_on; }
idle() { is on false && camera_off; }
files() { ls /proc/$W/fd | wc -l; }
threads() { ls /proc/$W/task | wc -l; }

# Controls the testbed's USB webcam; `camera_gone` is true without any camera.
webcam() { must "$TESTBED/tools/uvc-webcam" ctl "$@"; }
camera_gone() { ! "$BGCAM" status --json | grep -q '"native"'; }

# Makes the whole room blue.
paint_room() { v4l2-ctl -d /dev/video0 -c test_pattern=9 -c osd_text_mode=2; }
control() { v4l2-ctl -d /dev/video0 -c "$1" || fail "$1"; }

# A session with PipeWire and WirePlumber, which needs the directories of logind; `node NAME` prints the full name of a node in it.
pipewire_session() {
    mkdir -p /run/systemd/seats /run/systemd/sessions /run/systemd/users /run/systemd/machines
    export DBUS_SESSION_BUS_ADDRESS=unix:path=$XDG_RUNTIME_DIR/bus
    dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" 2> /dev/null &
    must until_ok 20 test -S "$XDG_RUNTIME_DIR/bus"
    pipewire >> "$LOG" 2>&1 &
    must until_ok 20 test -S "$XDG_RUNTIME_DIR/pipewire-0"
    wireplumber >> "$LOG" 2>&1 &
}
node() { pw-cli ls Node | sed -n "s/.*node.name = \"\($1[^\"]*\)\".*/\1/p" | grep -m 1 .; }

watch() { rm -f $SEEN; python3 "$SUPPORT/watcher.py" $SEEN "$@" >> "$SHARE/room" 2>&1 & R=$!; must until_ok 20 test -e $SEEN; }
open_reader() { kill -USR1 $R; }
close_reader() { kill -HUP $R; must until_ok 10 grep -q here=0 $SEEN; }
seen() { tr ' ' '\n' < $SEEN | sed -n "s/^$1=//p"; }
have() { [ "$(seen "$1")" -ge "$2" ]; }
# `more FIELD COUNT`: waits until the counter has grown by COUNT.
more() { must until_ok 30 have "$1" $(($(seen "$1") + $2)); }
phase() { echo "$*" > $SEEN.phase; }
