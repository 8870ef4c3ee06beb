# What the scripts share: talking to the person, and becoming root. Sourced, never run.
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

# The comment at the top of the running script is its help.
usage() { sed -n '2,/^[^#]/p' "$0" | sed -n 's/^# \{0,1\}//p'; }

# Whether `as_root` can work without a question that nobody is there to answer.
can_be_root() { [ "$(id -u)" = 0 ] || { have sudo && { [ -t 0 ] || sudo -n true 2> /dev/null; }; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Why no kernel module can be loaded here; empty when one can be tried.
no_modules_because() {
  if [ -e /.dockerenv ] || [ -e /run/.containerenv ] || systemd-detect-virt -cq 2> /dev/null; then
    echo "this is a container, and the kernel belongs to its host"
  elif [ ! -d "/lib/modules/$(uname -r)" ]; then
    echo "the running kernel $(uname -r) has no modules here"
  fi
}
