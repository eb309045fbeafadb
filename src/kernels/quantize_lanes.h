/* quantize_lanes.h: eight trials at once: what the searching quantisers spend their time on.
 *
 * A lane is a trial, not an element, so sums need no folding and their order is that of the elements. The vectors are the compiler's own and
 * have four floats, which every processor has; largest and smallest of two values are spelled for SSE, where compilers do not find them.
 */
#ifndef SUAN_KERNELS_QUANTIZE_LANES_H
#define SUAN_KERNELS_QUANTIZE_LANES_H

#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#define TRIALS 8

typedef float vec4 __attribute__((vector_size(16)));
typedef int vec4_mask __attribute__((vector_size(16)));

static inline vec4 vec4_all(float f) {
    return (vec4){f, f, f, f};
}

static inline vec4 vec4_load(const float *p) {
    vec4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* a > b ? a : b and a < b ? a : b, also for zeros of both signs. */
static inline vec4 vec4_larger(vec4 a, vec4 b) {
#if defined(__SSE__)
    return (vec4)_mm_max_ps((__m128)a, (__m128)b);
#else
    vec4_mask m = a > b;
    return (vec4)((m & (vec4_mask)a) | (~m & (vec4_mask)b));
#endif
}
static inline vec4 vec4_smaller(vec4 a, vec4 b) {
#if defined(__SSE__)
    return (vec4)_mm_min_ps((__m128)a, (__m128)b);
#else
    vec4_mask m = a < b;
    return (vec4)((m & (vec4_mask)a) | (~m & (vec4_mask)b));
#endif
}

/* round_limited of quantize_search.h, four at once. */
static inline vec4 vec4_round_limited(vec4 v, vec4 low, vec4 high) {
    vec4 magic = vec4_all(0x1.8p23f), t = vec4_smaller(vec4_larger(v, low), high) + magic;
    return t - magic;
}

#endif
