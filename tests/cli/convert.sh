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
