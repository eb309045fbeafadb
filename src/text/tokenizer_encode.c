/* tokenizer_encode.c: a text becomes ids: added tokens are cut out, what lies between goes through normaliser, pre-tokenizer and model. */
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

void suan__ids_fini(suan__ids *ids) {
    suan__free(ids->v);
    *ids = (suan__ids){0};
}

suan_status suan__emit(suan__encoder *e, int32_t id) {
    suan__ids *ids = e->ids;
    if (ids->n == ids->capacity) {
        SUAN_TRY(ids->n < INT32_MAX ? SUAN_OK : suan__fail(e->err, SUAN_ELIMIT, "text gives more than %d tokens", INT32_MAX));
        size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
        int32_t *v = suan__realloc(ids->v, capacity, sizeof *v);
        if (!v) return suan__fail(e->err, SUAN_ENOMEM, "out of memory for %zu tokens", capacity);
        ids->v = v;
        ids->capacity = capacity;
    }
    ids->v[ids->n++] = id;
    e->last_unk = false;
    return SUAN_OK;
}

suan_status suan__emit_unknown(suan__encoder *e, const char *s, size_t n) {
    const suan_tokenizer *t = e->t;
    bool bytes = t->byte_fallback;
    for (size_t i = 0; i < n && bytes; i++) bytes = t->byte_id[(uint8_t)s[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < n; i++) SUAN_TRY(suan__emit(e, t->byte_id[(uint8_t)s[i]]));
        return SUAN_OK;
    }
    int32_t unk = t->role[SUAN_ROLE_UNK];
    if (unk < 0) {
        return suan__fail(e->err, SUAN_EFORMAT, "%s: the vocabulary has neither a token for byte 0x%02X nor an unknown token", t->path,
                          (uint8_t)s[0]);
    }
    if (t->fuse_unk && e->last_unk) return SUAN_OK;
    SUAN_TRY(suan__emit(e, unk));
    e->last_unk = true;
    return SUAN_OK;
}

/* Merges never cross a U+2581 that follows another character (space_cuts): words are short pieces of their own. */
static suan_status encode_words(suan__encoder *e, const char *s, size_t n) {
    if (!e->t->space_cuts) return n ? suan__bpe_encode(e, s, n) : SUAN_OK;
    for (size_t begin = 0; begin < n;) {
        size_t end = begin + 1;
        for (; end < n; end++) {
            const char *hit = memchr(s + end, '\xE2', n - end);
            end = hit ? (size_t)(hit - s) : n;
            if (end + 2 >= n) {
                end = n;
                break;
            }
            if (memcmp(s + end, "\xE2\x96\x81", 3) == 0 && (end - begin < 3 || memcmp(s + end - 3, "\xE2\x96\x81", 3) != 0)) break;
        }
        SUAN_TRY(suan__bpe_encode(e, s + begin, end - begin));
        begin = end;
    }
    return SUAN_OK;
}

/* SentencePiece BPE: user-defined pieces are symbols that never merge. */
static suan_status encode_around_pieces(suan__encoder *e, const char *s, const uint8_t *trust, size_t n) {
    const suan__trie *trie = &e->t->user_defined;
    size_t last = 0;
    for (size_t at = 0; at < n;) {
        uint32_t node = 0;
        size_t length = 0;
        int32_t id = -1;
        for (size_t i = at; i < n && (!trust || trust[i]); i++) {
            node = suan__trie_step(trie, node, (uint8_t)s[i]);
            if (!node) break;
            if (trie->value[node] >= 0) id = trie->value[node], length = i + 1 - at;
        }
        if (id < 0) {
            at++;
            continue;
        }
        SUAN_TRY(encode_words(e, s + last, at - last));
        SUAN_TRY(suan__emit(e, id));
        last = at += length;
    }
    return encode_words(e, s + last, n - last);
}

static suan_status encode_piece(suan__encoder *e, const char *s, const uint8_t *trust, size_t n) {
    e->last_unk = false;
    if (n == 0) return SUAN_OK;
    if (e->t->model == SUAN__MODEL_UNIGRAM) return suan__unigram_encode(e, s, trust, n);
    if (e->t->user_defined.edge) return encode_around_pieces(e, s, trust, n);
    return encode_words(e, s, n);
}

static suan_status encode_normalized(suan__encoder *e, const char *s, const uint8_t *trust, size_t n, bool first) {
    const suan_tokenizer *t = e->t;
    if (t->n_pretok == 0) return encode_piece(e, s, trust, n);
    SUAN_TRY(suan__pretok_apply(t->pretok, t->n_pretok, s, n, first, &e->pieces, e->err));
    for (size_t i = 0; i < e->pieces.n; i++) {
        suan__piece p = e->pieces.v[i];
        /* Steps that rewrite the text lose track of trust; no tokenizer has both them and user-defined pieces inside the model. */
        SUAN_TRY(encode_piece(e, e->pieces.text + p.begin, NULL, p.end - p.begin));
    }
    return SUAN_OK;
}

/* Widens [*begin, *end) by the white space that lstrip and rstrip take in. */
static void take_space(const suan__added *a, const char *s, size_t n, size_t last, size_t *begin, size_t *end) {
    uint32_t cp;
    size_t k;
    while (a->lstrip && *begin > last) {
        size_t back = 1;
        while (back < 4 && back < *begin - last && ((uint8_t)s[*begin - back] & 0xC0) == 0x80) back++;
        if (suan__utf8_decode(s + *begin - back, back, &cp) != back || !suan__unicode_is_space(cp)) break;
        *begin -= back;
    }
    while (a->rstrip && *end < n && (k = suan__utf8_decode(s + *end, n - *end, &cp)) > 0 && suan__unicode_is_space(cp)) *end += k;
}

typedef suan_status gap_fn(suan__encoder *e, const char *s, const uint8_t *trust, size_t n, bool first);

/* Cuts the tokens of a trie out of a text and hands the gaps on. */
static suan_status cut_added(suan__encoder *e, const suan__trie *trie, const char *s, const uint8_t *trust, size_t n, bool first,
                             gap_fn *gap) {
    size_t last = 0;
    for (size_t at = 0; trie->edge && at < n;) {
        size_t length;
        const suan__added *a = NULL;
        if (trie->root_to[(uint8_t)s[at]]) a = suan__added_at(e, trie, s, trust, n, at, &length);
        if (!a) {
            at++;
            continue;
        }
        size_t begin = at, end = at + length;
        take_space(a, s, n, last, &begin, &end);
        if (begin > last) SUAN_TRY(gap(e, s + last, trust ? trust + last : NULL, begin - last, first && last == 0));
        SUAN_TRY(suan__emit(e, a->id));
        last = at = end;
    }
    if (last == n) return SUAN_OK;
    return gap(e, s + last, trust ? trust + last : NULL, n - last, first && last == 0);
}

static suan_status encode_gap(suan__encoder *e, const char *s, const uint8_t *trust, size_t n, bool first) {
    if (e->t->n_normalizers > 0) {
        SUAN_TRY(suan__normalize(e, s, trust, n));
        const suan__text *out = &e->norm[e->i_norm];
        s = out->bytes.n ? out->bytes.data : "";
        n = out->bytes.n;
        if (trust) trust = (const uint8_t *)(out->trust.n ? out->trust.data : "");
    }
    return cut_added(e, &e->t->added_normalized, s, trust, n, first, encode_normalized);
}

static suan_status make_trust(uint8_t **trust, size_t n, const suan_text_span *spans, size_t n_spans, suan_error *err) {
    *trust = suan__calloc(n + 1, 1);
    SUAN_CHECK(*trust, SUAN_ENOMEM, "out of memory while encoding text");
    size_t last = 0;
    for (size_t i = 0; i < n_spans; i++) {
        SUAN_CHECK(spans[i].begin >= last && spans[i].begin <= spans[i].end && spans[i].end <= n, SUAN_EINVAL,
                   "span %zu is [%zu, %zu): expected ascending spans inside a text of %zu bytes", i, spans[i].begin, spans[i].end, n);
        last = spans[i].end;
        if (spans[i].trusted) memset(*trust + spans[i].begin, 1, last - spans[i].begin);
    }
    return SUAN_OK;
}

static suan_status encode_all(suan__encoder *e, const char *text, size_t n, unsigned flags) {
    const suan_tokenizer *t = e->t;
    bool wrap = (flags & SUAN_TOKENIZE_ADD_SPECIAL) != 0;
    for (size_t i = 0; wrap && i < t->n_prefix; i++) SUAN_TRY(suan__emit(e, t->prefix[i]));
    SUAN_TRY(cut_added(e, &t->added_raw, text, e->trust, n, true, encode_gap));
    for (size_t i = 0; wrap && i < t->n_suffix; i++) SUAN_TRY(suan__emit(e, t->suffix[i]));
    return SUAN_OK;
}

suan_status suan__tokenizer_encode(const suan_tokenizer *t, const char *text, size_t n, const suan_text_span *spans, size_t n_spans,
                                   unsigned flags, suan__ids *ids, suan_error *err) {
    SUAN_CHECK(n <= SUAN_TOKENIZE_MAX_BYTES, SUAN_ELIMIT, "text of %zu bytes, expected at most %zu", n, SUAN_TOKENIZE_MAX_BYTES);
    SUAN_CHECK((flags & ~(unsigned)(SUAN_TOKENIZE_ADD_SPECIAL | SUAN_TOKENIZE_PARSE_SPECIAL)) == 0, SUAN_EINVAL,
               "unknown tokenize flags 0x%x", flags);
    uint8_t *trust = NULL;
    suan__encoder e = {.t = t, .ids = ids, .err = err, .parse_special = spans || (flags & SUAN_TOKENIZE_PARSE_SPECIAL)};
    suan_status status = spans ? make_trust(&trust, n, spans, n_spans, err) : SUAN_OK;
    e.trust = trust;
    if (status == SUAN_OK) status = encode_all(&e, text ? text : "", n, flags);
    for (int i = 0; i < 2; i++) {
        suan__buf_fini(&e.norm[i].bytes);
        suan__buf_fini(&e.norm[i].trust);
    }
    suan__pieces_fini(&e.pieces);
    suan__bpe_fini(&e);
    suan__free(e.best);
    suan__free(trust);
    return status;
}

/* The public forms: into the caller's array, or only counted. */
static suan_status encode_into(const suan_tokenizer *t, const char *text, size_t n, const suan_text_span *spans, size_t n_spans,
                               unsigned flags, int32_t *out, size_t capacity, size_t *n_ids, suan_error *err) {
    suan__ids ids = {0};
    if (n_ids) *n_ids = 0;
    SUAN_CHECK(t && n_ids && (text || n == 0) && (out || capacity == 0), SUAN_EINVAL, "encode: NULL where a pointer is needed");
    suan_status status = suan__tokenizer_encode(t, text, n, spans, n_spans, flags, &ids, err);
    if (status == SUAN_OK) {
        *n_ids = ids.n;
        if (out && ids.n > capacity) {
            status = suan__fail(err, SUAN_ERANGE, "text gives %zu tokens, there is room for %zu", ids.n, capacity);
        } else if (out && ids.n > 0) {
            memcpy(out, ids.v, ids.n * sizeof *out);
        }
    }
    suan__ids_fini(&ids);
    return status;
}

suan_status suan_tokenizer_encode(const suan_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t *ids, size_t capacity,
                                  size_t *n_ids, suan_error *err) {
    return encode_into(t, text, n, NULL, 0, flags, ids, capacity, n_ids, err);
}

suan_status suan_tokenizer_encode_spans(const suan_tokenizer *t, const char *text, size_t n, const suan_text_span *spans, size_t n_spans,
                                        unsigned flags, int32_t *ids, size_t capacity, size_t *n_ids, suan_error *err) {
    static const suan_text_span none = {0, 0, false};
    return encode_into(t, text, n, spans && n_spans ? spans : &none, n_spans, flags & ~(unsigned)SUAN_TOKENIZE_PARSE_SPECIAL, ids, capacity,
                       n_ids, err);
}
