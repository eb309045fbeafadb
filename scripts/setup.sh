#!/bin/sh
# setup.sh DIR [options]: configures a build folder with Meson, or changes the options of one that is there.
set -eu
dir=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -f "$dir/build.ninja" ]; then
    exit 0
elif [ -d "$dir/meson-private" ]; then
    set -- --wipe "$@" # an attempt that failed half way
fi
if ! meson setup "$dir" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
