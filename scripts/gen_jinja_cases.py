#!/usr/bin/env python3
"""Writes tests/data/jinja_cases.json: small templates and what Jinja2, set up as transformers does, renders.

    python3 scripts/gen_jinja_cases.py > tests/data/jinja_cases.json

Needs jinja2 >= 3.1.6. The tests need only the file. A case is a template or [template, request]; the common request is CONTEXT.
"""
import datetime
import json
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)

CONTEXT = {
    "s": "Hello, World",
    "u": "Grüße, Жук и Ω — 你好 👋🏽",
    "sp": "  two  words\t\n",
    "empty": "",
    "quote": "it's \"q\" \\ back\nline\ttab",
    "n": 7,
    "neg": -7,
    "zero": 0,
    "f": 2.5,
    "tiny": 1e-7,
    "big": 1e22,
    "t": True,
    "no": False,
    "nil": None,
    "l": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple"],
    "mixed": [1, "a", None, True, 2.0, [1, 2], {"k": "v"}],
    "el": [],
    "ed": {},
    "d": {"b": 1, "a": 2, "C": 3},
    "nested": {"x": {"y": [10, 20, {"z": "deep"}]}, "items": "shadow", "_p": "under"},
    "users": [
        {"name": "Ann", "age": 30, "city": "Rome", "on": True},
        {"name": "bob", "age": 25, "city": "rome", "on": False},
        {"name": "Cid", "age": 30, "city": "Oslo", "on": True, "mail": None},
    ],
    "messages": [
        {"role": "system", "content": "Be <kind>."},
        {"role": "user", "content": "Hi & bye"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1, "y": [1.5, "é"]}}}]},
    ],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
}

CASES = open(__file__.replace("gen_jinja_cases.py", "jinja_cases.txt"), encoding="utf-8", newline="").read().split("\n----\n")


def environment():
    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(line)

        def _run(self, caller):
            return caller()

    class Dict:
        def __call__(self, *args, **kwargs):
            return dict(*args, **kwargs)

        def fromkeys(self, *args, **kwargs):
            return dict.fromkeys(*args, **kwargs)

    class Namespace(jinja2.utils.Namespace):
        def __init__(*args, **kwargs):
            self, args = args[0], args[1:]
            attrs = dict(*args, **kwargs)
            for name in attrs:
                Namespace.check(name)
            jinja2.utils.Namespace.__init__(self, attrs)

        def __setitem__(self, name, value):
            Namespace.check(name)
            jinja2.utils.Namespace.__setitem__(self, name, value)

        @staticmethod
        def check(name):
            if isinstance(name, str) and name.startswith("_"):
                raise jinja2.exceptions.SecurityError("underscore")

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: NOW.strftime(f)
    env.globals["dict"] = Dict()
    env.globals["namespace"] = Namespace
    env.globals.pop("lipsum")
    return env


def main():
    env = environment()
    out = []
    seen = set()
    for case in CASES:
        if case in seen:
            sys.exit(f"twice: {case!r}")
        seen.add(case)
        try:
            out.append({"template": case, "text": env.from_string(case).render(**CONTEXT)})
        except Exception as e:  # every failure of the reference is an expected failure
            out.append({"template": case, "error": f"{type(e).__name__}: {e}"[:200]})
    json.dump({"now": NOW.isoformat(), "context": CONTEXT, "cases": out}, sys.stdout, ensure_ascii=False, indent=1)
    print()


main()
