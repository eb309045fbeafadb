/* cost.h: what the operations of a step cost: measured, by time stamps that a step takes when it is asked to, and counted, from the shapes of
 * the weights: bytes that have to be read and multiply-adds that have to be done, whatever the kernels do.
 */
#ifndef SUAN_MODEL_COST_H
#define SUAN_MODEL_COST_H

#include "model/model.h"

/* The kinds of operations that time is given to. */
typedef enum suan__op {
    SUAN__OP_EMBED = 0, /* rows of the embedding, tables of angles, the first norm */
    SUAN__OP_QKV,       /* queries, keys, values; MLA: down and up to the latent queries */
    SUAN__OP_ATTENTION, /* scores, softmax, values */
    SUAN__OP_OUT,       /* what attention gives, projected; MLA: unfolded first */
    SUAN__OP_ROUTER,    /* router, choice of experts, and the shared expert that is computed beside them */
    SUAN__OP_GATE_UP,   /* of the dense network or the experts */
    SUAN__OP_DOWN,
    SUAN__OP_HEAD,
    SUAN__OP_NORM, /* norms, RoPE, activation functions, rounding, sums */
    SUAN__OP_WAIT, /* at barriers */
    SUAN__N_OPS
} suan__op;

/* Times of steps, taken by thread 0 at the ends of operations; added up over steps until somebody clears it. */
typedef struct suan__profile {
    uint64_t ns[SUAN__N_OPS];
    uint64_t last;
} suan__profile;

/* From now on steps add their times to *profile (borrowed until the next call); NULL: they take none, the default. */
void suan__step_profile(suan__step *step, suan__profile *profile);

#endif
