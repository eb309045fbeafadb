#!/bin/sh
# fuzz.sh: builds the libFuzzer targets with clang and runs each for FUZZ_SECONDS (60) from its corpus; findings stay in build-fuzz.
set -eu
cd "$(dirname "$0")/.."
sh scripts/deps.sh build fuzz
CC=clang sh scripts/setup.sh build-fuzz -Dfuzz=true -Dtests=false -Dcli=false -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
    -Db_lundef=false -Ddefault_library=static
ninja -C build-fuzz
status=0
for target in build-fuzz/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=$(basename "$target")
    work=build-fuzz/corpus/$name
    mkdir -p "$work"
    echo "== $name"
    (cd build-fuzz && "../$target" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$name-" \
        "../$work" "../fuzz/corpus/${name#fuzz_}") || status=1
done
exit $status
