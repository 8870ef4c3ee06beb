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

# require PACKAGE [PROGRAM]: installs a Debian package if its program is missing.
require() {
  have "${2:-$1}" || as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$1" > /dev/null ||
    die "$1 is not installed and apt-get could not install it"
}

# machine_of ARCH: the name that the kernel and compilers have for a Debian architecture.
machine_of() {
  case "$1" in
    amd64) echo x86_64 ;;
    arm64) echo aarch64 ;;
    *) die "no packages for the architecture '$1', only for amd64 and arm64" ;;
  esac
}

# build_for MACHINE: sets `rust_target`, for cargo's --target, and `emulator`, the start of a command line that runs the result.
build_for() {
  local gnu=$1-linux-gnu variable
  rust_target=$1-unknown-linux-gnu
  emulator=()
  [ "$1" != "$(uname -m)" ] || return 0
  emulator=("qemu-$1")
  export QEMU_LD_PREFIX=/usr/$gnu # its libraries
  variable=CARGO_TARGET_${rust_target//-/_}
  variable=${variable^^}
  # the crates that compile C find the cross compiler by its name, cargo does not
  export "${variable}_LINKER=$gnu-gcc" "${variable}_RUNNER=${emulator[*]}"
}

# onnx_library MACHINE: where scripts/setup installs ONNX Runtime. bgcam searches only the place of its own machine.
onnx_library() {
  if [ "$1" = "$(uname -m)" ]; then echo "$data/onnxruntime/libonnxruntime.so"; else echo "$data/onnxruntime/$1/libonnxruntime.so"; fi
}

# Why kernel modules cannot be loaded on this machine; empty if they may work.
no_modules_because() {
  if [ -e /.dockerenv ] || [ -e /run/.containerenv ] || systemd-detect-virt -cq 2> /dev/null; then
    echo "kernel modules cannot be loaded in a container"
  elif [ ! -d "/lib/modules/$(uname -r)" ]; then
    echo "no modules are installed for the running kernel $(uname -r)"
  fi
}
