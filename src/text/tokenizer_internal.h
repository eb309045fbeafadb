/* tokenizer_internal.h: the inside of a tokenizer, as loaders fill it and encoding reads it.
 *
 * The way of a text: added tokens are cut out of it (tokenizer_added.c); what lies between is normalised (normalize.c), cut into pieces
 * (pretok.c), and each piece becomes ids (bpe.c, spm_unigram.c).
 */
#ifndef SUAN_TEXT_TOKENIZER_INTERNAL_H
#define SUAN_TEXT_TOKENIZER_INTERNAL_H

#include "text/pretok.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

/* Limits of a vocabulary; a file beyond them is refused. */
#define SUAN__MAX_VOCAB (1u << 24)
#define SUAN__MAX_TOKEN_BYTES (1u << 16)
#define SUAN__MAX_ADDED_BYTES 1024u /* of an added token's text */
#define SUAN__NO_RANK UINT32_MAX

typedef struct suan__token {
    const char *text;    /* as the file spells it */
    const char *bytes;   /* what the model sees: byte-level tokens as bytes, others as they are spelled */
    const char *decoded; /* what it becomes in text; NULL: bytes */
    uint32_t n_text, n_bytes, n_decoded;
    float score;
    uint8_t type;    /* suan_token_type; 0 in a hole while loading */
    uint8_t added;   /* cut out of text: never found by merging */
    uint8_t literal; /* byte-level: the text is not in the byte alphabet and stands for itself */
} suan__token;

/* From bytes to an id: open addressing; the hash is seeded by an address, which changes nothing but the order of slots. */
typedef struct suan__vocab_slot {
    uint32_t hash;
    int32_t id; /* -1: empty */
} suan__vocab_slot;
typedef struct suan__vocab_index {
    suan__vocab_slot *slot;
    uint32_t mask;
    uint64_t seed;
} suan__vocab_index;

typedef struct suan__merge {
    int32_t left, right; /* left -1: empty */
    uint32_t rank;
    int32_t id;
} suan__merge;

/* A set of byte strings, walked byte by byte. Node 0 is the root. */
typedef struct suan__trie_edge {
    uint32_t node; /* parent */
    uint32_t to;   /* 0: empty */
    uint8_t byte;
} suan__trie_edge;
typedef struct suan__trie {
    suan__arena *arena;
    suan__trie_edge *edge; /* open addressing; NULL: the set is empty */
    uint32_t mask;
    int32_t *value; /* for each node: what ends there, -1: nothing */
    uint32_t n_nodes, capacity;
    uint32_t root_to[256]; /* children of the root */
} suan__trie;

typedef enum suan__normalizer_type {
    SUAN__NORM_NFC = SUAN__NFC,
    SUAN__NORM_NFD = SUAN__NFD,
    SUAN__NORM_NFKC = SUAN__NFKC,
    SUAN__NORM_NFKD = SUAN__NFKD,
    SUAN__NORM_LOWERCASE,
    SUAN__NORM_STRIP,
    SUAN__NORM_PREPEND,
    SUAN__NORM_REPLACE,
    SUAN__NORM_CHARSMAP,     /* a SentencePiece charsmap alone, as HF's Precompiled */
    SUAN__NORM_SENTENCEPIECE /* the whole of SentencePiece's normaliser */
} suan__normalizer_type;

/* The precompiled table of SentencePiece: a double array, and NUL-terminated replacements. Offsets are checked at every step. */
typedef struct suan__charsmap {
    const unsigned char *units; /* little-endian u32, unaligned */
    uint32_t n_units;
    const char *strings;
    uint32_t n_strings;
} suan__charsmap;

typedef struct suan__normalizer {
    suan__normalizer_type type;
    bool left, right;    /* STRIP */
    const char *literal; /* PREPEND, REPLACE's pattern */
    size_t n_literal;
    const suan__regex *regex; /* REPLACE's pattern when not NULL */
    const char *content;      /* REPLACE */
    size_t n_content;
    bool add_prefix, remove_extra, escape; /* SENTENCEPIECE */
    suan__charsmap charsmap;               /* n_units 0: none */
} suan__normalizer;

typedef struct suan__added {
    int32_t id;
    const char *text;
    uint32_t n;
    bool special, lstrip, rstrip, single_word, normalized;
} suan__added;

typedef struct suan__chat_template {
    const char *name, *text;
    size_t n;
} suan__chat_template;

typedef enum suan__model_type {
    SUAN__MODEL_MERGES, /* a table of pairs */
    SUAN__MODEL_RANKS,  /* two symbols merge when their bytes together are a token; its rank decides */
    SUAN__MODEL_UNIGRAM
} suan__model_type;

struct suan_tokenizer {
    suan__arena arena; /* owns everything below */
    const char *path;  /* for messages */

    suan__model_type model;
    bool byte_level;    /* symbols are bytes; tokens are spelled in the byte alphabet */
    bool byte_fallback; /* an unknown character becomes byte tokens */
    bool ignore_merges; /* a piece that is a token is taken whole */
    bool fuse_unk;
    bool sentencepiece; /* user-defined pieces are cut out inside the normalised text; pieces marked unused are taken apart again */
    bool has_unused;
    bool space_cuts; /* no token holds U+2581 behind another character: merges never cross there */

    uint32_t n_vocab;
    suan__token *tokens;
    uint32_t max_bytes; /* of the tokens that merges can make */
    suan__vocab_index index;
    int32_t byte_id[256]; /* byte-level: the symbol; else the byte token; -1: none */
    suan__merge *merges;  /* MERGES: open addressing */
    uint32_t merge_mask;
    char *merge_text;       /* while loading */
    int32_t last_merged;    /* while loading: what the merge before made */
    uint32_t n_lost_merges; /* while loading: merges left out */
    uint32_t *rank;         /* RANKS: of each token */
    uint8_t *whole;         /* for each token: 1 its bytes encode to itself, 2 they do not, 0 not known yet; written with relaxed atomics */
    float min_score, max_score;
    double *scores64; /* UNIGRAM from tokenizer.json: scores as that file and HF tokenizers have them; else NULL */
    double min_score64;
    suan__trie pieces; /* UNIGRAM */

    suan__normalizer *normalizers;
    size_t n_normalizers;
    suan__pretok_step *pretok;
    size_t n_pretok;

    suan__added *added;
    size_t n_added;
    suan__trie added_raw, added_normalized, user_defined; /* values index `added`; user_defined: ids */
    bool added_start[2][256];                             /* whether a raw, a normalized added token begins with this byte */

    int32_t role[SUAN_N_ROLES];
    const char *role_text[SUAN_N_ROLES];
    size_t n_role_text[SUAN_N_ROLES];
    int32_t *prefix, *suffix; /* ids that ADD_SPECIAL puts around the text */
    size_t n_prefix, n_suffix;
    int32_t *eog;
    size_t n_eog;
    suan__chat_template *templates;
    size_t n_templates;
    const char **additional;
    size_t n_additional;

    /* Decoding. */
    uint32_t strip_left; /* at most this many strip_char at the start of the text are dropped */
    char strip_char;
    uint32_t max_token_bytes;
};

/* A text and, where its bytes are not all alike, whether each is trusted. */
typedef struct suan__text {
    suan__buf bytes;
    suan__buf trust; /* one byte for each byte of `bytes`, when the encoder has spans; else unused */
} suan__text;

/* The state of one encode call. */
typedef struct suan__encoder {
    const suan_tokenizer *t;
    suan__ids *ids;
    suan_error *err;
    bool parse_special;   /* control tokens are cut out */
    const uint8_t *trust; /* of the input; NULL: added tokens may form anywhere */
    suan__text norm[2];
    int i_norm;
    suan__pieces pieces;
    void *best; /* of spm_unigram.c */
    size_t n_best;
    struct bpe_long *bpe;
    bool last_unk; /* the last id of this piece was an unknown character (fuse_unk) */
} suan__encoder;

/* tokenizer_vocab.c: what every loader calls. */
suan_tokenizer *suan__tokenizer_new(const char *path);
suan_status suan__vocab_alloc(suan_tokenizer *t, uint32_t n, suan_error *err);
/* Sets bytes, byte ids, holes, the hash index, space_cuts and the rest, once tokens, types and flags are known. */
suan_status suan__vocab_finish(suan_tokenizer *t, suan_error *err);
int32_t suan__vocab_find(const suan_tokenizer *t, const char *bytes, size_t n);
/* The index for a table being loaded: find by text among all tokens. */
suan_status suan__index_alloc(suan_tokenizer *t, suan__vocab_index *ix, uint32_t n, suan_error *err);
uint32_t suan__index_hash(const suan__vocab_index *ix, const char *bytes, size_t n);
/* Adds a merge of two token ids into a third; a duplicate keeps the first. */
suan_status suan__merges_alloc(suan_tokenizer *t, size_t n, suan_error *err);
void suan__merges_add(suan_tokenizer *t, int32_t left, int32_t right, int32_t id, uint32_t rank);
/* The same from the spelling of both parts: both and what they make must be tokens. A merge of or into an added token is left out: plain
 * text must never become one. */
suan_status suan__merges_add_text(suan_tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right, uint32_t rank,
                                  suan_error *err);
/* RANKS: ranks from scores (descending, equal scores share a rank) of normal tokens. */
suan_status suan__ranks_from_scores(suan_tokenizer *t, suan_error *err);
/* The byte that a code point of the byte alphabet stands for, -1: none. */
int suan__byte_of_cp(uint32_t cp);
/* "<0x0A>" to 10; -1: not of that form (exactly two hexadecimal digits). */
int suan__byte_of_token(const char *text, size_t n);
/* tokenizer_added.c */
suan_status suan__added_finish(suan_tokenizer *t, suan_error *err);
bool suan__trie_insert(suan__trie *trie, suan__arena *arena, const char *s, size_t n, int32_t value); /* false: out of memory */
uint32_t suan__trie_step(const suan__trie *trie, uint32_t node, uint8_t byte);                        /* 0: no child */
/* Whether text[begin..end) has no word character at either side. */
bool suan__stands_alone(const char *text, size_t n, size_t begin, size_t end);
const suan__added *suan__added_at(const suan__encoder *e, const suan__trie *trie, const char *text, const uint8_t *trust, size_t n,
                                  size_t at, size_t *length);
/* tokenizer_roles.c: roles by name or id, the set of end-of-generation ids. */
suan_status suan__roles_finish(suan_tokenizer *t, const json_t *generation_config, suan_error *err);
suan_status suan__tokenizer_apply_config(suan_tokenizer *t, const json_t *tokenizer_config, const char *name, suan_error *err);
suan_status suan__tokenizer_set_role(suan_tokenizer *t, suan_token_role role, const char *text, size_t n, int32_t id, suan_error *err);
suan_status suan__tokenizer_add_template(suan_tokenizer *t, const char *name, size_t n_name, const char *text, size_t n, suan_error *err);
suan_status suan__tokenizer_wrap(suan_tokenizer *t, bool bos, bool eos, suan_error *err);
/* normalize.c: the result is e->norm[e->i_norm]; trust NULL: not kept. */
suan_status suan__normalize(suan__encoder *e, const char *text, const uint8_t *trust, size_t n);
/* tokenizer_tiktoken.c: n characters (a multiple of 4, padded) to out; SIZE_MAX when they are not base64. */
size_t suan__base64_decode(const char *s, size_t n, char *out);
/* added is tokenizer_config.json's added_tokens_decoder or NULL; roles are not set. */
suan_status suan__tokenizer_load_tiktoken(suan_tokenizer **t, const char *data, size_t n, const char *name, const json_t *added,
                                          suan_error *err);
/* tokenizer_json.c: as suan__tokenizer_from_json, without roles. */
suan_status suan__tokenizer_load_json(suan_tokenizer **t, const char *json, size_t n, const char *name, suan_error *err);
/* tokenizer_spm.c: what tokens decode to, and what is stripped at the start. */
suan_status suan__spm_decoding(suan_tokenizer *t, const suan__normalizer *norm, suan_error *err);
suan_status suan__charsmap_init(suan__charsmap *map, const char *data, size_t n, const char *path, suan_error *err);
/* bpe.c, spm_unigram.c: one piece; trust: where user-defined pieces of SentencePiece may form (NULL: anywhere). */
suan_status suan__bpe_encode(suan__encoder *e, const char *s, size_t n);
suan_status suan__unigram_finish(suan_tokenizer *t, suan_error *err); /* the trie, the extreme scores */
suan_status suan__unigram_encode(suan__encoder *e, const char *s, const uint8_t *trust, size_t n);
void suan__bpe_fini(suan__encoder *e);
suan_status suan__emit(suan__encoder *e, int32_t id);
/* What is not in the vocabulary: byte tokens, the unknown token, or an error. */
suan_status suan__emit_unknown(suan__encoder *e, const char *s, size_t n);

#endif
