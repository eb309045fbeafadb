"""lm-evaluation-harness, unmodified, against `suan serve`: two small tasks whose data are here, so that nothing is loaded from a network."""
import json
import os
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
HOME = tempfile.TemporaryDirectory()
os.environ["HF_HOME"] = HOME.name

import lm_eval  # noqa: E402
import transformers  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from suite import case, main, raw  # noqa: E402

PAIRS = [("The fox ran into the", ["wood", "xqzv"]), ("Once upon a", ["time", "qqqq"]), ("He said to the", ["king", "zzxy"]), ("She went to the", ["house", "vvkq"])]

CHOICE = """task: suan_choice
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{text}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: 0
target_delimiter: ""
metric_list:
  - metric: acc
  - metric: acc_norm
metadata:
  version: 1
"""

ROLLING = """task: suan_rolling
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list:
  - metric: word_perplexity
  - metric: bits_per_byte
metadata:
  version: 1
"""

GENERATE = """task: suan_generate
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_text: "{{{{text}}}}"
doc_to_target: "x"
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 8
  temperature: 0
metric_list:
  - metric: exact_match
metadata:
  version: 1
"""


def run(o, name, text, **arguments):
    """The results of a task."""
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data.jsonl")
        with open(data, "w", encoding="utf-8") as f:
            for words, choices in PAIRS:
                f.write(json.dumps({"text": words, "choices": [" " + c for c in choices]}) + "\n")
        with open(os.path.join(folder, name + ".yaml"), "w", encoding="utf-8") as f:
            f.write(text.format(data=data))
        options = {"model": o.model, "base_url": o.url + "/v1/completions", "num_concurrent": 1, "max_length": 512, "tokenizer_backend": "huggingface",
                   "tokenizer": os.path.join(os.environ["SUAN_SOURCE"], "models", "seed"), "max_retries": 1, **arguments}
        results = lm_eval.simple_evaluate(model="local-completions", model_args=options, tasks=[name], task_manager=TaskManager(include_path=folder, include_defaults=False),
                                          bootstrap_iters=0, log_samples=True)
    return results["results"][name], results["samples"][name]


def own_logprob(o, tokenizer, context, more):
    """Of `more` behind `context`, asked for without the harness, which puts no BOS in front."""
    before, whole = (tokenizer.encode(text, add_special_tokens=False) for text in (context, context + more))
    body = {"model": o.model, "prompt": whole, "echo": True, "logprobs": 1, "max_tokens": 0}
    return sum(json.loads(raw(o.url, "POST", "/v1/completions", body)[2])["choices"][0]["logprobs"]["token_logprobs"][len(before):])


@case
def multiple_choice(o):
    results, samples = run(o, "suan_choice", CHOICE)
    assert results["acc,none"] >= 0.75, results
    tokenizer = transformers.AutoTokenizer.from_pretrained(os.path.join(os.environ["SUAN_SOURCE"], "models", "seed"))
    for sample in samples:
        for i, choice in enumerate(sample["doc"]["choices"]):
            logprob = float(sample["filtered_resps"][i][0])
            assert abs(logprob - own_logprob(o, tokenizer, sample["doc"]["text"], choice)) < 1e-4, (sample["doc"], i)


@case
def multiple_choice_many_at_once(o):
    one, _ = run(o, "suan_choice", CHOICE)
    many, _ = run(o, "suan_choice", CHOICE, num_concurrent=4, batch_size=4)
    assert one["acc,none"] == many["acc,none"] and one["acc_norm,none"] == many["acc_norm,none"]


@case
def perplexity(o):
    results, _ = run(o, "suan_rolling", ROLLING)
    assert 0.5 < results["bits_per_byte,none"] < 8, results


@case
def generation(o):
    _, samples = run(o, "suan_generate", GENERATE)
    for sample in samples:
        assert "\n" not in sample["filtered_resps"][0]


if __name__ == "__main__":
    main(f"lm-eval {lm_eval.__version__}")
