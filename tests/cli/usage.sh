# usage.sh: help, versions, mistakes.
. "$(dirname "$0")/lib.sh"

run --version
ok "--version exits with 0" exits 0
ok "--version names the version" out_has '^suan [0-9]*\.[0-9]*\.[0-9]*$'
ok "--version names the kernels" out_has '^kernels: [a-z0-9]'
ok "--version names the processor" out_has '^processor: .'
run_c() { SUAN_CPU=c "$SUAN" --version >"$tmp/out" 2>"$tmp/err"; status=$?; }
run_c
ok "SUAN_CPU limits the kernels" out_has '^kernels: c '
SUAN_CPU=z80 "$SUAN" --version >"$tmp/out" 2>"$tmp/err"; status=$?
ok "an unknown SUAN_CPU is an error" exits 1

run --help
ok "--help exits with 0" exits 0
for command in run chat inspect convert bench tokenize template; do
    ok "--help tells of $command" grep -q "^  $command " "$tmp/out"
done
for command in run chat inspect convert bench tokenize template; do
    run "$command" --help
    ok "$command --help exits with 0" exits 0
    ok "$command --help begins with the usage" is "$(head -n 1 "$tmp/out" | cut -d ' ' -f 1-3)" "usage: suan $command"
    ok "$command --help says nothing on stderr" empty "$tmp/err"
    ok "$command --help fits a terminal" is "$(awk 'length($0) > 130' "$tmp/out" | wc -l)" 0
    run "$command" --no-such-option
    ok "$command --no-such-option exits with 2" exits 2
    ok "$command --no-such-option prints nothing" empty "$tmp/out"
done

run
ok "no command exits with 2" exits 2
run rnu
ok "an unknown command exits with 2" exits 2
ok "an unknown command is corrected" err_has 'did you mean "run"'
run run --promt x
ok "an unknown option is corrected" err_has 'did you mean --prompt'

bad() { # NAME, then the words
    name=$1
    shift
    run "$@"
    ok "$name" exits 2
    ok "$name: says what to do" err_has 'help"'
}
bad "a missing value" run -p
bad "a number with letters" run -p x -n 3x
bad "a negative number of tokens" run -p x -n -3
bad "a number that is too large" run -p x -n 99999999999999999999
bad "a temperature that is none" run -p x --temp hot
bad "a temperature out of range" run -p x --temp 101
bad "top-p of 0" run -p x --top-p 0
bad "an unknown cache type" run -p x --kv f8
bad "an option twice" run -p x -p y
bad "a prompt and a file" run -p x -f y
bad "a file and ids" run -f x --prompt-ids 1
bad "no prompt and no terminal" run
bad "a word that is no option" run -p x hello
bad "--system with --raw" run -p x --raw --system y
bad "--logprobs without --json" run -p x --logprobs 2
bad "logits on stdout" run -p x --logits -
bad "a tensor on stdout" inspect x --tensor y --out -
bad "threads of 0" run -p x --threads 0
bad "convert of one word" convert a
bad "--random with two words" convert a b --random --shape qwen3-8b
bad "--layers without --random" convert a b --layers 1
bad "a model and a shape" bench -m x --shape qwen2-0.5b
bad "a shape that is none" bench --shape qwen9
bad "a type that is none" bench --shape qwen2-0.5b --type q9
bad "--type without --shape" bench --type q4_k
bad "--layers without --shape" bench --layers 2
bad "two kinds of output" bench --csv --json
bad "a list with a hole" bench --depth 1,,2
bad "a list with letters" bench --prompt 1k
bad "a batch of none" bench --batch 0
bad "a batch that is too large" bench --batch 5000
bad "no tests" bench --prompt 0 --tokens 0
bad "no repetitions" bench --repeat 0
bad "a prompt of 0 among others" bench --prompt 0,512
bad "inspect of two models" inspect a b
bad "--tensor without --out" inspect x --tensor y
bad "template without a model" template --input x
bad "template without a request" template x.jinja
bad "decoding with --add-special" tokenize --decode --add-special

run run -m "$tmp/none" -p x
ok "a missing model exits with 1" exits 1
ok "a missing model is named" err_has "$tmp/none"
run inspect "$tmp/none"
ok "inspect of a missing model exits with 1" exits 1
run tokenize -m "$tmp/none"
ok "tokenize with a missing model exits with 1" exits 1
run template "$tmp/none" --input "$tmp/none"
ok "template of a missing model exits with 1" exits 1
run run -m "$seed" -f "$tmp/none" -n 1
ok "a missing prompt file exits with 1" exits 1
ok "a missing prompt file is named" err_has "$tmp/none"

if [ -w /dev/full ]; then
    "$SUAN" --help >/dev/full 2>"$tmp/err"; status=$?
    ok "--help into a full disk exits with 1" exits 1
    ok "--help into a full disk says why" err_has 'standard output'
    "$SUAN" --version >/dev/full 2>"$tmp/err"; status=$?
    ok "--version into a full disk exits with 1" exits 1
fi
"$SUAN" --version >&- 2>"$tmp/err"; status=$?
ok "--version into a closed stdout exits with 1" exits 1
finish
