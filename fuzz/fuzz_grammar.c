/* fuzz_grammar.c: a grammar from strangers and an answer to it: a byte (bit 0: a regular expression, else GBNF; bit 1: states are forgotten all the
 * time), the source, a NUL, then a byte a token: the how-manieth of the allowed ones comes next, or (bit 7) that token whether it may or not.
 *
 * Promises beyond memory: a token is taken exactly if the mask has it; end tokens are allowed exactly where the text is complete; a mask
 * has a token, or says why it has none; forgetting changes nothing. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "text/grammar_internal.h"
#include "text/tokenizer.h"

enum { N_BYTES = 256, END = N_BYTES + 4, N_VOCAB = N_BYTES + 6, MAX_SOURCE = 2048, MAX_STEPS = 48 };

/* Every byte, three longer tokens, one added text, an end and a control token. */
static const suan_vocabulary *vocabulary(void) {
    static suan_vocabulary *v;
    suan__buf json = {0};
    suan_tokenizer *t;
    if (v) return v;
    suan__buf_printf(&json,
                     "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"merges\":[],\"vocab\":{\"aa\":256,\"ab\\\"\":257,\"1.\":258");
    for (int b = 0; b < N_BYTES; b++) suan__buf_printf(&json, ",\"<0x%02X>\":%d", b, b);
    suan__buf_printf(&json, "}},\"decoder\":{\"type\":\"ByteFallback\"},\"added_tokens\":[");
    static const char *const added[] = {"<tool>", "<|im_end|>", "<x>"};
    for (int i = 0; i < 3; i++)
        suan__buf_printf(&json, "%s{\"id\":%d,\"content\":\"%s\",\"special\":%s}", i ? "," : "", N_BYTES + 3 + i, added[i],
                         i ? "true" : "false");
    suan__buf_printf(&json, "]}");
    FUZZ_ASSERT(suan__tokenizer_from_json(&t, json.data, json.n, "fuzz", NULL) == SUAN_OK);
    FUZZ_ASSERT(suan_vocabulary_create(&v, t, NULL) == SUAN_OK && suan_tokenizer_n_vocab(t) == N_VOCAB);
    suan__buf_fini(&json);
    return v;
}

static bool has(const uint32_t *mask, int32_t id) {
    return mask[id / 32] >> (id % 32) & 1;
}

/* The token that a byte asks for among those of the mask, from `wish` on. */
static int32_t choose(const uint32_t *mask, uint8_t wish) {
    int32_t id = wish * 2 % N_VOCAB;
    for (int i = 0; i < N_VOCAB && !has(mask, id); i++) id = (id + 1) % N_VOCAB;
    return id;
}

static bool take(suan_matcher *m, bool forget, uint8_t wish) {
    uint32_t mask[(N_VOCAB + 31) / 32], again[(N_VOCAB + 31) / 32];
    suan_error err = {0};
    bool is_free;
    suan_status status = suan_matcher_mask(m, mask, &is_free, &err);
    if (status != SUAN_OK) {
        FUZZ_ASSERT((status == SUAN_ELIMIT || status == SUAN_EUNSUPPORTED) && err.message[0]);
        FUZZ_ASSERT(status == SUAN_ELIMIT || !suan_matcher_is_complete(m));
        return false;
    }
    FUZZ_ASSERT(has(mask, END) == suan_matcher_is_complete(m));
    FUZZ_ASSERT(!suan_matcher_is_over(m) || suan_matcher_is_complete(m));
    if (forget) {
        m->automaton->trim_at = 1;
        FUZZ_ASSERT(suan_matcher_mask(m, again, NULL, &err) == SUAN_OK && memcmp(mask, again, sizeof mask) == 0);
    }
    int32_t id = wish & 128 ? (wish & 127) * 2 : choose(mask, wish);
    FUZZ_ASSERT((suan_matcher_accept(m, id, &err) == SUAN_OK) == has(mask, id));
    return id != END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    suan_grammar *g;
    suan_matcher *m = NULL;
    suan_error err = {0};
    if (n < 2) return 0;
    const uint8_t *end = memchr(data + 1, 0, n - 1), *wish = end ? end + 1 : data + n;
    size_t n_source = (size_t)(end ? end - data - 1 : (ptrdiff_t)n - 1), n_wish = (size_t)(data + n - wish);
    if (n_source > MAX_SOURCE) return 0;
    char *source = malloc(n_source ? n_source : 1);
    if (!source) return 0;
    memcpy(source, data + 1, n_source);
    suan_status status = (data[0] & 1 ? suan_grammar_from_regex : suan_grammar_from_gbnf)(&g, source, n_source, &err);
    free(source);
    FUZZ_ASSERT((status == SUAN_OK) == (g != NULL));
    FUZZ_ASSERT(status == SUAN_OK || (err.status == status && err.message[0] && status != SUAN_EINTERNAL && status != SUAN_ENOMEM));
    if (g) {
        status = suan_matcher_create(&m, g, vocabulary(), &err);
        FUZZ_ASSERT(status == SUAN_OK || status == SUAN_ELIMIT || status == SUAN_ERANGE);
    }
    for (size_t i = 0; m && i < n_wish && i < MAX_STEPS && take(m, data[0] & 2, wish[i]);) i++;
    suan_matcher_free(m);
    suan_grammar_free(g);
    return 0;
}
