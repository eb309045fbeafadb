/* tokenizer_gguf.c: a tokenizer from GGUF metadata (tokenizer.ggml.*).
 *
 * Models: "gpt2" is byte-level BPE with the pre-tokenizer that tokenizer.ggml.pre names, "llama" SentencePiece BPE, "t5" SentencePiece
 * unigram. A token's type says whether it is cut out of text: 3 (control) when asked for, 4 (user-defined) always.
 */
#include <string.h>

#include "text/tokenizer_internal.h"

typedef struct loader {
    suan_tokenizer *t;
    const suan__gguf *g;
    suan_error *err;
    const suan__gguf_value *tokens;
} loader;

static suan_status no_memory(loader *l) {
    return suan__fail(l->err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", l->t->path);
}

/* An array with one element for each token, NULL when absent. */
static suan_status token_array(loader *l, const char *key, bool integers, const suan__gguf_value **out) {
    const suan__gguf_value *v = *out = suan__gguf_find(l->g, key);
    suan_error *err = l->err;
    if (!v) return SUAN_OK;
    suan__gguf_type want = integers ? SUAN__GGUF_I32 : SUAN__GGUF_F32;
    SUAN_CHECK(v->type == SUAN__GGUF_ARRAY && v->element_type == want, SUAN_EFORMAT, "%s: %s: element type %d, expected an array of %s",
               l->t->path, key, v->type == SUAN__GGUF_ARRAY ? (int)v->element_type : (int)v->type, integers ? "i32" : "f32");
    SUAN_CHECK(v->n == l->tokens->n, SUAN_EFORMAT, "%s: %s: %llu elements, expected one for each of %llu tokens", l->t->path, key,
               (unsigned long long)v->n, (unsigned long long)l->tokens->n);
    return SUAN_OK;
}

static suan_status load_tokens(loader *l) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    const suan__gguf_value *types, *scores, *v = l->tokens = suan__gguf_find(l->g, "tokenizer.ggml.tokens");
    SUAN_CHECK(v && v->type == SUAN__GGUF_ARRAY && v->element_type == SUAN__GGUF_STRING, SUAN_EFORMAT,
               "%s: tokenizer.ggml.tokens: expected an array of strings", t->path);
    SUAN_CHECK(v->n <= SUAN__MAX_VOCAB, SUAN_ELIMIT, "%s: tokenizer.ggml.tokens: %llu tokens, expected at most %u", t->path,
               (unsigned long long)v->n, SUAN__MAX_VOCAB);
    SUAN_TRY(suan__vocab_alloc(t, (uint32_t)v->n, err));
    SUAN_TRY(token_array(l, "tokenizer.ggml.token_type", true, &types));
    SUAN_TRY(token_array(l, "tokenizer.ggml.scores", false, &scores));
    char *pool = suan__arena_alloc(&t->arena, v->n_bytes + 1, 1);
    if (!pool) return no_memory(l);
    suan__gguf_iter it = {0};
    suan__gguf_string s;
    for (uint32_t i = 0; i < t->n_vocab && suan__gguf_next_string(v, &it, &s); i++) {
        suan__token *token = &t->tokens[i];
        SUAN_CHECK(s.n <= SUAN__MAX_TOKEN_BYTES, SUAN_ELIMIT, "%s: token %u has %llu bytes, expected at most %u", t->path, i,
                   (unsigned long long)s.n, SUAN__MAX_TOKEN_BYTES);
        if (s.n) memcpy(pool, s.data, s.n);
        token->text = pool;
        token->n_text = (uint32_t)s.n;
        pool += s.n;
        int64_t type = SUAN_TOKEN_NORMAL;
        double score = 0;
        if (types && !suan__gguf_int_at(types, i, &type)) type = 0;
        if (scores && !suan__gguf_float_at(scores, i, &score)) score = 0;
        SUAN_CHECK(type >= 0 && type <= 6, SUAN_EFORMAT, "%s: tokenizer.ggml.token_type[%u] is %lld, expected 1 to 6", t->path, i,
                   (long long)type);
        SUAN_CHECK(score - score == 0, SUAN_EFORMAT, "%s: tokenizer.ggml.scores[%u] is not finite", t->path, i);
        token->type = (uint8_t)(type ? type : SUAN_TOKEN_NORMAL);
        token->score = (float)score;
        token->added = token->type == SUAN_TOKEN_CONTROL || token->type == SUAN_TOKEN_USER_DEFINED || token->type == SUAN_TOKEN_UNKNOWN;
    }
    return SUAN_OK;
}

/* DeepSeek-Coder's files call the markers of fill-in-the-middle user-defined, which would let plain text form them; llama.cpp, whose
 * conversions these are, takes them as control tokens by name. Other vocabularies' flags are taken as they stand. */
static void retype_fim(suan_tokenizer *t) {
    static const char *const names[] = {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"};
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        for (int k = 0; k < 3; k++) {
            suan__token *token = &t->tokens[i];
            if (token->n_text == strlen(names[k]) && memcmp(token->text, names[k], token->n_text) == 0) token->type = SUAN_TOKEN_CONTROL;
        }
    }
}

static suan_status load_added(loader *l) {
    suan_tokenizer *t = l->t;
    size_t n = 0;
    for (uint32_t i = 0; i < t->n_vocab; i++) n += t->tokens[i].added;
    t->added = SUAN_ARENA_NEW(&t->arena, suan__added, n + 1);
    if (!t->added) return no_memory(l);
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        const suan__token *token = &t->tokens[i];
        if (!token->added || token->n_text == 0) continue;
        bool special = token->type != SUAN_TOKEN_USER_DEFINED;
        t->added[t->n_added++] = (suan__added){.id = (int32_t)i, .text = token->text, .n = token->n_text, .special = special};
    }
    return suan__added_finish(t, l->err);
}

/* A vocabulary whose file names no BOS has one all the same when a control token is spelled as the families spell theirs. */
static suan_status find_bos_by_name(loader *l) {
    static const char *const names[] = {"<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "<s>", "<bos>", "[BOS]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int32_t id = suan_tokenizer_find(l->t, names[i], strlen(names[i]));
        if (id >= 0 && suan_tokenizer_token_type(l->t, id) == SUAN_TOKEN_CONTROL)
            return suan__tokenizer_set_role(l->t, SUAN_ROLE_BOS, NULL, 0, id, l->err);
    }
    return SUAN_OK;
}

static suan_status load_roles(loader *l) {
    static const struct {
        const char *key;
        suan_token_role role;
    } keys[] = {{"tokenizer.ggml.bos_token_id", SUAN_ROLE_BOS},
                {"tokenizer.ggml.eos_token_id", SUAN_ROLE_EOS},
                {"tokenizer.ggml.eot_token_id", SUAN_ROLE_EOT},
                {"tokenizer.ggml.padding_token_id", SUAN_ROLE_PAD},
                {"tokenizer.ggml.unknown_token_id", SUAN_ROLE_UNK}};
    suan_error *err = l->err;
    bool spm = l->t->sentencepiece;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        uint32_t id = UINT32_MAX;
        if (spm && keys[i].role == SUAN_ROLE_UNK && l->t->n_vocab > 0 && l->t->model != SUAN__MODEL_UNIGRAM) id = 0;
        if (spm && keys[i].role == SUAN_ROLE_BOS && l->t->n_vocab > 1 && l->t->model != SUAN__MODEL_UNIGRAM) id = 1;
        if (spm && keys[i].role == SUAN_ROLE_EOS && l->t->n_vocab > 2 && l->t->model != SUAN__MODEL_UNIGRAM) id = 2;
        SUAN_TRY(suan__gguf_u32(l->g, keys[i].key, false, &id, err));
        if (id == UINT32_MAX) continue; /* also how files say "none" */
        SUAN_CHECK(id < l->t->n_vocab, SUAN_EFORMAT, "%s: %s is %u, the vocabulary has %u tokens", l->t->path, keys[i].key, id,
                   l->t->n_vocab);
        SUAN_TRY(suan__tokenizer_set_role(l->t, keys[i].role, NULL, 0, (int32_t)id, err));
    }
    return suan__gguf_find(l->g, keys[0].key) || spm ? SUAN_OK : find_bos_by_name(l);
}

/* Chat templates: tokenizer.chat_template, and named ones as tokenizer.chat_template.NAME. */
static suan_status load_templates(loader *l) {
    static const char key[] = "tokenizer.chat_template";
    suan_error *err = l->err;
    for (uint64_t i = 0; i < l->g->n_values; i++) {
        const suan__gguf_value *v = &l->g->values[i];
        size_t n = sizeof key - 1;
        if (v->key.n < n || memcmp(v->key.data, key, n) != 0 || v->type != SUAN__GGUF_STRING) continue;
        bool named = v->key.n > n + 1 && v->key.data[n] == '.';
        if (!named && v->key.n != n) continue;
        suan__gguf_string s = {0};
        suan__gguf_iter it = {0};
        suan__gguf_value one = *v;
        one.n = 1;
        if (!suan__gguf_next_string(&one, &it, &s)) continue;
        SUAN_TRY(
            suan__tokenizer_add_template(l->t, named ? v->key.data + n + 1 : "default", named ? v->key.n - n - 1 : 7, s.data, s.n, err));
    }
    return SUAN_OK;
}

/* ---- Byte-level BPE ---- */

static suan_status load_pretok(loader *l, suan__pretok_preset *preset) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    suan__gguf_string name = {"default", 7};
    SUAN_TRY(suan__gguf_str(l->g, "tokenizer.ggml.pre", false, &name, err));
    const suan__pretok_preset *found = suan__pretok_find_preset(name.data, name.n);
    SUAN_CHECK(found, SUAN_EUNSUPPORTED, "%s: tokenizer.ggml.pre: unknown pre-tokenizer \"%.*s\"", t->path,
               (int)(name.n < 100 ? name.n : 100), name.data);
    *preset = *found;
    size_t n = 0;
    while (found->patterns[n]) n++;
    t->pretok = SUAN_ARENA_NEW(&t->arena, suan__pretok_step, n);
    if (!t->pretok) return no_memory(l);
    for (; t->n_pretok < n; t->n_pretok++) {
        suan__regex *re;
        const char *pattern = found->patterns[t->n_pretok];
        SUAN_TRY(suan__regex_compile(&re, &t->arena, pattern, strlen(pattern), err));
        t->pretok[t->n_pretok] = (suan__pretok_step){.type = SUAN__PRETOK_SPLIT, .regex = re};
    }
    if (name.n == 14 && memcmp(name.data, "deepseek-coder", 14) == 0) retype_fim(t);
    return SUAN_OK;
}

/* A merge is "a b"; a space inside a or b is not one (it is spelled U+0120), but the first character may be anything. */
static suan_status load_merges(loader *l) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    const suan__gguf_value *v = suan__gguf_find(l->g, "tokenizer.ggml.merges");
    if (!v) { /* as in tiktoken: a pair merges when it is a token, the smallest id first */
        t->model = SUAN__MODEL_RANKS;
        t->rank = SUAN_ARENA_NEW(&t->arena, uint32_t, t->n_vocab);
        if (!t->rank) return no_memory(l);
        for (uint32_t i = 0; i < t->n_vocab; i++) t->rank[i] = i;
        return SUAN_OK;
    }
    SUAN_CHECK(v->type == SUAN__GGUF_ARRAY && v->element_type == SUAN__GGUF_STRING, SUAN_EFORMAT,
               "%s: tokenizer.ggml.merges: expected an array of strings", t->path);
    SUAN_TRY(suan__merges_alloc(t, v->n, err));
    suan__gguf_iter it = {0};
    suan__gguf_string s;
    for (uint32_t rank = 0; suan__gguf_next_string(v, &it, &s); rank++) {
        const char *space = s.n > 1 ? memchr(s.data + 1, ' ', s.n - 1) : NULL;
        size_t n_left = space ? (size_t)(space - s.data) : 0;
        SUAN_CHECK(space && n_left + 1 < s.n && s.n <= SUAN__MAX_TOKEN_BYTES, SUAN_EFORMAT,
                   "%s: tokenizer.ggml.merges[%u]: expected two parts with a space between", t->path, rank);
        SUAN_TRY(suan__merges_add_text(t, s.data, n_left, space + 1, s.n - n_left - 1, rank, err));
    }
    return SUAN_OK;
}

static suan_status load_bpe(loader *l) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    suan__pretok_preset preset = {0};
    t->model = SUAN__MODEL_MERGES;
    t->byte_level = true;
    SUAN_TRY(load_tokens(l));
    SUAN_TRY(load_pretok(l, &preset));
    SUAN_TRY(suan__vocab_finish(t, err));
    SUAN_TRY(load_merges(l));
    t->ignore_merges = preset.ignore_merges;
    SUAN_TRY(load_added(l));
    SUAN_TRY(load_roles(l));
    bool bos = preset.add_bos, eos = false;
    SUAN_TRY(suan__gguf_bool(l->g, "tokenizer.ggml.add_bos_token", false, &bos, err));
    SUAN_TRY(suan__gguf_bool(l->g, "tokenizer.ggml.add_eos_token", false, &eos, err));
    return suan__tokenizer_wrap(t, bos, eos, err);
}

/* ---- SentencePiece ---- */

static suan_status load_charsmap(loader *l, suan__charsmap *map) {
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    suan_error *err = l->err;
    const suan__gguf_value *v = suan__gguf_find(l->g, key);
    if (!v) return SUAN_OK;
    SUAN_CHECK(v->type == SUAN__GGUF_ARRAY && (v->element_type == SUAN__GGUF_U8 || v->element_type == SUAN__GGUF_I8), SUAN_EFORMAT,
               "%s: %s: expected an array of bytes", l->t->path, key);
    char *copy = suan__arena_strndup(&l->t->arena, (const char *)v->data, v->n);
    if (!copy) return no_memory(l);
    return suan__charsmap_init(map, copy, v->n, l->t->path, err);
}

static suan_status load_spm(loader *l, bool unigram) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    t->model = unigram ? SUAN__MODEL_UNIGRAM : SUAN__MODEL_RANKS;
    t->sentencepiece = t->fuse_unk = true;
    t->byte_fallback = true;
    SUAN_TRY(load_tokens(l));
    SUAN_TRY(suan__vocab_finish(t, err));
    if (!unigram)
        SUAN_TRY(suan__ranks_from_scores(t, err));
    else
        SUAN_TRY(suan__unigram_finish(t, err));
    t->normalizers = SUAN_ARENA_NEW(&t->arena, suan__normalizer, 1);
    if (!t->normalizers) return no_memory(l);
    suan__normalizer *norm = &t->normalizers[0];
    *norm = (suan__normalizer){.type = SUAN__NORM_SENTENCEPIECE, .add_prefix = true, .remove_extra = unigram, .escape = true};
    SUAN_TRY(suan__gguf_bool(l->g, "tokenizer.ggml.add_space_prefix", false, &norm->add_prefix, err));
    SUAN_TRY(suan__gguf_bool(l->g, "tokenizer.ggml.remove_extra_whitespaces", false, &norm->remove_extra, err));
    SUAN_TRY(load_charsmap(l, &norm->charsmap));
    t->n_normalizers = 1;
    SUAN_TRY(suan__spm_decoding(t, norm, err));
    SUAN_TRY(load_added(l));
    SUAN_TRY(load_roles(l));
    bool bos = !unigram, eos = unigram;
    SUAN_TRY(suan__gguf_bool(l->g, "tokenizer.ggml.add_bos_token", false, &bos, err));
    SUAN_TRY(suan__gguf_bool(l->g, "tokenizer.ggml.add_eos_token", false, &eos, err));
    return suan__tokenizer_wrap(t, bos, eos, err);
}

static suan_status load(loader *l) {
    suan_error *err = l->err;
    suan__gguf_string model = {0};
    SUAN_TRY(suan__gguf_str(l->g, "tokenizer.ggml.model", false, &model, err));
    /* A model may do without one: then it takes and gives ids. */
    bool none =
        model.n == 0 || (model.n == 4 && memcmp(model.data, "none", 4) == 0) || (model.n == 8 && memcmp(model.data, "no_vocab", 8) == 0);
    SUAN_CHECK(!none, SUAN_ENOTFOUND, "%s: the file carries no tokenizer (tokenizer.ggml.model)", l->t->path);
    if (model.n == 4 && memcmp(model.data, "gpt2", 4) == 0)
        SUAN_TRY(load_bpe(l));
    else if (model.n == 5 && memcmp(model.data, "llama", 5) == 0)
        SUAN_TRY(load_spm(l, false));
    else if (model.n == 2 && memcmp(model.data, "t5", 2) == 0)
        SUAN_TRY(load_spm(l, true));
    else {
        return suan__fail(err, SUAN_EUNSUPPORTED, "%s: tokenizer.ggml.model is \"%.*s\", expected \"gpt2\", \"llama\" or \"t5\"",
                          l->t->path, (int)(model.n < 100 ? model.n : 100), model.data);
    }
    SUAN_TRY(load_templates(l));
    return suan__roles_finish(l->t, NULL, err);
}

suan_status suan__tokenizer_from_gguf(suan_tokenizer **t, const suan__gguf *g, suan_error *err) {
    loader l = {.t = suan__tokenizer_new(g->path ? g->path : "GGUF"), .g = g, .err = err};
    *t = NULL;
    if (!l.t) return suan__fail(err, SUAN_ENOMEM, "out of memory for a tokenizer");
    suan_status status = load(&l);
    if (status != SUAN_OK) suan_tokenizer_close(&l.t);
    *t = l.t;
    return status;
}
