/* tokenizer_added.c: finding added tokens in text, the longest at the leftmost place, and the trie they are kept in. */
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

/* ---- A trie whose edges lie in one hash table ---- */

static uint32_t edge_slot(const suan__trie *trie, uint32_t node, uint8_t byte) {
    uint64_t h = ((uint64_t)node << 8 | byte) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32) & trie->mask;
}

uint32_t suan__trie_step(const suan__trie *trie, uint32_t node, uint8_t byte) {
    if (node == 0) return trie->root_to[byte];
    for (uint32_t i = edge_slot(trie, node, byte); trie->edge[i].to; i = (i + 1) & trie->mask) {
        if (trie->edge[i].node == node && trie->edge[i].byte == byte) return trie->edge[i].to;
    }
    return 0;
}

static void put_edge(suan__trie *trie, suan__trie_edge edge) {
    uint32_t i = edge_slot(trie, edge.node, edge.byte);
    while (trie->edge[i].to) i = (i + 1) & trie->mask;
    trie->edge[i] = edge;
}

/* Makes room for one more node; tables are half full at most. */
static bool trie_grow(suan__trie *trie, suan__arena *arena) {
    if (trie->n_nodes < trie->capacity) return true;
    if (trie->capacity > UINT32_MAX / 4) return false;
    uint32_t capacity = trie->capacity ? trie->capacity * 2 : 128, old_mask = trie->mask;
    suan__trie_edge *edge = SUAN_ARENA_NEW(arena, suan__trie_edge, (size_t)capacity * 2), *old = trie->edge;
    int32_t *value = SUAN_ARENA_NEW(arena, int32_t, capacity);
    if (!edge || !value) return false;
    if (trie->n_nodes) memcpy(value, trie->value, trie->n_nodes * sizeof *value);
    trie->edge = edge;
    trie->mask = capacity * 2 - 1;
    trie->value = value;
    trie->capacity = capacity;
    for (uint32_t i = 0; old && i <= old_mask; i++) {
        if (old[i].to) put_edge(trie, old[i]);
    }
    if (trie->n_nodes == 0) {
        trie->value[0] = -1;
        trie->n_nodes = 1;
    }
    return true;
}

bool suan__trie_insert(suan__trie *trie, suan__arena *arena, const char *s, size_t n, int32_t value) {
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        if (!trie_grow(trie, arena)) return false;
        uint32_t to = suan__trie_step(trie, node, (uint8_t)s[i]);
        if (!to) {
            to = trie->n_nodes++;
            trie->value[to] = -1;
            if (node == 0)
                trie->root_to[(uint8_t)s[i]] = to;
            else
                put_edge(trie, (suan__trie_edge){node, to, (uint8_t)s[i]});
        }
        node = to;
    }
    if (n > 0 && trie->value[node] < 0) trie->value[node] = value; /* of equal strings the first counts */
    return true;
}

/* ---- Added tokens ---- */

/* The text by which an added token with the "normalized" flag is found: its own, normalised. */
static suan_status insert_normalized(suan_tokenizer *t, size_t i, suan_error *err) {
    suan__ids ids = {0};
    suan__encoder e = {.t = t, .ids = &ids, .err = err};
    suan__added *a = &t->added[i];
    suan_status status = suan__normalize(&e, a->text, NULL, a->n);
    suan__buf *b = &e.norm[e.i_norm].bytes;
    if (status == SUAN_OK && !suan__trie_insert(&t->added_normalized, &t->arena, b->data, b->n, (int32_t)i)) {
        status = suan__fail(err, SUAN_ENOMEM, "%s: out of memory for added tokens", t->path);
    }
    for (int k = 0; k < 2; k++) {
        suan__buf_fini(&e.norm[k].bytes);
        suan__buf_fini(&e.norm[k].trust);
    }
    return status;
}

suan_status suan__added_finish(suan_tokenizer *t, suan_error *err) {
    for (size_t i = 0; i < t->n_added; i++) {
        suan__added *a = &t->added[i];
        if (a->n == 0) continue;
        if (a->normalized && t->n_normalizers > 0) {
            SUAN_TRY(insert_normalized(t, i, err));
        } else {
            SUAN_CHECK(suan__trie_insert(&t->added_raw, &t->arena, a->text, a->n, (int32_t)i), SUAN_ENOMEM,
                       "%s: out of memory for added tokens", t->path);
        }
    }
    return SUAN_OK;
}

bool suan__stands_alone(const char *text, size_t n, size_t begin, size_t end) {
    uint32_t cp;
    size_t back = begin > 0;
    while (back > 0 && back < 4 && back < begin && ((uint8_t)text[begin - back] & 0xC0) == 0x80) back++;
    if (back > 0 && suan__utf8_decode(text + begin - back, back, &cp) == back && suan__unicode_is_word(cp)) return false;
    return !(suan__utf8_decode(text + end, n - end, &cp) > 0 && suan__unicode_is_word(cp));
}

/* The longest added token that begins at text[at] and may form there; NULL: none. */
const suan__added *suan__added_at(const suan__encoder *e, const suan__trie *trie, const char *text, const uint8_t *trust, size_t n,
                                  size_t at, size_t *length) {
    const suan__added *best = NULL;
    uint32_t node = 0;
    for (size_t i = at; i < n && (!trust || trust[i]); i++) {
        node = suan__trie_step(trie, node, (uint8_t)text[i]);
        if (!node) break;
        int32_t v = trie->value[node];
        if (v < 0) continue;
        const suan__added *a = &e->t->added[v];
        if (a->special && !e->parse_special) continue;
        if (a->single_word && !suan__stands_alone(text, n, at, i + 1)) continue;
        best = a;
        *length = i + 1 - at;
    }
    return best;
}
