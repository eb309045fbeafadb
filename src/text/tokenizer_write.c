/* tokenizer_write.c: a tokenizer as GGUF metadata, whatever file it came from.
 *
 * Byte-level tokenizers become "gpt2": tokens, merges, and the name of a pre-tokenizer. Those of SentencePiece's kind become "llama": tokens
 * with scores, and whether a space goes before the text. Everything that has to be guessed is tried: candidates are written, read and
 * compared on a probe, and the first that agrees is taken.
 */
#include "text/tokenizer_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/bytes.h"
#include "text/tokenizer_internal.h"

/* One way to write a tokenizer. */
typedef struct candidate {
    const char *pre;   /* byte-level: the pre-tokenizer's name; NULL: SentencePiece */
    bool space_prefix; /* SentencePiece */
} candidate;

/* Names of presets, the models of this project first; each list of patterns once. */
static const char *const pre_names[] = {"deepseek-v3", "qwen2",  "llama-bpe", "glm4",  "deepseek-llm", "deepseek-coder", "kimi-k2",
                                        "gpt-4o",      "tekken", "qwen35",    "gpt-2", "starcoder",    "falcon",         "default"};

/* Scripts, digits, contractions, punctuation, runs of white space: what pre-tokenizers differ in. */
static const char probe[] =
    "Hello, world! It's 2026 and we've 12345678 reasons; DON'T PANIC: I'LL say she'd\n\n  go   home.\t\tEnd \r\n\r\n x=1;\n"
    "def f(a_b, *args): return {'k': [1.5e-3, 0xFF]} # comment\n    if (x<=y && !z) { i++; }\n"
    "Größe naïve café Ελληνικά привет мир 你好,世界！漢字かなカナ 한국어 العربية עברית हिन्दी ไทย Việt 2３４ ½ ① ¥€ "
    "\xF0\x9F\x98\x80\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD "
    "camelCase HTTPServer snake_case ... --- ??? 1,000,000 $5 50% #tag 'That 'Tis x'S 'RE 'Ve y'LL @user a/b \\n «quote» “curly” "
    "it’s\u3000full\u00A0nbsp   ";

/* ---- tokens ---- */

/* The spelling of token i; `text` is room for the name of an id that the vocabulary leaves out. */
static suan__gguf_string spelling(const suan_tokenizer *t, uint32_t i, char text[32]) {
    if (i < t->n_vocab && t->tokens[i].text && t->tokens[i].n_text) return (suan__gguf_string){t->tokens[i].text, t->tokens[i].n_text};
    int n = snprintf(text, 32, "[PAD%u]", i);
    return (suan__gguf_string){text, (uint64_t)n};
}

static suan_status write_tokens(const suan_tokenizer *t, uint32_t n_vocab, suan__gguf_writer *w, suan_error *err) {
    suan__gguf_string *list = suan__malloc(n_vocab * sizeof *list);
    char(*names)[32] = suan__malloc((size_t)n_vocab * 32);
    unsigned char *types = suan__malloc((size_t)n_vocab * 4);
    suan_status status = SUAN_OK;
    SUAN_CHECK_GOTO(list && names && types, SUAN_ENOMEM, "%s: out of memory for the vocabulary", t->path);
    for (uint32_t i = 0; i < n_vocab; i++) {
        bool is_there = i < t->n_vocab && t->tokens[i].text && t->tokens[i].n_text;
        list[i] = spelling(t, i, names[i]);
        suan__store_u32(types + 4 * (size_t)i, is_there && t->tokens[i].type ? t->tokens[i].type : SUAN_TOKEN_UNUSED);
    }
    SUAN_TRY_GOTO(suan__gguf_put_strings(w, "tokenizer.ggml.tokens", list, n_vocab, err));
    SUAN_TRY_GOTO(suan__gguf_put(w, "tokenizer.ggml.token_type", SUAN__GGUF_ARRAY, SUAN__GGUF_I32, types, n_vocab, err));
fail:
    suan__free(list);
    suan__free(names);
    suan__free(types);
    return status;
}

/* ---- merges ---- */

typedef struct ranked_merge {
    uint32_t rank;
    int32_t left, right;
} ranked_merge;

static int compare_ranks(const void *a, const void *b) {
    const ranked_merge *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return x->left != y->left ? (x->left < y->left ? -1 : 1) : (x->right > y->right) - (x->right < y->right);
}

static suan_status put_merges(const suan_tokenizer *t, ranked_merge *list, size_t n, suan__gguf_writer *w, suan_error *err) {
    suan__buf text = {0};
    suan__gguf_string *strings = suan__malloc(n * sizeof *strings);
    suan_status status = SUAN_OK;
    if (n > 1) qsort(list, n, sizeof *list, compare_ranks);
    for (size_t i = 0; i < n; i++) { /* all in one stretch of text: places first, pointers when it no longer moves */
        const suan__token *a = &t->tokens[list[i].left], *b = &t->tokens[list[i].right];
        suan__buf_append(&text, a->text, a->n_text);
        suan__buf_append(&text, " ", 1);
        suan__buf_append(&text, b->text, b->n_text);
    }
    SUAN_CHECK_GOTO(strings && !text.failed, SUAN_ENOMEM, "%s: out of memory for merges", t->path);
    for (size_t i = 0, at = 0; i < n; i++) {
        size_t length = (size_t)t->tokens[list[i].left].n_text + 1 + t->tokens[list[i].right].n_text;
        strings[i] = (suan__gguf_string){text.data + at, length};
        at += length;
    }
    SUAN_TRY_GOTO(suan__gguf_put_strings(w, "tokenizer.ggml.merges", strings, n, err));
fail:
    suan__buf_fini(&text);
    suan__free(strings);
    return status;
}

/* tiktoken files have no merges. The last merge that makes a token is found by encoding its bytes with the merges of lower rank only. */
static bool split_token(const suan_tokenizer *t, uint32_t id, ranked_merge *m) {
    enum { MAX = 512 };
    const suan__token *token = &t->tokens[id];
    uint32_t begin[MAX + 1], n = token->n_bytes;
    if (n < 2 || n > MAX) return false;
    for (uint32_t i = 0; i <= n; i++) begin[i] = i;
    while (n > 2) {
        uint32_t best = UINT32_MAX, at = 0;
        for (uint32_t i = 0; i + 2 <= n; i++) {
            int32_t pair = suan__vocab_find(t, token->bytes + begin[i], begin[i + 2] - begin[i]);
            if (pair < 0 || t->rank[pair] >= t->rank[id] || t->rank[pair] >= best) continue;
            best = t->rank[pair];
            at = i;
        }
        if (best == UINT32_MAX) return false;
        memmove(begin + at + 1, begin + at + 2, (n - at - 1) * sizeof *begin);
        n--;
    }
    m->rank = t->rank[id];
    m->left = suan__vocab_find(t, token->bytes, begin[1]);
    m->right = suan__vocab_find(t, token->bytes + begin[1], token->n_bytes - begin[1]);
    return m->left >= 0 && m->right >= 0;
}

static suan_status write_merges(const suan_tokenizer *t, suan__gguf_writer *w, suan_error *err) {
    size_t n = 0, capacity = t->model == SUAN__MODEL_MERGES ? (size_t)t->merge_mask + 1 : t->n_vocab;
    ranked_merge *list = suan__malloc(capacity * sizeof *list);
    SUAN_CHECK(list, SUAN_ENOMEM, "%s: out of memory for merges", t->path);
    if (t->model == SUAN__MODEL_MERGES) {
        for (size_t i = 0; i < capacity && t->merges; i++)
            if (t->merges[i].left >= 0) list[n++] = (ranked_merge){t->merges[i].rank, t->merges[i].left, t->merges[i].right};
    } else {
        for (uint32_t i = 0; i < t->n_vocab; i++)
            if (!t->tokens[i].added && t->tokens[i].type == SUAN_TOKEN_NORMAL && t->rank[i] != SUAN__NO_RANK && split_token(t, i, &list[n]))
                n++;
    }
    suan_status status = put_merges(t, list, n, w, err);
    suan__free(list);
    return status;
}

/* ---- scores ---- */

/* Scores as they are, or, of a table of merges, the negative rank of the first merge that makes the token. */
static suan_status write_scores(const suan_tokenizer *t, uint32_t n_vocab, suan__gguf_writer *w, suan_error *err) {
    float *scores = suan__malloc(n_vocab * sizeof *scores);
    SUAN_CHECK(scores, SUAN_ENOMEM, "%s: out of memory for scores", t->path);
    bool from_merges = t->model == SUAN__MODEL_MERGES;
    for (uint32_t i = 0; i < n_vocab; i++) scores[i] = from_merges ? -1e9f : i < t->n_vocab ? t->tokens[i].score : -1000.0f;
    for (size_t i = 0; from_merges && t->merges && i <= t->merge_mask; i++) {
        const suan__merge *m = &t->merges[i];
        if (m->left >= 0 && -(float)m->rank > scores[m->id]) scores[m->id] = -(float)m->rank;
    }
    suan_status status = suan__gguf_put(w, "tokenizer.ggml.scores", SUAN__GGUF_ARRAY, SUAN__GGUF_F32, scores, n_vocab, err);
    suan__free(scores);
    return status;
}

/* ---- roles and templates ---- */

static suan_status write_roles(const suan_tokenizer *t, suan__gguf_writer *w, suan_error *err) {
    static const char *const keys[SUAN_N_ROLES] = {
        [SUAN_ROLE_BOS] = "tokenizer.ggml.bos_token_id",     [SUAN_ROLE_EOS] = "tokenizer.ggml.eos_token_id",
        [SUAN_ROLE_EOT] = "tokenizer.ggml.eot_token_id",     [SUAN_ROLE_PAD] = "tokenizer.ggml.padding_token_id",
        [SUAN_ROLE_UNK] = "tokenizer.ggml.unknown_token_id",
    };
    for (int role = 0; role < SUAN_N_ROLES; role++) {
        int32_t id = t->role[role]; /* a tokenizer.json alone says what goes around a text, and not what it is */
        if (id < 0 && role == SUAN_ROLE_BOS && t->n_prefix == 1) id = t->prefix[0];
        if (id < 0 && role == SUAN_ROLE_EOS && t->n_suffix == 1) id = t->suffix[0];
        if (id >= 0) SUAN_TRY(suan__gguf_put_u32(w, keys[role], (uint32_t)id, err));
    }
    SUAN_TRY(suan__gguf_put_bool(w, "tokenizer.ggml.add_bos_token", t->n_prefix > 0, err));
    return suan__gguf_put_bool(w, "tokenizer.ggml.add_eos_token", t->n_suffix > 0, err);
}

static suan_status write_templates(const suan_tokenizer *t, suan__gguf_writer *w, suan_error *err) {
    for (size_t i = 0; i < t->n_templates; i++) {
        char key[128] = "tokenizer.chat_template";
        const suan__chat_template *c = &t->templates[i];
        bool is_default = strcmp(c->name, "default") == 0;
        if (!is_default && snprintf(key, sizeof key, "tokenizer.chat_template.%s", c->name) >= (int)sizeof key) continue;
        SUAN_TRY(suan__gguf_put_str(w, key, c->text, c->n, err));
    }
    return SUAN_OK;
}

/* ---- the whole, and the trial ---- */

static suan_status write_candidate(const suan_tokenizer *t, uint32_t n_vocab, const candidate *c, suan__gguf_writer *w, suan_error *err) {
    if (c->pre) {
        SUAN_TRY(suan__gguf_put_str(w, "tokenizer.ggml.model", "gpt2", 4, err));
        SUAN_TRY(suan__gguf_put_str(w, "tokenizer.ggml.pre", c->pre, strlen(c->pre), err));
    } else {
        SUAN_TRY(suan__gguf_put_str(w, "tokenizer.ggml.model", "llama", 5, err));
        SUAN_TRY(suan__gguf_put_str(w, "tokenizer.ggml.pre", "default", 7, err));
        SUAN_TRY(suan__gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", c->space_prefix, err));
    }
    SUAN_TRY(write_tokens(t, n_vocab, w, err));
    SUAN_TRY(c->pre ? write_merges(t, w, err) : write_scores(t, n_vocab, w, err));
    SUAN_TRY(write_roles(t, w, err));
    return write_templates(t, w, err);
}

/* Reads back what a candidate looks like in a file; *other is the caller's to close, and is NULL when it cannot be read. */
static suan_status read_candidate(const suan_tokenizer *t, uint32_t n_vocab, const candidate *c, suan_tokenizer **other, suan_error *err) {
    suan__gguf_writer w;
    suan__buf header = {0};
    suan__arena arena;
    suan__gguf g;
    suan_error why;
    *other = NULL;
    suan__arena_init(&arena, 1 << 16);
    suan_status status = suan__gguf_writer_init(&w, SUAN__GGUF_DEFAULT_ALIGNMENT, err);
    if (status == SUAN_OK) status = write_candidate(t, n_vocab, c, &w, err);
    if (status == SUAN_OK) status = suan__gguf_format_header(&w, &header, err);
    if (status == SUAN_OK) status = suan__gguf_parse(&g, &arena, header.data, header.n, header.n, t->path, err);
    if (status == SUAN_OK && suan__tokenizer_from_gguf(other, &g, &why) == SUAN_ENOMEM)
        status = suan__fail(err, SUAN_ENOMEM, "%s", why.message);
    suan__gguf_writer_fini(&w);
    suan__buf_fini(&header);
    suan__arena_fini(&arena);
    return status;
}

/* What is compared: a text, and the ids that it has. */
typedef struct trial {
    suan__buf text; /* the probe, then the tokens of the vocabulary one after the other */
    suan__ids ids;
} trial;

static suan_status make_trial(const suan_tokenizer *t, trial *r, suan_error *err) {
    enum { MAX_BYTES = 1 << 20 };
    suan__buf_append(&r->text, probe, sizeof probe - 1);
    for (uint32_t i = 0; i < t->n_vocab && r->text.n < MAX_BYTES; i++) {
        const suan__token *token = &t->tokens[i];
        if (token->type == SUAN_TOKEN_NORMAL && !token->added) suan__buf_append(&r->text, token->bytes, token->n_bytes);
    }
    SUAN_CHECK(!r->text.failed, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
    suan_tokenizer bare = *t; /* GGUF's byte-level tokenizers have no normaliser: compared is what comes behind it */
    if (t->byte_level) bare.n_normalizers = 0;
    return suan__tokenizer_encode(&bare, r->text.data, r->text.n, NULL, 0, SUAN_TOKENIZE_ADD_SPECIAL, &r->ids, err);
}

static suan_status agrees(const suan_tokenizer *t, uint32_t n_vocab, const candidate *c, const trial *want, bool *yes, suan_error *err) {
    suan_tokenizer *other;
    suan__ids ids = {0};
    suan_error why;
    *yes = false;
    SUAN_TRY(read_candidate(t, n_vocab, c, &other, err));
    suan_status status = other
                             ? suan__tokenizer_encode(other, want->text.data, want->text.n, NULL, 0, SUAN_TOKENIZE_ADD_SPECIAL, &ids, &why)
                             : SUAN_EUNSUPPORTED;
    *yes = status == SUAN_OK && ids.n == want->ids.n && memcmp(ids.v, want->ids.v, ids.n * sizeof *ids.v) == 0;
    suan__ids_fini(&ids);
    suan_tokenizer_close(&other);
    return status == SUAN_ENOMEM ? suan__fail(err, SUAN_ENOMEM, "%s", why.message) : SUAN_OK;
}

/* Whether a preset cuts the probe as the tokenizer does, whatever the vocabulary makes of the pieces. */
static suan_status same_pieces(const suan_tokenizer *t, const suan__pretok_preset *preset, bool *yes, suan_error *err) {
    enum { MAX_STEPS = 16 };
    suan__pretok_step steps[MAX_STEPS];
    suan__pieces a = {0}, b = {0};
    suan__arena arena;
    size_t n = 0;
    suan_status status = SUAN_OK;
    suan__arena_init(&arena, 1 << 16);
    for (; preset->patterns[n] && n < MAX_STEPS && status == SUAN_OK; n++) {
        suan__regex *re = NULL;
        status = suan__regex_compile(&re, &arena, preset->patterns[n], strlen(preset->patterns[n]), err);
        steps[n] = (suan__pretok_step){.type = SUAN__PRETOK_SPLIT, .regex = re};
    }
    if (status == SUAN_OK) status = suan__pretok_apply(steps, n, probe, sizeof probe - 1, true, &a, err);
    if (status == SUAN_OK) status = suan__pretok_apply(t->pretok, t->n_pretok, probe, sizeof probe - 1, true, &b, err);
    *yes = status == SUAN_OK && a.n == b.n && a.n_text == b.n_text && memcmp(a.v, b.v, a.n * sizeof *a.v) == 0;
    suan__pieces_fini(&a);
    suan__pieces_fini(&b);
    suan__arena_fini(&arena);
    return status;
}

/* First those that cut as the tokenizer does and take whole words as it does, then those that cut alike, then those that only give the same
 * ids: a small vocabulary can make differences vanish. */
static suan_status choose(const suan_tokenizer *t, uint32_t n_vocab, const trial *want, candidate *chosen, suan_error *err) {
    bool yes = false, alike = false;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; t->byte_level && i < sizeof pre_names / sizeof *pre_names; i++) {
            const suan__pretok_preset *preset = suan__pretok_find_preset(pre_names[i], strlen(pre_names[i]));
            *chosen = (candidate){.pre = pre_names[i]};
            SUAN_TRY(same_pieces(t, preset, &alike, err));
            if ((alike ? preset->ignore_merges == t->ignore_merges ? 0 : 1 : 2) != round) continue;
            SUAN_TRY(agrees(t, n_vocab, chosen, want, &yes, err));
            if (yes) return SUAN_OK;
        }
        if (t->byte_level || round == 2) continue;
        *chosen = (candidate){.space_prefix = round == 0};
        SUAN_TRY(agrees(t, n_vocab, chosen, want, &yes, err));
        if (yes) return SUAN_OK;
    }
    return suan__fail(err, SUAN_EUNSUPPORTED, "%s: a tokenizer that splits text as none of those that GGUF has a name for", t->path);
}

suan_status suan__tokenizer_write_gguf(const suan_tokenizer *t, uint32_t n_vocab, suan__gguf_writer *w, suan_error *err) {
    trial want = {0};
    candidate chosen;
    SUAN_CHECK(n_vocab >= t->n_vocab, SUAN_EFORMAT, "%s: the tokenizer has %u tokens, the embedding %u rows", t->path, t->n_vocab, n_vocab);
    SUAN_CHECK(t->model != SUAN__MODEL_UNIGRAM, SUAN_EUNSUPPORTED, "%s: a unigram tokenizer, which GGUF readers do not have for this model",
               t->path);
    suan_status status = make_trial(t, &want, err);
    if (status == SUAN_OK) status = choose(t, n_vocab, &want, &chosen, err);
    suan__buf_fini(&want.text);
    suan__ids_fini(&want.ids);
    return status == SUAN_OK ? write_candidate(t, n_vocab, &chosen, w, err) : status;
}
