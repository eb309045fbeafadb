/* views.h: tensors whose bytes are made of others' when they are read: forms in which directories hold weights that are not the ones that programs compute with.
 *
 * Mixtures of experts with all experts in one tensor (gpt-oss). With P = "….mlp.experts":
 *
 *   P.gate_up_proj_blocks U8 [E, 2 ff, d / 32, 16], _scales U8 [E, 2 ff, d / 32]   ->  P.gate_proj.weight, P.up_proj.weight  MXFP4 [E, ff, d]
 *   P.down_proj_blocks, _scales                                                  ->  P.down_proj.weight                    MXFP4 [E, d, ff]
 *   P.gate_up_proj  float [E, d, 2 ff]                                           ->  P.gate_proj.weight, P.up_proj.weight  [E, ff, d]
 *   P.gate_up_proj_bias [E, 2 ff]                                                ->  P.gate_proj.bias, P.up_proj.bias      [E, ff]
 *   P.down_proj  float [E, ff, d]                                                ->  P.down_proj.weight                    [E, d, ff]
 *
 * Even outputs are gate, odd ones up. Blocks of the checkpoint have two neighbouring values a byte, the lower four bits first; MXFP4's have value j beside value j + 16, behind
 * the scale. Source: transformers integrations/mxfp4.py, models/gpt_oss. */
#ifndef SUAN_FORMATS_VIEWS_H
#define SUAN_FORMATS_VIEWS_H

#include "formats/tensor.h"

struct suan__checkpoint;

typedef struct suan__view {
    /* As suan__checkpoint_read; begin and n are whole blocks of t. */
    suan_status (*read)(const struct suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err);
    const suan__tensor *source, *scales; /* scales: of blocks, else NULL */
    uint64_t first, step;                /* output r of a slice is output first + r * step of the source */
    bool is_transposed;                  /* the source has outputs side by side: a slice is cheap to read only as a whole */
} suan__view;

#endif
