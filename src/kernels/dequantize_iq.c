/* dequantize_iq.c: the IQ types: vectors of a grid, with signs, times a scale of a few bits. */
#include "kernels/dequantize.h"
#include "kernels/iq_grids.h"

static const float iq2_values[4] = {8, 25, 43, 0};
static const float iq3_xxs_values[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const float iq3_s_values[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* Seven stored signs; the eighth makes the number of minus signs even. */
static uint32_t even_signs(uint32_t seven) {
    return seven | (uint32_t)(__builtin_popcount(seven) & 1) << 7;
}

/* n elements of `bits` bits each of a grid's entry, times scale, minus where the sign bit is set. */
static void grid_vector(float *y, int n, int bits, uint32_t entry, const float *values, uint32_t signs, float scale) {
    for (int j = 0; j < n; j++) {
        float v = scale * values[entry >> (bits * j) & ((1u << bits) - 1)];
        y[j] = signs >> j & 1 ? -v : v;
    }
}

/* d; for each 32: four grid indices, then a word of four times seven signs and a scale in the top bits. */
void suan__dequantize_iq2_xxs(float *y, const uint8_t *p) {
    for (int g = 0; g < 8; g++) {
        const uint8_t *q = p + 2 + 8 * g;
        uint32_t word = suan__u32_at(q + 4);
        float scale = suan__half_at(p) * (0.5f + (float)(word >> 28)) * 0.25f;
        for (int v = 0; v < 4; v++) {
            grid_vector(y + 32 * g + 8 * v, 8, 2, suan__iq2_xxs_grid[q[v]], iq2_values, even_signs(word >> (7 * v) & 127), scale);
        }
    }
}

/* d; 32 words of a nine-bit index and seven signs; scales[8], a nibble for each 16. */
void suan__dequantize_iq2_xs(float *y, const uint8_t *p) {
    for (int v = 0; v < 32; v++) {
        uint32_t word = suan__u16_at(p + 2 + 2 * v);
        float scale = suan__half_at(p) * (0.5f + (float)(p[66 + v / 4] >> (v / 2 % 2 * 4) & 15)) * 0.25f;
        grid_vector(y + 8 * v, 8, 2, suan__iq2_xs_grid[word & 511], iq2_values, even_signs(word >> 9), scale);
    }
}

/* d; 32 low bytes of indices; signs[32]; two high bits of four indices a byte [8]; scales[8], a nibble for each 16. */
void suan__dequantize_iq2_s(float *y, const uint8_t *p) {
    for (int v = 0; v < 32; v++) {
        uint32_t index = p[2 + v] | (uint32_t)(p[66 + v / 4] >> (v % 4 * 2) & 3) << 8;
        float scale = suan__half_at(p) * (0.5f + (float)(p[74 + v / 4] >> (v / 2 % 2 * 4) & 15)) * 0.25f;
        grid_vector(y + 8 * v, 8, 2, suan__iq2_s_grid[index], iq2_values, p[34 + v], scale);
    }
}

/* d; 64 indices; for each 32 a word of four times seven signs and a scale in the top bits. */
void suan__dequantize_iq3_xxs(float *y, const uint8_t *p) {
    for (int v = 0; v < 64; v++) {
        uint32_t word = suan__u32_at(p + 66 + 4 * (v / 8));
        uint32_t signs = even_signs(word >> (7 * (v / 2 % 4)) & 127) >> (v % 2 * 4);
        float scale = suan__half_at(p) * (0.5f + (float)(word >> 28)) * 0.5f;
        grid_vector(y + 4 * v, 4, 3, suan__iq3_xxs_grid[p[2 + v]], iq3_xxs_values, signs, scale);
    }
}

/* d; 64 low bytes of indices; their ninth bits [8]; signs[32]; scales[4], a nibble for each 32. */
void suan__dequantize_iq3_s(float *y, const uint8_t *p) {
    for (int v = 0; v < 64; v++) {
        uint32_t index = p[2 + v] | (uint32_t)(p[66 + v / 8] >> (v % 8) & 1) << 8;
        uint32_t signs = (uint32_t)p[74 + v / 2] >> (v % 2 * 4);
        float scale = suan__half_at(p) * (float)(1 + 2 * (p[106 + v / 16] >> (v / 8 % 2 * 4) & 15));
        grid_vector(y + 4 * v, 4, 3, suan__iq3_s_grid[index], iq3_s_values, signs, scale);
    }
}

/* One vector of -1, 0, 1, moved by an eighth. */
static void ternary_vector(float *y, uint32_t entry, float scale, bool down) {
    for (int j = 0; j < 8; j++) {
        float v = (float)(entry >> (2 * j) & 3) - 1.0f;
        y[j] = scale * (v + (down ? -0.125f : 0.125f));
    }
}

/* d; 32 low bytes of indices; for each 32 a word: three high bits of four indices, a scale of three bits, the sign of the eighth. */
void suan__dequantize_iq1_s(float *y, const uint8_t *p) {
    for (int v = 0; v < 32; v++) {
        uint32_t word = suan__u16_at(p + 34 + 2 * (v / 4));
        uint32_t index = p[2 + v] | (word >> (3 * (v % 4)) & 7) << 8;
        float scale = suan__half_at(p) * (float)(2 * (word >> 12 & 7) + 1);
        ternary_vector(y + 8 * v, suan__iq1_grid[index], scale, word >> 15);
    }
}

/* 32 low bytes of indices; a nibble for each: three high bits and the sign of the eighth [16]; four words of four scales of three bits, for
 * each 16, and in their top nibbles d. */
void suan__dequantize_iq1_m(float *y, const uint8_t *p) {
    const uint8_t *scales = p + 48;
    uint32_t half = 0;
    for (int i = 0; i < 4; i++) half |= suan__u16_at(scales + 2 * i) >> 12 << (4 * i);
    float d = suan__f16_to_f32((uint16_t)half);
    for (int v = 0; v < 32; v++) {
        uint32_t high = (uint32_t)p[32 + v / 2] >> (v % 2 * 4) & 15;
        uint32_t sub = suan__u16_at(scales + 2 * (v / 8)) >> (3 * (v / 2 % 4)) & 7;
        ternary_vector(y + 8 * v, suan__iq1_grid[p[v] | (high & 7) << 8], d * (float)(2 * sub + 1), high >> 3);
    }
}
