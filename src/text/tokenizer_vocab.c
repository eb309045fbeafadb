/* tokenizer_vocab.c: the vocabulary's tables: bytes of each token, the index from bytes to ids, merges and ranks. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_internal.h"

suan_tokenizer *suan__tokenizer_new(const char *path) {
    suan_tokenizer *t = suan__calloc(1, sizeof *t);
    if (!t) return NULL;
    suan__arena_init(&t->arena, 1 << 16);
    t->path = suan__arena_strndup(&t->arena, path, strlen(path));
    for (int i = 0; i < SUAN_N_ROLES; i++) t->role[i] = -1;
    if (!t->path) suan_tokenizer_close(&t);
    return t;
}

void suan_tokenizer_close(suan_tokenizer **t) {
    if (!t || !*t) return;
    suan__arena_fini(&(*t)->arena);
    suan__free(*t);
    *t = NULL;
}

suan_status suan__vocab_alloc(suan_tokenizer *t, uint32_t n, suan_error *err) {
    SUAN_CHECK(n > 0 && n <= SUAN__MAX_VOCAB, SUAN_ELIMIT, "%s: vocabulary of %u tokens, expected 1 to %u", t->path, n, SUAN__MAX_VOCAB);
    t->tokens = SUAN_ARENA_NEW(&t->arena, suan__token, n);
    SUAN_CHECK(t->tokens, SUAN_ENOMEM, "%s: out of memory for %u tokens", t->path, n);
    t->n_vocab = n;
    return SUAN_OK;
}

/* ---- The byte alphabet of byte-level BPE: printable bytes are themselves, the others U+0100 and on, in order ---- */

static bool is_printable_byte(uint32_t b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

int suan__byte_of_cp(uint32_t cp) {
    if (cp < 256) return is_printable_byte(cp) ? (int)cp : -1;
    if (cp > 256 + 67) return -1;
    uint32_t k = cp - 256; /* the k-th byte that is not printable: 0..32, 127..160, 173 */
    return k <= 32 ? (int)k : k <= 66 ? (int)(k + 94) : 173;
}

int suan__byte_of_token(const char *text, size_t n) {
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    int v = 0;
    for (int i = 3; i < 5; i++) {
        char c = text[i];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

/* Writes the bytes of a token spelled in the byte alphabet; SIZE_MAX when it is not. out has room for n bytes. */
static size_t decode_alphabet(const char *text, size_t n, char *out) {
    size_t k = 0;
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        uint32_t cp;
        if (c < 0x80) {
            cp = c;
            i++;
        } else if (c >= 0xC2 && c <= 0xC5 && i + 1 < n && ((unsigned char)text[i + 1] & 0xC0) == 0x80) {
            cp = (c & 31u) << 6 | ((unsigned char)text[i + 1] & 63u);
            i += 2;
        } else {
            return SIZE_MAX;
        }
        int b = suan__byte_of_cp(cp);
        if (b < 0) return SIZE_MAX;
        out[k++] = (char)b;
    }
    return k;
}

/* ---- The index ---- */

static inline uint64_t mix(uint64_t a, uint64_t b) {
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint32_t suan__index_hash(const suan__vocab_index *ix, const char *s, size_t n) {
    uint64_t h = ix->seed ^ n * 0x9E3779B97F4A7C15u, w;
    while (n > 8) {
        memcpy(&w, s, 8);
        h = mix(h ^ w, 0xD6E8FEB86659FD93u);
        s += 8;
        n -= 8;
    }
    w = 0;
    if (n >= 4) { /* two loads that overlap cover 4 to 8 bytes */
        uint32_t a, b;
        memcpy(&a, s, 4);
        memcpy(&b, s + n - 4, 4);
        w = (uint64_t)a << 32 | b;
    } else {
        for (size_t i = 0; i < n; i++) w = w << 8 | (unsigned char)s[i];
    }
    h = mix(h ^ w, 0xA0761D6478BD642Fu);
    return (uint32_t)(h ^ h >> 32);
}

suan_status suan__index_alloc(suan_tokenizer *t, suan__vocab_index *ix, uint32_t n, suan_error *err) {
    uint32_t size = 16;
    while (size < n * 2u) size *= 2;
    ix->slot = SUAN_ARENA_NEW(&t->arena, suan__vocab_slot, size);
    SUAN_CHECK(ix->slot, SUAN_ENOMEM, "%s: out of memory for the vocabulary's index", t->path);
    memset(ix->slot, 0xFF, size * sizeof *ix->slot);
    ix->mask = size - 1;
    ix->seed = (uint64_t)(uintptr_t)ix->slot * 0x9E3779B97F4A7C15u;
    return SUAN_OK;
}

int32_t suan__vocab_find(const suan_tokenizer *t, const char *bytes, size_t n) {
    const suan__vocab_index *ix = &t->index;
    uint32_t hash = suan__index_hash(ix, bytes, n);
    for (uint32_t i = hash & ix->mask; ix->slot[i].id >= 0; i = (i + 1) & ix->mask) {
        if (ix->slot[i].hash != hash) continue;
        const suan__token *token = &t->tokens[ix->slot[i].id];
        if (token->n_bytes == n && memcmp(token->bytes, bytes, n) == 0) return ix->slot[i].id;
    }
    return -1;
}

/* Only tokens that merges may make are indexed: an added token never comes out of plain text, whatever the merges say. Of tokens with
 * the same bytes the first counts. */
static bool is_mergeable(const suan_tokenizer *t, const suan__token *token) {
    if (token->n_bytes == 0 || token->added || token->literal) return false;
    if (token->type == SUAN_TOKEN_NORMAL) return true;
    return token->type == SUAN_TOKEN_UNUSED && t->sentencepiece && token->n_text > 0;
}

static void index_insert(suan_tokenizer *t, int32_t id) {
    suan__vocab_index *ix = &t->index;
    const suan__token *token = &t->tokens[id];
    uint32_t hash = suan__index_hash(ix, token->bytes, token->n_bytes), i = hash & ix->mask;
    for (; ix->slot[i].id >= 0; i = (i + 1) & ix->mask) {
        if (ix->slot[i].hash != hash) continue;
        const suan__token *other = &t->tokens[ix->slot[i].id];
        if (other->n_bytes == token->n_bytes && memcmp(other->bytes, token->bytes, token->n_bytes) == 0) return;
    }
    ix->slot[i] = (suan__vocab_slot){hash, id};
}

/* ---- Bytes of each token ---- */

static void set_bytes(suan_tokenizer *t, suan__token *token, char **pool) {
    if (token->bytes) return; /* the loader knew better */
    token->bytes = token->text;
    token->n_bytes = token->n_text;
    if (!t->byte_level || token->added || token->type == SUAN_TOKEN_CONTROL || token->type == SUAN_TOKEN_UNKNOWN) return;
    size_t n = decode_alphabet(token->text, token->n_text, *pool);
    if (n == SIZE_MAX) {
        token->literal = 1;
        return;
    }
    token->bytes = *pool;
    token->n_bytes = (uint32_t)n;
    *pool += n;
}

static suan_status check_token(const suan_tokenizer *t, uint32_t id, suan_error *err) {
    const suan__token *token = &t->tokens[id];
    uint32_t limit = token->added ? SUAN__MAX_ADDED_BYTES : SUAN__MAX_TOKEN_BYTES;
    SUAN_CHECK(token->n_text <= limit, SUAN_ELIMIT, "%s: token %u has %u bytes, expected at most %u", t->path, id, token->n_text, limit);
    return SUAN_OK;
}

static void set_byte_ids(suan_tokenizer *t) {
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        t->byte_id[b] = t->byte_level ? suan__vocab_find(t, &c, 1) : -1;
    }
    for (uint32_t i = 0; i < t->n_vocab && !t->byte_level; i++) {
        if (t->tokens[i].type != SUAN_TOKEN_BYTE) continue;
        int b = suan__byte_of_token(t->tokens[i].text, t->tokens[i].n_text);
        if (b >= 0 && t->byte_id[b] < 0) t->byte_id[b] = (int32_t)i;
    }
}

/* Whether U+2581 (the space of SentencePiece) stands only in front of a token or behind another of its kind. */
static bool space_only_leads(const suan__token *token) {
    const char *s = token->bytes;
    for (size_t i = 1; i + 2 < token->n_bytes; i++) {
        if (memcmp(s + i, "\xE2\x96\x81", 3) == 0 && (i < 3 || memcmp(s + i - 3, "\xE2\x96\x81", 3) != 0)) return false;
    }
    return true;
}

suan_status suan__vocab_finish(suan_tokenizer *t, suan_error *err) {
    size_t total = 0;
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        SUAN_TRY(check_token(t, i, err));
        total += t->tokens[i].n_text;
        if (t->tokens[i].type == 0) t->tokens[i].type = SUAN_TOKEN_UNUSED;
        if (!t->tokens[i].text) t->tokens[i].text = "";
    }
    char *pool = t->byte_level ? suan__arena_alloc(&t->arena, total + 1, 1) : NULL;
    SUAN_CHECK(pool || !t->byte_level, SUAN_ENOMEM, "%s: out of memory for the vocabulary", t->path);
    SUAN_TRY(suan__index_alloc(t, &t->index, t->n_vocab, err));
    t->space_cuts = !t->byte_level && t->model != SUAN__MODEL_UNIGRAM;
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        suan__token *token = &t->tokens[i];
        set_bytes(t, token, &pool);
        if (!is_mergeable(t, token)) continue;
        index_insert(t, (int32_t)i);
        if (token->type == SUAN_TOKEN_UNUSED) t->has_unused = true;
        if (token->n_bytes > t->max_bytes) t->max_bytes = token->n_bytes;
        if (t->space_cuts && !space_only_leads(token)) t->space_cuts = false;
    }
    set_byte_ids(t);
    t->whole = SUAN_ARENA_NEW(&t->arena, uint8_t, t->n_vocab);
    SUAN_CHECK(t->whole, SUAN_ENOMEM, "%s: out of memory for the vocabulary", t->path);
    return SUAN_OK;
}

/* ---- Merges and ranks ---- */

suan_status suan__merges_alloc(suan_tokenizer *t, size_t n, suan_error *err) {
    SUAN_CHECK(n <= SUAN__MAX_VOCAB * 4u, SUAN_ELIMIT, "%s: %zu merges, expected at most %u", t->path, n, SUAN__MAX_VOCAB * 4u);
    uint32_t size = 16;
    while (size < n + n / 2) size *= 2;
    t->merges = SUAN_ARENA_NEW(&t->arena, suan__merge, size);
    SUAN_CHECK(t->merges, SUAN_ENOMEM, "%s: out of memory for %zu merges", t->path, n);
    for (uint32_t i = 0; i < size; i++) t->merges[i].left = -1;
    t->merge_mask = size - 1;
    return SUAN_OK;
}

static inline uint32_t merge_slot(const suan_tokenizer *t, int32_t left, int32_t right) {
    uint64_t h = mix(((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ t->index.seed, 0xD6E8FEB86659FD93u);
    return (uint32_t)h & t->merge_mask;
}

void suan__merges_add(suan_tokenizer *t, int32_t left, int32_t right, int32_t id, uint32_t rank) {
    uint32_t i = merge_slot(t, left, right);
    for (; t->merges[i].left >= 0; i = (i + 1) & t->merge_mask) {
        if (t->merges[i].left == left && t->merges[i].right == right) return;
    }
    t->merges[i] = (suan__merge){left, right, rank, id};
}

/* Whether any token, an added one too, has this spelling. Slow: only for what the index does not know. */
static bool spelled(const suan_tokenizer *t, const char *text, size_t n) {
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        if (t->tokens[i].n_text == n && memcmp(t->tokens[i].text, text, n) == 0) return true;
    }
    return false;
}

suan_status suan__merges_add_text(suan_tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right, uint32_t rank,
                                  suan_error *err) {
    char *both = t->merge_text;
    size_t n = n_left + n_right, k_left = n_left, k_right = n_right;
    if (!both) both = t->merge_text = suan__arena_alloc(&t->arena, 2 * SUAN__MAX_TOKEN_BYTES, 1);
    SUAN_CHECK(both, SUAN_ENOMEM, "%s: out of memory for merges", t->path);
    SUAN_CHECK(n_left <= SUAN__MAX_TOKEN_BYTES && n_right <= SUAN__MAX_TOKEN_BYTES, SUAN_ELIMIT, "%s: merge %u is longer than %u bytes",
               t->path, rank, SUAN__MAX_TOKEN_BYTES);
    if (t->byte_level) {
        k_left = decode_alphabet(left, n_left, both);
        k_right = k_left == SIZE_MAX ? SIZE_MAX : decode_alphabet(right, n_right, both + k_left);
    } else {
        memcpy(both, left, n_left);
        memcpy(both + n_left, right, n_right);
    }
    int32_t a = -1, b = -1, id = -1;
    if (k_left != SIZE_MAX && k_right != SIZE_MAX) {
        a = suan__vocab_find(t, both, k_left);
        b = suan__vocab_find(t, both + k_left, k_right);
        /* Merges are listed in the order in which their tokens got ids, mostly: look there first. */
        const suan__token *guess = (uint32_t)t->last_merged + 1 < t->n_vocab ? &t->tokens[t->last_merged + 1] : &t->tokens[0];
        bool hit = guess->n_bytes == k_left + k_right && !guess->added && !guess->literal && guess->type == SUAN_TOKEN_NORMAL &&
                   memcmp(guess->bytes, both, guess->n_bytes) == 0;
        id = hit ? (int32_t)(guess - t->tokens) : suan__vocab_find(t, both, k_left + k_right);
    }
    if (a >= 0 && b >= 0 && id >= 0) {
        t->last_merged = id;
        suan__merges_add(t, a, b, id, rank);
        return SUAN_OK;
    }
    memcpy(both, left, n_left);
    memcpy(both + n_left, right, n_right);
    SUAN_CHECK((a >= 0 || spelled(t, both, n_left)) && (b >= 0 || spelled(t, both + n_left, n_right)) && (id >= 0 || spelled(t, both, n)),
               SUAN_EFORMAT, "%s: merge %u (\"%.*s\" and \"%.*s\"): a part, or what they make, is not in the vocabulary", t->path, rank,
               (int)(n_left < 80 ? n_left : 80), left, (int)(n_right < 80 ? n_right : 80), right);
    SUAN_CHECK(++t->n_lost_merges <= 65536, SUAN_ELIMIT, "%s: too many merges of added tokens", t->path);
    return SUAN_OK;
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int compare_scores(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

suan_status suan__ranks_from_scores(suan_tokenizer *t, suan_error *err) {
    t->rank = SUAN_ARENA_NEW(&t->arena, uint32_t, t->n_vocab);
    scored *list = suan__malloc(t->n_vocab * sizeof *list);
    if (!t->rank || !list) {
        suan__free(list);
        return suan__fail(err, SUAN_ENOMEM, "%s: out of memory for the vocabulary", t->path);
    }
    uint32_t n = 0, rank = 0;
    bool sorted = true;
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        t->rank[i] = SUAN__NO_RANK;
        if (!is_mergeable(t, &t->tokens[i])) continue;
        list[n] = (scored){t->tokens[i].score, i};
        if (n > 0 && list[n].score > list[n - 1].score) sorted = false;
        n++;
    }
    if (!sorted) qsort(list, n, sizeof *list, compare_scores);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && list[i].score != list[i - 1].score) rank = i;
        t->rank[list[i].id] = rank;
    }
    suan__free(list);
    return SUAN_OK;
}
