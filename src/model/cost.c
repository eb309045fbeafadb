/* cost.c: time stamps of operations. */
#include "model/cost.h"

#include <time.h>

#include "model/step.h"

void suan__step_profile(suan__step *step, suan__profile *profile) {
    step->profile = profile;
}

void suan__stamp(suan__step *st, suan__op kind) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    if (kind < SUAN__N_OPS) st->profile->ns[kind] += now - st->profile->last;
    st->profile->last = now;
}
