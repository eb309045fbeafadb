# install.sh: an installation in a folder of its own: the example builds against it with pkg-config and runs, the program finds its model.
set -u
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0 failed=0
ok() { # name, command...
    name=$1
    shift
    n=$((n + 1))
    if "$@" >"$tmp/log" 2>&1; then
        echo "ok $n - $name"
    else
        failed=1
        echo "not ok $n - $name"
        tail -n 15 "$tmp/log" | sed 's/^/# /'
    fi
}
root=$tmp/root
ok "meson install" env DESTDIR="$root" meson install -C "$BUILD" --no-rebuild
pc=$(find "$root" -name suan.pc | head -n 1)
ok "there is a suan.pc" test -n "$pc"
lib=$(dirname "$(dirname "${pc:-/none/none}")")
PKG_CONFIG_PATH=$(dirname "${pc:-/none}") PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
shared() {
    # shellcheck disable=SC2046
    gcc -std=c17 -Wall -Wextra -Werror -o "$tmp/example" "$TOP/examples/generate.c" $(pkg-config --cflags --libs suan)
}
ok "the example builds with pkg-config" shared
ok "the example runs" env LD_LIBRARY_PATH="$lib" "$tmp/example" "$root"/usr/local/share/suan/models/seed "Tell me a story about a fox."
cp "$tmp/log" "$tmp/written"
ok "and writes something" test -s "$tmp/written"
hwloc=$(pkg-config --static --libs-only-l suan | tr ' ' '\n' | grep -x -e -lhwloc)
static() {
    # The libraries that libsuan.a needs are the system's, so they are named without the folder of this installation.
    # shellcheck disable=SC2046
    gcc -std=c17 -o "$tmp/example-static" "$TOP/examples/generate.c" -I"$root/usr/local/include" "$lib/libsuan.a" $hwloc -ljansson -lm -pthread
}
ok "the example builds with the static library" static
ok "and runs" "$tmp/example-static" "$root"/usr/local/share/suan/models/seed "Hello"
ok "the installed program runs its own model" "$root/usr/local/bin/suan" run -p "Hello" -n 4
ok "the man page is there" test -s "$root/usr/local/share/man/man1/suan.1"
ok "the headers are there" test -s "$root/usr/local/include/suan/suan.h"
echo "1..$n"
exit $failed
