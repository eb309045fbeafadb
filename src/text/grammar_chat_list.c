/* grammar_chat_list.c: calls as one JSON array behind a mark; and Mistral's, which write the name bare. */
#include <string.h>

#include "text/grammar_chat.h"

/* An id as Mistral's templates want it. */
static suan__node short_id(suan__chat *c) {
    static const suan__unicode_range letters[] = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}};
    return suan__node_repeat(c->b, suan__node_set(c->b, letters, 3, false), 9, 9);
}

/* What the objects of Command-R7B begin with. */
static suan__node number_first(suan__chat *c) {
    suan__node digit = suan__node_set(c->b, &(suan__unicode_range){'0', '9'}, 1, false);
    return SUAN__SEQ(c->b, suan__json_key(&c->j, "tool_call_id", 12), suan__json_bytes(c->b, "\""), suan__node_repeat(c->b, digit, 1, 4),
                     suan__json_bytes(c->b, "\""), c->j.comma);
}

/* {"name": .., "arguments": ..}, in the words of the syntax. */
static suan__node object(suan__chat *c) {
    suan__builder *b = c->b;
    suan_answer_syntax x = c->form->syntax;
    bool is_cohere = x == SUAN_ANSWER_COMMAND_R || x == SUAN_ANSWER_COMMAND_R7B;
    const char *name = is_cohere ? "tool_name" : "name";
    suan__node members =
        SUAN__SEQ(b, suan__json_key(&c->j, name, strlen(name)), suan__chat_named(c, is_cohere ? "parameters" : "arguments"));
    if (x == SUAN_ANSWER_COMMAND_R7B) members = SUAN__SEQ(b, number_first(c), members);
    if (x == SUAN_ANSWER_MISTRAL_V3 || x == SUAN_ANSWER_APRIEL) {
        suan__node quote = suan__json_bytes(b, "\""),
                   id = SUAN__SEQ(b, c->j.comma, suan__json_key(&c->j, "id", 2), quote, short_id(c), quote);
        members = SUAN__SEQ(b, members, suan__json_optional(b, id));
    }
    return suan__json_enclose(&c->j, "{", members, "}");
}

suan__node suan__chat_list(suan__chat *c) {
    suan__builder *b = c->b;
    const suan__call_syntax *x = c->syntax;
    suan__node call = object(c), members = call;
    if (!c->form->one_call) members = SUAN__SEQ(b, call, suan__node_repeat(b, SUAN__SEQ(b, c->j.comma, call), 0, SUAN__NO_END));
    suan__node list = suan__json_enclose(&c->j, suan__call_opens_list(x) ? "" : "[", members, "]");
    suan__node before = suan__json_optional(b, SUAN__ALT(b, suan__json_bytes(b, " "), suan__json_bytes(b, "\n")));
    if (x->before_list) before = SUAN__SEQ(b, before, suan__json_bytes(b, x->before_list), c->newline);
    return x->end ? SUAN__SEQ(b, before, list, c->newline, suan__chat_marked(c, x->end)) : SUAN__SEQ(b, before, list);
}

suan__node suan__chat_mistral(suan__chat *c, suan__chat_tool *tool) {
    suan__builder *b = c->b;
    suan__node id = SUAN__SEQ(b, suan__chat_marked(c, "[CALL_ID]"), short_id(c));
    return SUAN__SEQ(b, suan__json_bytes(b, tool->name), suan__json_optional(b, id), suan__chat_marked(c, "[ARGS]"),
                     suan__chat_arguments(c, tool));
}
