#!/bin/sh
# test.sh [stage...]: builds and tests every configuration; the last line says how many tests passed, failed and were skipped.
#   gcc       release build of gcc, all tests but those of `clients` and `slow`
#   clang     clang without optimisation, every warning an error (nothing is run)
#   sanitize  gcc with the address and undefined behaviour sanitizers, all tests but those against outside oracles (model_many runs the same models) and of files built without them
#   arm       64-bit Arm under qemu, every warning of gcc an error: the tests of what may differ by processor, whole models' bits among them
#   clients   the vendors' clients from PyPI and a browser against the release build; skipped where they cannot be had
#   slow      not by default: other programs from PyPI that take long (an evaluation harness, requests made from the description)
# Logs lie in the build folders. Exit status 1 when anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || set -- gcc clang sanitize arm clients
passed=0 failed=0 skipped=0

say() { printf '%s\n' "$*"; }
pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    say "FAILED: $*"
}

# build DIR [options]: configures and compiles; warnings of the compiler are failures.
build() {
    dir=$1
    shift
    if ! sh scripts/setup.sh "$dir" "$@"; then
        fail "$dir: configuring"
        return 1
    fi
    if [ ! -d "$dir/tests" ]; then meson configure "$dir" -Dtests=true >/dev/null; fi
    if ! ninja -C "$dir" >"$dir/compile.log" 2>&1; then
        grep -v '^\[' "$dir/compile.log" | head -n 60
        fail "$dir: compiling ($dir/compile.log)"
        return 1
    fi
    if grep -q 'warning:' "$dir/compile.log"; then
        grep -A 3 'warning:' "$dir/compile.log" | head -n 60
        fail "$dir: the compiler warns ($dir/compile.log)"
    else
        pass
    fi
}

# check DIR [options of meson test]: runs the tests, one more at once than there are processors (many wait), and adds up their cases.
check() {
    dir=$1
    shift
    rm -f "$dir"/meson-logs/testlog*.json
    meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes $(($(nproc) + 1)) "$@" >"$dir/test.log" 2>&1
    status=$?
    counts=$(python3 scripts/count.py "$dir"/meson-logs/testlog*.json) || counts="0 1 0"
    # shellcheck disable=SC2086
    set -- $counts
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    say "  $dir: $1 passed, $2 failed, $3 skipped"
    if [ $status -ne 0 ]; then
        tail -n 200 "$dir/test.log"
        if [ "$2" -eq 0 ]; then fail "$dir: meson test ended with status $status ($dir/test.log)"; fi
    fi
}

start=$(date +%s)
for stage in "$@"; do
    say "== $stage ($(($(date +%s) - start)) s)"
    case $stage in
    gcc)
        sh scripts/deps.sh build test || exit 1
        build build -Dtests=true && check build -t 3 --no-suite clients --no-suite slow
        ;;
    clang)
        sh scripts/deps.sh build test || exit 1
        CC=clang build build-clang -Dbuildtype=plain -Dwerror=true
        ;;
    sanitize)
        sh scripts/deps.sh build test || exit 1
        ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
        export ASAN_OPTIONS UBSAN_OPTIONS
        build build-sanitize -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Ddefault_library=static -Dc_args=-g1 &&
            check build-sanitize -t 5 --no-suite house --no-suite isa --no-suite numbers --no-suite oracle --no-suite clients --no-suite slow
        unset ASAN_OPTIONS UBSAN_OPTIONS
        ;;
    arm)
        if sh scripts/deps.sh build test arm; then
            build build-arm --cross-file scripts/aarch64.ini -Dcli=false -Dwerror=true && SUAN_TEST_THREADS=2 check build-arm -t 10 --suite base --suite kernels --suite formats --suite text --suite engine --suite bits --no-suite numbers --no-suite long
        else
            say "  the packages for 64-bit Arm cannot be installed: this stage is left out"
            skipped=$((skipped + 1))
        fi
        ;;
    clients | slow)
        sh scripts/deps.sh build test
        sh scripts/deps.sh clients || say "  packages for clients cannot be installed: what needs them is skipped"
        build build -Dtests=true && check build -t 3 --suite "$stage" $([ "$stage" = slow ] || echo --no-suite slow)
        ;;
    *)
        say "test.sh: unknown stage \"$stage\"; there are gcc, clang, sanitize, arm, clients, slow"
        exit 2
        ;;
    esac
done
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
say "$line"
[ "$failed" -eq 0 ]
