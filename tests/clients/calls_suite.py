"""No client at all: calls of tools as they are streamed. Parts joined are what a reply in one piece holds, whole or cut.

    python calls_suite.py --url .. --tools-url ..
"""
import json

from suite import case, main, raw

PARAMETERS = {"type": "object", "properties": {"town": {"type": "string", "minLength": 5, "maxLength": 40}, "days": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 99},
                                                                                                         "minItems": 3, "maxItems": 6}},
              "required": ["town", "days"]}
FUNCTION = {"name": "weather", "description": "d", "parameters": PARAMETERS}
SEEDS = range(4)
LENGTHS = (1, 9, 14, 20, 30, 400)


def post(url, path, body, headers=None):
    status, _, data = raw(url, "POST", path, body, headers)
    assert status == 200, data
    return data.decode()


def events(text):
    """The objects of a stream."""
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]


def chat(url, model, seed, length, stream, **more):
    body = {"model": model, "messages": [{"role": "user", "content": "Where?"}], "seed": seed, "temperature": 1, "max_tokens": length, "stream": stream,
            "tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "required", **more}
    return post(url, "/v1/chat/completions", body)


def chat_parts(text):
    """[(name, arguments)], number of fragments, finish, and the text."""
    calls, n, finish, content, ids = {}, 0, None, "", set()
    for e in events(text):
        for c in e["choices"]:
            finish = c["finish_reason"] or finish
            content += c["delta"].get("content") or ""
            for d in c["delta"].get("tool_calls", []):
                if "id" in d:
                    assert d["index"] not in calls and d["type"] == "function" and d["function"]["arguments"] == "", d
                    calls[d["index"]] = [d["function"]["name"], ""]
                    ids.add(d["id"])
                else:
                    assert set(d) == {"index", "function"} and set(d["function"]) == {"arguments"}, d
                    calls[d["index"]][1] += d["function"]["arguments"]
                    n += 1
    assert len(ids) == len(calls) and list(calls) == list(range(len(calls)))
    return [tuple(c) for c in calls.values()], n, finish, content


def check_chat(url, model, **more):
    most = 0
    for seed in SEEDS:
        for length in LENGTHS:
            whole = json.loads(chat(url, model, seed, length, False, **more))["choices"][0]
            calls, n, finish, content = chat_parts(chat(url, model, seed, length, True, **more))
            assert calls == [(c["function"]["name"], c["function"]["arguments"]) for c in whole["message"].get("tool_calls", [])], (calls, whole)
            assert finish == whole["finish_reason"] and content == (whole["message"]["content"] or ""), (content, whole)
            most = max(most, n)
            if finish == "tool_calls":
                assert all(set(json.loads(a)) == {"town", "days"} for _, a in calls), calls
    assert most > 8, most


@case
def tools_chat(o):
    check_chat(o.tools_url, o.tools_model)


@case
def tools_chat_behind_reasoning(o):
    check_chat(o.tools_url, o.tools_model, thinking_budget=3, chat_template_kwargs={"enable_thinking": True})


@case
def plain_template_with_tools_in_words(o):
    """The shipped model's template does not know tools."""
    check_chat(o.url, o.model)


@case
def tools_responses(o):
    most = 0
    for seed in SEEDS:
        for length in LENGTHS:
            body = {"model": o.tools_model, "input": "Where?", "seed": seed, "temperature": 1, "max_output_tokens": length, "tools": [{"type": "function", **FUNCTION}],
                    "tool_choice": "required"}
            whole = json.loads(post(o.tools_url, "/v1/responses", body))
            streamed = events(post(o.tools_url, "/v1/responses", {**body, "stream": True}))
            wanted = [(i["name"], i["arguments"], i["status"]) for i in whole["output"] if i["type"] == "function_call"]
            deltas = {}
            for e in streamed:
                if e["type"] == "response.function_call_arguments.delta":
                    deltas[e["output_index"]] = deltas.get(e["output_index"], "") + e["delta"]
                    most += 1
                if e["type"] == "response.function_call_arguments.done":
                    assert deltas.get(e["output_index"], "") == e["arguments"], e
            final = streamed[-1]["response"]
            assert wanted == [(i["name"], i["arguments"], i["status"]) for i in final["output"] if i["type"] == "function_call"], (wanted, final)
            assert sorted(deltas.values()) == sorted(w[1] for w in wanted if w[1])
            assert whole["status"] == final["status"] and (final["status"] == "incomplete" or wanted[-1][2] == "completed")
    assert most > 8 * len(SEEDS), most


@case
def tools_anthropic(o):
    headers, most = {"anthropic-version": "2023-06-01"}, 0
    for length in LENGTHS:
        body = {"model": o.tools_model, "messages": [{"role": "user", "content": "Where?"}], "temperature": 0, "max_tokens": length,
                "tools": [{"name": "weather", "input_schema": PARAMETERS}], "tool_choice": {"type": "any"}}
        whole = json.loads(post(o.tools_url, "/v1/messages", body, headers))
        blocks, text = [], {}
        for e in events(post(o.tools_url, "/v1/messages", {**body, "stream": True}, headers)):
            if e["type"] == "content_block_start":
                blocks.append(e["content_block"])
            if e["type"] == "content_block_delta" and e["delta"]["type"] == "input_json_delta":
                text[e["index"]] = text.get(e["index"], "") + e["delta"]["partial_json"]
                most += 1
        assert [b["type"] for b in blocks] == [b["type"] for b in whole["content"]], (blocks, whole)
        for i, b in enumerate(whole["content"]):
            if b["type"] == "tool_use" and whole["stop_reason"] == "tool_use":
                assert b["name"] == "weather" and json.loads(text[i]) == b["input"], (text, b)
            elif b["type"] == "tool_use":
                assert all(json.dumps(v, ensure_ascii=False) in text[i] or isinstance(v, list) for v in b["input"].values()), (text, b)
    assert most > 8, most


@case
def tools_whole_elsewhere(o):
    """Gemini and Ollama send a call when it is complete."""
    body = {"model": o.tools_model, "messages": [{"role": "user", "content": "Where?"}], "tools": [{"type": "function", "function": FUNCTION}], "options": {"num_predict": 500}}
    for line in post(o.tools_url, "/api/chat", body).strip().split("\n"):
        for call in json.loads(line)["message"].get("tool_calls", []):
            assert set(call["function"]["arguments"]) == {"town", "days"}, call
    body = {"contents": [{"parts": [{"text": "Where?"}]}], "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": PARAMETERS}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}, "generationConfig": {"maxOutputTokens": 400, "seed": 1}}
    stream = events(post(o.tools_url, f"/v1beta/models/{o.tools_model}:streamGenerateContent?alt=sse", body, {"x-goog-api-key": "k"}))
    calls = [p["functionCall"] for e in stream for p in e["candidates"][0]["content"].get("parts", []) if "functionCall" in p]
    assert calls and all(set(c["args"]) == {"town", "days"} for c in calls), stream


if __name__ == "__main__":
    main("plain HTTP")
