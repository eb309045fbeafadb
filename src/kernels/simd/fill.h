/* fill.h: the end of every level's source: its entries of the table. */
#ifndef SUAN_KERNELS_SIMD_FILL_H
#define SUAN_KERNELS_SIMD_FILL_H

#include "kernels/simd/attention.h"
#include "kernels/simd/attention_keys.h"
#include "kernels/simd/elementwise.h"
#include "kernels/simd/expand.h"
#include "kernels/simd/matmul_f8.h"
#include "kernels/simd/matmul_float.h"
#include "kernels/simd/matmul_quant.h"

#ifdef PAIR_COLS
#define FILL_PAIR(name, stem) t->matmul_pair[SUAN__##name] = ISA(pair_##stem);
#else
#define FILL_PAIR(name, stem)
#endif

static void fill(suan__kernels *t) {
#define ENTRY(field, type) t->field = ISA(field);
    SUAN__KERNEL_MAP(ENTRY)
#undef ENTRY
    fill_quant(t);
#define SIMD_QUANT_ENTRY(name, stem, block, bytes) t->expand[SUAN__##name] = ISA(expand_##stem);
    SIMD_QUANT_MAP
#undef SIMD_QUANT_ENTRY
#define ENTRY(name, stem)                         \
    t->matmul[SUAN__##name] = ISA(matmul_##stem); \
    FILL_PAIR(name, stem)                         \
    t->expand[SUAN__##name] = ISA(expand_##stem);
    ENTRY(F32, f32)
    ENTRY(F16, f16)
    ENTRY(BF16, bf16)
    ENTRY(F8_128, f8_128)
    ENTRY(F8_32, f8_32)
#undef ENTRY
}

#endif
