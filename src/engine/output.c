/* output.c: from tokens to text that may be handed out. */
#include "engine/output.h"

#include <string.h>

#include "base/memory.h"

#define MAX_RESERVED (UINT64_C(1) << 30) /* bytes of a whole text */
#define MIN_RESERVED (UINT64_C(1) << 12)
#define FIRST_BYTES 256
#define SPARE_BYTES 8 /* a character that is cut short, its replacement, a NUL */

suan_status suan__output_init(suan__output *o, const suan_tokenizer *tokenizer, const char *const *stop, size_t n_stop, bool skip_special,
                              suan_error *err) {
    suan_status status = SUAN_OK;
    *o = (suan__output){.tokenizer = tokenizer, .capacity = FIRST_BYTES};
    SUAN_TRY_GOTO(suan__stop_init(&o->stop, stop, n_stop, err));
    if (tokenizer) SUAN_TRY_GOTO(suan_detokenizer_open(&o->detokenizer, tokenizer, skip_special, err));
    o->text = suan__malloc(o->capacity);
    SUAN_CHECK_GOTO(o->text, SUAN_ENOMEM, "out of memory for the text of an answer");
    return SUAN_OK;
fail:
    suan__output_fini(o);
    return status;
}

void suan__output_fini(suan__output *o) {
    suan_detokenizer_close(&o->detokenizer);
    suan__stop_fini(&o->stop);
    suan__free(o->text);
    *o = (suan__output){0};
}

static size_t longest_token(const suan_tokenizer *t) {
    size_t longest = 1;
    for (uint32_t id = 0; id < suan_tokenizer_n_vocab(t); id++) {
        size_t n;
        suan_tokenizer_token_bytes(t, (int32_t)id, &n);
        if (n > longest) longest = n;
    }
    return longest;
}

suan_status suan__output_reserve(suan__output *o, uint64_t max_tokens, suan_error *err) {
    uint64_t bytes = FIRST_BYTES;
    if (o->tokenizer) {
        uint64_t longest = longest_token(o->tokenizer);
        bytes += longest < UINT32_MAX ? max_tokens * longest : MAX_RESERVED;
    }
    if (bytes > MAX_RESERVED) bytes = MAX_RESERVED;
    char *text;
    while (!(text = suan__malloc((size_t)bytes)) && bytes > MIN_RESERVED) bytes /= 2;
    SUAN_CHECK(text, SUAN_ENOMEM, "out of memory for an answer of %llu tokens", (unsigned long long)max_tokens);
    suan__free(o->text);
    o->text = text;
    o->capacity = (size_t)bytes;
    o->is_whole = true;
    return SUAN_OK;
}

static suan_status make_room(suan__output *o, size_t n, suan_error *err) {
    if (!o->is_whole && o->n_taken > 0) {
        memmove(o->text, o->text + o->n_taken, o->n_text - o->n_taken);
        o->n_text -= o->n_taken;
        o->n_taken = 0;
    }
    if (n <= o->capacity - SPARE_BYTES - o->n_text) return SUAN_OK;
    size_t capacity = 2 * (o->n_text + n + SPARE_BYTES);
    char *text = suan__realloc(o->text, capacity, 1);
    SUAN_CHECK(text, SUAN_ENOMEM, "out of memory for an answer of %zu bytes", o->n_text + n);
    o->text = text;
    o->capacity = capacity;
    return SUAN_OK;
}

/* Appends until a stop string is whole; then cuts it off. */
static suan_status append(suan__output *o, const char *text, size_t n, suan_error *err) {
    SUAN_TRY(make_room(o, n, err));
    for (size_t i = 0; i < n && !o->found_stop; i++) {
        o->text[o->n_text++] = text[i];
        o->n_found = suan__stop_feed(&o->stop, text[i]);
        if (o->n_found == 0) continue;
        o->text[o->n_text] = 0;
        o->n_text -= o->n_found;
        o->found_stop = true;
    }
    return SUAN_OK;
}

suan_status suan__output_push(suan__output *o, int32_t id, suan_error *err) {
    const char *text;
    size_t n;
    if (o->found_stop || !o->tokenizer || (uint32_t)id >= suan_tokenizer_n_vocab(o->tokenizer)) return SUAN_OK;
    SUAN_TRY(suan_detokenizer_push(o->detokenizer, id, &text, &n, err));
    return append(o, text, n, err);
}

suan_status suan__output_flush(suan__output *o, suan_error *err) {
    const char *text;
    size_t n;
    if (o->found_stop || !o->tokenizer) return SUAN_OK;
    suan_detokenizer_flush(o->detokenizer, false, &text, &n);
    return append(o, text, n, err);
}

const char *suan__output_take(suan__output *o, bool is_end, size_t *n) {
    const char *text = o->text + o->n_taken;
    *n = o->n_text - o->n_taken - (is_end || o->found_stop ? 0 : suan__stop_held(&o->stop));
    o->n_taken += *n;
    return text;
}

const char *suan__output_found(const suan__output *o) {
    return o->found_stop ? o->text + o->n_text : NULL;
}
