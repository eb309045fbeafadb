"""The vendor's client `openai`, unmodified, against `suan serve`: 3.54 and 1.109 are both in use."""
import asyncio
import json
import math
import time

import openai
from pydantic import BaseModel

from suite import araises, case, main, raises, raw

HELLO = [{"role": "user", "content": "Tell me a story about a fox."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a town",
        "parameters": {"type": "object", "properties": {"town": {"type": "string", "enum": ["Rome", "Oslo"]}}, "required": ["town"], "additionalProperties": False},
        "strict": True,
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {"zone": {"enum": ["utc"]}}, "required": ["zone"], "additionalProperties": False}}}
WORD = {"regex": "[a-z]{5,9}"}  # an answer that ends by itself


class Fox(BaseModel):
    name: str
    age: int


def client(o, url=None, **more):
    more.setdefault("max_retries", 0)
    return openai.OpenAI(base_url=(url or o.url) + "/v1", api_key=o.key, **more)


def aclient(o, url=None):
    return openai.AsyncOpenAI(base_url=(url or o.url) + "/v1", api_key=o.key, max_retries=0)


def chat(o, messages=HELLO, **more):
    more.setdefault("max_tokens", 12)
    more.setdefault("temperature", 0)
    return client(o).chat.completions.create(model=o.model, messages=messages, **more)


def tchat(o, **more):
    more.setdefault("temperature", 0)
    more.setdefault("max_tokens", 120)
    more.setdefault("messages", HELLO)
    if "extra_body" not in more:
        more.setdefault("reasoning_effort", "none")
    return client(o, o.tools_url).chat.completions.create(model=o.tools_model, **more)


def text_of(chunks, choice=0):
    return "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == choice)


# ---- models

@case
def models_are_listed(o):
    models = client(o).models.list()
    assert models.object == "list" and [m.id for m in models.data] == [o.model]
    assert models.data[0].object == "model" and models.data[0].created > 0 and models.data[0].owned_by


@case
def a_model_by_its_name(o):
    assert client(o).models.retrieve(o.model).id == o.model
    assert client(o).models.retrieve(o.model + ":latest").id == o.model
    e = raises(openai.NotFoundError, client(o).models.retrieve, "some/other")
    assert "not found" in str(e) and e.code == "model_not_found"


# ---- chat

@case
def chat_completion(o):
    r = chat(o)
    assert r.object == "chat.completion" and r.id.startswith("chatcmpl-") and abs(r.created - time.time()) < 100 and r.model == o.model
    assert len(r.choices) == 1 and r.choices[0].index == 0 and r.choices[0].finish_reason == "length"
    assert r.choices[0].message.role == "assistant" and r.choices[0].message.content and r.choices[0].message.tool_calls is None
    assert r.usage.completion_tokens == 12 and r.usage.total_tokens == r.usage.prompt_tokens + 12
    assert r.usage.prompt_tokens_details.cached_tokens >= 0 and r.usage.completion_tokens_details.reasoning_tokens == 0
    assert r.usage.suan["busy_ms"] > 0 and r.usage.suan["bytes_read"] > 0
    assert r.system_fingerprint.startswith("suan-1")


@case
async def chat_completion_async(o):
    r = await aclient(o).chat.completions.create(model=o.model, messages=HELLO, max_tokens=12, temperature=0)
    assert r.choices[0].message.content == chat(o).choices[0].message.content


@case
async def many_at_once_are_as_alone(o):
    alone = [chat(o, [{"role": "user", "content": f"Tell me about {i} foxes."}], seed=i, temperature=1).choices[0].message.content for i in range(6)]
    c = aclient(o)
    together = await asyncio.gather(*[c.chat.completions.create(model=o.model, messages=[{"role": "user", "content": f"Tell me about {i} foxes."}], seed=i,
                                                                temperature=1, max_tokens=12) for i in range(6)])
    assert [r.choices[0].message.content for r in together] == alone


@case
def stream_in_the_documented_order(o):
    chunks = list(chat(o, stream=True, stream_options={"include_usage": True}))
    assert all(c.object == "chat.completion.chunk" and c.id == chunks[0].id and c.model == o.model for c in chunks)
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].choices[0].delta.content == ""
    assert all(c.choices[0].delta.role is None for c in chunks[1:-1])
    assert chunks[-2].choices[0].finish_reason == "length" and chunks[-2].choices[0].delta.content is None
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 12 and all(c.usage is None for c in chunks[:-1])
    assert text_of(chunks) == chat(o).choices[0].message.content


@case
def stream_without_usage_and_raw_bytes(o):
    status, headers, body = raw(o.url, "POST", "/v1/chat/completions", {"model": o.model, "messages": HELLO, "max_tokens": 3, "stream": True, "temperature": 0})
    assert status == 200 and headers["content-type"].startswith("text/event-stream") and "x-request-id" in headers
    events = body.decode().split("\n\n")
    assert events[-1] == "" and events[-2] == "data: [DONE]"
    assert all(e.startswith("data: ") for e in events[:-1] if not e.startswith(":"))
    assert "usage" not in json.loads(events[0][6:])


@case
def stream_helper(o):
    with client(o).chat.completions.stream(model=o.model, messages=HELLO, temperature=0, extra_body=WORD) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds and kinds.count("content.done") == 1
    assert final.choices[0].message.content == chat(o, extra_body=WORD).choices[0].message.content and final.choices[0].message.role == "assistant"


@case
async def stream_helper_async(o):
    async with aclient(o).chat.completions.stream(model=o.model, messages=HELLO, temperature=0, extra_body=WORD) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == chat(o, extra_body=WORD).choices[0].message.content


@case
def raw_response_and_ids(o):
    r = client(o).chat.completions.with_raw_response.create(model=o.model, messages=HELLO, max_tokens=2)
    assert r.headers["x-request-id"].startswith("req_") and r.parse().choices[0].message.content is not None
    assert chat(o)._request_id.startswith("req_")


@case
def three_choices(o):
    r = chat(o, n=3, temperature=1, seed=5)
    assert [c.index for c in r.choices] == [0, 1, 2] and len({c.message.content for c in r.choices}) > 1
    chunks = list(chat(o, n=3, temperature=1, seed=5, stream=True))
    assert [text_of(chunks, i) for i in range(3)] == [c.message.content for c in r.choices]
    assert [c.choices[0].index for c in chunks[:3]] == [0, 1, 2]
    with client(o).chat.completions.stream(model=o.model, messages=HELLO, temperature=1, seed=5, n=3, extra_body=WORD) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert [c.message.content for c in final.choices] == [c.message.content for c in chat(o, n=3, temperature=1, seed=5, extra_body=WORD).choices]


@case
def seeds_decide(o):
    a, b, c = (chat(o, temperature=1, seed=s, max_tokens=20).choices[0].message.content for s in (1, 1, 2))
    assert a == b and a != c


@case
def stop_strings(o):
    whole = chat(o, max_tokens=30).choices[0].message.content
    stop = whole[10:14]
    for stops in (stop, [stop, "never there"]):
        r = chat(o, max_tokens=30, stop=stops)
        assert r.choices[0].message.content == whole[:whole.index(stop)] and r.choices[0].finish_reason == "stop"
        assert r.usage.completion_tokens < 30
        assert text_of(list(chat(o, max_tokens=30, stop=stops, stream=True))) == whole[:whole.index(stop)]


@case
def logprobs_of_the_text(o):
    r = chat(o, logprobs=True, top_logprobs=3)
    content = r.choices[0].logprobs.content
    assert len(content) == 12 and b"".join(bytes(t.bytes) for t in content).decode(errors="replace") == r.choices[0].message.content
    for t in content:
        assert t.logprob <= 0 and len(t.top_logprobs) == 3 and t.top_logprobs[0].logprob == t.logprob
        assert sorted((x.logprob for x in t.top_logprobs), reverse=True) == [x.logprob for x in t.top_logprobs]
    streamed = [t for chunk in chat(o, logprobs=True, top_logprobs=3, stream=True) for c in chunk.choices if c.logprobs for t in c.logprobs.content]
    assert [t.token for t in streamed] == [t.token for t in content] and [t.logprob for t in streamed] == [t.logprob for t in content]


@case
def logit_bias_bans_and_forces(o):
    first = client(o).completions.create(model=o.model, prompt="Once", max_tokens=1, temperature=0, logprobs=1).choices[0].text
    forced = chat(o, logit_bias={"300": 100}, max_tokens=3, logprobs=True).choices[0].logprobs.content
    assert len({t.token for t in forced}) == 1
    e = raises(openai.BadRequestError, chat, o, logit_bias={"99999999": 1})
    assert e.param == "logit_bias" and first


@case
def content_in_parts_and_a_developer(o):
    parts = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "Tell me a story"}, {"type": "text", "text": "about a fox."}]}]
    same = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Tell me a story\nabout a fox."}]
    assert chat(o, parts).choices[0].message.content == chat(o, same).choices[0].message.content
    e = raises(openai.BadRequestError, chat, o, [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}])
    assert e.param == "messages[0].content[0].image_url"


@case
def extensions(o):
    r = chat(o, extra_body={"regex": "[0-9]{4}"})
    assert r.choices[0].message.content.isdigit() and len(r.choices[0].message.content) == 4 and r.choices[0].finish_reason == "stop"
    r = chat(o, extra_body={"grammar": 'root ::= "yes" | "no"'})
    assert r.choices[0].message.content in ("yes", "no")
    chat(o, extra_body={"top_k": 5, "min_p": 0.05, "typical_p": 0.9, "repetition_penalty": 1.1}, temperature=1)
    going_on = HELLO + [{"role": "assistant", "content": "The fox said"}]
    a = chat(o, going_on, extra_body={"continue_final_message": True})
    assert a.choices[0].message.content and a.choices[0].message.content != chat(o).choices[0].message.content


@case
def json_object_and_schema(o):
    r = chat(o, response_format={"type": "json_object"}, max_tokens=200, seed=3, temperature=1)
    if r.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(r.choices[0].message.content), dict)
    schema = {"type": "object", "properties": {"kind": {"enum": ["fox", "owl"]}, "legs": {"type": "integer", "minimum": 2, "maximum": 4}}, "required": ["kind", "legs"], "additionalProperties": False}
    r = chat(o, response_format={"type": "json_schema", "json_schema": {"name": "animal", "schema": schema, "strict": True}}, max_tokens=100)
    value = json.loads(r.choices[0].message.content)
    assert value["kind"] in ("fox", "owl") and 2 <= value["legs"] <= 4 and r.choices[0].finish_reason == "stop"
    assert text_of(list(chat(o, response_format={"type": "json_schema", "json_schema": {"name": "animal", "schema": schema}}, max_tokens=100, stream=True))) == r.choices[0].message.content


@case
def parse_into_a_model(o):
    schema = {"type": "json_schema", "json_schema": {"name": "e", "schema": {"type": "object", "properties": {"kind": {"enum": ["fox"]}}, "required": ["kind"], "additionalProperties": False}, "strict": True}}
    assert json.loads(chat(o, response_format=schema, max_tokens=60).choices[0].message.content) == {"kind": "fox"}

    class Kind(BaseModel):
        kind: bool
        other: bool

    r = client(o).chat.completions.parse(model=o.model, messages=HELLO, response_format=Kind, max_tokens=100, temperature=0)
    assert isinstance(r.choices[0].message.parsed, Kind)
    again = HELLO + [r.choices[0].message, {"role": "user", "content": "And?"}]
    assert client(o).chat.completions.parse(model=o.model, messages=again, response_format=Kind, max_tokens=100, temperature=0).choices[0].message.parsed is not None
    raises(openai.LengthFinishReasonError, client(o).chat.completions.parse, model=o.model, messages=HELLO, response_format=Fox, max_tokens=2, temperature=0)


# ---- tools

@case
def tools_required_named_and_none(o):
    r = tchat(o, tools=[WEATHER, CLOCK], tool_choice="required")
    m = r.choices[0].message
    assert m.tool_calls and r.choices[0].finish_reason in ("tool_calls", "length"), r  # nothing in this model ends a list of calls
    for i, call in enumerate(m.tool_calls):
        assert call.type == "function" and call.id and call.function.name in ("get_weather", "get_time")
        if i + 1 < len(m.tool_calls) or r.choices[0].finish_reason == "tool_calls":  # the last one may be cut
            assert isinstance(json.loads(call.function.arguments), dict)
    r = tchat(o, tools=[WEATHER, CLOCK], tool_choice={"type": "function", "function": {"name": "get_time"}}, parallel_tool_calls=False)
    assert [(c.function.name, json.loads(c.function.arguments)) for c in r.choices[0].message.tool_calls] == [("get_time", {"zone": "utc"})]
    assert tchat(o, tools=[WEATHER], tool_choice="none", max_tokens=20).choices[0].message.tool_calls is None
    assert tchat(o, tools=[WEATHER], tool_choice="auto", max_tokens=20).choices[0].message.role == "assistant"


@case
def tools_streamed(o):
    whole = tchat(o, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False).choices[0].message.tool_calls[0]
    fragments = [f for chunk in tchat(o, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, stream=True) for c in chunk.choices for f in c.delta.tool_calls or []]
    assert len(fragments) > 3 and [f.index for f in fragments] == [0] * len(fragments) and fragments[0].type == "function" and fragments[0].function.name == "get_weather"
    assert fragments[0].function.arguments == "" and all(f.id is None and f.function.name is None for f in fragments[1:])
    assert "".join(f.function.arguments for f in fragments) == whole.function.arguments
    with client(o, o.tools_url).chat.completions.stream(model=o.tools_model, messages=HELLO, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, temperature=0,
                                                        reasoning_effort="none") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    assert "tool_calls.function.arguments.done" in kinds and call.function.name == "get_weather" and call.function.parsed_arguments == json.loads(whole.function.arguments)


@case
def tools_answered(o):
    first = tchat(o, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False).choices[0].message
    messages = HELLO + [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "Sunny"}]
    assert tchat(o, messages=messages, tools=[WEATHER], tool_choice="none", max_tokens=10).choices[0].message.content is not None
    messages[1] = {"role": "assistant", "content": None, "tool_calls": [{"id": "x", "type": "function", "function": {"name": "get_weather", "arguments": '{"town": "Rome"}'}}]}
    assert tchat(o, messages=messages, tools=[WEATHER], max_tokens=10).choices[0].message is not None
    messages[1]["tool_calls"][0]["function"]["arguments"] = "{broken"
    e = raises(openai.BadRequestError, tchat, o, messages=messages, tools=[WEATHER])
    assert e.param == "messages[1].tool_calls[0].function.arguments"


@case
def tools_with_reasoning(o):
    r = tchat(o, extra_body={"chat_template_kwargs": {"enable_thinking": True}}, max_tokens=20)
    assert r.choices[0].message.reasoning_content and r.usage.completion_tokens_details.reasoning_tokens > 0
    r = tchat(o, reasoning_effort="low", max_tokens=20)
    assert r.choices[0].message.reasoning_content
    pieces = [c.delta for chunk in tchat(o, reasoning_effort="low", max_tokens=20, stream=True) for c in chunk.choices]
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in pieces) == r.choices[0].message.reasoning_content
    assert not getattr(tchat(o, reasoning_effort="none", max_tokens=20).choices[0].message, "reasoning_content", None)
    sent_back = HELLO + [{"role": "assistant", "content": "A", "reasoning_content": "B"}, {"role": "user", "content": "C"}]
    assert tchat(o, messages=sent_back, max_tokens=5).usage.prompt_tokens > tchat(o, max_tokens=5).usage.prompt_tokens


@case
def tools_that_are_wrong(o):
    e = raises(openai.BadRequestError, tchat, o, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "other"}})
    assert e.param.startswith("tool_choice")
    raises(openai.BadRequestError, tchat, o, tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": 5}}}], tool_choice="required")
    raises(openai.BadRequestError, tchat, o, tool_choice="required")


# ---- completions

def complete(o, **more):
    more.setdefault("max_tokens", 8)
    more.setdefault("temperature", 0)
    return client(o).completions.create(model=o.model, **more)


@case
def completion(o):
    r = complete(o, prompt="Once upon a time")
    assert r.object == "text_completion" and r.id.startswith("cmpl-") and r.choices[0].text and r.choices[0].finish_reason == "length" and r.choices[0].logprobs is None
    assert r.usage.completion_tokens == 8
    assert "".join(c.text for chunk in complete(o, prompt="Once upon a time", stream=True) for c in chunk.choices) == r.choices[0].text
    chunks = list(complete(o, prompt="Once upon a time", stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 8
    assert client(o).completions.create(model=o.model, prompt="Once upon a time", temperature=0, extra_body={"ignore_eos": True}).usage.completion_tokens == 16


@case
def completions_of_many_prompts(o):
    one = [complete(o, prompt=p).choices[0].text for p in ("The fox", "The owl")]
    both = complete(o, prompt=["The fox", "The owl"])
    assert [c.text for c in both.choices] == one and [c.index for c in both.choices] == [0, 1]
    twice = complete(o, prompt=["The fox", "The owl"], n=2, temperature=1, seed=3)
    assert [c.index for c in twice.choices] == [0, 1, 2, 3]
    streamed = list(complete(o, prompt=["The fox", "The owl"], stream=True))
    assert ["".join(c.text for chunk in streamed for c in chunk.choices if c.index == i) for i in (0, 1)] == one
    ids = complete(o, prompt=[[100, 200, 300], [5, 6]], echo=True, max_tokens=0, logprobs=0)
    assert [len(c.logprobs.tokens) for c in ids.choices] == [3, 2]
    assert complete(o, prompt=[100, 200, 300]).usage.prompt_tokens == 3


@case
def completion_echo_and_logprobs(o):
    r = complete(o, prompt="Once upon a time", echo=True, logprobs=2)
    c = r.choices[0]
    assert c.text.startswith("Once upon a time") and len(c.logprobs.tokens) == len(c.logprobs.token_logprobs) == len(c.logprobs.top_logprobs) == len(c.logprobs.text_offset)
    assert c.logprobs.token_logprobs[0] is None and all(x <= 0 for x in c.logprobs.token_logprobs[1:])
    assert all(t[name] == value for name, value, t in list(zip(c.logprobs.tokens, c.logprobs.token_logprobs, c.logprobs.top_logprobs))[1:])
    again = complete(o, prompt=c.text, echo=True, logprobs=2, max_tokens=0).choices[0]
    assert again.text == c.text and again.finish_reason == "length"
    same = [a == b for a, b in zip(again.logprobs.token_logprobs, c.logprobs.token_logprobs)]
    assert all(same) or again.logprobs.tokens != c.logprobs.tokens
    streamed = list(complete(o, prompt="Once upon a time", echo=True, logprobs=2, stream=True))
    assert "".join(x.text for chunk in streamed for x in chunk.choices) == c.text
    assert [t for chunk in streamed for x in chunk.choices for t in x.logprobs.tokens] == c.logprobs.tokens


@case
def completions_that_are_refused(o):
    for more, param in (({"best_of": 3}, "best_of"), ({"suffix": "x"}, "suffix"), ({"logprobs": 1000}, "logprobs"), ({"n": 1000}, "n")):
        assert raises(openai.BadRequestError, complete, o, prompt="a", **more).param == param
    complete(o, prompt="a", best_of=1, suffix=None)
    assert raises(openai.BadRequestError, complete, o, prompt=[]).param == "prompt"


# ---- embeddings

@case
def embeddings(o):
    r = client(o).embeddings.create(model=o.model, input=["A fox", "An owl", "A fox"])
    assert r.object == "list" and [d.index for d in r.data] == [0, 1, 2] and r.usage.prompt_tokens == r.usage.total_tokens > 3
    assert abs(math.fsum(x * x for x in r.data[0].embedding) - 1) < 1e-4 and r.data[0].embedding == r.data[2].embedding != r.data[1].embedding
    floats = client(o).embeddings.create(model=o.model, input="A fox", encoding_format="float")
    assert max(abs(a - b) for a, b in zip(floats.data[0].embedding, r.data[0].embedding)) < 1e-6
    last = client(o).embeddings.create(model=o.model, input="A fox", extra_body={"pooling": "last"})
    assert last.data[0].embedding != r.data[0].embedding
    n = len(r.data[0].embedding)
    assert len(client(o).embeddings.create(model=o.model, input=[[5, 6, 7]], dimensions=n).data[0].embedding) == n
    assert raises(openai.BadRequestError, client(o).embeddings.create, model=o.model, input="a", dimensions=n - 1).param == "dimensions"
    many = client(o).embeddings.create(model=o.model, input=[f"Fox number {i}" for i in range(200)])
    assert len(many.data) == 200


# ---- errors

@case
def errors_have_their_classes(o):
    e = raises(openai.NotFoundError, client(o).chat.completions.create, model="gpt-none", messages=HELLO)
    assert e.code == "model_not_found" and e.param == "model" and "not found" in e.message and e.request_id.startswith("req_")
    for more, param in (({"temperature": -1}, "temperature"), ({"n": 0}, "n"), ({"n": 10 ** 9}, "n"), ({"audio": {"voice": "x", "format": "wav"}}, "audio"), ({"store": True}, "store"),
                        ({"top_logprobs": 3}, "top_logprobs"), ({"stream_options": {"include_usage": True}}, "stream_options"), ({"extra_body": {"no_such": 1}}, "no_such"),
                        ({"response_format": {"type": "xml"}}, "response_format.type"), ({"modalities": ["text", "audio"]}, "modalities"), ({"stop": ["x"] * 100}, "stop"),
                        ({"extra_body": {"chat_template": "x"}}, "chat_template"), ({"extra_body": {"chat_template_kwargs": {"bos_token": "x"}}}, "chat_template_kwargs")):
        e = raises(openai.BadRequestError, chat, o, **more)
        assert e.param == param and e.type == "invalid_request_error", (more, e.param)
    assert raises(openai.BadRequestError, chat, o, []).param == "messages"
    status, headers, body = raw(o.url, "POST", "/v1/chat/completions", b"{broken")
    assert status == 400 and json.loads(body)["error"]["message"]
    status, headers, body = raw(o.url, "POST", "/v1/no/such/path", {})
    assert status == 404 and json.loads(body)["error"]["message"]


@case
def advisory_members_are_named(o):
    r = client(o).chat.completions.with_raw_response.create(model=o.model, messages=HELLO, max_tokens=1, user="u", metadata={"a": "b"}, store=False, service_tier="auto")
    assert set(r.headers["x-suan-advisory"].split(", ")) == {"user", "metadata", "service_tier"}
    assert "x-suan-advisory" not in client(o).chat.completions.with_raw_response.create(model=o.model, messages=HELLO, max_tokens=1).headers


@case
def context_is_never_cut(o):
    e = raises(openai.BadRequestError, chat, o, [{"role": "user", "content": "word " * 2000}])
    assert e.code == "context_length_exceeded" and any(c.isdigit() for c in e.message)
    r = chat(o, [{"role": "user", "content": "word " * 300}], max_tokens=5000, extra_body={"ignore_eos": True})
    assert r.choices[0].finish_reason == "length" and r.usage.total_tokens <= 600


@case
def a_client_that_leaves(o):
    before = chat(o).choices[0].message.content
    for _ in range(3):
        stream = chat(o, stream=True, max_tokens=400, extra_body={"ignore_eos": True})
        next(iter(stream))
        stream.close()
    raises(openai.APITimeoutError, client(o, timeout=0.05).chat.completions.create, model=o.model, messages=HELLO, max_tokens=450, extra_body={"ignore_eos": True})
    assert chat(o).choices[0].message.content == before


# ---- responses

def respond(o, **more):
    more.setdefault("max_output_tokens", 12)
    more.setdefault("temperature", 0)
    more.setdefault("input", HELLO[0]["content"])
    return client(o).responses.create(model=o.model, **more)


@case
def response(o):
    r = respond(o)
    assert r.id.startswith("resp_") and r.object == "response" and r.status == "incomplete" and r.incomplete_details.reason == "max_output_tokens"
    assert [i.type for i in r.output] == ["message"] and r.output_text == chat(o).choices[0].message.content
    assert r.usage.output_tokens == 12 and r.usage.input_tokens_details.cached_tokens >= 0 and r.parallel_tool_calls is True and r.tools == [] and r.tool_choice == "auto"
    r = respond(o, input=HELLO, instructions="Be kind.", metadata={"a": "b"}, extra_body={"regex": "[a-z]{5}"}, truncation="disabled", store=False)
    assert r.status == "completed" and len(r.output_text) == 5 and r.instructions == "Be kind." and r.metadata == {"a": "b"} and r.output[0].status == "completed"


@case
def response_stream(o):
    events = list(respond(o, stream=True, extra_body={"regex": "[a-z]{9}"}))
    assert [e.type for e in events[:4]] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert [e.type for e in events[-4:]] == ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]
    assert [e.sequence_number for e in events] == list(range(len(events)))
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == events[-1].response.output_text == events[-4].text and len(text) == 9
    assert {e.response.id for e in events if hasattr(e, "response")} == {events[0].response.id}
    cut = list(respond(o, stream=True))
    assert cut[-1].type == "response.incomplete" and cut[-1].response.output_text == respond(o).output_text


@case
def response_stream_helper(o):
    with client(o).responses.stream(model=o.model, input="Hello", temperature=0, extra_body={"regex": "[a-z]{9}"}) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert "response.output_text.delta" in kinds and final.status == "completed" and len(final.output_text) == 9


@case
async def response_stream_async(o):
    stream = await aclient(o).responses.create(model=o.model, input="Hello", temperature=0, max_output_tokens=5, stream=True)
    events = [event async for event in stream]
    assert events[-1].type in ("response.incomplete", "response.completed")


@case
def response_parse(o):
    class Kind(BaseModel):
        kind: bool

    r = client(o).responses.parse(model=o.model, input="Hello", text_format=Kind, temperature=0, max_output_tokens=100)
    assert isinstance(r.output_parsed, Kind)


TOOL = {"type": "function", **WEATHER["function"]}


@case
def response_tools(o):
    c = client(o, o.tools_url)
    off = {"reasoning": {"effort": "none"}, "temperature": 0, "max_output_tokens": 120, "parallel_tool_calls": False}
    r = c.responses.create(model=o.tools_model, input=HELLO, tools=[TOOL], tool_choice="required", **off)
    calls = [i for i in r.output if i.type == "function_call"]
    assert len(calls) == 1 and calls[0].name == "get_weather" and json.loads(calls[0].arguments)["town"] in ("Rome", "Oslo") and calls[0].call_id and r.status == "completed", r
    again = HELLO + [i.to_dict() for i in r.output] + [{"type": "function_call_output", "call_id": calls[0].call_id, "output": "Sunny"}]
    assert c.responses.create(model=o.tools_model, input=again, tools=[TOOL], tool_choice="none", temperature=0, max_output_tokens=5).output_text is not None
    events = list(c.responses.create(model=o.tools_model, input=HELLO, tools=[TOOL], tool_choice={"type": "function", "name": "get_weather"}, stream=True, **off))
    kinds = [e.type for e in events]
    at, n = kinds.index("response.function_call_arguments.delta"), kinds.count("response.function_call_arguments.delta")
    assert n > 2 and kinds[at - 1:at + n + 2] == ["response.output_item.added"] + n * ["response.function_call_arguments.delta"] + [
        "response.function_call_arguments.done", "response.output_item.done"], kinds
    with c.responses.stream(model=o.tools_model, input=HELLO, tools=[TOOL], tool_choice="required", **off) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert [i.parsed_arguments["town"] for i in final.output if i.type == "function_call"][0] in ("Rome", "Oslo")


@case
def response_with_reasoning_tools(o):
    c = client(o, o.tools_url)
    r = c.responses.create(model=o.tools_model, input="Hello", reasoning={"effort": "low"}, temperature=0, max_output_tokens=20)
    assert r.output[0].type == "reasoning" and r.output[0].content[0].text and r.usage.output_tokens_details.reasoning_tokens > 0
    events = list(c.responses.create(model=o.tools_model, input="Hello", reasoning={"effort": "low"}, temperature=0, max_output_tokens=20, stream=True))
    assert "".join(e.delta for e in events if e.type == "response.reasoning_text.delta") == r.output[0].content[0].text
    again = [{"role": "user", "content": "Hello"}, r.output[0].to_dict(), {"role": "assistant", "content": "A"}, {"role": "user", "content": "B"}]
    assert c.responses.create(model=o.tools_model, input=again, temperature=0, max_output_tokens=3).usage.input_tokens > r.usage.input_tokens


@case
def response_members_that_are_refused(o):
    for more, param in (({"previous_response_id": "resp_x"}, "previous_response_id"), ({"truncation": "auto"}, "truncation"), ({"background": True}, "background"),
                        ({"conversation": "c"}, "conversation"), ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"), ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
                        ({"include": ["file_search_call.results"]}, "include[0]"), ({"input": []}, "input")):
        e = raises(openai.BadRequestError, respond, o, **more)
        assert e.param == param, (more, e.param)
    raises(openai.NotFoundError, client(o).responses.retrieve, "resp_x")
    raises(openai.NotFoundError, client(o).responses.delete, "resp_x")
    r = client(o).responses.with_raw_response.create(model=o.model, input="Hi", max_output_tokens=1, store=True)
    assert "store" in r.headers["x-suan-advisory"] and r.parse().store is False


if __name__ == "__main__":
    main(f"openai {openai.__version__}")
