#!/bin/sh
# fields_doc.sh PROGRAM DOC [--write]: whether DOC holds the tables that PROGRAM prints, between its two marks; --write puts them there.
set -eu
program=$1 doc=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" >"$work/tables"
sed '/^<!-- tables begin/q' "$doc" >"$work/new"
echo >>"$work/new"
cat "$work/tables" >>"$work/new"
sed -n '/^<!-- tables end/,$p' "$doc" >>"$work/new"
if [ "${3:-}" = --write ]; then
    cp "$work/new" "$doc"
elif ! diff -u "$doc" "$work/new"; then
    echo "$doc is not what the program does: tests/serve/fields_doc.sh $program $doc --write" >&2
    exit 1
fi
