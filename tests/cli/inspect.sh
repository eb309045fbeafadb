# inspect.sh: descriptions of models.
. "$(dirname "$0")/lib.sh"

run inspect "$seed"
ok "a model is described" exits 0
ok "with its architecture" out_has 'deepseek'
ok "with its types" out_has 'BF16'
ok "with its memory" out_has 'memory at 512'
run inspect
ok "without a name the shipped model is described" exits 0
run inspect "$seed" --tensors
ok "--tensors lists them" out_has 'model.embed_tokens.weight'
run inspect "$seed" --json
ok "--json is JSON" has path
ok "--json has the architecture" has architecture
ok "--json says that it runs" is "$(json supported)" true
ok "--json has hyperparameters" is "$(json hyperparameters.n_vocab)" 4096
ok "--json has tensors" has tensors.0.name
ok "--json has types" has types.BF16.tensors
ok "--json has memory" is "$(json memory.n_ctx)" 512
ok "--json has the tokenizer" has tokenizer
ok "--json has the chat template" has chat_template
run inspect "$seed" --json -c 100
ok "-c sets the context" is "$(json memory.n_ctx)" 100
run inspect "$seed" --tensor model.norm.weight --out "$tmp/t.safetensors"
ok "a tensor is taken out" exits 0
ok "into a file of its size" is "$(($(wc -c <"$tmp/t.safetensors") > 768))" 1
run inspect "$seed" --tensor nothing --out "$tmp/n.safetensors"
ok "an unknown tensor exits with 1" exits 1
ok "an unknown tensor is named" err_has nothing
ok "an unknown tensor leaves no file" test ! -e "$tmp/n.safetensors"
run inspect "$0"
ok "a file that is no model exits with 1" exits 1
finish
