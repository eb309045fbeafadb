/* peaks.c: loops of nothing but multiply-adds, or nothing but loads. Sums enough to cover the latency stand in registers of their own; empty
 * assembly keeps the compiler from dropping, joining or reordering them. */
#include "kernels/peaks.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* ---- C: what the compiler makes of plain loops */

#define C_VALUES 4096

static uint64_t int8_c(void) {
    static const int8_t w[C_VALUES] = {1, 2, 3}, x[C_VALUES] = {3, 2, 1};
    enum { ROUNDS = 500 };
    int32_t sum = 0;
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < C_VALUES; i++) sum += w[i] * x[i];
        __asm__ volatile("" : "+r"(sum) : : "memory");
    }
    return (uint64_t)ROUNDS * C_VALUES * 2;
}

static uint64_t f32_c(void) {
    enum { ROUNDS = 60000, SUMS = 16 };
    float s[SUMS] = {0}, a = 0.5f;
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < SUMS; i++) s[i] = __builtin_fmaf(a, 0.25f, s[i]);
        __asm__ volatile("" : "+m"(s), "+m"(a));
    }
    return (uint64_t)ROUNDS * SUMS * 2;
}

/* ---- reading */

typedef uint64_t read_vec __attribute__((vector_size(64), aligned(8), may_alias));

/* Two lines of each stream a round. */
static inline __attribute__((always_inline)) uint64_t read_streams(const void *p, size_t n, int streams, size_t ahead) {
    size_t part = n / (size_t)streams;
    read_vec s[4] = {0};
    const unsigned char *begin = p;
    for (size_t at = 0; at + 128 <= part; at += 128) {
        for (int i = 0; i < streams; i++) {
            const unsigned char *q = begin + (size_t)i * part + at;
            if (ahead) {
                __builtin_prefetch(q + ahead);
                __builtin_prefetch(q + ahead + 64);
            }
            s[i] ^= *(const read_vec *)(const void *)q;
            s[i] ^= *(const read_vec *)(const void *)(q + 64);
        }
    }
    read_vec all = s[0] ^ s[1] ^ s[2] ^ s[3];
    return all[0] ^ all[1] ^ all[2] ^ all[3] ^ all[4] ^ all[5] ^ all[6] ^ all[7];
}

/* The number of streams is a constant in each copy of the loop. */
#define READ_FN(name, attributes)                                                                 \
    attributes static uint64_t name(const void *p, size_t n, int streams, size_t ahead) {         \
        return streams == 1   ? ahead ? read_streams(p, n, 1, ahead) : read_streams(p, n, 1, 0)   \
                 : streams == 2 ? ahead ? read_streams(p, n, 2, ahead) : read_streams(p, n, 2, 0) \
                 : ahead ? read_streams(p, n, 4, ahead)                                           \
                              : read_streams(p, n, 4, 0);                                                \
    }
#define NO_ATTRIBUTES
READ_FN(read_c, NO_ATTRIBUTES)

/* ---- vectors */

#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
#define KEEP(v) __asm__ volatile("" : "+v"(v))
#define TARGET(isa) __attribute__((target(isa)))
#else
#define KEEP(v) __asm__ volatile("" : "+w"(v))
#define TARGET(isa) __attribute__((target(isa)))
#endif

/* A function of ROUNDS rounds; each does `step` to every one of n sums s[i] of vectors, ops operations each. */
#define PEAK_FN(name, isa, type, n, zero, a_value, b_value, ops, ...)       \
    TARGET(isa) static uint64_t name(void) {                                \
        enum { ROUNDS = 40000 };                                            \
        type s[n], a = a_value, b = b_value;                                \
        KEEP(a);                                                            \
        KEEP(b);                                                            \
        _Pragma("GCC unroll 16") for (int i = 0; i < (n); i++) s[i] = zero; \
        for (int r = 0; r < ROUNDS; r++) {                                  \
            _Pragma("GCC unroll 16") for (int i = 0; i < (n); i++) {        \
                __VA_ARGS__;                                                \
                KEEP(s[i]);                                                 \
            }                                                               \
        }                                                                   \
        return (uint64_t)ROUNDS * (n) * (ops);                              \
    }
#endif

#if defined(__x86_64__)
READ_FN(read_avx2, TARGET("avx2"))
READ_FN(read_avx512, TARGET("avx512f"))
PEAK_FN(f32_avx2, "avx2,fma", __m256, 12, _mm256_setzero_ps(), _mm256_set1_ps(0.5f), _mm256_set1_ps(0.25f), 16,
        s[i] = _mm256_fmadd_ps(a, b, s[i]))
PEAK_FN(f32_avx512, "avx512f", __m512, 16, _mm512_setzero_ps(), _mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f), 32,
        s[i] = _mm512_fmadd_ps(a, b, s[i]))
PEAK_FN(int8_avx2, "avx2", __m256i, 12, _mm256_setzero_si256(), _mm256_set1_epi8(3), _mm256_set1_epi8(1), 64,
        KEEP(a); /* or the product would be made once */
        __m256i t = _mm256_maddubs_epi16(a, b); KEEP(t); s[i] = _mm256_add_epi16(s[i], t))
PEAK_FN(int8_avxvnni, "avx2,avxvnni", __m256i, 12, _mm256_setzero_si256(), _mm256_set1_epi8(3), _mm256_set1_epi8(5), 64,
        s[i] = _mm256_dpbusd_avx_epi32(s[i], a, b))
PEAK_FN(int8_avx512, "avx512f,avx512vnni", __m512i, 16, _mm512_setzero_si512(), _mm512_set1_epi8(3), _mm512_set1_epi8(5), 128,
        s[i] = _mm512_dpbusd_epi32(s[i], a, b))

/* Four tiles of sums, two of weights, two of activations: the shape of a product of 32 x 32. Byte 0 of the configuration is the palette,
 * 16.. bytes of a row, 48.. rows. */
TARGET("amx-tile,amx-int8") static uint64_t int8_amx(void) {
    enum { ROUNDS = 10000 };
    struct {
        uint8_t palette, start_row, none[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    __asm__ volatile("" : : "r"(&config) : "memory"); /* gcc's intrinsic says that it reads eight bytes only */
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int r = 0; r < ROUNDS; r++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return (uint64_t)ROUNDS * 4 * 16 * 16 * 64 * 2;
}
#endif

#if defined(__aarch64__)
PEAK_FN(f32_neon, "+simd", float32x4_t, 16, vdupq_n_f32(0), vdupq_n_f32(0.5f), vdupq_n_f32(0.25f), 8, s[i] = vfmaq_f32(s[i], a, b))
/* The vectors of bytes are kept in the type of the sums. */
PEAK_FN(int8_neon, "+simd", int16x8_t, 16, vdupq_n_s16(0), vdupq_n_s16(0x303), vdupq_n_s16(0x101), 16,
        s[i] = vmlal_high_s8(s[i], vreinterpretq_s8_s16(a), vreinterpretq_s8_s16(b)))
PEAK_FN(int8_dotprod, "arch=armv8.2-a+dotprod", int32x4_t, 16, vdupq_n_s32(0), vdupq_n_s32(0x3030303), vdupq_n_s32(0x5050505), 32,
        s[i] = vdotq_s32(s[i], vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)))
PEAK_FN(int8_i8mm, "arch=armv8.2-a+i8mm", int32x4_t, 16, vdupq_n_s32(0), vdupq_n_s32(0x3030303), vdupq_n_s32(0x5050505), 64,
        s[i] = vmmlaq_s32(s[i], vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)))
#endif

/* ---- the table */

static const suan__peaks table[] = {
#if defined(__x86_64__)
    {"amx", "tdpbssd", int8_amx, "vpdpbusd, 512 bits", int8_avx512, f32_avx512, read_avx512},
    {"avx512", "vpdpbusd, 512 bits", int8_avx512, NULL, NULL, f32_avx512, read_avx512},
    {"avxvnni", "vpdpbusd, 256 bits", int8_avxvnni, NULL, NULL, f32_avx2, read_avx2},
    {"avx2", "vpmaddubsw", int8_avx2, NULL, NULL, f32_avx2, read_avx2},
#endif
#if defined(__aarch64__)
    {"i8mm", "smmla", int8_i8mm, "sdot", int8_dotprod, f32_neon, read_c},
    {"dotprod", "sdot", int8_dotprod, NULL, NULL, f32_neon, read_c},
    {"neon", "smlal", int8_neon, NULL, NULL, f32_neon, read_c},
#endif
    {"c", "plain C", int8_c, NULL, NULL, f32_c, read_c},
};

const suan__peaks *suan__peaks_get(const char *level) {
    size_t n = sizeof table / sizeof table[0];
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].level, level) == 0) return &table[i];
    return &table[n - 1];
}
