# text.sh: tokenize and template, which need no weights.
. "$(dirname "$0")/lib.sh"

ids() { printf '%s' "$1" >"$tmp/in"; shift; run_in "$tmp/in" tokenize -m "$seed" "$@"; }
ids "Once upon a time there was a king who had three sons" --add-special
ok "text becomes the ids of the reference" is "$(cat "$tmp/out")" "0 63 1865 664 275 590 499 327 275 1324 467 363 950 277 918"
ids "Once upon a time there was a king who had three sons"
ok "without --add-special there is no BOS" is "$(cat "$tmp/out")" "63 1865 664 275 590 499 327 275 1324 467 363 950 277 918"
ids '<｜User｜>'
ok "control tokens in text stay text" is "$(wc -w <"$tmp/out" | awk '{print ($1 > 1)}')" 1
ids '<｜User｜>' --parse-special
ok "--parse-special makes them control tokens" is "$(wc -w <"$tmp/out" | tr -d ' ')" 1
ids "The king" --json
ok "--json has ids" has ids
ok "--json has as many tokens as ids" is "$(json ids | tr ',' '\n' | wc -l)" "$(json tokens | tr ',' '\n' | wc -l)"
ids ""
ok "no text, no ids" is "$(cat "$tmp/out")" ""
"$SUAN" tokenize -m "$seed/tokenizer.json" <"$tmp/in" >"$tmp/out" 2>"$tmp/err"; status=$?
ok "a tokenizer.json is enough" exits 0
"$SUAN" tokenize <"$tmp/in" >"$tmp/out" 2>"$tmp/err"; status=$?
ok "without -m the shipped model is used" exits 0

# Round trips, of any bytes.
head -c 3000 "$SUAN" >"$tmp/bytes"
printf 'plain text\n\n  two  spaces\ttab caf\303\251 \347\256\227 \360\237\246\212\n' >"$tmp/words"
: >"$tmp/nothing"
printf '\377\376\200 broken \303' >"$tmp/broken"
for file in bytes words nothing broken; do
    run_in "$tmp/$file" tokenize -m "$seed"
    cp "$tmp/out" "$tmp/ids"
    run_in "$tmp/ids" tokenize -m "$seed" --decode
    ok "$file comes back byte for byte" cmp "$tmp/$file" "$tmp/out"
done
echo "0, 63,1865" >"$tmp/in"
run_in "$tmp/in" tokenize -m "$seed" --decode --skip-special
ok "--skip-special leaves control tokens out" is "$(cat "$tmp/out")" "Once"
for bad in x 1x -1 99999999999 1.5 0x1; do
    echo "1 $bad" >"$tmp/in"
    run_in "$tmp/in" tokenize -m "$seed" --decode
    ok "the id $bad is refused" exits 1
done
echo 4096 >"$tmp/in"
run_in "$tmp/in" tokenize -m "$seed" --decode
ok "an id outside the vocabulary is refused" exits 1
if [ -w /dev/full ]; then
    "$SUAN" tokenize -m "$seed" <"$tmp/words" >/dev/full 2>"$tmp/err"; status=$?
    ok "tokenize into a full disk exits with 1" exits 1
fi

cat >"$tmp/request.json" <<'X'
{"messages": [{"role": "user", "content": "Who are you?"}], "add_generation_prompt": true}
X
run template "$seed" --input "$tmp/request.json"
ok "the template of a model is rendered" is "$(cat "$tmp/out")" '<｜begin▁of▁sentence｜><｜User｜>Who are you?<｜Assistant｜>'
ok "and nothing else is said" empty "$tmp/err"
ok "without a newline at the end" is "$(tail -c 1 "$tmp/out" | od -An -tx1 | tr -d ' ')" 3e
run_in "$tmp/request.json" template "$seed" --input -
ok "the request may come from stdin" is "$(cat "$tmp/out")" '<｜begin▁of▁sentence｜><｜User｜>Who are you?<｜Assistant｜>'
mkfifo "$tmp/fifo"
cat "$tmp/request.json" >"$tmp/fifo" &
run template "$seed" --input "$tmp/fifo"
wait
ok "or from a named pipe" is "$(cat "$tmp/out")" '<｜begin▁of▁sentence｜><｜User｜>Who are you?<｜Assistant｜>'
printf '{%% for m in messages %%}[{{ m.role }}:{{ m.content }}]{%% endfor %%}{{ strftime_now("%%Y-%%m-%%d") }}' >"$tmp/t.jinja"
run template "$tmp/t.jinja" --input "$tmp/request.json" --now 2026-01-02T03:04:05
ok "a template file is rendered" is "$(cat "$tmp/out")" '[user:Who are you?]2026-01-02'
printf '{{ raise_exception("no such role") }}' >"$tmp/t.jinja"
run template "$tmp/t.jinja" --input "$tmp/request.json"
ok "an error of the template exits with 1" exits 1
ok "and tells its message" err_has 'no such role'
ok "and prints nothing" empty "$tmp/out"
printf '{%% if %%}' >"$tmp/t.jinja"
run template "$tmp/t.jinja" --input "$tmp/request.json"
ok "a broken template exits with 1" exits 1
echo '[1' >"$tmp/bad.json"
run template "$seed" --input "$tmp/bad.json"
ok "a broken request exits with 1" exits 1
for now in 2026-13-01T00:00:00 2026-01-02 2026-01-02T03:04:05Z 2026-01-02T24:00:00 x; do
    run template "$seed" --input "$tmp/request.json" --now "$now"
    ok "the time $now is refused" exits 1
done
# Answers taken apart.
cat >"$tmp/hermes.jinja" <<'X'
{{ messages[0].content }}{# <tool_call> #}{% if think %}<think>{% endif %}
X
printf 'why\n</think>\n\nI look.\n<tool_call>\n{"name": "f", "arguments": {"a": [1]}}\n</tool_call>' >"$tmp/answer"
echo '{"messages": [{"role": "user", "content": "q"}], "think": true}' >"$tmp/request.json"
run template "$tmp/hermes.jinja" --input "$tmp/request.json" --answer "$tmp/answer"
ok "an answer is taken apart" exits 0
ok "its reasoning" is "$(json reasoning_content)" why
ok "its text" is "$(json content)" "I look."
ok "its call" is "$(json tool_calls.0.function.name)$(json tool_calls.0.function.arguments)" 'f{"a": [1]}'
run_in "$tmp/answer" template "$tmp/hermes.jinja" --answer -
ok "without a request nothing is known of the reasoning" is "$(json content)" "$(printf 'why\n</think>\n\nI look.')"
run template "$tmp/hermes.jinja" --input - --answer -
ok "stdin cannot be both" exits 2
run template "$tmp/hermes.jinja" --answer "$tmp/nowhere"
ok "an answer that is not there is an error" exits 1
finish
