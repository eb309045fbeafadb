#!/bin/sh
# deps.sh [build] [test] [arm] [clients] [fuzz]: looks for what is needed and installs what is missing with apt-get, without a question.
# Exit status 1, with the names, when something is missing and cannot be installed.
set -eu

missing=
need() { # package, then a command that succeeds where it is not needed
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
have() { command -v "$1"; }
library() { have pkg-config && pkg-config --exists "$1"; }
installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
libc() { echo '#include <stdlib.h>' | ${CC:-gcc} -E - ; }

[ $# -gt 0 ] || set -- build
for what in "$@"; do
    case $what in
    build)
        if [ -z "${CC:-}" ]; then need gcc have gcc; fi
        need libc6-dev libc
        need meson have meson
        need ninja-build have ninja
        need pkg-config have pkg-config
        need libjansson-dev library jansson
        need libedit-dev library libedit
        need libssl-dev library libcrypto
        need libhwloc-dev library hwloc
        need libmicrohttpd-dev library libmicrohttpd
        need libgnutls28-dev library gnutls
        need libsqlite3-dev library sqlite3
        ;;
    test)
        need libcmocka-dev library cmocka
        need binutils have nm
        need clang have clang
        need g++ have g++
        ;;
    arm)
        need gcc-aarch64-linux-gnu have aarch64-linux-gnu-gcc
        need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdlib.h
        need qemu-user have qemu-aarch64
        need libjansson-dev:arm64 installed libjansson-dev:arm64
        need libcmocka-dev:arm64 installed libcmocka-dev:arm64
        ;;
    clients)
        need python3-venv python3 -c 'import ensurepip'
        need chromium have chromium
        ;;
    fuzz)
        need clang have clang
        need libclang-rt-14-dev test -n "$(find /usr/lib/llvm-*/lib/clang -name 'libclang_rt.fuzzer-x86_64.a' 2>/dev/null | head -n 1)"
        ;;
    *)
        echo "deps.sh: unknown group \"$what\"" >&2
        exit 2
        ;;
    esac
done
[ -n "$missing" ] || exit 0

say_and_fail() {
    echo "Missing packages:$missing" >&2
    echo "$1" >&2
    exit 1
}
command -v apt-get >/dev/null 2>&1 || say_and_fail "There is no apt-get here: install them (names as in Debian 12) and try again."
root=
if [ "$(id -u)" -ne 0 ]; then
    { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; } || say_and_fail "Install them as root: apt-get install$missing"
    root="sudo -n"
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing$missing" >&2
apt() { $root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 </dev/null; }
case $missing in
*:arm64*)
    if ! dpkg --print-foreign-architectures | grep -q '^arm64$'; then
        $root dpkg --add-architecture arm64
        apt update || true
    fi
    ;;
esac
# The package lists of a fresh system are empty or old: they are fetched only when the first try fails.
# shellcheck disable=SC2086
apt install --no-install-recommends $missing || { apt update && apt install --no-install-recommends $missing; } || {
    tail -n 20 "$log" >&2
    say_and_fail "apt-get could not install them."
}
