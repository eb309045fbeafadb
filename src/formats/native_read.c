/* native_read.c: codes and scales of published checkpoints read into blocks (native.h).
 *
 * Codes are read into the end of the caller's buffer and spread from there to the front: a block is longer than its codes, so what is written
 * stays behind what is still to be read.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "formats/bytes.h"
#include "formats/checkpoint_internal.h"
#include "formats/native.h"

#define ULL(x) ((unsigned long long)(x))
#define NIBBLE_BYTES (SUAN__NATIVE_GROUP / 2)

/* Values [begin, begin + n) of a tensor, whole blocks of it. */
typedef struct range {
    const suan__checkpoint *ck;
    const suan__tensor *t;
    uint64_t begin, n;
    unsigned char *dst;
    const unsigned char *codes;
    unsigned char *scales; /* as they lie, for FP8 of all rows of blocks that the range touches, otherwise of the range */
} range;

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Exact: the bits in place, and the exponent's bias by a product. */
static float e4m3(unsigned code) {
    float f = float_of((code & 0x7f) << 20) * 0x1p120f;
    return code & 0x80 ? -f : f;
}
static bool is_e4m3_nan(unsigned code) {
    return (code & 0x7f) == 0x7f;
}
static float e8m0(unsigned byte) { /* not 255 */
    return float_of(byte ? byte << 23 : 0x00400000);
}
/* Exact; infinities and NaNs keep being none of the finite. */
static float half(unsigned h) {
    float f = float_of((h & 0x7fff) << 13) * 0x1p112f;
    if ((h & 0x7c00) == 0x7c00) f = float_of(0x7f800000 | (h & 0x3ff) << 13);
    return h & 0x8000 ? -f : f;
}

/* The code at value i of the range. */
static suan_status bad(const range *r, uint64_t i, const char *what, suan_error *err) {
    uint64_t at = r->begin + i;
    return suan__fail(err, SUAN_ENUMERIC, "%s: tensor %s: row %llu, column %llu: %s", r->ck->path, r->t->name, ULL(at / r->t->ne[0]),
                      ULL(at % r->t->ne[0]), what);
}

/* ---- FP8 ---- */

static suan_status fp8_scale(const range *r, uint64_t i, float *scale, suan_error *err) {
    const suan__tensor *s = &r->t->native->scales;
    uint64_t at = r->begin + i, row0 = r->begin / r->t->ne[0] / SUAN__NATIVE_BLOCK, row = at / r->t->ne[0] / SUAN__NATIVE_BLOCK;
    uint64_t index = (row - row0) * s->ne[0] + at % r->t->ne[0] / SUAN__NATIVE_BLOCK;
    const unsigned char *p = r->scales + index * suan__dtype_get(s->type)->bytes;
    switch (s->type) {
    case SUAN__F32:
        *scale = float_of(suan__load_u32(p));
        break;
    case SUAN__BF16:
        *scale = float_of((uint32_t)suan__load_u16(p) << 16);
        break;
    case SUAN__F16:
        *scale = half(suan__load_u16(p));
        break;
    default:
        if (*p == 255) return bad(r, i, "its scale is a NaN", err);
        *scale = e8m0(*p);
        break;
    }
    if (!(fabsf(*scale) < 0x1p120f)) return bad(r, i, isnan(*scale) ? "its scale is a NaN" : "its scale is 2^120 or more", err);
    return SUAN_OK;
}

/* n codes of value i on, all under one scale. */
static suan_status check_codes(const range *r, uint64_t i, uint64_t n, float scale, suan_error *err) {
    const unsigned char *codes = r->codes + i;
    unsigned nans = 0;
    bool is_large = fabsf(scale) > FLT_MAX / 448.0f;
    for (uint64_t j = 0; j < n; j++) nans |= is_e4m3_nan(codes[j]);
    if (!nans && !is_large) return SUAN_OK;
    for (uint64_t j = 0; j < n; j++) {
        if (is_e4m3_nan(codes[j])) return bad(r, i + j, "its code is a NaN", err);
        if (isinf(e4m3(codes[j]) * scale)) return bad(r, i + j, "code times scale is larger than a 32-bit float", err);
    }
    return SUAN_OK;
}

static suan_status spread_fp8(const range *r, suan_error *err) {
    uint64_t block = suan__dtype_get(r->t->type)->block;
    unsigned char *dst = r->dst;
    for (uint64_t i = 0; i < r->n; i += block) {
        float scale = 0;
        SUAN_TRY(fp8_scale(r, i, &scale, err));
        SUAN_TRY(check_codes(r, i, block, scale, err));
        if (block == 1) { /* no block type has such rows */
            suan__store_u32(dst, bits_of(e4m3(r->codes[i]) * scale));
            dst += 4;
            continue;
        }
        memmove(dst + 4, r->codes + i, block);
        suan__store_u32(dst, bits_of(scale));
        dst += 4 + block;
    }
    return SUAN_OK;
}

/* ---- nibbles ---- */

/* Whether the largest product is an f32: doubled magnitudes of FP4, and int4's -8..7. */
static suan_status check_nibbles(const range *r, uint64_t i, const unsigned char codes[NIBBLE_BYTES], float scale, suan_error *err) {
    static const float fp4[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    bool is_fp4 = r->t->native->kind == SUAN__NATIVE_FP4;
    if (!(fabsf(scale) <= FLT_MAX)) return bad(r, i, "its scale is not finite", err);
    if (fabsf(scale) <= FLT_MAX / 8) return SUAN_OK;
    for (uint64_t j = 0; j < SUAN__NATIVE_GROUP; j++) {
        int nibble = codes[j / 2] >> (j % 2 * 4) & 15;
        float code = is_fp4 ? fp4[nibble & 7] : (float)(nibble - 8);
        if (isinf(code * scale)) return bad(r, i + j, "code times scale is larger than a 32-bit float", err);
    }
    return SUAN_OK;
}

/* Columns 2j and 2j + 1 share a byte; in a block columns j and j + 16 do. */
static void repack(unsigned char *dst, const unsigned char src[NIBBLE_BYTES]) {
    for (int j = 0; j < NIBBLE_BYTES; j++) {
        int low = src[j / 2] >> (j % 2 * 4) & 15, high = src[(j + NIBBLE_BYTES) / 2] >> (j % 2 * 4) & 15;
        dst[j] = (unsigned char)(low | high << 4);
    }
}

static suan_status spread_nibbles(const range *r, suan_error *err) {
    bool is_fp4 = r->t->native->kind == SUAN__NATIVE_FP4;
    size_t scale_bytes = is_fp4 ? 1 : 2;
    unsigned char *dst = r->dst;
    const unsigned char *scale = r->scales, *src = r->codes;
    for (uint64_t i = 0; i < r->n; i += SUAN__NATIVE_GROUP, scale += scale_bytes, src += NIBBLE_BYTES) {
        unsigned char codes[NIBBLE_BYTES];
        memcpy(codes, src, sizeof codes);
        if (is_fp4 && *scale == 255) return bad(r, i, "its scale is a NaN", err);
        SUAN_TRY(check_nibbles(r, i, codes, is_fp4 ? e8m0(*scale) : float_of((uint32_t)suan__load_u16(scale) << 16), err));
        memcpy(dst, scale, scale_bytes);
        repack(dst + scale_bytes, codes);
        dst += scale_bytes + NIBBLE_BYTES;
    }
    return SUAN_OK;
}

/* The shape that the file states, looked at with the first values. */
static suan_status check_stated_shape(const range *r, suan_error *err) {
    const suan__tensor *s = &r->t->native->shape;
    unsigned char raw[16];
    size_t size = s->type == SUAN__I64 ? 8 : 4;
    SUAN_TRY(suan__file_read(&r->ck->files[s->i_file], s->offset, raw, 2 * size, err));
    uint64_t rows = size == 8 ? suan__load_u64(raw) : suan__load_u32(raw),
             cols = size == 8 ? suan__load_u64(raw + 8) : suan__load_u32(raw + 4);
    SUAN_CHECK(rows == r->t->ne[1] && cols == r->t->ne[0], SUAN_EFORMAT,
               "%s: tensor %s says [%llu, %llu], but the codes are of [%llu, %llu]", r->ck->path, s->name, ULL(rows), ULL(cols),
               ULL(r->t->ne[1]), ULL(r->t->ne[0]));
    return SUAN_OK;
}

/* ---- all kinds ---- */

/* Where the scales of the range lie in their tensor: the first one, and how many. */
static void scales_of(const range *r, uint64_t *first, uint64_t *n) {
    uint64_t cols = r->t->ne[0], per_row = r->t->native->scales.ne[0];
    if (r->t->native->kind == SUAN__NATIVE_FP8) {
        uint64_t row0 = r->begin / cols / SUAN__NATIVE_BLOCK, row1 = (r->begin + r->n - 1) / cols / SUAN__NATIVE_BLOCK;
        *first = row0 * per_row;
        *n = (row1 - row0 + 1) * per_row;
    } else {
        *first = r->begin / SUAN__NATIVE_GROUP;
        *n = r->n / SUAN__NATIVE_GROUP;
    }
}

static uint64_t codes_bytes(const suan__tensor *t, uint64_t n_values) {
    return t->native->kind == SUAN__NATIVE_FP8 ? n_values : n_values / 2;
}

static suan_status read_and_spread(range *r, size_t n_bytes, suan_error *err) {
    const suan__native *native = r->t->native;
    const suan__tensor *c = &native->codes, *s = &native->scales;
    uint64_t first, n, size = suan__dtype_get(s->type)->bytes, n_codes = codes_bytes(r->t, r->n);
    unsigned char *codes = r->dst + (n_bytes - n_codes);
    scales_of(r, &first, &n);
    r->codes = codes;
    r->scales = suan__malloc((size_t)(n * size));
    SUAN_CHECK(r->scales, SUAN_ENOMEM, "%s: out of memory for the scales of tensor %s", r->ck->path, r->t->name);
    SUAN_TRY(suan__file_read(&r->ck->files[s->i_file], s->offset + first * size, r->scales, (size_t)(n * size), err));
    SUAN_TRY(suan__file_read(&r->ck->files[c->i_file], c->offset + codes_bytes(r->t, r->begin), codes, (size_t)n_codes, err));
    if (native->kind == SUAN__NATIVE_INT4 && r->begin == 0) SUAN_TRY(check_stated_shape(r, err));
    return native->kind == SUAN__NATIVE_FP8 ? spread_fp8(r, err) : spread_nibbles(r, err);
}

suan_status suan__native_read(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err) {
    const suan__dtype_info *info = suan__dtype_get(t->type);
    SUAN_CHECK(suan__inside(begin, n, t->n_bytes) && begin % info->bytes == 0 && n % info->bytes == 0, SUAN_EINVAL,
               "tensor %s: bytes %llu to %llu were asked for, which are no whole blocks of it", t->name, ULL(begin), ULL(begin + n));
    if (n == 0) return SUAN_OK;
    range r = {.ck = ck, .t = t, .begin = begin / info->bytes * info->block, .n = n / info->bytes * info->block, .dst = dst};
    suan_status status = read_and_spread(&r, n, err);
    suan__free(r.scales);
    return status;
}

void suan__native_place(const suan__tensor *t, uint64_t begin, uint64_t n, uint64_t *offset, uint64_t *n_bytes) {
    const suan__dtype_info *info = suan__dtype_get(t->type);
    *offset = t->native->codes.offset + codes_bytes(t, begin / info->bytes * info->block);
    *n_bytes = codes_bytes(t, n / info->bytes * info->block);
}
