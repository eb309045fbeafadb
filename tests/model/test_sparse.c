/* test_sparse.c: what is selected, against sorting; how far a session of compressed attention can go back, against a model of the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "model/compress.h"

static uint32_t seed = 1;
static uint32_t next_random(void) {
    return seed = seed * 1664525u + 1013904223u;
}

static const float *by_score;
static int in_order(const void *a, const void *b) {
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (by_score[i] != by_score[j]) return by_score[i] > by_score[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}
static int ascending(const void *a, const void *b) {
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    return i < j ? -1 : i > j;
}

/* Few different values, so that ties fall on the threshold; both zeros; the ends of the range. */
static float some_score(int kind) {
    static const float odd[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 3.4e38f, -3.4e38f, 1, -1};
    uint32_t r = next_random() >> 8;
    if (kind == 0) return (float)(r % 5) - 2;
    if (kind == 1) return odd[r % 8];
    return (float)((int)r - (1 << 23)) * 1e-4f;
}

static void test_selection_is_the_head_of_a_sort(void **state) {
    (void)state;
    enum { N = 700 };
    static uint32_t bins[SUAN__SELECT_BINS], found[N], order[N];
    static float score[N];
    for (int turn = 0; turn < 300; turn++) {
        uint32_t n = 2 + next_random() % (N - 1), k = 1 + next_random() % (n - 1);
        for (uint32_t i = 0; i < n; i++) score[i] = some_score(turn % 3), order[i] = i;
        by_score = score;
        qsort(order, n, sizeof *order, in_order);
        qsort(order, k, sizeof *order, ascending);
        suan__select_top(found, score, n, k, bins);
        if (memcmp(found, order, k * sizeof *found) != 0) fail_msg("turn %d: another selection of %u of %u", turn, k, n);
    }
}

typedef struct past_case {
    suan__hparams hp;
    uint32_t ratios[3];
} past_case;

static past_case make_case(void) {
    past_case c = {.hp = {.n_layer = 3, .head_dim = 8, .index_dim = 4, .n_index_head = 2, .index_topk = 4, .window = 16, .n_stream = 2},
                   .ratios = {0, 4, 128}};
    return c;
}

/* Writes the position's number where a step would: into the ring and the inputs. */
static void write_step(suan__kv *kv, const suan__hparams *hp, uint32_t pos0, uint32_t end) {
    suan__past_begin(kv, end);
    for (uint32_t i = 0; i < hp->n_layer; i++)
        for (uint32_t p = pos0; p < end; p++) {
            uint32_t slot = suan__past_slot(kv->past, p);
            float *row = (float *)(void *)kv->past->layers[i].ring + (size_t)slot * hp->head_dim;
            for (uint32_t j = 0; j < hp->head_dim; j++) row[j] = (float)p;
            if (hp->layer_ratio[i])
                kv->past->layers[i].inputs[(size_t)slot * 2 * suan__compress_width(hp->layer_ratio[i], hp->head_dim)] = (float)p;
        }
    suan__past_end(kv, hp, pos0, end);
}

/* Everything that going on from pos reads must be there. */
static void check_needs(const suan__kv *kv, const suan__hparams *hp, uint32_t pos) {
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        uint32_t ratio = hp->layer_ratio[i], first = pos > hp->window - 1 ? pos - (hp->window - 1) : 0;
        for (uint32_t p = first; p < pos; p++)
            assert_true(((float *)(void *)kv->past->layers[i].ring)[(size_t)suan__past_slot(kv->past, p) * hp->head_dim] == (float)p);
        if (!ratio) continue;
        uint32_t run = pos / ratio * ratio, before = ratio == SUAN__OVERLAP && run >= ratio ? run - ratio : run;
        for (uint32_t p = before; p < pos; p++)
            assert_true(kv->past->layers[i].inputs[(size_t)suan__past_slot(kv->past, p) * 2 * suan__compress_width(ratio, hp->head_dim)] ==
                        (float)p);
    }
}

static void test_going_back_finds_what_it_needs(void **state) {
    (void)state;
    past_case c = make_case();
    c.hp.layer_ratio = c.ratios;
    suan__kv kv;
    suan_error err;
    assert_int_equal(suan__kv_create(&kv, &c.hp, 8192, SUAN__F32, &err), SUAN_OK);
    assert_int_equal(kv.bytes, suan__kv_bytes(&c.hp, 8192, SUAN__F32));
    uint32_t pos = 0, n_marks = 0, n_far = 0;
    for (int turn = 0; turn < 4000; turn++) {
        uint32_t n = 1 + next_random() % SUAN__PAST_STEP;
        if (next_random() % 3 && pos + n <= 8192) {
            write_step(&kv, &c.hp, pos, pos + n);
            pos += n;
        } else {
            uint32_t want = next_random() % 2 ? next_random() % (pos + 1) : pos - next_random() % ((pos < 40 ? pos : 40) + 1);
            uint32_t reach = suan__past_reach(&kv, want);
            assert_true(reach <= want);
            if (pos - want <= c.hp.window && want >= kv.past->low)
                assert_int_equal(reach, want); /* anywhere in the window, unless a mark was just gone back to */
            n_far += reach < want;
            n_marks += reach && reach < want;
            suan__past_rewind(&kv, &c.hp, reach);
            pos = reach;
        }
        check_needs(&kv, &c.hp, pos);
    }
    assert_true(n_marks > 20 && n_far > n_marks);
    suan__kv_free(&kv);
}

/* A step that fails behind its beginning leaves what the position before it needs. */
static void test_a_failed_step_costs_nothing(void **state) {
    (void)state;
    past_case c = make_case();
    c.hp.layer_ratio = c.ratios;
    suan__kv kv;
    suan_error err;
    assert_int_equal(suan__kv_create(&kv, &c.hp, 4096, SUAN__F32, &err), SUAN_OK);
    for (uint32_t pos = 0; pos < 3000; pos += 250) {
        write_step(&kv, &c.hp, pos, pos + SUAN__PAST_STEP);
        assert_int_equal(suan__past_reach(&kv, pos), pos);
        check_needs(&kv, &c.hp, pos);
        write_step(&kv, &c.hp, pos, pos + 250);
    }
    suan__kv_free(&kv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selection_is_the_head_of_a_sort),
        cmocka_unit_test(test_going_back_finds_what_it_needs),
        cmocka_unit_test(test_a_failed_step_costs_nothing),
    };
    return cmocka_run_group_tests_name("model_sparse", tests, NULL, NULL);
}
