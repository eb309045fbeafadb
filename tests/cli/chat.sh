# chat.sh: conversations through a pipe.
. "$(dirname "$0")/lib.sh"
HOME=$tmp XDG_STATE_HOME=$tmp/state
export HOME XDG_STATE_HOME

chat() { # text on stdin of this function
    cat >"$tmp/in"
    run_in "$tmp/in" chat -m "$seed" --temp 0 -n 16 "$@"
}
printf 'Who are you?\n' | chat
ok "a question is answered" exits 0
ok "on one line" is "$(wc -l <"$tmp/out" | tr -d ' ')" 1
cp "$tmp/out" "$tmp/first"
printf 'Who are you?\nAnd who am I?\n' | chat
ok "two questions have two answers" is "$(wc -l <"$tmp/out" | tr -d ' ')" 2
ok "the first is the same" is "$(head -n 1 "$tmp/out")" "$(cat "$tmp/first")"
cp "$tmp/out" "$tmp/two"
printf 'Who are you?\n/clear\nWho are you?\n' | chat
ok "/clear forgets" is "$(tail -n 1 "$tmp/out")" "$(cat "$tmp/first")"
printf 'Who are you?\n/regenerate\n' | chat
ok "/regenerate answers again" is "$(tail -n 1 "$tmp/out")" "$(cat "$tmp/first")"
printf 'Who \\\nare you?\n' | chat
ok "a line that ends in a backslash goes on" is "$(wc -l <"$tmp/out" | tr -d ' ')" 1
printf '"""\nWho are you?\n"""\n' | chat
ok "a block of lines is a message" is "$(cat "$tmp/out")" "$(cat "$tmp/first")"
printf 'Who are you?\n/save %s/talk.json\n' "$tmp" | chat
ok "/save exits with 0" exits 0
ok "/save writes JSON" "$JSONQ" "$tmp/talk.json" sha256
ok "/save keeps the question" is "$("$JSONQ" "$tmp/talk.json" messages.0.content)" "Who are you?"
ok "/save keeps the answer" is "$("$JSONQ" "$tmp/talk.json" messages.1.content)" "$(cat "$tmp/first")"
printf '/load %s/talk.json\nAnd who am I?\n' "$tmp" | chat
ok "/load goes on" is "$(cat "$tmp/out")" "$(tail -n 1 "$tmp/two")"
printf 'And who am I?\n' | chat --load "$tmp/talk.json"
ok "--load goes on" is "$(cat "$tmp/out")" "$(tail -n 1 "$tmp/two")"
sed 's/Who are/Why are/' "$tmp/talk.json" >"$tmp/forged.json"
printf '/load %s/forged.json\n' "$tmp" | chat
ok "a changed file is refused" exits 1
ok "a changed file: why" err_has checksum
printf '/load %s/none.json\n' "$tmp" | chat
ok "a missing file is refused" exits 1
printf '/system You are a fox.\nWho are you?\n' | chat
ok "/system is taken" exits 0
printf '/set temp 0.5\n/set top-k 7\n/set\n' | chat
ok "/set shows what is set" err_has 'temp 0.5, top-k 7'
printf '/set tmep 0.5\n' | chat
ok "/set corrects a name" err_has 'did you mean temp'
ok "/set of an unknown name exits with 1" exits 1
printf '/set temp hot\n' | chat
ok "/set of no number exits with 1" exits 1
printf '/hepl\n' | chat
ok "an unknown command is corrected" err_has '/help'
printf '/help\n' | chat
ok "/help tells the commands" out_has '/regenerate'
printf '/exit\nWho are you?\n' | chat
ok "/exit ends" empty "$tmp/out"
printf '/regenerate\n' | chat
ok "/regenerate without an answer is a mistake" err_has 'no answer'
printf '\n\n' | chat
ok "empty lines are nothing" empty "$tmp/out"
: | chat
ok "no input is no error" exits 0
printf 'Who are you?\n' | chat -c 4
ok "a full context is an error" exits 1
printf 'Who are you?\nWho are you?\nWho are you?\nWho are you?\n' | chat -c 48
ok "a conversation that outgrows the context says so" err_has '/clear'
ok "no history without a terminal" test ! -e "$tmp/state/suan/history"
finish
