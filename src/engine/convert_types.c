/* convert_types.c: the types that a model can be converted to. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/convert.h"
#include "suan/convert.h"

/* general.file_type: enum llama_ftype of llama.cpp's llama.h; K-quants without a mixture are its "small" ones. */
static const struct {
    const char *name;
    suan__dtype type;
    uint32_t file_type;
} types[] = {
    {"f32", SUAN__F32, 0},    {"f16", SUAN__F16, 1},        {"bf16", SUAN__BF16, 32},     {"q8_0", SUAN__Q8_0, 7},
    {"q4_0", SUAN__Q4_0, 2},  {"q4_1", SUAN__Q4_1, 3},      {"q5_0", SUAN__Q5_0, 8},      {"q5_1", SUAN__Q5_1, 9},
    {"q2_k", SUAN__Q2_K, 10}, {"q3_k", SUAN__Q3_K, 11},     {"q4_k", SUAN__Q4_K, 14},     {"q5_k", SUAN__Q5_K, 16},
    {"q6_k", SUAN__Q6_K, 18}, {"iq4_nl", SUAN__IQ4_NL, 25}, {"iq4_xs", SUAN__IQ4_XS, 30}, {"mxfp4", SUAN__MXFP4, 38},
};
enum { N_TYPES = sizeof types / sizeof *types };

const char *suan_convert_type(size_t i) {
    return i < N_TYPES ? types[i].name : NULL;
}

const char *suan_convert_shape(size_t i) {
    return suan__shape_name(i);
}

static bool same_name(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        char c = *a >= 'A' && *a <= 'Z' ? (char)(*a - 'A' + 'a') : *a;
        if (c != *b) return false;
    }
    return *a == *b;
}

suan_status suan__convert_type_find(const char *name, suan__dtype *type, suan_error *err) {
    char list[256] = "";
    for (size_t i = 0, at = 0; i < N_TYPES; i++) {
        if (same_name(name, types[i].name)) {
            *type = types[i].type;
            return SUAN_OK;
        }
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", types[i].name);
    }
    return suan__fail(err, SUAN_EINVAL, "\"%s\" is no type that can be written; there are %s", name, list);
}

suan__dtype suan__convert_type_for(suan__dtype type, uint64_t k) {
    if (k % suan__dtype_get(type)->block == 0) return type;
    return suan__dtype_get(type)->block == 256 && k % 32 == 0 ? SUAN__Q8_0 : SUAN__BF16;
}

suan__dtype suan__convert_plain_type(suan__dtype type) {
    return type == SUAN__F8_128 || type == SUAN__F8_32 ? SUAN__F32 : type == SUAN__I4_BF16 ? SUAN__Q4_0 : type;
}

uint32_t suan__convert_file_type(suan__dtype type) {
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == type) return types[i].file_type;
    return 1024; /* llama.cpp's "guessed" */
}
