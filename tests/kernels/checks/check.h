/* check.h: the frame of the tests that hold every variant of a kernel against its C reference, bit for bit.
 *
 * A check program runs its function once for each level that the processor has, beside "c". All inputs come from a seed, which is printed
 * and can be passed back: as the first argument or in SUAN_CHECK_SEED. Buffers end at a page that nobody may touch (or begin right behind
 * one) and have guard bytes on the other side. A kernel that crashes is named.
 */
#ifndef TESTS_KERNELS_CHECK_H
#define TESTS_KERNELS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

typedef struct check {
    const suan__kernels *c, *k; /* the reference and the level on trial */
    uint64_t state;             /* of the generator */
    char shape[160];            /* what is being run: for messages */
    char said[160];             /* the shape of the last message */
    int n_failed, n_run, n_said;
} check;

typedef void check_fn(check *ck);
/* For main(): returns the exit status. */
int check_main(int argc, char **argv, check_fn *run);

uint32_t check_random(check *ck);
int check_range(check *ck, int low, int high); /* low..high */

/* Kinds of input: an ordinary one (about normal), then the corners. */
enum { CHECK_NORMAL, CHECK_NEAR_ZERO, CHECK_NEAR_MAX, CHECK_SUBNORMAL, CHECK_ALTERNATING, CHECK_ANY_FINITE, CHECK_MIXED, CHECK_KINDS };
void check_floats(check *ck, float *x, size_t n, int kind);
void check_halves(check *ck, uint16_t *x, size_t n, int kind); /* the same as finite binary16 */

/* Memory for n bytes, filled with a pattern that depends on nothing, between guards. `high`: its end touches the forbidden page, else its
 * beginning does, moved by `skew` bytes. */
typedef struct check_buffer {
    uint8_t *data;
    size_t n;
    uint8_t *map, *copy;
    size_t map_bytes;
} check_buffer;
void check_buffer_init(check_buffer *b, size_t n, bool high, size_t skew);
void check_buffer_fini(check_buffer *b);
/* Keeps a copy of the contents; later: the first byte that differs from it, in the buffer or its guards, or -1. */
void check_buffer_seal(check_buffer *b);
void check_sealed(check *ck, const check_buffer *b, const char *what);
/* The bytes around the buffer are as they were made. */
void check_guards(check *ck, const check_buffer *b, const char *what);

/* Says what is about to run, as printf. */
void check_begin(check *ck, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Equal bits; any NaN equals any NaN. Two buffers of n floats. */
void check_equal_floats(check *ck, const float *expected, const float *found, size_t n);
void check_equal_bytes(check *ck, const void *expected, const void *found, size_t n);
void check_true(check *ck, bool ok, const char *what);

/* A panel of a type for checks: weights of finite values made of random or extreme bytes. */
enum { CHECK_WEIGHTS_RANDOM, CHECK_WEIGHTS_ONES, CHECK_WEIGHTS_ZERO, CHECK_WEIGHTS_SIGNS, CHECK_WEIGHTS_TINY, CHECK_WEIGHTS_KINDS };
void check_panel(check *ck, suan__dtype type, void *panel, size_t k, int n_rows, int kind);
/* A row of quantised activations for blocks of `block`: of random floats, or extreme integers with their true sums. */
void check_q8_row(check *ck, void *q8, size_t k, size_t block, int kind);

#endif
