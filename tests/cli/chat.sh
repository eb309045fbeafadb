# chat.sh: conversations through a pipe.
. "$(dirname "$0")/lib.sh"
HOME=$tmp XDG_STATE_HOME=$tmp/state
export HOME XDG_STATE_HOME

chat() { # FORMAT of what is typed, options
    # shellcheck disable=SC2059
    printf "$1" >"$tmp/in"
    shift
    run_in "$tmp/in" chat -m "$seed" --temp 0 -n 16 "$@"
}
chat 'Who are you?\n'
ok "a question is answered" exits 0
ok "with words" test -n "$(cat "$tmp/out")"
ok "on one line" is "$(wc -l <"$tmp/out" | tr -d ' ')" 1
cp "$tmp/out" "$tmp/first"
chat 'Who are you?\nAnd who am I?\n'
ok "two questions have two answers" is "$(wc -l <"$tmp/out" | tr -d ' ')" 2
ok "the first is the same" is "$(head -n 1 "$tmp/out")" "$(cat "$tmp/first")"
cp "$tmp/out" "$tmp/two"
chat 'Who are you?\n/clear\nWho are you?\n'
ok "/clear forgets" is "$(tail -n 1 "$tmp/out")" "$(cat "$tmp/first")"
chat 'Who are you?\n/regenerate\n'
ok "/regenerate answers again" is "$(tail -n 1 "$tmp/out")" "$(cat "$tmp/first")"
chat 'Who \\\nare you?\n'
ok "a line that ends in a backslash goes on" is "$(wc -l <"$tmp/out" | tr -d ' ')" 1
chat '"""\nWho are you?\n"""\n'
ok "a block of lines is a message" is "$(cat "$tmp/out")" "$(cat "$tmp/first")"
chat "Who are you?\n/save $tmp/talk.json\n"
ok "/save exits with 0" exits 0
ok "/save writes JSON with a checksum" is "$("$JSONQ" "$tmp/talk.json" sha256 | wc -c | tr -d ' ')" 65
ok "/save keeps the question" is "$("$JSONQ" "$tmp/talk.json" messages.0.content)" "Who are you?"
ok "/save keeps the answer" is "$("$JSONQ" "$tmp/talk.json" messages.1.content)" "$(cat "$tmp/first")"
chat "/load $tmp/talk.json\nAnd who am I?\n"
ok "/load goes on" is "$(cat "$tmp/out")" "$(tail -n 1 "$tmp/two")"
chat 'And who am I?\n' --load "$tmp/talk.json"
ok "--load goes on" is "$(cat "$tmp/out")" "$(tail -n 1 "$tmp/two")"
sed 's/Who are/Why are/' "$tmp/talk.json" >"$tmp/forged.json"
chat "/load $tmp/forged.json\n"
ok "a changed file is refused" exits 1
ok "a changed file: why" err_has checksum
chat "/load $tmp/none.json\n"
ok "a missing file is refused" exits 1
chat '/system You are a fox.\nWho are you?\n'
ok "/system is taken" exits 0
chat '/set temp 0.5\n/set top-k 7\n/set\n'
ok "/set shows what is set" err_has 'temp 0.5, top-k 7'
chat '/set tmep 0.5\n'
ok "/set corrects a name" err_has 'did you mean temp'
ok "/set of an unknown name exits with 1" exits 1
chat '/set temp hot\n'
ok "/set of no number exits with 1" exits 1
chat '/hepl\n'
ok "an unknown command is corrected" err_has '/help'
chat '/help\n'
ok "/help tells the commands" out_has '/regenerate'
chat '/exit\nWho are you?\n'
ok "/exit ends" empty "$tmp/out"
chat '/regenerate\n'
ok "/regenerate without an answer is a mistake" err_has 'no answer'
chat '\n\n'
ok "empty lines are nothing" empty "$tmp/out"
chat ''
ok "no input is no error" exits 0
chat 'Who are you?\n' -c 4
ok "a full context is an error" exits 1
chat 'Who are you?\nWho are you?\nWho are you?\nWho are you?\n' -c 48
ok "a conversation that outgrows the context says so" err_has '/clear'
chat 'Who are you?\nReally?\n' --regex '(yes|no), [a-z]{3,8}'
ok "--regex is the form of each answer" is "$(grep -cxE '(yes|no), [a-z]{3,8}' "$tmp/out")" 2
chat 'Who are you?\n' --regex '('
ok "a form that is none is an error" exits 1
ok "no history without a terminal" test ! -e "$tmp/state/suan/history"
finish
