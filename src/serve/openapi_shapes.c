/* openapi_shapes.c: what members are made of, and what routes take and give, for the description. */
#include "serve/openapi.h"

#define ONE(table, member, of) \
    { table, member, SUAN__SHAPE_ONE, of }
#define LIST(table, member, of) \
    { table, member, SUAN__SHAPE_LIST, of }
#define TEXT_OR_LIST(table, member, of) \
    { table, member, SUAN__SHAPE_TEXT_OR_LIST, of }
#define WORDS(table, member, words) \
    { table, member, SUAN__SHAPE_WORDS, words }
#define WORDS_OR_ONE(table, member, words, of) \
    { table, member, SUAN__SHAPE_WORDS_OR_ONE, words " " of }
#define STRINGS(table, member) \
    { table, member, SUAN__SHAPE_STRINGS, NULL }
#define TEXT_OR_STRINGS(table, member) \
    { table, member, SUAN__SHAPE_TEXT_OR_STRINGS, NULL }
#define MODEL(table) \
    { table, "model", SUAN__SHAPE_MODEL, NULL }
#define JSON(table, member, text) \
    { table, member, SUAN__SHAPE_JSON, text }
#define MORE(table, text) \
    { table, NULL, SUAN__SHAPE_JSON, text }

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define BIAS                                                                                                                    \
    "{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^(0|[1-9][0-9]?)$\"},\"additionalProperties\":{\"type\":\"number\"," \
    "\"minimum\":-100,\"maximum\":100}}"
#define IDS "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"integer\",\"minimum\":0}}"
#define TEXTS                                                                                                                      \
    "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"maxItems\":2048,\"items\":{\"type\":\"string\"}}," IDS \
    ",{\"type\":\"array\",\"minItems\":1,\"maxItems\":2048,\"items\":" IDS "}]}"
#define STOPS "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"maxItems\":64,\"items\":{\"type\":\"string\",\"minLength\":1}}]}"
#define STOP_LIST "{\"type\":\"array\",\"maxItems\":64,\"items\":{\"type\":\"string\",\"minLength\":1}}"
#define SCHEMA "{\"type\":\"object\"}"
#define TYPE_IS(name) "{\"enum\":[\"" name "\"]}"
#define EFFORTS "none|minimal|low|medium|high|xhigh|max"

const suan__shape suan__shapes[] = {
    MODEL("openai.chat"),
    LIST("openai.chat", "messages", "openai.chat.message"),
    JSON("openai.chat", "logit_bias", BIAS),
    JSON("openai.chat", "stop", STOPS),
    ONE("openai.chat", "stream_options", "openai.stream_options"),
    WORDS("openai.chat", "reasoning_effort", EFFORTS),
    ONE("openai.chat", "response_format", "openai.chat.response_format"),
    WORDS_OR_ONE("openai.chat", "tool_choice", "none|auto|required", "openai.chat.tool_choice"),
    LIST("openai.chat", "tools", "openai.chat.tools"),
    WORDS("openai.chat.message", "role", "system|developer|user|assistant|tool"),
    TEXT_OR_LIST("openai.chat.message", "content", "openai.chat.message.content"),
    LIST("openai.chat.message", "tool_calls", "openai.chat.message.tool_calls"),
    JSON("openai.chat.message.content", "type", TYPE_IS("text")),
    MORE("openai.chat.message.content", "{\"required\":[\"type\",\"text\"]}"),
    ONE("openai.chat.message.tool_calls", "function", "openai.chat.message.tool_calls.function"),
    ONE("openai.chat.tools", "function", "openai.chat.tools.function"),
    JSON("openai.chat.tool_choice", "type", TYPE_IS("function")),
    ONE("openai.chat.tool_choice", "function", "openai.chat.tool_choice.function"),
    WORDS("openai.chat.response_format", "type", "text|json_object|json_schema"),
    ONE("openai.chat.response_format", "json_schema", "openai.chat.response_format.json_schema"),
    MODEL("openai.completions"),
    JSON("openai.completions", "prompt", TEXTS),
    JSON("openai.completions", "logit_bias", BIAS),
    JSON("openai.completions", "stop", STOPS),
    ONE("openai.completions", "stream_options", "openai.stream_options"),
    MODEL("openai.embeddings"),
    JSON("openai.embeddings", "input", TEXTS),
    WORDS("openai.embeddings", "encoding_format", "float|base64"),
    WORDS("openai.embeddings", "pooling", "mean|last"),

    MODEL("responses"),
    JSON(
        "responses", "input",
        "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{\"anyOf\":[" REF("responses.input.message") "," REF(
            "responses.input.function_call") "," REF("responses.input.function_call_output") "," REF("responses.input.reasoning") "]}}]}"),
    ONE("responses", "reasoning", "responses.reasoning"),
    ONE("responses", "stream_options", "responses.stream_options"),
    ONE("responses", "text", "responses.text"),
    WORDS_OR_ONE("responses", "tool_choice", "none|auto|required", "responses.tool_choice"),
    LIST("responses", "tools", "responses.tools"),
    JSON("responses", "include",
         "{\"type\":\"array\",\"items\":{\"enum\":[\"message.output_text.logprobs\",\"reasoning.encrypted_content\"]}}"),
    WORDS("responses", "truncation", "disabled"),
    JSON("responses", "stop", STOPS),
    WORDS("responses.input.message", "type", "message"),
    WORDS("responses.input.message", "role", "system|developer|user|assistant"),
    TEXT_OR_LIST("responses.input.message", "content", "responses.input.message.content"),
    WORDS("responses.input.message.content", "type", "input_text|output_text|text"),
    MORE("responses.input.message.content", "{\"required\":[\"type\",\"text\"]}"),
    JSON("responses.input.function_call", "type", TYPE_IS("function_call")),
    JSON("responses.input.function_call_output", "type", TYPE_IS("function_call_output")),
    TEXT_OR_LIST("responses.input.function_call_output", "output", "responses.input.message.content"),
    JSON("responses.input.reasoning", "type", TYPE_IS("reasoning")),
    JSON("responses.tools", "type", TYPE_IS("function")),
    JSON("responses.tool_choice", "type", TYPE_IS("function")),
    ONE("responses.text", "format", "responses.text.format"),
    WORDS("responses.text.format", "type", "text|json_object|json_schema"),
    WORDS("responses.reasoning", "effort", EFFORTS),

    MODEL("anthropic.messages"),
    LIST("anthropic.messages", "messages", "anthropic.message"),
    TEXT_OR_LIST("anthropic.messages", "system", "anthropic.text"),
    ONE("anthropic.messages", "thinking", "anthropic.thinking"),
    LIST("anthropic.messages", "tools", "anthropic.tool"),
    ONE("anthropic.messages", "tool_choice", "anthropic.tool_choice"),
    ONE("anthropic.messages", "output_config", "anthropic.output_config"),
    ONE("anthropic.messages", "output_format", "anthropic.output_config.format"),
    JSON("anthropic.messages", "stop_sequences", STOP_LIST),
    ONE("anthropic.messages", "metadata", "anthropic.metadata"),
    MODEL("anthropic.count_tokens"),
    LIST("anthropic.count_tokens", "messages", "anthropic.message"),
    TEXT_OR_LIST("anthropic.count_tokens", "system", "anthropic.text"),
    ONE("anthropic.count_tokens", "thinking", "anthropic.thinking"),
    LIST("anthropic.count_tokens", "tools", "anthropic.tool"),
    ONE("anthropic.count_tokens", "tool_choice", "anthropic.tool_choice"),
    ONE("anthropic.count_tokens", "output_config", "anthropic.output_config"),
    ONE("anthropic.count_tokens", "output_format", "anthropic.output_config.format"),
    WORDS("anthropic.message", "role", "user|assistant|system"),
    JSON(
        "anthropic.message", "content",
        "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"anyOf\":[" REF("anthropic.text") "," REF(
            "anthropic.thinking_"
            "block") "," REF("anthropic.redacted_thinking") "," REF("anthropic.tool_use") "," REF("anthropic.tool_result") "," REF("anthrop"
                                                                                                                                   "ic."
                                                                                                                                   "documen"
                                                                                                                                   "t") "]}"
                                                                                                                                        "}]"
                                                                                                                                        "}"),
    WORDS("anthropic.thinking", "type", "enabled|disabled|adaptive"),
    WORDS("anthropic.thinking", "display", "summarized|omitted"),
    WORDS("anthropic.tool_choice", "type", "auto|any|tool|none"),
    ONE("anthropic.output_config", "format", "anthropic.output_config.format"),
    WORDS("anthropic.output_config", "effort", "low|medium|high|xhigh|max"),
    JSON("anthropic.output_config.format", "type", TYPE_IS("json_schema")),
    WORDS("anthropic.tool", "type", "custom"),
    JSON("anthropic.text", "type", TYPE_IS("text")),
    JSON("anthropic.thinking block", "type", TYPE_IS("thinking")),
    JSON("anthropic.redacted_thinking", "type", TYPE_IS("redacted_thinking")),
    JSON("anthropic.tool_use", "type", TYPE_IS("tool_use")),
    JSON("anthropic.tool_result", "type", TYPE_IS("tool_result")),
    TEXT_OR_LIST("anthropic.tool_result", "content", "anthropic.text"),
    JSON("anthropic.document", "type", TYPE_IS("document")),
    ONE("anthropic.document", "source", "anthropic.document.source"),
    WORDS("anthropic.document.source", "type", "text|content"),
    WORDS("anthropic.document.source", "media_type", "text/plain"),
    TEXT_OR_LIST("anthropic.document.source", "content", "anthropic.text"),

    LIST("gemini.generateContent", "contents", "gemini.content"),
    MODEL("gemini.generateContent"),
    ONE("gemini.generateContent", "systemInstruction", "gemini.content"),
    LIST("gemini.generateContent", "tools", "gemini.tool"),
    ONE("gemini.generateContent", "toolConfig", "gemini.toolConfig"),
    ONE("gemini.generateContent", "generationConfig", "gemini.generationConfig"),
    LIST("gemini.generateContent", "safetySettings", "gemini.safetySetting"),
    JSON("gemini.generationConfig", "stopSequences", STOP_LIST),
    WORDS("gemini.generationConfig", "responseMimeType", "text/plain|application/json|text/x.enum"),
    ONE("gemini.generationConfig", "responseSchema", "gemini.schema"),
    ONE("gemini.generationConfig", "thinkingConfig", "gemini.thinkingConfig"),
    WORDS("gemini.content", "role", "user|model|function"),
    LIST("gemini.content", "parts", "gemini.part"),
    ONE("gemini.part", "functionCall", "gemini.functionCall"),
    ONE("gemini.part", "functionResponse", "gemini.functionResponse"),
    LIST("gemini.tool", "functionDeclarations", "gemini.functionDeclaration"),
    ONE("gemini.functionDeclaration", "parameters", "gemini.schema"),
    ONE("gemini.toolConfig", "functionCallingConfig", "gemini.functionCallingConfig"),
    STRINGS("gemini.functionCallingConfig", "allowedFunctionNames"),
    ONE("gemini.schema", "items", "gemini.schema"),
    LIST("gemini.schema", "anyOf", "gemini.schema"),
    MODEL("gemini.countTokens"),
    LIST("gemini.countTokens", "contents", "gemini.content"),
    ONE("gemini.countTokens", "generateContentRequest", "gemini.generateContent"),
    MODEL("gemini.embedContent"),
    ONE("gemini.embedContent", "content", "gemini.content"),
    MODEL("gemini.batchEmbedContents"),
    LIST("gemini.batchEmbedContents", "requests", "gemini.embedContent"),

    MODEL("ollama.chat"),
    LIST("ollama.chat", "messages", "ollama.message"),
    LIST("ollama.chat", "tools", "ollama.tool"),
    ONE("ollama.chat", "options", "ollama.options"),
    MODEL("ollama.generate"),
    ONE("ollama.generate", "options", "ollama.options"),
    WORDS("ollama.message", "role", "system|user|assistant|tool"),
    LIST("ollama.message", "tool_calls", "ollama.tool_call"),
    ONE("ollama.tool_call", "function", "ollama.tool_call.function"),
    ONE("ollama.tool", "function", "ollama.tool.function"),
    JSON("ollama.options", "stop", STOPS),
    MORE("ollama.options", "{\"additionalProperties\":true}"),
    MODEL("ollama.embed"),
    TEXT_OR_STRINGS("ollama.embed", "input"),
    MODEL("ollama.embeddings"),
    MODEL("ollama.show"),
    {NULL, NULL, 0, NULL},
};

#define GEMINI(version)                                                                                                      \
    {"POST", version "/models/{*}", version "/models/{name}:generateContent", "gemini.generateContent", "json"},             \
        {"POST", version "/models/{*}", version "/models/{name}:streamGenerateContent", "gemini.generateContent", "stream"}, \
        {"POST", version "/models/{*}", version "/models/{name}:countTokens", "gemini.countTokens", "json"},                 \
        {"POST", version "/models/{*}", version "/models/{name}:embedContent", "gemini.embedContent", "json"}, {             \
        "POST", version "/models/{*}", version "/models/{name}:batchEmbedContents", "gemini.batchEmbedContents", "json"      \
    }

const suan__operation suan__operations[] = {
    {"POST", "/v1/chat/completions", NULL, "openai.chat", "stream"},
    {"POST", "/v1/completions", NULL, "openai.completions", "stream"},
    {"POST", "/v1/embeddings", NULL, "openai.embeddings", "json"},
    {"POST", "/v1/responses", NULL, "responses", "stream"},
    {"POST", "/v1/messages", NULL, "anthropic.messages", "stream"},
    {"POST", "/v1/messages/count_tokens", NULL, "anthropic.count_tokens", "json"},
    GEMINI("/v1beta"),
    GEMINI("/v1"),
    {"POST", "/api/chat", NULL, "ollama.chat", "lines"},
    {"POST", "/api/generate", NULL, "ollama.generate", "lines"},
    {"POST", "/api/embed", NULL, "ollama.embed", "json"},
    {"POST", "/api/embeddings", NULL, "ollama.embeddings", "json"},
    {"POST", "/api/show", NULL, "ollama.show", "json"},
    {"GET", "/metrics", NULL, NULL, "text"},
    {"GET", "/", NULL, NULL, "page"},
    {"GET", "/page/{*}", NULL, NULL, "page"},
    {NULL, NULL, NULL, NULL, NULL},
};
