/* cost.h: what the operations of a step cost: measured, by time stamps that a step takes when it is asked to, and counted, from the shapes of
 * the weights: bytes that have to be read and multiply-adds that have to be done, whatever the kernels do.
 */
#ifndef SUAN_MODEL_COST_H
#define SUAN_MODEL_COST_H

#include "model/model.h"

/* The kinds of operations that time is given to: X(id, name for people). */
#define SUAN__OP_MAP(X)                                                                 \
    X(EMBED, "embedding")              /* its rows, tables of angles, the first norm */ \
    X(QKV, "queries, keys, values")    /* MLA: down, and up to the latent queries */    \
    X(ATTENTION, "attention")          /* scores, softmax, values */                    \
    X(OUT, "attention output")         /* MLA: unfolded first */                        \
    X(ROUTER, "router, shared expert") /* with the choice of experts */                 \
    X(GATE_UP, "gate, up")             /* of the dense network or the experts */        \
    X(DOWN, "down")                                                                     \
    X(HEAD, "head")                                                                     \
    X(NORM, "norms, rounding") /* also RoPE, activation functions, sums, copies */      \
    X(WAIT, "waiting at barriers")
typedef enum suan__op {
#define SUAN__OP_ID(id, name) SUAN__OP_##id,
    SUAN__OP_MAP(SUAN__OP_ID)
#undef SUAN__OP_ID
        SUAN__N_OPS
} suan__op;
const char *suan__op_name(suan__op op);

/* Times of steps, taken by thread 0 at the ends of operations; added up over steps until somebody clears it. */
typedef struct suan__profile {
    uint64_t ns[SUAN__N_OPS];
    uint64_t last;
} suan__profile;

/* From now on steps add their times to *profile (borrowed until the next call); NULL: they take none, the default. */
void suan__step_profile(suan__step *step, suan__profile *profile);

/* ---- what a step needs ---- */

/* What a machine does in a second: bytes read, integer and f32 operations; a multiply-add is two. */
typedef struct suan__rates {
    double bytes, int8_ops, f32_ops;
} suan__rates;

/* Of one kind of operations. seconds: the least that a machine of the rates given needs; an operation's is the greater of the time for its
 * bytes and the time for its arithmetic, and operations add up. */
typedef struct suan__cost {
    double bytes, int8_ops, f32_ops, seconds;
} suan__cost;

typedef struct suan__step_shape {
    uint32_t n_tokens, pos0; /* as of suan__step_run */
    uint32_t n_logits;       /* rows of logits */
    suan__dtype kv;
    bool exact, only_logits; /* as of suan__step_only_logits */
    double n_busy; /* experts of a layer that have tokens, on average; below 0: as many as a router would hit that knows no favourites */
} suan__step_shape;

/* Adds what the step takes to cost[SUAN__N_OPS]: each weight that is used once, all of the cache up to the last token once, the new rows of
 * the cache, the embedding's rows. Activations stay in caches and count nothing, and so do norms, softmax and the like. */
void suan__step_cost(const suan__model *model, const suan__step_shape *shape, const suan__rates *rates, suan__cost *cost);

/* Of a run of several segments (their lengths, positions and rows of logits), each sequence's cache for itself; of kind: kv, exact and n_busy. */
void suan__step_cost_many(const suan__model *model, const suan__step_shape *kind, const suan__segment *segments, uint32_t n_segments,
                          const suan__rates *rates, suan__cost *cost);

/* Fills the positions from 256 to n_pos with copies of the first 256's entries: a long cache for measurements. */
void suan__kv_repeat(suan__kv *kv, const suan__model *model, uint32_t n_pos);

/* How many experts' weights steps have read so far, over all layers. */
uint64_t suan__step_experts_read(const suan__step *step);

#endif
