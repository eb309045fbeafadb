/* step.h: a step at work, for the files that compute the parts of a layer.
 *
 * All threads of the pool run the layers together. A part is a sequence of operations; each operation cuts its outputs into tiles, hands
 * them out as threads ask for them, and ends with a barrier. A part leaves its last operation open, for the norm behind it to end. Every tile writes outputs that no other
 * tile touches, so who takes which changes no bit.
 */
#ifndef SUAN_MODEL_STEP_H
#define SUAN_MODEL_STEP_H

#include "model/cost.h"
#include "model/family.h"

#define SUAN__PIECE 1024   /* values of a row that one tile rounds */
#define SUAN__ATTN_ROWS 32 /* query rows (tokens x heads of a group) that attention takes together */

/* Buffers of one thread. */
typedef struct suan__thread_scratch {
    float *expand; /* SUAN__EXPAND_SCRATCH */
    float *q;      /* [ATTN_ROWS][row width] gathered queries, or transposed [row width + 2][ATTN_ROWS] */
    float *s;      /* [rows][256] scores */
    float *o, *o2; /* [rows][value width] */
    float *m, *sum;
    unsigned char *q_rows, *q_panels; /* rounded queries for a q8_0 cache: [ATTN_ROWS] q8 rows; the same in panels of 16 */
    unsigned char *kv_row;            /* suan__kv_scratch_bytes of a row */
    unsigned char *gathered;          /* a block of selected rows of the cache, where the model selects */
    uint32_t *bins;                   /* of a selection */
    float *streams;                   /* [n_stream][SUAN__PIECE] of hyper-connections */
    float *row;                       /* [head_dim or index_dim] a compressed row */
    unsigned char *q8;                /* a piece of a q8 row: SUAN__PIECE values */
} suan__thread_scratch;

/* A token of a step, and a stretch of neighbouring ones of one sequence that attention takes together. */
typedef struct suan__token {
    int32_t id;
    uint32_t pos, segment;
    suan__kv *kv;
} suan__token;
typedef struct suan__strip {
    uint32_t t0, n;
} suan__strip;

/* The tiles before a thread, in a line of its own. */
typedef struct suan__stretch {
    _Alignas(SUAN__ALIGN) _Atomic uint64_t word;
} suan__stretch;

/* T: tokens of a step at most; used: experts a token. Where the sizes come from: place() in step.c. */
struct suan__step {
    const suan__model *model;
    uint32_t max_tokens, max_rows, n_ctx;
    suan__segment *segments, one; /* of the present step, borrowed; of a step of one sequence */
    uint32_t n_segments, n_tokens, n_strips;
    uint32_t last_pos;     /* the greatest position of the step */
    bool only_logits;      /* see suan__step_only_logits */
    uint32_t n_kept;       /* tokens that the network of the last layer is computed for */
    suan__token *tokens;   /* [T]: segment after segment */
    suan__strip *strips;   /* [T] */
    atomic_ullong *faults; /* [T]: of each segment, 0: none; see suan__step_fault */
    suan__dtype kv_type;   /* of all caches of the step, and whether they make the published round trips */
    bool rounding, exact;
    float *x, *h, *out;               /* [T][n_embd]: the residual stream, its norm, a part's output */
    float *cos, *sin;                 /* [T][n_rot / 2] */
    float *q, *kv_new, *att;          /* queries, new keys (and values behind), attention output */
    float *q_a, *latent_q, *latent_o; /* MLA: [T][q_lora], [T][H][kv_lora] both */
    float *gate, *up;                 /* [T][n_ff] or [T * used][n_ff_exp] */
    float *expert_out;                /* [T * used][n_embd] */
    float *gathered;                  /* [T * used][n_embd] f32 activations of experts, exact path */
    float *router;                    /* [T][n_expert] */
    float *router_key;                /* [T][2 * n_expert]: what is sorted, and scores of groups */
    uint32_t *group_scratch;          /* [T][n_group] */
    float *moe_sum;                   /* [T][n_embd] */
    uint32_t *selected;               /* [T][used] ascending */
    float *selected_weight;           /* [T][used] */
    uint32_t *slot_of;                /* [T][used]: row of expert_out */
    uint32_t *expert_begin;           /* [n_expert + 1] */
    uint32_t *expert_fill;            /* [n_expert] */
    uint32_t *busy, n_busy;           /* [n_expert]: the experts that have tokens, ascending */
    uint64_t experts_read;            /* n_busy, added up over layers and steps */
    uint32_t *expert_use;             /* [n_layer][n_expert]: tokens, added up over steps */
    uint32_t *slot_token;             /* [T * used] */
    unsigned char *h_32, *h_256;      /* h rounded, [T] q8 rows; what the model does not take is not filled */
    unsigned char *q8_32, *q8_256, *q8_gather_32, *q8_gather_256;
    size_t q8_bytes;
    atomic_uchar *units;            /* see suan__gated; zero between operations */
    float *shared_gate, *shared_up; /* [GATED_TOKENS][n_ff_exp * n_expert_shared]: the shared expert's, beside the experts' */
    unsigned char *shared_32, *shared_256;
    uint32_t split_blocks;                     /* blocks that the buffers below hold for each head; 0: attention of a token is not split */
    float *split_o, *split_m, *split_sum;      /* [H][split_blocks][width of a value], [H][split_blocks] both */
    float *logits;                             /* [max_rows][n_vocab] */
    float *index_q, *index_weight, *index_key; /* indexer: [T][heads][dim], [T][heads], [T][dim] */
    float *index_score;                        /* [SUAN__INDEX_TOKENS][ld_score]: entries of a whole context */
    uint32_t *select;                          /* [T][ld_select]: what each token selected last, ascending */
    uint32_t ld_select;
    float *stream_mix;                    /* [T][values of a mixing]: hyper-connections */
    float *far_cos, *far_sin;             /* [T][n_rot / 2]: angles of layers with compressed rows */
    float *compressed, *index_compressed; /* [T][kv, gate] of the compressors */
    float *out_low;                       /* [T][n_out_group * out_lora] */
    float *ones;                          /* [head_dim] */
    float *joined;                        /* a module that guesses ahead: what its input is made of (ahead.h) */
    const float *hidden, *hidden_norm;    /* the same: the state at each token of the step, borrowed; the norm it still needs or NULL */
    size_t ld_score;
    uint32_t n_rows, *row_token, *row_segment, *row_place; /* rows of logits at hand: token of the step, segment, token of the segment */
    suan__thread_scratch *threads;
    unsigned char *pages;
    size_t pages_bytes;
    suan__stretch *stretches; /* [n_threads]: tiles that are still to be done; see ops.c */
    const atomic_bool *cancel;
    bool stopped;
    suan__profile *profile; /* NULL: nobody wants the times of operations */
};

struct suan__worker {
    suan__step *st;
    int i_thread, n_threads;
    unsigned op;   /* how many operations this thread has been through */
    suan__op kind; /* whose time the present operation is: set before it begins */
    suan__thread_scratch *scratch;
};

/* In the order of a layer's work, so that a cause comes before what follows from it. SUAN__FAULT_RANGE: finite, but too large for the cache. */
typedef enum suan__fault {
    SUAN__FAULT_CACHE = 1,
    SUAN__FAULT_RANGE,
    SUAN__FAULT_INDEX,
    SUAN__FAULT_ATTENTION,
    SUAN__FAULT_ROUTER,
    SUAN__FAULT_LOGITS
} suan__fault;
/* Notes a value that the token's sequence cannot go on with; the one with the lowest layer, then position, then kind is reported, whoever finds it first. Others go on. */
void suan__step_fault(suan__step *st, suan__fault what, uint32_t i_layer, uint32_t i_token);

/* for (uint32_t t; suan__next_tile(w, n, &t);) { ... } suan__end_op(w); */
bool suan__next_tile(suan__worker *w, uint32_t n_tiles, uint32_t *tile);
void suan__end_op(suan__worker *w);
/* Before a run. */
void suan__reset_tiles(suan__step *st);
/* Before the layers: the tables of a step's tokens. */
void suan__step_begin(suan__step *st, suan__segment *segments, uint32_t n_segments, bool exact);
/* Gives the time since the last stamp to `kind` when the step is profiled; thread 0. */
void suan__stamp(suan__step *st, suan__op kind);
/* Ends an operation and runs another one of n_tiles tiles behind it. One tile alone costs no barrier: the thread that arrives last computes
 * it while the others wait. */
typedef struct suan__layer_at { /* a context that many want */
    const suan__layer *l;
    uint32_t i_layer;
} suan__layer_at;
typedef void suan__tile_fn(suan__worker *w, const void *ctx, uint32_t tile);
void suan__end_op_then(suan__worker *w, suan__op kind, uint32_t n_tiles, suan__tile_fn *fn, const void *ctx);

/* ---- matrix products ---- */

/* Activations: rows x[i_col * ld + i_slice * slice_ld], k values each. */
typedef struct suan__acts {
    const float *x;
    size_t ld, slice_ld;
    uint32_t n_cols, n_slices, k;
    const unsigned char *q8_32, *q8_256; /* their q8 rows [slice][col] where they are made already; NULL: not yet */
} suan__acts;

/* The normed input of a layer's parts. */
static inline suan__acts suan__acts_h(const suan__step *st) {
    uint32_t d = st->model->hp.n_embd;
    return (suan__acts){.x = st->h, .ld = d, .n_cols = st->n_tokens, .n_slices = 1, .k = d, .q8_32 = st->h_32, .q8_256 = st->h_256};
}

/* One product: y[i_col * ldy + i_slice * slice_ldy + row] = W[slice] x. All slices of the weight are used. */
typedef struct suan__product {
    const suan__weight *w;
    float *y;
    size_t ldy, slice_ldy;
} suan__product;

/* Rounds the activations where the weights want it and they are not yet, then computes n products of the same activations: two operations, or one. */
void suan__products(suan__worker *w, const suan__acts *a, const suan__product *products, int n);
/* The same without the end of the (last) operation; and behind an operation that has not been ended. */
void suan__multiply(suan__worker *w, const suan__acts *a, const suan__product *products, int n);
void suan__then_multiply(suan__worker *w, suan__op kind, const suan__acts *a, const suan__product *products, int n);

/* Rows of activations that some slice of a weight is used for: in f32, and rounded where weights take them so. */
typedef struct suan__rows {
    const float *f32;
    const unsigned char *q8_32, *q8_256;
    uint32_t n, k;
} suan__rows;
static inline suan__rows suan__rows_h(const suan__step *st) {
    return (suan__rows){st->h, st->h_32, st->h_256, st->n_tokens, st->model->hp.n_embd};
}
/* Panels [panel, panel + n_panels), as far as there are so many, of one slice: y[i * n_rows + row] for rows i. */
void suan__panels_product(suan__worker *w, const suan__weight *weight, uint32_t slice, uint32_t panel, uint32_t n_panels,
                          const suan__rows *rows, float *y);

/* Up to this many tokens a step, silu(gate(h)) * up(h) is one operation, with the rounding for `down`; beyond, the parts are cheaper one
 * by one. */
#define SUAN__GATED_TOKENS 8
typedef struct suan__gated {
    const suan__weight *gate, *up, *down;
    float *g, *u;                  /* [row][width]; the result is left in g */
    unsigned char *q8_32, *q8_256; /* [row]: rounded as `down` takes it */
    atomic_uchar *units;           /* suan__gated_units(width) for each slice in use, zero: panels that are there */
} suan__gated;
/* Panel `panel` of gate and up for rows [row0, row0 + rows->n) of g, and what follows where a whole unit of panels is there. i_slice: which
 * of the slices in use. */
void suan__gated_panel(suan__worker *w, const suan__gated *g, uint32_t slice, uint32_t i_slice, uint32_t panel, const suan__rows *rows,
                       uint32_t row0);
uint32_t suan__gated_units(uint32_t width);

/* Adds the weight's bias, if it has one, to what panels [panel, panel + n_panels) of a slice gave for n rows of y, ldy apart. */
void suan__add_bias(const suan__step *st, const suan__weight *w, uint32_t slice, uint32_t panel, uint32_t n_panels, float *y, size_t ldy,
                    uint32_t n);

/* Panels of one slice. */
static inline uint32_t suan__weight_panels(const suan__weight *w) {
    return (w->n_rows + SUAN__PANEL - 1) / SUAN__PANEL;
}
/* y = silu(gate) * up, or (gate * sigmoid(alpha * gate)) * (up + 1) where the model has an alpha; both limited first where it has a limit: min(gate, limit) and up to +- limit.
 * y may be gate; n at most SUAN__PIECE. */
void suan__gate_and_up(const suan__model *m, float *y, float *gate, float *up, size_t n);
/* out = silu(gate) * up for n_rows rows of `width`, in place of gate, rounded into st->q8_* for `down`; as tiles [0, suan__swiglu_tiles()) of an operation. */
uint32_t suan__swiglu_tiles(uint32_t n_rows, uint32_t width);
void suan__swiglu_tile(suan__worker *w, const suan__weight *down, uint32_t width, uint32_t tile);
/* The same for values [begin, begin + n) of one row: at most SUAN__PIECE, whole blocks; into its q8 row unless `down` takes f32. */
void suan__swiglu_piece(suan__worker *w, const suan__weight *down, uint32_t width, uint32_t begin, uint32_t n, float *g, float *u,
                        unsigned char *q8_32, unsigned char *q8_256);
/* Activations whose q8 rows stand in st->q8_32 and st->q8_256. */
static inline suan__acts suan__acts_rounded(const suan__step *st, suan__acts a) {
    a.q8_32 = st->q8_32;
    a.q8_256 = st->q8_256;
    return a;
}
/* Rounds a whole row of k values into row i of st->q8_32 or st->q8_256, as `weight` takes it. */
void suan__round_row_for(suan__step *st, const suan__weight *weight, uint32_t i, const float *x, size_t k);
/* The embedding of the step's token t; st->out of that token is used up. */
void suan__embed(suan__step *st, uint32_t t, float *to);
/* h of token t for the first layer. */
void suan__first_norm(const suan__step *st, uint32_t t);
/* The mixture's sum of token t, into out (which holds the shared expert's output). */
void suan__combine_experts(suan__step *st, const suan__layer *l, uint32_t t);
/* Whether weight wants f32 activations in this step, else its block. */
static inline int suan__weight_block(const suan__step *st, const suan__weight *w) {
    return st->exact || w->exact ? 0 : suan__activation_block(w->type);
}

#endif
