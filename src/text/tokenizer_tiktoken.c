/* tokenizer_tiktoken.c: a tokenizer from a tiktoken file, as Kimi's models ship it: lines "base64 rank".
 *
 * The rank is the id, and two symbols merge when their bytes together are a token, the lowest rank first. The pre-tokenizer is Kimi's (the
 * file does not name one). Special tokens come from tokenizer_config.json (added_tokens_decoder); the ids that it leaves out behind the
 * ranks are reserved ones.
 */
#include <string.h>

#include "text/tokenizer_internal.h"

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t suan__base64_decode(const char *s, size_t n, char *out) {
    size_t k = 0, pad = 0;
    if (n == 0 || n % 4 != 0) return SIZE_MAX;
    while (pad < 2 && s[n - 1 - pad] == '=') pad++;
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        int v = i >= n - pad ? 0 : base64_value(s[i]);
        if (v < 0) return SIZE_MAX;
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 != 3) continue;
        size_t keep = i + 1 == n ? 3 - pad : 3;
        for (size_t j = 0; j < keep; j++) out[k++] = (char)(bits >> (16 - 8 * j));
    }
    return k;
}

static suan_status read_line(suan_tokenizer *t, const char *line, size_t n, uint32_t number, char **pool, suan_error *err) {
    const char *space = memchr(line, ' ', n);
    size_t n_text = space ? (size_t)(space - line) : 0, n_rank = space ? n - n_text - 1 : 0;
    uint64_t rank = 0;
    bool ok = space && n_rank > 0 && n_rank <= 9 && n_text <= SUAN__MAX_TOKEN_BYTES;
    for (size_t i = 0; ok && i < n_rank; i++) {
        char c = space[1 + i];
        ok = c >= '0' && c <= '9';
        rank = rank * 10 + (uint64_t)(c - '0');
    }
    size_t k = ok ? suan__base64_decode(line, n_text, *pool) : SIZE_MAX;
    SUAN_CHECK(k != SIZE_MAX && k > 0, SUAN_EFORMAT, "%s: line %u: expected base64, a space and a rank", t->path, number + 1);
    SUAN_CHECK(rank < t->n_vocab, SUAN_EFORMAT, "%s: line %u: rank %llu in a file of %u tokens", t->path, number + 1,
               (unsigned long long)rank, t->n_vocab);
    suan__token *token = &t->tokens[rank];
    SUAN_CHECK(!token->text, SUAN_EFORMAT, "%s: line %u: rank %llu comes twice", t->path, number + 1, (unsigned long long)rank);
    *token = (suan__token){.text = *pool, .bytes = *pool, .n_text = (uint32_t)k, .n_bytes = (uint32_t)k, .type = SUAN_TOKEN_NORMAL};
    *pool += k;
    return SUAN_OK;
}

static suan_status load(suan_tokenizer *t, const char *data, size_t n, const json_t *added, suan_error *err) {
    uint32_t n_lines = 0;
    for (size_t at = 0; at < n; n_lines++) {
        const char *end = memchr(data + at, '\n', n - at);
        at = end ? (size_t)(end - data) + 1 : n;
        SUAN_CHECK(n_lines < SUAN__MAX_VOCAB, SUAN_ELIMIT, "%s: more than %u lines", t->path, SUAN__MAX_VOCAB);
    }
    /* Added ids follow the ranks; a file may leave holes, but not more than a vocabulary's worth. */
    uint32_t n_all = n_lines;
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)added, key, v) {
        uint64_t id = 0;
        size_t k = 0;
        while (key[k] >= '0' && key[k] <= '9' && k < 9) id = id * 10 + (uint64_t)(key[k++] - '0');
        SUAN_CHECK(k > 0 && !key[k] && id >= n_lines && id < n_lines + 65536ull, SUAN_EFORMAT,
                   "%s: added_tokens_decoder: id \"%.20s\", expected %u or a little more", t->path, key, n_lines);
        if (id >= n_all) n_all = (uint32_t)id + 1;
    }
    SUAN_CHECK(n_lines > 0, SUAN_EFORMAT, "%s: no tokens", t->path);
    SUAN_TRY(suan__vocab_alloc(t, n_all, err));
    char *pool = suan__arena_alloc(&t->arena, n + 4, 1);
    t->added = SUAN_ARENA_NEW(&t->arena, suan__added, json_object_size(added) + 1);
    SUAN_CHECK(pool && t->added, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
    uint32_t number = 0;
    t->n_vocab = n_lines; /* ranks must lie among the lines */
    for (size_t at = 0; at < n; number++) {
        const char *end = memchr(data + at, '\n', n - at);
        size_t length = end ? (size_t)(end - data) - at : n - at;
        SUAN_TRY(read_line(t, data + at, length, number, &pool, err));
        at += length + (end != NULL);
    }
    t->n_vocab = n_all;
    json_object_foreach((json_t *)(uintptr_t)added, key, v) {
        uint32_t id = 0;
        for (size_t k = 0; key[k]; k++) id = id * 10 + (uint32_t)(key[k] - '0');
        const json_t *content = json_object_get(v, "content"), *special = json_object_get(v, "special");
        SUAN_CHECK(json_is_string(content) && json_string_length(content) > 0, SUAN_EFORMAT,
                   "%s: added_tokens_decoder.%s.content: expected a string", t->path, key);
        SUAN_CHECK(json_string_length(content) <= SUAN__MAX_ADDED_BYTES, SUAN_ELIMIT, "%s: added token %u is too long", t->path, id);
        suan__token *token = &t->tokens[id];
        token->text = suan__arena_strndup(&t->arena, json_string_value(content), json_string_length(content));
        SUAN_CHECK(token->text, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
        token->n_text = (uint32_t)json_string_length(content);
        token->added = 1;
        token->type = json_is_true(special) ? SUAN_TOKEN_CONTROL : SUAN_TOKEN_USER_DEFINED;
        t->added[t->n_added++] =
            (suan__added){.id = (int32_t)id, .text = token->text, .n = token->n_text, .special = json_is_true(special)};
    }
    t->model = SUAN__MODEL_RANKS;
    t->byte_level = t->ignore_merges = true;
    SUAN_TRY(suan__vocab_finish(t, err));
    t->rank = SUAN_ARENA_NEW(&t->arena, uint32_t, t->n_vocab);
    t->pretok = SUAN_ARENA_NEW(&t->arena, suan__pretok_step, 1);
    SUAN_CHECK(t->rank && t->pretok, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
    for (uint32_t i = 0; i < t->n_vocab; i++) t->rank[i] = i;
    suan__regex *re;
    SUAN_TRY(suan__regex_compile(&re, &t->arena, suan__pretok_kimi_k2, strlen(suan__pretok_kimi_k2), err));
    t->pretok[0] = (suan__pretok_step){.type = SUAN__PRETOK_SPLIT, .regex = re};
    t->n_pretok = 1;
    return suan__added_finish(t, err);
}

suan_status suan__tokenizer_load_tiktoken(suan_tokenizer **t, const char *data, size_t n, const char *name, const json_t *added,
                                          suan_error *err) {
    *t = NULL;
    suan_tokenizer *p = suan__tokenizer_new(name);
    if (!p) return suan__fail(err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", name);
    suan_status status = load(p, data, n, added, err);
    if (status != SUAN_OK) suan_tokenizer_close(&p);
    *t = p;
    return status;
}

suan_status suan__tokenizer_from_tiktoken(suan_tokenizer **t, const char *data, size_t n, const char *name, suan_error *err) {
    suan_status status = suan__tokenizer_load_tiktoken(t, data, n, name, NULL, err);
    if (status == SUAN_OK) status = suan__roles_finish(*t, NULL, err);
    if (status != SUAN_OK) suan_tokenizer_close(t);
    return status;
}
