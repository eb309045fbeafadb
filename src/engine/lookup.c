/* lookup.c: guesses out of the sequence itself. */
#include <string.h>

#include "engine/draft.h"

#define LONGEST_MATCH 16 /* tokens that are compared */
#define MOST_PLACES 64   /* of a chain that are looked at */

static uint64_t n_heads(uint32_t n_ctx) {
    uint64_t n = 64;
    while (n < n_ctx) n *= 2;
    return n;
}

uint64_t suan__lookup_bytes(uint32_t n_ctx) {
    return (n_heads(n_ctx) + n_ctx) * sizeof(uint32_t);
}

suan_status suan__lookup_create(suan__lookup *k, uint32_t n_ctx, suan_error *err) {
    k->mask = (uint32_t)(n_heads(n_ctx) - 1);
    k->heads = suan__calloc(n_heads(n_ctx), sizeof *k->heads);
    k->before = suan__calloc(n_ctx, sizeof *k->before);
    SUAN_CHECK(k->heads && k->before, SUAN_ENOMEM, "out of memory for the index of %u positions", n_ctx);
    return SUAN_OK;
}

void suan__lookup_free(suan__lookup *k) {
    suan__free(k->heads);
    suan__free(k->before);
    *k = (suan__lookup){0};
}

/* Of the pair that ends at position i > 0. Multiplicative hashing (Knuth, TAOCP 6.4). */
static uint32_t *head_of(const suan__lookup *k, const int32_t *ids, uint32_t i) {
    uint64_t pair = (uint64_t)(uint32_t)ids[i - 1] << 32 | (uint32_t)ids[i];
    return &k->heads[(pair * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & k->mask];
}

void suan__lookup_rewind(suan__lookup *k, const int32_t *ids, uint32_t n) {
    while (k->n_in > n) {
        uint32_t i = --k->n_in;
        if (i > 0) *head_of(k, ids, i) = k->before[i];
    }
}

static void take_in(suan__lookup *k, const int32_t *ids, uint32_t n) {
    for (; k->n_in < n; k->n_in++) {
        if (k->n_in == 0) continue;
        uint32_t *head = head_of(k, ids, k->n_in);
        k->before[k->n_in] = *head;
        *head = k->n_in + 1;
    }
}

/* How many tokens up to position a, and up to b > a, are the same. */
static uint32_t match_length(const int32_t *ids, uint32_t a, uint32_t b) {
    uint32_t n = 0;
    while (n < LONGEST_MATCH && n <= a && ids[a - n] == ids[b - n]) n++;
    return n;
}

uint32_t suan__lookup_guess(suan__lookup *k, int32_t *ids, uint32_t n, uint32_t most) {
    uint32_t longest = 1, from = 0;
    take_in(k, ids, n);
    if (n < 3) return 0;
    uint32_t at = k->before[n - 1];
    for (uint32_t places = 0; at && places < MOST_PLACES && longest < LONGEST_MATCH; at = k->before[at - 1], places++) {
        uint32_t length = match_length(ids, at - 1, n - 1);
        if (length <= longest) continue;
        longest = length;
        from = at;
    }
    if (!from) return 0;
    /* Where the place found is near the end, its continuation is made of the guesses themselves. */
    for (uint32_t i = 0; i < most; i++) ids[n + i] = ids[from + i];
    return most;
}
