/* inputs.c: see inputs.h. */
#include "inputs.h"
#include "kernels/f16.h"

#include <math.h>
#include <string.h>

void inputs_init(inputs *in, uint64_t seed) {
    in->state = seed * 0x9e3779b97f4a7c15u;
}

/* A counter through an invertible mix. */
uint32_t inputs_u32(inputs *in) {
    uint64_t z = in->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

uint32_t inputs_below(inputs *in, uint32_t n) {
    return (uint32_t)((uint64_t)inputs_u32(in) * n >> 32);
}

float inputs_unit(inputs *in) {
    return (float)((int32_t)inputs_u32(in) >> 7) * 0x1p-24f;
}

static float sign(inputs *in) {
    return inputs_u32(in) & 1 ? -1.0f : 1.0f;
}

static float bell(inputs *in) {
    return (inputs_unit(in) + inputs_unit(in) + inputs_unit(in));
}

const char *inputs_kind_name(int kind) {
#define INPUTS_NAME(kind) #kind,
    static const char *const names[] = {INPUTS_KINDS(INPUTS_NAME)};
#undef INPUTS_NAME
    return names[kind];
}

static float value(inputs *in, int kind, size_t i, float size) {
    switch (kind) {
    case INPUTS_WIDE:
        return ldexpf(inputs_unit(in), (int)inputs_below(in, 81) - 40);
    case INPUTS_NEAR_ZERO:
        return ldexpf(inputs_unit(in), -120 + (int)inputs_below(in, 24));
    case INPUTS_NEAR_MAX:
        return sign(in) * suan__f32_from_bits(0x7f7fffff - inputs_below(in, 1u << 20));
    case INPUTS_SUBNORMAL:
        return suan__f32_from_bits(inputs_u32(in) & 0x807fffff);
    case INPUTS_ALTERNATING:
        return i % 2 ? -size : size;
    case INPUTS_ZEROS:
        return sign(in) * 0.0f;
    case INPUTS_SPARSE:
        return inputs_below(in, 16) ? sign(in) * 0.0f : bell(in);
    case INPUTS_TIES:
        return (float)((int)inputs_below(in, 255) - 127) * 0.5f;
    case INPUTS_OUTLIER:
        return bell(in) * 0.01f;
    default:
        return bell(in);
    }
}

void inputs_f32(inputs *in, int kind, float *x, size_t n) {
    float size = ldexpf(1.0f + fabsf(inputs_unit(in)), (int)inputs_below(in, 20) - 10);
    for (size_t i = 0; i < n; i++) x[i] = value(in, kind, i, size);
    if (kind == INPUTS_OUTLIER && n) x[inputs_below(in, (uint32_t)n)] = sign(in) * 0x1p20f;
}

/* Any finite binary16. */
static uint16_t finite_half(inputs *in) {
    uint32_t h = inputs_u32(in) >> 16;
    return (uint16_t)((h & 0x7c00) == 0x7c00 ? h & 0xbfff : h);
}

void inputs_f16(inputs *in, int kind, uint16_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h = suan__f32_to_f16(value(in, kind, i, 1.5f));
        if (kind == INPUTS_WIDE) h = finite_half(in);
        if (kind == INPUTS_SUBNORMAL || kind == INPUTS_NEAR_ZERO) h = (uint16_t)(inputs_u32(in) & 0x83ff);
        if (kind == INPUTS_NEAR_MAX) h = (uint16_t)((inputs_u32(in) & 0x8000) | (0x7bff - inputs_below(in, 64)));
        x[i] = h;
    }
}

static uint16_t scale_half(inputs *in, int kind) {
    if (kind == INPUTS_BLOCK_ANY) return finite_half(in);
    if (kind == INPUTS_BLOCK_SUBNORMAL) return (uint16_t)(inputs_u32(in) & 0x83ff);
    return suan__f32_to_f16(inputs_unit(in) * 0x1p-7f);
}

/* Where the binary16 scales of a block stand: byte offsets, -1 for none. */
static void scale_offsets(suan__dtype type, int offset[2]) {
    offset[0] = 0;
    offset[1] = -1;
    switch (type) {
    case SUAN__Q4_1:
    case SUAN__Q5_1:
    case SUAN__Q4_K:
    case SUAN__Q5_K:
        offset[1] = 2;
        break;
    case SUAN__Q2_K:
        offset[0] = 80, offset[1] = 82;
        break;
    case SUAN__Q3_K:
        offset[0] = 108;
        break;
    case SUAN__Q6_K:
        offset[0] = 208;
        break;
    case SUAN__MXFP4:
    case SUAN__F8_128:
    case SUAN__F8_32:
    case SUAN__I4_BF16:
        offset[0] = -1;
        break;
    default:
        break;
    }
}

static void float_row(inputs *in, suan__dtype type, int kind, void *row, size_t k) {
    for (size_t i = 0; i < k; i++) {
        float f = inputs_unit(in) * 0x1p-7f;
        uint16_t bf16 = (uint16_t)(inputs_u32(in) & (kind == INPUTS_BLOCK_SUBNORMAL ? 0x807f : 0xffff));
        uint32_t u32 = inputs_u32(in) & (kind == INPUTS_BLOCK_SUBNORMAL ? 0x807fffff : 0xffffffff);
        if ((bf16 & 0x7f80) == 0x7f80) bf16 &= 0xbfff;
        if ((u32 & 0x7f800000) == 0x7f800000) u32 &= 0xbfffffff;
        bool any = kind == INPUTS_BLOCK_ANY || kind == INPUTS_BLOCK_SUBNORMAL;
        uint32_t f32 = any ? u32 : suan__f32_bits(f);
        uint16_t f16 = any ? scale_half(in, kind) : suan__f32_to_f16(f);
        if (!any) bf16 = suan__f32_to_bf16(f);
        if (type == SUAN__F32)
            memcpy((char *)row + 4 * i, &f32, 4);
        else
            memcpy((char *)row + 2 * i, type == SUAN__F16 ? &f16 : &bf16, 2);
    }
}

/* The scale of a block of the published checkpoints' types, whose codes are there, except that none of F8 may be a NaN. Scales of any size
 * stay below what makes the largest code infinite. */
static void native_block(inputs *in, suan__dtype type, int kind, uint8_t *p, size_t n_codes) {
    uint32_t bits = inputs_u32(in);
    if (kind == INPUTS_BLOCK_SUBNORMAL)
        bits &= 0x807fffff;
    else if (kind != INPUTS_BLOCK_ANY)
        bits = suan__f32_bits(inputs_unit(in) * 0x1p-7f);
    else if ((bits & 0x7f800000) >= 0x7b000000)
        bits &= 0xbfffffff;
    if (type == SUAN__I4_BF16) {
        memcpy(p, (const char *)&bits + 2, 2);
        return;
    }
    memcpy(p, &bits, 4);
    for (size_t i = 4; i < 4 + n_codes; i++) p[i] = (uint8_t)((p[i] & 0x7f) == 0x7f ? p[i] ^ 1 : p[i]);
}

void inputs_row(inputs *in, suan__dtype type, int kind, void *row, size_t k) {
    const suan__dtype_info *info = suan__dtype_get(type);
    uint8_t *p = row;
    int offset[2];
    if (info->block == 1) {
        float_row(in, type, kind, row, k);
        return;
    }
    scale_offsets(type, offset);
    for (size_t b = 0; b < k / info->block; b++, p += info->bytes) {
        for (size_t i = 0; i < info->bytes; i++) {
            uint8_t byte = (uint8_t)(inputs_u32(in) >> 24);
            p[i] = kind == INPUTS_BLOCK_SET ? 0xff : kind == INPUTS_BLOCK_CLEAR ? 0 : byte;
        }
        for (int s = 0; s < 2; s++) {
            if (offset[s] < 0) continue;
            uint16_t h = scale_half(in, kind);
            memcpy(p + offset[s], &h, 2);
        }
        if (type == SUAN__MXFP4) {
            uint32_t below = kind == INPUTS_BLOCK_ANY ? 253 : kind == INPUTS_BLOCK_SUBNORMAL ? 4 : 12;
            p[0] = (uint8_t)(inputs_below(in, below) + (below == 12 ? 114 : 0));
        }
        if (type == SUAN__F8_128 || type == SUAN__F8_32 || type == SUAN__I4_BF16) native_block(in, type, kind, p, info->block);
    }
}
