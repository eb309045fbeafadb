/* anthropic_fields.c: what requests of the Messages interface may hold. The members are those of the vendor's clients 0.125 to 2.12, stable and beta. */
#include <string.h>

#include "serve/anthropic.h"
#include "serve/field_rows.h"

#define CACHE_CONTROL ADVISES("cache_control", OBJECT, "prefixes are kept without being told")

/* What messages and messages/count_tokens have in common. */
#define COMMON_ROWS                                                                                                                     \
    REQUIRED("model", STRING, "as GET /v1/models names it"),                                                                            \
        REQUIRED_RANGE("messages", ARRAY, 1, 100000, "a last one of the assistant is gone on with"), CACHE_CONTROL,                     \
        HONOURED("system", STRING | ARRAY, "text, or blocks of text"),                                                                  \
        HONOURED("thinking", OBJECT, "absent: off where the template can turn it off"), RANGE("tools", ARRAY, 0, 1024, "custom tools"), \
        HONOURED("tool_choice", OBJECT, "auto, any, tool, none"), HONOURED("output_config", OBJECT, "form and effort"),                 \
        HONOURED("output_format", OBJECT, "the older place of output_config.format"),                                                   \
        ADVISES("context_management", OBJECT, "nothing is edited; the reply's applied_edits is empty"),                                 \
        ADVISES("speed", STRING, "there is one speed"), ADVISES("user_profile_id", STRING, "for statistics of the vendor"),             \
        ADVISES("workspace_id", STRING, "there are no workspaces"), ADVISES("billing_policy", OBJECT | STRING, "nothing is billed"),    \
        NEUTRAL("mcp_servers", "[]", "this server calls no other server"), REFUSED("compaction", "the context is never rewritten")

static const suan__field message_rows[] = {
    COMMON_ROWS,
    REQUIRED_RANGE("max_tokens", INTEGER, 0, 2147483647, "0: the prompt is only read into the cache"),
    HONOURED("stream", BOOLEAN, "server-sent events"),
    HONOURED("stop_sequences", ARRAY, "up to 64 strings"),
    RANGE("temperature", NUMBER, 0, 2, "0: always the most probable token"),
    RANGE("top_p", NUMBER, 1e-9, 1, "the most probable tokens whose sum reaches it"),
    RANGE("top_k", INTEGER, 0, 2147483647, "0: all tokens"),
    ADVISES("metadata", OBJECT, "user_id is for statistics"),
    ADVISES("service_tier", STRING, "there is one tier"),
    ADVISES("inference_geo", STRING, "the answer is made here"),
    ADVISES("diagnostics", OBJECT, "no diagnosis of the cache"),
    ADVISES("fallbacks", ARRAY, "there is one model"),
    ADVISES("fallback_credit_token", STRING, "nothing is billed"),
    REFUSED("container", "this server runs no code"),
    REFUSED("thread", "conversations are not kept here"),
};
static const suan__field count_rows[] = {COMMON_ROWS};

static const suan__field turn_rows[] = {
    REQUIRED("role", STRING, "user, assistant or system"),
    REQUIRED("content", STRING | ARRAY, "text, or blocks"),
};
static const suan__field metadata_rows[] = {ADVISES("user_id", STRING, "for statistics")};

static const suan__field thinking_rows[] = {
    REQUIRED("type", STRING, "enabled, disabled or adaptive (as enabled)"),
    RANGE("budget_tokens", INTEGER, 1, 2147483647, "with type enabled: thinking is closed behind so many tokens"),
    HONOURED("display", STRING, "summarized: the whole thinking; omitted: an empty block"),
};
static const suan__field choice_rows[] = {
    REQUIRED("type", STRING, "auto, any, tool, none"),
    HONOURED("name", STRING, "of the tool, with type tool"),
    HONOURED("disable_parallel_tool_use", BOOLEAN, "at most one call"),
};
static const suan__field output_rows[] = {
    HONOURED("format", OBJECT, "a JSON Schema that the text follows"),
    HONOURED("effort", STRING, "handed to the template as reasoning_effort"),
    ADVISES("task_budget", OBJECT, "not told to the model"),
};
static const suan__field format_rows[] = {
    REQUIRED("type", STRING, "json_schema"),
    REQUIRED("schema", OBJECT, "JSON Schema"),
    ADVISES("name", STRING, "of the schema"),
};
static const suan__field tool_rows[] = {
    HONOURED("type", STRING, "custom; tools that the vendor's servers run are refused"),
    REQUIRED_RANGE("name", STRING, 1, 128, "letters, digits, _ and -"),
    REQUIRED("input_schema", OBJECT, "JSON Schema; arguments always follow it"),
    HONOURED("description", STRING, "for the model"),
    HONOURED("strict", BOOLEAN, "either way arguments follow the schema"),
    ADVISES("input_examples", ARRAY, "not told to the model"),
    ADVISES("eager_input_streaming", BOOLEAN, "a call is sent when it is complete"),
    NEUTRAL("allowed_callers", "[\"direct\"]", "this server runs no code that could call"),
    NEUTRAL("defer_loading", "false", "this server has no search for tools"),
    CACHE_CONTROL,
};

/* ---- content blocks ---- */

#define TYPE REQUIRED("type", STRING, "of the block")
static const suan__field text_rows[] = {
    TYPE,
    REQUIRED("text", STRING, "the text"),
    CACHE_CONTROL,
    ADVISES("citations", ARRAY, "not told to the model"),
};
static const suan__field thinking_block_rows[] = {
    TYPE,
    REQUIRED("thinking", STRING, "handed to the template since the last user's turn; older ones are left out"),
    HONOURED("signature", STRING, "any is taken: thinking is text like other text here"),
};
static const suan__field redacted_rows[] = {
    TYPE,
    ADVISES("data", STRING, "only its maker can read it"),
};
static const suan__field tool_use_rows[] = {
    TYPE,
    REQUIRED_RANGE("id", STRING, 1, 1024, "of the call"),
    REQUIRED_RANGE("name", STRING, 1, 128, "of the tool"),
    REQUIRED("input", OBJECT, "arguments"),
    CACHE_CONTROL,
    ADVISES("caller", OBJECT, "the model itself"),
    NEUTRAL("toolset_name", "\"\"", "this server has no toolsets"),
};
static const suan__field tool_result_rows[] = {
    TYPE,
    REQUIRED_RANGE("tool_use_id", STRING, 1, 1024, "of a call in the turn before"),
    HONOURED("content", STRING | ARRAY, "text, or blocks of text"),
    HONOURED("is_error", BOOLEAN, "the template gets the text with \"Error: \" before it"),
    CACHE_CONTROL,
    NEUTRAL("toolset_name", "\"\"", "this server has no toolsets"),
};
static const suan__field document_rows[] = {
    TYPE,
    REQUIRED("source", OBJECT, "type text with media_type text/plain and data, or type content"),
    HONOURED("title", STRING, "a line before the text"),
    HONOURED("context", STRING, "a line before the text"),
    CACHE_CONTROL,
    ADVISES("citations", OBJECT, "answers do not cite"),
};
static const suan__field source_rows[] = {
    REQUIRED("type", STRING, "text or content"),   HONOURED("media_type", STRING, "text/plain"),
    HONOURED("data", STRING, "the text"),          HONOURED("content", STRING | ARRAY, "text, or blocks of text"),
    REFUSED("url", "this server fetches nothing"), REFUSED("file_id", "this server keeps no files"),
};

TABLE(suan__anthropic_message_fields, "anthropic.messages", message_rows, false);
TABLE(suan__anthropic_count_fields, "anthropic.count_tokens", count_rows, false);
TABLE(suan__anthropic_turn_fields, "anthropic.message", turn_rows, false);
TABLE(suan__anthropic_metadata_fields, "anthropic.metadata", metadata_rows, false);
TABLE(suan__anthropic_thinking_fields, "anthropic.thinking", thinking_rows, false);
TABLE(suan__anthropic_choice_fields, "anthropic.tool_choice", choice_rows, false);
TABLE(suan__anthropic_output_fields, "anthropic.output_config", output_rows, false);
TABLE(suan__anthropic_format_fields, "anthropic.output_config.format", format_rows, false);
TABLE(suan__anthropic_tool_fields, "anthropic.tool", tool_rows, false);
TABLE(suan__anthropic_source_fields, "anthropic.document.source", source_rows, false);
static TABLE(text_fields, "anthropic.text", text_rows, false);
static TABLE(thinking_block_fields, "anthropic.thinking_block", thinking_block_rows, false);
static TABLE(redacted_fields, "anthropic.redacted_thinking", redacted_rows, false);
static TABLE(tool_use_fields, "anthropic.tool_use", tool_use_rows, false);
static TABLE(tool_result_fields, "anthropic.tool_result", tool_result_rows, false);
static TABLE(document_fields, "anthropic.document", document_rows, false);

const suan__fields *const suan__anthropic_tables[] = {&suan__anthropic_message_fields,
                                                      &suan__anthropic_count_fields,
                                                      &suan__anthropic_turn_fields,
                                                      &suan__anthropic_metadata_fields,
                                                      &suan__anthropic_thinking_fields,
                                                      &suan__anthropic_choice_fields,
                                                      &suan__anthropic_output_fields,
                                                      &suan__anthropic_format_fields,
                                                      &suan__anthropic_tool_fields,
                                                      &text_fields,
                                                      &thinking_block_fields,
                                                      &redacted_fields,
                                                      &tool_use_fields,
                                                      &tool_result_fields,
                                                      &document_fields,
                                                      &suan__anthropic_source_fields,
                                                      NULL};

/* Types of blocks; those without a table are refused. */
static const struct {
    const char *type;
    const suan__fields *fields;
    const char *refusal;
} block_types[] = {
    {"text", &text_fields, NULL},
    {"thinking", &thinking_block_fields, NULL},
    {"redacted_thinking", &redacted_fields, NULL},
    {"tool_use", &tool_use_fields, NULL},
    {"tool_result", &tool_result_fields, NULL},
    {"document", &document_fields, NULL},
    {"image", NULL, "this model reads text only"},
    {"search_result", NULL, "answers do not cite"},
    {"container_upload", NULL, "this server keeps no files"},
    {"server_tool_use", NULL, "this server runs no tools"},
    {"mcp_tool_use", NULL, "this server runs no tools"},
    {"mcp_tool_result", NULL, "this server runs no tools"},
    {"compaction", NULL, "the context is never rewritten"},
    {"tool_reference", NULL, "this server has no search for tools"},
};

const suan__fields *suan__anthropic_block_fields(const char *type, const char **refusal) {
    *refusal = NULL;
    for (size_t i = 0; i < N_ROWS(block_types); i++)
        if (strcmp(type, block_types[i].type) == 0) {
            *refusal = block_types[i].refusal;
            return block_types[i].fields;
        }
    size_t n = strlen(type), n_tail = strlen("_tool_result");
    if (n > n_tail && strcmp(type + n - n_tail, "_tool_result") == 0) *refusal = "this server runs no tools";
    return NULL;
}
