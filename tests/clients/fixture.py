"""Makes a model that can call tools and think out of the shipped one: its weights and vocabulary, and a template in the Hermes form.

    python3 fixture.py models/seed DIRECTORY

What it writes makes no sense; that it has the right form is the grammar's doing, which is what the clients' suites look at.
"""
import json
import os
import shutil
import sys

TEMPLATE = """{{- bos_token -}}
{%- if tools -%}
{{ '<｜User｜>Tools:' }}{% for tool in tools %}{{ ' ' + (tool | tojson) }}{% endfor %}{{ '\\n' }}
{%- endif -%}
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}
{{ '<｜Assistant｜>' }}{% if m.reasoning_content %}{{ '<think>\\n' + m.reasoning_content + '\\n</think>\\n' }}{% endif %}{{ m.content or '' }}
{%- for call in m.tool_calls or [] -%}
{{ '\\n<tool_call>\\n' + ({'name': call.function.name, 'arguments': call.function.arguments} | tojson) + '\\n</tool_call>' }}
{%- endfor -%}
{{ eos_token }}
{%- elif m.role == 'tool' -%}
{{ '<｜User｜><tool_response>\\n' + m.content + '\\n</tool_response>' }}
{%- else -%}
{{ '<｜User｜>' + m.content }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<｜Assistant｜>' }}{{ '<think>\\n' if enable_thinking else '<think>\\n\\n</think>\\n\\n' }}
{%- endif -%}
"""


def make(seed, directory):
    os.makedirs(directory, exist_ok=True)
    for name in ("config.json", "generation_config.json", "tokenizer.json", "model.safetensors"):
        shutil.copyfile(os.path.join(seed, name), os.path.join(directory, name))
    with open(os.path.join(seed, "tokenizer_config.json"), encoding="utf-8") as f:
        config = json.load(f)
    config["chat_template"] = TEMPLATE
    with open(os.path.join(directory, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2])
