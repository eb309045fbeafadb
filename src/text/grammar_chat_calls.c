/* grammar_chat_calls.c: calls whose arguments are one JSON object; and Llama 3, whose whole answer is one. */
#include <stdio.h>
#include <string.h>

#include "text/grammar_chat.h"

#define LOW "\xe2\x96\x81"
#define BAR "\xef\xbd\x9c"
#define SEPARATOR "<" BAR "tool" LOW "sep" BAR ">"

suan__node suan__chat_named(suan__chat *c, const char *key) {
    suan__builder *b = c->b;
    suan__node node = SUAN__NO_NODE, behind = SUAN__SEQ(b, c->j.comma, suan__json_key(&c->j, key, strlen(key)));
    for (size_t i = 0; i < c->n_tool; i++) {
        json_t *name = json_string(c->tool[i].name);
        if (!name) return suan__builder_fail(b, SUAN_ENOMEM, "chat: out of memory");
        suan__node one = SUAN__SEQ(b, suan__json_scalar(&c->j, name), behind, suan__chat_arguments(c, &c->tool[i]));
        json_decref(name);
        node = node == SUAN__NO_NODE ? one : SUAN__ALT(b, node, one);
    }
    return node;
}

/* {"name": .., "arguments": ..}</tool_call>, or without an end mark */
static suan__node hermes(suan__chat *c) {
    suan__builder *b = c->b;
    suan__node members = SUAN__SEQ(b, suan__json_key(&c->j, "name", 4), suan__chat_named(c, "arguments"));
    suan__node object = SUAN__SEQ(b, c->j.space, suan__json_enclose(&c->j, "{", members, "}"));
    return c->syntax->end ? SUAN__SEQ(b, object, c->newline, suan__chat_marked(c, c->syntax->end)) : object;
}

/* DeepSeek: with a code fence (V3, R1), or bare (V3.1). */
static suan__node deepseek(suan__chat *c, suan__chat_tool *tool) {
    suan__builder *b = c->b;
    suan__node name = suan__json_bytes(b, tool->name), arguments = suan__chat_arguments(c, tool),
               separator = suan__chat_marked(c, SEPARATOR);
    suan__node fenced = SUAN__SEQ(b, suan__json_bytes(b, "function"), separator, name, suan__json_bytes(b, "\n```json\n"), arguments,
                                  suan__json_bytes(b, "\n```"));
    suan__node bare = SUAN__SEQ(b, name, separator, arguments);
    return SUAN__SEQ(b, SUAN__ALT(b, fenced, bare), suan__chat_marked(c, c->syntax->end));
}

/* functions.NAME:INDEX and the arguments. */
static suan__node kimi(suan__chat *c, suan__chat_tool *tool) {
    suan__builder *b = c->b;
    suan__node digit = suan__node_set(b, &(suan__unicode_range){'0', '9'}, 1, false);
    return SUAN__SEQ(b, suan__json_bytes(b, "functions."), suan__json_bytes(b, tool->name), suan__json_bytes(b, ":"),
                     suan__node_repeat(b, digit, 1, 4), suan__chat_marked(c, "<|tool_call_argument_begin|>"), suan__chat_arguments(c, tool),
                     suan__chat_marked(c, c->syntax->end));
}

/* NAME>{..}</function> */
static suan__node functionary(suan__chat *c, suan__chat_tool *tool) {
    suan__builder *b = c->b;
    return SUAN__SEQ(b, suan__json_bytes(b, tool->name), suan__json_bytes(b, ">"), suan__chat_arguments(c, tool),
                     suan__chat_marked(c, c->syntax->end));
}

suan__node suan__chat_call_json(suan__chat *c, suan__chat_tool *tool) {
    if (c->syntax->read == suan__call_read_json) return hermes(c);
    bool is_mistral = c->syntax->read == suan__call_read_mistral;
    if (!suan__chat_check_word(c, tool, "name", tool->name, is_mistral ? "[{" : " <>\"")) return SUAN__NO_NODE;
    if (is_mistral) return suan__chat_mistral(c, tool);
    if (c->syntax->head == suan__call_head_functionary) return functionary(c, tool);
    return c->syntax->head == suan__call_head_kimi ? kimi(c, tool) : deepseek(c, tool);
}

/* ---- Llama 3 ---- */

/* Text that a reader does not take for a call: one that begins with a brace is. */
static suan__node llama_text(suan__chat *c) {
    suan__builder *b = c->b;
    static const char tag[] = "<|python_tag|>";
    static const suan__unicode_range spaces[] = {{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}}, bar = {'|', '|'};
    static const suan__unicode_range first[] = {{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}, {'<', '<'}, {'{', '{'}};
    suan__marker mark = {tag, sizeof tag - 1, suan__json_nothing(b), false};
    suan__node rest = suan__node_until(b, &mark, 1, true);
    if (!c->may_call) return rest;
    suan__node begin =
        SUAN__ALT(b, suan__node_set(b, first, 5, true), SUAN__SEQ(b, suan__json_bytes(b, "<"), suan__node_set(b, &bar, 1, true)));
    return SUAN__SEQ(b, suan__node_repeat(b, suan__node_set(b, spaces, 3, false), 0, 4), suan__json_optional(b, SUAN__SEQ(b, begin, rest)));
}

suan__node suan__chat_llama(suan__chat *c) {
    suan__builder *b = c->b;
    suan__node text = c->content != SUAN__NO_NODE ? SUAN__SEQ(b, c->newlines, c->content) : llama_text(c);
    if (!c->may_call || c->n_tool == 0) return text;
    suan__node kind = SUAN__SEQ(b, suan__json_key(&c->j, "type", 4), suan__json_bytes(b, "\"function\""), c->j.comma);
    suan__node members = SUAN__SEQ(b, suan__json_optional(b, kind), suan__json_key(&c->j, "name", 4), suan__chat_named(c, "parameters"));
    suan__node call = SUAN__SEQ(b, c->newlines, suan__json_optional(b, suan__chat_marked(c, "<|python_tag|>")),
                                suan__json_enclose(&c->j, "{", members, "}"));
    return c->must_call ? call : SUAN__ALT(b, call, text);
}
