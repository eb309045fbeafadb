/* sampler.c: the sampler chain. Every filter is a threshold in a fixed order, found by one weighted quickselect over integer weights. */
#include "engine/sampler.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernels/math.h"

/* A token that can still be drawn. key: its place in the order of the filter at work, smaller is earlier. */
typedef struct candidate {
    uint64_t key;
    uint64_t weight;
} candidate;

enum { N_BUCKETS = 4096, BUCKET_SHIFT = 52 }; /* of keys, by their first 12 bits */
enum { LANES = 16, STRETCH = 256 };           /* values taken together; tokens looked at together */

struct suan__sampler {
    uint32_t n_vocab;
    const suan__kernels *kernels; /* NULL: exp by the scalar function, the same bits */
    float *values;                /* [n_vocab] logits with biases and penalties, then z */
    float *exps;                  /* [n_vocab] exp(z) */
    uint32_t *counts;             /* [n_vocab] all 0 between calls */
    candidate *candidates;        /* [n_vocab] in ascending id */
    candidate *work;              /* [n_vocab] what selection may disorder */
    double *distance;             /* [n_vocab] of the typical filter */
    uint64_t *bucket;             /* [N_BUCKETS] sums of weights */
};

static const float WEIGHT_ONE = 0x1p40f;
/* exp(-28) * 2^40 is 0.76: below it a weight is 0, whatever two units in the last place do. So nothing changes when a z is raised to Z_LEAST,
 * and arithmetic stays finite. */
static const float Z_OUT = -28.0f, Z_LEAST = -64.0f;
static const uint32_t PHILOX_PURPOSE = 0x73616d70u;

suan_status suan__sampler_create(suan__sampler **sampler, uint32_t n_vocab, suan_error *err) {
    *sampler = NULL;
    SUAN_CHECK(n_vocab > 0 && n_vocab <= SUAN__SAMPLER_MAX_VOCAB, SUAN_ERANGE, "sampler: the vocabulary has %u tokens, expected 1 to %u",
               n_vocab, SUAN__SAMPLER_MAX_VOCAB);
    suan__sampler *s = suan__calloc(1, sizeof *s);
    if (s) {
        s->n_vocab = n_vocab;
        s->values = suan__malloc_aligned(n_vocab * sizeof *s->values);
        s->exps = suan__malloc_aligned(n_vocab * sizeof *s->exps);
        s->counts = suan__calloc(n_vocab, sizeof *s->counts);
        s->candidates = suan__malloc(n_vocab * sizeof *s->candidates);
        s->work = suan__malloc(n_vocab * sizeof *s->work);
        s->distance = suan__malloc(n_vocab * sizeof *s->distance);
        s->bucket = suan__malloc(N_BUCKETS * sizeof *s->bucket);
    }
    if (!s || !s->values || !s->exps || !s->counts || !s->candidates || !s->work || !s->distance || !s->bucket) {
        suan__sampler_free(s);
        return suan__fail(err, SUAN_ENOMEM, "sampler: out of memory for a vocabulary of %u tokens", n_vocab);
    }
    *sampler = s;
    return SUAN_OK;
}

void suan__sampler_free(suan__sampler *s) {
    if (!s) return;
    suan__free(s->values);
    suan__free(s->exps);
    suan__free(s->counts);
    suan__free(s->candidates);
    suan__free(s->work);
    suan__free(s->distance);
    suan__free(s->bucket);
    suan__free(s);
}

void suan__sampler_use(suan__sampler *s, const suan__kernels *kernels) {
    s->kernels = kernels;
}

/* ---- checks ---- */

void suan_sampling_init(suan_sampling *sampling) {
    *sampling = (suan_sampling){.top_p = 1.0f, .typical_p = 1.0f, .repetition_penalty = 1.0f, .penalty_last_n = 64};
}

/* NaN fails every comparison, so a field is right only when it lies inside. */
static suan_status check_float(const char *field, float value, bool lo_open, float lo, float hi, suan_error *err) {
    SUAN_CHECK((lo_open ? value > lo : value >= lo) && value <= hi, SUAN_ERANGE, "sampling: %s is %g, expected %s%g to %g", field,
               (double)value, lo_open ? "more than " : "", (double)lo, (double)hi);
    return SUAN_OK;
}

suan_status suan__sampling_check(const suan_sampling *p, uint32_t n_vocab, suan_error *err) {
    SUAN_TRY(check_float("temperature", p->temperature, false, 0.0f, 100.0f, err));
    SUAN_CHECK(p->top_k >= 0, SUAN_ERANGE, "sampling: top_k is %d, expected 0 (off) or more", p->top_k);
    SUAN_TRY(check_float("top_p", p->top_p, true, 0.0f, 1.0f, err));
    SUAN_TRY(check_float("min_p", p->min_p, false, 0.0f, 1.0f, err));
    SUAN_TRY(check_float("typical_p", p->typical_p, true, 0.0f, 1.0f, err));
    SUAN_TRY(check_float("repetition_penalty", p->repetition_penalty, true, 0.0f, FLT_MAX, err));
    SUAN_TRY(check_float("presence_penalty", p->presence_penalty, false, -2.0f, 2.0f, err));
    SUAN_TRY(check_float("frequency_penalty", p->frequency_penalty, false, -2.0f, 2.0f, err));
    SUAN_CHECK(p->penalty_last_n >= -1, SUAN_ERANGE, "sampling: penalty_last_n is %d, expected -1 (all) or more", p->penalty_last_n);
    SUAN_CHECK(p->logit_bias || p->n_logit_bias == 0, SUAN_EINVAL, "sampling: n_logit_bias is %zu, but logit_bias is NULL",
               p->n_logit_bias);
    for (size_t i = 0; i < p->n_logit_bias; i++) {
        int32_t id = p->logit_bias[i].id;
        float bias = p->logit_bias[i].bias;
        SUAN_CHECK(id >= 0 && (uint32_t)id < n_vocab, SUAN_ERANGE, "sampling: logit_bias names token %d, expected 0 to %u", id,
                   n_vocab - 1);
        SUAN_CHECK(bias >= -SUAN__MAX_LOGIT_BIAS && bias <= SUAN__MAX_LOGIT_BIAS, SUAN_ERANGE,
                   "sampling: logit_bias of token %d is %g, expected -%g to %g", id, (double)bias, (double)SUAN__MAX_LOGIT_BIAS,
                   (double)SUAN__MAX_LOGIT_BIAS);
    }
    return SUAN_OK;
}

/* ---- penalties ---- */

static float penalize(float l, uint32_t count, const suan_sampling *p) {
    if (p->repetition_penalty != 1.0f) {
        l = l < 0 ? l * p->repetition_penalty : l / p->repetition_penalty;
        if (l > FLT_MAX) l = FLT_MAX;
        if (l < -FLT_MAX) l = -FLT_MAX;
    }
    l = l - p->presence_penalty;
    return l - (float)count * p->frequency_penalty;
}

/* Counts the window, then visits it again: the first visit of a token penalises it and takes its count away. */
static void apply_penalties(suan__sampler *s, const suan_sampling *p, const int32_t *seen, size_t n_seen) {
    if (p->repetition_penalty == 1.0f && p->presence_penalty == 0.0f && p->frequency_penalty == 0.0f) return;
    if (p->penalty_last_n >= 0 && (size_t)p->penalty_last_n < n_seen) {
        seen += n_seen - (size_t)p->penalty_last_n;
        n_seen = (size_t)p->penalty_last_n;
    }
    for (size_t i = 0; i < n_seen; i++) {
        if ((uint32_t)seen[i] < s->n_vocab) s->counts[seen[i]]++;
    }
    for (size_t i = 0; i < n_seen; i++) {
        if ((uint32_t)seen[i] >= s->n_vocab || s->counts[seen[i]] == 0) continue;
        s->values[seen[i]] = penalize(s->values[seen[i]], s->counts[seen[i]], p);
        s->counts[seen[i]] = 0;
    }
}

/* The greatest, the first of those that are equal: lanes of their own first, so that the compiler can take several at once. */
static uint32_t greatest(const float *x, uint32_t n) {
    float lanes[LANES], max = x[0];
    uint32_t i = 0;
    for (int j = 0; j < LANES; j++) lanes[j] = max;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) lanes[j] = x[i + (uint32_t)j] > lanes[j] ? x[i + (uint32_t)j] : lanes[j];
    for (; i < n; i++) max = x[i] > max ? x[i] : max;
    for (int j = 0; j < LANES; j++) max = lanes[j] > max ? lanes[j] : max;
    uint32_t found = 0;
    while (x[found] != max) found++;
    return found;
}

/* ---- selection ---- */

/* z descending, then id ascending, as one ascending integer. z is never -0. */
static uint64_t key_of(float z, uint32_t id) {
    uint32_t bits;
    memcpy(&bits, &z, sizeof bits);
    uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)~ascending << 32 | id;
}

/* The inverse. */
static float z_of(uint64_t key) {
    uint32_t ascending = ~(uint32_t)(key >> 32), bits = ascending & 0x80000000u ? ascending & 0x7fffffffu : ~ascending;
    float z;
    memcpy(&z, &bits, sizeof z);
    return z;
}

static void swap(candidate *a, candidate *b) {
    candidate t = *a;
    *a = *b;
    *b = t;
}

/* Which candidate is the first, by ascending key, at which the cumulative weight exceeds `target` (target < the sum of all weights)?
 * Of several with one key: one of them. Disorders c. The pivots come out of a small generator, so that no order of logits makes it slow. */
static candidate select_mass(candidate *c, size_t n, uint64_t target) {
    uint32_t random = 0x2545f491u;
    for (;;) {
        random = random * 1664525u + 1013904223u;
        candidate pivot = c[((uint64_t)random * n) >> 32];
        uint64_t mass_before = 0, mass_equal = 0;
        size_t before = 0, after = n; /* [0, before) comes before the pivot, [after, n) behind it */
        for (size_t i = 0; i < after;) {
            if (c[i].key < pivot.key) {
                mass_before += c[i].weight;
                swap(&c[before++], &c[i++]);
            } else if (c[i].key == pivot.key) {
                mass_equal += c[i++].weight;
            } else {
                swap(&c[i], &c[--after]);
            }
        }
        if (target < mass_before) {
            n = before;
        } else if (target - mass_before < mass_equal) {
            return pivot;
        } else {
            target -= mass_before + mass_equal;
            c += after;
            n -= after;
        }
    }
}

/* The same for many, and c stays as it is (it may be the work space): one pass over the first bits of the keys leaves a bucket to look in. */
static candidate select_from(suan__sampler *s, const candidate *c, size_t n, uint64_t target) {
    memset(s->bucket, 0, N_BUCKETS * sizeof *s->bucket);
    for (size_t i = 0; i < n; i++) s->bucket[c[i].key >> BUCKET_SHIFT] += c[i].weight;
    uint64_t i_bucket = 0;
    while (target >= s->bucket[i_bucket]) target -= s->bucket[i_bucket++];
    size_t n_inside = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].key >> BUCKET_SHIFT == i_bucket) s->work[n_inside++] = c[i];
    }
    return select_mass(s->work, n_inside, target);
}

static uint64_t sum_weights(const candidate *c, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += c[i].weight;
    return sum;
}

/* The greatest target whose excess means "the cumulative weight reaches share * total", at least one token's worth. */
static uint64_t target_of(float share, uint64_t total) {
    double need = (double)share * (double)total;
    uint64_t whole = need >= (double)total ? total : (uint64_t)need;
    if ((double)whole < need && whole < total) whole++;
    return whole > 0 ? whole - 1 : 0;
}

/* Keeps the candidates with a key up to `last`, in ascending id. */
static size_t keep_until(candidate *c, size_t n, uint64_t last) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].key <= last) c[kept++] = c[i];
    }
    return kept;
}

/* ---- the whole vocabulary without a list of it: sums of weights over buckets of z ----
 * Buckets ascend as z descends, so the token at which a cumulative weight is reached stands in one of them, and only its tokens are looked at one by one. */

/* z from 0 down to Z_LEAST; below N_BUCKETS for z above Z_OUT. Products round monotonely. */
static int32_t bucket_of(float z) {
    return (int32_t)(z * -146.0f);
}

/* The tokens of a bucket into work. Most stretches have none, which is found out for many tokens at once. */
static size_t gather(suan__sampler *s, int32_t bucket) {
    size_t n = 0;
    for (uint32_t first = 0; first < s->n_vocab; first += STRETCH) {
        uint32_t end = s->n_vocab - first < STRETCH ? s->n_vocab : first + STRETCH;
        int32_t any = 0;
        for (uint32_t id = first; id < end; id++) any |= bucket_of(s->values[id]) == bucket;
        if (!any) continue;
        for (uint32_t id = first; id < end; id++)
            if (bucket_of(s->values[id]) == bucket && s->values[id] > Z_OUT)
                s->work[n++] = (candidate){key_of(s->values[id], id), (uint64_t)(s->exps[id] * WEIGHT_ONE)};
    }
    return n;
}

/* The key at which the cumulative weight of tokens up to key `limit` exceeds target; *total: the weight up to it, it included. */
static uint64_t find_mass(suan__sampler *s, uint64_t target, uint64_t limit, uint64_t *total) {
    uint64_t before = 0;
    int32_t i = 0;
    while (target - before >= s->bucket[i]) before += s->bucket[i++];
    size_t n = gather(s, i), kept = keep_until(s->work, n, limit);
    uint64_t key = select_mass(s->work, kept, target - before).key;
    *total = before;
    for (size_t k = 0; k < kept; k++)
        if (s->work[k].key <= key) *total += s->work[k].weight;
    return key;
}

/* ---- filters: each works on the n candidates and returns how many are left ---- */

/* exp of the z of all tokens; or of n candidates. */
static void all_exponentials(suan__sampler *s) {
    float max, sum;
    memcpy(s->exps, s->values, s->n_vocab * sizeof *s->exps);
    if (s->kernels) { /* the greatest z is 0, so exp(z - 0) comes out */
        s->kernels->attn_softmax(s->exps, (int)s->n_vocab, &max, &sum);
        return;
    }
    for (uint32_t i = 0; i < s->n_vocab; i++) s->exps[i] = suan__expf(s->exps[i]);
}

static void exponentials(suan__sampler *s, size_t n) {
    if (n > s->n_vocab / 16) {
        all_exponentials(s);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t id = (uint32_t)s->candidates[i].key;
        s->exps[id] = suan__expf(s->values[id]);
    }
}

static uint64_t weight_of(const suan__sampler *s, uint32_t id) {
    return (uint64_t)(s->exps[id] * WEIGHT_ONE);
}

/* The weights of n candidates; those without one are out. */
static size_t weigh(suan__sampler *s, size_t n) {
    size_t kept = 0;
    exponentials(s, n);
    for (size_t i = 0; i < n; i++) {
        candidate c = s->candidates[i];
        c.weight = weight_of(s, (uint32_t)c.key);
        if (c.weight > 0) s->candidates[kept++] = c;
    }
    return kept;
}

/* Every token with z above Z_OUT, in buckets up to `last` of those below. */
static size_t collect(suan__sampler *s, int32_t last) {
    size_t n = 0;
    for (uint32_t id = 0; id < s->n_vocab; id++) {
        float z = s->values[id];
        if (z > Z_OUT && bucket_of(z) <= last) s->candidates[n++] = (candidate){key_of(z, id), 1};
    }
    return n;
}

/* The first k tokens as candidates; 0: there are no more than k. */
static size_t collect_first(suan__sampler *s, int32_t k) {
    uint64_t *counts = s->bucket, n_before = 0;
    int32_t last = 0;
    memset(counts, 0, N_BUCKETS * sizeof *counts);
    for (uint32_t id = 0; id < s->n_vocab; id++)
        if (s->values[id] > Z_OUT) counts[bucket_of(s->values[id])]++;
    while (last < N_BUCKETS && n_before + counts[last] < (uint64_t)k) n_before += counts[last++];
    if (last == N_BUCKETS) return 0;
    size_t n = collect(s, last);
    if (n == (size_t)k) return n;
    return keep_until(s->candidates, n, select_from(s, s->candidates, n, (uint64_t)k - 1).key);
}

/* The bits of a binary64 that is not negative ascend with it, so the distance itself is the key of the selection; ties share one, and the
 * threshold keeps all of them. */
static size_t keep_typical(suan__sampler *s, size_t n, float typical_p) {
    uint64_t total = sum_weights(s->candidates, n);
    double log_total = suan__log((double)total * 0x1p-40), sum = 0;
    for (size_t i = 0; i < n; i++) sum = sum + (double)s->candidates[i].weight * (log_total - (double)z_of(s->candidates[i].key));
    double entropy = sum / (double)total;
    for (size_t i = 0; i < n; i++) {
        s->distance[i] = fabs((log_total - (double)z_of(s->candidates[i].key)) - entropy);
        s->work[i].weight = s->candidates[i].weight;
        memcpy(&s->work[i].key, &s->distance[i], sizeof s->distance[i]);
    }
    uint64_t last = select_from(s, s->work, n, target_of(typical_p, total)).key;
    double threshold;
    memcpy(&threshold, &last, sizeof threshold);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->distance[i] <= threshold) s->candidates[kept++] = s->candidates[i];
    }
    return kept;
}

static size_t keep_top_p(suan__sampler *s, size_t n, float top_p) {
    uint64_t total = sum_weights(s->candidates, n);
    return keep_until(s->candidates, n, select_from(s, s->candidates, n, target_of(top_p, total)).key);
}

static size_t keep_min_p(suan__sampler *s, size_t n, float min_p) {
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->candidates[i].weight > most) most = s->candidates[i].weight;
    }
    double least = (double)min_p * (double)most;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if ((double)s->candidates[i].weight >= least) s->candidates[kept++] = s->candidates[i];
    }
    return kept;
}

/* ---- the chain ---- */

static uint64_t random_bits(const suan_sampling *p, uint32_t position) {
    uint32_t counter[4] = {position, p->choice, 0, PHILOX_PURPOSE};
    uint32_t key[2] = {(uint32_t)p->seed, (uint32_t)(p->seed >> 32)};
    uint32_t out[4];
    suan__philox4x32(counter, key, out);
    return (uint64_t)out[1] << 32 | out[0];
}

/* Takes out the tokens that the mask forbids: below every finite value, so the greatest is never one of them and their weight is 0, whatever
 * bias and penalties made of them. False when none is left. */
static bool apply_mask(suan__sampler *s, const uint32_t *mask) {
    uint32_t any = 0;
    for (uint32_t first = 0; first < s->n_vocab; first += 32) {
        uint32_t n = s->n_vocab - first < 32 ? s->n_vocab - first : 32;
        uint32_t all = n < 32 ? (1u << n) - 1 : UINT32_MAX, allowed = mask[first / 32] & all;
        any |= allowed;
        if (allowed == all) continue;
        for (uint32_t i = 0; i < n; i++) {
            if (!(allowed >> i & 1)) s->values[first + i] = -INFINITY;
        }
    }
    return any != 0;
}

static uint64_t draw_target(const suan_sampling *p, uint32_t position, uint64_t total) {
    return (uint64_t)(((unsigned __int128)random_bits(p, position) * total) >> 64);
}

static int32_t draw_from(suan__sampler *s, const suan_sampling *p, size_t n, uint32_t position) {
    uint64_t target = draw_target(p, position, sum_weights(s->candidates, n));
    return (int32_t)(uint32_t)select_from(s, s->candidates, n, target).key;
}

/* No top-k and no typical: what is left is the first tokens by weight. best: a token with the greatest weight. */
static int32_t draw_from_all(suan__sampler *s, const suan_sampling *p, uint32_t best, uint32_t position) {
    uint64_t total = 0, limit = UINT64_MAX, unused;
    all_exponentials(s);
    memset(s->bucket, 0, N_BUCKETS * sizeof *s->bucket);
    for (uint32_t id = 0; id < s->n_vocab; id++)
        if (s->values[id] > Z_OUT) s->bucket[bucket_of(s->values[id])] += weight_of(s, id);
    for (int i = 0; i < N_BUCKETS; i++) total += s->bucket[i];
    if (p->top_p < 1.0f) limit = find_mass(s, target_of(p->top_p, total), limit, &total);
    if (p->min_p == 0.0f) return (int32_t)(uint32_t)find_mass(s, draw_target(p, position, total), limit, &unused);
    double least = (double)p->min_p * (double)weight_of(s, best);
    size_t n = 0;
    for (uint32_t id = 0; id < s->n_vocab; id++) {
        uint64_t w = weight_of(s, id);
        if (w > 0 && (double)w >= least && s->values[id] > Z_OUT && key_of(s->values[id], id) <= limit)
            s->candidates[n++] = (candidate){key_of(s->values[id], id), w};
    }
    return draw_from(s, p, n, position);
}

static int32_t draw(suan__sampler *s, const suan_sampling *p, const uint32_t *mask, const float *logits, const int32_t *seen, size_t n_seen,
                    uint32_t position) {
    memcpy(s->values, logits, s->n_vocab * sizeof *logits);
    for (size_t i = 0; i < p->n_logit_bias; i++) s->values[p->logit_bias[i].id] += p->logit_bias[i].bias;
    apply_penalties(s, p, seen, n_seen);
    if (mask && !apply_mask(s, mask)) return -1;
    uint32_t best = greatest(s->values, s->n_vocab);
    if (p->temperature == 0.0f) return (int32_t)best;
    float max = s->values[best];
    /* The sum with +0 turns -0 (a difference that underflowed) into +0. */
    for (uint32_t i = 0; i < s->n_vocab; i++) {
        float z = (s->values[i] - max) / p->temperature + 0.0f;
        s->values[i] = z < Z_LEAST ? Z_LEAST : z;
    }
    size_t n = p->top_k > 0 ? collect_first(s, p->top_k) : 0;
    if (n == 0 && p->typical_p == 1.0f) return draw_from_all(s, p, best, position);
    if (n == 0) n = collect(s, N_BUCKETS);
    n = weigh(s, n);
    if (p->typical_p < 1.0f) n = keep_typical(s, n, p->typical_p);
    if (p->top_p < 1.0f) n = keep_top_p(s, n, p->top_p);
    if (p->min_p > 0.0f) n = keep_min_p(s, n, p->min_p);
    return draw_from(s, p, n, position);
}

int32_t suan__sampler_draw_masked(suan__sampler *s, const suan_sampling *p, const uint32_t *mask, const float *logits, const int32_t *seen,
                                  size_t n_seen, uint32_t position) {
    uint64_t saved = suan__fp_enter();
    int32_t id = draw(s, p, mask, logits, seen, n_seen, position);
    suan__fp_leave(saved);
    return id;
}

int32_t suan__sampler_draw(suan__sampler *s, const suan_sampling *p, const float *logits, const int32_t *seen, size_t n_seen,
                           uint32_t position) {
    return suan__sampler_draw_masked(s, p, NULL, logits, seen, n_seen, position);
}

/* ---- logprobs ---- */

enum { N_SUMS = 64 };

/* The greatest of x (never -0), and the sum of exp(x - max) by rule 4. */
static float sum_exp(suan__sampler *s, const float *x, float *max) {
    float sums[N_SUMS] = {0}, sum;
    if (s->kernels) {
        memcpy(s->values, x, s->n_vocab * sizeof *x);
        s->kernels->attn_softmax(s->values, (int)s->n_vocab, max, &sum);
        return sum;
    }
    *max = x[greatest(x, s->n_vocab)] + 0.0f;
    for (size_t i = 0; i < s->n_vocab; i++) sums[i % N_SUMS] += suan__expf(x[i] - *max);
    for (size_t half = N_SUMS / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) sums[i] = sums[i] + sums[i + half];
    }
    return sums[0];
}

/* Whether a comes after b in the order (value descending, id ascending). */
static bool is_after(const suan_logprob *a, const suan_logprob *b) {
    return a->logprob < b->logprob || (a->logprob == b->logprob && a->id > b->id);
}

/* Restores a heap whose root is the last in the order. */
static void sift_down(suan_logprob *heap, size_t n, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) return;
        if (child + 1 < n && is_after(&heap[child + 1], &heap[child])) child++;
        if (!is_after(&heap[child], &heap[i])) return;
        suan_logprob t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

/* The n greatest logits into top, in order: a heap of the best so far with the worst of them on top, then a heap sort. */
static void find_top(const float *logits, uint32_t n_vocab, suan_logprob *top, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) top[i] = (suan_logprob){(int32_t)i, logits[i]};
    for (uint32_t i = n / 2; i-- > 0;) sift_down(top, n, i);
    for (uint32_t i = n; i < n_vocab; i++) {
        if (!(logits[i] > top[0].logprob)) continue; /* a later id loses a tie */
        top[0] = (suan_logprob){(int32_t)i, logits[i]};
        sift_down(top, n, 0);
    }
    for (uint32_t left = n; left-- > 1;) {
        suan_logprob t = top[0];
        top[0] = top[left];
        top[left] = t;
        sift_down(top, left, 0);
    }
}

float suan__sampler_logprobs(suan__sampler *s, const float *logits, int32_t id, suan_logprob *top, uint32_t *n_top) {
    uint64_t saved = suan__fp_enter();
    float max, log_sum = suan__logf(sum_exp(s, logits, &max));
    if (n_top) {
        if (*n_top > s->n_vocab) *n_top = s->n_vocab;
        if (*n_top > 0) find_top(logits, s->n_vocab, top, *n_top);
        for (uint32_t i = 0; i < *n_top; i++) top[i].logprob = (top[i].logprob - max) - log_sum;
    }
    float logprob = (logits[id] - max) - log_sum;
    suan__fp_leave(saved);
    return logprob;
}
