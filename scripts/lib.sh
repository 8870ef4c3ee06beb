# Shared by the scripts: messages and root access. Sourced, never run.
# shellcheck shell=bash disable=SC2034

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=${XDG_DATA_HOME:-$HOME/.local/share}/bgcam
name=$(basename "$0")

say() { echo "$name: $*" >&2; }
die() {
  echo "$name: $*" >&2
  exit 1
}
have() { command -v "$1" > /dev/null 2>&1; }

# Prints the comment at the top of the running script as its help.
usage() { sed -n '2,/^[^#]/p' "$0" | sed -n 's/^# \{0,1\}//p'; }

# Whether `as_root` works without a password prompt that cannot be answered.
can_be_root() { [ "$(id -u)" = 0 ] || { have sudo && { [ -t 0 ] || sudo -n true 2> /dev/null; }; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Why kernel modules cannot be loaded on this machine; empty if they may work.
no_modules_because() {
  if [ -e /.dockerenv ] || [ -e /run/.containerenv ] || systemd-detect-virt -cq 2> /dev/null; then
    echo "kernel modules cannot be loaded in a container"
  elif [ ! -d "/lib/modules/$(uname -r)" ]; then
    echo "no modules are installed for the running kernel $(uname -r)"
  fi
}
