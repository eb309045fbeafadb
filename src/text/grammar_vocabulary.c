/* grammar_vocabulary.c: a tokenizer's tokens in the order in which masks look at them: a trie of their bytes, written depth first. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/grammar_internal.h"

/* Marks of ASCII: 33 .. 47, 58 .. 64, 91 .. 96, 123 .. 126 in this order. */
unsigned suan__vocab_group(unsigned char c) {
    if (c == '\t') return GROUP_TAB;
    if (c == '\n') return GROUP_NEWLINE;
    if (c == '\r') return GROUP_RETURN;
    if (c < ' ' || c == 127) return GROUP_CONTROL;
    if (c == ' ') return GROUP_SPACE;
    if (c < '0') return c - 33u;
    if (c <= '9') return GROUP_DIGIT;
    if (c < 'A') return 15u + c - 58u;
    if (c <= 'Z') return GROUP_UPPER;
    if (c < 'a') return 22u + c - 91u;
    return c <= 'z' ? (unsigned)GROUP_LOWER : 28u + c - 123u;
}

typedef struct token_bytes {
    const char *s;
    uint32_t n;
    int32_t id;
} token_bytes;

static int compare_tokens(const void *a, const void *b) {
    const token_bytes *x = a, *y = b;
    uint32_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->s, y->s, n);
    if (order) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void mix(uint64_t f[2], uint64_t x) {
    f[0] = (f[0] ^ x) * 0x9E3779B97F4A7C15u;
    f[0] ^= f[0] >> 29;
    f[1] = (f[1] + x) * 0xC2B2AE3D27D4EB4Fu;
    f[1] ^= f[1] >> 31;
}

/* Sorts out what each token is; returns how many are text. */
static uint32_t classify(suan_vocabulary *v, token_bytes *text) {
    uint32_t n = 0;
    for (uint32_t id = 0; id < v->n_vocab; id++) {
        size_t n_bytes;
        const char *s = suan_tokenizer_token_bytes(v->tokenizer, (int32_t)id, &n_bytes);
        suan_token_type type = suan_tokenizer_token_type(v->tokenizer, (int32_t)id);
        bool is_text = type == SUAN_TOKEN_NORMAL || type == SUAN_TOKEN_BYTE || type == SUAN_TOKEN_USER_DEFINED;
        v->kind[id] = TOKEN_SPECIAL;
        if (suan_tokenizer_is_eog(v->tokenizer, (int32_t)id))
            v->kind[id] = TOKEN_END;
        else if (is_text && s && n_bytes > 0)
            v->kind[id] = TOKEN_TEXT;
        mix(v->fingerprint, (uint64_t)v->kind[id] << 40 | (uint64_t)type << 32 | n_bytes);
        for (size_t i = 0; i < n_bytes; i++) mix(v->fingerprint, (unsigned char)s[i]);
        if (v->kind[id] == TOKEN_TEXT)
            text[n++] = (token_bytes){s, (uint32_t)n_bytes, (int32_t)id};
        else
            v->special[v->n_special++] = (int32_t)id;
    }
    return n;
}

static uint32_t common(const token_bytes *a, const token_bytes *b) {
    uint32_t n = 0;
    while (n < a->n && n < b->n && a->s[n] == b->s[n]) n++;
    return n;
}

/* Nodes in the order of the sorted tokens. open[d]: the node of the present path at depth d. */
static void fill_trie(suan_vocabulary *v, const token_bytes *text, uint32_t *open) {
    uint32_t depth = 0, n = 1;
    v->node[0] = (suan__vocab_node){0};
    open[0] = 0;
    for (uint32_t i = 0; i < v->n_ids; i++) {
        uint32_t shared = i > 0 ? common(&text[i - 1], &text[i]) : 0;
        for (; depth > shared; depth--) v->node[open[depth]].skip = n;
        while (depth < text[i].n) {
            depth++;
            open[depth] = n;
            v->node[n++] = (suan__vocab_node){.token = i, .depth_byte = depth << 8 | (unsigned char)text[i].s[depth - 1]};
        }
        v->ids[i] = text[i].id;
    }
    for (uint32_t d = 0; d <= depth; d++) v->node[open[d]].skip = n;
    v->node[n] = (suan__vocab_node){.token = v->n_ids, .skip = n};
}

/* From each token's end to its beginning: which groups the rest of the token has and how many characters, for every place that is a node. */
static void fill_groups(suan_vocabulary *v, const token_bytes *text, uint32_t *open, uint64_t *rest, uint32_t *n_rest) {
    uint32_t n = 0;
    open[0] = 0;
    for (uint32_t i = 0; i < v->n_ids; i++) {
        for (uint32_t at = i > 0 ? common(&text[i - 1], &text[i]) : 0; at < text[i].n; at++) open[at + 1] = ++n;
        rest[text[i].n] = n_rest[text[i].n] = 0;
        for (uint32_t at = text[i].n; at-- > 0;) {
            uint32_t cp;
            size_t length = suan__utf8_decode(text[i].s + at, text[i].n - at, &cp);
            unsigned group = length == 0   ? GROUP_BROKEN
                             : length == 1 ? suan__vocab_group((unsigned char)text[i].s[at])
                                           : GROUP_TWO + (unsigned)length - 2;
            rest[at] = (uint64_t)1 << group | (length ? rest[at + length] : 0);
            n_rest[at] = 1 + n_rest[at + (length ? length : 1)];
        }
        for (uint32_t at = 0; at <= text[i].n; at++) {
            v->group[open[at]] |= rest[at];
            uint8_t n_more = n_rest[at] < 255 ? (uint8_t)n_rest[at] : 255;
            if (n_more > v->rest[open[at]]) v->rest[open[at]] = n_more;
        }
    }
}

static suan_status build(suan_vocabulary *v, token_bytes *text, suan_error *err) {
    uint64_t n_nodes = 1;
    v->n_ids = classify(v, text);
    qsort(text, v->n_ids, sizeof *text, compare_tokens);
    for (uint32_t i = 0; i < v->n_ids; i++) {
        n_nodes += text[i].n - (i > 0 ? common(&text[i - 1], &text[i]) : 0);
        if (text[i].n > v->max_depth) v->max_depth = text[i].n;
    }
    SUAN_CHECK(n_nodes < UINT32_MAX && v->max_depth < 1u << 24, SUAN_ELIMIT,
               "vocabulary: %llu different beginnings of tokens, too many for masks", (unsigned long long)n_nodes);
    v->n_nodes = (uint32_t)n_nodes;
    v->node = suan__calloc((size_t)n_nodes + 1, sizeof *v->node);
    v->group = suan__calloc((size_t)n_nodes, sizeof *v->group);
    v->rest = suan__calloc((size_t)n_nodes, 1);
    v->ids = suan__malloc((size_t)v->n_ids * sizeof *v->ids);
    uint32_t *open = suan__malloc(((size_t)v->max_depth + 1) * sizeof *open);
    uint64_t *rest = suan__malloc(((size_t)v->max_depth + 1) * sizeof *rest);
    uint32_t *n_rest = suan__malloc(((size_t)v->max_depth + 1) * sizeof *n_rest);
    bool ok = v->node && v->group && v->rest && v->ids && open && rest && n_rest;
    if (ok) {
        fill_trie(v, text, open);
        fill_groups(v, text, open, rest, n_rest);
    }
    suan__free(open);
    suan__free(rest);
    suan__free(n_rest);
    SUAN_CHECK(ok, SUAN_ENOMEM, "vocabulary: out of memory for %u tokens", v->n_vocab);
    return SUAN_OK;
}

suan_status suan_vocabulary_create(suan_vocabulary **v, const suan_tokenizer *t, suan_error *err) {
    *v = NULL;
    suan_vocabulary *made = suan__calloc(1, sizeof *made);
    uint32_t n_vocab = suan_tokenizer_n_vocab(t);
    token_bytes *text = suan__malloc(n_vocab * sizeof *text);
    suan_status status = SUAN_ENOMEM;
    if (made) {
        made->tokenizer = t;
        made->n_vocab = n_vocab;
        made->kind = suan__calloc(n_vocab, 1);
        made->special = suan__malloc(n_vocab * sizeof *made->special);
    }
    if (made && text && made->kind && made->special)
        status = build(made, text, err);
    else
        suan__fail(err, status, "vocabulary: out of memory for %u tokens", n_vocab);
    suan__free(text);
    if (status == SUAN_OK)
        *v = made;
    else
        suan_vocabulary_free(made);
    return status;
}

void suan_vocabulary_free(suan_vocabulary *v) {
    if (!v) return;
    suan__free(v->kind);
    suan__free(v->node);
    suan__free(v->group);
    suan__free(v->rest);
    suan__free(v->ids);
    suan__free(v->special);
    suan__free(v);
}
