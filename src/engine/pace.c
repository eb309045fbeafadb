/* pace.c: the choice of how many tokens to draft. */
#include "engine/pace.h"

#define FADE 0.9         /* of counts, for each round */
#define NEWS_DOWN 0.5    /* weight of a new time that is shorter than the mean */
#define NEWS_UP 0.1      /* and of a longer one: other programs make steps longer, nothing makes them shorter */
#define FIRST_PLAIN 3    /* steps that are measured before anything is drafted */
#define PLAIN_EVERY 16   /* rounds between two plain steps where drafting pays, so that the comparison stays true */
#define MARGIN 1.02      /* by which drafts must be faster */
#define SLOPE 0.1        /* what another token adds to a step until it is measured, of a step over one */
#define FIRST_PAUSE 8    /* plain steps */
#define LONGEST_PAUSE 64 /* a trial costs about a step: 2 percent */

void suan__pace_init(suan__pace *pace) {
    *pace = (suan__pace){.tried = 2, .right = 1.4, .pause = FIRST_PAUSE};
}

static void blend(double *mean, double x) {
    *mean = *mean > 0 ? *mean + (x < *mean ? NEWS_DOWN : NEWS_UP) * (x - *mean) : x;
}

/* Between measured lengths on a line, beyond the longest with the slope that is assumed. */
static double step_seconds(const suan__pace *p, uint32_t n) {
    uint32_t below = n, above = n;
    while (below > 1 && p->step[below] <= 0) below--;
    while (above <= SUAN__MAX_DRAFT + 1 && p->step[above] <= 0) above++;
    if (below == above) return p->step[n];
    if (above > SUAN__MAX_DRAFT + 1) return p->step[below] + SLOPE * p->step[1] * (n - below);
    return p->step[below] + (p->step[above] - p->step[below]) * (n - below) / (above - below);
}

static double tokens_per_second(const suan__pace *p, uint32_t k) {
    double rate = p->tried > 0 ? p->right / p->tried : 0, tokens = 0, chance = 1;
    for (uint32_t i = 0; i <= k; i++, chance *= rate) tokens += chance;
    return tokens / (k * p->guess + step_seconds(p, k + 1));
}

uint32_t suan__pace_choose(suan__pace *p, uint32_t most) {
    if (p->is_fixed || most == 0) return most;
    if (p->n_plain < FIRST_PLAIN || p->n_rounds >= PLAIN_EVERY) return 0;
    uint32_t best = 1;
    for (uint32_t k = 2; k <= most; k++)
        if (tokens_per_second(p, k) > tokens_per_second(p, best)) best = k;
    if (tokens_per_second(p, best) > MARGIN * tokens_per_second(p, 0)) {
        p->pause = FIRST_PAUSE;
        p->waited = 0;
        return best;
    }
    if (p->waited++ < p->pause) return 0;
    p->waited = 0;
    p->pause = p->pause < LONGEST_PAUSE ? 2 * p->pause : LONGEST_PAUSE;
    return best;
}

void suan__pace_step(suan__pace *p, uint32_t n, double seconds) {
    if (n < 1 || n > SUAN__MAX_DRAFT + 1 || seconds <= 0) return;
    blend(&p->step[n], seconds);
    p->n_rounds = n > 1 ? p->n_rounds + 1 : 0;
    if (n == 1 && p->n_plain < FIRST_PLAIN) p->n_plain++;
}

void suan__pace_guesses(suan__pace *p, uint32_t n, double seconds) {
    if (n > 0 && seconds > 0) blend(&p->guess, seconds / n);
}

void suan__pace_result(suan__pace *p, uint32_t n, uint32_t n_right) {
    p->tried = FADE * p->tried + n;
    p->right = FADE * p->right + n_right;
}
