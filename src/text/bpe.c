/* bpe.c: byte pair encoding of one piece.
 *
 * Always the adjacent pair of the lowest rank merges, the leftmost one on ties. A short piece is searched anew for every merge, which is
 * fastest. In a long one pairs wait in buckets by rank: the lowest bucket is emptied from left to right, in time linear but for sorting. That is
 * right as long as every new pair has a higher rank than its bucket, as in all vocabularies made by training; at the first that has not,
 * a heap of (rank, position) takes over, which is right for any table, at O(n log n).
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

enum { SHORT = 40 }; /* symbols */

typedef struct symbol {
    uint32_t begin; /* byte offset in the piece */
    int32_t id;     /* -1: not in the vocabulary */
} symbol;

static inline uint32_t pair_rank(const suan_tokenizer *t, const char *s, symbol left, symbol right, uint32_t end, int32_t *id) {
    if (t->model == SUAN__MODEL_MERGES) {
        if (left.id < 0 || right.id < 0) return SUAN__NO_RANK;
        __uint128_t m = (__uint128_t)(((uint64_t)(uint32_t)left.id << 32 | (uint32_t)right.id) ^ t->index.seed) * 0xD6E8FEB86659FD93u;
        uint32_t i = (uint32_t)((uint64_t)m ^ (uint64_t)(m >> 64)) & t->merge_mask;
        for (; t->merges[i].left >= 0; i = (i + 1) & t->merge_mask) {
            if (t->merges[i].left == left.id && t->merges[i].right == right.id) {
                *id = t->merges[i].id;
                return t->merges[i].rank;
            }
        }
        return SUAN__NO_RANK;
    }
    if (end - left.begin > t->max_bytes) return SUAN__NO_RANK;
    *id = suan__vocab_find(t, s + left.begin, end - left.begin);
    return *id < 0 ? SUAN__NO_RANK : t->rank[*id];
}

/* The first symbols: bytes, or characters (a byte that is not UTF-8 is a symbol that no token has). */
static uint32_t next_symbol(const suan_tokenizer *t, const char *s, size_t n, size_t at, int32_t *id) {
    if (t->byte_level) {
        *id = t->byte_id[(unsigned char)s[at]];
        return 1;
    }
    uint32_t cp;
    size_t k = suan__utf8_decode(s + at, n - at, &cp);
    if (k == 0) {
        *id = -1;
        return 1;
    }
    *id = suan__vocab_find(t, s + at, k);
    return (uint32_t)k;
}

/* ---- Tokens that SentencePiece marks unused are taken apart again, the way they were put together ---- */

typedef struct unused_merge {
    int32_t id;
    uint32_t n_left; /* bytes of the left part */
} unused_merge;

typedef struct bpe_long {
    suan__buf unused; /* unused_merge, newest last */
    uint32_t *next, *prev, *begin, *rank;
    int32_t *id, *pair_id;
    uint32_t capacity;
    suan__buf entries; /* bucket entries, or the heap */
    suan__buf buckets;
    suan__buf heap; /* of bucket numbers by rank */
    uint32_t *map;  /* rank to bucket + 1: open addressing */
    uint32_t map_size, n_map;
    suan__buf sorted;
} bpe_long;

static bpe_long *long_state(suan__encoder *e) {
    if (!e->bpe) e->bpe = suan__calloc(1, sizeof *e->bpe);
    return e->bpe;
}

static suan_status no_memory(suan__encoder *e) {
    return suan__fail(e->err, SUAN_ENOMEM, "out of memory while encoding text");
}

static suan_status note_unused(suan__encoder *e, int32_t id, uint32_t n_left) {
    if (!e->t->has_unused || e->t->tokens[id].type != SUAN_TOKEN_UNUSED) return SUAN_OK;
    bpe_long *w = long_state(e);
    unused_merge m = {id, n_left};
    if (!w) return no_memory(e);
    size_t n = w->unused.n / sizeof m;
    for (size_t i = 0; i < n; i++) { /* one entry a token; there are few of these tokens */
        unused_merge *old = (unused_merge *)(void *)w->unused.data + i;
        if (old->id == id) {
            old->n_left = n_left;
            return SUAN_OK;
        }
    }
    return suan__buf_append(&w->unused, &m, sizeof m) ? SUAN_OK : no_memory(e);
}

static suan_status emit_symbol(suan__encoder *e, const char *s, uint32_t begin, uint32_t end, int32_t id);

static suan_status emit_unused(suan__encoder *e, const char *s, uint32_t begin, uint32_t end, int32_t id) {
    suan__piece stack[64]; /* right parts wait for their left parts; deeper nesting is given out as it is */
    int top = 0;
    stack[top++] = (suan__piece){begin, end};
    while (top > 0) {
        suan__piece p = stack[--top];
        id = suan__vocab_find(e->t, s + p.begin, p.end - p.begin);
        uint32_t n_left = 0;
        bpe_long *w = e->bpe;
        for (size_t i = 0; id >= 0 && e->t->tokens[id].type == SUAN_TOKEN_UNUSED && w && i < w->unused.n / sizeof(unused_merge); i++) {
            unused_merge *m = (unused_merge *)(void *)w->unused.data + i;
            if (m->id == id) n_left = m->n_left;
        }
        if (n_left == 0 || n_left >= p.end - p.begin || top + 2 > 64) {
            if (id >= 0)
                SUAN_TRY(suan__emit(e, id));
            else
                SUAN_TRY(suan__emit_unknown(e, s + p.begin, p.end - p.begin));
            continue;
        }
        stack[top++] = (suan__piece){p.begin + n_left, p.end};
        stack[top++] = (suan__piece){p.begin, p.begin + n_left};
    }
    return SUAN_OK;
}

static suan_status emit_symbol(suan__encoder *e, const char *s, uint32_t begin, uint32_t end, int32_t id) {
    if (id < 0) return suan__emit_unknown(e, s + begin, end - begin);
    if (e->t->has_unused && e->t->tokens[id].type == SUAN_TOKEN_UNUSED) return emit_unused(e, s, begin, end, id);
    return suan__emit(e, id);
}

/* ---- Short pieces ---- */

/* Splits into symbols; returns how many, or SHORT + 1 when there are more than SHORT. sym[count].begin is n. */
static uint32_t split_short(const suan_tokenizer *t, const char *s, size_t n, symbol *sym) {
    uint32_t count = 0;
    for (size_t at = 0; at < n;) {
        if (count == SHORT) return SHORT + 1;
        sym[count].begin = (uint32_t)at;
        at += next_symbol(t, s, n, at, &sym[count].id);
        count++;
    }
    sym[count].begin = (uint32_t)n;
    return count;
}

static suan_status encode_short(suan__encoder *e, const char *s, symbol *sym, uint32_t n) {
    const suan_tokenizer *t = e->t;
    uint32_t rank[SHORT];
    int32_t pair_id[SHORT];
    for (uint32_t i = 0; i + 1 < n; i++) rank[i] = pair_rank(t, s, sym[i], sym[i + 1], sym[i + 2].begin, &pair_id[i]);
    while (n > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < n; i++) {
            if (rank[i] < rank[best]) best = i;
        }
        if (rank[best] == SUAN__NO_RANK) break;
        if (t->has_unused) SUAN_TRY(note_unused(e, pair_id[best], sym[best + 1].begin - sym[best].begin));
        sym[best].id = pair_id[best];
        n--;
        for (uint32_t i = best + 1; i <= n; i++) sym[i] = sym[i + 1];
        for (uint32_t i = best + 1; i + 1 < n; i++) {
            rank[i] = rank[i + 1];
            pair_id[i] = pair_id[i + 1];
        }
        if (best + 1 < n) rank[best] = pair_rank(t, s, sym[best], sym[best + 1], sym[best + 2].begin, &pair_id[best]);
        if (best > 0) rank[best - 1] = pair_rank(t, s, sym[best - 1], sym[best], sym[best + 1].begin, &pair_id[best - 1]);
    }
    for (uint32_t i = 0; i < n; i++) SUAN_TRY(emit_symbol(e, s, sym[i].begin, sym[i + 1].begin, sym[i].id));
    return SUAN_OK;
}

/* ---- Long pieces: a linked list of symbols; rank[i] and pair_id[i] belong to the pair that begins at symbol i ---- */

#define NONE UINT32_MAX

typedef struct bucket {
    uint32_t rank, head, tail; /* entries */
    uint32_t n, last;          /* last: position added last */
    bool unsorted;
} bucket;

typedef struct entry {
    uint32_t position, next;
} entry;

static bool reserve(bpe_long *w, uint32_t n) {
    if (n + 1 <= w->capacity) return true;
    uint32_t capacity = n + 1;
    uint32_t *p[6] = {w->next, w->prev, w->begin, w->rank, (uint32_t *)w->id, (uint32_t *)w->pair_id};
    bool ok = true;
    for (int i = 0; i < 6; i++) {
        suan__free(p[i]);
        p[i] = suan__malloc((size_t)capacity * sizeof(uint32_t));
        ok = ok && p[i];
    }
    w->next = p[0], w->prev = p[1], w->begin = p[2], w->rank = p[3], w->id = (int32_t *)p[4], w->pair_id = (int32_t *)p[5];
    w->capacity = ok ? capacity : 0;
    return ok;
}

void suan__bpe_fini(suan__encoder *e) {
    bpe_long *w = e->bpe;
    if (!w) return;
    suan__buf_fini(&w->unused);
    suan__free(w->next);
    suan__free(w->prev);
    suan__free(w->begin);
    suan__free(w->rank);
    suan__free(w->id);
    suan__free(w->pair_id);
    suan__buf_fini(&w->entries);
    suan__buf_fini(&w->buckets);
    suan__buf_fini(&w->heap);
    suan__buf_fini(&w->sorted);
    suan__free(w->map);
    suan__free(w);
    e->bpe = NULL;
}

/* Computes rank[i] for the pair that begins at symbol i. */
static void rank_pair(const suan_tokenizer *t, bpe_long *w, const char *s, uint32_t i, uint32_t n_bytes) {
    uint32_t j = w->next[i];
    if (j == NONE) {
        w->rank[i] = SUAN__NO_RANK;
        return;
    }
    uint32_t end = w->next[j] == NONE ? n_bytes : w->begin[w->next[j]];
    w->rank[i] = pair_rank(t, s, (symbol){w->begin[i], w->id[i]}, (symbol){w->begin[j], w->id[j]}, end, &w->pair_id[i]);
}

/* Joins symbol i with the one behind it. */
static suan_status join(suan__encoder *e, bpe_long *w, const char *s, uint32_t i, uint32_t n_bytes) {
    uint32_t j = w->next[i], k = w->next[j];
    if (e->t->has_unused) SUAN_TRY(note_unused(e, w->pair_id[i], w->begin[j] - w->begin[i]));
    w->id[i] = w->pair_id[i];
    w->next[i] = k;
    if (k != NONE) w->prev[k] = i;
    w->rank[j] = SUAN__NO_RANK;
    rank_pair(e->t, w, s, i, n_bytes);
    if (w->prev[i] != NONE) rank_pair(e->t, w, s, w->prev[i], n_bytes);
    return SUAN_OK;
}

/* A binary heap of 64-bit keys, smallest first, in a buffer. */
static void sift_down(uint64_t *h, size_t n, size_t i) {
    uint64_t x = h[i];
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= n) break;
        if (c + 1 < n && h[c + 1] < h[c]) c++;
        if (h[c] >= x) break;
        h[i] = h[c];
        i = c;
    }
    h[i] = x;
}

static bool heap_push(suan__buf *b, uint64_t x) {
    if (!suan__buf_append(b, &x, sizeof x)) return false;
    uint64_t *h = (uint64_t *)(void *)b->data;
    size_t i = b->n / sizeof x - 1;
    for (; i > 0 && h[(i - 1) / 2] > x; i = (i - 1) / 2) h[i] = h[(i - 1) / 2];
    h[i] = x;
    return true;
}

static uint64_t heap_pop(suan__buf *b) {
    uint64_t *h = (uint64_t *)(void *)b->data, top = h[0];
    size_t n = b->n / sizeof top - 1;
    h[0] = h[n];
    b->n -= sizeof top;
    if (n > 0) sift_down(h, n, 0);
    return top;
}

/* Right for any table of ranks: goes on from whatever the list holds. */
static suan_status merge_by_heap(suan__encoder *e, bpe_long *w, const char *s, uint32_t n_bytes) {
    suan__buf *heap = &w->entries;
    heap->n = 0;
    for (uint32_t i = 0; i != NONE; i = w->next[i]) {
        if (w->rank[i] == SUAN__NO_RANK) continue;
        uint64_t key = (uint64_t)w->rank[i] << 32 | i;
        if (!suan__buf_append(heap, &key, sizeof key)) return no_memory(e);
    }
    size_t n = heap->n / sizeof(uint64_t);
    for (size_t i = n / 2; i-- > 0;) sift_down((uint64_t *)(void *)heap->data, n, i);
    while (heap->n > 0) {
        uint64_t key = heap_pop(heap);
        uint32_t i = (uint32_t)key;
        if (w->rank[i] != (uint32_t)(key >> 32)) continue; /* the pair has changed since */
        SUAN_TRY(join(e, w, s, i, n_bytes));
        uint32_t p = w->prev[i];
        if (w->rank[i] != SUAN__NO_RANK && !heap_push(heap, (uint64_t)w->rank[i] << 32 | i)) return no_memory(e);
        if (p != NONE && w->rank[p] != SUAN__NO_RANK && !heap_push(heap, (uint64_t)w->rank[p] << 32 | p)) return no_memory(e);
    }
    return SUAN_OK;
}

static bool grow_map(bpe_long *w) {
    uint32_t size = w->map_size ? w->map_size * 2 : 256;
    uint32_t *map = suan__calloc(size, sizeof *map);
    if (!map) return false;
    const bucket *b = (const bucket *)(const void *)w->buckets.data;
    for (uint32_t k = 0; k < w->n_map; k++) {
        uint32_t i = b[k].rank * 2654435761u & (size - 1);
        while (map[i]) i = (i + 1) & (size - 1);
        map[i] = k + 1;
    }
    suan__free(w->map);
    w->map = map;
    w->map_size = size;
    return true;
}

/* Puts position i into the bucket of its rank, if it has one. */
static bool put(bpe_long *w, uint32_t i) {
    uint32_t rank = w->rank[i];
    if (rank == SUAN__NO_RANK) return true;
    if (w->n_map * 2 >= w->map_size && !grow_map(w)) return false;
    uint32_t m = rank * 2654435761u & (w->map_size - 1);
    while (w->map[m] && ((bucket *)(void *)w->buckets.data)[w->map[m] - 1].rank != rank) m = (m + 1) & (w->map_size - 1);
    if (!w->map[m]) {
        bucket fresh = {.rank = rank, .head = NONE, .tail = NONE};
        if (!suan__buf_append(&w->buckets, &fresh, sizeof fresh) || !heap_push(&w->heap, (uint64_t)rank << 32 | w->n_map)) return false;
        w->map[m] = ++w->n_map;
    }
    entry en = {i, NONE};
    uint32_t at = (uint32_t)(w->entries.n / sizeof en);
    if (!suan__buf_append(&w->entries, &en, sizeof en)) return false;
    bucket *b = (bucket *)(void *)w->buckets.data + (w->map[m] - 1);
    if (b->n > 0)
        ((entry *)(void *)w->entries.data)[b->tail].next = at;
    else
        b->head = at;
    if (b->n > 0 && b->last > i) b->unsorted = true;
    b->tail = at;
    b->last = i;
    b->n++;
    return true;
}

static int compare_positions(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Copies the bucket's positions in ascending order. */
static bool collect(bpe_long *w, const bucket *b) {
    w->sorted.n = 0;
    const entry *en = (const entry *)(const void *)w->entries.data;
    for (uint32_t i = b->head; i != NONE; i = en[i].next) {
        if (!suan__buf_append(&w->sorted, &en[i].position, sizeof(uint32_t))) return false;
    }
    if (b->unsorted) qsort(w->sorted.data, w->sorted.n / sizeof(uint32_t), sizeof(uint32_t), compare_positions);
    return true;
}

/* Empties the buckets in order of rank; *regular turns false when a new pair has no higher rank than its bucket. */
static suan_status merge_by_buckets(suan__encoder *e, bpe_long *w, const char *s, uint32_t n_bytes, bool *regular) {
    w->entries.n = w->buckets.n = w->heap.n = 0;
    w->n_map = 0;
    if (w->map) memset(w->map, 0, w->map_size * sizeof *w->map);
    for (uint32_t i = 0; i != NONE; i = w->next[i]) {
        if (!put(w, i)) return no_memory(e);
    }
    while (w->heap.n > 0) {
        uint64_t key = heap_pop(&w->heap);
        uint32_t rank = (uint32_t)(key >> 32);
        bucket b = ((bucket *)(void *)w->buckets.data)[(uint32_t)key];
        if (!collect(w, &b)) return no_memory(e);
        for (size_t k = 0, n = w->sorted.n / sizeof(uint32_t); k < n; k++) {
            uint32_t i = ((uint32_t *)(void *)w->sorted.data)[k];
            if (w->rank[i] != rank) continue;
            SUAN_TRY(join(e, w, s, i, n_bytes));
            uint32_t p = w->prev[i];
            if (w->rank[i] <= rank || (p != NONE && w->rank[p] <= rank)) {
                *regular = false;
                return SUAN_OK;
            }
            if ((p != NONE && !put(w, p)) || !put(w, i)) return no_memory(e);
        }
    }
    return SUAN_OK;
}

static suan_status encode_long(suan__encoder *e, const char *s, size_t n) {
    const suan_tokenizer *t = e->t;
    bpe_long *w = long_state(e);
    if (!w || !reserve(w, (uint32_t)n)) return no_memory(e);
    uint32_t count = 0;
    for (size_t at = 0; at < n; count++) {
        w->begin[count] = (uint32_t)at;
        at += next_symbol(t, s, n, at, &w->id[count]);
        w->prev[count] = count ? count - 1 : NONE;
        w->next[count] = count + 1;
    }
    w->next[count - 1] = NONE;
    for (uint32_t i = 0; i != NONE; i = w->next[i]) rank_pair(t, w, s, i, (uint32_t)n);
    bool regular = true;
    SUAN_TRY(merge_by_buckets(e, w, s, (uint32_t)n, &regular));
    if (!regular) SUAN_TRY(merge_by_heap(e, w, s, (uint32_t)n));
    for (uint32_t i = 0; i != NONE; i = w->next[i]) {
        uint32_t end = w->next[i] == NONE ? (uint32_t)n : w->begin[w->next[i]];
        SUAN_TRY(emit_symbol(e, s, w->begin[i], end, w->id[i]));
    }
    return SUAN_OK;
}

/* ---- One piece ---- */

static suan_status encode_merging(suan__encoder *e, const char *s, size_t n) {
    symbol sym[SHORT + 2];
    uint32_t count = split_short(e->t, s, n, sym);
    if (count <= SHORT) return encode_short(e, s, sym, count);
    return encode_long(e, s, n);
}

suan_status suan__bpe_encode(suan__encoder *e, const char *s, size_t n) {
    const suan_tokenizer *t = e->t;
    int32_t id = n <= t->max_bytes ? suan__vocab_find(t, s, n) : -1;
    if (id < 0 || t->tokens[id].type != SUAN_TOKEN_NORMAL) return encode_merging(e, s, n);
    if (t->ignore_merges) return suan__emit(e, id);
    /* Nearly every token is what its own bytes merge to: that is found out once and remembered. All threads find the same. */
    uint8_t known = __atomic_load_n(&t->whole[id], __ATOMIC_RELAXED);
    if (known == 1) return suan__emit(e, id);
    if (known == 2) return encode_merging(e, s, n);
    size_t before = e->ids->n;
    SUAN_TRY(encode_merging(e, s, n));
    bool itself = e->ids->n == before + 1 && e->ids->v[before] == id;
    __atomic_store_n(&t->whole[id], itself ? 1 : 2, __ATOMIC_RELAXED);
    return SUAN_OK;
}
