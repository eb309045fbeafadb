/* pretok.c: the steps of a pre-tokenizer, one after the other; each cuts every piece that the one before left. */
#include "text/pretok.h"

#include <string.h>

void suan__pieces_fini(suan__pieces *p) {
    suan__free(p->v);
    suan__free(p->spare);
    suan__buf_fini(&p->buffer[0]);
    suan__buf_fini(&p->buffer[1]);
    *p = (suan__pieces){0};
}

static suan_status no_memory(suan_error *err) {
    return suan__fail(err, SUAN_ENOMEM, "out of memory while cutting text into pieces");
}

static bool grow(suan__piece **v, size_t *capacity) {
    size_t bigger = *capacity ? *capacity * 2 : 256;
    suan__piece *t = suan__realloc(*v, bigger, sizeof *t);
    if (!t) return false;
    *v = t;
    *capacity = bigger;
    return true;
}

/* Adds a piece to the list under construction; empty ones are dropped. */
static inline bool add(suan__pieces *p, size_t begin, size_t end) {
    if (begin == end) return true;
    if (p->n_spare == p->capacity_spare && !grow(&p->spare, &p->capacity_spare)) return false;
    p->spare[p->n_spare++] = (suan__piece){(uint32_t)begin, (uint32_t)end};
    return true;
}

static void swap_lists(suan__pieces *p) {
    suan__piece *v = p->v;
    size_t capacity = p->capacity;
    p->v = p->spare;
    p->n = p->n_spare;
    p->capacity = p->capacity_spare;
    p->spare = v;
    p->capacity_spare = capacity;
    p->n_spare = 0;
}

/* Collects matches and gaps of one piece in order and applies the behavior. `open` is the piece that may still grow. */
typedef struct splitter {
    suan__pieces *p;
    const suan__pretok_step *step;
    size_t begin, end; /* the open piece; empty: none */
    bool previous;     /* whether the last part was a match */
    bool any;          /* whether there was a part */
    bool failed;
} splitter;

static void close_open(splitter *s) {
    if (!add(s->p, s->begin, s->end)) s->failed = true;
    s->begin = s->end;
}

static void part(splitter *s, size_t begin, size_t end, bool match) {
    match = match != s->step->invert;
    bool join = false;
    switch (s->step->behavior) {
    case SUAN__SPLIT_ISOLATED:
        break;
    case SUAN__SPLIT_REMOVED:
        if (match) {
            close_open(s);
            s->begin = s->end = end;
            return;
        }
        break;
    case SUAN__SPLIT_MERGED_PREVIOUS:
        join = match && s->any && !s->previous;
        break;
    case SUAN__SPLIT_MERGED_NEXT:
        join = s->previous && !match;
        break;
    case SUAN__SPLIT_CONTIGUOUS:
        join = s->any && match == s->previous;
        break;
    }
    if (!join) {
        close_open(s);
        s->begin = begin;
    }
    s->end = end;
    s->previous = match;
    s->any = true;
}

static bool split_regex(splitter *s, const char *text, suan__piece piece) {
    suan__regex_scan scan;
    suan__regex_begin(&scan, s->step->regex, text + piece.begin, piece.end - piece.begin);
    size_t begin, end, last = 0;
    int found;
    while ((found = suan__regex_next(&scan, &begin, &end)) > 0) {
        if (begin > last) part(s, piece.begin + last, piece.begin + begin, false);
        part(s, piece.begin + begin, piece.begin + end, true);
        last = end;
    }
    suan__regex_end(&scan);
    if (last < piece.end - piece.begin) part(s, piece.begin + last, piece.end, false);
    return found == 0;
}

static void split_literal(splitter *s, const char *text, suan__piece piece) {
    size_t last = piece.begin, n = s->step->n_literal;
    while (n > 0 && last < piece.end) {
        const char *hit = memmem(text + last, piece.end - last, s->step->literal, n);
        if (!hit) break;
        size_t begin = (size_t)(hit - text);
        if (begin > last) part(s, last, begin, false);
        part(s, begin, begin + n, true);
        last = begin + n;
    }
    if (last < piece.end) part(s, last, piece.end, false);
}

static suan_status split_pieces(const suan__pretok_step *step, suan__pieces *p, suan_error *err) {
    for (size_t i = 0; i < p->n; i++) {
        splitter s = {.p = p, .step = step, .begin = p->v[i].begin, .end = p->v[i].begin};
        if (step->regex) {
            if (!split_regex(&s, p->text, p->v[i])) return no_memory(err);
        } else {
            split_literal(&s, p->text, p->v[i]);
        }
        close_open(&s);
        if (s.failed) return no_memory(err);
    }
    swap_lists(p);
    return SUAN_OK;
}

/* Copies every piece into the other buffer: with spaces replaced and a prefix where the step wants one. */
static suan_status rewrite(const suan__pretok_step *step, bool first, suan__pieces *p, suan_error *err) {
    suan__buf *out = &p->buffer[p->i_buffer ^= 1];
    out->n = 0;
    bool meta = step->type == SUAN__PRETOK_METASPACE;
    const char *prefix = meta ? step->literal : " ";
    size_t n_prefix = meta ? step->n_literal : 1;
    for (size_t i = 0; i < p->n; i++) {
        const char *s = p->text + p->v[i].begin, *end = p->text + p->v[i].end;
        size_t begin = out->n;
        bool has = *s == ' ' || (meta && (size_t)(end - s) >= n_prefix && memcmp(s, prefix, n_prefix) == 0);
        bool want = !meta || step->prepend == SUAN__PREPEND_ALWAYS || (step->prepend == SUAN__PREPEND_FIRST && first && i == 0);
        if (want && !has) suan__buf_append(out, prefix, n_prefix);
        while (s < end) {
            const char *space = meta ? memchr(s, ' ', (size_t)(end - s)) : NULL;
            if (!space) space = end;
            if (space > s) suan__buf_append(out, s, (size_t)(space - s));
            if (space < end) suan__buf_append(out, prefix, n_prefix);
            s = space + (space < end);
        }
        if (out->failed || !add(p, begin, out->n)) return no_memory(err);
        SUAN_CHECK(out->n < INT32_MAX, SUAN_ELIMIT, "text grows beyond 2 GiB in the pre-tokenizer");
    }
    swap_lists(p);
    p->text = out->data;
    p->n_text = out->n;
    if (!meta || !step->split) return SUAN_OK;
    suan__pretok_step split = *step;
    split.behavior = SUAN__SPLIT_MERGED_NEXT;
    return split_pieces(&split, p, err);
}

suan_status suan__pretok_apply(const suan__pretok_step *steps, size_t n_steps, const char *text, size_t n, bool first, suan__pieces *p,
                               suan_error *err) {
    p->text = text;
    p->n_text = n;
    p->n_spare = 0;
    if (!add(p, 0, n)) return no_memory(err);
    swap_lists(p);
    for (size_t i = 0; i < n_steps && p->n > 0; i++) {
        if (steps[i].type == SUAN__PRETOK_SPLIT)
            SUAN_TRY(split_pieces(&steps[i], p, err));
        else
            SUAN_TRY(rewrite(&steps[i], first, p, err));
    }
    return SUAN_OK;
}
