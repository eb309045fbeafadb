# lib.sh: what the tests of the program share. A test runs the program and asks; each question is one case in TAP.
#   SUAN   the program           MODELS  the folder of shipped models
#   JSONQ  tests/cli/jsonq.c     TOP     the source folder
set -u
tmp=$(mktemp -d "${TMPDIR:-/tmp}/suan-cli-XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
n_cases=0 n_failed=0 status=0
seed=$MODELS/seed

# run ARGS...: runs the program without input; leaves $status, $tmp/out, $tmp/err.
run() {
    "$SUAN" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
}
# run_in FILE ARGS...: with a file as input.
run_in() {
    input=$1
    shift
    "$SUAN" "$@" >"$tmp/out" 2>"$tmp/err" <"$input"
    status=$?
}
# ok NAME COMMAND...: one case, passed when the command succeeds.
ok() {
    name=$1
    shift
    n_cases=$((n_cases + 1))
    if "$@"; then
        echo "ok $n_cases - $name"
    else
        n_failed=$((n_failed + 1))
        echo "not ok $n_cases - $name"
        echo "# $*; the last exit status was $status"
        head -n 5 "$tmp/out" 2>/dev/null | cut -c 1-300 | sed 's/^/# out: /'
        head -n 5 "$tmp/err" 2>/dev/null | cut -c 1-300 | sed 's/^/# err: /'
    fi
}
skip() {
    n_cases=$((n_cases + 1))
    echo "ok $n_cases - $1 # SKIP $2"
}
is() { [ "$1" = "$2" ] || { printf '# found    %s\n# expected %s\n' "$1" "$2" | cut -c 1-400; false; }; }
exits() { [ "$status" -eq "$1" ]; }
out_has() { grep -q -e "$1" "$tmp/out"; }
err_has() { grep -q -e "$1" "$tmp/err"; }
empty() { [ ! -s "$1" ]; }
# json PATH: a value of $tmp/out, "timings.load_ms"; nothing and failure when it is not there.
json() { "$JSONQ" "$tmp/out" "$1"; }
has() { json "$1" >/dev/null; }
finish() {
    echo "1..$n_cases"
    [ "$n_failed" -eq 0 ]
    exit
}
