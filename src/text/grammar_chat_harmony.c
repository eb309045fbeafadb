/* grammar_chat_harmony.c: answers of gpt-oss: messages in channels.
 *
 * Analysis is free and may come any number of times; commentary without a recipient is text beside it; then the final message or a call ends
 * the answer. A header may have been begun by the prompt: then it goes on from there.
 */
#include <stdio.h>
#include <string.h>

#include "text/grammar_chat.h"

#define CHANNEL "<|channel|>"
#define MESSAGE "<|message|>"

/* What follows in a message; `header`: the next message behind "<|start|>assistant". */
typedef struct messages {
    suan__node header, analysis, commentary, final;
} messages;

/* Free text of a message that another one follows. */
static suan__node until_next(suan__chat *c, suan__node header, bool may_end) {
    suan__builder *b = c->b;
    suan__node start = suan__chat_marked(c, "<|start|>"), role = SUAN__SEQ(b, suan__json_bytes(b, "assistant"), header);
    suan__marker ends[] = {{"<|end|>", 7, SUAN__SEQ(b, start, role), false}, {"<|start|>", 9, role, false}};
    return suan__node_until(b, ends, 2, may_end);
}

static suan__node final_text(suan__chat *c) {
    suan__builder *b = c->b;
    suan__node end = SUAN__ALT(b, suan__chat_marked(c, "<|return|>"), suan__chat_marked(c, "<|end|>"));
    if (c->content != SUAN__NO_NODE) return SUAN__SEQ(b, c->content, suan__json_optional(b, end));
    suan__node nothing = suan__json_nothing(b);
    suan__marker ends[] = {{"<|return|>", 10, SUAN__NO_NODE, true},
                           {"<|end|>", 7, SUAN__NO_NODE, true},
                           {"<|start|>", 9, nothing, false},
                           {"<|call|>", 8, nothing, false}};
    return suan__node_until(b, ends, 4, true);
}

/* The arguments and what ends them: the answer, or one more call. */
static suan__node arguments(suan__chat *c, suan__chat_tool *tool) {
    return SUAN__SEQ(c->b, suan__chat_arguments(c, tool), suan__json_optional(c->b, suan__chat_marked(c, "<|call|>")));
}

static suan__node type_of_content(suan__chat *c) {
    suan__builder *b = c->b;
    suan__node constrain = suan__chat_marked(c, "<|constrain|>json"), blank = suan__json_optional(b, suan__json_bytes(b, " "));
    return SUAN__ALT(b, suan__json_empty(b), SUAN__SEQ(b, blank, constrain), suan__json_bytes(b, " json"), suan__json_bytes(b, " code"));
}

static suan__node any_call(suan__chat *c) {
    suan__builder *b = c->b;
    suan__node behind = SUAN__NO_NODE, before = SUAN__NO_NODE, type = type_of_content(c);
    for (size_t i = 0; i < c->n_tool; i++) {
        suan__chat_tool *tool = &c->tool[i];
        if (!suan__chat_check_word(c, tool, "name", tool->name, " <>")) return SUAN__NO_NODE;
        suan__node name = suan__json_bytes(b, tool->name), body = SUAN__SEQ(b, suan__chat_marked(c, MESSAGE), arguments(c, tool));
        suan__node parts[2] = {behind, SUAN__SEQ(b, name, type, body)};
        behind = suan__chat_alt(b, parts, 2);
        suan__node others[2] = {before, SUAN__SEQ(b, name, suan__chat_marked(c, CHANNEL "commentary"), type, body)};
        before = suan__chat_alt(b, others, 2);
    }
    return SUAN__ALT(b, SUAN__SEQ(b, suan__chat_marked(c, CHANNEL "commentary to=functions."), behind),
                     SUAN__SEQ(b, suan__json_bytes(b, " to=functions."), before));
}

/* The header that the prompt has begun: behind "assistant". Of each header that goes on like that, the rest. */
static suan__node rest_of_header(suan__chat *c, const messages *m, const char *begun, size_t n) {
    suan__builder *b = c->b;
    const char *heads[] = {CHANNEL "analysis" MESSAGE, CHANNEL "commentary" MESSAGE, CHANNEL "final" MESSAGE};
    suan__node bodies[] = {m->analysis, m->commentary, m->final}, node = SUAN__NO_NODE;
    for (int i = 0; i < 3; i++) {
        if (bodies[i] == SUAN__NO_NODE || strlen(heads[i]) < n || memcmp(heads[i], begun, n) != 0) continue;
        suan__node parts[2] = {node, SUAN__SEQ(b, suan__chat_marked(c, heads[i] + n), bodies[i])};
        node = suan__chat_alt(b, parts, 2);
    }
    for (size_t i = 0; c->may_call && i < c->n_tool; i++) {
        for (int k = 0; k < 2; k++) {
            char head[400];
            snprintf(head, sizeof head, k ? CHANNEL "commentary to=functions.%s" : " to=functions.%s" CHANNEL "commentary",
                     c->tool[i].name);
            if (strlen(head) < n || memcmp(head, begun, n) != 0) continue;
            suan__node call =
                SUAN__SEQ(b, suan__chat_marked(c, head + n), type_of_content(c), suan__chat_marked(c, MESSAGE), arguments(c, &c->tool[i]));
            suan__node parts[2] = {node, call};
            node = suan__chat_alt(b, parts, 2);
        }
    }
    if (node != SUAN__NO_NODE) return node;
    return suan__builder_fail(b, SUAN_EUNSUPPORTED, "chat: the prompt ends in a header that no message of the answer has: '%.*s'",
                              (int)(n < 100 ? n : 100), begun);
}

/* The body of the message that the prompt has begun; its header is head[0 .. n). */
static suan__node rest_of_message(suan__chat *c, const messages *m, const char *head, size_t n) {
    const char *to = memmem(head, n, " to=functions.", 14);
    for (size_t i = 0; to && c->may_call && i < c->n_tool; i++) {
        size_t n_name = strlen(c->tool[i].name), left = n - (size_t)(to + 14 - head);
        if (left < n_name || memcmp(to + 14, c->tool[i].name, n_name) != 0) continue;
        if (left == n_name || to[14 + n_name] == ' ' || to[14 + n_name] == '<') return arguments(c, &c->tool[i]);
    }
    if (memmem(head, n, CHANNEL "analysis", 19)) return m->analysis;
    if (memmem(head, n, CHANNEL "commentary", 21) && m->commentary != SUAN__NO_NODE) return m->commentary;
    if (m->final != SUAN__NO_NODE) return m->final;
    return suan__builder_fail(c->b, SUAN_EUNSUPPORTED, "chat: a call is required, but the prompt has begun the final message");
}

suan__node suan__chat_harmony(suan__chat *c) {
    suan__builder *b = c->b;
    bool is_free = !c->must_call && c->content == SUAN__NO_NODE;
    messages m = {.header = suan__node_rule(b, NULL, 0)};
    m.analysis = until_next(c, m.header, is_free);
    if (is_free) m.commentary = until_next(c, m.header, true);
    if (!c->must_call) m.final = final_text(c);
    suan__node format = suan__json_optional(b, suan__chat_marked(c, " <|constrain|>json"));
    suan__node parts[4] = {SUAN__SEQ(b, suan__chat_marked(c, CHANNEL "analysis" MESSAGE), m.analysis)};
    if (m.commentary != SUAN__NO_NODE) parts[1] = SUAN__SEQ(b, suan__chat_marked(c, CHANNEL "commentary" MESSAGE), m.commentary);
    if (m.final != SUAN__NO_NODE)
        parts[2] = SUAN__SEQ(b, suan__chat_marked(c, CHANNEL "final"), format, suan__chat_marked(c, MESSAGE), m.final);
    if (c->may_call && c->n_tool > 0) parts[3] = any_call(c);
    suan__builder_define(b, m.header, suan__chat_alt(b, parts, 4));
    const char *prompt = c->form->prompt, *last = NULL;
    size_t n = prompt ? c->form->n_prompt : 0;
    for (const char *s = prompt; s && (s = memmem(s, n - (size_t)(s - prompt), "<|start|>", 9)); s += 9) last = s + 9;
    if (!last) return m.header;
    size_t n_tail = n - (size_t)(last - prompt), n_role = sizeof "assistant" - 1;
    const char *message = memmem(last, n_tail, MESSAGE, sizeof MESSAGE - 1);
    if (message) return rest_of_message(c, &m, last, (size_t)(message - last));
    if (n_tail < n_role || memcmp(last, "assistant", n_role) != 0)
        return suan__builder_fail(b, SUAN_EUNSUPPORTED, "chat: the prompt does not end in the header of a message of the assistant");
    return n_tail == n_role ? m.header : rest_of_header(c, &m, last + n_role, n_tail - n_role);
}
