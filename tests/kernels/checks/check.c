/* check.c: seeds, guarded buffers, comparisons. */
#include "check.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const check *running; /* for the message of a crash */

static void crashed(int number) {
    char text[256];
    int n = snprintf(text, sizeof(text), "signal %d in %s: %s\n", number, running ? running->k->name : "?", running ? running->shape : "?");
    if (n > 0 && write(2, text, (size_t)n) < 0) _exit(3);
    _exit(2);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint32_t check_random(check *ck) {
    uint64_t z = ck->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

int check_range(check *ck, int low, int high) {
    return low + (int)(check_random(ck) % (uint32_t)(high - low + 1));
}

int check_main(int argc, char **argv, check_fn *run) {
    const char *text = argc > 1 ? argv[1] : getenv("SUAN_CHECK_SEED");
    uint64_t seed = text && *text ? strtoull(text, NULL, 0) : 20240;
    check ck = {.n_failed = 0};
    suan_error err = {0};
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    printf("seed %" PRIu64 "\n", seed);
    if (suan__kernels_get(&ck.c, "c", &err) != SUAN_OK) return 1;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) signal(signals[i], crashed);
    running = &ck;
    for (const char *const *level = suan__kernels_levels(); *level; level++) {
        if (strcmp(*level, "c") == 0) continue;
        if (suan__kernels_get(&ck.k, *level, &err) != SUAN_OK) return 1;
        ck.state = seed;
        ck.n_run = 0;
        run(&ck);
        printf("%s: %d runs, %d failures so far\n", *level, ck.n_run, ck.n_failed);
    }
    return ck.n_failed ? 1 : 0;
}

static float from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static float one_float(check *ck, int kind, size_t i) {
    uint32_t r = check_random(ck), sign = r & 0x80000000;
    float unit = (float)(int32_t)(r << 1) * 0x1p-31f; /* -1 .. 1 */
    switch (kind) {
    case CHECK_NEAR_ZERO:
        if (r % 4 == 0) return from_bits(sign);
        return unit * 0x1p-110f;
    case CHECK_NEAR_MAX:
        return from_bits(sign | (0x7f7fffff - r % 0x01000000));
    case CHECK_SUBNORMAL:
        return from_bits(sign | r % 0x00800000);
    case CHECK_ALTERNATING:
        return i % 2 ? -1.0f - unit * 0x1p-20f : 1.0f + unit * 0x1p-20f;
    case CHECK_ANY_FINITE:
        return from_bits((r & 0x7f800000) == 0x7f800000 ? r ^ 0x40000000 : r);
    case CHECK_MIXED:
        return one_float(ck, (int)(check_random(ck) % CHECK_MIXED), i);
    default:
        return (unit + (float)(int32_t)check_random(ck) * 0x1p-31f) * 2.0f;
    }
}

void check_floats(check *ck, float *x, size_t n, int kind) {
    for (size_t i = 0; i < n; i++) x[i] = one_float(ck, kind, i);
}

void check_halves(check *ck, uint16_t *x, size_t n, int kind) {
    for (size_t i = 0; i < n; i++) {
        uint32_t r = check_random(ck), sign = r & 0x8000;
        switch (kind) {
        case CHECK_NEAR_ZERO:
            x[i] = (uint16_t)(sign | (r >> 16) % 3);
            break;
        case CHECK_NEAR_MAX:
            x[i] = (uint16_t)(sign | (0x7bff - (r >> 16) % 0x400));
            break;
        case CHECK_SUBNORMAL:
            x[i] = (uint16_t)(sign | (r >> 16) % 0x400);
            break;
        case CHECK_ALTERNATING:
            x[i] = i % 2 ? 0xbc01 : 0x3c00;
            break;
        case CHECK_ANY_FINITE:
        case CHECK_MIXED:
            x[i] = (uint16_t)(r >> 16 & 0x7c00) == 0x7c00 ? 0x3c00 : (uint16_t)(r >> 16);
            break;
        default:
            x[i] = (uint16_t)(sign | (0x3000 + (r >> 16) % 0x1400));
        }
    }
}

#define PATTERN 0xa5
#define MARGIN 256 /* guard bytes on the side that no page guards */

void check_buffer_init(check_buffer *b, size_t n, bool high, size_t skew) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (n + MARGIN + skew + page - 1) / page * page;
    b->map_bytes = inner + 2 * page;
    b->map = mmap(NULL, b->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->map == MAP_FAILED) abort();
    memset(b->map, PATTERN, b->map_bytes);
    mprotect(b->map, page, PROT_NONE);
    mprotect(b->map + page + inner, page, PROT_NONE);
    b->data = high ? b->map + page + inner - n : b->map + page + skew;
    b->n = n;
    b->copy = NULL;
}

void check_buffer_fini(check_buffer *b) {
    munmap(b->map, b->map_bytes);
    free(b->copy);
}

void check_buffer_seal(check_buffer *b) {
    if (!b->copy) b->copy = malloc(b->n ? b->n : 1);
    if (!b->copy) abort();
    memcpy(b->copy, b->data, b->n);
}

static void fail(check *ck, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(check *ck, const char *format, ...) {
    va_list args;
    size_t n = strcspn(ck->shape, " ");
    n += strcspn(ck->shape + n, "="); /* the operation and its type */
    ck->n_failed++;
    if (ck->n_said++ >= 3 && strncmp(ck->said, ck->shape, n) == 0) return; /* three messages for each are enough */
    if (strncmp(ck->said, ck->shape, n) != 0) ck->n_said = 1;
    snprintf(ck->said, sizeof(ck->said), "%s", ck->shape);
    fprintf(stderr, "%s: %s: ", ck->k->name, ck->shape);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void check_sealed(check *ck, const check_buffer *b, const char *what) {
    for (size_t i = 0; i < b->n; i++) {
        if (b->data[i] != b->copy[i]) {
            fail(ck, "input %s changed at byte %zu", what, i);
            return;
        }
    }
    check_guards(ck, b, what);
}

void check_guards(check *ck, const check_buffer *b, const char *what) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const uint8_t *end = b->map + b->map_bytes - page;
    for (const uint8_t *p = b->map + page; p < end; p++) {
        if (p == b->data) p += b->n;
        if (p < end && *p != PATTERN) {
            fail(ck, "byte %td of %s (%zu bytes) was written", p - b->data, what, b->n);
            return;
        }
    }
}

void check_begin(check *ck, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(ck->shape, sizeof(ck->shape), format, args);
    va_end(args);
    ck->n_run++;
}

void check_equal_floats(check *ck, const float *expected, const float *found, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (memcmp(expected + i, found + i, 4) == 0 || (isnan(expected[i]) && isnan(found[i]))) continue;
        fail(ck, "index %zu of %zu: expected %a, found %a", i, n, (double)expected[i], (double)found[i]);
        return;
    }
}

void check_equal_bytes(check *ck, const void *expected, const void *found, size_t n) {
    const uint8_t *e = expected, *f = found;
    for (size_t i = 0; i < n; i++) {
        if (e[i] == f[i]) continue;
        fail(ck, "byte %zu of %zu: expected 0x%02x, found 0x%02x", i, n, e[i], f[i]);
        return;
    }
}

void check_true(check *ck, bool ok, const char *what) {
    if (!ok) fail(ck, "%s", what);
}
