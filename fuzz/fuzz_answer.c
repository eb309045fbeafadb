/* fuzz_answer.c: a model's answer: a byte for the syntax (bit 7: without calls), a byte for the length of pieces, the prompt's end, a NUL, the
 * answer (no NUL: all is answer).
 *
 * Promises beyond memory: the cuts do not matter; a call has a name and an object; no part is empty; without calls and without a reasoning
 * block nothing is lost. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "suan/answer.h"
#include "text/answer_json.h"

/* The parts, neighbours of a kind joined: a byte for the kind, the text, a byte 0xff. */
typedef struct parts {
    suan__buf log;
    int kind;
} parts;

static int collect(void *ctx, const suan_answer_part *p) {
    parts *all = ctx;
    char kind = (char)('0' + p->kind);
    FUZZ_ASSERT(p->n > 0);
    if (p->kind == SUAN_ANSWER_CALL) FUZZ_ASSERT(p->text[0] == '{' && suan__json_is_value(p->text, p->n) && p->name && p->name[0]);
    if (p->kind == SUAN_ANSWER_CALL || all->kind != (int)p->kind) suan__buf_append(&all->log, &kind, 1);
    if (p->kind == SUAN_ANSWER_CALL) suan__buf_printf(&all->log, "%s %s %u ", p->name, p->id ? p->id : "", p->index);
    suan__buf_append(&all->log, p->text, p->n);
    all->kind = (int)p->kind;
    return 0;
}

/* Calls in parts: a beginning, arguments, an end; whole ones are an object. */
static int collect_parts(void *ctx, const suan_answer_part *p) {
    parts *all = ctx;
    bool is_part = p->kind == SUAN_ANSWER_CALL_MORE || p->kind == SUAN_ANSWER_CALL_END;
    FUZZ_ASSERT(p->kind != SUAN_ANSWER_CALL && is_part == (all->kind == SUAN_ANSWER_CALL_BEGIN));
    if (p->kind == SUAN_ANSWER_CALL_BEGIN) FUZZ_ASSERT(p->name && p->name[0]);
    if (p->kind == SUAN_ANSWER_CALL_BEGIN || p->kind == SUAN_ANSWER_CALL_END) all->kind = (int)p->kind;
    if (p->kind == SUAN_ANSWER_CALL_BEGIN) all->log.n = 0;
    if (p->kind == SUAN_ANSWER_CALL_MORE) suan__buf_append(&all->log, p->text, p->n);
    if (p->kind == SUAN_ANSWER_CALL_END && !p->is_broken) FUZZ_ASSERT(all->log.n > 1 && all->log.data[0] == '{');
    return 0;
}

static void take_apart(parts *all, const suan_answer_options *o, const char *s, size_t n, size_t cut) {
    suan_answer_fn *fn = o->streams_calls ? collect_parts : collect;
    suan_answer *a;
    suan_error err = {0};
    *all = (parts){.kind = -1};
    suan__buf_append(&all->log, "", 0);
    FUZZ_ASSERT(suan_answer_create(&a, o, fn, all, &err) == SUAN_OK);
    for (size_t at = 0; at < n; at += cut) FUZZ_ASSERT(suan_answer_feed(a, s + at, cut < n - at ? cut : n - at, &err) == SUAN_OK);
    FUZZ_ASSERT(suan_answer_finish(a, &err) == SUAN_OK);
    suan_answer_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 2 || n > 1u << 16) return 0;
    suan_answer_options o = {.syntax = (suan_answer_syntax)((data[0] & 127) % SUAN_N_ANSWER_SYNTAXES), .has_calls = data[0] < 128};
    size_t cut = data[1] + 1u;
    const char *s = (const char *)data + 2, *end = memchr(s, 0, n - 2);
    n -= 2;
    if (end) {
        o.prompt = s;
        o.n_prompt = (size_t)(end - s);
        n -= o.n_prompt + 1;
        s = end + 1;
    }
    parts whole, pieces;
    take_apart(&whole, &o, s, n, n + 1);
    take_apart(&pieces, &o, s, n, cut);
    FUZZ_ASSERT(whole.log.n == pieces.log.n && memcmp(whole.log.data, pieces.log.data, whole.log.n) == 0);
    bool is_plain = o.syntax != SUAN_ANSWER_COMMAND_R7B && /* whose marks of text go */
                    !o.prompt && !memmem(s, n, "<think>", 7) &&
                    (o.syntax == SUAN_ANSWER_PLAIN || (!o.has_calls && o.syntax != SUAN_ANSWER_HARMONY));
    if (is_plain && n > 0) FUZZ_ASSERT(whole.log.n == n + 1 && memcmp(whole.log.data + 1, s, n) == 0);
    suan__buf_fini(&whole.log);
    suan__buf_fini(&pieces.log);
    o.streams_calls = true;
    take_apart(&pieces, &o, s, n, cut);
    FUZZ_ASSERT(pieces.kind != SUAN_ANSWER_CALL_BEGIN);
    suan__buf_fini(&pieces.log);
    return 0;
}
