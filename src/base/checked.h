/* checked.h: arithmetic on sizes that come from a file, a socket or a flag. Each returns false on overflow and leaves *r alone. */
#ifndef SUAN_BASE_CHECKED_H
#define SUAN_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool suan__add_u64(uint64_t a, uint64_t b, uint64_t *r) {
    uint64_t t;
    if (__builtin_add_overflow(a, b, &t)) return false;
    *r = t;
    return true;
}

static inline bool suan__mul_u64(uint64_t a, uint64_t b, uint64_t *r) {
    uint64_t t;
    if (__builtin_mul_overflow(a, b, &t)) return false;
    *r = t;
    return true;
}

/* Rounds a up to a multiple of `align`, a power of two. */
static inline bool suan__align_u64(uint64_t a, uint64_t align, uint64_t *r) {
    uint64_t t;
    if (__builtin_add_overflow(a, align - 1, &t)) return false;
    *r = t & ~(align - 1);
    return true;
}

/* Whether [offset, offset + length) lies inside [0, size). */
static inline bool suan__inside(uint64_t offset, uint64_t length, uint64_t size) {
    return offset <= size && length <= size - offset;
}

#endif
