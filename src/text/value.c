/* value.c: memory, errors, strings with provenance, lists and dicts of the template interpreter. */
#include "text/value.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

/* ---- memory: chunks with a bump pointer. Unlike suan__arena it does not zero (strings are most of it), counts against a limit and can
 * extend the newest block. */

typedef struct jchunk {
    struct jchunk *next;
    size_t bytes;
} jchunk;

#define CHUNK_BYTES ((size_t)32 << 10)
#define CHUNK_HEAD 16
/* What a recursion leaves free below it: enough for snprintf of a double, a sanitizer's frames and a signal. */
#define STACK_MARGIN ((size_t)20 << 10)
#define STACK_MAX ((size_t)1 << 20)

/* The lowest address that recursions may use: within this thread's stack and at most STACK_MAX below the caller. */
static const char *find_stack_limit(void) {
    const char *here = (const char *)__builtin_frame_address(0);
    const char *limit = here - ((size_t)32 << 10);
    pthread_attr_t attr;
    void *base;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) return limit;
    if (pthread_attr_getstack(&attr, &base, &size) == 0 && here > (char *)base && here <= (char *)base + size) {
        size_t left = (size_t)(here - (char *)base);
        left = left > STACK_MARGIN ? left - STACK_MARGIN : 0;
        limit = here - (left < STACK_MAX ? left : STACK_MAX);
    }
    pthread_attr_destroy(&attr);
    return limit;
}

void suan__j_init(jrt *rt, size_t limit_bytes, int64_t steps) {
    memset(rt, 0, sizeof *rt);
    rt->limit_bytes = limit_bytes;
    rt->steps = steps;
    rt->stack_limit = find_stack_limit();
    /* Differs from process to process where addresses do; nothing that a template can see depends on it. */
    rt->hash_seed = (uint64_t)(uintptr_t)rt * 0x9e3779b97f4a7c15u;
}

void suan__j_fini(jrt *rt) {
    jchunk *c = rt->chunks;
    while (c) {
        jchunk *next = c->next;
        suan__free(c);
        c = next;
    }
    rt->chunks = NULL;
    rt->bump = rt->bump_end = NULL;
}

static bool new_chunk(jrt *rt, size_t need) {
    size_t bytes = rt->used_bytes < CHUNK_BYTES * 8 ? CHUNK_BYTES : CHUNK_BYTES * 32;
    if (bytes < need + CHUNK_HEAD) bytes = need + CHUNK_HEAD;
    jchunk *c = suan__malloc(bytes);
    if (!c) return suan__j_fail_status(rt, SUAN_ENOMEM, "out of memory");
    c->next = rt->chunks;
    c->bytes = bytes;
    rt->chunks = c;
    rt->bump = (char *)c + CHUNK_HEAD;
    rt->bump_end = (char *)c + bytes;
    return true;
}

static bool fail_memory(jrt *rt) {
    return suan__j_fail_status(rt, SUAN_ELIMIT, "the template needs more than its limit of %zu bytes of memory", rt->limit_bytes);
}

void *suan__j_alloc(jrt *rt, size_t n, size_t size) {
    size_t bytes;
    if (rt->failed) return NULL;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > rt->limit_bytes || rt->used_bytes > rt->limit_bytes - bytes) {
        fail_memory(rt);
        return NULL;
    }
    bytes = (bytes + 15) & ~(size_t)15;
    if ((size_t)(rt->bump_end - rt->bump) < bytes || !rt->bump) {
        if (!new_chunk(rt, bytes)) return NULL;
    }
    char *p = rt->bump;
    rt->bump += bytes;
    rt->used_bytes += bytes;
    return p;
}

/* Makes the block [p, p + old), if it is the newest, `bytes` long. */
static bool extend(jrt *rt, const char *p, size_t old, size_t bytes) {
    const char *end = p + ((old + 15) & ~(size_t)15);
    size_t old_rounded = (old + 15) & ~(size_t)15, rounded = (bytes + 15) & ~(size_t)15;
    if (end != rt->bump || (size_t)(rt->bump_end - p) < rounded) return false;
    if (rounded > rt->limit_bytes || rt->used_bytes > rt->limit_bytes - (rounded - old_rounded)) return false;
    rt->bump = rt->bump - old_rounded + rounded;
    rt->used_bytes += rounded - old_rounded;
    return true;
}

/* ---- errors */

static void record(jrt *rt, suan_status status, const char *format, va_list args) {
    if (rt->failed) return;
    rt->failed = true;
    rt->status = status;
    vsnprintf(rt->message, sizeof rt->message, format, args);
}

__attribute__((noinline)) bool suan__j_fail(jrt *rt, const char *format, ...) {
    va_list args;
    va_start(args, format);
    record(rt, SUAN_ETEMPLATE, format, args);
    va_end(args);
    return false;
}

__attribute__((noinline)) bool suan__j_fail_status(jrt *rt, suan_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    record(rt, status, format, args);
    va_end(args);
    return false;
}

bool suan__j_fail_steps(jrt *rt) {
    return suan__j_fail_status(rt, SUAN_ELIMIT, "the template took more than its limit of steps");
}

bool suan__j_fail_depth(jrt *rt) {
    return suan__j_fail_status(rt, SUAN_ELIMIT, "the template or its data is nested too deeply");
}

bool suan__j_fail_undefined(jrt *rt, jval v) {
    const jundef *u = v.u.undef;
    if (u->hint) return suan__j_fail(rt, "%s", u->hint);
    if (!u->owner) return suan__j_fail(rt, "'%.*s' is undefined", u->name ? (int)u->name->n : 0, u->name ? u->name->p : "");
    if (u->name) return suan__j_fail(rt, "'%s' has no attribute '%.*s'", u->owner, (int)u->name->n, u->name->p);
    jbuf b;
    suan__j_buf_init(&b, rt);
    if (!u->key || !suan__j_repr(&b, *u->key)) return suan__j_fail(rt, "%s has no such element", u->owner);
    return suan__j_fail(rt, "%s has no element %.*s", u->owner, (int)b.n, b.p ? b.p : "");
}

/* ---- strings */

uint32_t suan__j_count_cp(const char *p, size_t n) {
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

size_t suan__j_cp_offset(const jstr *s, size_t i) {
    if (i >= s->n_cp) return s->n;
    if (s->n == s->n_cp) return i;
    size_t at = 0;
    for (size_t k = 0; at < s->n; at++) {
        if (((unsigned char)s->p[at] & 0xc0) == 0x80) continue;
        if (k++ == i) break;
    }
    return at;
}

bool suan__j_str_tainted(const jstr *s) {
    if (!s->n) return false;
    return s->t ? memchr(s->t, 1, s->n) != NULL : s->taint != 0;
}

bool suan__j_str_borrow(jrt *rt, const char *p, size_t n, uint8_t taint, jval *out) {
    if (n > INT32_MAX) return fail_memory(rt);
    if (!suan__j_charge_bytes(rt, n)) return false;
    jstr *s = J_NEW(rt, jstr, 1);
    if (!s) return false;
    *s = (jstr){.p = p, .n = (uint32_t)n, .n_cp = suan__j_count_cp(p, n), .taint = taint};
    *out = (jval){.tag = J_STR, .u.s = s};
    return true;
}

bool suan__j_str_copy(jrt *rt, const char *p, size_t n, uint8_t taint, jval *out) {
    char *copy = J_NEW(rt, char, n);
    if (!copy) return false;
    if (n) memcpy(copy, p, n);
    return suan__j_str_borrow(rt, copy, n, taint, out);
}

bool suan__j_str_c(jrt *rt, const char *s, jval *out) {
    return suan__j_str_borrow(rt, s, strlen(s), 0, out);
}

bool suan__j_str_slice(jrt *rt, const jstr *s, size_t begin, size_t end, jval *out) {
    if (!suan__j_charge_bytes(rt, end - begin)) return false;
    jstr *r = J_NEW(rt, jstr, 1);
    if (!r) return false;
    size_t n = end - begin;
    bool ascii = s->n == s->n_cp;
    *r = (jstr){.p = s->p + begin,
                .t = s->t ? s->t + begin : NULL,
                .n = (uint32_t)n,
                .n_cp = ascii ? (uint32_t)n : suan__j_count_cp(s->p + begin, n),
                .taint = s->taint,
                .markup = s->markup};
    *out = (jval){.tag = J_STR, .u.s = r};
    return true;
}

bool suan__j_str_eq(const jstr *s, const char *c) {
    size_t n = strlen(c);
    return s->n == n && memcmp(s->p, c, n) == 0;
}

/* Long concatenations leave room behind them, so that a template which appends to one string over and over does not copy it each time.
 * The room belongs to all strings that begin at its base; only the one that ends where the room is used up may append in place. */
typedef struct jroom {
    char *p;
    uint8_t *t; /* NULL: all bytes have the taint of the string */
    size_t used, cap;
} jroom;

#define ROOM_MIN 256

static void put_flags(uint8_t *t, const jstr *s) {
    if (s->t)
        memcpy(t, s->t, s->n);
    else
        memset(t, s->taint, s->n);
}

bool suan__j_str_concat(jrt *rt, const jstr *a, const jstr *b, jval *out) {
    size_t n = (size_t)a->n + b->n;
    if (n > INT32_MAX) return fail_memory(rt);
    if (!a->n || !b->n) {
        const jstr *whole = a->n ? a : b;
        if (!whole->markup) {
            *out = (jval){.tag = J_STR, .u.s = whole};
            return true;
        }
        if (!suan__j_str_slice(rt, whole, 0, whole->n, out)) return false;
        ((jstr *)(uintptr_t)out->u.s)->markup = 0; /* fresh: nobody else has seen it */
        return true;
    }
    bool uniform = !a->t && !b->t && a->taint == b->taint;
    jroom *room = a->room;
    bool in_place = room && a->p + a->n == room->p + room->used && room->cap - room->used >= b->n && (room->t || uniform);
    if (!in_place) {
        size_t cap = n < ROOM_MIN ? n : 2 * n;
        if (!suan__j_charge_bytes(rt, n)) return false;
        room = J_NEW(rt, jroom, 1);
        if (!room) return false;
        *room = (jroom){.cap = cap};
        room->p = J_NEW(rt, char, cap);
        if (!room->p) return false;
        if (!uniform && !(room->t = J_NEW(rt, uint8_t, cap))) return false;
        memcpy(room->p, a->p, a->n);
        if (room->t) put_flags(room->t, a);
        room->used = a->n;
    }
    if (!suan__j_charge_bytes(rt, b->n)) return false;
    size_t begin = room->used - a->n;
    memcpy(room->p + room->used, b->p, b->n);
    if (room->t) put_flags(room->t + room->used, b);
    room->used += b->n;
    jstr *s = J_NEW(rt, jstr, 1);
    if (!s) return false;
    *s = (jstr){.p = room->p + begin,
                .t = room->t ? room->t + begin : NULL,
                .n = (uint32_t)n,
                .n_cp = a->n_cp + b->n_cp,
                .taint = a->taint,
                .room = room->cap >= ROOM_MIN ? room : NULL};
    *out = (jval){.tag = J_STR, .u.s = s};
    return true;
}

/* ---- the growing string */

void suan__j_buf_init(jbuf *b, jrt *rt) {
    *b = (jbuf){.rt = rt};
}

static bool buf_reserve(jbuf *b, size_t more) {
    jrt *rt = b->rt;
    size_t need = b->n + more;
    if (b->limit && need > b->limit) {
        b->failed = true;
        return suan__j_fail_status(rt, SUAN_ELIMIT, "the template's output is longer than its limit of %zu bytes", b->limit);
    }
    if (need <= b->cap) return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) cap *= 2;
    if (cap > need && b->cap == 0) cap = need > 64 ? need : 64;
    if (!b->t && b->p && extend(rt, b->p, b->cap, cap)) {
        b->cap = cap;
        return true;
    }
    char *p = J_NEW(rt, char, cap);
    uint8_t *t = b->t && p ? J_NEW(rt, uint8_t, cap) : NULL;
    if (!p || (b->t && !t)) {
        b->failed = true;
        return false;
    }
    if (b->n) memcpy(p, b->p, b->n);
    if (b->n && t) memcpy(t, b->t, b->n);
    b->p = p;
    b->t = t;
    b->cap = cap;
    return true;
}

/* Switches to one flag a byte. */
static bool buf_flags(jbuf *b) {
    if (b->t) return true;
    b->t = J_NEW(b->rt, uint8_t, b->cap);
    if (!b->t) {
        b->failed = true;
        return false;
    }
    memset(b->t, b->taint, b->n);
    return true;
}

bool suan__j_buf_put(jbuf *b, const char *p, size_t n, uint8_t taint) {
    if (b->failed) return false;
    if (!n) return true;
    if (!suan__j_charge_bytes(b->rt, n) || !buf_reserve(b, n)) return false;
    if (b->n == 0 && !b->t) b->taint = taint;
    if (!b->t && b->taint != taint && !buf_flags(b)) return false;
    memcpy(b->p + b->n, p, n);
    if (b->t) memset(b->t + b->n, taint, n);
    b->n += n;
    return true;
}

bool suan__j_buf_put_flags(jbuf *b, const char *p, const uint8_t *t, size_t n) {
    if (b->failed) return false;
    if (!n) return true;
    if (!suan__j_charge_bytes(b->rt, 2 * n) || !buf_reserve(b, n) || !buf_flags(b)) return false;
    memcpy(b->p + b->n, p, n);
    memcpy(b->t + b->n, t, n);
    b->n += n;
    return true;
}

bool suan__j_buf_str(jbuf *b, const jstr *s) {
    return s->t ? suan__j_buf_put_flags(b, s->p, s->t, s->n) : suan__j_buf_put(b, s->p, s->n, s->taint);
}

bool suan__j_buf_c(jbuf *b, const char *s) {
    return suan__j_buf_put(b, s, strlen(s), 0);
}

bool suan__j_buf_cp(jbuf *b, uint32_t cp, uint8_t taint) {
    char s[4];
    return suan__j_buf_put(b, s, suan__utf8_encode(cp, s), taint);
}

bool suan__j_buf_taint(jbuf *b, size_t from) {
    if (b->failed) return false;
    if (from >= b->n) return true;
    if (from == 0) {
        b->t = NULL;
        b->taint = 1;
        return true;
    }
    if (!b->t && b->taint) return true;
    if (!buf_flags(b)) return false;
    memset(b->t + from, 1, b->n - from);
    return true;
}

bool suan__j_buf_has_taint(const jbuf *b, size_t from) {
    if (b->failed || from >= b->n) return false;
    return b->t ? memchr(b->t + from, 1, b->n - from) != NULL : b->taint != 0;
}

bool suan__j_buf_finish(jbuf *b, jval *out) {
    if (b->failed) return false;
    if (b->n > INT32_MAX) return fail_memory(b->rt);
    jstr *s = J_NEW(b->rt, jstr, 1);
    if (!s) return false;
    *s = (jstr){.p = b->p ? b->p : "", .t = b->t, .n = (uint32_t)b->n, .n_cp = suan__j_count_cp(b->p, b->n), .taint = b->taint};
    *out = (jval){.tag = J_STR, .u.s = s};
    return true;
}

/* ---- lists and dicts */

jlist *suan__j_list_new(jrt *rt, uint32_t cap) {
    jlist *l = J_NEW(rt, jlist, 1);
    if (!l) return NULL;
    *l = (jlist){0};
    if (cap) {
        l->v = J_NEW(rt, jval, cap);
        if (!l->v) return NULL;
        l->cap = cap;
    }
    return l;
}

bool suan__j_list_push(jrt *rt, jlist *l, jval v) {
    if (l->n == l->cap) {
        if (l->cap > UINT32_MAX / 4) return fail_memory(rt);
        uint32_t cap = l->cap ? l->cap * 2 : 4;
        if (!l->v || !extend(rt, (const char *)l->v, l->cap * sizeof(jval), cap * sizeof(jval))) {
            jval *grown = J_NEW(rt, jval, cap);
            if (!grown) return false;
            if (l->n) memcpy(grown, l->v, l->n * sizeof(jval));
            l->v = grown;
        }
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return true;
}

jdict *suan__j_dict_new(jrt *rt, uint32_t cap) {
    jdict *d = J_NEW(rt, jdict, 1);
    if (!d) return NULL;
    *d = (jdict){0};
    if (cap) {
        d->e = J_NEW(rt, jentry, cap);
        if (!d->e) return NULL;
        d->cap = cap;
    }
    return d;
}

#define LINEAR_MAX 8

static void index_put(jdict *d, uint32_t i) {
    uint32_t slot = (uint32_t)d->e[i].hash & (d->n_index - 1);
    while (d->index[slot] != UINT32_MAX) slot = (slot + 1) & (d->n_index - 1);
    d->index[slot] = i;
}

static bool dict_grow(jrt *rt, jdict *d) {
    if (d->cap > UINT32_MAX / 8) return fail_memory(rt);
    uint32_t cap = d->cap ? d->cap * 2 : 4;
    jentry *e = J_NEW(rt, jentry, cap);
    if (!e) return false;
    if (d->n) memcpy(e, d->e, d->n * sizeof(jentry));
    d->e = e;
    d->cap = cap;
    return true;
}

static bool dict_reindex(jrt *rt, jdict *d) {
    uint32_t n_index = 32;
    while (n_index < d->cap * 2) n_index *= 2;
    uint32_t *index = J_NEW(rt, uint32_t, n_index);
    if (!index) return false;
    memset(index, 0xff, n_index * sizeof(uint32_t));
    d->index = index;
    d->n_index = n_index;
    for (uint32_t i = 0; i < d->n; i++) index_put(d, i);
    return true;
}

/* Every probe is charged, so keys chosen to collide cost their sender's budget, not time. */
static bool dict_find(jrt *rt, const jdict *d, jval key, uint64_t hash, jentry **found) {
    *found = NULL;
    bool eq;
    if (!d->index) {
        for (uint32_t i = 0; i < d->n; i++) {
            if (d->e[i].hash != hash) continue;
            if (!suan__j_equal(rt, d->e[i].key, key, &eq)) return false;
            if (eq) {
                *found = &d->e[i];
                return true;
            }
        }
        return true;
    }
    for (uint32_t slot = (uint32_t)hash & (d->n_index - 1); d->index[slot] != UINT32_MAX; slot = (slot + 1) & (d->n_index - 1)) {
        jentry *e = &d->e[d->index[slot]];
        if (!suan__j_charge(rt, 1)) return false;
        if (e->hash != hash) continue;
        if (!suan__j_equal(rt, e->key, key, &eq)) return false;
        if (eq) {
            *found = e;
            return true;
        }
    }
    return true;
}

bool suan__j_dict_set(jrt *rt, jdict *d, jval key, jval value) {
    uint64_t hash;
    jentry *e;
    if (!suan__j_hash(rt, key, &hash) || !dict_find(rt, d, key, hash, &e)) return false;
    if (e) {
        e->value = value;
        return true;
    }
    bool grown = d->n == d->cap;
    if (grown && !dict_grow(rt, d)) return false;
    d->e[d->n++] = (jentry){key, value, hash};
    if (d->index && !grown)
        index_put(d, d->n - 1);
    else if (d->n > LINEAR_MAX && !dict_reindex(rt, d))
        return false;
    return true;
}

bool suan__j_dict_get(jrt *rt, const jdict *d, jval key, jval **found) {
    uint64_t hash;
    jentry *e;
    *found = NULL;
    if (!suan__j_hash(rt, key, &hash) || !dict_find(rt, d, key, hash, &e)) return false;
    if (e) *found = &e->value;
    return true;
}

jval *suan__j_dict_get_str(jrt *rt, const jdict *d, const jstr *key) {
    jval *found;
    return suan__j_dict_get(rt, d, (jval){.tag = J_STR, .u.s = key}, &found) ? found : NULL;
}

jval *suan__j_dict_get_c(jrt *rt, const jdict *d, const char *key) {
    jstr s = {.p = key, .n = (uint32_t)strlen(key)};
    s.n_cp = s.n;
    return suan__j_dict_get_str(rt, d, &s);
}

bool suan__j_tuple2(jrt *rt, jval a, jval b, jval *out) {
    jlist *l = suan__j_list_new(rt, 2);
    if (!l) return false;
    l->v[0] = a;
    l->v[1] = b;
    l->n = 2;
    *out = (jval){.tag = J_TUPLE, .u.l = l};
    return true;
}

bool suan__j_undefined(jrt *rt, const jstr *name, const char *owner, jval *out) {
    jundef *u = J_NEW(rt, jundef, 1);
    if (!u) return false;
    *u = (jundef){.name = name, .owner = owner};
    *out = (jval){.tag = J_UNDEFINED, .u.undef = u};
    return true;
}

bool suan__j_undefined_hint(jrt *rt, const char *hint, jval *out) {
    jundef *u = J_NEW(rt, jundef, 1);
    if (!u) return false;
    *u = (jundef){.hint = hint};
    *out = (jval){.tag = J_UNDEFINED, .u.undef = u};
    return true;
}
