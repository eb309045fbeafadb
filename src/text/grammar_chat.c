/* grammar_chat.c: how an answer may go on: reasoning, then text or calls.
 *
 * Where text is free, it runs up to the first mark of a call (the builder's `until`). Behind a call come more calls or the end: what a model
 * writes there is most often the tool's answer, which is not its to give.
 */
#include "text/grammar_chat.h"

#include <stdio.h>
#include <string.h>

#include "formats/json.h"

#define MAX_TOOLS 4096
#define MAX_NAME 256

/* ---- pieces ---- */

/* The mark that begins s; 0: none. */
static size_t mark_length(const char *s, size_t n) {
    static const char *const words[] = {"\xef\xbd\x9c"
                                        "DSML"
                                        "\xef\xbd\x9c",
                                        "[TOOL_CALLS]",
                                        "[CALL_ID]",
                                        "[ARGS]",
                                        "<|role_sep|>\n",
                                        "<|message_sep|>\n\n",
                                        "<think>",
                                        "</think>",
                                        "<tool_call>",
                                        "</tool_call>",
                                        "<arg_key>",
                                        "</arg_key>",
                                        "<arg_value>",
                                        "</arg_value>"};
    static const char *const fences[][2] = {{"<|", "|>"}, {"<\xef\xbd\x9c", "\xef\xbd\x9c>"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (n >= strlen(words[i]) && memcmp(s, words[i], strlen(words[i])) == 0) return strlen(words[i]);
    for (int i = 0; i < 2; i++) {
        size_t n_open = strlen(fences[i][0]), n_close = strlen(fences[i][1]);
        if (n < n_open || memcmp(s, fences[i][0], n_open) != 0) continue;
        const char *close = memmem(s + n_open, n - n_open, fences[i][1], n_close), *other = memchr(s + 1, '<', n - 1);
        if (close && (!other || other > close)) return (size_t)(close - s) + n_close;
    }
    return 0;
}

/* The mark at s as a node. */
static suan__node mark_node(suan__chat *c, const char *s, size_t n) {
    for (size_t i = 0; i < c->n_mark; i++)
        if (c->mark[i].n == n && memcmp(c->mark[i].text, s, n) == 0) return c->mark[i].node;
    suan__node node = suan__node_token(c->b, s, n);
    if (c->n_mark == sizeof c->mark / sizeof *c->mark || n > sizeof c->mark->text) return node;
    suan__chat_mark *mark = &c->mark[c->n_mark++];
    memcpy(mark->text, s, n);
    mark->n = n;
    mark->node = node;
    return node;
}

suan__node suan__chat_marked(suan__chat *c, const char *text) {
    suan__node node = suan__json_empty(c->b);
    size_t n = strlen(text);
    for (size_t at = 0, from = 0; at < n; from = at) {
        size_t n_mark = 0;
        while (at < n && (n_mark = mark_length(text + at, n - at)) == 0) at++;
        if (at > from) node = SUAN__SEQ(c->b, node, suan__node_bytes(c->b, text + from, at - from));
        if (n_mark > 0) node = SUAN__SEQ(c->b, node, mark_node(c, text + at, n_mark));
        at += n_mark;
    }
    return node;
}

suan__node suan__chat_alt(suan__builder *b, const suan__node *parts, size_t n) {
    suan__node node = SUAN__NO_NODE;
    for (size_t i = 0; i < n; i++) {
        if (parts[i] == SUAN__NO_NODE) continue;
        node = node == SUAN__NO_NODE ? parts[i] : SUAN__ALT(b, node, parts[i]);
    }
    return node;
}

bool suan__chat_check_word(suan__chat *c, const suan__chat_tool *tool, const char *what, const char *word, const char *forbidden) {
    for (const char *s = word; *s; s++) {
        if (!strchr(forbidden, *s) && (unsigned char)*s >= 0x20) continue;
        suan__builder_fail(c->b, SUAN_EUNSUPPORTED, "tool %.100s: the calls of this model (%s) cannot write the %s '%.100s'", tool->name,
                           c->syntax->name, what, word);
        return false;
    }
    return true;
}

/* ---- tools ---- */

suan__node suan__chat_arguments(suan__chat *c, suan__chat_tool *tool) {
    if (!tool->parameters) return suan__json_bytes(c->b, "{}");
    if (tool->arguments == SUAN__NO_NODE) tool->arguments = suan__schema_root(&tool->schema, SUAN__T_OBJECT);
    return tool->arguments;
}

static suan_status read_tool(suan__chat *c, const json_t *json, size_t i, suan_error *err) {
    const json_t *function = json_object_get(json, "function");
    if (!function) function = json;
    const char *name = json_string_value(json_object_get(function, "name"));
    SUAN_CHECK(name && name[0] && strlen(name) <= MAX_NAME, SUAN_EINVAL, "tools: element %zu has no name of 1 to %d bytes", i, MAX_NAME);
    for (size_t k = 0; k < c->n_tool; k++)
        SUAN_CHECK(strcmp(c->tool[k].name, name) != 0, SUAN_EINVAL, "tools: two are called '%.100s'", name);
    if (c->form->choice == SUAN_TOOLS_NAMED && strcmp(name, c->form->name) != 0) return SUAN_OK;
    suan__chat_tool *tool = &c->tool[c->n_tool++];
    *tool = (suan__chat_tool){.name = name, .parameters = json_object_get(function, "parameters")};
    if (json_is_null(tool->parameters)) tool->parameters = NULL;
    return SUAN_OK;
}

static suan_status read_tools(suan__chat *c, suan_error *err) {
    const suan_chat_form *form = c->form;
    suan_error why = {0};
    if (!form->tools) return SUAN_OK;
    suan_status status = suan__json_load(form->tools, form->n_tools, "tools", &c->tools, &why);
    if (status != SUAN_OK) return suan__fail(err, status == SUAN_ENOMEM ? status : SUAN_EINVAL, "%s", why.message);
    SUAN_CHECK(json_is_array(c->tools), SUAN_EINVAL, "tools: expected a JSON array");
    size_t n = json_array_size(c->tools);
    SUAN_CHECK(n <= MAX_TOOLS, SUAN_ELIMIT, "tools: %zu, expected at most %d", n, MAX_TOOLS);
    c->tool = suan__calloc(n, sizeof *c->tool);
    SUAN_CHECK(c->tool, SUAN_ENOMEM, "tools: out of memory");
    for (size_t i = 0; i < n; i++) SUAN_TRY(read_tool(c, json_array_get(c->tools, i), i, err));
    return SUAN_OK;
}

/* Tools that say strict are taken at their word; others are followed as far as the subset goes. */
static void read_schemas(suan__chat *c) {
    for (size_t i = 0; i < c->n_tool; i++) {
        suan__chat_tool *tool = &c->tool[i];
        if (!tool->parameters) continue;
        bool is_strict = false;
        for (size_t k = 0; k < json_array_size(c->tools); k++) {
            const json_t *json = json_array_get(c->tools, k), *function = json_object_get(json, "function");
            if (!function) function = json;
            if (strcmp(json_string_value(json_object_get(function, "name")), tool->name) == 0)
                is_strict = json_is_true(json_object_get(function, "strict"));
        }
        snprintf(tool->what, sizeof tool->what, "tool %.100s: parameters", tool->name);
        suan__schema_init(&tool->schema, &c->j, tool->parameters, tool->what, !is_strict);
    }
}

/* ---- calls between marks ---- */

/* One call with its marks. */
static suan__node one_call(suan__chat *c) {
    suan__node node = SUAN__NO_NODE;
    bool has_params =
        c->syntax->read == suan__call_read_coder || c->syntax->read == suan__call_read_glm || c->syntax->read == suan__call_read_dsml;
    if (c->syntax->read == suan__call_read_json) return suan__chat_call_json(c, NULL);
    for (size_t i = 0; i < c->n_tool; i++) {
        suan__node call = has_params ? suan__chat_call_params(c, &c->tool[i]) : suan__chat_call_json(c, &c->tool[i]);
        node = node == SUAN__NO_NODE ? call : SUAN__ALT(c->b, node, call);
    }
    return node;
}

/* Behind the open mark of the first call: it, and more. */
static suan__node calls(suan__chat *c) {
    suan__builder *b = c->b;
    if (c->calls != SUAN__NO_NODE) return c->calls;
    c->calls = c->syntax->is_list ? suan__chat_list(c) : one_call(c);
    if (c->form->one_call || c->syntax->is_list || c->syntax->has_one_call) return c->calls;
    suan__node more = SUAN__SEQ(b, c->newlines, suan__chat_marked(c, c->syntax->open), c->calls);
    return c->calls = SUAN__SEQ(b, c->calls, suan__node_repeat(b, more, 0, SUAN__NO_END));
}

/* Behind the mark around[i] that begins a section of calls: the calls, and the mark that ends it. */
static suan__node section(suan__chat *c, int i, suan__node all) {
    suan__builder *b = c->b;
    return SUAN__SEQ(b, c->newlines, suan__chat_marked(c, c->syntax->open), all, c->newlines,
                     suan__chat_marked(c, c->syntax->around[i + 1]));
}

/* Text that is free, up to a call where one may come. */
static suan__node free_text(suan__chat *c) {
    suan__builder *b = c->b;
    suan__node nothing = suan__json_nothing(b), all = c->may_call ? calls(c) : nothing;
    bool has_sections = c->syntax->around[0] != NULL;
    suan__marker markers[5];
    size_t n = 0;
    markers[n++] = (suan__marker){c->syntax->open, strlen(c->syntax->open), has_sections ? nothing : all, false};
    for (int i = 0; i < 4 && c->syntax->around[i]; i++) {
        bool begins = c->may_call && i % 2 == 0;
        markers[n++] = (suan__marker){c->syntax->around[i], strlen(c->syntax->around[i]), begins ? section(c, i, all) : nothing, false};
    }
    return suan__node_until(b, markers, n, true);
}

/* Calls and nothing before them. */
static suan__node only_calls(suan__chat *c) {
    suan__builder *b = c->b;
    suan__node all = calls(c), node = SUAN__NO_NODE;
    suan__node lead = c->syntax->lead ? suan__json_optional(b, suan__chat_marked(c, c->syntax->lead)) : c->newlines;
    if (!c->syntax->around[0]) return SUAN__SEQ(b, lead, suan__chat_marked(c, c->syntax->open), all);
    for (int i = 0; i < 4 && c->syntax->around[i]; i += 2) {
        suan__node one = SUAN__SEQ(b, c->newlines, suan__chat_marked(c, c->syntax->around[i]), section(c, i, all));
        node = node == SUAN__NO_NODE ? one : SUAN__ALT(b, node, one);
    }
    return node;
}

/* The answer but for the reasoning; is_behind: behind it, where newlines separate. */
static suan__node answer(suan__chat *c, bool is_behind) {
    suan__builder *b = c->b;
    if (c->form->syntax == SUAN_ANSWER_LLAMA3 && c->tools) return suan__chat_llama(c);
    bool has_calls = c->syntax->open && c->n_tool > 0;
    if (c->must_call) return only_calls(c);
    if (c->content == SUAN__NO_NODE) return has_calls ? free_text(c) : suan__node_until(b, NULL, 0, true);
    suan__node content = is_behind ? SUAN__SEQ(b, c->newlines, c->content) : c->content;
    return has_calls && c->may_call ? SUAN__ALT(b, content, only_calls(c)) : content;
}

/* ---- reasoning ---- */

static bool ends_with(const char *s, size_t n, const char *end) {
    size_t n_end = strlen(end);
    return n >= n_end && memcmp(s + n - n_end, end, n_end) == 0;
}

/* Behind the mark that opens it. Reasoning that nothing needs to follow may be all. */
static suan__node reasoning(suan__chat *c, suan__node rest) {
    suan__marker close = {c->think_close, strlen(c->think_close), rest, false};
    return suan__node_until(c->b, &close, 1, !c->must_call && c->content == SUAN__NO_NODE);
}

/* The answer with the reasoning before it: that which the prompt has opened, or which the model opens. */
static suan__node whole(suan__chat *c) {
    suan__builder *b = c->b;
    static const suan__unicode_range spaces[] = {{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}};
    const char *prompt = c->form->prompt ? c->form->prompt : "";
    size_t n = c->form->prompt ? c->form->n_prompt : 0;
    while (n > 0 && suan__json_space(prompt + n - 1, 1, 0) == 1) n--;
    if (ends_with(prompt, n, c->think_close)) return answer(c, false);
    suan__node behind = answer(c, true);
    if (ends_with(prompt, n, c->think_open)) return reasoning(c, behind);
    if (c->must_call ||
        c->content != SUAN__NO_NODE) { /* a model that has no token for it does not think, and must not find a way round here */
        suan__node think = suan__node_token_only(b, c->think_open, strlen(c->think_open));
        return SUAN__ALT(b, answer(c, false), SUAN__SEQ(b, think, reasoning(c, behind)));
    }
    suan__node space = suan__node_repeat(b, suan__node_set(b, spaces, 3, false), 0, 4);
    return SUAN__ALT(b, behind, SUAN__SEQ(b, space, suan__chat_marked(c, c->think_open), reasoning(c, behind)));
}

/* ---- the public function ---- */

static suan_status check_form(const suan_chat_form *form, suan_error *err) {
    SUAN_CHECK(suan_answer_syntax_name(form->syntax), SUAN_EINVAL, "chat: there is no syntax %d", (int)form->syntax);
    SUAN_CHECK((unsigned)form->choice <= SUAN_TOOLS_NAMED, SUAN_EINVAL, "chat: there is no choice of tools %d", (int)form->choice);
    SUAN_CHECK(form->choice != SUAN_TOOLS_NAMED || form->name, SUAN_EINVAL, "chat: the choice of a tool has no name");
    return SUAN_OK;
}

static suan_status check_tools(const suan__chat *c, suan_error *err) {
    const suan_chat_form *form = c->form;
    bool has_calls = c->syntax->open || form->syntax == SUAN_ANSWER_LLAMA3 || form->syntax == SUAN_ANSWER_HARMONY;
    SUAN_CHECK(!c->must_call || c->n_tool > 0 || form->choice == SUAN_TOOLS_NAMED, SUAN_EINVAL,
               "chat: a call is required, but there are no tools");
    SUAN_CHECK(!c->must_call || c->n_tool > 0, SUAN_EINVAL, "chat: there is no tool '%.100s'", form->name);
    SUAN_CHECK(!c->must_call || has_calls, SUAN_EUNSUPPORTED, "chat: a call is required, but the model's template has no way to write one");
    return SUAN_OK;
}

static suan_status make(suan__chat *c, suan_grammar **g, suan_error *err) {
    const suan_chat_form *form = c->form;
    SUAN_TRY(read_tools(c, err));
    SUAN_TRY(check_tools(c, err));
    bool has_marks = c->n_tool > 0 && form->syntax != SUAN_ANSWER_PLAIN;
    if (!form->content && !has_marks) return SUAN_OK;
    SUAN_TRY(suan__builder_create(&c->b, err));
    suan__json_nodes_init(&c->j, c->b);
    c->newline = suan__json_optional(c->b, suan__json_bytes(c->b, "\n"));
    c->newlines = suan__node_repeat(c->b, suan__json_bytes(c->b, "\n"), 0, 2);
    if (form->content) c->content = suan__node_grammar(c->b, form->content);
    if (c->may_call) read_schemas(c);
    suan__node start = form->syntax == SUAN_ANSWER_HARMONY ? suan__chat_harmony(c) : whole(c);
    for (size_t i = 0; i < c->n_tool; i++)
        if (c->tool[i].schema.b) suan__schema_finish(&c->tool[i].schema);
    return suan__builder_finish(g, &c->b, start, err);
}

suan_status suan_grammar_from_chat(suan_grammar **g, const suan_chat_form *form, suan_error *err) {
    *g = NULL;
    SUAN_TRY(check_form(form, err));
    suan__chat c = {.form = form, .syntax = &suan__call_syntaxes[form->syntax]};
    c.must_call = form->choice == SUAN_TOOLS_REQUIRED || form->choice == SUAN_TOOLS_NAMED;
    c.may_call = form->choice != SUAN_TOOLS_NONE;
    c.think_open = suan__think_open(form->syntax);
    c.think_close = suan__think_close(form->syntax);
    suan_status status = make(&c, g, err);
    for (size_t i = 0; i < c.n_tool; i++)
        if (c.tool[i].schema.b) suan__schema_fini(&c.tool[i].schema);
    suan__free(c.tool);
    suan__builder_free(c.b);
    json_decref(c.tools);
    return status;
}
