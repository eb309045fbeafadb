/* tensor.h: what a file says of a tensor: name, type, shape, place. Checked before anyone sees it. */
#ifndef SUAN_FORMATS_TENSOR_H
#define SUAN_FORMATS_TENSOR_H

#include "base/dtype.h"
#include "base/error.h"

#define SUAN__MAX_DIMS 4

struct suan__view; /* views.h */

typedef struct suan__tensor {
    const char *name; /* UTF-8, NUL-terminated; kept until the checkpoint closes */
    suan__dtype type;
    bool is_packed;              /* the data are panels of 16 rows: below */
    int n_dims;                  /* 0 (a scalar) to 4 */
    uint64_t ne[SUAN__MAX_DIMS]; /* ne[0] is the contiguous dimension (GGUF order); missing dimensions are 1 */
    uint64_t n_bytes;            /* size of the data */
    uint32_t i_file;             /* which file of the checkpoint */
    uint64_t offset;             /* of the data, from the beginning of that file */
    const struct suan__view *view; /* not NULL: in no file, its bytes are made of other tensors' */
    const struct suan__native *native; /* not NULL: the data are made of two tensors of the file (native.h); offset is that of the codes */
    bool is_part;                      /* the scales, the shape or what else another tensor is made of */
} suan__tensor;

/* Number of values and bytes of a tensor: the one place that computes them from dimensions (checked; ne[0] must be whole blocks). */
suan_status suan__tensor_size(suan__dtype type, int n_dims, const uint64_t *ne, uint64_t *n_values, uint64_t *n_bytes);

/* Packed tensors (GGUF files of our own; docs/formats.md section 1.7): the data are what the kernels read, panels of 16 rows side by side, a
 * matrix [ne[1], ne[0]] for each ne[2]. Each matrix (an expert) begins at a multiple of SUAN__PACKED_ALIGNMENT; rows that its last panel
 * lacks are zeros, as is the rest up to the next matrix. The order of the bytes in a panel is kernels.h's; a change of it, or of anything
 * here, gets another version. */
#define SUAN__PACKED_VERSION 1
#define SUAN__PACKED_LAYOUT "panel16"
#define SUAN__PACKED_ALIGNMENT 4096
#define SUAN__PACKED_PANEL 16
/* A packed type's number in a file: this plus the number of base/dtype.h, which is ggml's for its types. Others know none of them and refuse
 * them. */
#define SUAN__PACKED_TYPE UINT32_C(0x53750000)

/* As suan__tensor_size; two or three dimensions. */
suan_status suan__packed_size(suan__dtype type, int n_dims, const uint64_t *ne, uint64_t *n_values, uint64_t *n_bytes);
/* Bytes of the panels of one matrix [ne1, ne0], and from one matrix to the next. Checked; ne0 whole blocks. */
suan_status suan__packed_stride(suan__dtype type, uint64_t ne0, uint64_t ne1, uint64_t *panels_bytes, uint64_t *stride);

#endif
