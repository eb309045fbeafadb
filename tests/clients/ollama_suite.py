"""The client `ollama`, unmodified, against `suan serve`: 0.6 and 0.5 check replies strictly."""
import asyncio
import importlib.metadata
import json

import ollama
import pydantic

from suite import araises, case, main, raises, raw

STORY = [{"role": "user", "content": "Tell me a story about a fox."}]


def client(o, url=None):
    return ollama.Client(host=url or o.url, headers={"Authorization": "Bearer " + o.key})


def options(**more):
    return {"temperature": 0, "num_predict": 12, **more}


def get_weather(town: str) -> str:
    """The weather of a town.

    Args:
      town: its name
    """
    return "sunny in " + town


@case
def chat(o):
    r = client(o).chat(model=o.model, messages=STORY, options=options())
    assert r.message.role == "assistant" and r.message.content and r.done and r.done_reason == "length" and r.model == o.model
    assert r.eval_count == 12 and r.prompt_eval_count > 5 and r.total_duration > 0 and r.eval_duration > 0 and r.created_at.endswith("Z")


@case
def chat_stream(o):
    parts = list(client(o).chat(model=o.model, messages=STORY, options=options(), stream=True))
    assert len(parts) > 2 and all(p.message.role == "assistant" for p in parts) and [p.done for p in parts] == [False] * (len(parts) - 1) + [True]
    assert "".join(p.message.content for p in parts) == client(o).chat(model=o.model, messages=STORY, options=options()).message.content
    assert parts[-1].eval_count == 12 and parts[0].eval_count is None


@case
async def async_client(o):
    c = ollama.AsyncClient(host=o.url, headers={"Authorization": "Bearer " + o.key})
    assert (await c.chat(model=o.model, messages=STORY, options=options())).message.content
    n = 0
    async for part in await c.generate(model=o.model, prompt="A fox", options=options(), stream=True):
        n += len(part.response)
    assert n > 0
    await araises(ollama.ResponseError, c.chat(model="none", messages=STORY))


@case
def generate(o):
    r = client(o).generate(model=o.model, prompt=STORY[0]["content"], options=options())
    assert r.response == client(o).chat(model=o.model, messages=STORY, options=options()).message.content
    a = client(o).generate(model=o.model, prompt="The fox", raw=True, options=options())
    assert a.response and a.response != r.response
    assert "".join(p.response for p in client(o).generate(model=o.model, prompt="The fox", raw=True, options=options(), stream=True)) == a.response
    s = client(o).generate(model=o.model, prompt="The fox", system="Be brief", options=options(num_predict=1))
    assert s.eval_count == 1


@case
def loading(o):
    assert client(o).generate(model=o.model).done_reason == "load"
    assert client(o).chat(model=o.model, messages=[]).done_reason == "load"
    assert client(o).generate(model=o.model, keep_alive=0).done_reason == "unload"
    assert [p.done_reason for p in client(o).chat(model=o.model, stream=True)] == ["load"]


@case
def options_known_and_unknown(o):
    whole = client(o).generate(model=o.model, prompt="The fox", raw=True, options=options(num_predict=20)).response
    stop = whole[len(whole) // 2:][:3]
    r = client(o).generate(model=o.model, prompt="The fox", raw=True, options=options(num_predict=20, stop=[stop]))
    assert r.done_reason == "stop" and whole.startswith(r.response) and stop not in r.response
    same = [client(o).generate(model=o.model, prompt="The fox", raw=True, options={"seed": 5, "temperature": 2, "num_predict": 12, "top_k": 40, "top_p": 0.9,
                                                                                    "min_p": 0.01, "typical_p": 1, "repeat_penalty": 1.1, "repeat_last_n": 64}).response
            for _ in range(2)]
    assert same[0] == same[1]
    status, headers, _ = raw(o.url, "POST", "/api/generate", {"model": o.model, "prompt": "x", "stream": False, "keep_alive": "5m", "options": {
        "num_predict": 1, "num_ctx": 4096, "mirostat": 2, "use_mmap": True, "brand_new": [1]}})
    assert status == 200 and headers["x-suan-advisory"] == "keep_alive, options.num_ctx, options.mirostat, options.use_mmap, options.brand_new", headers
    e = raises(ollama.ResponseError, client(o).generate, model=o.model, prompt="x", options={"num_predict": -5})
    assert e.status_code == 400 and "num_predict" in e.error


class Fox(pydantic.BaseModel):
    brave: bool
    age: int


@case
def formats(o):
    r = client(o).chat(model=o.model, messages=STORY, format=Fox.model_json_schema(), options=options(num_predict=100))
    assert Fox.model_validate_json(r.message.content)
    r = client(o).generate(model=o.model, prompt="A fox", format={"type": "object", "properties": {"a": {"const": 5}}, "required": ["a"], "additionalProperties": False},
                           options=options(num_predict=60))
    assert json.loads(r.response) == {"a": 5}
    r = client(o).generate(model=o.model, prompt="A fox", format="json", options=options(num_predict=200))
    if r.done_reason == "stop":
        assert isinstance(json.loads(r.response), dict)
    assert r.response.lstrip().startswith("{")


@case
def logprobs(o):
    try:
        r = client(o).generate(model=o.model, prompt="The fox", raw=True, options=options(num_predict=4), logprobs=True, top_logprobs=2)
    except TypeError:
        return  # clients before logprobs
    assert len(r.logprobs) == 4 and len(r.logprobs[0].top_logprobs) == 2 and r.logprobs[0].logprob <= 0
    assert "".join(t.token for t in r.logprobs) == r.response
    parts = list(client(o).chat(model=o.model, messages=STORY, options=options(num_predict=4), logprobs=True, stream=True))
    assert sum(len(p.logprobs or []) for p in parts) == 4


@case
def models(o):
    m = client(o).list().models
    assert [x.model for x in m] == [o.model] and m[0].size > 0 and m[0].modified_at and len(m[0].digest) == 64 and m[0].details.family
    p = client(o).ps().models
    assert p[0].model == o.model and p[0].expires_at and p[0].size > 0
    s = client(o).show(o.model)
    assert s.modelinfo["general.architecture"] and "completion" in s.capabilities and s.template and s.details.parameter_size
    assert client(o).show(o.model + ":latest").modelinfo
    assert raises(ollama.ResponseError, client(o).show, "none").status_code == 404
    status, _, body = raw(o.url, "GET", "/api/version")
    assert status == 200 and json.loads(body)["version"].count(".") == 2


@case
def embeddings(o):
    r = client(o).embed(model=o.model, input=["a fox", "the sea"])
    assert len(r.embeddings) == 2 and abs(sum(v * v for v in r.embeddings[0]) - 1) < 1e-3 and r.prompt_eval_count > 0
    assert client(o).embed(model=o.model, input="a fox").embeddings[0] == r.embeddings[0]
    assert list(client(o).embeddings(model=o.model, prompt="a fox").embedding) == list(r.embeddings[0])
    assert raises(ollama.ResponseError, client(o).embed, model=o.model, input="x", dimensions=3).status_code == 400


@case
def errors(o):
    e = raises(ollama.ResponseError, client(o).chat, model="none", messages=STORY)
    assert e.status_code == 404 and "not found" in e.error
    e = raises(ollama.ResponseError, lambda: list(client(o).chat(model=o.model, messages=[{"role": "user", "content": "fox " * 5000}], stream=True)))
    assert e.status_code == 400
    e = raises(ollama.ResponseError, client(o).generate, model=o.model, prompt="x", suffix="y")
    assert e.status_code == 400 and "suffix" in e.error
    e = raises(ollama.ResponseError, client(o).chat, model=o.model, messages=[{"role": "user", "content": "x", "images": [b"png"]}])
    assert "images" in e.error


@case
def models_are_not_managed(o):
    c = client(o)
    for call in (lambda: c.pull("x"), lambda: c.push("x"), lambda: c.create("x", from_="y"), lambda: c.copy("x", "y"), lambda: c.delete("x")):
        e = raises(ollama.ResponseError, call)
        assert e.status_code == 403 and "operator" in e.error, e
    e = raises(ollama.ResponseError, lambda: list(c.pull("x", stream=True)))
    assert e.status_code == 403


@case
def lines_of_a_stream(o):
    """Without the member the stream is on; every line is an object, the last one ends in a newline."""
    status, headers, body = raw(o.url, "POST", "/api/chat", {"model": o.model, "messages": STORY, "options": options(num_predict=4)})
    assert status == 200 and headers["content-type"].startswith("application/x-ndjson") and body.endswith(b"\n")
    lines = [json.loads(line) for line in body.decode().split("\n")[:-1]]
    assert lines[-1]["done"] and "message" in lines[-1]


@case
def leaving_in_the_middle(o):
    for _ in range(3):
        for _ in client(o).chat(model=o.model, messages=STORY, stream=True):
            break
    assert client(o).chat(model=o.model, messages=STORY, options=options(num_predict=1)).eval_count == 1


@case
async def many_at_once(o):
    """What one gets does not depend on the others."""
    c = ollama.AsyncClient(host=o.url, headers={"Authorization": "Bearer " + o.key})

    async def one(n):
        return "".join([p.response async for p in await c.generate(model=o.model, prompt=f"The {n} foxes", raw=True, options=options(), stream=True)])

    alone = [await one(n) for n in range(3)]
    together = await asyncio.gather(*(one(n) for n in range(8)))
    assert together[:3] == alone


@case
def tools_form(o):
    """The model may call or not; a call has an object of arguments, and its result goes back."""
    c = client(o, o.tools_url)
    r = c.chat(model=o.tools_model, messages=[{"role": "user", "content": "Rome?"}], tools=[get_weather], options=options(num_predict=20))
    assert r.message.role == "assistant"
    back = [{"role": "user", "content": "Rome?"}, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"town": "Rome"}}}]},
            {"role": "tool", "content": get_weather("Rome"), "tool_name": "get_weather"}]
    assert c.chat(model=o.tools_model, messages=back, tools=[get_weather], options=options(num_predict=4)).eval_count == 4
    assert "tools" in c.show(o.tools_model).capabilities and "thinking" in c.show(o.tools_model).capabilities
    # The shipped model's template knows no tools: they are described in words.
    assert client(o).chat(model=o.model, messages=STORY, tools=[get_weather], options=options(num_predict=4)).prompt_eval_count > 100


@case
def tools_model_thinks(o):
    c = client(o, o.tools_url)
    r = c.chat(model=o.tools_model, messages=STORY, think=True, options=options(num_predict=8))
    assert r.message.thinking
    parts = list(c.chat(model=o.tools_model, messages=STORY, think=True, options=options(num_predict=8), stream=True))
    assert "".join(p.message.thinking or "" for p in parts) == r.message.thinking
    r = c.generate(model=o.tools_model, prompt="Why?", think=False, options=options(num_predict=8))
    assert r.response and not r.thinking


if __name__ == "__main__":
    main("ollama " + importlib.metadata.version("ollama"))
