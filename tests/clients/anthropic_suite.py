"""The vendor's client `anthropic`, unmodified, against `suan serve`: 2.12 and 0.125 behave differently, both are served."""
import asyncio
import json

import anthropic

from suite import araises, case, main, raises, raw

NEW = int(anthropic.__version__.split(".")[0]) >= 1
HELLO = [{"role": "user", "content": "Tell me a story about a fox."}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a town",
    "input_schema": {"type": "object", "properties": {"town": {"type": "string", "enum": ["Rome", "Oslo"]}}, "required": ["town"], "additionalProperties": False},
}
CLOCK = {"name": "get_time", "input_schema": {"type": "object", "properties": {"zone": {"enum": ["utc"]}}, "required": ["zone"], "additionalProperties": False}}


def client(o, url=None, **more):
    more.setdefault("max_retries", 0)
    return anthropic.Anthropic(base_url=url or o.url, api_key=o.key, **more)


def aclient(o, url=None):
    return anthropic.AsyncAnthropic(base_url=url or o.url, api_key=o.key, max_retries=0)


def greedy(**more):
    """Old clients have temperature as an argument, new ones only as extra_body."""
    if NEW:
        more.setdefault("extra_body", {})["temperature"] = 0
    else:
        more["temperature"] = 0
    return more


@case
def message(o):
    m = client(o).messages.create(model=o.model, max_tokens=12, messages=HELLO, **greedy())
    assert m.type == "message" and m.role == "assistant" and m.id.startswith("msg_") and m.model == o.model
    assert [b.type for b in m.content] == ["text"] and m.content[0].text
    assert m.stop_reason == "max_tokens" and m.stop_sequence is None
    assert m.usage.output_tokens == 12 and m.usage.input_tokens + m.usage.cache_read_input_tokens > 5


@case
def system_as_text_and_blocks(o):
    a = client(o).messages.create(model=o.model, max_tokens=8, system="Once upon a time", messages=HELLO, **greedy())
    b = client(o).messages.create(model=o.model, max_tokens=8, system=[{"type": "text", "text": "Once upon a time", "cache_control": {"type": "ephemeral"}}],
                                  messages=[{"role": "user", "content": [{"type": "text", "text": HELLO[0]["content"]}]}], **greedy())
    assert a.content[0].text == b.content[0].text
    assert a.usage.input_tokens + a.usage.cache_read_input_tokens == b.usage.input_tokens + b.usage.cache_read_input_tokens


@case
def second_request_reads_the_cache(o):
    messages = [{"role": "user", "content": "The fox went over the hill and through the wood to see the sea. " * 8}]
    client(o).messages.create(model=o.model, max_tokens=1, messages=messages)
    m = client(o).messages.create(model=o.model, max_tokens=1, messages=messages)
    assert m.usage.cache_read_input_tokens > 0, m.usage


@case
def raw_stream(o):
    kinds = []
    text = ""
    for e in client(o).messages.create(model=o.model, max_tokens=12, messages=HELLO, stream=True, **greedy()):
        kinds.append(e.type)
        if e.type == "content_block_delta":
            assert e.index == 0
            text += e.delta.text
    assert kinds[0] == "message_start" and kinds[1] == "content_block_start" and kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds
    assert text == client(o).messages.create(model=o.model, max_tokens=12, messages=HELLO, **greedy()).content[0].text


@case
def stream_helper(o):
    with client(o).messages.stream(model=o.model, max_tokens=12, messages=HELLO, **greedy()) as s:
        text = "".join(s.text_stream)
        final = s.get_final_message()
    assert final.content[0].text == text and final.stop_reason == "max_tokens"
    assert final.usage.output_tokens == 12 and final.usage.input_tokens >= 0
    assert s.response.headers["content-type"].startswith("text/event-stream")


@case
async def async_client(o):
    m = await aclient(o).messages.create(model=o.model, max_tokens=4, messages=HELLO)
    assert m.usage.output_tokens == 4
    async with aclient(o).messages.stream(model=o.model, max_tokens=4, messages=HELLO) as s:
        async for _ in s.text_stream:
            pass
        assert (await s.get_final_message()).usage.output_tokens == 4


@case
def stop_sequence(o):
    whole = client(o).messages.create(model=o.model, max_tokens=20, messages=HELLO, **greedy()).content[0].text
    stop = whole[len(whole) // 2:][:3]
    m = client(o).messages.create(model=o.model, max_tokens=20, messages=HELLO, stop_sequences=[stop], **greedy())
    assert m.stop_reason == "stop_sequence" and m.stop_sequence == stop
    assert stop not in "".join(b.text for b in m.content)
    with client(o).messages.stream(model=o.model, max_tokens=20, messages=HELLO, stop_sequences=[stop], **greedy()) as s:
        final = s.get_final_message()
    assert final.stop_reason == "stop_sequence" and final.stop_sequence == stop


@case
def prefill(o):
    messages = HELLO + [{"role": "assistant", "content": "There was once a fox who"}]
    m = client(o).messages.create(model=o.model, max_tokens=8, messages=messages, **greedy())
    assert not m.content[0].text.startswith("There was once")


@case
def count_tokens(o):
    n = client(o).messages.count_tokens(model=o.model, messages=HELLO, system="A story").input_tokens
    m = client(o).messages.create(model=o.model, max_tokens=1, messages=HELLO, system="A story")
    assert n == m.usage.input_tokens + m.usage.cache_read_input_tokens


@case
def structured_output(o):
    schema = {"type": "object", "properties": {"name": {"enum": ["Ann", "Bo"]}, "age": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["name", "age"],
              "additionalProperties": False}
    m = client(o).messages.create(model=o.model, max_tokens=60, messages=HELLO, extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    found = json.loads(m.content[0].text)
    assert found["name"] in ("Ann", "Bo") and 0 <= found["age"] <= 9
    m = client(o).messages.create(model=o.model, max_tokens=60, messages=HELLO, extra_body={"output_format": {"type": "json_schema", "schema": schema}})
    assert set(json.loads(m.content[0].text)) == {"name", "age"}


@case
def advisory_members_are_named(o):
    r = client(o).messages.with_raw_response.create(model=o.model, max_tokens=1, messages=HELLO, metadata={"user_id": "u"}, service_tier="auto")
    assert r.headers["x-suan-advisory"] == "metadata, metadata.user_id, service_tier" or set(r.headers["x-suan-advisory"].split(", ")) == {
        "metadata", "metadata.user_id", "service_tier"}, r.headers["x-suan-advisory"]
    assert r.headers["request-id"].startswith("req_")


@case
def models(o):
    page = client(o).models.list()
    assert [m.id for m in page] == [o.model] and page.data[0].type == "model" and page.data[0].created_at.year >= 2026
    assert client(o).models.retrieve(o.model).display_name
    assert client(o).models.list(after_id=o.model).data == []
    raises(anthropic.NotFoundError, client(o).models.retrieve, "no/such model")
    raises(anthropic.BadRequestError, client(o).models.list, limit=5000)


@case
def errors(o):
    c = client(o)
    e = raises(anthropic.NotFoundError, c.messages.create, model="another", max_tokens=1, messages=HELLO)
    assert e.body["error"]["type"] == "not_found_error" and e.request_id.startswith("req_")
    e = raises(anthropic.BadRequestError, c.messages.create, model=o.model, max_tokens=1, messages=HELLO, extra_body={"nonsense": 1})
    assert "nonsense" in str(e) and e.body["error"]["type"] == "invalid_request_error"
    e = raises(anthropic.BadRequestError, c.messages.create, model=o.model, max_tokens=-1, messages=HELLO)
    assert "max_tokens" in str(e)
    image = [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]}]
    assert "text only" in str(raises(anthropic.BadRequestError, c.messages.create, model=o.model, max_tokens=1, messages=image))
    e = raises(anthropic.BadRequestError, c.messages.create, model=o.model, max_tokens=1, messages=[{"role": "user", "content": "fox " * 5000}])
    assert "prompt is too long" in str(e), e
    with c.messages.stream(model=o.model, max_tokens=1, messages=HELLO, extra_body={}) as s:
        s.get_final_message()
    raises(anthropic.BadRequestError, lambda: c.messages.create(model=o.model, max_tokens=1, messages=HELLO, stream=True, extra_body={"top_k": -1}))


@case
async def async_errors(o):
    await araises(anthropic.NotFoundError, aclient(o).messages.create(model="another", max_tokens=1, messages=HELLO))


@case
def full_context(o):
    """The answer ends where the context does, and says so."""
    n = client(o).models.retrieve(o.model).max_input_tokens
    words = "fox " * 400
    while True:
        count = client(o).messages.count_tokens(model=o.model, messages=[{"role": "user", "content": words}]).input_tokens
        if count <= n - 4:
            break
        words = words[: -4 * max(1, count - n + 4)]
    m = client(o).messages.create(model=o.model, max_tokens=400, messages=[{"role": "user", "content": words}], extra_body={"stop_sequences": []})
    assert m.stop_reason in ("model_context_window_exceeded", "end_turn"), m.stop_reason


@case
def bare_stream(o):
    """Every event has its name, every event ends in an empty line, and nothing else is in the stream."""
    status, headers, body = raw(o.url, "POST", "/v1/messages", {"model": o.model, "max_tokens": 4, "messages": HELLO, "stream": True}, {"anthropic-version": "2023-06-01"})
    assert status == 200 and headers["content-type"].startswith("text/event-stream") and headers["cache-control"] == "no-store"
    text = body.decode()
    assert text.endswith("\n\n")
    for event in text[:-2].split("\n\n"):
        name, data = event.split("\n")
        assert name.startswith("event: ") and data.startswith("data: ")
        assert json.loads(data[6:])["type"] == name[7:]


@case
def leaving_in_the_middle(o):
    for _ in range(5):
        with client(o).messages.stream(model=o.model, max_tokens=400, messages=HELLO) as s:
            for _ in s.text_stream:
                break
    assert client(o).messages.create(model=o.model, max_tokens=1, messages=HELLO).usage.output_tokens == 1


@case
async def many_at_once(o):
    """What one gets does not depend on the others."""
    async def one(town):
        async with aclient(o).messages.stream(model=o.model, max_tokens=24, messages=[{"role": "user", "content": "Tell me of " + town}], **greedy()) as s:
            return "".join([t async for t in s.text_stream])

    towns = ["Rome", "Oslo", "a fox", "the sea", "Ann", "a king", "snow", "bread"]
    alone = [await one(t) for t in towns[:3]]
    together = await asyncio.gather(*(one(t) for t in towns))
    assert together[:3] == alone and all(together)


@case
def tools_any(o):
    m = client(o, o.tools_url).messages.create(model=o.tools_model, max_tokens=200, tools=[WEATHER], **greedy(),
                                               tool_choice={"type": "any", "disable_parallel_tool_use": True}, messages=[{"role": "user", "content": "Rome?"}])
    assert m.stop_reason == "tool_use", m
    calls = [b for b in m.content if b.type == "tool_use"]
    assert len(calls) == 1 and calls[0].name == "get_weather" and calls[0].input["town"] in ("Rome", "Oslo") and calls[0].id
    # The result goes back.
    back = [{"role": "user", "content": "Rome?"}, {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in m.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": calls[0].id, "content": "sunny"}]}]
    m = client(o, o.tools_url).messages.create(model=o.tools_model, max_tokens=8, tools=[WEATHER], tool_choice={"type": "none"}, messages=back)
    assert all(b.type == "text" for b in m.content)


@case
def tools_named_stream(o):
    with client(o, o.tools_url).messages.stream(model=o.tools_model, max_tokens=200, tools=[WEATHER, CLOCK], **greedy(),
                                                tool_choice={"type": "tool", "name": "get_time", "disable_parallel_tool_use": True},
                                                messages=[{"role": "user", "content": "Rome?"}]) as s:
        kinds = [e.type for e in s]
        final = s.get_final_message()
    assert "input_json" in kinds, kinds
    assert final.stop_reason == "tool_use" and final.content[-1].input == {"zone": "utc"}, final


@case
def tools_auto_and_strict(o):
    m = client(o, o.tools_url).messages.create(model=o.tools_model, max_tokens=12, tools=[{**WEATHER, "strict": True, "cache_control": {"type": "ephemeral"}}],
                                               messages=[{"role": "user", "content": "Rome?"}])
    assert m.stop_reason in ("max_tokens", "end_turn", "tool_use")


@case
def tools_refused(o):
    c = client(o, o.tools_url)
    e = raises(anthropic.BadRequestError, c.messages.create, model=o.tools_model, max_tokens=1, messages=HELLO, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert "web_search" in str(e)
    # The shipped model's template knows no tools: they are described in words, and a call follows its schema.
    m = client(o).messages.create(model=o.model, max_tokens=200, messages=HELLO, tools=[WEATHER], tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert m.content[-1].type == "tool_use" and m.content[-1].name == "get_weather", m


@case
def tools_model_thinks(o):
    c = client(o, o.tools_url)
    m = c.messages.create(model=o.tools_model, max_tokens=1200, thinking={"type": "enabled", "budget_tokens": 1024}, messages=[{"role": "user", "content": "Why?"}], **greedy())
    assert m.content[0].type == "thinking" and m.content[0].thinking and m.content[0].signature
    with c.messages.stream(model=o.tools_model, max_tokens=1200, thinking={"type": "enabled", "budget_tokens": 1024},
                           messages=[{"role": "user", "content": "Why?"}], **greedy()) as s:
        kinds = {e.type for e in s}
        final = s.get_final_message()
    assert "thinking" in kinds and final.content[0].signature
    # What was thought goes back; without being asked the model does not think.
    m = c.messages.create(model=o.tools_model, max_tokens=4, **greedy(), messages=[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": m.content[0].signature}, {"type": "text", "text": "So."}]}, {"role": "user", "content": "Oh."}])
    assert m.content[0].type == "text"


@case
def beta_client(o):
    """client.beta asks for the same path with ?beta=true and headers of its own."""
    m = client(o).beta.messages.create(model=o.model, max_tokens=2, messages=HELLO, betas=["context-management-2025-06-27"],
                                       context_management={"edits": [{"type": "clear_tool_uses_20250919"}]})
    assert m.usage.output_tokens == 2 and m.context_management.applied_edits == []


@case
def empty_and_warm(o):
    m = client(o).messages.create(model=o.model, max_tokens=0, messages=HELLO)
    assert m.content == [] and m.stop_reason == "max_tokens" and m.usage.output_tokens == 0


if __name__ == "__main__":
    main("anthropic " + anthropic.__version__)
