/* vec_neon.h: the vector of Arm's Advanced SIMD as every AArch64 processor has it: 4 lanes of 32 bits. The names are those of
 * vec_avx512.h, where they are explained. No dot product instructions are used: they belong to later processors.
 */
#ifndef SUAN_KERNELS_SIMD_VEC_H
#define SUAN_KERNELS_SIMD_VEC_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))
#define VL 4
#define ISA(name) name##_neon

/* How much is worked on at once: what fits into 32 registers of 4 lanes. */
#define QUANT_COLS 4
#define FLOAT_PANELS 1
#define FLOAT_COLS_OF(panels) 4 /* sixteen sums, four vectors of weights, one value of a column */
#define QR_V 4
#define QR_T 4
#define QK_C 4
#define QK_P 1
#define PV_C 8
#define PV_VECTORS(c) ((c) <= 3 ? 8 : (c) <= 6 ? 4 : 2)

/* See vec_avx512.h; nothing was measured here. */
#define QUANT_AHEAD(block_bytes) ((block_bytes) > 2048 ? 1280 : 2048)

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm; /* all bits of a lane or none */

VEC vm vm_first(size_t n) {
    static const uint32_t lanes[4] = {0, 1, 2, 3};
    return vcltq_u32(vld1q_u32(lanes), vdupq_n_u32((uint32_t)n));
}

/* ---- floats */
VEC vf vf_set1(float x) {
    return vdupq_n_f32(x);
}
VEC vf vf_zero(void) {
    return vdupq_n_f32(0);
}
VEC vf vf_load(const float *p) {
    return vld1q_f32(p);
}
VEC vf vf_load_n(const float *p, size_t n) {
    float x[VL] = {0};
    memcpy(x, p, n * 4);
    return vld1q_f32(x);
}
VEC void vf_store(float *p, vf x) {
    vst1q_f32(p, x);
}
VEC void vf_store_n(float *p, vf x, size_t n) {
    float all[VL];
    vst1q_f32(all, x);
    memcpy(p, all, n * 4);
}
VEC vf vf_add(vf a, vf b) {
    return vaddq_f32(a, b);
}
VEC vf vf_sub(vf a, vf b) {
    return vsubq_f32(a, b);
}
VEC vf vf_mul(vf a, vf b) {
    return vmulq_f32(a, b);
}
VEC vf vf_div(vf a, vf b) {
    return vdivq_f32(a, b);
}
VEC vf vf_max(vf a, vf b) {
    return vmaxq_f32(a, b);
}
VEC vf vf_min(vf a, vf b) {
    return vminq_f32(a, b);
}
VEC vf vf_abs(vf a) {
    return vabsq_f32(a);
}
VEC vf vf_neg(vf a) {
    return vnegq_f32(a);
}
VEC vf vf_fma(vf a, vf b, vf c) {
    return vfmaq_f32(c, a, b);
}
VEC vf vf_fms(vf a, vf b, vf c) {
    return vfmaq_f32(vnegq_f32(c), a, b);
}
VEC vf vf_fnma(vf a, vf b, vf c) {
    return vfmsq_f32(c, a, b);
}
VEC vm vf_lt(vf a, vf b) {
    return vcltq_f32(a, b);
}
VEC vf vf_select(vm m, vf yes, vf no) {
    return vbslq_f32(m, yes, no);
}
VEC float vf_reduce_max(vf x) {
    return vmaxvq_f32(x);
}

/* ---- integers */
VEC vi vi_set1(int32_t x) {
    return vdupq_n_s32(x);
}
VEC vi vi_zero(void) {
    return vdupq_n_s32(0);
}
VEC vi vi_load(const void *p) {
    return vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)p));
}
VEC vi vi_and(vi a, vi b) {
    return vandq_s32(a, b);
}
VEC vi vi_or(vi a, vi b) {
    return vorrq_s32(a, b);
}
VEC vi vi_add(vi a, vi b) {
    return vaddq_s32(a, b);
}
VEC vi vi_sub(vi a, vi b) {
    return vsubq_s32(a, b);
}
VEC vi vi_mul(vi a, vi b) {
    return vmulq_s32(a, b);
}
VEC vi vi_shl(vi a, int n) {
    return vshlq_s32(a, vdupq_n_s32(n));
}
VEC vi vi_shr(vi a, int n) {
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
}
VEC vi vi_sra(vi a, int n) {
    return vshlq_s32(a, vdupq_n_s32(-n));
}
VEC vi vi_sub_bytes(vi a, vi b) {
    return vreinterpretq_s32_u8(vsubq_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b)));
}
VEC vm vi_eq(vi a, vi b) {
    return vceqq_s32(a, b);
}
VEC int vi_reduce_add(vi a) {
    return vaddvq_s32(a);
}
VEC bool vm_any(vm m) {
    return vmaxvq_u32(m) != 0;
}

/* ---- conversions */
VEC vf vf_from_vi(vi a) {
    return vcvtq_f32_s32(a);
}
VEC vi vi_round(vf a) {
    return vcvtnq_s32_f32(a);
}
VEC vf vf_bits(vi a) {
    return vreinterpretq_f32_s32(a);
}
VEC vi vi_bits(vf a) {
    return vreinterpretq_s32_f32(a);
}
VEC vf vf_load_f16(const void *p) {
    uint16x4_t h;
    memcpy(&h, p, 8);
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}
VEC vf vf_load_f16_n(const void *p, size_t n) {
    uint16_t h[VL] = {0};
    memcpy(h, p, n * 2);
    return vf_load_f16(h);
}
VEC void vf_store_f16_n(void *p, vf x, size_t n) {
    uint16_t h[VL];
    vst1_u16(h, vreinterpret_u16_f16(vcvt_f16_f32(x)));
    memcpy(p, h, n * 2);
}
/* VL codes of e4m3 as f32, times 2^-8: shifted to where a binary16 has its bits, whose exponent is biased by 8 more. Exact; a NaN's code is not known. */
VEC vf vf_load_e4m3(const void *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    int16x4_t h = vshl_n_s16(vget_low_s16(vmovl_s8(vcreate_s8(four))), 7);
    return vcvt_f32_f16(vreinterpret_f16_s16(vand_s16(h, vdup_n_s16((int16_t)0xbfff))));
}
VEC vf vf_load_bf16(const void *p) {
    uint16x4_t h;
    memcpy(&h, p, 8);
    return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}
VEC vi vi_load_u8(const void *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
}
VEC vi vi_load_u16(const void *p) {
    uint16x4_t h;
    memcpy(&h, p, 8);
    return vreinterpretq_s32_u32(vmovl_u16(h));
}
VEC void vi_store_s8(void *p, vi x) {
    int16x4_t h = vmovn_s32(x);
    uint32_t four = vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(h, h))), 0);
    memcpy(p, &four, 4);
}

/* ---- bytes of lanes */
VEC vi vi_pick(vi a, int i0, int i1, int i2, int i3) { /* an index beyond 15 gives zero */
    uint32_t i = (uint32_t)(i0 & 0xff) | (uint32_t)(i1 & 0xff) << 8 | (uint32_t)(i2 & 0xff) << 16 | (uint32_t)(i3 & 0xff) << 24;
    uint32_t k = ~((i >> 7 & 0x01010101) * 0xff);
    const uint32x4_t order = {i, i + (0x04040404 & k), i + (0x08080808 & k), i + (0x0c0c0c0c & k)};
    return vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_u32(order)));
}
VEC vi vi_table(const void *bytes) {
    return vi_load(bytes);
}
VEC vi vi_lookup(vi table, vi index) {
    return vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(table), vreinterpretq_u8_s32(index)));
}
VEC vi vi_add_where(vi a, vi flags, vi mask, vi value) {
    uint8x16_t where = vtstq_u8(vreinterpretq_u8_s32(flags), vreinterpretq_u8_s32(mask));
    return vreinterpretq_s32_u8(vaddq_u8(vreinterpretq_u8_s32(a), vandq_u8(where, vreinterpretq_u8_s32(value))));
}

/* ---- dot products of bytes
 *
 * Bytes are multiplied to 16 bits, two rows in a vector, and products of several units are added there: a product is at most
 * 127 * (2^bits - 1), so that 8 of them fit up to 5 bits, 4 for 6, 2 for 7 and for signed weights (128 * 127). Neighbours are then added to
 * 32 bits, and again, which leaves one sum a row. Weights below 128 are the same as signed bytes. */
#define DOT_S_OFFSET 0

VEC int8x16_t dot_activations(const int8_t *a) {
    int32_t x;
    memcpy(&x, a, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(x));
}
VEC vi dot_bytes(vi isum, const vi *w, const int8_t *a, int n, int fit) {
    int32x4_t low = vdupq_n_s32(0), high = vdupq_n_s32(0); /* rows 0, 0, 1, 1 and 2, 2, 3, 3 */
    const int m = n < fit ? n : fit;
#pragma GCC unroll 8
    for (int u = 0; u < n; u += m) {
        int8x16_t x = vreinterpretq_s8_s32(w[u]), y = dot_activations(a + 4 * u);
        int16x8_t l = vmull_s8(vget_low_s8(x), vget_low_s8(y)), h = vmull_high_s8(x, y);
        for (int i = 1; i < m; i++) {
            x = vreinterpretq_s8_s32(w[u + i]);
            y = dot_activations(a + 4 * (u + i));
            l = vmlal_s8(l, vget_low_s8(x), vget_low_s8(y));
            h = vmlal_high_s8(h, x, y);
        }
        low = vpadalq_s16(low, l);
        high = vpadalq_s16(high, h);
    }
    return vaddq_s32(isum, vpaddq_s32(low, high));
}
VEC vi dot_u(vi isum, const vi *w, const int8_t *a, int n, int bits) {
    return dot_bytes(isum, w, a, n, bits <= 5 ? 8 : bits == 6 ? 4 : 2);
}
VEC vi dot_u_scaled(vi isum, const vi *w, const int8_t *a, int n, int bits, vi scale) {
    return vmlaq_s32(isum, dot_u(vi_zero(), w, a, n, bits), scale);
}
VEC vi dot_scale_u8(vi scales, int i) {
    return vi_pick(scales, i, -1, -1, -1);
}
VEC vi dot_scale_s8(vi scales, int i) {
    return vi_sra(vi_shl(scales, 24 - 8 * i), 24);
}
VEC vi dot_s_weights(vi w) {
    return w;
}
VEC vi dot_s(vi isum, const vi *w, const int8_t *a, int n) {
    return dot_bytes(isum, w, a, n, 2);
}
VEC vi dot_s_scaled(vi isum, const vi *w, const int8_t *a, int n, vi scale) {
    return vmlaq_s32(isum, dot_s(vi_zero(), w, a, n), scale);
}
VEC vi dot_pair_u8(vi a, int i, int j) {
    return vi_pick(a, i, -1, j, -1);
}
VEC vi dot_pair_s8(vi a, int i, int j) {
    return vreinterpretq_s32_s16(vshrq_n_s16(vreinterpretq_s16_s32(vi_pick(a, -1, i, -1, j)), 8));
}
VEC vi dot_pair(vi isum, vi pair, const void *x) {
    int32_t both;
    memcpy(&both, x, 4);
    int16x8_t p = vreinterpretq_s16_s32(pair), y = vreinterpretq_s16_s32(vdupq_n_s32(both));
    return vaddq_s32(isum, vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(y)), vmull_high_s16(p, y)));
}

VEC vi dot_sum(const void *x, int factor) {
    int16_t sum;
    memcpy(&sum, x, 2);
    return vdupq_n_s32(sum * factor);
}

/* ---- the q8 cache: bytes 128 + q (vec_avx512.h) */
#define Q8_ZERO 128.0f
VEC vf vf_load_q8(const void *p) {
    return vf_from_vi(vi_load_u8(p));
}
VEC vi dot_s_stored(vi bytes) {
    return vreinterpretq_s32_u8(veorq_u8(vreinterpretq_u8_s32(bytes), vdupq_n_u8(128)));
}
#define ROW_BYTES_OFFSET 0 /* the bytes have been made signed */
VEC vi dot_row(vi isum, const vi q[8], const uint8_t *bytes) {
    return dot_s(isum, q, (const int8_t *)bytes, 8);
}

VEC void vec_prefetch(const void *p) {
    __builtin_prefetch(p);
}
VEC void vec_prefetch_far(const void *p) {
    __builtin_prefetch(p, 0, 2);
}
VEC void vf_unzip(vf a, vf b, vf *even, vf *odd) {
    *even = vuzp1q_f32(a, b);
    *odd = vuzp2q_f32(a, b);
}
VEC void vf_zip(vf even, vf odd, vf *a, vf *b) {
    *a = vzip1q_f32(even, odd);
    *b = vzip2q_f32(even, odd);
}

#endif
