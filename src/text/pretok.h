/* pretok.h: cutting text into the pieces that merges never cross, by the list of steps a tokenizer file gives. */
#ifndef SUAN_TEXT_PRETOK_H
#define SUAN_TEXT_PRETOK_H

#include "text/pretok_regex.h"

/* What becomes of the matches of a pattern, as tokenizer.json names it. */
typedef enum suan__split {
    SUAN__SPLIT_ISOLATED,        /* each match is a piece, each gap is a piece */
    SUAN__SPLIT_REMOVED,         /* matches are dropped */
    SUAN__SPLIT_MERGED_PREVIOUS, /* a match joins the gap before it */
    SUAN__SPLIT_MERGED_NEXT,     /* a match joins the gap behind it */
    SUAN__SPLIT_CONTIGUOUS       /* neighbouring matches are one piece */
} suan__split;

typedef enum suan__prepend { SUAN__PREPEND_NEVER, SUAN__PREPEND_FIRST, SUAN__PREPEND_ALWAYS } suan__prepend;

typedef enum suan__pretok_type { SUAN__PRETOK_SPLIT, SUAN__PRETOK_METASPACE, SUAN__PRETOK_PREFIX_SPACE } suan__pretok_type;

typedef struct suan__pretok_step {
    suan__pretok_type type;
    /* SPLIT: a regular expression, or the literal when regex is NULL. METASPACE: literal is what stands for a space. */
    const suan__regex *regex;
    const char *literal;
    size_t n_literal;
    suan__split behavior;
    bool invert;           /* SPLIT: gaps are what the behavior speaks of */
    suan__prepend prepend; /* METASPACE */
    bool split;            /* METASPACE: each literal begins a piece */
} suan__pretok_step;

typedef struct suan__piece {
    uint32_t begin, end;
} suan__piece;

/* Buffers of one encode call; zeroed to begin with. */
typedef struct suan__pieces {
    suan__piece *v, *spare;
    size_t n, capacity, n_spare, capacity_spare;
    const char *text; /* what the pieces point into: the input, or a buffer below */
    size_t n_text;
    suan__buf buffer[2];
    int i_buffer;
} suan__pieces;

void suan__pieces_fini(suan__pieces *p);
/* Cuts text[0..n) (n < 2^31) into p->v; text stays borrowed while p is used. first: the text begins the whole input. */
suan_status suan__pretok_apply(const suan__pretok_step *steps, size_t n_steps, const char *text, size_t n, bool first, suan__pieces *p,
                               suan_error *err);

/* The patterns behind a name in tokenizer.ggml.pre; NULL for an unknown name. */
typedef struct suan__pretok_preset {
    const char *const *patterns; /* NULL behind the last */
    bool ignore_merges;          /* a piece that is a token is taken whole */
    bool add_bos;                /* what holds when the file does not say */
} suan__pretok_preset;
const suan__pretok_preset *suan__pretok_find_preset(const char *name, size_t n);
extern const char suan__pretok_gpt2[];    /* the pattern inside HF's ByteLevel(use_regex) */
extern const char suan__pretok_kimi_k2[]; /* the pattern of Kimi's tiktoken files */

#endif
