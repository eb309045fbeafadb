/* vec_avx512.h: the vector of AVX-512 (F, BW, VL, DQ, VNNI): 16 lanes of 32 bits. The same names stand in vec_avx2.h (8 lanes) and
 * vec_neon.h (4 lanes); the operations in this folder are written once over them and compiled once for each.
 *
 * A lane is a row, a position, a head or a channel. "bytes of a lane" are the four bytes of its 32 bits, byte 0 lowest. Functions that end
 * in _n touch n lanes of memory (1..VL) and read the others as zero. Everything is static: no code of this file may be shared with
 * translation units built for a lesser processor.
 */
#ifndef SUAN_KERNELS_SIMD_VEC_H
#define SUAN_KERNELS_SIMD_VEC_H

#include <immintrin.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))
#define VL 16
#define ISA(name) name##_avx512

/* How much is worked on at once: what fits into 32 registers of 16 lanes. */
#define QUANT_COLS 8   /* columns of an integer product */
#define FLOAT_PANELS 2 /* of a float product, and columns: 24 sums, two vectors of weights, one value of a column */
#define FLOAT_COLS_OF(panels) ((panels) == 1 ? 16 : 12)
#define QR_V 2 /* vectors of queries, and */
#define QR_T 8 /* positions of keys in rows */
#define QK_C 8 /* queries, and */
#define QK_P 2 /* panels of keys */
#define PV_C 8 /* queries, and as many vectors of dimensions of weighted values: */
#define PV_VECTORS(c) ((c) <= 3 ? 8 : (c) <= 6 ? 4 : 2)

/* How far ahead of an integer product memory is asked for: measured with two threads on a processor of the Emerald Rapids kind, where the
 * second-level cache as the place and 4 or 16 KiB as the distance gave a tenth less with blocks of 32, a fifth with those of 256. */
#define QUANT_AHEAD(block_bytes) ((block_bytes) > 1024 ? 768 : 2304)
#define PAIR_COLS INT_MAX /* columns of a product of two panels: any number */

typedef __m512 vf;    /* VL floats */
typedef __m512i vi;   /* VL int32, or 4 * VL bytes */
typedef __mmask16 vm; /* a truth value for each lane */

VEC vm vm_first(size_t n) {
    return (vm)((1u << n) - 1);
}

/* ---- floats */
VEC vf vf_set1(float x) {
    return _mm512_set1_ps(x);
}
VEC vf vf_zero(void) {
    return _mm512_setzero_ps();
}
VEC vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
VEC vf vf_load_n(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(vm_first(n), p);
}
VEC void vf_store(float *p, vf x) {
    _mm512_storeu_ps(p, x);
}
VEC void vf_store_n(float *p, vf x, size_t n) {
    _mm512_mask_storeu_ps(p, vm_first(n), x);
}
VEC vf vf_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
VEC vf vf_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
VEC vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
VEC vf vf_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
VEC vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
VEC vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
VEC vf vf_abs(vf a) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
VEC vf vf_neg(vf a) {
    return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a);
}
/* a * b + c, a * b - c and c - a * b, rounded once */
VEC vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
VEC vf vf_fms(vf a, vf b, vf c) {
    return _mm512_fmsub_ps(a, b, c);
}
VEC vf vf_fnma(vf a, vf b, vf c) {
    return _mm512_fnmadd_ps(a, b, c);
}
VEC vm vf_lt(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
VEC vf vf_select(vm m, vf yes, vf no) {
    return _mm512_mask_blend_ps(m, no, yes);
}
VEC float vf_reduce_max(vf x) {
    return _mm512_reduce_max_ps(x);
}

/* ---- integers */
VEC vi vi_set1(int32_t x) {
    return _mm512_set1_epi32(x);
}
VEC vi vi_zero(void) {
    return _mm512_setzero_si512();
}
VEC vi vi_load(const void *p) {
    return _mm512_loadu_si512(p);
}
VEC void vi_store(void *p, vi x) {
    _mm512_storeu_si512(p, x);
}
VEC vi vi_and(vi a, vi b) {
    return _mm512_and_si512(a, b);
}
VEC vi vi_or(vi a, vi b) {
    return _mm512_or_si512(a, b);
}
VEC vi vi_add(vi a, vi b) {
    return _mm512_add_epi32(a, b);
}
VEC vi vi_sub(vi a, vi b) {
    return _mm512_sub_epi32(a, b);
}
VEC vi vi_mul(vi a, vi b) {
    return _mm512_mullo_epi32(a, b);
}
VEC vi vi_shl(vi a, int n) {
    return _mm512_slli_epi32(a, (unsigned)n);
}
VEC vi vi_shr(vi a, int n) {
    return _mm512_srli_epi32(a, (unsigned)n);
}
VEC vi vi_sra(vi a, int n) {
    return _mm512_srai_epi32(a, (unsigned)n);
}
VEC vi vi_sub_bytes(vi a, vi b) {
    return _mm512_sub_epi8(a, b);
}
VEC vm vi_eq(vi a, vi b) {
    return _mm512_cmpeq_epi32_mask(a, b);
}
VEC int vi_reduce_add(vi a) {
    return _mm512_reduce_add_epi32(a);
}
VEC bool vm_any(vm m) {
    return m != 0;
}

/* ---- conversions */
VEC vf vf_from_vi(vi a) {
    return _mm512_cvtepi32_ps(a);
}
VEC vi vi_round(vf a) { /* to nearest even */
    return _mm512_cvtps_epi32(a);
}
VEC vf vf_bits(vi a) {
    return _mm512_castsi512_ps(a);
}
VEC vi vi_bits(vf a) {
    return _mm512_castps_si512(a);
}
VEC vf vf_load_f16(const void *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
VEC vf vf_load_f16_n(const void *p, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(vm_first(n), p));
}
VEC void vf_store_f16_n(void *p, vf x, size_t n) {
    _mm256_mask_storeu_epi16(p, vm_first(n), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
VEC vf vf_load_bf16(const void *p) {
    return vf_bits(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
/* VL codes of e4m3 as f32, times 2^-8: shifted to where a binary16 has its bits, whose exponent is biased by 8 more. Exact; a NaN's code is not known. */
VEC vf vf_load_e4m3(const void *p) {
    __m256i h = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
    return _mm512_cvtph_ps(_mm256_and_si256(h, _mm256_set1_epi16((short)0xbfff)));
}
/* VL bytes and VL halves, zero-extended */
VEC vi vi_load_u8(const void *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
VEC vi vi_load_u16(const void *p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
/* n halves, sign-extended */
VEC vi vi_load_s16_n(const void *p, size_t n) {
    return _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(vm_first(n), p));
}
/* The lowest byte of each lane. */
VEC void vi_store_s8(void *p, vi x) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(x));
}

/* ---- bytes of lanes */
/* Bytes i0..i3 of each lane (-1: zero) as its new bytes 0..3. */
VEC vi vi_pick(vi a, int i0, int i1, int i2, int i3) {
    uint32_t i = (uint32_t)(i0 & 0xff) | (uint32_t)(i1 & 0xff) << 8 | (uint32_t)(i2 & 0xff) << 16 | (uint32_t)(i3 & 0xff) << 24;
    uint32_t k = ~((i >> 7 & 0x01010101) * 0xff); /* -1 stays a byte whose top bit is set */
    __m512i order = _mm512_set4_epi32((int)((i + (0x0c0c0c0c & k))), (int)(i + (0x08080808 & k)), (int)(i + (0x04040404 & k)), (int)i);
    return _mm512_shuffle_epi8(a, order);
}
/* Bytes 0..15 looked up in a table of 16 bytes, which vi_table makes. */
VEC vi vi_table(const void *bytes) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)bytes));
}
VEC vi vi_lookup(vi table, vi index) {
    return _mm512_shuffle_epi8(table, index);
}
/* a with `value` added to each byte whose byte of `flags` has the one bit of the same byte of `mask`. */
VEC vi vi_add_where(vi a, vi flags, vi mask, vi value) {
    return _mm512_mask_add_epi8(a, _mm512_test_epi8_mask(flags, mask), a, value);
}

/* ---- dot products of bytes: four weights of each row (the bytes of a lane) with four activations, the same for all rows
 *
 * Exact: vpdpbusd adds four products of at most 255 * 128 to 32 bits without saturation. It wants unsigned weights, so signed ones are
 * stored with 128 added (DOT_S_OFFSET) and the caller takes 128 * (sum of the activations) away. */
#define DOT_S_OFFSET 128

VEC vi vi_activations(const int8_t *a) {
    int32_t x;
    memcpy(&x, a, 4);
    return _mm512_set1_epi32(x);
}
/* isum + w . a over n units of four values: w[u] unsigned bytes below 2^bits, a[4 * n]. */
VEC vi dot_u(vi isum, const vi *w, const int8_t *a, int n, int bits) {
#pragma GCC unroll 8
    for (int u = 0; u < n; u++) isum = _mm512_dpbusd_epi32(isum, w[u], vi_activations(a + 4 * u));
    return isum;
}
/* The same in steps, for many columns (matmul_many.h): dot_step adds a unit's products to t; after DOT_GROUP(bits, n) of the n units of a
 * scale, dot_finish gives isum + t * factor. DOT_DIRECT: t may begin at any sum and needs no finish where there is no scale. */
#define MANY_COLS 12 /* at once: a dot product takes five cycles, and two can start in each */
#define MANY_FROM 12 /* columns */
#define WIDE_COLS 6  /* at once of two panels, whose weights share the loads of activations */
/* How many columns, at most, take the weights of two panels as they are stored; what is unpacked first serves more columns at the price of
 * being written and read. */
#define WIDE_STORED(block, bits) ((block) == 32 ? (bits) == 5 ? 8 : 12 : (bits) == 4 ? 10 : 6)
#define DOT_DIRECT 1
#define DOT_GROUP(bits, n) ((bits) <= 4 ? 4 : (n))

/* w meets four activations of column `column` (0..3) at `base`, `from` bytes on; columns are ldx apart, ldx3 is three times that. The
 * activations are an operand in memory, repeated by the instruction itself, in the form of address that the processor has for it: with
 * instructions to load them or to find them it could not do two products a cycle. */
VEC vi dot_step(vi t, vi w, const uint8_t *base, size_t ldx, size_t ldx3, int column, int from, int bits) {
#if defined(__OPTIMIZE__) && !defined(__clang__)
    if (column == 0)
        __asm__("vpdpbusd %c3(%2)%{1to16%}, %1, %0" : "+v"(t) : "v"(w), "r"(base), "i"(from));
    else if (column == 1)
        __asm__("vpdpbusd %c4(%2,%3)%{1to16%}, %1, %0" : "+v"(t) : "v"(w), "r"(base), "r"(ldx), "i"(from));
    else if (column == 2)
        __asm__("vpdpbusd %c4(%2,%3,2)%{1to16%}, %1, %0" : "+v"(t) : "v"(w), "r"(base), "r"(ldx), "i"(from));
    else
        __asm__("vpdpbusd %c4(%2,%3)%{1to16%}, %1, %0" : "+v"(t) : "v"(w), "r"(base), "r"(ldx3), "i"(from));
    return t;
#else
    return _mm512_dpbusd_epi32(t, w, vi_activations((const int8_t *)base + (size_t)column * ldx + from));
#endif
}
/* The same in two steps, for weights of several panels: four activations in every lane, which take no more than a load, and their product. */
VEC vi dot_activations(const uint8_t *base, size_t ldx, size_t ldx3, int column, int from) {
#if defined(__OPTIMIZE__) && !defined(__clang__)
    vi a;
    if (column == 0)
        __asm__("vpbroadcastd %c2(%1), %0" : "=v"(a) : "r"(base), "i"(from));
    else if (column == 1)
        __asm__("vpbroadcastd %c3(%1,%2), %0" : "=v"(a) : "r"(base), "r"(ldx), "i"(from));
    else if (column == 2)
        __asm__("vpbroadcastd %c3(%1,%2,2), %0" : "=v"(a) : "r"(base), "r"(ldx), "i"(from));
    else
        __asm__("vpbroadcastd %c3(%1,%2), %0" : "=v"(a) : "r"(base), "r"(ldx3), "i"(from));
    return a;
#else
    return vi_activations((const int8_t *)base + (size_t)column * ldx + from);
#endif
}
VEC vi dot_step_of(vi t, vi w, vi a, int bits) {
    return _mm512_dpbusd_epi32(t, w, a);
}
VEC vi dot_factor(vi scale, int bits) {
    return bits <= 4 ? _mm512_and_si512(scale, _mm512_set1_epi32(0xffff)) : scale;
}
VEC vi dot_factor_one(void) {
    return _mm512_set1_epi32(1);
}
VEC vi dot_finish(vi isum, vi t, vi factor, int bits) {
    return bits <= 4 ? _mm512_dpwssd_epi32(isum, t, factor) : _mm512_add_epi32(isum, _mm512_mullo_epi32(t, factor));
}

/* The scale of a sub-block, byte i of each lane, for dot_u_scaled and dot_s_scaled. */
VEC vi dot_scale_u8(vi scales, int i) {
    return vi_pick(scales, i, -1, -1, -1);
}
VEC vi dot_scale_s8(vi scales, int i) {
    return _mm512_srai_epi32(_mm512_slli_epi32(scales, (unsigned)(24 - 8 * i)), 24);
}
/* isum + scale * (w . a). Where the sum fits into 16 bits (four units of up to 4 bits: 16 * 15 * 127 = 30480), its upper half is only
 * its sign, and vpdpwssd with the scale in the lower half of the lane and zero above is one step instead of the three of a 32-bit product. */
VEC vi dot_u_scaled(vi isum, const vi *w, const int8_t *a, int n, int bits, vi scale) {
    if (bits > 4) return _mm512_add_epi32(isum, _mm512_mullo_epi32(dot_u(vi_zero(), w, a, n, bits), scale));
    vi factor = dot_factor(scale, bits);
#pragma GCC unroll 2
    for (int u = 0; u < n; u += 4) isum = _mm512_dpwssd_epi32(isum, dot_u(vi_zero(), w + u, a + 4 * u, 4, bits), factor);
    return isum;
}
/* Signed weights in the form that dot_s wants. */
VEC vi dot_s_weights(vi w) {
    return _mm512_xor_si512(w, _mm512_set1_epi8(-128));
}
VEC vi dot_s(vi isum, const vi *w, const int8_t *a, int n) {
    return dot_u(isum, w, a, n, 8);
}
VEC vi dot_s_scaled(vi isum, const vi *w, const int8_t *a, int n, vi scale) {
    return dot_u_scaled(isum, w, a, n, 8, scale);
}

/* Two 16-bit factors of each lane from bytes i and j of u (zero-extended) or s (sign-extended), and isum + factors . (two int16 at x). */
VEC vi dot_pair_u8(vi a, int i, int j) {
    return vi_pick(a, i, -1, j, -1);
}
VEC vi dot_pair_s8(vi a, int i, int j) {
    return _mm512_srai_epi16(vi_pick(a, -1, i, -1, j), 8);
}
VEC vi dot_pair(vi isum, vi pair, const void *x) {
    int32_t both;
    memcpy(&both, x, 4);
    return _mm512_dpwssd_epi32(isum, pair, _mm512_set1_epi32(both));
}

/* factor times the int16 at x, in each lane. Two bytes before x are read too (the rows of activations have their scales there). */
VEC vi dot_sum(const void *x, int factor) {
    return dot_pair(_mm512_setzero_si512(), _mm512_set1_epi32((int)((unsigned)factor << 16)), (const uint8_t *)x - 2);
}

/* ---- the q8 cache: bytes 128 + q (kernels.h) */

/* Q8_ZERO - 128 + byte for VL bytes: the byte stands in the middle of the fraction of 2^15, which is one shuffle. At most 16 bytes are
 * read. */
#define Q8_ZERO 32896.0f
VEC vf vf_load_q8(const void *p) {
    const __m512i order = _mm512_set4_epi32(3 << 8, 2 << 8, 1 << 8, 0),
                  lane = _mm512_setr_epi32(0, 0, 0, 0, 4 << 8, 4 << 8, 4 << 8, 4 << 8, 8 << 8, 8 << 8, 8 << 8, 8 << 8, 12 << 8, 12 << 8,
                                           12 << 8, 12 << 8);
    __m512i bytes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
    return vf_bits(_mm512_mask_shuffle_epi8(_mm512_set1_epi32(0x47000000), 0x2222222222222222, bytes, _mm512_or_si512(order, lane)));
}
/* Bytes of keys as the weights of dot_s. */
VEC vi dot_s_stored(vi bytes) {
    return bytes;
}
/* isum + q . (32 bytes), where the lanes' eight units q are signed and the bytes are ROW_BYTES_OFFSET too large. */
#define ROW_BYTES_OFFSET 128
VEC vi dot_row(vi isum, const vi q[8], const uint8_t *bytes) {
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) isum = _mm512_dpbusd_epi32(isum, vi_activations((const int8_t *)bytes + 4 * u), q[u]);
    return isum;
}

VEC void vec_prefetch(const void *p) {
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}
/* Into the second-level cache: for what is used later. */
VEC void vec_prefetch_far(const void *p) {
    _mm_prefetch((const char *)p, _MM_HINT_T1);
}
/* Even and odd lanes of the 2 * VL values (a, b), and the inverse. */
VEC void vf_unzip(vf a, vf b, vf *even, vf *odd) {
    const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, e, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(e, _mm512_set1_epi32(1)), b);
}
VEC void vf_zip(vf even, vf odd, vf *a, vf *b) {
    const __m512i e = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *a = _mm512_permutex2var_ps(even, e, odd);
    *b = _mm512_permutex2var_ps(even, _mm512_add_epi32(e, _mm512_set1_epi32(8)), odd);
}

#endif
