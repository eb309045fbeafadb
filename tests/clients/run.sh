#!/bin/sh
# run.sh SUAN SOURCE SUITE PACKAGE VERSION [MORE...]: a vendor's client from PyPI, unmodified, against `suan serve`. TAP on stdout.
#
# The client comes into a virtual environment of its own (below $SUAN_VENVS, which keeps it for the next time). Where pip cannot reach PyPI, the suite is skipped and says so.
set -u
suan=$1 source=$2 suite=$3 package=$4 version=$5
shift 5 # what is left: further packages
here=$source/tests/clients
venvs=${SUAN_VENVS:-${TMPDIR:-/tmp}/suan-venvs-$(id -u)}
venv=$venvs/$package-$version
work=$(mktemp -d)
pids=

finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    for pid in $pids; do wait "$pid"; done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

python=$venv/bin/python
[ "$package" = none ] && python=python3 # a suite that needs no client
if [ "$package" != none ] && [ ! -f "$venv/ready" ]; then
    rm -rf "$venv"
    mkdir -p "$venvs"
    if ! python3 -m venv "$venv" >"$work/pip" 2>&1 || ! "$venv/bin/pip" install -q --disable-pip-version-check "$package==$version" "$@" >>"$work/pip" 2>&1; then
        echo "1..0 # SKIP all cases: pip cannot install $package $version: $(tail -n 1 "$work/pip" | tr -d '\n#')"
        exit 0
    fi
    touch "$venv/ready"
fi

# Starts a server; its address goes to $work/NAME.url.
serve() {
    name=$1 model=$2
    : >"$work/$name.out"
    XDG_STATE_HOME=$work/state "$suan" serve -m "$model" --port 0 >"$work/$name.out" 2>"$work/$name.err" &
    pids="$pids $!"
    pid=$!
    for _ in $(seq 600); do
        sed -n 's/.* is served at \(http:[^ ]*\).*/\1/p' "$work/$name.out" | head -n 1 >"$work/$name.url"
        [ -s "$work/$name.url" ] && return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "Bail out! the server does not start"
    sed 's/^/# /' "$work/$name.err"
    exit 1
}

python3 "$here/fixture.py" "$source/models/seed" "$work/tools-model" || exit 1
serve plain "$source/models/seed"
serve tools "$work/tools-model"
SUAN_SOURCE=$source PYTHONDONTWRITEBYTECODE=1 "$python" "$here/$suite" --url "$(cat "$work/plain.url")" --tools-url "$(cat "$work/tools.url")"
status=$?
for pid in $pids; do
    kill -TERM "$pid" 2>/dev/null
    wait "$pid" || { echo "# a server ended with $?"; status=1; }
done
pids=
[ $status -eq 0 ] || sed 's/^/# /' "$work/plain.err" "$work/tools.err" | tail -n 40
exit $status
