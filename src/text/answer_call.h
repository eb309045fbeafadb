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

struct suan__call_syntax {
    const char *name;       /* for people */
    const char *open, *end; /* of one call; NULL: the syntax has no such calls */
    const char *around[4];  /* marks around the calls, which say nothing themselves; NULL at the end */
    suan__call_read_fn *read;
};

extern const suan__call_syntax suan__call_syntaxes[SUAN_N_ANSWER_SYNTAXES];

/* The readers, by what is between the marks. */
suan__call_read_fn suan__call_read_json;     /* {"name": .., "arguments" or "parameters": ..} */
suan__call_read_fn suan__call_read_deepseek; /* function, separator, name, code fence; or name, separator, arguments */
suan__call_read_fn suan__call_read_kimi;
suan__call_read_fn suan__call_read_dsml, suan__call_read_glm, suan__call_read_coder; /* parameters one by one */

/* The same object without marks around it, alone in s; and NAME.call(KEY="VALUE", ..). */
bool suan__call_read_bare(const char *s, size_t n, suan__call *call);
bool suan__call_read_python(const char *s, size_t n, suan__call *call);

/* Takes name and arguments: arguments must be an object (or a string that holds one; null is none at all). false: they are no call. */
bool suan__call_set(suan__call *call, const char *name, size_t n_name, const char *arguments, size_t n_arguments);

#endif
