# convert.sh: models as GGUF files.
. "$(dirname "$0")/lib.sh"

run convert "$seed" "$tmp/seed.gguf"
ok "a directory is converted" exits 0
ok "and it is told" err_has 'seed.gguf: .* tensors'
run inspect "$tmp/seed.gguf" --json
ok "into a file that runs" is "$(json supported)" true
ok "of the same architecture" is "$(json architecture)" deepseek2
ok "with the tokenizer" is "$(json tokenizer.n_vocab)" 4096
ok "with the chat template" has chat_template
answer() { "$SUAN" run -m "$1" -p "Tell me a story about a fox." -n 12 --temp 0 -q 2>/dev/null; }
ok "and writes what the directory writes" is "$(answer "$tmp/seed.gguf")" "$(answer "$seed")"
run convert "$tmp/seed.gguf" "$tmp/seed-q8_0.gguf" --type Q8_0 -q
ok "a GGUF file is quantised" exits 0
ok "-q says nothing" empty "$tmp/err"
run inspect "$tmp/seed-q8_0.gguf" --json
ok "to that type" has types.Q8_0.tensors
run convert --random --shape qwen2-0.5b --layers 1 --type q4_k "$tmp/random.gguf"
ok "random weights in a published shape" exits 0
ok "tell what had to give way" err_has 'no whole blocks of q4_k'
run run -m "$tmp/random.gguf" --prompt-ids 1,2,3 -n 2 --json
ok "run" exits 0
run convert "$tmp/seed-q8_0.gguf" "$tmp/packed.gguf" --packed
ok "a file is packed" exits 0
ok "and writes what the plain one writes" is "$(answer "$tmp/packed.gguf")" "$(answer "$tmp/seed-q8_0.gguf")"
run inspect "$tmp/packed.gguf" --json
ok "inspect says that it is packed" is "$(json packed)" true
ok "and counts what the plain file has" is "$(json parameters)" "$("$SUAN" inspect "$tmp/seed-q8_0.gguf" --json >"$tmp/plain.json" && "$JSONQ" "$tmp/plain.json" parameters)"
run convert "$tmp/packed.gguf" "$tmp/back.gguf"
ok "the plain file comes back" cmp -s "$tmp/back.gguf" "$tmp/seed-q8_0.gguf"

# A file that is cut while a chat with it waits for its next line.
mkfifo "$tmp/in"
"$SUAN" chat -m "$tmp/packed.gguf" -n 8 --temp 0 <"$tmp/in" >"$tmp/chat.out" 2>"$tmp/chat.err" &
chat=$!
exec 3>"$tmp/in"
echo "Tell me a story." >&3
tries=0
while [ ! -s "$tmp/chat.out" ] && [ $tries -lt 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
truncate -s 1000000 "$tmp/packed.gguf"
echo "Go on." >&3
exec 3>&-
wait $chat
status=$?
cp "$tmp/chat.err" "$tmp/err"
ok "a model that is cut while it is used is an error, not a crash" err_has 'cut or changed'
ok "that ends with 0 or 1" [ "$status" -le 1 ]
run run -m "$tmp/packed.gguf" -p "A fox" -n 2
ok "and cannot be opened again" err_has 'cut short or damaged'
run convert "$seed" /dev/full
ok "a full disk is an error" exits 1
ok "that names the file" err_has '/dev/full'
run convert "$seed" "$tmp/x.gguf" --type q9
ok "an unknown type is an error" exits 1
ok "that lists the types" err_has 'q4_k'
run convert "$0" "$tmp/x.gguf"
ok "a file that is no model exits with 1" exits 1
ok "nothing is left of what failed" is "$(find "$tmp" -name '*x.gguf*')" ""
finish
