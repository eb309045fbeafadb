/* vec_avx2.h: the vector of AVX2 with FMA and F16C: 8 lanes of 32 bits. The names are those of vec_avx512.h, where they are explained.
 * With AVX-VNNI the dot products are other ones; the rest is the same.
 */
#ifndef SUAN_KERNELS_SIMD_VEC_H
#define SUAN_KERNELS_SIMD_VEC_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))
#define VL 8
#ifdef __AVXVNNI__
#define ISA(name) name##_avxvnni
#else
#define ISA(name) name##_avx2
#endif

/* How much is worked on at once: what fits into 16 registers of 8 lanes. */
#define QUANT_COLS 4
#define FLOAT_PANELS 1
#define FLOAT_COLS_OF(panels) 6 /* twelve sums, two vectors of weights, one value of a column */
#define QR_V 2
#define QR_T 4
#define QK_C 6
#define QK_P 1
#define PV_C 6
#define PV_VECTORS(c) ((c) == 1 ? 8 : (c) == 2 ? 4 : 2)

/* See vec_avx512.h. */
#define QUANT_AHEAD(block_bytes) 2304
#define PAIR_COLS 1

typedef __m256 vf;
typedef __m256i vi;
typedef __m256i vm; /* all bits of a lane or none */

VEC vm vm_first(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* ---- floats */
VEC vf vf_set1(float x) {
    return _mm256_set1_ps(x);
}
VEC vf vf_zero(void) {
    return _mm256_setzero_ps();
}
VEC vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
VEC vf vf_load_n(const float *p, size_t n) {
    return _mm256_maskload_ps(p, vm_first(n));
}
VEC void vf_store(float *p, vf x) {
    _mm256_storeu_ps(p, x);
}
VEC void vf_store_n(float *p, vf x, size_t n) {
    _mm256_maskstore_ps(p, vm_first(n), x);
}
VEC vf vf_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
VEC vf vf_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
VEC vf vf_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
VEC vf vf_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
VEC vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
VEC vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
VEC vf vf_abs(vf a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
VEC vf vf_neg(vf a) {
    return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a);
}
VEC vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
VEC vf vf_fms(vf a, vf b, vf c) {
    return _mm256_fmsub_ps(a, b, c);
}
VEC vf vf_fnma(vf a, vf b, vf c) {
    return _mm256_fnmadd_ps(a, b, c);
}
VEC vm vf_lt(vf a, vf b) {
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
VEC vf vf_select(vm m, vf yes, vf no) {
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m));
}
VEC float vf_reduce_max(vf x) {
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_shuffle_ps(a, a, 1)));
}

/* ---- integers */
VEC vi vi_set1(int32_t x) {
    return _mm256_set1_epi32(x);
}
VEC vi vi_zero(void) {
    return _mm256_setzero_si256();
}
VEC vi vi_load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
VEC void vi_store(void *p, vi x) {
    _mm256_storeu_si256((__m256i *)p, x);
}
VEC vi vi_and(vi a, vi b) {
    return _mm256_and_si256(a, b);
}
VEC vi vi_or(vi a, vi b) {
    return _mm256_or_si256(a, b);
}
VEC vi vi_add(vi a, vi b) {
    return _mm256_add_epi32(a, b);
}
VEC vi vi_sub(vi a, vi b) {
    return _mm256_sub_epi32(a, b);
}
VEC vi vi_mul(vi a, vi b) {
    return _mm256_mullo_epi32(a, b);
}
VEC vi vi_shl(vi a, int n) {
    return _mm256_slli_epi32(a, n);
}
VEC vi vi_shr(vi a, int n) {
    return _mm256_srli_epi32(a, n);
}
VEC vi vi_sra(vi a, int n) {
    return _mm256_srai_epi32(a, n);
}
VEC vi vi_sub_bytes(vi a, vi b) {
    return _mm256_sub_epi8(a, b);
}
VEC vm vi_eq(vi a, vi b) {
    return _mm256_cmpeq_epi32(a, b);
}
VEC int vi_reduce_add(vi a) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
VEC bool vm_any(vm m) {
    return !_mm256_testz_si256(m, m);
}

/* ---- conversions */
VEC vf vf_from_vi(vi a) {
    return _mm256_cvtepi32_ps(a);
}
VEC vi vi_round(vf a) {
    return _mm256_cvtps_epi32(a);
}
VEC vf vf_bits(vi a) {
    return _mm256_castsi256_ps(a);
}
VEC vi vi_bits(vf a) {
    return _mm256_castps_si256(a);
}
VEC vf vf_load_f16(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
VEC vf vf_load_f16_n(const void *p, size_t n) {
    uint16_t h[VL] = {0};
    memcpy(h, p, n * 2);
    return vf_load_f16(h);
}
VEC void vf_store_f16_n(void *p, vf x, size_t n) {
    uint16_t h[VL];
    _mm_storeu_si128((__m128i *)h, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    memcpy(p, h, n * 2);
}
/* VL codes of e4m3 as f32, times 2^-8: shifted to where a binary16 has its bits, whose exponent is biased by 8 more. Exact; a NaN's code is not known. */
VEC vf vf_load_e4m3(const void *p) {
    __m128i h = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)p)), 7);
    return _mm256_cvtph_ps(_mm_and_si128(h, _mm_set1_epi16((short)0xbfff)));
}
VEC vf vf_load_bf16(const void *p) {
    return vf_bits(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
VEC vi vi_load_u8(const void *p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
VEC vi vi_load_u16(const void *p) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}
VEC vi vi_load_s16_n(const void *p, size_t n) {
    uint16_t h[VL] = {0};
    memcpy(h, p, n * 2);
    return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)h));
}
VEC void vi_store_s8(void *p, vi x) { /* for values of -128..127, which the packing keeps */
    __m128i h = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(h, h));
}

/* ---- bytes of lanes */
VEC vi vi_pick(vi a, int i0, int i1, int i2, int i3) {
    uint32_t i = (uint32_t)(i0 & 0xff) | (uint32_t)(i1 & 0xff) << 8 | (uint32_t)(i2 & 0xff) << 16 | (uint32_t)(i3 & 0xff) << 24;
    uint32_t k = ~((i >> 7 & 0x01010101) * 0xff);
    int b0 = (int)i, b1 = (int)(i + (0x04040404 & k)), b2 = (int)(i + (0x08080808 & k)), b3 = (int)(i + (0x0c0c0c0c & k));
    return _mm256_shuffle_epi8(a, _mm256_setr_epi32(b0, b1, b2, b3, b0, b1, b2, b3));
}
VEC vi vi_table(const void *bytes) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
}
VEC vi vi_lookup(vi table, vi index) {
    return _mm256_shuffle_epi8(table, index);
}
VEC vi vi_add_where(vi a, vi flags, vi mask, vi value) {
    vi where = _mm256_cmpeq_epi8(_mm256_and_si256(flags, mask), mask);
    return _mm256_add_epi8(a, _mm256_and_si256(where, value));
}

VEC vi vi_activations(const int8_t *a) {
    int32_t x;
    memcpy(&x, a, 4);
    return _mm256_set1_epi32(x);
}

#define MANY_COLS 4
#define MANY_FROM 4
#ifdef __AVXVNNI__
/* ---- dot products of bytes by AVX-VNNI: see vec_avx512.h */
#define DOT_S_OFFSET 128
#define DOT_DIRECT 1
#define DOT_GROUP(bits, n) ((bits) <= 4 ? 4 : (n))

VEC vi dot_u(vi isum, const vi *w, const int8_t *a, int n, int bits) {
#pragma GCC unroll 8
    for (int u = 0; u < n; u++) isum = _mm256_dpbusd_avx_epi32(isum, w[u], vi_activations(a + 4 * u));
    return isum;
}
VEC vi dot_factor(vi scale, int bits) {
    return bits <= 4 ? _mm256_and_si256(scale, _mm256_set1_epi32(0xffff)) : scale;
}
VEC vi dot_factor_one(void) {
    return _mm256_set1_epi32(1);
}
VEC vi dot_step(vi t, vi w, const uint8_t *base, size_t ldx, size_t ldx3, int column, int from, int bits) {
    return _mm256_dpbusd_avx_epi32(t, w, vi_activations((const int8_t *)base + (size_t)column * ldx + from));
}
VEC vi dot_finish(vi isum, vi t, vi factor, int bits) {
    return bits <= 4 ? _mm256_dpwssd_avx_epi32(isum, t, factor) : _mm256_add_epi32(isum, _mm256_mullo_epi32(t, factor));
}
VEC vi dot_u_scaled(vi isum, const vi *w, const int8_t *a, int n, int bits, vi scale) {
    const int m = DOT_GROUP(bits, n);
    vi factor = dot_factor(scale, bits);
#pragma GCC unroll 2
    for (int u = 0; u < n; u += m) isum = dot_finish(isum, dot_u(_mm256_setzero_si256(), w + u, a + 4 * u, m, bits), factor, bits);
    return isum;
}
VEC vi dot_scale_u8(vi scales, int i) {
    return vi_pick(scales, i, -1, -1, -1);
}
VEC vi dot_scale_s8(vi scales, int i) {
    return _mm256_srai_epi32(_mm256_slli_epi32(scales, 24 - 8 * i), 24);
}
VEC vi dot_s_weights(vi w) {
    return _mm256_xor_si256(w, _mm256_set1_epi8(-128));
}
VEC vi dot_s(vi isum, const vi *w, const int8_t *a, int n) {
    return dot_u(isum, w, a, n, 8);
}
VEC vi dot_s_scaled(vi isum, const vi *w, const int8_t *a, int n, vi scale) {
    return dot_u_scaled(isum, w, a, n, 8, scale);
}
#else
/* ---- dot products of bytes
 *
 * vpmaddubsw adds two products of an unsigned and a signed byte to 16 bits, with saturation, which must not happen: two products of
 * weights below 2^bits with |a| <= 127 are at most 254 * (2^bits - 1), so that 8 such sums fit into 16 bits for 4 bits, 4 for 5, 2 for
 * 6, and one for 7. Signed weights give their sign to the activation: |w| <= 128 makes 2 * 128 * 127 = 32512 at most. Then vpmaddwd adds
 * neighbours to 32 bits, times one or times the sub-block's scale, which the 16-bit halves of a lane hold twice. */
#define DOT_S_OFFSET 0
#define DOT_DIRECT 0
#define DOT_FIT(bits) ((bits) <= 4 ? 8 : (bits) == 5 ? 4 : (bits) == 6 ? 2 : 1) /* units to one sum of 16 bits */
#define DOT_GROUP(bits, n) ((n) < DOT_FIT(bits) ? (n) : DOT_FIT(bits))

VEC vi dot_u_scaled(vi isum, const vi *w, const int8_t *a, int n, int bits, vi scale) {
    const int m = DOT_GROUP(bits, n);
#pragma GCC unroll 8
    for (int u = 0; u < n; u += m) {
        vi pairs = _mm256_maddubs_epi16(w[u], vi_activations(a + 4 * u));
        for (int i = 1; i < m; i++) {
            pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w[u + i], vi_activations(a + 4 * (u + i))));
        }
        isum = _mm256_add_epi32(isum, _mm256_madd_epi16(pairs, scale));
    }
    return isum;
}
VEC vi dot_u(vi isum, const vi *w, const int8_t *a, int n, int bits) {
    return dot_u_scaled(isum, w, a, n, bits, _mm256_set1_epi16(1));
}
VEC vi dot_scale_u8(vi scales, int i) {
    return vi_pick(scales, i, -1, i, -1);
}
VEC vi dot_scale_s8(vi scales, int i) {
    return _mm256_srai_epi16(vi_pick(scales, -1, i, -1, i), 8);
}
VEC vi dot_s_weights(vi w) {
    return w;
}
VEC vi dot_s_scaled(vi isum, const vi *w, const int8_t *a, int n, vi scale) {
#pragma GCC unroll 8
    for (int u = 0; u < n; u++) {
        vi pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w[u]), _mm256_sign_epi8(vi_activations(a + 4 * u), w[u]));
        isum = _mm256_add_epi32(isum, _mm256_madd_epi16(pairs, scale));
    }
    return isum;
}
VEC vi dot_s(vi isum, const vi *w, const int8_t *a, int n) {
    return dot_s_scaled(isum, w, a, n, _mm256_set1_epi16(1));
}

/* In steps; eight bits: signed weights. */
VEC vi dot_step(vi t, vi w, const uint8_t *base, size_t ldx, size_t ldx3, int column, int from, int bits) {
    vi a = vi_activations((const int8_t *)base + (size_t)column * ldx + from);
    if (bits == 8) return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
    return _mm256_add_epi16(t, _mm256_maddubs_epi16(w, a));
}
VEC vi dot_factor(vi scale, int bits) {
    return scale;
}
VEC vi dot_factor_one(void) {
    return _mm256_set1_epi16(1);
}
VEC vi dot_finish(vi isum, vi t, vi factor, int bits) {
    return _mm256_add_epi32(isum, _mm256_madd_epi16(t, factor));
}
#endif
VEC vi dot_pair_u8(vi a, int i, int j) {
    return vi_pick(a, i, -1, j, -1);
}
VEC vi dot_pair_s8(vi a, int i, int j) {
    return _mm256_srai_epi16(vi_pick(a, -1, i, -1, j), 8);
}
VEC vi dot_pair(vi isum, vi pair, const void *x) {
    int32_t both;
    memcpy(&both, x, 4);
    return _mm256_add_epi32(isum, _mm256_madd_epi16(pair, _mm256_set1_epi32(both)));
}

VEC vi dot_sum(const void *x, int factor) { /* reads two bytes before x too */
    int32_t both;
    memcpy(&both, (const uint8_t *)x - 2, 4);
    return _mm256_madd_epi16(_mm256_set1_epi32((int)((unsigned)factor << 16)), _mm256_set1_epi32(both));
}

/* ---- the q8 cache: bytes 128 + q (vec_avx512.h) */
#define Q8_ZERO 128.0f
VEC vf vf_load_q8(const void *p) {
    return vf_from_vi(vi_load_u8(p));
}
VEC vi dot_s_stored(vi bytes) {
    return _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
}
#define ROW_BYTES_OFFSET 0 /* the bytes have been made signed */
VEC vi dot_row(vi isum, const vi q[8], const uint8_t *bytes) {
    return dot_s(isum, q, (const int8_t *)bytes, 8);
}

VEC void vec_prefetch(const void *p) {
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}
VEC void vec_prefetch_far(const void *p) {
    _mm_prefetch((const char *)p, _MM_HINT_T1);
}
VEC void vf_unzip(vf a, vf b, vf *even, vf *odd) {
    __m256d e = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88)), o = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    *even = _mm256_castpd_ps(_mm256_permute4x64_pd(e, 0xd8));
    *odd = _mm256_castpd_ps(_mm256_permute4x64_pd(o, 0xd8));
}
VEC void vf_zip(vf even, vf odd, vf *a, vf *b) {
    vf low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    *a = _mm256_permute2f128_ps(low, high, 0x20);
    *b = _mm256_permute2f128_ps(low, high, 0x31);
}

#endif
