/* answer_call.h: the ways in which models write a tool call, and how one is read.
 *
 * A call stands between two marks. Everything between them is kept until the end mark has come; then the whole is read at once, so that an
 * end mark inside an argument can be told from the real one.
 */
#ifndef SUAN_TEXT_ANSWER_CALL_H
#define SUAN_TEXT_ANSWER_CALL_H

#include <jansson.h>

#include "base/error.h"
#include "base/memory.h"
#include "suan/answer.h"
#include "text/answer_json.h"

typedef struct suan__call {
    suan__buf name, id, arguments; /* id.data is NULL when there is none */
} suan__call;
void suan__call_fini(suan__call *call);
bool suan__call_failed(const suan__call *call); /* out of memory */

typedef struct suan__call_syntax suan__call_syntax;

/* Reads the call in body[0 .. n), which begins behind the open mark and holds the end mark; *end: behind the end mark. is_last: nothing
 * follows, and the end mark may be missing where the call is whole without it. MORE: the end mark seen belongs to an argument. */
typedef suan__scan suan__call_read_fn(const suan__call_syntax *syntax, const char *body, size_t n, bool is_last, const json_t *tools,
                                      suan__call *call, size_t *end);

/* Reads the beginning of a call up to its arguments: DONE has name (and id) set, and *at where in the body their object begins. BAD: not to be known before the call is whole. */
typedef suan__scan suan__call_head_fn(const suan__call_syntax *syntax, const char *body, size_t n, suan__call *call, size_t *at);

struct suan__call_syntax {
    const char *name;       /* for people */
    const char *open, *end; /* of one call; NULL: the syntax has no such calls, or they have no end mark */
    const char *around[4];  /* marks around the calls, which say nothing themselves; NULL at the end */
    suan__call_read_fn *read;
    suan__call_head_fn *head; /* NULL: calls are known when they are whole */
    bool is_list;             /* behind the open mark stands an array of calls; the end mark is behind it */
    const char *before_list;  /* what has to stand before the array, white space around it allowed; NULL: nothing */
    const char *think_open;   /* of reasoning; NULL: <think> */
    const char *think_close;  /* and </think> */
    const char *silent[2];    /* marks in the text that say nothing; NULL at the end */
    const char *lead;         /* what models write before the open mark where no text stands before the call; NULL: nothing */
    bool has_one_call;        /* an answer has no second one */
};

extern const suan__call_syntax suan__call_syntaxes[SUAN_N_ANSWER_SYNTAXES];

/* The marks of reasoning. */
const char *suan__think_open(suan_answer_syntax syntax);
const char *suan__think_close(suan_answer_syntax syntax);

/* The readers, by what is between the marks. */
suan__call_read_fn suan__call_read_json;     /* {"name": .., "arguments" or "parameters": ..} */
suan__call_read_fn suan__call_read_deepseek; /* function, separator, name, code fence; or name, separator, arguments */
suan__call_read_fn suan__call_read_named;    /* name, arguments, end mark: Kimi, Functionary */
suan__call_read_fn suan__call_read_mistral;  /* name, perhaps an id, arguments; no end mark */
/* The next call of a list: `[` (or a comma, or the end: DONE without a name) and an object. Lists without a call are none. */
suan__call_read_fn suan__call_read_list, suan__call_read_list_on;
suan__call_head_fn suan__call_head_json, suan__call_head_deepseek, suan__call_head_kimi, suan__call_head_functionary,
    suan__call_head_mistral, suan__call_head_list, suan__call_head_list_on;
suan__call_read_fn suan__call_read_dsml, suan__call_read_glm, suan__call_read_coder; /* parameters one by one */

/* Whether the open mark holds the bracket that opens the list. */
bool suan__call_opens_list(const suan__call_syntax *syntax);
/* Up to the first call of a list. */
suan__scan suan__call_begin_list(const suan__call_syntax *syntax, const char *body, size_t n, size_t *at);

/* Parts of readers. Bytes before the first end mark: the head of a call, in which names stand, ends there at the latest. */
size_t suan__call_head_length(const suan__call_syntax *syntax, const char *body, size_t n);
/* What must stand behind a call at body[at], white space before it allowed: the mark, or nothing when the answer ends. */
suan__scan suan__call_read_end(const char *body, size_t n, size_t at, bool is_last, const char *mark, size_t *end);
/* An object at body[at], and behind it the mark (or the fence before the mark). */
suan__scan suan__call_read_object(const char *body, size_t n, size_t at, bool is_last, const char *mark, size_t *begin, size_t *n_object,
                                  size_t *end);
/* Names are what tools can be called: some bytes, none of them a control character. The same for ids. */
bool suan__call_set_name(suan__call *call, const char *name, size_t n);
bool suan__call_set_id(suan__call *call, const char *id, size_t n);
/* s: a JSON object, white space around it allowed. */
bool suan__call_set_arguments(suan__call *call, const char *s, size_t n);
/* s: a complete object with name and arguments. */
bool suan__call_set_object(suan__call *call, const char *s, size_t n);

/* The same object without marks around it, alone in s; and NAME.call(KEY="VALUE", ..). */
bool suan__call_read_bare(const char *s, size_t n, suan__call *call);
bool suan__call_read_python(const char *s, size_t n, suan__call *call);

/* Takes name and arguments: arguments must be an object (or a string that holds one; null is none at all). false: they are no call. */
bool suan__call_set(suan__call *call, const char *name, size_t n_name, const char *arguments, size_t n_arguments);

#endif
