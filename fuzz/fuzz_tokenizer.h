/* fuzz_tokenizer.h: using whatever tokenizer came out of hostile bytes: every public way through it. */
#ifndef FUZZ_TOKENIZER_H
#define FUZZ_TOKENIZER_H

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

static inline void fuzz_use_tokenizer(const suan_tokenizer *t) {
    static const char text[] =
        "Hello, w\xC3\xB6rld's  12345 <s></s><unk> \xEF\xBC\xA1\xE2\x96\x81\xE4\xB8\xAD a\xCC\x81 \xFF\xF0\x9F\x98\x80\n\n"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa <|im_end|>\t";
    static const suan_text_span spans[] = {{0, 20, true}, {20, 60, false}, {60, 90, true}};
    suan__ids ids = {0};
    size_t n, k;
    const char *piece;
    for (unsigned flags = 0; flags < 4; flags++) {
        ids.n = 0;
        if (suan__tokenizer_encode(t, text, sizeof text - 1, NULL, 0, flags, &ids, NULL) != SUAN_OK) continue;
        if (suan_tokenizer_decode(t, ids.v, ids.n, flags & 1, NULL, 0, &n, NULL) != SUAN_OK || n > 1 << 24) continue;
        char *out = malloc(n + 1);
        suan_detokenizer *d = NULL;
        size_t at = 0;
        if (out && suan_tokenizer_decode(t, ids.v, ids.n, flags & 1, out, n, &n, NULL) == SUAN_OK &&
            suan_detokenizer_open(&d, t, flags & 1, NULL) == SUAN_OK) {
            for (size_t i = 0; i < ids.n; i++) {
                if (suan_detokenizer_push(d, ids.v[i], &piece, &k, NULL) != SUAN_OK) abort();
                if (k > n - at || memcmp(piece, out + at, k) != 0) abort(); /* the stream is the whole */
                at += k;
            }
            suan_detokenizer_flush(d, true, &piece, &k);
            if (at + k != n) abort();
        }
        suan_detokenizer_close(&d);
        free(out);
    }
    ids.n = 0;
    if (suan__tokenizer_encode(t, text, sizeof text - 1, spans, 3, 0, &ids, NULL) == SUAN_OK) {
        for (size_t i = 0; i < ids.n; i++) {
            if (ids.v[i] < 0 || (uint32_t)ids.v[i] >= suan_tokenizer_n_vocab(t)) abort();
        }
    }
    suan__ids_fini(&ids);
}

#endif
