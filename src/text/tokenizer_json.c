/* tokenizer_json.c: a tokenizer from Hugging Face's tokenizer.json.
 *
 * Every field of the file is either understood or an error that names it. `truncation` and `padding` are checked and not applied: they are
 * a training script's wishes, which transformers too leaves out unless asked.
 */
#include "text/tokenizer_json.h"

#include <stdio.h>
#include <string.h>

#include "text/tokenizer_json_scan.h"

typedef struct entry {
    const char *text;
    size_t n;
    int64_t id;
} entry;

typedef struct vocab_list {
    suan__buf entries;
    int64_t max_id;
} vocab_list;

static suan_status no_memory(suan__json_loader *l) {
    return suan__fail(l->err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", l->t->path);
}

/* ---- Vocabulary ---- */

static suan_status add_entry(suan__json_loader *l, vocab_list *list, const char *text, size_t n, int64_t id) {
    entry e = {text, n, id};
    if (n > SUAN__MAX_TOKEN_BYTES) {
        return suan__fail(l->err, SUAN_ELIMIT, "%s: model.vocab: token %lld has %zu bytes, expected at most %u", l->t->path, (long long)id,
                          n, SUAN__MAX_TOKEN_BYTES);
    }
    if (id > list->max_id) list->max_id = id;
    return suan__buf_append(&list->entries, &e, sizeof e) ? SUAN_OK : no_memory(l);
}

static suan_status read_vocab(suan__json_loader *l, suan__json_reader *r, vocab_list *list) {
    for (bool more = true;;) {
        entry e = {0};
        SUAN_TRY(suan__json_next_entry(r, &more, &e.text, &e.n, &e.id));
        if (!more) return SUAN_OK;
        SUAN_TRY(add_entry(l, list, e.text, e.n, e.id));
    }
}

/* Unigram: [["text", score], ...]; the id is the place. Scores are kept aside. */
static suan_status read_unigram(suan__json_loader *l, const json_t *vocab, vocab_list *list) {
    suan_error *err = l->err;
    SUAN_CHECK(json_is_array(vocab) && json_array_size(vocab) <= SUAN__MAX_VOCAB, SUAN_EFORMAT, "%s: model.vocab: expected a list",
               l->t->path);
    for (size_t i = 0; i < json_array_size(vocab); i++) {
        const json_t *pair = json_array_get(vocab, i), *text = json_array_get(pair, 0), *score = json_array_get(pair, 1);
        SUAN_CHECK(json_array_size(pair) == 2 && json_is_string(text) && json_is_number(score), SUAN_EFORMAT,
                   "%s: model.vocab[%zu]: expected [text, score]", l->t->path, i);
        char *copy = suan__arena_strndup(&l->t->arena, json_string_value(text), json_string_length(text));
        if (!copy) return no_memory(l);
        SUAN_TRY(add_entry(l, list, copy, json_string_length(text), (int64_t)i));
    }
    return SUAN_OK;
}

/* Added tokens take part in the size; ids may leave holes, but not so many that a single large id sizes the tables. */
static suan_status size_vocab(suan__json_loader *l, vocab_list *list, const json_t *added) {
    suan_error *err = l->err;
    size_t n = list->entries.n / sizeof(entry) + json_array_size(added);
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *id = json_object_get(json_array_get(added, i), "id");
        SUAN_CHECK(json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX, SUAN_EFORMAT,
                   "%s: added_tokens[%zu].id: expected a token id", l->t->path, i);
        if (json_integer_value(id) > list->max_id) list->max_id = json_integer_value(id);
    }
    SUAN_CHECK(n > 0, SUAN_EFORMAT, "%s: model.vocab: no tokens", l->t->path);
    SUAN_CHECK((uint64_t)list->max_id < 2 * (uint64_t)n + 65536, SUAN_EFORMAT, "%s: token id %lld in a vocabulary of %zu tokens",
               l->t->path, (long long)list->max_id, n);
    return suan__vocab_alloc(l->t, (uint32_t)list->max_id + 1, err);
}

static suan_status place_tokens(suan__json_loader *l, const vocab_list *list) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    const entry *e = (const entry *)(const void *)list->entries.data;
    for (size_t i = 0; i < list->entries.n / sizeof *e; i++) {
        suan__token *token = &t->tokens[e[i].id];
        SUAN_CHECK(!token->type, SUAN_EFORMAT, "%s: model.vocab: \"%.*s\" and \"%.*s\" share id %lld", t->path,
                   (int)(token->n_text < 80 ? token->n_text : 80), token->text, (int)(e[i].n < 80 ? e[i].n : 80), e[i].text,
                   (long long)e[i].id);
        *token = (suan__token){.text = e[i].text, .n_text = (uint32_t)e[i].n, .type = SUAN_TOKEN_NORMAL};
        if (t->byte_fallback && suan__byte_of_token(e[i].text, e[i].n) >= 0) token->type = SUAN_TOKEN_BYTE;
    }
    return SUAN_OK;
}

/* ---- Added tokens ---- */

static suan_status one_added(suan__json_loader *l, const json_t *v, size_t i) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    char where[48];
    snprintf(where, sizeof where, "added_tokens[%zu]", i);
    SUAN_TRY(suan__json_check(l, v, where, "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special", (char *)NULL));
    suan__added *a = &t->added[t->n_added];
    *a = (suan__added){.id = (int32_t)json_integer_value(json_object_get(v, "id")), .normalized = true};
    size_t n = 0;
    SUAN_TRY(suan__json_string(l, v, where, "content", &a->text, &n));
    SUAN_CHECK(a->text && n <= SUAN__MAX_ADDED_BYTES, SUAN_EFORMAT, "%s: %s.content: expected a string of at most %u bytes", t->path, where,
               SUAN__MAX_ADDED_BYTES);
    a->n = (uint32_t)n;
    SUAN_TRY(suan__json_bool(l, v, where, "special", &a->special));
    a->normalized = !a->special;
    SUAN_TRY(suan__json_bool(l, v, where, "normalized", &a->normalized));
    SUAN_TRY(suan__json_bool(l, v, where, "single_word", &a->single_word));
    SUAN_TRY(suan__json_bool(l, v, where, "lstrip", &a->lstrip));
    SUAN_TRY(suan__json_bool(l, v, where, "rstrip", &a->rstrip));
    suan__token *token = &t->tokens[a->id];
    SUAN_CHECK(!token->type || (token->n_text == a->n && memcmp(token->text, a->text, a->n) == 0), SUAN_EFORMAT,
               "%s: %s: id %d is \"%.80s\" here and \"%.*s\" in another place", t->path, where, a->id, a->text,
               (int)(token->n_text < 80 ? token->n_text : 80), token->text);
    token->text = a->text;
    token->n_text = a->n;
    token->type = a->special ? SUAN_TOKEN_CONTROL : SUAN_TOKEN_USER_DEFINED;
    token->added = 1;
    if (a->n > 0) t->n_added++;
    return SUAN_OK;
}

static suan_status added_tokens(suan__json_loader *l, const json_t *added) {
    l->t->added = SUAN_ARENA_NEW(&l->t->arena, suan__added, json_array_size(added) + 1);
    if (!l->t->added) return no_memory(l);
    for (size_t i = 0; i < json_array_size(added); i++) SUAN_TRY(one_added(l, json_array_get(added, i), i));
    return SUAN_OK;
}

/* ---- The model ---- */

static suan_status bpe_options(suan__json_loader *l, const json_t *m) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    SUAN_TRY(suan__json_check(l, m, "model", "type", "dropout", "unk_token", affixes[0], affixes[1], "fuse_unk", "byte_fallback",
                              "ignore_merges", "vocab", "merges", (char *)NULL));
    const json_t *dropout = json_object_get(m, "dropout");
    SUAN_CHECK(!dropout || json_is_null(dropout) || (json_is_number(dropout) && json_number_value(dropout) == 0), SUAN_EUNSUPPORTED,
               "%s: model.dropout: expected null or 0", t->path);
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(m, affixes[i]);
        SUAN_CHECK(!v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0), SUAN_EUNSUPPORTED,
                   "%s: model.%s: expected null or \"\"", t->path, affixes[i]);
    }
    t->model = SUAN__MODEL_MERGES;
    SUAN_TRY(suan__json_bool(l, m, "model", "fuse_unk", &t->fuse_unk));
    SUAN_TRY(suan__json_bool(l, m, "model", "byte_fallback", &t->byte_fallback));
    return suan__json_bool(l, m, "model", "ignore_merges", &t->ignore_merges);
}

static suan_status read_merges(suan__json_loader *l, suan__json_reader *r, suan__json_span span) {
    size_t n = 1; /* commas between elements are an upper bound */
    for (size_t i = span.begin; i < span.end; i++) n += r->s[i] == ',';
    SUAN_TRY(suan__merges_alloc(l->t, n, l->err));
    r->at = span.begin + 1;
    r->first = true;
    for (uint32_t rank = 0;; rank++) {
        const char *left, *right;
        size_t n_left, n_right;
        bool more;
        SUAN_TRY(suan__json_next_merge(r, &more, &left, &n_left, &right, &n_right));
        if (!more) return SUAN_OK;
        SUAN_TRY(suan__merges_add_text(l->t, left, n_left, right, n_right, rank, l->err));
    }
}

static suan_status set_unk(suan__json_loader *l, const json_t *m, bool by_id) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    const json_t *v = json_object_get(m, by_id ? "unk_id" : "unk_token");
    if (!v || json_is_null(v)) return SUAN_OK;
    int32_t id = -1;
    if (by_id) {
        int64_t k = 0;
        SUAN_TRY(suan__json_int(l, m, "model", "unk_id", 0, t->n_vocab - 1, &k));
        id = (int32_t)k;
    } else {
        SUAN_CHECK(json_is_string(v), SUAN_EFORMAT, "%s: model.unk_token: expected a string", t->path);
        id = suan_tokenizer_find(t, json_string_value(v), json_string_length(v));
        SUAN_CHECK(id >= 0, SUAN_EFORMAT, "%s: model.unk_token: \"%.80s\" is not in the vocabulary", t->path, json_string_value(v));
    }
    t->tokens[id].type = SUAN_TOKEN_UNKNOWN;
    return suan__tokenizer_set_role(t, SUAN_ROLE_UNK, NULL, 0, id, err);
}

static suan_status finish_unigram(suan__json_loader *l, const json_t *m) {
    suan_tokenizer *t = l->t;
    const json_t *vocab = json_object_get(m, "vocab");
    t->scores64 = SUAN_ARENA_NEW(&t->arena, double, t->n_vocab);
    if (!t->scores64) return no_memory(l);
    for (size_t i = 0; i < json_array_size(vocab); i++) {
        double score = json_number_value(json_array_get(json_array_get(vocab, i), 1));
        if (!(score > -1e30 && score < 1e30)) return suan__fail(l->err, SUAN_EFORMAT, "%s: model.vocab[%zu]: bad score", t->path, i);
        t->scores64[i] = score;
        t->tokens[i].score = (float)score;
        if (i == 0 || score < t->min_score64) t->min_score64 = score;
    }
    t->model = SUAN__MODEL_UNIGRAM;
    t->fuse_unk = true;
    SUAN_TRY(set_unk(l, m, true));
    SUAN_TRY(suan__vocab_finish(t, l->err));
    return suan__unigram_finish(t, l->err);
}

/* ---- The whole ---- */

/* K-07: files with impossible values here made other engines panic. */
static suan_status check_batching(suan__json_loader *l) {
    const json_t *cut = json_object_get(l->root, "truncation"), *pad = json_object_get(l->root, "padding");
    suan_error *err = l->err;
    if (cut && !json_is_null(cut)) {
        int64_t max_length = INT32_MAX, stride = 0;
        SUAN_TRY(suan__json_check(l, cut, "truncation", "direction", "max_length", "strategy", "stride", (char *)NULL));
        SUAN_TRY(suan__json_int(l, cut, "truncation", "max_length", 0, INT64_MAX, &max_length));
        SUAN_TRY(suan__json_int(l, cut, "truncation", "stride", 0, INT64_MAX, &stride));
        SUAN_CHECK(stride < max_length || (stride == 0 && max_length == 0), SUAN_EFORMAT,
                   "%s: truncation.stride is %lld, expected less than max_length (%lld)", l->t->path, (long long)stride,
                   (long long)max_length);
    }
    if (!pad || json_is_null(pad)) return SUAN_OK;
    return suan__json_check(l, pad, "padding", "strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token",
                            (char *)NULL);
}

static suan_status load_model(suan__json_loader *l, const char *s, size_t n, suan__json_span vocab, suan__json_span merges,
                              vocab_list *list) {
    suan_error *err = l->err;
    suan_tokenizer *t = l->t;
    const json_t *m = json_object_get(l->root, "model"), *added = json_object_get(l->root, "added_tokens");
    SUAN_CHECK(json_is_object(m), SUAN_EFORMAT, "%s: model: expected an object", t->path);
    SUAN_CHECK(!added || json_is_array(added), SUAN_EFORMAT, "%s: added_tokens: expected a list", t->path);
    const char *type = json_string_value(json_object_get(m, "type"));
    bool unigram = type && strcmp(type, "Unigram") == 0;
    if (!type && merges.end) type = "BPE"; /* files of old versions do not say */
    SUAN_CHECK(type && (unigram || strcmp(type, "BPE") == 0), SUAN_EUNSUPPORTED,
               "%s: model.type is \"%.80s\", expected \"BPE\" or \"Unigram\"", t->path, type ? type : "");
    suan__json_reader r = {.s = s, .n = n, .pool = suan__arena_alloc(&t->arena, n + 1, 1), .path = t->path, .err = err};
    if (!r.pool) return no_memory(l);
    if (unigram) {
        SUAN_TRY(suan__json_check(l, m, "model", "type", "unk_id", "vocab", "byte_fallback", (char *)NULL));
        SUAN_TRY(suan__json_bool(l, m, "model", "byte_fallback", &t->byte_fallback));
        SUAN_TRY(read_unigram(l, json_object_get(m, "vocab"), list));
    } else {
        SUAN_TRY(bpe_options(l, m));
        SUAN_CHECK(vocab.end && merges.end, SUAN_EFORMAT, "%s: model.vocab must be an object and model.merges a list", t->path);
        r.at = vocab.begin + 1;
        r.first = true;
        SUAN_TRY(read_vocab(l, &r, list));
    }
    SUAN_TRY(size_vocab(l, list, added));
    SUAN_TRY(place_tokens(l, list));
    SUAN_TRY(added_tokens(l, added));
    SUAN_TRY(suan__json_normalizers(l));
    SUAN_TRY(suan__json_pretokenizers(l));
    if (unigram) return finish_unigram(l, m);
    SUAN_TRY(suan__vocab_finish(t, err));
    SUAN_TRY(read_merges(l, &r, merges));
    return set_unk(l, m, false);
}

/* A copy of the file in which the tables are null. */
static bool without_tables(suan__buf *out, const char *s, size_t n, suan__json_span vocab, suan__json_span merges) {
    suan__json_span a = vocab, b = merges;
    if (b.end && (!a.end || b.begin < a.begin)) a = merges, b = vocab;
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        suan__json_span span = i == 0 ? a : b;
        if (!span.end) continue;
        suan__buf_append(out, s + at, span.begin - at);
        suan__buf_append(out, "null", 4);
        at = span.end;
    }
    return suan__buf_append(out, s + at, n - at) && !out->failed;
}

static suan_status load_root(suan__json_loader *l, const char *s, size_t n, suan__json_span vocab, suan__json_span merges,
                             vocab_list *list) {
    suan_error *err = l->err;
    SUAN_TRY(suan__json_check(l, l->root, "the file", "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                              "post_processor", "decoder", "model", (char *)NULL));
    SUAN_TRY(check_batching(l));
    SUAN_TRY(load_model(l, s, n, vocab, merges, list));
    SUAN_TRY(suan__added_finish(l->t, err));
    SUAN_TRY(suan__json_decoder(l));
    return suan__json_post_processor(l);
}

suan_status suan__tokenizer_load_json(suan_tokenizer **t, const char *json, size_t n, const char *name, suan_error *err) {
    suan__json_span vocab, merges;
    suan__buf rest = {0};
    vocab_list list = {.max_id = -1};
    json_error_t where;
    json_t *root = NULL;
    *t = NULL;
    SUAN_CHECK(n < INT32_MAX, SUAN_ELIMIT, "%s: %zu bytes, expected at most %d", name, n, INT32_MAX);
    SUAN_CHECK(suan__json_is_utf8(json, n), SUAN_EFORMAT, "%s: not valid UTF-8", name);
    suan_tokenizer *p = suan__tokenizer_new(name);
    SUAN_CHECK(p, SUAN_ENOMEM, "%s: out of memory for a tokenizer", name);
    /* Tokens point into this copy, so that they need none of their own. */
    char *copy = suan__arena_strndup(&p->arena, json, n);
    suan_status status = copy ? suan__json_find_tables(copy, n, &vocab, &merges, name, err) : SUAN_ENOMEM;
    if (status == SUAN_OK && !without_tables(&rest, copy, n, vocab, merges)) status = SUAN_ENOMEM;
    if (status == SUAN_OK) {
        root = json_loadb(rest.data, rest.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
        if (!root) status = suan__fail(err, SUAN_EFORMAT, "%s: not JSON: %s (byte %d)", name, where.text, where.position);
    } else if (status == SUAN_ENOMEM) {
        suan__fail(err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", name);
    }
    if (status == SUAN_OK) {
        suan__json_loader l = {p, err, root};
        status = load_root(&l, copy, n, vocab, merges, &list);
    }
    json_decref(root);
    suan__buf_fini(&rest);
    suan__buf_fini(&list.entries);
    if (status != SUAN_OK) suan_tokenizer_close(&p);
    *t = p;
    return status;
}

suan_status suan__tokenizer_from_json(suan_tokenizer **t, const char *json, size_t n, const char *name, suan_error *err) {
    suan_status status = suan__tokenizer_load_json(t, json, n, name, err);
    if (status == SUAN_OK) status = suan__roles_finish(*t, NULL, err);
    if (status != SUAN_OK) suan_tokenizer_close(t);
    return status;
}
