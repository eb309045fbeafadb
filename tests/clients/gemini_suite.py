"""The vendor's client `google-genai`, unmodified, against `suan serve`: 3.4 asks below /v1, 1.75 below /v1beta."""
import asyncio
import enum
import json

import pydantic
from google import genai
from google.genai import errors, types

from suite import araises, case, main, raises, raw

STORY = "Tell me a story about a fox."
WEATHER = types.FunctionDeclaration(name="get_weather", description="The weather of a town", parameters=types.Schema(
    type=types.Type.OBJECT, properties={"town": types.Schema(type=types.Type.STRING, enum=["Rome", "Oslo"])}, required=["town"]))


CLIENTS = []  # they close when nobody holds them, even if their models are in use


def client(o, url=None):
    CLIENTS.append(genai.Client(api_key=o.key, http_options=types.HttpOptions(base_url=url or o.url)))
    return CLIENTS[-1]


def config(**more):
    more.setdefault("temperature", 0)
    more.setdefault("max_output_tokens", 12)
    return types.GenerateContentConfig(**more)


@case
def generate(o):
    r = client(o).models.generate_content(model=o.model, contents=STORY, config=config())
    assert r.text and r.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS and r.candidates[0].content.role == "model"
    u = r.usage_metadata
    assert u.candidates_token_count == 12 and u.total_token_count == u.prompt_token_count + 12
    assert r.model_version == o.model and r.response_id


@case
def stream(o):
    chunks = list(client(o).models.generate_content_stream(model=o.model, contents=STORY, config=config()))
    assert len(chunks) > 2
    text = "".join(c.text or "" for c in chunks)
    assert text == client(o).models.generate_content(model=o.model, contents=STORY, config=config()).text
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.MAX_TOKENS and chunks[-1].usage_metadata.candidates_token_count == 12
    assert all(c.candidates[0].finish_reason is None for c in chunks[:-1])


@case
async def async_client(o):
    c = client(o)
    assert (await c.aio.models.generate_content(model=o.model, contents=STORY, config=config())).text
    n = 0
    async for chunk in await c.aio.models.generate_content_stream(model=o.model, contents=STORY, config=config()):
        n += len(chunk.text or "")
    assert n > 0
    assert (await c.aio.models.count_tokens(model=o.model, contents=STORY)).total_tokens > 0


@case
def chat(o):
    for streams in (False, True):
        c = client(o).chats.create(model=o.model, config=config())
        for question in (STORY, "And then?"):
            if streams:
                assert [p.text for p in c.send_message_stream(question)]
            else:
                assert c.send_message(question).text
        history = c.get_history(curated=True)
        assert [m.role for m in history][0] == "user" and len([m for m in history if m.role == "user"]) == 2, history


@case
def system_instruction_and_lists(o):
    r = client(o).models.generate_content(model=o.model, contents=["Tell me", "a story"], config=config(system_instruction="Be brief", max_output_tokens=2))
    assert r.usage_metadata.candidates_token_count == 2


@case
def count_tokens(o):
    n = client(o).models.count_tokens(model=o.model, contents=STORY).total_tokens
    r = client(o).models.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=1))
    assert n == r.usage_metadata.prompt_token_count


@case
def candidates_seeds_and_logprobs(o):
    c = config(candidate_count=3, seed=7, temperature=1.5, response_logprobs=True, logprobs=2, top_k=40, top_p=0.9, max_output_tokens=6)
    a, b = [client(o).models.generate_content(model=o.model, contents=STORY, config=c) for _ in range(2)]
    texts = ["".join(p.text for p in x.content.parts) for x in a.candidates]
    assert len(texts) == 3 and len(set(texts)) > 1 and [x.index for x in a.candidates] == [0, 1, 2]
    assert texts == ["".join(p.text for p in x.content.parts) for x in b.candidates]
    result = a.candidates[0].logprobs_result
    assert len(result.chosen_candidates) == 6 and len(result.top_candidates[0].candidates) == 2 and a.candidates[0].avg_logprobs < 0
    # In a stream too, and all of it.
    chunks = list(client(o).models.generate_content_stream(model=o.model, contents=STORY, config=c))
    for i in range(3):
        mine = [x for chunk in chunks for x in chunk.candidates if x.index == i]
        assert "".join(p.text for x in mine for p in x.content.parts) == texts[i]
        assert sum(len(x.logprobs_result.chosen_candidates) for x in mine if x.logprobs_result) == 6


@case
def stop_sequences(o):
    whole = client(o).models.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=20)).text
    stop = whole[len(whole) // 2:][:3]
    r = client(o).models.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=20, stop_sequences=[stop]))
    assert r.candidates[0].finish_reason == types.FinishReason.STOP and stop not in r.text and whole.startswith(r.text)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Fox(pydantic.BaseModel):
    name: Colour
    age: int | None = None
    brave: bool


@case
def schemas(o):
    m = client(o).models
    r = m.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=100, response_mime_type="application/json", response_schema=Fox))
    assert isinstance(r.parsed, Fox), r.text
    schema = {"type": "OBJECT", "properties": {"a": {"type": "BOOLEAN"}, "b": {"type": "STRING", "enum": ["x"]}}, "required": ["a", "b"], "propertyOrdering": ["b", "a"]}
    r = m.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=100, response_mime_type="application/json", response_schema=schema))
    assert list(json.loads(r.text)) == ["b", "a"]
    r = m.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=60, response_mime_type="application/json"))
    assert r.text.lstrip()[0] in "{[", r.text
    schema = {"type": "object", "properties": {"a": {"const": 5}}, "required": ["a"], "additionalProperties": False}
    r = m.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=100, response_mime_type="application/json", response_json_schema=schema))
    assert json.loads(r.text) == {"a": 5}
    r = m.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=100, response_mime_type="text/x.enum", response_schema=Colour))
    assert r.text in ("red", "blue") and r.parsed in (Colour.RED, Colour.BLUE), r


@case
def models(o):
    c = client(o).models
    listed = list(c.list())
    assert [m.name for m in listed] == ["models/" + o.model] and listed[0].input_token_limit > 0 and "generateContent" in listed[0].supported_actions
    assert c.get(model=o.model).output_token_limit > 0
    assert raises(errors.ClientError, c.get, model="none/such:4b").code == 404


@case
def embeddings(o):
    r = client(o).models.embed_content(model=o.model, contents=["a fox", "the sea"])
    assert len(r.embeddings) == 2 and abs(sum(v * v for v in r.embeddings[0].values) - 1) < 1e-3
    e = raises(errors.ClientError, client(o).models.embed_content, model=o.model, contents="x", config=types.EmbedContentConfig(output_dimensionality=3))
    assert e.code == 400


@case
def both_spellings_and_prefixes(o):
    body = {"system_instruction": {"parts": [{"text": "s"}]}, "contents": [{"parts": [{"text": "q"}]}], "generation_config": {"max_output_tokens": 2, "stop_sequences": ["zzzz"],
            "thinkingConfig": {"include_thoughts": True, "thinking_budget": 5}}}
    for prefix in ("/v1", "/v1beta"):
        status, headers, data = raw(o.url, "POST", f"{prefix}/models/{o.model}:generateContent", body, {"x-goog-api-key": o.key})
        assert status == 200, data
        assert json.loads(data)["usageMetadata"]["candidatesTokenCount"] == 2
    assert "x-suan-advisory" not in headers
    body["systemInstruction"] = body["system_instruction"]
    status, _, data = raw(o.url, "POST", f"/v1/models/{o.model}:generateContent", body, {"x-goog-api-key": o.key})
    assert status == 400 and json.loads(data)["error"]["status"] == "INVALID_ARGUMENT"


@case
def stream_forms(o):
    """Server-sent events are data lines and blank lines only; without alt=sse it is one JSON array."""
    body = {"contents": [{"parts": [{"text": STORY}]}], "generationConfig": {"maxOutputTokens": 4, "temperature": 0}}
    path = f"/v1beta/models/{o.model}:streamGenerateContent"
    status, headers, data = raw(o.url, "POST", path + "?alt=sse", body, {"x-goog-api-key": o.key})
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    lines = data.decode().split("\n")
    assert all(line == "" or line.startswith("data: {") for line in lines) and "[DONE]" not in data.decode()
    status, headers, data = raw(o.url, "POST", path, body, {"x-goog-api-key": o.key})
    assert status == 200 and headers["content-type"].startswith("application/json")
    array = json.loads(data)
    assert array[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS" and [json.loads(x[6:])["candidates"] for x in lines if x] == [x["candidates"] for x in array]


@case
def client_errors(o):
    c = client(o).models
    e = raises(errors.ClientError, c.generate_content, model="none", contents="x")
    assert e.code == 404 and e.status == "NOT_FOUND" and "not found" in e.message
    e = raises(errors.ClientError, c.generate_content, model=o.model, contents="fox " * 5000)
    assert e.code == 400 and e.status == "INVALID_ARGUMENT"
    e = raises(errors.ClientError, lambda: list(c.generate_content_stream(model=o.model, contents="fox " * 5000)))
    assert e.code == 400
    e = raises(errors.ClientError, c.generate_content, model=o.model, contents=types.Part.from_bytes(data=b"x", mime_type="image/png"))
    assert "inlineData" in e.message
    e = raises(errors.ClientError, c.generate_content, model=o.model, contents="x", config=config(tools=[types.Tool(google_search=types.GoogleSearch())]))
    assert "googleSearch" in e.message
    raises(errors.ClientError, c.generate_content, model=o.model, contents="x", config=config(temperature=9))


@case
async def async_errors(o):
    e = await araises(errors.ClientError, client(o).aio.models.generate_content(model="none", contents="x"))
    assert e.code == 404


@case
def safety_settings_advise(o):
    r = client(o).models.generate_content(model=o.model, contents=STORY, config=config(max_output_tokens=1, safety_settings=[types.SafetySetting(
        category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_NONE)]))
    assert "safetySettings" in r.sdk_http_response.headers["x-suan-advisory"]


@case
def leaving_in_the_middle(o):
    for _ in range(3):
        s = client(o).models.generate_content_stream(model=o.model, contents=STORY, config=config(max_output_tokens=400))
        next(s)
        s.close()
    assert client(o).models.generate_content(model=o.model, contents=STORY, config=config()).text


@case
async def many_at_once(o):
    """What one gets does not depend on the others; a request of several candidates is among them."""
    c = client(o).aio.models

    async def one(n):
        r = await c.generate_content(model=o.model, contents=STORY, config=config(seed=n, temperature=1, candidate_count=1 + n % 3))
        return [x.content.parts[0].text for x in r.candidates]

    alone = [await one(n) for n in range(3)]
    together = await asyncio.gather(*(one(n) for n in range(8)))
    assert together[:3] == alone


def any_call(**more):
    return config(max_output_tokens=150, tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY", **more)),
                  automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True), tools=[types.Tool(function_declarations=[
                      WEATHER, types.FunctionDeclaration(name="get_time", parameters_json_schema={"type": "object", "properties": {"zone": {"enum": ["utc"]}},
                                                                                                 "required": ["zone"], "additionalProperties": False})])])


@case
def tools_any(o):
    c = client(o, o.tools_url).models
    r = c.generate_content(model=o.tools_model, contents="Rome?", config=any_call(allowed_function_names=["get_weather"]))
    call = r.function_calls[0]
    assert call.name == "get_weather" and call.args["town"] in ("Rome", "Oslo") and call.id, r
    back = [types.Content(role="user", parts=[types.Part(text="Rome?")]), r.candidates[0].content, types.Content(role="user", parts=[
        types.Part.from_function_response(name=x.name, response={"result": "sunny"}) for x in r.function_calls])]
    assert c.generate_content(model=o.tools_model, contents=back, config=config()).usage_metadata.candidates_token_count > 0


@case
def tools_stream(o):
    chunks = list(client(o, o.tools_url).models.generate_content_stream(model=o.tools_model, contents="Rome?", config=any_call(allowed_function_names=["get_time"])))
    calls = [x for c in chunks for x in c.function_calls or []]
    assert calls and calls[0].args == {"zone": "utc"}


@case
def tools_called_by_the_client(o):
    """Automatic function calling: the client calls the function and asks again."""
    seen = []

    def get_weather(tomorrow: bool) -> str:
        """The weather today or tomorrow."""
        seen.append(tomorrow)
        return "sunny"

    r = client(o, o.tools_url).models.generate_content(model=o.tools_model, contents="Rome?", config=types.GenerateContentConfig(
        tools=[get_weather], temperature=0, max_output_tokens=80, tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY")),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(maximum_remote_calls=2)))
    assert seen and r.automatic_function_calling_history, r


@case
def tools_model_thinks(o):
    c = client(o, o.tools_url).models
    for includes in (False, True):
        r = c.generate_content(model=o.tools_model, contents="Why?", config=config(max_output_tokens=8, thinking_config=types.ThinkingConfig(
            include_thoughts=includes, thinking_budget=100)))
        thoughts = [p for p in r.candidates[0].content.parts if p.thought]
        assert bool(thoughts) == includes and r.usage_metadata.thoughts_token_count > 0, r
    r = c.generate_content(model=o.tools_model, contents="Why?", config=config(max_output_tokens=8, thinking_config=types.ThinkingConfig(thinking_budget=0)))
    assert r.text and not r.usage_metadata.thoughts_token_count


if __name__ == "__main__":
    main("google-genai " + genai.__version__)
