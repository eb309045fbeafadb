/* layout.h: buffers that share one allocation: one pass over all of them, which only adds up while base is NULL. */
#ifndef SUAN_MODEL_LAYOUT_H
#define SUAN_MODEL_LAYOUT_H

#include "base/checked.h"
#include "base/memory.h"

typedef struct suan__layout {
    unsigned char *base;
    uint64_t at;
    bool overflow; /* 64 bits do not hold the sum: no memory does */
} suan__layout;

/* Room for n * width elements of `size` bytes, aligned; NULL while adding up. */
static inline void *suan__layout_put(suan__layout *l, uint64_t n, uint64_t width, uint64_t size) {
    uint64_t bytes, at = l->at;
    if (!suan__mul_u64(n, width, &bytes) || !suan__mul_u64(bytes, size, &bytes) || !suan__add_u64(bytes, at, &bytes) ||
        !suan__align_u64(bytes, SUAN__ALIGN, &l->at)) {
        l->overflow = true;
        return NULL;
    }
    return l->base ? l->base + at : NULL;
}
#define SUAN__PUT(l, field, n, width) ((field) = suan__layout_put((l), (n), (width), sizeof *(field)))

#endif
