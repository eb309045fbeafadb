/* cpu.c: what the processor offers and the operating system saves. Leaves and bits: Intel SDM vol. 2A, CPUID; vol. 1, 13.3 (XCR0). */
#include "kernels/isa.h"

#include <pthread.h>
#include <stdio.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct cpu_words {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_edx, leaf71_eax;
    uint64_t xcr0; /* register states that the operating system saves: 0 without XGETBV */
} cpu_words;

static cpu_words read_cpu(void) {
    cpu_words w = {0};
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return w;
    w.leaf1_ecx = c;
    if (c & bit_OSXSAVE) {
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        w.xcr0 = (uint64_t)high << 32 | low;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        w.leaf7_ebx = b;
        w.leaf7_ecx = c;
        w.leaf7_edx = d;
        if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) w.leaf71_eax = a;
    }
    return w;
}

#define YMM_STATE 0x6u      /* SSE, AVX */
#define ZMM_STATE 0xe6u     /* and opmask, upper halves, upper registers */
#define TILE_STATE 0x60000u /* AMX configuration and data */

static bool ymm(const cpu_words *w) {
    return (w->xcr0 & YMM_STATE) == YMM_STATE;
}
static bool zmm(const cpu_words *w) {
    return (w->xcr0 & ZMM_STATE) == ZMM_STATE;
}
static bool tile(const cpu_words *w) {
    return (w->xcr0 & TILE_STATE) == TILE_STATE;
}

/* X(name, word, bit, saved state it needs) */
#define FEATURE_MAP(X)                  \
    X("avx2", leaf7_ebx, 5, ymm)        \
    X("fma", leaf1_ecx, 12, ymm)        \
    X("f16c", leaf1_ecx, 29, ymm)       \
    X("avx-vnni", leaf71_eax, 4, ymm)   \
    X("avx512f", leaf7_ebx, 16, zmm)    \
    X("avx512bw", leaf7_ebx, 30, zmm)   \
    X("avx512vl", leaf7_ebx, 31, zmm)   \
    X("avx512dq", leaf7_ebx, 17, zmm)   \
    X("avx512vnni", leaf7_ecx, 11, zmm) \
    X("avx512vbmi", leaf7_ecx, 1, zmm)  \
    X("amx-int8", leaf7_edx, 25, tile)

static bool has_all(const uint32_t masks[3], const cpu_words *w) {
    return (w->leaf1_ecx & masks[0]) == masks[0] && (w->leaf7_ebx & masks[1]) == masks[1] && (w->leaf7_ecx & masks[2]) == masks[2];
}

bool suan__cpu_has_avx2(void) {
    cpu_words w = read_cpu();
    return ymm(&w) && has_all((const uint32_t[3]){1u << 12 | 1u << 29, 1u << 5, 0}, &w);
}

bool suan__cpu_has_avxvnni(void) {
    cpu_words w = read_cpu();
    return ymm(&w) && suan__cpu_has_avx2() && (w.leaf71_eax >> 4 & 1);
}

bool suan__cpu_has_avx512(void) {
    cpu_words w = read_cpu();
    return zmm(&w) && suan__cpu_has_avx2() && has_all((const uint32_t[3]){0, 1u << 16 | 1u << 30 | 1u << 31 | 1u << 17, 1u << 11}, &w);
}

#define ASK_FOR_STATE 0x1023 /* arch_prctl: ARCH_REQ_XCOMP_PERM */
#define TILE_DATA 18         /* the number of the state */

bool suan__cpu_has_amx(void) {
    cpu_words w = read_cpu();
    bool has = tile(&w) && suan__cpu_has_avx512() && (w.leaf7_edx >> 24 & 1) && (w.leaf7_edx >> 25 & 1);
    return has && syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
}

bool suan__cpu_has_neon(void) {
    return false;
}

static size_t describe(char *text, size_t size) {
    cpu_words w = read_cpu();
    size_t n = 0;
#define FEATURE(name, word, bit, state)                                        \
    if ((w.word >> bit & 1) && state(&w) && n < size) {                        \
        n += (size_t)snprintf(text + n, size - n, "%s%s", n ? " " : "", name); \
    }
    FEATURE_MAP(FEATURE)
#undef FEATURE
    return n;
}

#elif defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>

/* Bits of AT_HWCAP and AT_HWCAP2: Linux, arch/arm64/include/uapi/asm/hwcap.h. */
static bool has_dotprod(void) {
    return getauxval(AT_HWCAP) >> 20 & 1;
}
static bool has_i8mm(void) {
    return getauxval(AT_HWCAP2) >> 13 & 1;
}
static bool has_sve(void) {
    return getauxval(AT_HWCAP) >> 22 & 1;
}
#elif defined(__APPLE__)
#include <sys/sysctl.h>

static bool has_feature(const char *name) {
    int value = 0;
    size_t size = sizeof(value);
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value != 0;
}
static bool has_dotprod(void) {
    return has_feature("hw.optional.arm.FEAT_DotProd");
}
static bool has_i8mm(void) {
    return has_feature("hw.optional.arm.FEAT_I8MM");
}
static bool has_sve(void) {
    return false;
}
#else
/* Where nobody can be asked: what the compiler was told to take for granted. */
static bool has_dotprod(void) {
#if defined(__ARM_FEATURE_DOTPROD)
    return true;
#else
    return false;
#endif
}
static bool has_i8mm(void) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
    return true;
#else
    return false;
#endif
}
static bool has_sve(void) {
    return false;
}
#endif

bool suan__cpu_has_avx2(void) {
    return false;
}
bool suan__cpu_has_avx512(void) {
    return false;
}
bool suan__cpu_has_neon(void) {
    return true;
}
bool suan__cpu_has_dotprod(void) {
    return has_dotprod();
}
bool suan__cpu_has_i8mm(void) {
    return has_dotprod() && has_i8mm();
}

static size_t describe(char *text, size_t size) {
    return (size_t)snprintf(text, size, "neon%s%s%s", has_dotprod() ? " dotprod" : "", has_i8mm() ? " i8mm" : "", has_sve() ? " sve" : "");
}

#else
bool suan__cpu_has_avx2(void) {
    return false;
}
bool suan__cpu_has_avx512(void) {
    return false;
}
bool suan__cpu_has_neon(void) {
    return false;
}
static size_t describe(char *text, size_t size) {
    return 0;
}
#endif

static char features[256]; /* written once under the guard below */
static pthread_once_t features_once = PTHREAD_ONCE_INIT;

static void fill_features(void) {
    if (!describe(features, sizeof(features))) snprintf(features, sizeof(features), "none");
}

const char *suan__cpu_features(void) {
    pthread_once(&features_once, fill_features);
    return features;
}
