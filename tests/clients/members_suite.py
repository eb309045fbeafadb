"""Rows H-01, N2, N3, without a client: every member of a request in turn gets values of wrong types and sizes. The answer is one of the interface's own errors, and names the member; never a
failure of the server, never silence.

    python members_suite.py --url .. --tools-url ..
"""
import copy
import json

from suite import case, main, raw

HUGE = 10**9
TOOL = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
VALUES = [None, True, -1, HUGE, 1e308, 0.5, "", "nonsense", "x\u2028\u0085y\u2029", [], [[]], [HUGE], {}, {"nonsense": 1}, {"type": "nonsense"}, ["a"] * 3000]


def anthropic(model):
    return "/v1/messages", {"anthropic-version": "2023-06-01"}, {
        "model": model, "max_tokens": 1, "system": [{"type": "text", "text": "s"}], "temperature": 0.5, "top_k": 5, "top_p": 0.5, "stop_sequences": ["zz"],
        "metadata": {"user_id": "u"}, "thinking": {"type": "disabled"}, "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "integer"}}},
        "tools": [{"name": "f", "description": "d", "input_schema": TOOL, "strict": True}], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}]},
                     {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "tool_use", "id": "i", "name": "f", "input": {"town": "x"}}]},
                     {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "r"}], "is_error": False}]}]}


def gemini(model):
    return f"/v1beta/models/{model}:generateContent", {"x-goog-api-key": "k"}, {
        "systemInstruction": {"parts": [{"text": "s"}]}, "safetySettings": [{"category": "a", "threshold": "b"}],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {"town": {"type": "STRING", "nullable": True}},
                                                                                           "propertyOrdering": ["town"], "required": ["town"]}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"temperature": 0.5, "topP": 0.5, "topK": 5, "candidateCount": 1, "maxOutputTokens": 1, "stopSequences": ["zz"], "seed": 1, "presencePenalty": 0,
                             "frequencyPenalty": 0, "responseMimeType": "application/json", "responseSchema": {"type": "ARRAY", "items": {"type": "INTEGER", "minimum": 1}, "minItems": 1},
                             "responseLogprobs": True, "logprobs": 1, "thinkingConfig": {"includeThoughts": False, "thinkingBudget": 0}},
        "contents": [{"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": [{"text": "t", "thought": True}, {"functionCall": {"name": "f", "args": {"town": "x"}}}]},
                     {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": 1}}}]}]}


def ollama(model):
    return "/api/chat", {}, {
        "model": model, "stream": False, "format": {"type": "integer"}, "keep_alive": 1, "think": False, "logprobs": True, "top_logprobs": 1,
        "options": {"num_predict": 1, "seed": 1, "temperature": 0.5, "top_k": 5, "top_p": 0.5, "min_p": 0.1, "typical_p": 0.5, "repeat_last_n": 5, "repeat_penalty": 1.1,
                    "presence_penalty": 0.1, "frequency_penalty": 0.1, "stop": ["zz"], "num_ctx": 100},
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": TOOL}}],
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "thinking": "t", "tool_calls": [{"function": {"name": "f", "arguments": {"town": "x"}}}]},
                     {"role": "tool", "content": "r", "tool_name": "f"}]}


FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": TOOL, "strict": True}}


def openai_chat(model):
    return "/v1/chat/completions", {}, {
        "model": model, "max_tokens": 1, "n": 1, "temperature": 0.5, "top_p": 0.5, "top_k": 5, "min_p": 0.1, "typical_p": 0.9, "repetition_penalty": 1.1, "seed": 1, "stop": ["zz"],
        "presence_penalty": 0.1, "frequency_penalty": 0.1, "logit_bias": {"5": -100}, "logprobs": True, "top_logprobs": 1, "user": "u", "metadata": {"a": "b"}, "store": False,
        "reasoning_effort": "none", "parallel_tool_calls": False, "tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}, "strict": True}}, "chat_template_kwargs": {"a": 1},
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "q"}]},
                     {"role": "assistant", "content": None, "tool_calls": [{"id": "i", "type": "function", "function": {"name": "f", "arguments": '{"town": "x"}'}}]},
                     {"role": "tool", "tool_call_id": "i", "content": "r"}]}


def openai_completions(model):
    return "/v1/completions", {}, {
        "model": model, "prompt": [[5, 6], [7]], "max_tokens": 1, "n": 2, "echo": True, "logprobs": 1, "best_of": 1, "suffix": "", "temperature": 0.5, "top_p": 0.5, "seed": 1,
        "stop": "zz", "logit_bias": {"5": 1.5}, "regex": "[a-z]+", "ignore_eos": False, "user": "u"}


def openai_embeddings(model):
    return "/v1/embeddings", {}, {"model": model, "input": ["a", "b"], "encoding_format": "base64", "pooling": "last", "user": "u"}


def openai_responses(model):
    return "/v1/responses", {}, {
        "model": model, "instructions": "s", "max_output_tokens": 1, "temperature": 0.5, "top_p": 0.5, "truncation": "disabled", "store": False, "metadata": {"a": "b"},
        "reasoning": {"effort": "none", "summary": "auto"}, "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "integer"}, "strict": True}, "verbosity": "low"},
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": TOOL, "strict": True}], "tool_choice": {"type": "function", "name": "f"},
        "include": ["message.output_text.logprobs"], "top_logprobs": 1, "parallel_tool_calls": False,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
                  {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
                  {"type": "function_call", "id": "f", "call_id": "i", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "i", "output": "r"}]}


def paths_of(value, path=()):
    """Every place in a JSON value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        yield from paths_of(member, path + (key,))


def changed(body, path, change):
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return body


def is_error(name, data):
    error = json.loads(data)["error"]
    if name == "ollama":
        return isinstance(error, str) and bool(error)
    if name == "gemini":
        return isinstance(error["code"], int) and bool(error["message"]) and error["status"].isupper()
    if name.startswith("openai"):
        return bool(error["message"]) and error["type"].endswith("_error") and {"param", "code"} <= set(error)
    return json.loads(data)["type"] == "error" and bool(error["message"]) and error["type"].endswith("_error")


def sweep(o, make):
    path, headers, body = make(o.tools_model)
    name = make.__name__
    headers = {"Authorization": "Bearer " + o.key, **headers}
    status, _, data = raw(o.tools_url, "POST", path, body, headers)
    assert status == 200, data
    n = n_refused = 0

    def check(body, what):
        nonlocal n, n_refused
        status, _, data = raw(o.tools_url, "POST", path, body, headers)
        n += 1
        n_refused += status != 200
        assert status in (200, 400, 404), (what, status, data)
        assert b"\xe2\x80\xa8" not in data and b"\xe2\x80\xa9" not in data and b"\xc2\x85" not in data, (what, data)
        assert status == 200 or is_error(name, data), (what, data)

    for place in paths_of(body):
        for value in VALUES:
            check(changed(body, place, lambda at, key, value=value: at.__setitem__(key, value)), (place, value))
        check(changed(body, place, lambda at, key: at.pop(key)), (place, "absent"))
        if isinstance(place[-1], str):
            def rename(at, key):
                at[key + "x"] = at.pop(key)
            check(changed(body, place, rename), (place, "renamed"))
    assert n > 100 and n_refused > n // 3, (n, n_refused)


@case
def tools_anthropic_members(o):
    sweep(o, anthropic)


@case
def tools_gemini_members(o):
    sweep(o, gemini)


@case
def tools_ollama_members(o):
    sweep(o, ollama)


@case
def tools_openai_chat_members(o):
    sweep(o, openai_chat)


@case
def openai_completions_members_and_tools(o):
    sweep(o, openai_completions)


@case
def openai_embeddings_members_and_tools(o):
    sweep(o, openai_embeddings)


@case
def tools_openai_responses_members(o):
    sweep(o, openai_responses)


@case
def bodies_that_are_none(o):
    for make in (anthropic, gemini, ollama, openai_chat, openai_completions, openai_embeddings, openai_responses):
        path, headers, _ = make(o.model)
        for body in (b"", b"[]", b"{", b"null", b"5", b'{"a": 1, "a": 2}', b'{"model": "\xff"}', b"[" * 100000, b'{"a": 1e400}', b'{"a": NaN}', b'{"model": "a\\u0000b"}',
                     b'{"model": "\\ud800"}'):
            status, _, data = raw(o.url, "POST", path, body, headers)
            assert status == 400 and is_error(make.__name__, data), (body[:50], status, data)


@case
def separators_are_escaped(o):
    """U+2028, U+2029 and U+0085 would end a line for some readers: in answers, in streams, and in errors."""
    text = "a\u2028b\u2029c\u0085d"
    body = {"contents": [{"parts": [{"text": "q"}]}], "generationConfig": {"maxOutputTokens": 60, "responseMimeType": "text/x.enum", "responseSchema": {
        "type": "STRING", "enum": [text]}}}
    for verb in ("generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"):
        status, _, data = raw(o.url, "POST", f"/v1/models/{o.model}:{verb}", body, {"x-goog-api-key": "k"})
        assert status == 200, data
        assert data.isascii() or not any(c in data.decode() for c in "\u2028\u2029\u0085"), data
        if "alt" in verb:
            objects = [json.loads(line[6:]) for line in data.decode().split("\n") if line]
        else:
            objects = json.loads(data)
        objects = objects if isinstance(objects, list) else [objects]
        assert "".join(p["text"] for x in objects for p in x["candidates"][0]["content"]["parts"]) == text, objects
    status, _, data = raw(o.url, "POST", "/api/chat", {"model": o.model, text: 1}, {})
    assert status == 400 and "\u2028" in json.loads(data)["error"] and b"\\u2028" in data, data


if __name__ == "__main__":
    main("plain HTTP")
