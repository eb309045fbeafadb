/* The sampler chain against a slow one that sorts everything, against values worked out by hand, and against the distribution itself. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/sampler.h"
#include "kernels/math.h"

static uint32_t random_state = 1;
static uint32_t random_u32(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8 ^ random_state << 13;
}
static float random_unit(void) {
    return (float)(random_u32() & 0xffff) / 65536.0f;
}

/* ---- the slow chain: a list in order, cut again and again -------------------------------------------------------------------------------
 */

typedef struct entry {
    float z;
    int32_t id;
    uint64_t w;
    double d;
} entry;

static int by_z(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->z != y->z) return x->z > y->z ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}
static int by_d(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->d < y->d ? -1 : x->d > y->d;
}
static int by_id(const void *a, const void *b) {
    return ((const entry *)a)->id - ((const entry *)b)->id;
}
static uint64_t total_of(const entry *e, size_t n) {
    uint64_t t = 0;
    while (n-- > 0) t += e[n].w;
    return t;
}

static size_t slow_typical(entry *e, size_t n, float typical_p) {
    qsort(e, n, sizeof *e, by_id);
    uint64_t total = total_of(e, n), sum = 0;
    double h = 0, log_total = suan__log((double)total / 0x1p40);
    for (size_t i = 0; i < n; i++) h += (double)e[i].w * (log_total - (double)e[i].z);
    h /= (double)total;
    for (size_t i = 0; i < n; i++) e[i].d = fabs(log_total - (double)e[i].z - h);
    qsort(e, n, sizeof *e, by_d);
    size_t last = 0;
    while ((double)(sum += e[last].w) < (double)typical_p * (double)total) last++;
    while (last + 1 < n && e[last + 1].d == e[last].d) last++;
    n = last + 1;
    qsort(e, n, sizeof *e, by_z);
    return n;
}

static int32_t slow_draw(const suan_sampling *p, const float *logits, int32_t n_vocab, const int32_t *seen, size_t n_seen,
                         uint32_t position) {
    entry *e = calloc((size_t)n_vocab, sizeof *e);
    size_t n = (size_t)n_vocab;
    for (int32_t id = 0; id < n_vocab; id++) {
        float l = logits[id];
        for (size_t i = 0; i < p->n_logit_bias; i++) l += p->logit_bias[i].id == id ? p->logit_bias[i].bias : 0.0f;
        int count = 0;
        size_t back = p->penalty_last_n < 0 || (size_t)p->penalty_last_n > n_seen ? n_seen : (size_t)p->penalty_last_n;
        for (size_t i = n_seen - back; i < n_seen; i++) count += seen[i] == id;
        if (count) {
            l = l < 0 ? l * p->repetition_penalty : l / p->repetition_penalty;
            l = l - p->presence_penalty - (float)count * p->frequency_penalty;
        }
        e[id] = (entry){.z = l, .id = id};
    }
    qsort(e, n, sizeof *e, by_z);
    int32_t drawn = e[0].id;
    if (p->temperature > 0) {
        float max = e[0].z;
        for (size_t i = 0; i < n; i++) e[i].z = (e[i].z - max) / p->temperature + 0.0f;
        qsort(e, n, sizeof *e, by_z);
        if (p->top_k > 0 && (size_t)p->top_k < n) n = (size_t)p->top_k;
        for (size_t i = 0; i < n; i++) e[i].w = e[i].z < -100.0f ? 0 : (uint64_t)(suan__expf(e[i].z) * 1099511627776.0f);
        size_t left = 0;
        for (size_t i = 0; i < n; i++)
            if (e[i].w) e[left++] = e[i];
        n = left;
        if (p->typical_p < 1) n = slow_typical(e, n, p->typical_p);
        if (p->top_p < 1) {
            uint64_t sum = 0, total = total_of(e, n);
            for (size_t i = 0; i < n; i++) {
                sum += e[i].w;
                if ((long double)sum >= (long double)((double)p->top_p * (double)total)) n = i + 1;
            }
        }
        uint64_t most = 0;
        for (size_t i = 0; i < n; i++) most = e[i].w > most ? e[i].w : most;
        left = 0;
        for (size_t i = 0; i < n; i++)
            if ((double)e[i].w >= (double)p->min_p * (double)most) e[left++] = e[i];
        n = left;
        uint32_t out[4];
        suan__philox4x32((uint32_t[]){position, p->choice, 0, 0x73616d70u}, (uint32_t[]){(uint32_t)p->seed, (uint32_t)(p->seed >> 32)},
                         out);
        unsigned __int128 u = (unsigned __int128)(((uint64_t)out[1] << 32) + out[0]) * total_of(e, n);
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += e[i].w;
            drawn = e[i].id;
            if ((unsigned __int128)sum << 64 > u) break;
        }
    }
    free(e);
    return drawn;
}

static void test_sampler_random_equals_slow_chain(void **state) {
    (void)state;
    int n_not_greatest = 0;
    for (int round = 0; round < 3000; round++) {
        uint32_t n_vocab = 1 + random_u32() % (round % 10 == 0 ? 600 : 40);
        float logits[600];
        int32_t seen[100];
        size_t n_seen = random_u32() % 100;
        bool coarse = round % 3 == 0; /* many ties */
        for (uint32_t i = 0; i < n_vocab; i++) {
            logits[i] = (random_unit() - 0.5f) * (round % 7 == 0 ? 80.0f : 8.0f);
            if (coarse) logits[i] = rintf(logits[i]);
        }
        for (size_t i = 0; i < n_seen; i++) seen[i] = (int32_t)(random_u32() % n_vocab);
        suan_logit_bias bias[3];
        for (int i = 0; i < 3; i++) bias[i] = (suan_logit_bias){(int32_t)(random_u32() % n_vocab), (random_unit() - 0.5f) * 10};
        suan_sampling p;
        suan_sampling_init(&p);
        p.temperature = random_u32() % 8 == 0 ? 0 : 0.2f + 2 * random_unit();
        if (random_u32() % 2) p.top_k = (int32_t)(random_u32() % 20);
        if (random_u32() % 2) p.top_p = 0.01f + 0.98f * random_unit();
        if (random_u32() % 2) p.min_p = 0.3f * random_unit();
        if (random_u32() % 2) p.typical_p = 0.01f + 0.98f * random_unit();
        if (random_u32() % 2) p.repetition_penalty = 0.5f + random_unit();
        if (random_u32() % 2) p.presence_penalty = 4 * random_unit() - 2;
        if (random_u32() % 2) p.frequency_penalty = 4 * random_unit() - 2;
        p.penalty_last_n = (int32_t)(random_u32() % 120) - 1;
        p.seed = (uint64_t)random_u32() << 32 | random_u32();
        p.choice = random_u32() % 5;
        if (random_u32() % 2) p.logit_bias = bias, p.n_logit_bias = 3;
        assert_int_equal(suan__sampling_check(&p, n_vocab, NULL), SUAN_OK);
        suan__sampler *s;
        assert_int_equal(suan__sampler_create(&s, n_vocab, NULL), SUAN_OK);
        if (round % 2) {
            const suan__kernels *kernels;
            assert_int_equal(suan__kernels_get(&kernels, NULL, NULL), SUAN_OK);
            suan__sampler_use(s, kernels);
        }
        uint64_t n_alloc = suan__alloc_count();
        for (uint32_t position = 0; position < 8; position++) {
            int32_t got = suan__sampler_draw(s, &p, logits, seen, n_seen, position);
            int32_t want = slow_draw(&p, logits, (int32_t)n_vocab, seen, n_seen, position);
            if (got != want) fail_msg("round %d position %u: drew %d, expected %d", round, position, got, want);
            p.temperature > 0 ? n_not_greatest += logits[got] < logits[0] : 0;
        }
        assert_int_equal(suan__alloc_count(), n_alloc);
        suan__sampler_free(s);
    }
    assert_true(n_not_greatest > 1000);
}

/* ---- by hand ------------------------------------------------------------------------------------------------------------------------- */

/* Bit i: token i was drawn at one of many positions. */
static unsigned drawn_set(const suan_sampling *p, const float *logits, uint32_t n_vocab) {
    suan__sampler *s;
    assert_int_equal(suan__sampler_create(&s, n_vocab, NULL), SUAN_OK);
    unsigned set = 0;
    for (uint32_t position = 0; position < 4000; position++) set |= 1u << suan__sampler_draw(s, p, logits, NULL, 0, position);
    suan__sampler_free(s);
    return set;
}

/* Probabilities 0.5, 0.25, 0.15, 0.06, 0.04, not in order. */
static const float BY_HAND[5] = {-2.81341072f, -0.69314718f, -1.89711998f, -1.38629436f, -3.21887582f};

static void test_sampler_filters_by_hand(void **state) {
    (void)state;
    suan_sampling p, off;
    suan_sampling_init(&off);
    off.temperature = 1;
    p = off;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 0x1f);
    p.top_k = 2;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 1 | 1 << 3);
    p = off, p.top_p = 0.7f; /* 0.5, 0.75 */
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 1 | 1 << 3);
    p = off, p.top_p = 0.8f; /* 0.5, 0.75, 0.9 */
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 1 | 1 << 3 | 1 << 2);
    p = off, p.top_p = 1e-9f;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 1);
    p = off, p.min_p = 0.2f; /* 0.1 and more */
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 1 | 1 << 3 | 1 << 2);
    p = off, p.min_p = 1.0f;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 1);
    /* H = 1.2753; |s - H|: 0.5: 0.5822, 0.25: 0.1110, 0.15: 0.6218, 0.06: 1.5381, 0.04: 1.9436 */
    p = off, p.typical_p = 0.2f;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 3);
    p = off, p.typical_p = 0.6f;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 3 | 1 << 1);
    p = off, p.typical_p = 0.8f;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 3 | 1 << 1 | 1 << 2);
    /* top-p looks at what top-k left: of 0.5 and 0.25, renormalised to 2/3 and 1/3, 0.6 is reached by the first. */
    p = off, p.top_k = 2, p.top_p = 0.6f;
    assert_int_equal(drawn_set(&p, BY_HAND, 5), 1 << 1);
}

static void test_sampler_ties_lowest_id_first(void **state) {
    (void)state;
    static const float equal[4] = {1, 1, 1, 1};
    suan_sampling p;
    suan_sampling_init(&p);
    assert_int_equal(drawn_set(&p, equal, 4), 1);
    p.temperature = 1, p.top_k = 2;
    assert_int_equal(drawn_set(&p, equal, 4), 3);
    p.top_k = 0, p.top_p = 0.75f; /* reached exactly by three */
    assert_int_equal(drawn_set(&p, equal, 4), 7);
    p.top_p = 1, p.typical_p = 0.1f; /* every token is as typical as the others */
    assert_int_equal(drawn_set(&p, equal, 4), 15);
}

static void test_sampler_penalties_by_hand(void **state) {
    (void)state;
    suan__sampler *s;
    assert_int_equal(suan__sampler_create(&s, 4, NULL), SUAN_OK);
    suan_sampling p;
    suan_sampling_init(&p);
    static const float logits[4] = {4.0f, 3.0f, -1.0f, -1.5f};
    static const int32_t seen[5] = {0, 2, 0, 0, 1};
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 5, 0), 0);
    p.repetition_penalty = 1.25f; /* 4 / 1.25 = 3.2, 3 / 1.25 = 2.4 */
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 5, 0), 0);
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 4, 0), 0); /* 1 not seen: 3 < 3.2 */
    p.penalty_last_n = 2;
    p.repetition_penalty = 1.4f; /* the last two of 0 2 0 0: 4 / 1.4 = 2.857, once, against 3 */
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 4, 0), 1);
    p.penalty_last_n = 0;
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 4, 0), 0);
    p.penalty_last_n = -1;
    p.repetition_penalty = 1;
    p.frequency_penalty = 0.3f; /* 4 - 0.9 = 3.1 against 3 (unseen) */
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 4, 0), 0);
    p.frequency_penalty = 0.34f; /* 2.98 */
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 4, 0), 1);
    p.frequency_penalty = 0;
    p.presence_penalty = 0.9f; /* 3.1: however often it was there */
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 4, 0), 0);
    p.presence_penalty = 1.1f;
    assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 4, 0), 1);
    /* Negative logits are multiplied: -1 * 2 < -1.5. */
    suan_sampling_init(&p);
    p.repetition_penalty = 2;
    static const float negative[4] = {-9, -9, -1.0f, -1.5f};
    assert_int_equal(suan__sampler_draw(s, &p, negative, seen, 5, 0), 3);
    /* A bias comes before the penalties: (-9 + 10) / 2 = 0.5 */
    suan_logit_bias bias[2] = {{0, 4}, {0, 6}};
    p.logit_bias = bias, p.n_logit_bias = 2;
    assert_int_equal(suan__sampler_draw(s, &p, negative, seen, 5, 0), 0);
    suan__sampler_free(s);
}

static void test_sampler_extreme_values(void **state) {
    (void)state;
    suan__sampler *s;
    assert_int_equal(suan__sampler_create(&s, 4, NULL), SUAN_OK);
    static const float logits[4] = {-FLT_MAX, FLT_MAX, -0.0f, FLT_MAX};
    static const int32_t seen[2] = {0, 1};
    suan_sampling p;
    suan_sampling_init(&p);
    p.temperature = 100;
    for (uint32_t i = 0; i < 50; i++) assert_int_equal(suan__sampler_draw(s, &p, logits, NULL, 0, i) & 1, 1);
    p.temperature = FLT_MIN;
    for (uint32_t i = 0; i < 50; i++) assert_int_equal(suan__sampler_draw(s, &p, logits, NULL, 0, i) & 1, 1);
    p.repetition_penalty = FLT_TRUE_MIN; /* dividing by it overflows */
    p.penalty_last_n = -1;
    p.temperature = 1;
    p.typical_p = p.top_p = p.min_p = 0.5f;
    for (uint32_t i = 0; i < 50; i++) assert_int_equal(suan__sampler_draw(s, &p, logits, seen, 2, i) & 1, 1);
    suan__sampler_free(s);
}

/* ---- the distribution, and speed of growth ----------------------------------------------------------------------------------------------
 */

static void test_sampler_draws_follow_softmax(void **state) {
    (void)state;
    enum { N = 8, DRAWS = 100000 };
    static const float logits[N] = {0.3f, -1.2f, 2.0f, 0.0f, 1.1f, -3.0f, 0.7f, -0.4f};
    suan__sampler *s;
    assert_int_equal(suan__sampler_create(&s, N, NULL), SUAN_OK);
    suan_sampling p;
    suan_sampling_init(&p);
    p.temperature = 0.8f;
    p.seed = 42;
    int counts[N] = {0};
    for (uint32_t i = 0; i < DRAWS; i++) counts[suan__sampler_draw(s, &p, logits, NULL, 0, i)]++;
    double total = 0, chi2 = 0;
    for (int i = 0; i < N; i++) total += exp((double)logits[i] / 0.8);
    for (int i = 0; i < N; i++) {
        double expected = DRAWS * exp((double)logits[i] / 0.8) / total;
        chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    assert_true(chi2 < 24.3); /* 7 degrees of freedom, one in a thousand */
    /* Another seed, another choice: other draws. */
    int same_seed = 0, same_choice = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        int32_t id = suan__sampler_draw(s, &p, logits, NULL, 0, i);
        suan_sampling q = p;
        q.seed = 42 + (UINT64_C(1) << 32);
        same_seed += suan__sampler_draw(s, &q, logits, NULL, 0, i) == id;
        q = p;
        q.choice = 1;
        same_choice += suan__sampler_draw(s, &q, logits, NULL, 0, i) == id;
    }
    assert_in_range(same_seed, 200, 700);
    assert_in_range(same_choice, 200, 700);
    suan__sampler_free(s);
}

/* Equal, ascending and descending logits of a large vocabulary: none may turn selection quadratic (the test's timeout would tell). */
static void test_sampler_large_vocabulary_is_linear(void **state) {
    (void)state;
    enum { N = 129280 };
    float *logits = malloc(N * sizeof *logits);
    suan__sampler *s;
    assert_int_equal(suan__sampler_create(&s, N, NULL), SUAN_OK);
    suan_sampling p;
    suan_sampling_init(&p);
    p.temperature = 1, p.top_p = 0.9f, p.typical_p = 0.95f, p.min_p = 0.01f;
    for (int shape = 0; shape < 4; shape++) {
        for (int i = 0; i < N; i++)
            logits[i] = shape == 0 ? 0 : shape == 1 ? (float)i * 1e-4f : shape == 2 ? (float)-i * 1e-4f : (float)(i % 3);
        for (uint32_t i = 0; i < 5; i++) {
            suan__sampler_use(s, NULL);
            int32_t id = suan__sampler_draw(s, &p, logits, NULL, 0, i);
            assert_in_range(id, 0, N - 1);
            /* Every level of the kernels gives the same. */
            for (const char *const *level = suan__kernels_levels(); *level; level++) {
                const suan__kernels *kernels;
                assert_int_equal(suan__kernels_get(&kernels, *level, NULL), SUAN_OK);
                suan__sampler_use(s, kernels);
                assert_int_equal(suan__sampler_draw(s, &p, logits, NULL, 0, i), id);
            }
        }
    }
    free(logits);
    suan__sampler_free(s);
}

/* ---- logprobs and checks ------------------------------------------------------------------------------------------------------------- */

static void test_sampler_logprobs_equal_log_softmax(void **state) {
    (void)state;
    enum { N = 1000 };
    float logits[N];
    for (int i = 0; i < N; i++) logits[i] = rintf((random_unit() - 0.5f) * 100) / 8; /* with ties */
    suan__sampler *s;
    assert_int_equal(suan__sampler_create(&s, N, NULL), SUAN_OK);
    double max = -1e9, total = 0;
    for (int i = 0; i < N; i++) {
        if ((double)logits[i] > max) max = (double)logits[i];
    }
    for (int i = 0; i < N; i++) total += exp((double)logits[i] - max);
    for (uint32_t want = 0; want <= 256; want += 64) {
        suan_logprob top[256];
        uint32_t n_top = want;
        suan__sampler_use(s, NULL);
        float lp = suan__sampler_logprobs(s, logits, 17, top, &n_top);
        for (const char *const *level = suan__kernels_levels(); *level; level++) {
            const suan__kernels *kernels;
            assert_int_equal(suan__kernels_get(&kernels, *level, NULL), SUAN_OK);
            suan__sampler_use(s, kernels);
            assert_memory_equal(&lp, (float[]){suan__sampler_logprobs(s, logits, 17, NULL, NULL)}, sizeof lp);
        }
        assert_int_equal(n_top, want);
        assert_float_equal(lp, (float)((double)logits[17] - max - log(total)), 1e-5f);
        for (uint32_t i = 0; i < n_top; i++) {
            int rank = 0; /* how many come before it */
            for (int k = 0; k < N; k++) rank += logits[k] > logits[top[i].id] || (logits[k] == logits[top[i].id] && k < top[i].id);
            assert_int_equal(rank, i);
            assert_float_equal(top[i].logprob, (float)((double)logits[top[i].id] - max - log(total)), 1e-5f);
        }
    }
    suan__sampler_free(s);
    assert_int_equal(suan__sampler_create(&s, 3, NULL), SUAN_OK);
    suan_logprob top[8];
    uint32_t n_top = 8;
    assert_float_equal(suan__sampler_logprobs(s, (float[]){0, 0, 0}, 2, top, &n_top), -1.0986123f, 1e-6f);
    assert_int_equal(n_top, 3);
    assert_int_equal(top[0].id, 0);
    assert_int_equal(top[2].id, 2);
    suan__sampler_free(s);
}

static void expect_bad(suan_sampling p, const char *part) {
    suan_error err = {0};
    assert_int_not_equal(suan__sampling_check(&p, 100, &err), SUAN_OK);
    if (!strstr(err.message, part)) fail_msg("message '%s' does not hold '%s'", err.message, part);
}

static void test_sampling_check_names_the_field(void **state) {
    (void)state;
    suan_sampling d;
    suan_sampling_init(&d);
    assert_int_equal(suan__sampling_check(&d, 100, NULL), SUAN_OK);
    suan_sampling p;
    expect_bad((p = d, p.temperature = -0.1f, p), "temperature is -0.1");
    expect_bad((p = d, p.temperature = 101, p), "temperature");
    expect_bad((p = d, p.temperature = NAN, p), "temperature");
    expect_bad((p = d, p.top_k = -1, p), "top_k is -1");
    expect_bad((p = d, p.top_p = 0, p), "top_p");
    expect_bad((p = d, p.top_p = 1.5f, p), "top_p");
    expect_bad((p = d, p.min_p = -1, p), "min_p");
    expect_bad((p = d, p.typical_p = 0, p), "typical_p");
    expect_bad((p = d, p.repetition_penalty = 0, p), "repetition_penalty");
    expect_bad((p = d, p.repetition_penalty = INFINITY, p), "repetition_penalty");
    expect_bad((p = d, p.presence_penalty = 2.1f, p), "presence_penalty");
    expect_bad((p = d, p.frequency_penalty = -2.1f, p), "frequency_penalty");
    expect_bad((p = d, p.penalty_last_n = -2, p), "penalty_last_n");
    suan_logit_bias bias = {100, 1};
    expect_bad((p = d, p.logit_bias = &bias, p.n_logit_bias = 1, p), "token 100");
    bias = (suan_logit_bias){5, -INFINITY};
    expect_bad((p = d, p.logit_bias = &bias, p.n_logit_bias = 1, p), "token 5");
    expect_bad((p = d, p.n_logit_bias = 1, p), "NULL");
}

static void test_sampler_create_out_of_memory_fails(void **state) {
    (void)state;
    suan__sampler *s;
    suan_error err;
    int n = 1;
    for (;; n++) {
        suan__alloc_fail_at((uint64_t)n);
        suan_status status = suan__sampler_create(&s, 50, &err);
        suan__alloc_fail_at(0);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_null(s);
    }
    assert_true(n > 3);
    suan__sampler_free(s);
    assert_int_equal(suan__sampler_create(&s, 0, &err), SUAN_ERANGE);
    assert_int_equal(suan__sampler_create(&s, SUAN__SAMPLER_MAX_VOCAB + 1, &err), SUAN_ERANGE);
}

static bool is_allowed(const uint32_t *mask, int32_t id) {
    return mask[id / 32] >> (id % 32) & 1;
}

/* A masked draw equals an ordinary one among the allowed tokens alone, renumbered. */
static void test_sampler_masked_equals_draw_among_the_allowed(void **state) {
    (void)state;
    for (int round = 0; round < 2000; round++) {
        uint32_t n_vocab = 1 + random_u32() % 300, n_few = 0;
        float logits[300], few[300];
        int32_t ids[300], few_of[300], seen[50], seen_few[50];
        uint32_t mask[10] = {0};
        for (uint32_t i = 0; i < n_vocab; i++) {
            logits[i] = (random_unit() - 0.5f) * 10.0f;
            few_of[i] = -1;
            if (random_u32() % 4 != 0 && i != n_vocab / 2) continue;
            mask[i / 32] |= 1u << i % 32;
            few_of[i] = (int32_t)n_few;
            ids[n_few] = (int32_t)i;
            few[n_few++] = logits[i];
        }
        for (int i = 0; i < 50; i++) {
            seen[i] = (int32_t)(random_u32() % n_vocab);
            seen_few[i] = few_of[seen[i]];
        }
        suan_logit_bias bias[2] = {{ids[0], 1.5f}, {(int32_t)(random_u32() % n_vocab), 20.0f}}, bias_few[2] = {{0, 1.5f}};
        suan_sampling p;
        suan_sampling_init(&p);
        p.temperature = round % 4 ? 0.2f + random_unit() : 0.0f;
        p.top_k = (int32_t)(random_u32() % 20);
        p.top_p = 0.3f + 0.7f * random_unit();
        p.min_p = round % 2 ? 0.05f : 0.0f;
        p.typical_p = round % 5 ? 1.0f : 0.8f;
        p.repetition_penalty = 1.0f + random_unit();
        p.frequency_penalty = random_unit();
        p.seed = (uint64_t)round;
        p.logit_bias = bias;
        p.n_logit_bias = 2;
        suan__sampler *all, *part;
        suan_error err;
        assert_int_equal(suan__sampler_create(&all, n_vocab, &err), SUAN_OK);
        assert_int_equal(suan__sampler_create(&part, n_few, &err), SUAN_OK);
        int32_t id = suan__sampler_draw_masked(all, &p, mask, logits, seen, 50, 7);
        bias_few[1] = (suan_logit_bias){few_of[bias[1].id], 20.0f};
        p.logit_bias = bias_few;
        p.n_logit_bias = bias_few[1].id >= 0 ? 2 : 1;
        assert_true(is_allowed(mask, id));
        assert_int_equal(id, ids[suan__sampler_draw(part, &p, few, seen_few, 50, 7)]);
        suan__sampler_free(all);
        suan__sampler_free(part);
    }
}

static void test_sampler_mask_edges(void **state) {
    (void)state;
    suan__sampler *s;
    suan_error err;
    suan_sampling p;
    float logits[70], top_logprob;
    uint32_t none[3] = {0}, all[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX}, one[3] = {0, 0, 1u << 5};
    uint32_t beyond[3] = {0, 0, ~((1u << 6) - 1)}; /* bits behind the vocabulary allow nothing */
    for (int i = 0; i < 70; i++) logits[i] = i == 69 ? -3.0e38f : (float)i;
    assert_int_equal(suan__sampler_create(&s, 70, &err), SUAN_OK);
    suan_sampling_init(&p);
    for (int hot = 0; hot < 2; hot++) {
        p.temperature = (float)hot;
        p.top_k = hot * 3;
        assert_int_equal(suan__sampler_draw_masked(s, &p, none, logits, NULL, 0, 1), -1);
        assert_int_equal(suan__sampler_draw_masked(s, &p, beyond, logits, NULL, 0, 1), -1);
        assert_int_equal(suan__sampler_draw_masked(s, &p, one, logits, NULL, 0, 1), 69); /* the least of all, and the only one */
        assert_int_equal(suan__sampler_draw_masked(s, &p, all, logits, NULL, 0, 1), suan__sampler_draw(s, &p, logits, NULL, 0, 1));
        assert_int_equal(suan__sampler_draw_masked(s, &p, NULL, logits, NULL, 0, 1), suan__sampler_draw(s, &p, logits, NULL, 0, 1));
    }
    /* A bias or a penalty does not bring back what the mask took. */
    suan_logit_bias bias = {3, 1e6f};
    p.logit_bias = &bias;
    p.n_logit_bias = 1;
    p.repetition_penalty = 1e-30f;
    int32_t seen[] = {4};
    assert_int_equal(suan__sampler_draw_masked(s, &p, one, logits, seen, 1, 1), 69);
    top_logprob = suan__sampler_logprobs(s, logits, 68, NULL, NULL);
    assert_true(top_logprob > -0.5f && top_logprob < 0.0f);
    suan__sampler_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampler_random_equals_slow_chain),
        cmocka_unit_test(test_sampler_filters_by_hand),
        cmocka_unit_test(test_sampler_ties_lowest_id_first),
        cmocka_unit_test(test_sampler_penalties_by_hand),
        cmocka_unit_test(test_sampler_extreme_values),
        cmocka_unit_test(test_sampler_draws_follow_softmax),
        cmocka_unit_test(test_sampler_large_vocabulary_is_linear),
        cmocka_unit_test(test_sampler_logprobs_equal_log_softmax),
        cmocka_unit_test(test_sampler_masked_equals_draw_among_the_allowed),
        cmocka_unit_test(test_sampler_mask_edges),
        cmocka_unit_test(test_sampling_check_names_the_field),
        cmocka_unit_test(test_sampler_create_out_of_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
