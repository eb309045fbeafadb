"""No client at all: limits on reasoning, in every interface that has one.

    python budget_suite.py --url .. --tools-url ..
"""
import json

from suite import case, main, raw

CALL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}},
                                                                                        "required": ["n"]}}}


def chat(o, budget, **more):
    body = {"model": o.tools_model, "messages": [{"role": "user", "content": "Why?"}], "seed": 3, "temperature": 1, "max_tokens": 80, "ignore_eos": True,
            "chat_template_kwargs": {"enable_thinking": True}, **more}
    if budget is not None:
        body["thinking_budget"] = budget
    status, headers, data = raw(o.tools_url, "POST", "/v1/chat/completions", body)
    assert status == 200, data
    assert "x-suan-advisory" not in headers, headers
    return data


def answer(o, budget, **more):
    return json.loads(chat(o, budget, **more))


def reasoning_of(choice):
    return choice["message"].get("reasoning_content", "")


@case
def tools_budget_is_a_limit(o):
    whole = answer(o, None)
    thought = reasoning_of(whole["choices"][0])
    assert whole["usage"]["completion_tokens_details"]["reasoning_tokens"] > 60 and whole["choices"][0]["message"]["content"] == ""
    lengths = []
    for budget in (1, 5, 20, 40):
        a = answer(o, budget)
        message, n = a["choices"][0]["message"], a["usage"]["completion_tokens_details"]["reasoning_tokens"]
        assert thought.startswith(message["reasoning_content"].rstrip("\ufffd")), (thought, message)
        assert message["content"] and "</think>" not in message["content"], message
        assert a["usage"]["completion_tokens"] == 80 and budget <= n <= budget + 9, a["usage"]
        lengths.append(len(message["reasoning_content"]))
        assert answer(o, budget)["choices"] == a["choices"]
    assert lengths == sorted(set(lengths)), lengths
    # Limits that are not reached, and none, change nothing.
    assert answer(o, 1000)["choices"] == answer(o, -1)["choices"] == whole["choices"]


@case
def tools_budget_zero_is_no_reasoning(o):
    for more in ({}, {"reasoning_effort": "high"}):
        a = answer(o, 0, **more)
        assert "reasoning_content" not in a["choices"][0]["message"] and a["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0, a


@case
def tools_budget_in_streams_and_choices(o):
    whole = answer(o, 12, n=3)
    assert len({c["message"]["content"] for c in whole["choices"]}) == 3
    text, thought = [""] * 3, [""] * 3
    for line in chat(o, 12, n=3, stream=True).decode().split("\n"):
        for c in json.loads(line[6:])["choices"] if line.startswith("data: {") else []:
            text[c["index"]] += c["delta"].get("content") or ""
            thought[c["index"]] += c["delta"].get("reasoning_content") or ""
    assert text == [c["message"]["content"] for c in whole["choices"]]
    assert thought == [reasoning_of(c) for c in whole["choices"]]


@case
def tools_budget_before_calls_and_forms(o):
    a = answer(o, 9, tools=[CALL], tool_choice="required", max_tokens=200)
    choice = a["choices"][0]
    assert choice["finish_reason"] == "tool_calls" and reasoning_of(choice), choice
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])["n"] in range(1, 10)
    assert a["usage"]["completion_tokens_details"]["reasoning_tokens"] <= 18, a["usage"]
    a = answer(o, 9, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer", "minimum": 10, "maximum": 99}}})
    assert reasoning_of(a["choices"][0]) and 10 <= int(a["choices"][0]["message"]["content"]) <= 99, a


@case
def tools_budget_of_responses(o):
    body = {"model": o.tools_model, "input": "Why?", "seed": 3, "max_output_tokens": 80, "thinking_budget": 7, "reasoning": {"effort": "high"},
            "chat_template_kwargs": {"enable_thinking": True}}
    status, _, data = raw(o.tools_url, "POST", "/v1/responses", body)
    r = json.loads(data)
    assert status == 200 and [i["type"] for i in r["output"]] == ["reasoning", "message"], data
    assert 7 <= r["usage"]["output_tokens_details"]["reasoning_tokens"] <= 16, r["usage"]


@case
def tools_budget_of_anthropic(o):
    body = {"model": o.tools_model, "max_tokens": 60, "temperature": 0, "thinking": {"type": "enabled", "budget_tokens": 11}, "messages": [{"role": "user", "content": "Why?"}]}
    status, headers, data = raw(o.tools_url, "POST", "/v1/messages", body, {"anthropic-version": "2023-06-01"})
    m = json.loads(data)
    assert status == 200 and "x-suan-advisory" not in headers, (headers, data)
    assert [b["type"] for b in m["content"]] == ["thinking", "text"], m
    assert 11 <= m["usage"]["output_tokens_details"]["thinking_tokens"] <= 20, m["usage"]
    body["thinking"]["type"] = "adaptive"
    status, _, data = raw(o.tools_url, "POST", "/v1/messages", body, {"anthropic-version": "2023-06-01"})
    assert status == 400 and b"budget_tokens" in data, data


@case
def tools_budget_of_gemini(o):
    body = {"contents": [{"parts": [{"text": "Why?"}]}], "generationConfig": {"maxOutputTokens": 60, "seed": 3, "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 11}}}
    status, headers, data = raw(o.tools_url, "POST", f"/v1beta/models/{o.tools_model}:generateContent", body, {"x-goog-api-key": "k"})
    assert status == 200 and "x-suan-advisory" not in headers, (headers, data)
    r = json.loads(data)
    parts = r["candidates"][0]["content"]["parts"]
    assert [p.get("thought", False) for p in parts] == [True, False], parts
    assert 11 <= r["usageMetadata"]["thoughtsTokenCount"] <= 20, r["usageMetadata"]


if __name__ == "__main__":
    main("plain HTTP")
