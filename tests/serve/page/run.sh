#!/bin/sh
# Drives the page in headless Chromium: run.sh [--base URL] [--out DIR]. Without a base address a server with scripted answers stands in.
# Prints TAP; screenshots go to DIR (the build folder in a build).
set -u
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v python3 >/dev/null 2>&1; then
    echo '1..0 # SKIP all of the page: python3 is missing'
    exit 0
fi
exec python3 "$here/drive.py" "$@"
