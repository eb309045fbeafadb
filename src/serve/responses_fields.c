/* responses_fields.c: the members of OpenAI's Responses interface. */
#include "serve/field_rows.h"
#include "serve/openai.h"

#define MAX_INT 2147483647.0

static const suan__field request_rows[] = {
    REQUIRED("model", STRING, "this server's model, as GET /v1/models names it"),
    REQUIRED("input", STRING | ARRAY, "a string, or items: message, function_call, function_call_output, reasoning"),
    HONOURED("instructions", STRING, "the system message"),
    RANGE("max_output_tokens", INTEGER, 1, MAX_INT, "reasoning included; absent: until the context is full"),
    HONOURED("parallel_tool_calls", BOOLEAN, "false: at most one call"),
    HONOURED("reasoning", OBJECT, "effort"),
    THINKING_BUDGET_ROW,
    HONOURED("stream", BOOLEAN, "server-sent events"),
    HONOURED("stream_options", OBJECT, ""),
    RANGE("temperature", NUMBER, 0, 100, "0: the most probable token"),
    HONOURED("text", OBJECT, "format"),
    HONOURED("tool_choice", STRING | OBJECT, "none, auto, required, or a function"),
    RANGE("tools", ARRAY, 0, 1024, "functions; a template that knows none gets them in words"),
    RANGE("top_logprobs", INTEGER, 0, 256, "logprobs of the text"),
    RANGE("top_p", NUMBER, 0, 1, "nucleus"),
    HONOURED("include", ARRAY,
             "message.output_text.logprobs; reasoning.encrypted_content is noted only, as reasoning is sent in the clear"),
    HONOURED("truncation", STRING, "disabled; auto is refused, as nothing is cut"),
    RANGE("seed", INTEGER, -9223372036854774784.0, 9223372036854774784.0, "extension: the same seed gives the same answer, bit by bit"),
    HONOURED("stop", STRING | ARRAY, "extension: strings that end the visible text"),
    HONOURED("logit_bias", OBJECT, "extension: token ids with -100 to 100"),
    RANGE("frequency_penalty", NUMBER, -2, 2, "extension"),
    RANGE("presence_penalty", NUMBER, -2, 2, "extension"),
    RANGE("top_k", INTEGER, -1, MAX_INT, "extension; 0, -1: off"),
    RANGE("min_p", NUMBER, 0, 1, "extension"),
    RANGE("grammar", STRING, 1, 1048576, "extension: the text follows a GBNF grammar"),
    RANGE("regex", STRING, 1, 65536, "extension: the whole text matches an expression"),
    HONOURED("chat_template_kwargs", OBJECT, "extension: further variables for the template"),
    ADVISES("store", BOOLEAN, "nothing is stored; replies say store false"),
    ADVISES("metadata", OBJECT, "it is sent back"),
    ADVISES("user", STRING, "an API key tells users apart"),
    ADVISES("safety_identifier", STRING, ""),
    ADVISES("service_tier", STRING, "there is one"),
    ADVISES("prompt_cache_key", STRING, "prefixes of a key's requests are kept anyway"),
    ADVISES("prompt_cache_options", OBJECT, ""),
    ADVISES("prompt_cache_retention", STRING, ""),
    ADVISES("max_tool_calls", INTEGER, "counts tools that a server runs; there are none"),
    NEUTRAL("background", "false", "answers are not kept"),
    REFUSED("background_options", "answers are not kept"),
    REFUSED("previous_response_id", "nothing is stored; send the whole conversation as input"),
    REFUSED("conversation", "nothing is stored; send the whole conversation as input"),
    REFUSED("prompt", "nothing is stored; send the prompt as input"),
    REFUSED("context_management", "nothing is cut or summed up"),
    REFUSED("moderation", "nothing is moderated here"),
    REFUSED("access_programs", "there are none"),
    REFUSED("image", "the model draws no images"),
};
TABLE(suan__responses_fields, "responses", request_rows, false);

static const suan__field message_rows[] = {
    HONOURED("type", STRING, "message"),
    REQUIRED("role", STRING, "system, developer, user, assistant"),
    REQUIRED("content", STRING | ARRAY, "a string, or parts of type input_text or output_text"),
    ADVISES("id", STRING, ""),
    ADVISES("status", STRING, ""),
    ADVISES("phase", STRING, ""),
};
TABLE(suan__responses_message_fields, "responses.input.message", message_rows, false);

static const suan__field part_rows[] = {
    REQUIRED("type", STRING, "input_text, output_text, text"),
    HONOURED("text", STRING, ""),
    ADVISES("annotations", ARRAY, "an answer that is sent back brings it"),
    ADVISES("logprobs", ARRAY, "an answer that is sent back brings it"),
    ADVISES("parsed", ANYTHING, "the SDK's .parse() adds it to an answer"),
    ADVISES("prompt_cache_breakpoint", OBJECT, ""),
    REFUSED("image_url", "the model reads no images"),
    REFUSED("file_id", "the model reads no files"),
    REFUSED("file_data", "the model reads no files"),
    REFUSED("file_url", "the model reads no files"),
    REFUSED("filename", "the model reads no files"),
    REFUSED("detail", "the model reads no images"),
    REFUSED("input_audio", "the model hears nothing"),
    REFUSED("refusal", "send it as text"),
};
TABLE(suan__responses_part_fields, "responses.input.message.content", part_rows, false);

static const suan__field call_rows[] = {
    REQUIRED("type", STRING, "function_call"),
    REQUIRED("call_id", STRING, ""),
    REQUIRED_RANGE("name", STRING, 1, 256, ""),
    HONOURED("arguments", STRING | OBJECT, "a JSON object as text"),
    ADVISES("parsed_arguments", ANYTHING, "the SDK's .parse() adds it"),
    ADVISES("id", STRING, ""),
    ADVISES("status", STRING, ""),
    REFUSED("caller", "there are no programs that call"),
    REFUSED("namespace", "there are none"),
};
TABLE(suan__responses_call_fields, "responses.input.function_call", call_rows, false);

static const suan__field output_rows[] = {
    REQUIRED("type", STRING, "function_call_output"),
    REQUIRED("call_id", STRING, "of the call that it answers"),
    REQUIRED("output", STRING | ARRAY, "a string, or parts of type input_text"),
    HONOURED("name", STRING, "for templates that show it"),
    ADVISES("id", STRING, ""),
    ADVISES("status", STRING, ""),
    REFUSED("caller", "there are no programs that call"),
    REFUSED("namespace", "there are none"),
};
TABLE(suan__responses_output_fields, "responses.input.function_call_output", output_rows, false);

static const suan__field reasoning_rows[] = {
    REQUIRED("type", STRING, "reasoning"),
    HONOURED("content", ARRAY, "parts of type reasoning_text: what the assistant thought"),
    HONOURED("summary", ARRAY, "taken where there is no content"),
    ADVISES("id", STRING, ""),
    ADVISES("status", STRING, ""),
    ADVISES("encrypted_content", STRING, "replies have none"),
};
TABLE(suan__responses_reasoning_fields, "responses.input.reasoning", reasoning_rows, false);

static const suan__field tool_rows[] = {
    REQUIRED("type", STRING, "function"),
    REQUIRED_RANGE("name", STRING, 1, 256, ""),
    HONOURED("description", STRING, "for the template"),
    HONOURED("parameters", OBJECT, "a JSON Schema, which the arguments follow"),
    HONOURED("strict", BOOLEAN, "arguments always follow the schema"),
    ADVISES("output_schema", OBJECT, ""),
    REFUSED("allowed_callers", "there are no programs that call"),
    NEUTRAL("defer_loading", "false", "tools are read at once"),
};
TABLE(suan__responses_tool_fields, "responses.tools", tool_rows, false);

static const suan__field choice_rows[] = {
    REQUIRED("type", STRING, "function"),
    HONOURED("name", STRING, "of one of the tools"),
    REFUSED("mode", "send the tools that are allowed"),
    REFUSED("tools", "send the tools that are allowed"),
};
TABLE(suan__responses_choice_fields, "responses.tool_choice", choice_rows, false);

static const suan__field text_rows[] = {
    HONOURED("format", OBJECT, "text, json_object, json_schema"),
    ADVISES("verbosity", STRING, "a local model was not trained on it"),
};
TABLE(suan__responses_text_fields, "responses.text", text_rows, false);

static const suan__field format_rows[] = {
    REQUIRED("type", STRING, "text, json_object, json_schema"),
    HONOURED("name", STRING, "the grammar does not need it"),
    HONOURED("description", STRING, "the grammar does not need it"),
    HONOURED("schema", OBJECT, "a JSON Schema (docs/grammar.md says which)"),
    HONOURED("strict", BOOLEAN, "the answer always follows the schema"),
};
TABLE(suan__responses_format_fields, "responses.text.format", format_rows, false);

static const suan__field effort_rows[] = {
    HONOURED("effort", STRING, "none turns reasoning off; other words go to the template where it knows them"),
    ADVISES("summary", STRING, "reasoning is sent whole"),
    ADVISES("generate_summary", STRING, "reasoning is sent whole"),
    ADVISES("context", STRING, "templates decide"),
    ADVISES("mode", STRING, "there is one"),
};
TABLE(suan__responses_effort_fields, "responses.reasoning", effort_rows, false);

static const suan__field stream_rows[] = {ADVISES("include_obfuscation", BOOLEAN, "nothing is padded")};
TABLE(suan__responses_stream_fields, "responses.stream_options", stream_rows, false);

const suan__fields *const suan__responses_tables[] = {&suan__responses_fields,
                                                      &suan__responses_message_fields,
                                                      &suan__responses_part_fields,
                                                      &suan__responses_call_fields,
                                                      &suan__responses_output_fields,
                                                      &suan__responses_reasoning_fields,
                                                      &suan__responses_tool_fields,
                                                      &suan__responses_choice_fields,
                                                      &suan__responses_text_fields,
                                                      &suan__responses_format_fields,
                                                      &suan__responses_effort_fields,
                                                      &suan__responses_stream_fields,
                                                      NULL};
