# bench.sh: speed against the limits of the machine.
. "$(dirname "$0")/lib.sh"

# holds EXPRESSION: an awk condition.
holds() { awk "BEGIN { exit !($1) }"; }
# all_hold COUNT EXPRESSION: r() in it is a number of results i.
number() { json "$1" | grep -E '^-?[0-9.]+(e[-+]?[0-9]+)?$'; }

run bench --json -p 40 -n 8 -r 3 -d 0,300 -b 1,4 --chunk 16 --operations -q
ok "the model that ships is measured" exits 0
ok "the machine is told" is "$(json machine.threads)" "$(json machine.threads | grep -E '^[0-9]+$')"
ok "with its kernels" has machine.cpu
ok "and what they are limited by" has limits.int8_instruction
ok "the model is named" is "$(json model.architecture)" deepseek2
for limit in read_bytes_per_second int8_ops_per_second f32_ops_per_second seconds; do
    ok "limits.$limit is positive" holds "$(number limits.$limit) > 0"
done
i=0
for test in prefill:0:16:40 decode:0:1:8 decode:0:4:8 prefill:300:16:40 decode:300:1:8 decode:300:4:8; do
    at=results.$i
    ok "result $i is $test" is "$(json $at.test):$(json $at.depth):$(json $at.batch):$(json $at.tokens)" "$test"
    ok "result $i counts three repetitions" is "$(json $at.repetitions)" 3
    ok "result $i has a rate between the slowest and the fastest" \
        holds "$(number $at.slowest) > 0 && $(number $at.slowest) <= $(number $at.tokens_per_second) && $(number $at.tokens_per_second) <= $(number $at.fastest)"
    ok "result $i has a spread" holds "$(number $at.spread) >= 0"
    ok "result $i has a share of its limit" holds "$(number $at.share_of_limit) > 0"
    ok "result $i has the share that it says" \
        holds "($(number $at.tokens_per_second) / $(number $at.limit) / $(number $at.share_of_limit) - 1) ^ 2 < 1e-6"
    ok "result $i counts bytes" holds "$(number $at.bytes_per_token) > 0"
    ok "result $i has energy or says that it does not know" has $at.joules_per_token
    ok "result $i tells its operations" has $at.operations.0.name
    ok "operations of result $i take no longer than its steps" holds "$(number $at.operations.1.seconds) < $(number $at.step_seconds)"
    i=$((i + 1))
done
ok "there are no more" is "$(json results.$i)" ""
ok "a deep cache is read" holds "$(number results.4.bytes_per_token) > $(number results.1.bytes_per_token)"
ok "columns share the weights" holds "$(number results.2.bytes_per_token) < $(number results.1.bytes_per_token)"

run bench --csv -p 16 -n 4 -r 2 --cpu c -t 1 --kv f32 --activations exact -q
ok "--csv" exits 0
ok "has a header and a line a test" is "$(wc -l <"$tmp/out")" 3
ok "with as many fields in each" is "$(awk -F, '{ print NF }' "$tmp/out" | sort -u | wc -l)" 1
ok "names kernels, threads and types" is "$(sed -n 3p "$tmp/out" | cut -d, -f 19-)" "c,1,f32,exact"

run bench -p 0 -n 4 -r 1 --warmup 0
ok "the table" exits 0
ok "tells the limits" out_has '^limits   read .* GB/s'
ok "and the tests" out_has '^decode  '
ok "of which -p 0 leaves out one" is "$(grep -c '^prefill' "$tmp/out")" 0

run bench --shape qwen2-0.5b --layers 1 --type q4_k --json -p 32 -n 2 -r 1 -q
ok "a published shape" exits 0
ok "with random weights" is "$(json model.random_type)" q4_k
ok "of as many layers as asked for" is "$(json model.n_layer)" 1
ok "leaves nothing behind" is "$(find . -maxdepth 1 -name 'qwen2*')" ""
printf '%s' '{"model_type":"qwen2","num_hidden_layers":2,"hidden_size":64,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":128,
"vocab_size":300,"max_position_embeddings":512,"rms_norm_eps":1e-6,"rope_theta":10000,"tie_word_embeddings":true}' >"$tmp/config.json"
run bench --shape "$tmp/config.json" --type q8_0 -p 8 -n 2 -r 1 -q --csv
ok "a shape of one's own" exits 0
printf '%s' '{"model_type":"qwen2","num_hidden_layers":2}' >"$tmp/bad.json"
run bench --shape "$tmp/bad.json"
ok "a config.json that lacks something exits with 1" exits 1
ok "and names what" err_has 'hidden_size'
run bench --shape deepseek-v3 --type q8_0 -q
ok "what does not fit exits with 1" exits 1
ok "before anything is made" err_has 'are available'

stopped() {
    "$SUAN" bench -p 0 -n 1 -r 1000 -d "$(seq -s, 0 31)" >"$tmp/out" 2>"$tmp/err" </dev/null &
    pid=$!
    for _ in $(seq 300); do
        [ "$(grep -c '^decode' "$tmp/out")" -ge 1 ] && break
        sleep 0.1
    done
    kill -INT $pid
    wait $pid
    status=$?
}
stopped
ok "a signal exits with 130" exits 130
ok "and prints what there is" out_has '^decode '
finish
