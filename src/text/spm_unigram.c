/* spm_unigram.c: the unigram model: the segmentation of the largest total score, by dynamic programming over byte positions.
 *
 * Ties go to the segmentation found first, as in SentencePiece's optimised encoder (unigram_model.cc, EncodeOptimized): positions from left
 * to right, shorter pieces first. Scores add up in binary32 as there, or in binary64 as in HF tokenizers where the file is theirs (scores64).
 */
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

typedef struct best_end {
    double score;  /* a binary32 value unless the vocabulary has scores64 */
    int32_t id;    /* -1: an unknown character */
    uint32_t from; /* where the last piece begins; UINT32_MAX: not reached */
} best_end;

static void offer(best_end *b, double score, int32_t id, uint32_t from) {
    if (b->from != UINT32_MAX && !(score > b->score)) return;
    *b = (best_end){score, id, from};
}

/* Offers every piece that begins at `at`; unknown characters cost 10 more than the worst piece. */
static void extend(const suan_tokenizer *t, const char *s, const uint8_t *trust, size_t n, uint32_t at, size_t n_char, best_end *best) {
    double here = best[at].score;
    const double *wide = t->scores64;
    bool single = false, trusted = true;
    uint32_t node = 0;
    for (size_t i = at; i < n; i++) {
        node = suan__trie_step(&t->pieces, node, (uint8_t)s[i]);
        if (!node) break;
        trusted = trusted && (!trust || trust[i]);
        int32_t id = t->pieces.value[node];
        if (id < 0 || t->tokens[id].type == SUAN_TOKEN_UNUSED) continue;
        bool user = t->tokens[id].type == SUAN_TOKEN_USER_DEFINED;
        if (user && !trusted) continue;
        size_t length = i + 1 - at;
        /* A user-defined piece always wins: its score is that of as many of the best pieces as it has bytes. */
        float narrow = user ? (float)((double)((float)length * t->max_score) - 0.1) : t->tokens[id].score;
        offer(&best[i + 1], wide ? wide[id] + here : (double)(narrow + (float)here), id, at);
        if (length == n_char) single = true;
    }
    if (single) return;
    offer(&best[at + n_char], wide ? t->min_score64 - 10.0 + here : (double)(t->min_score - 10.0f + (float)here), -1, at);
}

static suan_status emit_path(suan__encoder *e, const char *s, best_end *best, uint32_t n) {
    /* Turn the links around: best[i].from of a piece's start becomes its end. */
    uint32_t end = n, next = n;
    while (end > 0) {
        uint32_t from = best[end].from;
        best[end].from = next;
        next = end;
        end = from;
    }
    for (uint32_t at = 0; at < n;) {
        uint32_t to = next;
        SUAN_TRY(best[to].id >= 0 ? suan__emit(e, best[to].id) : suan__emit_unknown(e, s + at, to - at));
        next = best[to].from;
        at = to;
    }
    return SUAN_OK;
}

suan_status suan__unigram_encode(suan__encoder *e, const char *s, const uint8_t *trust, size_t n) {
    const suan_tokenizer *t = e->t;
    if (n == 0) return SUAN_OK;
    if (n + 1 > e->n_best) {
        suan__free(e->best);
        e->n_best = 0;
        e->best = suan__calloc(n + 1, sizeof(best_end));
        if (!e->best) return suan__fail(e->err, SUAN_ENOMEM, "out of memory while encoding text");
        e->n_best = n + 1;
    }
    best_end *best = e->best;
    for (size_t i = 0; i <= n; i++) best[i] = (best_end){0, -1, UINT32_MAX};
    for (size_t at = 0, k; at < n; at += k) {
        uint32_t cp;
        k = suan__utf8_decode(s + at, n - at, &cp);
        if (k == 0) k = 1;
        extend(t, s, trust, n, (uint32_t)at, k, best);
    }
    return emit_path(e, s, best, (uint32_t)n);
}
