/* tokenizer_spm.c: a tokenizer from a SentencePiece model (tokenizer.model), a protocol buffer.
 *
 * The messages, by field number (sentencepiece_model.proto):
 *   ModelProto       1 pieces (repeated SentencePiece), 2 trainer_spec, 3 normalizer_spec, 4 self_test_data, 5 denormalizer_spec
 *   SentencePiece    1 piece (string), 2 score (float), 3 type (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte)
 *   TrainerSpec      3 model_type (1 unigram, 2 BPE), 24 treat_whitespace_as_suffix, 35 byte_fallback, 40 unk_id, 41 bos_id, 42 eos_id,
 *                    43 pad_id, 44 unk_surface
 *   NormalizerSpec   2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces, 5 escape_whitespaces
 * Fields that say how the model was trained are skipped. A field is a varint (number << 3 | wire type) and its value: 0 varint, 1 eight
 * bytes, 2 length and bytes, 5 four bytes.
 */
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

typedef struct reader {
    const unsigned char *s;
    size_t n, at;
    const char *path;
    suan_error *err;
} reader;

typedef struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value; /* varint, or the bytes of a fixed value */
    const unsigned char *data;
    size_t n; /* wire 2 */
} field;

static suan_status malformed(const reader *r, const char *what) {
    return suan__fail_at(r->err, SUAN_EFORMAT, (int64_t)r->at, "%s: SentencePiece model: %s at byte %zu", r->path, what, r->at);
}

static suan_status read_varint(reader *r, uint64_t *value) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->at == r->n) return malformed(r, "a number is cut short");
        unsigned char b = r->s[r->at++];
        if (shift == 63 && b > 1) break;
        v |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) {
            *value = v;
            return SUAN_OK;
        }
    }
    return malformed(r, "a number is longer than 64 bits");
}

/* Reads the next field; the caller checks that r->at < r->n. */
static suan_status read_field(reader *r, field *f) {
    uint64_t key;
    SUAN_TRY(read_varint(r, &key));
    if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) return malformed(r, "bad field number");
    *f = (field){.number = (uint32_t)(key >> 3), .wire = (uint32_t)(key & 7)};
    uint64_t n = 0;
    switch (f->wire) {
    case 0:
        return read_varint(r, &f->value);
    case 1:
        n = 8;
        break;
    case 2:
        SUAN_TRY(read_varint(r, &n));
        break;
    case 5:
        n = 4;
        break;
    default:
        return malformed(r, "bad wire type");
    }
    if (n > r->n - r->at) return malformed(r, "a field is cut short");
    f->data = r->s + r->at;
    f->n = (size_t)n;
    if (f->wire != 2) memcpy(&f->value, f->data, f->n);
    r->at += (size_t)n;
    return SUAN_OK;
}

typedef struct spm {
    suan_tokenizer *t;
    suan_error *err;
    uint64_t model_type;
    bool byte_fallback, suffix_space;
    int64_t unk, bos, eos, pad;
    suan__normalizer norm;
    const unsigned char *charsmap;
    size_t n_charsmap;
    const unsigned char *unk_surface;
    size_t n_unk_surface;
    uint32_t n_pieces;
} spm;

static suan_status need_wire(const reader *r, const field *f, uint32_t wire) {
    return f->wire == wire ? SUAN_OK : malformed(r, "a field has the wrong wire type");
}

static suan_status read_piece(spm *m, reader *outer, const field *whole, suan__token *token) {
    reader r = {whole->data, whole->n, 0, outer->path, outer->err};
    token->type = SUAN_TOKEN_NORMAL;
    while (r.at < r.n) {
        field f;
        SUAN_TRY(read_field(&r, &f));
        if (f.number == 1) {
            SUAN_TRY(need_wire(&r, &f, 2));
            if (f.n > SUAN__MAX_TOKEN_BYTES) return malformed(outer, "a piece is too long");
            token->text = suan__arena_strndup(&m->t->arena, (const char *)f.data, f.n);
            if (!token->text) return suan__fail(m->err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", r.path);
            token->n_text = (uint32_t)f.n;
        } else if (f.number == 2) {
            SUAN_TRY(need_wire(&r, &f, 5));
            uint32_t bits = (uint32_t)f.value;
            memcpy(&token->score, &bits, 4);
            if (!(token->score - token->score == 0)) return malformed(outer, "a score is not finite");
        } else if (f.number == 3) {
            SUAN_TRY(need_wire(&r, &f, 0));
            if (f.value < 1 || f.value > 6) return malformed(outer, "unknown type of piece");
            token->type = (uint8_t)f.value;
        }
    }
    if (token->n_text == 0) return malformed(outer, "a piece without text");
    return SUAN_OK;
}

static suan_status read_trainer(spm *m, reader *outer, const field *whole) {
    reader r = {whole->data, whole->n, 0, outer->path, outer->err};
    while (r.at < r.n) {
        field f;
        SUAN_TRY(read_field(&r, &f));
        bool number = f.number == 3 || f.number == 24 || f.number == 35 || (f.number >= 40 && f.number <= 43);
        if (number) SUAN_TRY(need_wire(&r, &f, 0));
        switch (f.number) {
        case 3:
            m->model_type = f.value;
            break;
        case 24:
            m->suffix_space = f.value != 0;
            break;
        case 35:
            m->byte_fallback = f.value != 0;
            break;
        case 40:
            m->unk = (int32_t)f.value;
            break;
        case 41:
            m->bos = (int32_t)f.value;
            break;
        case 42:
            m->eos = (int32_t)f.value;
            break;
        case 43:
            m->pad = (int32_t)f.value;
            break;
        case 44:
            SUAN_TRY(need_wire(&r, &f, 2));
            m->unk_surface = f.data;
            m->n_unk_surface = f.n;
            break;
        default:
            break;
        }
    }
    return SUAN_OK;
}

static suan_status read_normalizer(spm *m, reader *outer, const field *whole, bool denormalizer) {
    reader r = {whole->data, whole->n, 0, outer->path, outer->err};
    while (r.at < r.n) {
        field f;
        SUAN_TRY(read_field(&r, &f));
        if (f.number == 2) {
            SUAN_TRY(need_wire(&r, &f, 2));
            if (denormalizer && f.n > 0) {
                return suan__fail(m->err, SUAN_EUNSUPPORTED, "%s: denormalizer_spec with a charsmap is not supported", r.path);
            }
            m->charsmap = f.data;
            m->n_charsmap = f.n;
        } else if (f.number >= 3 && f.number <= 5 && !denormalizer) {
            SUAN_TRY(need_wire(&r, &f, 0));
            if (f.number == 3) m->norm.add_prefix = f.value != 0;
            if (f.number == 4) m->norm.remove_extra = f.value != 0;
            if (f.number == 5) m->norm.escape = f.value != 0;
        }
    }
    return SUAN_OK;
}

/* Two passes: the first counts pieces, the second fills them. */
static suan_status read_model(spm *m, const char *data, size_t n) {
    suan_error *err = m->err;
    for (int pass = 0; pass < 2; pass++) {
        reader r = {(const unsigned char *)data, n, 0, m->t->path, m->err};
        uint32_t k = 0;
        while (r.at < r.n) {
            field f;
            SUAN_TRY(read_field(&r, &f));
            if (f.number < 1 || f.number > 5 || f.number == 4) continue;
            SUAN_TRY(need_wire(&r, &f, 2));
            if (f.number == 1) {
                if (pass == 1) SUAN_TRY(read_piece(m, &r, &f, &m->t->tokens[k]));
                SUAN_CHECK(k < SUAN__MAX_VOCAB, SUAN_ELIMIT, "%s: more than %u pieces", r.path, SUAN__MAX_VOCAB);
                k++;
            } else if (pass == 1 && f.number == 2) {
                SUAN_TRY(read_trainer(m, &r, &f));
            } else if (pass == 1) {
                SUAN_TRY(read_normalizer(m, &r, &f, f.number == 5));
            }
        }
        SUAN_CHECK(k > 0, SUAN_EFORMAT, "%s: SentencePiece model without pieces", m->t->path);
        if (pass == 0) SUAN_TRY(suan__vocab_alloc(m->t, k, m->err));
    }
    return SUAN_OK;
}

/* ---- What the loaders of SentencePiece vocabularies share ---- */

/* Sets the bytes of each token: U+2581 is a space, byte tokens are their byte. */
suan_status suan__spm_decoding(suan_tokenizer *t, const suan__normalizer *norm, suan_error *err) {
    size_t total = 0;
    for (uint32_t i = 0; i < t->n_vocab; i++) total += t->tokens[i].n_text;
    char *pool = suan__arena_alloc(&t->arena, total + 1, 1);
    SUAN_CHECK(pool, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        suan__token *token = &t->tokens[i];
        if (token->type == SUAN_TOKEN_CONTROL || token->type == SUAN_TOKEN_UNKNOWN) continue;
        int byte = token->type == SUAN_TOKEN_BYTE ? suan__byte_of_token(token->text, token->n_text) : -1;
        char *start = pool;
        if (byte >= 0) *pool++ = (char)byte;
        for (uint32_t k = 0; k < token->n_text && byte < 0;) {
            bool space = token->n_text - k >= 3 && memcmp(token->text + k, "\xE2\x96\x81", 3) == 0;
            *pool++ = space ? ' ' : token->text[k];
            k += space ? 3 : 1;
        }
        token->decoded = start;
        token->n_decoded = (uint32_t)(pool - start);
    }
    t->strip_char = ' ';
    t->strip_left = norm->remove_extra ? UINT32_MAX : norm->add_prefix ? 1 : 0;
    return SUAN_OK;
}

suan_status suan__unigram_finish(suan_tokenizer *t, suan_error *err) {
    bool any = false;
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        const suan__token *token = &t->tokens[i];
        bool piece = token->type == SUAN_TOKEN_NORMAL || token->type == SUAN_TOKEN_UNUSED ||
                     (token->type == SUAN_TOKEN_USER_DEFINED && !token->added);
        if (!piece || token->n_text == 0) continue;
        SUAN_CHECK(suan__trie_insert(&t->pieces, &t->arena, token->text, token->n_text, (int32_t)i), SUAN_ENOMEM,
                   "%s: out of memory for a tokenizer", t->path);
        if (token->type != SUAN_TOKEN_NORMAL) continue;
        if (!any || token->score < t->min_score) t->min_score = token->score;
        if (!any || token->score > t->max_score) t->max_score = token->score;
        any = true;
    }
    SUAN_CHECK(t->pieces.edge, SUAN_EFORMAT, "%s: unigram vocabulary without pieces", t->path);
    return SUAN_OK;
}

/* ---- The tokenizer ---- */

static suan_status set_role(spm *m, suan_token_role role, int64_t id) {
    if (id < 0 || id >= m->t->n_vocab) return SUAN_OK; /* -1: there is none */
    return suan__tokenizer_set_role(m->t, role, NULL, 0, (int32_t)id, m->err);
}

/* Control pieces can be asked for by the caller; user-defined ones are found inside the model, in normalised text. */
static suan_status add_control(spm *m) {
    suan_tokenizer *t = m->t;
    suan_error *err = m->err;
    t->added = SUAN_ARENA_NEW(&t->arena, suan__added, t->n_vocab);
    SUAN_CHECK(t->added, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        suan__token *token = &t->tokens[i];
        if (token->type == SUAN_TOKEN_USER_DEFINED) {
            SUAN_CHECK(token->n_text <= SUAN__MAX_ADDED_BYTES, SUAN_ELIMIT, "%s: user-defined piece %u has %u bytes, expected at most %u",
                       t->path, i, token->n_text, SUAN__MAX_ADDED_BYTES);
            SUAN_CHECK(suan__trie_insert(&t->user_defined, &t->arena, token->text, token->n_text, (int32_t)i), SUAN_ENOMEM,
                       "%s: out of memory for a tokenizer", t->path);
        } else if (token->type == SUAN_TOKEN_CONTROL) {
            token->added = 1;
            t->added[t->n_added++] = (suan__added){.id = (int32_t)i, .text = token->text, .n = token->n_text, .special = true};
        }
    }
    return SUAN_OK;
}

static suan_status set_surface(spm *m) {
    suan_tokenizer *t = m->t;
    suan_error *err = m->err;
    const char *s = m->unk_surface ? (const char *)m->unk_surface : " \xE2\x81\x87 ";
    size_t n = m->unk_surface ? m->n_unk_surface : 5;
    SUAN_CHECK(n <= SUAN__MAX_ADDED_BYTES, SUAN_ELIMIT, "%s: unk_surface has %zu bytes", t->path, n);
    s = suan__arena_strndup(&t->arena, s, n);
    SUAN_CHECK(s, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        suan__token *token = &t->tokens[i];
        if (token->type != SUAN_TOKEN_UNKNOWN) continue;
        token->decoded = s;
        token->n_decoded = (uint32_t)n;
    }
    return SUAN_OK;
}

static suan_status load(spm *m, const char *data, size_t n) {
    suan_tokenizer *t = m->t;
    suan_error *err = m->err;
    SUAN_TRY(read_model(m, data, n));
    SUAN_CHECK(m->model_type == 1 || m->model_type == 2, SUAN_EUNSUPPORTED, "%s: model_type is %llu, expected 1 (unigram) or 2 (BPE)",
               t->path, (unsigned long long)m->model_type);
    SUAN_CHECK(!m->suffix_space, SUAN_EUNSUPPORTED, "%s: treat_whitespace_as_suffix is not supported", t->path);
    t->model = m->model_type == 1 ? SUAN__MODEL_UNIGRAM : SUAN__MODEL_RANKS;
    t->sentencepiece = t->fuse_unk = true;
    t->byte_fallback = m->byte_fallback;
    char *copy = suan__arena_strndup(&t->arena, (const char *)m->charsmap, m->n_charsmap);
    t->normalizers = SUAN_ARENA_NEW(&t->arena, suan__normalizer, 1);
    SUAN_CHECK(copy && t->normalizers, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
    SUAN_TRY(suan__charsmap_init(&m->norm.charsmap, copy, m->n_charsmap, t->path, err));
    t->normalizers[0] = m->norm;
    t->n_normalizers = 1;
    SUAN_TRY(add_control(m));
    SUAN_TRY(suan__vocab_finish(t, err));
    SUAN_TRY(t->model == SUAN__MODEL_UNIGRAM ? suan__unigram_finish(t, err) : suan__ranks_from_scores(t, err));
    SUAN_TRY(suan__spm_decoding(t, &m->norm, err));
    SUAN_TRY(set_surface(m));
    SUAN_TRY(suan__added_finish(t, err));
    SUAN_TRY(set_role(m, SUAN_ROLE_UNK, m->unk));
    SUAN_TRY(set_role(m, SUAN_ROLE_BOS, m->bos));
    SUAN_TRY(set_role(m, SUAN_ROLE_EOS, m->eos));
    SUAN_TRY(set_role(m, SUAN_ROLE_PAD, m->pad));
    /* The model file does not say whether BOS belongs in front: Llama's tokenizer, which these files come from, puts it there. */
    return suan__tokenizer_wrap(t, true, false, err);
}

suan_status suan__tokenizer_from_spm(suan_tokenizer **t, const char *data, size_t n, const char *name, suan_error *err) {
    spm m = {.t = suan__tokenizer_new(name), .err = err, .model_type = 1, .unk = 0, .bos = 1, .eos = 2, .pad = -1};
    m.norm = (suan__normalizer){.type = SUAN__NORM_SENTENCEPIECE, .add_prefix = true, .remove_extra = true, .escape = true};
    *t = NULL;
    if (!m.t) return suan__fail(err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", name);
    suan_status status = load(&m, data, n);
    if (status == SUAN_OK) status = suan__roles_finish(m.t, NULL, err);
    if (status != SUAN_OK) suan_tokenizer_close(&m.t);
    *t = m.t;
    return status;
}
