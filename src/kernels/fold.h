/* fold.h: the 64 partial sums of a reduction with a single output (design.md, rule 4) brought to one, pairwise. */
#ifndef SUAN_KERNELS_FOLD_H
#define SUAN_KERNELS_FOLD_H

#define SUAN__PARTIALS 64

static inline float suan__fold(float partial[SUAN__PARTIALS]) {
    for (int half = SUAN__PARTIALS / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) partial[i] = partial[i] + partial[i + half];
    }
    return partial[0];
}

#endif
