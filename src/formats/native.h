/* native.h: quantised matrices as publishers store them: codes in one tensor, scales in another. A checkpoint joins them when it opens, so that
 * everybody else sees one tensor of a block type (base/dtype.h), under the name of the weight. Nothing of the stored values is lost:
 *
 *   X.weight F8_E4M3 [o, i] and X.weight_scale_inv or X.scale (F32, BF16, F16, F8_E8M0) [ceil(o / 128), ceil(i / 128)]
 *       F8_128 where 128 divides i, F8_32 where 32 does: a scale, as f32, before each 128 or 32 codes of a row; otherwise F32
 *   X.weight I8 [o, i / 2], low nibbles first, and X.scale F8_E8M0 [o, i / 32]
 *       MXFP4: the same numbers, nibbles in ggml's order (a negative zero counts as zero there)
 *   X.weight_packed I32 [o, i / 8], X.weight_scale BF16 [o, i / 32], X.weight_shape (compressed-tensors, pack-quantized)
 *       I4_BF16: Q4_0 with the scale as it is
 *
 * Scales and shapes are checked when their tensor is read: a NaN among codes or scales, a scale of 2^120 and beyond before codes of e4m3, and
 * products that f32 cannot hold are errors that name the tensor.
 */
#ifndef SUAN_FORMATS_NATIVE_H
#define SUAN_FORMATS_NATIVE_H

#include "formats/checkpoint.h"

#define SUAN__NATIVE_BLOCK 128 /* rows and columns of e4m3 codes with the same scale */
#define SUAN__NATIVE_GROUP 32  /* columns of nibbles with the same scale */

typedef enum suan__native_kind { SUAN__NATIVE_FP8 = 1, SUAN__NATIVE_FP4, SUAN__NATIVE_INT4 } suan__native_kind;

typedef struct suan__native {
    suan__native_kind kind;
    suan__tensor codes, scales, shape; /* as they lie in the files; shape: INT4 */
} suan__native;

/* Why the tensor of this name, whose codes are there, was not joined with scales: fills *err and returns its status. SUAN_OK: it is no such
 * tensor, or it was joined. */
suan_status suan__native_explain(const suan__checkpoint *ck, const char *name, suan_error *err);

#endif
