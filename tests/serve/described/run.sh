#!/bin/sh
# run.sh SUAN SOURCE: requests that schemathesis (PyPI) makes from /openapi.json against the program: nothing may be a server's error, have another status or form than the description
# says, be accepted where the description forbids it, or kill the server. A request that follows the description may still ask for what cannot be (a call without tools): 400 is fine.
# TAP on stdout. SUAN_EXAMPLES: how many requests for each operation.
set -u
suan=$1 source=$2
venvs=${SUAN_VENVS:-${TMPDIR:-/tmp}/suan-venvs-$(id -u)}
venv=$venvs/schemathesis-4.32.5
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
if [ ! -f "$venv/ready" ]; then
    rm -rf "$venv"
    mkdir -p "$venvs"
    if ! python3 -m venv "$venv" >"$work/pip" 2>&1 || ! "$venv/bin/pip" install -q --disable-pip-version-check schemathesis==4.32.5 >>"$work/pip" 2>&1; then
        echo "1..0 # SKIP all cases: pip cannot install schemathesis: $(tail -n 1 "$work/pip" | tr -d '\n#')"
        exit 0
    fi
    touch "$venv/ready"
fi
cat >"$work/schemathesis.toml" <<'TOML'
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "413"]

# GET of such a path asks for a model of that name.
[[operations]]
include-path-regex = ":"
checks.unsupported_method.enabled = false
TOML
"$suan" serve -m "$source/models/seed" --port 0 --ledger none --log-file /dev/null >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 300); do
    url=$(sed -n 's/.* is served at \(http:[^ ]*\).*/\1/p' "$work/out" | head -n 1)
    [ -n "$url" ] && break
    sleep 0.1
done
echo "1..2"
(cd "$work" && no_proxy='*' "$venv/bin/schemathesis" --config-file schemathesis.toml run "$url/openapi.json" --max-examples "${SUAN_EXAMPLES:-25}" --phases coverage,fuzzing --continue-on-failure -w 2) >"$work/log" 2>&1
status=$?
sed 's/^/# /' "$work/log" | tail -n 150
if [ $status -eq 0 ]; then echo "ok 1 - the description and the server agree"; else echo "not ok 1 - the description and the server agree"; fi
kill -TERM "$pid"
wait "$pid"
ended=$?
pid=
if [ $ended -eq 0 ]; then echo "ok 2 - the server lived and ended well"; else echo "not ok 2 - the server ended with $ended"; fi
[ $status -eq 0 ] && [ $ended -eq 0 ]
