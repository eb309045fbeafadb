/* ollama_fields.c: what requests of the Ollama interface may hold. The members are those of the client 0.5 to 0.6 and of the server's own description. */
#include "serve/field_rows.h"
#include "serve/ollama.h"

#define KEEP_ALIVE ADVISES("keep_alive", NUMBER | STRING, "the model stays loaded")
#define ANSWER_ROWS                                                                                                                        \
    REQUIRED_RANGE("model", STRING, 1, 1024, "as GET /api/tags names it"), HONOURED("stream", BOOLEAN, "one object a line; absent: true"), \
        HONOURED("format", STRING | OBJECT, "json, or a JSON Schema that the text follows"), HONOURED("options", OBJECT, "see options"),   \
        KEEP_ALIVE, HONOURED("think", BOOLEAN | STRING, "true, false; low, medium, high, max: as reasoning_effort for the template"),      \
        HONOURED("logprobs", BOOLEAN, "of each token"), RANGE("top_logprobs", INTEGER, 0, 20, "the most probable tokens beside each"),     \
        ADVISES("truncate", BOOLEAN, "a prompt that is too long is refused, never cut"),                                                   \
        ADVISES("shift", BOOLEAN, "the context never shifts")

static const suan__field chat_rows[] = {
    ANSWER_ROWS,
    RANGE("messages", ARRAY, 0, 100000, "none: the model is loaded"),
    RANGE("tools", ARRAY, 0, 1024, "functions"),
};
static const suan__field generate_rows[] = {
    ANSWER_ROWS,
    HONOURED("prompt", STRING, "none: the model is loaded"),
    HONOURED("system", STRING, "the system's message"),
    HONOURED("raw", BOOLEAN, "no chat template; control tokens may be written out"),
    NEUTRAL("suffix", "\"\"", "the model does not fill in the middle"),
    NEUTRAL("template", "\"\"", "the template is the model's own"),
    NEUTRAL("context", "[]", "chat keeps a conversation; replies bring no context"),
    NEUTRAL("images", "[]", "this model reads text only"),
    REFUSED("width", "this model writes text only"),
    REFUSED("height", "this model writes text only"),
    REFUSED("steps", "this model writes text only"),
};
static const suan__field message_rows[] = {
    REQUIRED("role", STRING, "system, user, assistant, tool"),
    HONOURED("content", STRING, "the text"),
    HONOURED("thinking", STRING, "of the assistant, handed to the template"),
    HONOURED("tool_calls", ARRAY, "of the assistant"),
    HONOURED("tool_name", STRING, "role tool: of the function"),
    HONOURED("name", STRING, "role tool: the same"),
    HONOURED("tool_call_id", STRING, "role tool: of the call"),
    NEUTRAL("images", "[]", "this model reads text only"),
};
static const suan__field call_rows[] = {
    HONOURED("id", STRING, "of the call"),
    HONOURED("type", STRING, "function"),
    REQUIRED("function", OBJECT, "name and arguments"),
};
static const suan__field function_rows[] = {
    REQUIRED_RANGE("name", STRING, 1, 256, "of the function"),
    HONOURED("arguments", OBJECT, "an object"),
    HONOURED("index", INTEGER, "calls are in order anyway"),
    ADVISES("description", STRING, "the tool has it"),
};
static const suan__field tool_rows[] = {
    HONOURED("type", STRING, "function"),
    REQUIRED("function", OBJECT, "the function"),
};
static const suan__field declaration_rows[] = {
    REQUIRED_RANGE("name", STRING, 1, 256, "of the function"),
    HONOURED("description", STRING, "for the model"),
    HONOURED("parameters", OBJECT, "JSON Schema; arguments always follow it"),
    HONOURED("strict", BOOLEAN, "either way arguments follow the schema"),
};
/* Options that are not here are accepted too, and named in the header. */
static const suan__field options_rows[] = {
    RANGE("num_predict", INTEGER, -2, 2147483647, "tokens of the answer; -1, -2: until the context is full"),
    HONOURED("seed", INTEGER, "the same seed, the same answer"),
    RANGE("temperature", NUMBER, 0, 100, "0: always the most probable token"),
    RANGE("top_k", INTEGER, 0, 2147483647, "0: all tokens"),
    RANGE("top_p", NUMBER, 0, 1, "the most probable tokens whose sum reaches it"),
    RANGE("min_p", NUMBER, 0, 1, "tokens at least this probable beside the first"),
    RANGE("typical_p", NUMBER, 0, 1, "1: off"),
    RANGE("repeat_last_n", INTEGER, -1, 2147483647, "how far penalties look back; -1: everything, 0: nowhere"),
    RANGE("repeat_penalty", NUMBER, 1e-6, 1e6, "1: off"),
    RANGE("presence_penalty", NUMBER, -2, 2, "for tokens that occurred"),
    RANGE("frequency_penalty", NUMBER, -2, 2, "for each time that a token occurred"),
    HONOURED("stop", STRING | ARRAY, "a string or up to 64"),
};
static const suan__field embed_rows[] = {
    REQUIRED_RANGE("model", STRING, 1, 1024, "as GET /api/tags names it"),
    HONOURED("input", STRING | ARRAY, "a text or up to 2048; none: the model is loaded"),
    RANGE("dimensions", INTEGER, 1, 1048576, "the model's own number, no other"),
    ADVISES("truncate", BOOLEAN, "a text that is too long is refused, never cut"),
    HONOURED("options", OBJECT, "none changes a vector; all are named in the header"),
    KEEP_ALIVE,
};
static const suan__field embeddings_rows[] = {
    REQUIRED_RANGE("model", STRING, 1, 1024, "as GET /api/tags names it"),
    HONOURED("prompt", STRING, "a text; none: the model is loaded"),
    HONOURED("options", OBJECT, "none changes a vector; all are named in the header"),
    KEEP_ALIVE,
};
static const suan__field show_rows[] = {
    HONOURED("model", STRING, "as GET /api/tags names it"),      HONOURED("name", STRING, "the older name of model"),
    ADVISES("verbose", BOOLEAN, "the vocabulary is not listed"), NEUTRAL("system", "\"\"", "models are not changed here"),
    NEUTRAL("template", "\"\"", "models are not changed here"),  NEUTRAL("options", "{}", "models are not changed here"),
};

TABLE(suan__ollama_chat_fields, "ollama.chat", chat_rows, false);
TABLE(suan__ollama_generate_fields, "ollama.generate", generate_rows, false);
TABLE(suan__ollama_message_fields, "ollama.message", message_rows, false);
TABLE(suan__ollama_call_fields, "ollama.tool_call", call_rows, false);
TABLE(suan__ollama_function_fields, "ollama.tool_call.function", function_rows, false);
TABLE(suan__ollama_tool_fields, "ollama.tool", tool_rows, false);
TABLE(suan__ollama_declaration_fields, "ollama.tool.function", declaration_rows, false);
TABLE(suan__ollama_options_fields, "ollama.options", options_rows, false);
TABLE(suan__ollama_embed_fields, "ollama.embed", embed_rows, false);
TABLE(suan__ollama_embeddings_fields, "ollama.embeddings", embeddings_rows, false);
TABLE(suan__ollama_show_fields, "ollama.show", show_rows, false);

const suan__fields *const suan__ollama_tables[] = {
    &suan__ollama_chat_fields,     &suan__ollama_generate_fields,   &suan__ollama_message_fields,     &suan__ollama_call_fields,
    &suan__ollama_function_fields, &suan__ollama_tool_fields,       &suan__ollama_declaration_fields, &suan__ollama_options_fields,
    &suan__ollama_embed_fields,    &suan__ollama_embeddings_fields, &suan__ollama_show_fields,        NULL};
