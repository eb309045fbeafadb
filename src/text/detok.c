/* detok.c: ids become text again, whole or one at a time. */
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

/* The bytes an id adds to the text; NULL with an error for an id outside the vocabulary. */
static const char *bytes_of(const suan_tokenizer *t, int32_t id, bool skip_special, size_t *n, suan_error *err) {
    *n = 0;
    if (id < 0 || (uint32_t)id >= t->n_vocab) {
        suan__fail(err, SUAN_ERANGE, "%s: token id %d, expected 0 to %u", t->path, id, t->n_vocab - 1);
        return NULL;
    }
    const suan__token *token = &t->tokens[id];
    bool special = token->type == SUAN_TOKEN_CONTROL || (token->type == SUAN_TOKEN_UNKNOWN && token->added);
    if (skip_special && special) return "";
    *n = token->n_decoded;
    return token->n_decoded ? token->decoded : "";
}

/* Drops leading characters of the whole text as the tokenizer's decoder does; *strip counts down. */
static void strip_start(const suan_tokenizer *t, uint32_t *strip, const char **s, size_t *n) {
    while (*strip > 0 && *n > 0) {
        if (**s != t->strip_char) {
            *strip = 0;
            return;
        }
        ++*s;
        --*n;
        if (*strip != UINT32_MAX) --*strip;
    }
}

suan_status suan_tokenizer_decode(const suan_tokenizer *t, const int32_t *ids, size_t n_ids, bool skip_special, char *out, size_t capacity,
                                  size_t *n, suan_error *err) {
    if (n) *n = 0;
    SUAN_CHECK(t && n && (ids || n_ids == 0) && (out || capacity == 0), SUAN_EINVAL, "decode: NULL where a pointer is needed");
    size_t total = 0;
    uint32_t strip = t->strip_left;
    for (size_t i = 0; i < n_ids; i++) {
        size_t k;
        const char *s = bytes_of(t, ids[i], skip_special, &k, err);
        if (!s) return SUAN_ERANGE;
        strip_start(t, &strip, &s, &k);
        if (out && k <= capacity && total <= capacity - k && k > 0) memcpy(out + total, s, k);
        total += k; /* n_ids * 2^16 bytes fit */
    }
    *n = total;
    SUAN_CHECK(!out || total <= capacity, SUAN_ERANGE, "tokens give %zu bytes, there is room for %zu", total, capacity);
    return SUAN_OK;
}

struct suan_detokenizer {
    const suan_tokenizer *t;
    bool skip_special;
    uint32_t strip;
    size_t n_wait; /* bytes of a character that is not complete, at the start of buffer */
    size_t n_out;  /* bytes handed out by the last call, in front of the waiting ones */
    char buffer[]; /* t->max_token_bytes + 8 */
};

suan_status suan_detokenizer_open(suan_detokenizer **d, const suan_tokenizer *t, bool skip_special, suan_error *err) {
    *d = NULL;
    SUAN_CHECK(t, SUAN_EINVAL, "detokenizer without a tokenizer");
    suan_detokenizer *p = suan__calloc(1, sizeof *p + t->max_token_bytes + 8);
    SUAN_CHECK(p, SUAN_ENOMEM, "out of memory for a detokenizer");
    p->t = t;
    p->skip_special = skip_special;
    p->strip = t->strip_left;
    *d = p;
    return SUAN_OK;
}

void suan_detokenizer_close(suan_detokenizer **d) {
    if (!d || !*d) return;
    suan__free(*d);
    *d = NULL;
}

/* Moves the waiting bytes to the start of the buffer. */
static void settle(suan_detokenizer *d) {
    memmove(d->buffer, d->buffer + d->n_out, d->n_wait);
    d->n_out = 0;
}

suan_status suan_detokenizer_push(suan_detokenizer *d, int32_t id, const char **text, size_t *n, suan_error *err) {
    *text = "";
    *n = 0;
    size_t k;
    const char *s = bytes_of(d->t, id, d->skip_special, &k, err);
    if (!s) return SUAN_ERANGE;
    settle(d);
    strip_start(d->t, &d->strip, &s, &k);
    if (k > 0) memcpy(d->buffer + d->n_wait, s, k);
    size_t total = d->n_wait + k;
    d->n_wait = suan__utf8_incomplete_tail(d->buffer, total);
    d->n_out = total - d->n_wait;
    *text = d->buffer;
    *n = d->n_out;
    return SUAN_OK;
}

void suan_detokenizer_flush(suan_detokenizer *d, bool raw, const char **text, size_t *n) {
    settle(d);
    if (d->n_wait > 0 && !raw) {
        memcpy(d->buffer, "\xEF\xBF\xBD", 3);
        d->n_wait = 3;
    }
    *text = d->buffer;
    *n = d->n_wait;
    suan_detokenizer_reset(d);
}

void suan_detokenizer_reset(suan_detokenizer *d) {
    d->n_wait = d->n_out = 0;
    d->strip = d->t->strip_left;
}
