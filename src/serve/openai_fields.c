/* openai_fields.c: the members of OpenAI's chat completions, completions and embeddings. */
#include "serve/field_rows.h"
#include "serve/openai.h"

#define MAX_INT 2147483647.0
#define MAX_SEED 9223372036854774784.0

/* Sampling: the same in chat and completions. */
#define SAMPLING_ROWS                                                                                                                      \
    RANGE("frequency_penalty", NUMBER, -2, 2, "lowers tokens by how often they came"),                                                     \
        RANGE("presence_penalty", NUMBER, -2, 2, "lowers tokens that came"),                                                               \
        HONOURED("logit_bias", OBJECT, "token ids with -100 to 100, added to their logits"),                                               \
        RANGE("n", INTEGER, 1, 128, "choices; each draws with the seed and its index"),                                                    \
        RANGE("seed", INTEGER, -MAX_SEED, MAX_SEED, "the same seed gives the same answer, bit by bit"),                                    \
        HONOURED("stop", STRING | ARRAY, "up to 64 strings that end the visible text"), HONOURED("stream", BOOLEAN, "server-sent events"), \
        HONOURED("stream_options", OBJECT, "include_usage"), RANGE("temperature", NUMBER, 0, 100, "0: the most probable token"),           \
        RANGE("top_p", NUMBER, 0, 1, "nucleus"), ADVISES("user", STRING, "an API key tells users apart"),                                  \
        RANGE("top_k", INTEGER, -1, MAX_INT, "extension; 0, -1: off"), RANGE("min_p", NUMBER, 0, 1, "extension"),                          \
        RANGE("typical_p", NUMBER, 0, 1, "extension"), RANGE("repetition_penalty", NUMBER, 0.01, 100, "extension; 1: off"),                \
        HONOURED("ignore_eos", BOOLEAN, "extension: end tokens do not end the answer"),                                                    \
        RANGE("grammar", STRING, 1, 1048576, "extension: the text follows a GBNF grammar"),                                                \
        RANGE("regex", STRING, 1, 65536, "extension: the whole text matches an expression"),                                               \
        ADVISES("metadata", OBJECT, "nothing is stored"), ADVISES("service_tier", STRING, "there is one"),                                 \
        ADVISES("safety_identifier", STRING, ""), ADVISES("prompt_cache_key", STRING, "prefixes of a key's requests are kept anyway"),     \
        ADVISES("prompt_cache_options", OBJECT, ""), ADVISES("prompt_cache_retention", STRING, "")

static const suan__field chat_rows[] = {
    REQUIRED("model", STRING, "this server's model, as GET /v1/models names it"),
    REQUIRED_RANGE("messages", ARRAY, 1, 65536, "the conversation"),
    SAMPLING_ROWS,
    REFUSED("audio", "the model writes text"),
    REFUSED("function_call", "use tool_choice"),
    REFUSED("functions", "use tools"),
    HONOURED("logprobs", BOOLEAN, "of each token of the visible text"),
    RANGE("top_logprobs", INTEGER, 0, 256, "with logprobs"),
    RANGE("max_completion_tokens", INTEGER, 1, MAX_INT, "reasoning included; absent: until the context is full"),
    RANGE("max_tokens", INTEGER, 1, MAX_INT, "the older name of max_completion_tokens"),
    NEUTRAL("modalities", "[\"text\"]", "the model writes text"),
    REFUSED("moderation", "nothing is moderated here"),
    HONOURED("parallel_tool_calls", BOOLEAN, "false: at most one call"),
    ADVISES("prediction", OBJECT, "would change speed only"),
    HONOURED("reasoning_effort", STRING, "none turns reasoning off; other words go to the template where it knows them"),
    THINKING_BUDGET_ROW,
    HONOURED("response_format", OBJECT, "text, json_object, json_schema"),
    NEUTRAL("store", "false", "nothing is stored"),
    HONOURED("tool_choice", STRING | OBJECT, "none, auto, required, or a function"),
    RANGE("tools", ARRAY, 0, 1024, "functions; a template that knows none gets them in words"),
    ADVISES("verbosity", STRING, "a local model was not trained on it"),
    REFUSED("web_search_options", "nothing leaves this machine"),
    HONOURED("chat_template_kwargs", OBJECT, "extension: further variables for the template"),
    HONOURED("continue_final_message", BOOLEAN, "extension: goes on with the last message, which is the assistant's"),
    REFUSED("chat_template", "a request cannot bring a template"),
};
TABLE(suan__openai_chat_fields, "openai.chat", chat_rows, false);

static const suan__field message_rows[] = {
    REQUIRED("role", STRING, "system, developer, user, assistant, tool"),
    HONOURED("content", STRING | ARRAY, "a string, or parts of type text, which are joined by line ends"),
    HONOURED("name", STRING, "for templates that show it"),
    HONOURED("reasoning_content", STRING, "what the assistant thought; templates leave it out of older turns"),
    RANGE("tool_calls", ARRAY, 0, 1024, "of the assistant"),
    HONOURED("tool_call_id", STRING, "of the call that a tool message answers"),
    ADVISES("refusal", STRING, "an answer that is sent back brings it"),
    ADVISES("annotations", ARRAY, "an answer that is sent back brings it"),
    ADVISES("parsed", ANYTHING, "the SDK's .parse() adds it to an answer"),
    REFUSED("audio", "the model reads text"),
    REFUSED("function_call", "use tool_calls"),
};
TABLE(suan__openai_message_fields, "openai.chat.message", message_rows, false);

static const suan__field part_rows[] = {
    REQUIRED("type", STRING, "text"),
    HONOURED("text", STRING, ""),
    ADVISES("prompt_cache_breakpoint", OBJECT, ""),
    ADVISES("cache_control", OBJECT, "another vendor's; some programs send it everywhere"),
    REFUSED("image_url", "the model reads no images"),
    REFUSED("input_audio", "the model hears nothing"),
    REFUSED("file", "the model reads no files"),
    REFUSED("refusal", "send it as text"),
};
TABLE(suan__openai_part_fields, "openai.chat.message.content", part_rows, false);

static const suan__field call_rows[] = {
    HONOURED("id", STRING, ""),
    NEUTRAL("type", "\"function\"", "there are functions only"),
    REQUIRED("function", OBJECT, ""),
    ADVISES("index", INTEGER, "the pieces of a stream that are sent back bring it"),
    REFUSED("custom", "there are functions only"),
};
TABLE(suan__openai_call_fields, "openai.chat.message.tool_calls", call_rows, false);

static const suan__field call_function_rows[] = {
    REQUIRED_RANGE("name", STRING, 1, 256, ""),
    HONOURED("arguments", STRING | OBJECT, "a JSON object as text, or as it is"),
    ADVISES("parsed_arguments", ANYTHING, "the SDK's .parse() adds it"),
};
TABLE(suan__openai_call_function_fields, "openai.chat.message.tool_calls.function", call_function_rows, false);

static const suan__field tool_rows[] = {
    NEUTRAL("type", "\"function\"", "there are functions only"),
    REQUIRED("function", OBJECT, ""),
    REFUSED("custom", "there are functions only"),
};
TABLE(suan__openai_tool_fields, "openai.chat.tools", tool_rows, false);

static const suan__field function_rows[] = {
    REQUIRED_RANGE("name", STRING, 1, 256, ""),
    HONOURED("description", STRING, "for the template"),
    HONOURED("parameters", OBJECT, "a JSON Schema, which the arguments follow"),
    HONOURED("strict", BOOLEAN, "arguments always follow the schema"),
};
TABLE(suan__openai_function_fields, "openai.chat.tools.function", function_rows, false);

static const suan__field choice_rows[] = {
    REQUIRED("type", STRING, "function"),
    HONOURED("function", OBJECT, "name"),
    REFUSED("allowed_tools", "send the tools that are allowed"),
    REFUSED("custom", "there are functions only"),
};
TABLE(suan__openai_choice_fields, "openai.chat.tool_choice", choice_rows, false);

static const suan__field choice_function_rows[] = {REQUIRED("name", STRING, "of one of the tools")};
TABLE(suan__openai_choice_function_fields, "openai.chat.tool_choice.function", choice_function_rows, false);

static const suan__field format_rows[] = {
    REQUIRED("type", STRING, "text, json_object, json_schema"),
    HONOURED("json_schema", OBJECT, ""),
};
TABLE(suan__openai_format_fields, "openai.chat.response_format", format_rows, false);

static const suan__field schema_rows[] = {
    HONOURED("name", STRING, "the grammar does not need it"),
    HONOURED("description", STRING, "the grammar does not need it"),
    REQUIRED("schema", OBJECT, "a JSON Schema (docs/grammar.md says which)"),
    HONOURED("strict", BOOLEAN, "the answer always follows the schema"),
};
TABLE(suan__openai_schema_fields, "openai.chat.response_format.json_schema", schema_rows, false);

static const suan__field stream_rows[] = {
    HONOURED("include_usage", BOOLEAN, "a last chunk with usage and no choices"),
    ADVISES("include_obfuscation", BOOLEAN, "nothing is padded"),
};
TABLE(suan__openai_stream_fields, "openai.stream_options", stream_rows, false);

static const suan__field completion_rows[] = {
    REQUIRED("model", STRING, "this server's model"),
    REQUIRED("prompt", STRING | ARRAY, "a string, strings, token ids, or lists of token ids: at most 2,048 prompts"),
    SAMPLING_ROWS,
    NEUTRAL("best_of", "1", "choices are not ranked"),
    HONOURED("echo", BOOLEAN, "the prompt in front of the text, with logprobs where they are asked for"),
    RANGE("logprobs", INTEGER, 0, 256, "of the token and of the most probable ones"),
    RANGE("max_tokens", INTEGER, 0, MAX_INT, "16 where it is absent; 0: nothing is drawn"),
    NEUTRAL("suffix", "\"\"", "the model does not fill gaps"),
};
TABLE(suan__openai_completion_fields, "openai.completions", completion_rows, false);

static const suan__field embedding_rows[] = {
    REQUIRED("model", STRING, "this server's model"),
    REQUIRED("input", STRING | ARRAY, "a string, strings, token ids, or lists of token ids: at most 2,048 texts"),
    RANGE("dimensions", INTEGER, 1, MAX_INT, "must be the model's own number"),
    HONOURED("encoding_format", STRING, "float (absent: this), base64 (little-endian f32)"),
    HONOURED("pooling", STRING, "extension: mean (absent: this) or last"),
    ADVISES("user", STRING, "an API key tells users apart"),
};
TABLE(suan__openai_embedding_fields, "openai.embeddings", embedding_rows, false);

const suan__fields *const suan__openai_tables[] = {
    &suan__openai_chat_fields,       &suan__openai_message_fields,       &suan__openai_part_fields,
    &suan__openai_call_fields,       &suan__openai_call_function_fields, &suan__openai_tool_fields,
    &suan__openai_function_fields,   &suan__openai_choice_fields,        &suan__openai_choice_function_fields,
    &suan__openai_format_fields,     &suan__openai_schema_fields,        &suan__openai_stream_fields,
    &suan__openai_completion_fields, &suan__openai_embedding_fields,     NULL};
