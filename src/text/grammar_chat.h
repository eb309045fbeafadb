/* grammar_chat.h: what the files that make the grammar of a chat's answer share.
 *
 * An answer is reasoning, then text or calls; the marks are those that text/answer.h takes apart again.
 */
#ifndef SUAN_TEXT_GRAMMAR_CHAT_H
#define SUAN_TEXT_GRAMMAR_CHAT_H

#include "text/answer_call.h"
#include "text/grammar_schema.h"

typedef struct suan__chat_tool {
    const char *name;
    const json_t *parameters; /* NULL: none */
    suan__schema schema;      /* of the parameters, if there are any */
    suan__node arguments;     /* as a JSON object; made when asked for */
    char what[160];
} suan__chat_tool;

/* A mark that may be one token: one node for all its places, since vocabularies are searched for each. */
typedef struct suan__chat_mark {
    char text[48];
    size_t n;
    suan__node node;
} suan__chat_mark;

typedef struct suan__chat {
    const suan_chat_form *form;
    const suan__call_syntax *syntax;
    suan__builder *b;
    suan__json_nodes j;
    json_t *tools;
    suan__chat_tool *tool; /* those that may be called */
    size_t n_tool;
    suan__node content; /* SUAN__NO_NODE: free */
    suan__node calls;   /* behind the open mark of the first; SUAN__NO_NODE: not made yet */
    bool must_call, may_call;
    const char *think_open, *think_close;
    suan__chat_mark mark[32];
    size_t n_mark;
    suan__node newline, newlines; /* at most one, at most two */
} suan__chat;

/* A literal in which marks that may be tokens of their own (<|..|>, |DSML|, <think> and so on) are such tokens when the vocabulary has them. */
suan__node suan__chat_marked(suan__chat *c, const char *text);
/* The arguments of a tool as one JSON object. */
suan__node suan__chat_arguments(suan__chat *c, suan__chat_tool *tool);
/* Fails: a name or key that the syntax cannot write. */
bool suan__chat_check_word(suan__chat *c, const suan__chat_tool *tool, const char *what, const char *word, const char *forbidden);
/* One of these, SUAN__NO_NODE left out. */
suan__node suan__chat_alt(suan__builder *b, const suan__node *parts, size_t n);

/* A call behind its open mark, with its end mark. grammar_chat_calls.c: arguments as JSON; grammar_chat_params.c: parameters one by one. */
suan__node suan__chat_call_json(suan__chat *c, suan__chat_tool *tool);
suan__node suan__chat_mistral(suan__chat *c, suan__chat_tool *tool);
/* All calls of a syntax whose calls are a list, behind its open mark (grammar_chat_list.c). */
suan__node suan__chat_list(suan__chat *c);
/* "NAME", "KEY": ARGUMENTS for each tool. */
suan__node suan__chat_named(suan__chat *c, const char *key);
suan__node suan__chat_call_params(suan__chat *c, suan__chat_tool *tool);
/* Llama 3: the whole answer but reasoning; harmony: all of it. */
suan__node suan__chat_llama(suan__chat *c);
suan__node suan__chat_harmony(suan__chat *c);

#endif
