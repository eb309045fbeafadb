/* pace.h: how many tokens to draft, by measured times and measured acceptance. Only speed depends on it.
 *
 * A step over n tokens takes step[n] seconds, a drafted token `guess` seconds more, and each draft is right with probability p as long as those before it were. Then k drafts
 * bring (1 - p^(k + 1)) / (1 - p) tokens in k * guess + step[k + 1] seconds; the k with the most tokens a second is chosen, and 0 is one of them. Where 0 is the best, a draft
 * is tried again after a while, and after longer whiles the longer it does not pay. All figures are running means, so that old times are forgotten. */
#ifndef SUAN_ENGINE_PACE_H
#define SUAN_ENGINE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define SUAN__MAX_DRAFT 15 /* one row of logits more are computed together */

typedef struct suan__pace {
    double step[SUAN__MAX_DRAFT + 2]; /* [n] seconds of a step over n tokens, 0: not measured */
    double guess;                     /* seconds of a drafted token */
    double tried, right;              /* drafts that were looked at, and found right; fading */
    uint32_t pause, waited;           /* plain steps between two trials where drafting does not pay, and those since the last */
    uint32_t n_plain, n_rounds;       /* plain steps so far, up to the few that come first; steps with drafts since the last plain one */
    bool is_fixed;                    /* always as many as can be: for tests and measurements */
} suan__pace;

void suan__pace_init(suan__pace *pace);
/* How many to draft now, at most `most` (<= SUAN__MAX_DRAFT). */
uint32_t suan__pace_choose(suan__pace *pace, uint32_t most);
/* A step over n tokens took so long. */
void suan__pace_step(suan__pace *pace, uint32_t n, double seconds);
/* n drafts took so long to make. */
void suan__pace_guesses(suan__pace *pace, uint32_t n, double seconds);
/* n drafts were looked at, the first n_right of them right; n is n_right or one more. */
void suan__pace_result(suan__pace *pace, uint32_t n, uint32_t n_right);

#endif
