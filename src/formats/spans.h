/* spans.h: the byte ranges of a file's tensors, put in order so that neighbours can be compared. */
#ifndef SUAN_FORMATS_SPANS_H
#define SUAN_FORMATS_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct suan__span {
    uint64_t begin, end; /* [begin, end) */
    uint64_t i;          /* which tensor */
} suan__span;

/* By begin, then end (an empty range comes before a range that begins at its place), then as they were. */
suan_status suan__spans_sort(suan__span *spans, size_t n, suan_error *err);

#endif
