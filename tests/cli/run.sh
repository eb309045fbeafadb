# run.sh: answers of the shipped model: the reference's tokens, fixed forms, pipes, full disks, signals.
. "$(dirname "$0")/lib.sh"
exact="--temp 0 --kv f32 --activations exact"

# Token for token what the reference writes, from ids and, where the case has plain text, from text.
i=0
while prompt=$("$JSONQ" "$seed/greedy.json" "cases.$i.prompt_ids" 2>/dev/null); do
    expected=$("$JSONQ" "$seed/greedy.json" "cases.$i.greedy_ids")
    text=$("$JSONQ" "$seed/greedy.json" "cases.$i.prompt")
    n=$(echo "$expected" | tr ',' '\n' | wc -l)
    # shellcheck disable=SC2086
    run run -m "$seed" --prompt-ids "$prompt" -n "$n" $exact --chunk 7 --threads 2 --json --quiet
    ok "case $i: exits with 0" exits 0
    ok "case $i: the ids of the reference" is "$(json output_ids)" "$expected"
    ok "case $i: the prompt as given" is "$(json prompt_ids)" "$prompt"
    ok "case $i: nothing on stderr" empty "$tmp/err"
    # shellcheck disable=SC2086
    run run -m "$seed" --raw --parse-special -p "${text#<｜begin▁of▁sentence｜>}" -n "$n" $exact --json --quiet
    ok "case $i: the same from text" is "$(json output_ids)" "$expected"
    i=$((i + 1))
done
ok "all cases were there" is "$i" 5

# The form of --json.
run run -m "$seed" --prompt-ids 0,63,1865 -n 5 --temp 0 --ignore-eos --json --logprobs 3
ok "JSON: one object, and nothing behind it" has finish_reason
ok "JSON: finish_reason length" is "$(json finish_reason)" length
ok "JSON: as many ids as asked for" is "$(json output_ids | tr ',' '\n' | wc -l)" 5
for key in text profile seed n_ctx timings.load_ms timings.prompt_ms timings.decode_ms timings.prompt_tokens_per_second \
    timings.decode_tokens_per_second timings.first_token_ms model.architecture model.n_params model.path memory.peak_bytes; do
    ok "JSON: $key" has "$key"
done
ok "JSON: profile" is "$(json profile | cut -c 1-5)" "suan-"
ok "JSON: a logprob for each token" is "$(json logprobs.4.id)" "$(json output_ids | cut -d , -f 5)"
ok "JSON: and no more" test -z "$(json logprobs.5.id)"
ok "JSON: the most probable first" is "$(json logprobs.0.top.0.id)" "$(json logprobs.0.id)"
ok "JSON: three of them" has logprobs.0.top.2.logprob
ok "stderr has the closing line" err_has 'prompt 3 tokens.*answer 5 tokens.*tokens/s.*memory'
run run -m "$seed" --prompt-ids 0,63 -n 2 --temp 1
ok "a drawn answer names its seed" err_has 'seed [0-9]'

# Drafts change no token.
run run -m "$seed" --prompt-ids 0,63,1865 -n 60 --temp 1 --seed 5 --ignore-eos --json
expected=$(json output_ids)
for how in none lookup mtp "$seed"; do
    run run -m "$seed" --prompt-ids 0,63,1865 -n 60 --temp 1 --seed 5 --ignore-eos --json --draft "$how" --draft-max 5
    ok "--draft $how: exits with 0" exits 0
    ok "--draft $how: the same tokens" is "$(json output_ids)" "$expected"
    ok "--draft $how: says how many" has timings.drafted
    ok "--draft $how: and how many were right" has timings.accepted
done
run run -m "$seed" --prompt-ids 0 -n 1 --draft "$tmp/none-here"
ok "--draft with a model that is not there fails" exits 1
run run -m "$seed" --prompt-ids 0 -n 1 --draft lookup --draft-max 16
ok "--draft-max is at most 15" exits 2

# Reasoning that is closed: up to the budget the same tokens, drafted or not; then the mark's, which the answer of budget 0 begins with.
mkdir "$tmp/thinks"
for file in config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json; do ln -s "$seed/$file" "$tmp/thinks/$file"; done
printf '%s' "{{ '<｜User｜>' + messages[0].content + '<｜Assistant｜><think>\\n' }}" >"$tmp/thinks/chat_template.jinja"
thinking() {
    run run -m "$tmp/thinks" -p "A fox?" -n 40 --temp 1 --seed 3 --ignore-eos --json "$@"
}
thinking
expected=$(json output_ids | cut -d , -f 1-9)
thinking --think-budget 0
mark=$(json output_ids | cut -d , -f 1)
for how in none lookup; do
    thinking --think-budget 9 --draft "$how"
    ok "--think-budget 9, --draft $how: the same tokens so far" is "$(json output_ids | cut -d , -f 1-9)" "$expected"
    ok "--think-budget 9, --draft $how: then the end of the reasoning" is "$(json output_ids | cut -d , -f 10)" "$mark"
    ok "--think-budget 9, --draft $how: and an answer" is "$(json output_ids | tr ',' '\n' | wc -l)" 40
done
thinking --think-budget -1
ok "--think-budget is no less than 0" exits 2

# Forms of answers: from a file, in place, behind a template and without one; and drafts change none of them.
schema='{"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "n": {"type": "integer"}},
    "required": ["name", "n"]}, "minItems": 3, "maxItems": 4}'
printf '%s' "$schema" >"$tmp/schema.json"
run run -m "$seed" --prompt-ids 0,63,1865 --json-schema "$schema" -n 400 --temp 1 --seed 5 --json
expected=$(json output_ids)
ok "--json-schema: the answer ends by itself" is "$(json finish_reason)" stop
json text >"$tmp/answer.json"
ok "--json-schema: and is what was asked for" test -n "$("$JSONQ" "$tmp/answer.json" 2.n)" -a -z "$("$JSONQ" "$tmp/answer.json" 4.n 2>/dev/null)"
for how in lookup mtp "$seed"; do
    run run -m "$seed" --prompt-ids 0,63,1865 --json-schema "$tmp/schema.json" -n 400 --temp 1 --seed 5 --json --draft "$how" --draft-max 4
    ok "--json-schema with --draft $how: the same tokens" is "$(json output_ids)" "$expected"
done
run run -m "$seed" -p "Once" --raw --regex '[A-Z][a-z]{2,9} (is|was) (red|blue)' --temp 1 --seed 3
ok "--regex: the whole text" grep -qxE '[A-Z][a-z]{2,9} (is|was) (red|blue)' "$tmp/out"
printf 'root ::= ("yes" | "no") "!"\n' >"$tmp/form.gbnf"
run run -m "$seed" -p "Once" --grammar "$tmp/form.gbnf" --temp 0 --ignore-eos -n 30
ok "--grammar: the whole text, end tokens or not" grep -qxE '(yes|no)!' "$tmp/out"
run run -m "$seed" -p "Once" --grammar "$tmp/form.gbnf" --regex a
ok "one form at most" exits 2
run run -m "$tmp/none-here" -p "Once" --json-schema '{"type": "strin"}'
ok "a schema that is none fails before the model is looked for" err_has "#/type"
ok "and exits with 1" exits 1
printf 'rot ::= "a"\n' >"$tmp/form.gbnf"
run run -m "$seed" -p "Once" --grammar "$tmp/form.gbnf"
ok "a grammar without a root names its file" err_has "form.gbnf"

# Text, template, system message.
run run -m "$seed" -p "Who are you?" -n 8 --temp 0
ok "the text is on stdout" test -s "$tmp/out"
ok "the template is told of" err_has "chat template"
printf 'Who are you?' >"$tmp/prompt"
cp "$tmp/out" "$tmp/first"
run run -m "$seed" -f "$tmp/prompt" -n 8 --temp 0
ok "-f reads the same from a file" cmp "$tmp/first" "$tmp/out"
run_in "$tmp/prompt" run -f - -n 8 --temp 0
ok "-f - reads the same from stdin, and the shipped model is the default" cmp "$tmp/first" "$tmp/out"
mkfifo "$tmp/fifo"
cat "$tmp/prompt" >"$tmp/fifo" &
run run -m "$seed" -f "$tmp/fifo" -n 8 --temp 0
wait
ok "and -f from a named pipe" cmp "$tmp/first" "$tmp/out"
run run -m "$seed" -p "Who are you?" -n 4 --temp 0 --json
ok "the chat prompt has its control tokens" is "$(json prompt_ids)" "$("$JSONQ" "$seed/greedy.json" cases.3.prompt_ids)"
run run -m "$seed" -p "Who are you?" --system "Be brief." -n 4 --temp 0 --json
ok "--system makes the prompt longer" is "$(json prompt_ids | tr ',' '\n' | wc -l | awk '{print ($1 > 8)}')" 1
run run -m "$seed" -p "Who <｜User｜> are" -n 1 --temp 0 --json
ok "typed control tokens stay text" is "$(json prompt_ids | tr ',' '\n' | grep -c "^$(json prompt_ids | cut -d , -f 2)\$")" 1
printf 'a\377b' >"$tmp/prompt"
run run -m "$seed" -f "$tmp/prompt" -n 1
ok "a prompt that is no UTF-8 needs --raw" exits 1
run run -m "$seed" -f "$tmp/prompt" -n 1 --raw --json
ok "and is taken with --raw" exits 0
run run -m "$seed" --prompt-ids 4096 -n 1
ok "an id outside the vocabulary exits with 1" exits 1
for bad in "" "," 1,x 1,,-2 1,,2 1,2, ,1; do
    run run -m "$seed" --prompt-ids "$bad" -n 1
    ok "the ids \"$bad\" exit with 2" exits 2
done
run run -m "$seed" --prompt-ids "0, 63" -n 1 --json
ok "a blank behind a comma is fine" is "$(json prompt_ids)" 0,63
run run -m "$tmp/no-model" -f "$tmp/no-prompt"
ok "the prompt is read before the model" err_has "no-prompt"

# Sampling.
run run -m "$seed" -p "Tell me a story." -n 20 --temp 0.9 --seed 7 --json
first=$(json output_ids)
run run -m "$seed" -p "Tell me a story." -n 20 --temp 0.9 --seed 7 --json --threads 1 --chunk 3
ok "a seed repeats an answer, whatever the threads and chunks" is "$(json output_ids)" "$first"
run run -m "$seed" -p "Tell me a story." -n 20 --temp 0.9 --seed 8 --json
ok "another seed gives another answer" test "$(json output_ids)" != "$first"
run run -m "$seed" --prompt-ids 0,63 -n 3 --temp 0 --logit-bias 77:1000 --json
ok "--logit-bias forces a token" is "$(json output_ids)" 77,77,77
for bad in 77 77: :1 77:x x:1 -1:1 77:1:1; do
    run run -m "$seed" --prompt-ids 0 -n 1 --logit-bias "$bad"
    ok "the bias $bad exits with 2" exits 2
done
run run -m "$seed" --prompt-ids "$("$JSONQ" "$seed/greedy.json" cases.1.prompt_ids)" -n 40 --temp 0 --stop "thick" --json
ok "--stop ends the answer" is "$(json finish_reason)" stop
ok "--stop leaves its text out" is "$(json text)" " the wind was so "
run run -m "$seed" --prompt-ids "$("$JSONQ" "$seed/greedy.json" cases.0.prompt_ids)" -n 40 --temp 0 --json
ok "the end token ends the answer" is "$(json finish_reason)" stop

# The context.
run run -m "$seed" -c 20 --prompt-ids 0,63,1865 --temp 0 --ignore-eos --json
ok "a full context ends with length" is "$(json finish_reason)" length
ok "a full context is told of" err_has 'context of 20 positions is full'
run run -m "$seed" -c 2 --prompt-ids 0,63,1865 --temp 0
ok "a prompt beyond the context exits with 1" exits 1

# Logits.
prompt=0,63,1865,664,275
run run -m "$seed" --prompt-ids $prompt -n 24 --temp 0 --ignore-eos --kv f32 --activations exact --chunk 7 --threads 2 \
    --logits "$tmp/logits.safetensors" --json
ok "--logits exits with 0" exits 0
ok "--logits holds a row for each token fed" "$LOGITS_CHECK" "$tmp/logits.safetensors" $prompt "$(json output_ids)"
run run -m "$seed" --prompt-ids $prompt -n 1 --temp 0 --logits "$tmp/short.safetensors" --json
ok "--logits of a prompt alone" "$LOGITS_CHECK" "$tmp/short.safetensors" $prompt "$(json output_ids)"
ok "no temporary file is left" is "$(find "$tmp" -name '.*tmp*' | wc -l)" 0
run run -m "$seed" --prompt-ids $prompt -n 1 --temp 0 --rounding published --json
ok "a model without round trips has none" is "$(json profile)" "suan-1 act=q8 kv=f16 round=none"
run run -m "$seed" --prompt-ids $prompt -n 1 --rounding some
ok "--rounding takes two words" exits 2
run run -m "$seed" --prompt-ids $prompt -n 1 --temp 0 --logits "$tmp/none/logits.safetensors"
ok "--logits into a missing folder exits with 1" exits 1
(ulimit -f 1; "$SUAN" run -m "$seed" --prompt-ids $prompt -n 1 --temp 0 --logits "$tmp/large.safetensors" >"$tmp/out" 2>"$tmp/err"); status=$?
ok "--logits beyond the limit of a file exits with 1" exits 1
ok "--logits beyond the limit of a file leaves nothing" is "$(find "$tmp" -name '*large*' | wc -l)" 0
if [ -w /dev/full ]; then
    run run -m "$seed" --prompt-ids $prompt -n 100 --ignore-eos --temp 0 --logits /dev/full
    ok "--logits on a full disk exits with 1" exits 1
    ok "--logits on a full disk says why" err_has 'No space left'
    "$SUAN" run -m "$seed" -p x -n 4 >/dev/full 2>"$tmp/err"; status=$?
    ok "text on a full disk exits with 1" exits 1
    "$SUAN" run -m "$seed" -p x -n 4 --json >/dev/full 2>"$tmp/err"; status=$?
    ok "JSON on a full disk exits with 1" exits 1
    ok "a full disk is told once" is "$(grep -c 'standard output' "$tmp/err")" 1
fi

# The reader of a pipe goes away: quiet, and no endless work.
status=$( { "$SUAN" run -m "$seed" -p "Tell me a story." --ignore-eos --temp 0 2>"$tmp/err"; echo $? >"$tmp/status"; } | head -c 1 >/dev/null; cat "$tmp/status")
ok "a broken pipe ends the program" is "$status" 141
ok "a broken pipe says nothing" test "$(grep -c -i 'pipe\|error\|cannot' "$tmp/err")" -eq 0

# Signals: an answer that would take long is stopped; a killed program leaves the old file.
signal() { # SIGNAL ARGS...: starts, waits until tokens appear, sends the signal
    sig=$1
    shift
    : >"$tmp/out"
    "$SUAN" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null &
    pid=$!
    tries=0
    while [ ! -s "$tmp/out" ] && [ $tries -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    kill "-$sig" $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
}
long="--ignore-eos --temp 0 --threads 1 -c 200000"
# shellcheck disable=SC2086
signal TERM run -m "$seed" -p "Tell me a story." $long
if [ $status -eq 143 ]; then
    ok "SIGTERM stops the answer" exits 143
    ok "and the closing line comes" err_has 'stopped'
else
    skip "SIGTERM stops the answer" "the answer was over before ($status)"
fi
echo "the old file" >"$tmp/kept"
# shellcheck disable=SC2086
signal KILL run -m "$seed" -p "Tell me a story." $long --logits "$tmp/kept"
if [ $status -eq 137 ]; then
    ok "a killed program leaves the old file" is "$(cat "$tmp/kept")" "the old file"
else
    skip "a killed program leaves the old file" "the answer was over before ($status)"
fi
finish
