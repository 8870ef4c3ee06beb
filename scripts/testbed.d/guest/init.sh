#!/bin/bash
# PID 1, stage 2 (copied into the run directory by ../run, seen here as /run/testbed): loads the modules, runs CMD.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset HOME TERM tbshare
T=/run/testbed BB=/run/oldroot/bin/busybox

off() {
  dmesg > $T/dmesg.log 2> /dev/null
  sync
  $BB poweroff -f
}
# Renamed into place, so that a partly written file is never read.
finish() {
  echo "$1" > $T/rc.tmp
  mv $T/rc.tmp $T/rc
  off
}
fail() {
  echo "testbed: $*" | tee -a $T/setup.log >> $T/stderr
  finish 125
}
# shellcheck source=/dev/null
. $T/env

file_systems() {
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mkdir -p /dev/pts /dev/shm
  mount -t devpts devpts /dev/pts
  mount -t tmpfs -o mode=1777 shm /dev/shm
  ln -sfn /proc/self/fd /dev/fd
  ln -sf fd/0 /dev/stdin
  ln -sf fd/1 /dev/stdout
  ln -sf fd/2 /dev/stderr
  mkdir -p /run/user
  mkdir -m 1777 /run/lock
  mkdir -m 700 /run/user/0
  $BB ifconfig lo 127.0.0.1 up
  $BB hostname testbed
  for d in "${SHARES[@]}"; do
    mkdir -p "$d"
    mount -t hostfs -o "$d" none "$d" || echo "share $d failed"
  done
}

modules() {
  local m
  mkdir -p /lib/modules
  mount -t tmpfs modules /lib/modules
  cp -r "$KDIR"/lib/modules/. /lib/modules/
  m=/lib/modules/$(uname -r)
  if [ -n "$LB_VERSION" ]; then
    mkdir -p "$m/updates/dkms"
    cp "$KDIR/v4l2loopback/$LB_VERSION/v4l2loopback.ko" "$m/updates/dkms/"
  fi
  if command -v depmod > /dev/null; then depmod -a; else $BB depmod; fi
  # shellcheck disable=SC2086 # options are words
  if [ "$VIVID_OPTS" != none ]; then $BB modprobe vivid $VIVID_OPTS || return 1; fi
  if [ "$LB_LOAD" = 1 ]; then eval "$BB insmod $m/updates/dkms/v4l2loopback.ko $LB_OPTS" || return 1; fi
  for v in /dev/video*; do
    [ -e "$v" ] || continue
    chmod 666 "$v"
    echo "$v $(cat "/sys/class/video4linux/${v##*/}/name")"
  done
}

mjpeg_webcam() {
  local feeder
  [ -e /dev/video20 ] || fail "--mjpeg: no /dev/video20 (with --loopback-opts, create it there)"
  ffmpeg -nostdin -hide_banner -loglevel error -re -stream_loop -1 -i $T/mjpeg.avi -c copy -f v4l2 /dev/video20 \
    > $T/mjpeg.log 2>&1 < /dev/null &
  feeder=$!
  for _ in $(seq 100); do
    kill -0 $feeder 2> /dev/null || fail "--mjpeg: feeder ended: $(tail -3 $T/mjpeg.log)"
    case "$(cat /sys/class/video4linux/video20/format 2> /dev/null)" in MJPG* | *JPEG*) break ;; esac
    sleep 0.1
  done
  sleep 0.3
  disown $feeder
}

# Exports the caller's environment, except variables that refer to resources outside the guest.
environment() {
  local name
  while IFS= read -r -d '' pair; do
    name=${pair%%=*}
    case "$name" in
      '' | *[!A-Za-z0-9_]* | [0-9]*) ;;
      DISPLAY | WAYLAND_DISPLAY | XAUTHORITY | DBUS_* | PIPEWIRE_* | PULSE_* | XDG_RUNTIME_DIR | XDG_SESSION_*) ;;
      BASHOPTS | SHELLOPTS | UID | EUID | PPID | GROUPS | PWD | OLDPWD | SHLVL | _) ;;
      *) export "${pair?}" ;;
    esac
  done < $T/environ
  export PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  export HOME="${HOME:-/root}" LANG="${LANG:-C.UTF-8}" TERM="${TERM:-dumb}"
  export XDG_RUNTIME_DIR=/run/user/0 USER=root LOGNAME=root
  export TESTBED="$TESTBED_DIR" TESTBED_GUEST=1 TESTBED_V4L2LOOPBACK="$LB_VERSION"
}

{ file_systems; modules; } > $T/setup.log 2>&1 || fail "loading modules failed: $(tail -3 $T/setup.log; dmesg | tail -3)"
[ "$MJPEG" = 0 ] || mjpeg_webcam
environment
cd "$CALLER_CWD" 2> /dev/null || fail "the working directory $CALLER_CWD does not exist in the guest"
errors=$T/stderr
[ "$SPLIT" = 1 ] || errors=$T/stdout
setsid bash $T/cmd.sh >> $T/stdout 2>> $errors < /dev/null
finish $?
