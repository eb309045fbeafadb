#!/bin/sh
# bench.sh PROGRAM: tokens a second of the built-in model, reading and writing, best of five runs.
set -eu
suan=$1
best_prompt=0 best_decode=0
prompt=$(for i in 1 2 3 4 5 6 7 8; do printf 'The wind blew over the hill, and the old king told his three sons to be still. '; done)
for run in 1 2 3 4 5; do
    json=$("$suan" run --raw -p "$prompt" -n 200 --temp 0 --ignore-eos --json --quiet)
    rate() { printf '%s' "$json" | sed -n "s/.*\"$1\":\([0-9.e+]*\).*/\1/p"; }
    best_prompt=$(printf '%s %s\n' "$best_prompt" "$(rate prompt_tokens_per_second)" | awk '{print ($1 > $2) ? $1 : $2}')
    best_decode=$(printf '%s %s\n' "$best_decode" "$(rate decode_tokens_per_second)" | awk '{print ($1 > $2) ? $1 : $2}')
done
echo "built-in model, best of 5: prompt $best_prompt tokens/s, decode $best_decode tokens/s"
