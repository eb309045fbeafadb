/* tensor.h: what a file says of a tensor: name, type, shape, place. Checked before anyone sees it. */
#ifndef SUAN_FORMATS_TENSOR_H
#define SUAN_FORMATS_TENSOR_H

#include "base/dtype.h"
#include "base/error.h"

#define SUAN__MAX_DIMS 4

typedef struct suan__tensor {
    const char *name; /* UTF-8, NUL-terminated; kept until the checkpoint closes */
    suan__dtype type;
    int n_dims;                  /* 0 (a scalar) to 4 */
    uint64_t ne[SUAN__MAX_DIMS]; /* ne[0] is the contiguous dimension (GGUF order); missing dimensions are 1 */
    uint64_t n_bytes;            /* size of the data */
    uint32_t i_file;             /* which file of the checkpoint */
    uint64_t offset;             /* of the data, from the beginning of that file */
} suan__tensor;

/* Number of values and bytes of a tensor: the one place that computes them from dimensions (checked; ne[0] must be whole blocks). */
suan_status suan__tensor_size(suan__dtype type, int n_dims, const uint64_t *ne, uint64_t *n_values, uint64_t *n_bytes);

#endif
