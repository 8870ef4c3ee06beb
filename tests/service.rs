//! The systemd service in a real `systemd --user`: start, reload, crash, hang and stop.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use support::Guest;

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/bgcam.service");

#[test]
fn the_service_starts_reloads_recovers_and_stops() {
    let testbed = testbed_or_skip!();
    let session = testbed.join("tools/user-session");
    if !session.exists() {
        eprintln!("skipped: this testbed has no systemd session");
        return;
    }
    let guest = Guest::new(&testbed).timeout(Duration::from_secs(240));
    let unit = fs::read_to_string(UNIT).unwrap().replace("%h/.cargo/bin/bgcam", support::bgcam().to_str().unwrap());
    fs::write(guest.path("bgcam.service"), unit).unwrap();
    let output = guest
        .bash(&format!(
            r#"
            cat > "$SHARE/session.sh" << 'END'
            . "$SHARE/guest.sh"
            set -u
            must() {{ "$@" || {{ echo "failed: $*"; systemctl --user status bgcam; journalctl --no-pager --user-unit bgcam; exit 1; }}; }}
            is() {{ [ "$(systemctl --user show -p "$1" --value bgcam)" = "$2" ]; }}
            pid() {{ systemctl --user show -p MainPID --value bgcam; }}
            restarted() {{ is ActiveState active && [ "$(pid)" != "$PID" ] && [ "$(pid)" != 0 ]; }}
            logged() {{ journalctl --no-pager --user-unit bgcam | grep -q "$1"; }}
            shows() {{ "$BGCAM" status | grep -q "^background  $1"; }}
            settings() {{ printf '[background]\ndefault = "%s"\n' "$1" > ~/.config/bgcam/bgcam.toml; }}
            mkdir -p ~/.config/systemd/user ~/.config/bgcam
            cp "$SHARE/bgcam.service" ~/.config/systemd/user/
            settings '#20a040'
            must systemctl --user daemon-reload
            must systemctl --user enable bgcam
            must systemctl --user start bgcam
            must is ActiveState active
            must shows '#20a040'
            settings '#2040a0'
            must systemctl --user reload bgcam
            must shows '#2040a0'
            # an image generator runs outside the service, and ends with it
            MODEL=$SHARE/model.gguf
            printf 'GGUF\3\0\0\0' > "$MODEL"
            printf '[prompt.local]\nserver = "%s"\nweights = "%s"\n' "{}" "$MODEL" >> ~/.config/bgcam/bgcam.toml
            must systemctl --user reload bgcam
            must "$BGCAM" set-prompt --provider local 'a wall'
            GENERATOR=$(cut -d ' ' -f 1 "$MODEL.server")
            must grep -q 'background.slice' "/proc/$GENERATOR/cgroup"
            must is OOMPolicy continue
            must "$BGCAM" set-color '#2040a0'
            PID=$(pid); kill -9 "$PID"
            must until_ok 30 restarted
            must until_ok 10 test ! -d "/proc/$GENERATOR"
            must is NRestarts 1
            must shows '#2040a0'
            PID=$(pid); kill -STOP "$PID"
            must until_ok 90 restarted
            must until_ok 10 logged 'Watchdog timeout'
            must is NRestarts 2
            must until_ok 20 shows '#2040a0'
            must systemctl --user stop bgcam
            must is Result success
            must logged 'bgcam stopped'
END
            cat > "$SHARE/guest.sh" << 'END'
{PRELUDE}
END
            "{}" bash "$SHARE/session.sh"
            "#,
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/sd_server.py"),
            session.display(),
        ))
        .success();
    eprintln!("{}", output.stdout.trim());
}

const PRELUDE: &str = include_str!("support/guest.sh");
