#!/bin/sh
# install.sh [--prefix DIR] [--uninstall]: install bgcam from this archive, or remove it again.
#   --prefix     where to install: /usr/local, for all users (the default), or a folder in your home such as ~/.local
#   --uninstall  remove what was installed there; the script is also in DIR/share/bgcam, so the archive is not needed
# A second run updates bgcam. Installed files are recorded in DIR/share/bgcam/installed. Settings in /etc that you changed are
# neither overwritten nor removed. In your home, nothing is written to /etc: `bgcam setup` creates the virtual camera.
# DESTDIR, if set, is used as the root folder instead of /.
set -eu
umask 022

say() { echo "install.sh: $*" >&2; }
die() {
  say "$*"
  exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
root=${root%/}
prefix=/usr/local uninstall=0
case "$here" in */share/bgcam) prefix=${here%/share/bgcam} prefix=${prefix#"$root"} ;; esac
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) prefix=${2:-}; [ $# = 1 ] || shift ;;
    --uninstall) uninstall=1 ;;
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) say "unknown option $1 (--help lists them)"; exit 2 ;;
  esac
  shift
done
prefix=${prefix%/}
case "$prefix" in
  *[!A-Za-z0-9/._+@-]*) die "--prefix: only letters, digits and /._+@- are possible, because the service starts a program there: $prefix" ;;
  /*) ;;
  *) say "--prefix needs an absolute path, not '$prefix'"; exit 2 ;;
esac
home=${HOME:-/none}
case "$prefix/" in "${home%/}"/*) for_user=1 ;; *) for_user=0 ;; esac

# One line for each path that was installed: its kind (file, conf or folder), the checksum of a conf, and the path.
record=$prefix/share/bgcam/installed
recorded() { [ ! -f "$root$record" ] || sed -n "s/^$1 [^ ]* //p" "$root$record"; }
recorded_line() { [ ! -f "$root$record" ] || awk -v path="$1" '$3 == path' "$root$record"; }
sum() { sha256sum < "$1" | cut -d ' ' -f 1; }

# Reads paths. Stops if one of them cannot be created or removed; folders may be missing.
require_access() {
  while read -r path; do
    folder=$(dirname "$root$path")
    while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
    if [ ! -d "$folder" ] || [ ! -w "$folder" ]; then
      die "no permission to change $folder: run this with sudo, or use --prefix ~/.local for your account only"
    fi
  done
}

# Where a file of the archive is installed; empty if nowhere.
destination() {
  case "$1" in
    install.sh) echo "$prefix/share/bgcam/install.sh" ;;
    etc/*) [ $for_user = 1 ] || echo "/$1" ;;
    usr/lib/systemd/*) if [ $for_user = 1 ]; then echo "$prefix/share/${1#usr/lib/}"; else echo "$prefix/${1#usr/}"; fi ;;
    *) echo "$prefix/${1#usr/}" ;;
  esac
}

# What to do: lines of `file`, `conf` or `keep` (a conf that belongs to the user), the file in the archive, and the path.
plan() {
  (cd "$here" && find usr etc install.sh -type f | sort) | while read -r source; do
    path=$(destination "$source")
    old=$(recorded_line "$path")
    kind='file'
    case "$source" in
      etc/*)
        kind=conf
        if [ -e "$root$path" ] || [ -n "$old" ]; then
          [ -e "$root$path" ] && [ "$old" = "conf $(sum "$root$path") $path" ] || kind=keep
        fi
        ;;
      *)
        [ ! -e "$root$path" ] || [ -n "$old" ] ||
          die "$root$path exists and is not from install.sh: remove that installation first, or use another --prefix"
        ;;
    esac
    [ -z "$path" ] || echo "$kind $source $path"
  done
}

# The record of a plan.
new_record() {
  echo "$1" | while read -r kind source path; do
    case $kind in
      file) echo "file - $path" ;;
      conf) echo "conf $(sum "$here/$source") $path" ;;
      keep) recorded_line "$path" ;;
    esac
  done
  # folders that do not exist yet, or that an earlier run created
  echo "$1" | awk '{ n = split($3, part, "/"); folder = ""; for (i = 2; i < n; i++) print folder = folder "/" part[i] }' | sort -u |
    while read -r folder; do
      if [ ! -d "$root$folder" ] || [ -n "$(recorded_line "$folder")" ]; then echo "folder - $folder"; fi
    done
}

# place SOURCE PATH: replaces the file in one step, because a running bgcam may use it.
place() {
  new=$root$2.new~
  mkdir -p "$(dirname "$new")"
  case "$1" in
    usr/*.service | usr/*.desktop) sed "s#^\(Exec[A-Za-z]*\)=\(/usr/bin/\)\{0,1\}bgcam#\1=$prefix/bin/bgcam#" "$here/$1" > "$new" ;;
    *) cp "$here/$1" "$new" ;;
  esac
  if [ -x "$here/$1" ]; then chmod 755 "$new"; else chmod 644 "$new"; fi
  mv -f "$new" "$root$2"
}

install() {
  [ -x "$here/usr/bin/bgcam" ] || die "run it in the unpacked archive: $here/usr/bin/bgcam is missing"
  plan=$(plan)
  echo "$plan" | cut -d ' ' -f 3 | require_access

  # the record comes first, so that an installation that fails can be removed
  old=$(recorded file)
  lines=$(new_record "$plan")
  mkdir -p "$root$(dirname "$record")"
  echo "$lines" > "$root$record.new~"
  mv -f "$root$record.new~" "$root$record"

  echo "$plan" | while read -r kind source path; do
    if [ "$kind" != keep ]; then place "$source" "$path"; else say "left as it is, because it is yours: $root$path"; fi
  done
  echo "$old" | while read -r path; do
    if [ -n "$path" ] && [ -z "$(recorded_line "$path")" ]; then rm -f "$root$path"; fi
  done
  say "installed bgcam to $prefix; next: $prefix/bin/bgcam setup"
  say "to remove it: $prefix/share/bgcam/install.sh --uninstall"
}

remove() {
  [ -f "$root$record" ] || die "there is nothing to remove in $prefix: no $root$record"
  { echo "$record"; recorded file; recorded conf; } | require_access
  recorded file | while read -r path; do rm -f "$root$path"; done
  recorded conf | while read -r path; do
    [ -f "$root$path" ] || continue
    if [ "conf $(sum "$root$path") $path" = "$(recorded_line "$path")" ]; then
      rm -f "$root$path"
    else
      say "left, because you changed it: $root$path"
    fi
  done
  folders=$(recorded folder | sort -r)
  rm -f "$root$record"
  echo "$folders" | while read -r path; do rmdir "$root$path" 2> /dev/null || true; done
  say "removed bgcam from $prefix; your settings and images remain in ~/.config/bgcam and ~/.local/share/bgcam"
}

if [ $uninstall = 1 ]; then remove; else install; fi
