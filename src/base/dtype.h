/* dtype.h: the element types that tensors are stored in: one table for every room.
 *
 * Values below 256 are ggml's type ids, as GGUF files carry them. Those from 256 on exist in safetensors files only, the last three in none:
 * they are codes of safetensors files together with their scales (formats/native.h).
 */
#ifndef SUAN_BASE_DTYPE_H
#define SUAN_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, id, values in a block, bytes of a block) */
#define SUAN__DTYPE_MAP(X)                                                                                                                 \
    X(F32, 0, 1, 4)                                                                                                                        \
    X(F16, 1, 1, 2)                                                                                                                        \
    X(Q4_0, 2, 32, 18)                                                                                                                     \
    X(Q4_1, 3, 32, 20)                                                                                                                     \
    X(Q5_0, 6, 32, 22) X(Q5_1, 7, 32, 24) X(Q8_0, 8, 32, 34) X(Q8_1, 9, 32, 36) X(Q2_K, 10, 256, 84) X(Q3_K, 11, 256, 110)                 \
        X(Q4_K, 12, 256, 144) X(Q5_K, 13, 256, 176) X(Q6_K, 14, 256, 210) X(Q8_K, 15, 256, 292) X(IQ2_XXS, 16, 256, 66)                    \
            X(IQ2_XS, 17, 256, 74) X(IQ3_XXS, 18, 256, 98) X(IQ1_S, 19, 256, 50) X(IQ4_NL, 20, 32, 18) X(IQ3_S, 21, 256, 110)              \
                X(IQ2_S, 22, 256, 82) X(IQ4_XS, 23, 256, 136) X(I8, 24, 1, 1) X(I16, 25, 1, 2) X(I32, 26, 1, 4) X(I64, 27, 1, 8)           \
                    X(F64, 28, 1, 8) X(IQ1_M, 29, 256, 56) X(BF16, 30, 1, 2) X(TQ1_0, 34, 256, 54) X(TQ2_0, 35, 256, 66)                   \
                        X(MXFP4, 39, 32, 17) X(NVFP4, 40, 64, 36) X(Q1_0, 41, 128, 18) X(Q2_0, 42, 64, 18) X(BOOL, 256, 1, 1)              \
                            X(U8, 257, 1, 1) X(U16, 258, 1, 2) X(U32, 259, 1, 4) X(U64, 260, 1, 8) X(C64, 261, 1, 8) X(F8_E4M3, 262, 1, 1) \
                                X(F8_E5M2, 263, 1, 1) X(F8_E8M0, 264, 1, 1) X(F8_E4M3FNUZ, 265, 1, 1) X(F8_E5M2FNUZ, 266, 1, 1)            \
                                    X(F4, 267, 2, 1) X(F6_E2M3, 268, 4, 3) X(F6_E3M2, 269, 4, 3)                               \
                                        X(F8_128, 270, 128, 132) X(F8_32, 271, 32, 36) X(I4_BF16, 272, 32, 18)

typedef enum suan__dtype {
#define SUAN__DTYPE_ENUM(name, id, block, bytes) SUAN__##name = id,
    SUAN__DTYPE_MAP(SUAN__DTYPE_ENUM)
#undef SUAN__DTYPE_ENUM
} suan__dtype;
#define SUAN__DTYPE_END 273

typedef struct suan__dtype_info {
    const char *name; /* "Q4_0"; NULL in a row that is no type */
    uint16_t block;   /* values in a block */
    uint16_t bytes;   /* bytes of a block */
} suan__dtype_info;

/* NULL for an unknown id. */
static inline const suan__dtype_info *suan__dtype_get(uint32_t id) {
    static const suan__dtype_info table[SUAN__DTYPE_END] = {
#define SUAN__DTYPE_ROW(name, id_, block, bytes) [id_] = {#name, block, bytes},
        SUAN__DTYPE_MAP(SUAN__DTYPE_ROW)
#undef SUAN__DTYPE_ROW
    };
    return id < SUAN__DTYPE_END && table[id].name ? &table[id] : NULL;
}

#endif
