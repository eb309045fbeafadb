/* test_bench.c: the benchmark: order statistics, what a step needs against a count by hand, shapes that lie nowhere, filled caches, tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "engine/bench.h"
#include "kernels/peaks.h"
#include "model/cost.h"

static void test_median_of_odd_and_even_numbers(void **state) {
    double three[] = {3, 1, 2}, four[] = {4, 1, 3, 2}, one[] = {7};
    assert_true(suan__median(three, 3) == 2);
    assert_true(suan__median(four, 4) == 2.5);
    assert_true(suan__median(one, 1) == 7);
}

static void test_median_distance_forgets_one_outlier(void **state) {
    double v[] = {10, 11, 12, 13, 1000}, scratch[5];
    assert_true(suan__median_distance(v, 5, 12, scratch) == 1);
    double same[] = {5, 5}, two[2];
    assert_true(suan__median_distance(same, 2, 5, two) == 0);
}

static suan_model *open_shape(const char *shape, const char *type, uint32_t n_layer) {
    suan_error err = {0};
    suan_model *m = NULL;
    suan_model_options o = {.n_threads = 2};
    if (suan_bench_open_shape(&m, shape, type, n_layer, &o, &err) != SUAN_OK) fail_msg("%s", err.message);
    return m;
}

/* One byte a second, and arithmetic that costs nothing: seconds are bytes. */
static const suan__rates bytes_only = {1, 1e30, 1e30};

static suan__cost cost_of(const suan_model *m, suan__step_shape shape, suan__op op) {
    suan__cost cost[SUAN__N_OPS] = {{0}};
    suan__step_cost(m->graph, &shape, &bytes_only, cost);
    return cost[op];
}

/* Qwen2 0.5B: 896 values, 14 heads and 2 of keys of 64, 4864 in the network, Q8_0: 34 bytes for 32 weights. */
static void test_cost_dense_by_hand(void **state) {
    suan_model *m = open_shape("qwen2-0.5b", "q8_0", 2);
    suan__step_shape s = {.n_tokens = 3, .pos0 = 10, .n_logits = 1, .kv = SUAN__F16, .n_busy = -1};
    double byte = 34.0 / 32, d = 896, qkv = d * (14 + 2 + 2) * 64, ff = 4864;
    suan__cost c = cost_of(m, s, SUAN__OP_QKV);
    assert_true(c.bytes == 2 * qkv * byte && c.int8_ops == 2 * 2 * qkv * 3 && c.f32_ops == 0 && c.seconds == c.bytes);
    c = cost_of(m, s, SUAN__OP_OUT);
    assert_true(c.bytes == 2 * d * d * byte && c.int8_ops == 2 * 2 * d * d * 3);
    c = cost_of(m, s, SUAN__OP_GATE_UP);
    assert_true(c.bytes == 2 * 2 * d * ff * byte && c.int8_ops == 2 * 2 * 2 * d * ff * 3);
    c = cost_of(m, s, SUAN__OP_DOWN);
    assert_true(c.bytes == 2 * d * ff * byte);
    c = cost_of(m, s, SUAN__OP_HEAD);
    assert_true(c.bytes == 151936 * d * byte && c.int8_ops == 2 * 151936 * d);
    c = cost_of(m, s, SUAN__OP_EMBED);
    assert_true(c.bytes == 3 * d * byte);
    /* Tokens at 10, 11 and 12 see 11, 12 and 13 positions; a position has keys and values of 2 heads of 64 halves; 13 are read, 3 written. */
    c = cost_of(m, s, SUAN__OP_ATTENTION);
    assert_true(c.bytes == 2 * 16 * (2 * 2 * 64 * 2.0));
    assert_true(c.f32_ops == 2 * 36 * 14 * (2 * 64 + 2 * 64.0) && c.int8_ops == 0);
    s.n_logits = 0;
    assert_true(cost_of(m, s, SUAN__OP_HEAD).seconds == 0);
    s.exact = true;
    c = cost_of(m, s, SUAN__OP_OUT);
    assert_true(c.int8_ops == 0 && c.f32_ops == 2 * 2 * d * d * 3);
    suan_model_close(&m);
}

/* Six layers of DeepSeek-V2-Lite at one token: what published figures of its size say. */
static void test_cost_moe_mla_by_hand(void **state) {
    suan_model *m = open_shape("deepseek-v2-lite", "q4_0", 2);
    suan__step_shape s = {.n_tokens = 1, .pos0 = 99, .n_logits = 1, .kv = SUAN__F16, .n_busy = -1};
    double byte = 18.0 / 32, d = 2048, H = 16, expert = d * 1408;
    suan__cost c = cost_of(m, s, SUAN__OP_GATE_UP); /* a dense layer of 10944, one with 6 of 64 experts, beside them the shared two's down */
    assert_true(c.bytes == (2 * d * 10944 + 6 * 2 * expert + 2 * expert) * byte && c.int8_ops == 2 * c.bytes / byte);
    c = cost_of(m, s, SUAN__OP_DOWN);
    assert_true(c.bytes == (d * 10944 + 6 * expert) * byte);
    c = cost_of(m, s, SUAN__OP_ROUTER); /* f32, and the two shared experts' gate and up */
    assert_true(c.bytes == 64 * d * 4 + 2 * 2 * expert * byte && c.f32_ops == 2 * 64 * d);
    c = cost_of(m, s, SUAN__OP_QKV); /* the key half of kv_b is expanded to f32 */
    assert_true(c.bytes == 2 * ((H * 192 * d + 576 * d) * byte + H * 512 * 128 * 4.0));
    assert_true(c.f32_ops == 2 * 2 * H * 512 * 128);
    c = cost_of(m, s, SUAN__OP_OUT);
    assert_true(c.bytes == 2 * (H * 128 * 512 + d * H * 128) * byte);
    c = cost_of(m, s, SUAN__OP_ATTENTION); /* 100 latent rows of 576 halves read, one written */
    assert_true(c.bytes == 2 * 101 * 576 * 2.0 && c.f32_ops == 2 * 2 * 100 * H * (576 + 512.0));
    /* With many tokens nearly every expert is read, and each is read once. */
    s.n_tokens = 512;
    assert_true(cost_of(m, s, SUAN__OP_ROUTER).bytes == 64 * d * 4 + 3 * 2 * expert * byte);
    suan__cost many = cost_of(m, s, SUAN__OP_DOWN);
    assert_true(many.bytes <= (d * 10944 + 64 * expert) * byte && many.bytes > (d * 10944 + 63.9 * expert) * byte);
    s.only_logits = true; /* one row: of the last layer, which has experts, one token's */
    assert_true(cost_of(m, s, SUAN__OP_DOWN).bytes == (d * 10944 + 6 * expert) * byte);
    assert_true(cost_of(m, s, SUAN__OP_DOWN).int8_ops == 2 * (512 * d * 10944 + 6 * expert));
    s.n_logits = 0;
    assert_true(cost_of(m, s, SUAN__OP_DOWN).bytes == d * 10944 * byte && cost_of(m, s, SUAN__OP_ROUTER).bytes == 0);
    s.only_logits = false;
    s.n_busy = 10;
    assert_true(cost_of(m, s, SUAN__OP_DOWN).bytes == (d * 10944 + 10 * expert) * byte);
    assert_true(cost_of(m, s, SUAN__OP_DOWN).int8_ops == 2 * 512 * (d * 10944 + 6 * expert));
    suan_model_close(&m);
}

/* An operation takes the longer of its two times, and operations add up. */
static void test_cost_seconds_are_a_roofline(void **state) {
    suan_model *m = open_shape("qwen2-0.5b", "q4_0", 1);
    suan__step_shape s = {.n_tokens = 64, .n_logits = 1, .kv = SUAN__F16, .n_busy = -1};
    suan__rates rates = {1e10, 1e12, 1e11};
    suan__cost cost[SUAN__N_OPS] = {{0}};
    suan__step_cost(m->graph, &s, &rates, cost);
    for (int i = 0; i < SUAN__N_OPS; i++) {
        double memory = cost[i].bytes / 1e10, arithmetic = cost[i].int8_ops / 1e12 + cost[i].f32_ops / 1e11;
        double longer = memory > arithmetic ? memory : arithmetic, difference = cost[i].seconds - longer;
        assert_true(difference >= -1e-12 && difference <= 0.5 * longer); /* kinds of several operations may be above the sum's */
    }
    suan_model_close(&m);
}

static void test_shape_refuses_what_is_unknown_or_too_large(void **state) {
    suan_error err = {0};
    suan_model *m = NULL;
    suan_model_options little = {.memory_bytes = 1 << 20};
    assert_int_equal(suan_bench_open_shape(&m, "deepseek-v9", "q4_0", 0, NULL, &err), SUAN_ENOTFOUND);
    assert_non_null(strstr(err.message, "deepseek-v3"));
    assert_int_equal(suan_bench_open_shape(&m, "qwen2-0.5b", "q9", 0, NULL, &err), SUAN_EINVAL);
    assert_int_equal(suan_bench_open_shape(&m, "qwen2-0.5b", "q4_0", 1000, NULL, &err), SUAN_ERANGE);
    assert_int_equal(suan_bench_open_shape(&m, "qwen2-0.5b", "q4_0", 1, &little, &err), SUAN_ENOMEM);
    assert_non_null(strstr(err.message, "available"));
    assert_null(m);
}

/* Every position of a filled cache holds what the first ones hold, and steps behind it are finite. */
static void test_fill_makes_a_long_cache(void **state) {
    static const char *const shapes[] = {"qwen2-0.5b", "deepseek-v2-lite"};
    suan_error err = {0};
    for (int i = 0; i < 2; i++) {
        suan_model *m = open_shape(shapes[i], "q4_0", 2);
        suan_session *s = NULL;
        suan_session_options o = {.n_ctx = 1024};
        assert_int_equal(suan_session_create(&s, m, &o, &err), SUAN_OK);
        assert_int_equal(suan__session_fill(s, 1000, &err), SUAN_OK);
        assert_int_equal(suan_session_position(s), 1000);
        for (int b = 1; b < 4; b++) assert_memory_equal(s->kv.pages[0], s->kv.pages[b], m->graph->hp.n_layer * s->kv.layer_bytes);
        int32_t id = 5;
        if (suan_session_feed(s, &id, 1, &err) != SUAN_OK) fail_msg("%s", err.message);
        assert_int_equal(suan__session_fill(s, 1001, &err), SUAN_EINVAL);
        suan_session_close(&s);
        suan_model_close(&m);
    }
}

static bool stop_at_third(void *ctx) {
    return ++*(int *)ctx >= 3;
}

static void test_run_says_what_a_test_reached(void **state) {
    suan_error err = {0};
    suan_model *m = open_shape("qwen2-0.5b", "q4_0", 1);
    suan_bench_limits limits;
    suan_bench_result r;
    assert_int_equal(suan_bench_measure_limits(&limits, m, &err), SUAN_OK);
    assert_true(limits.read_bytes_per_second > 1e8 && limits.int8_ops_per_second > 1e8 && limits.f32_ops_per_second > 1e7);
    assert_true(limits.read_bytes > 0 && limits.seconds > 0);
    suan_bench_test decode = {.kind = SUAN_BENCH_DECODE, .depth = 300, .batch = 2, .n_tokens = 6};
    suan_bench_options o = {.n_repeat = 3, .want_operations = true};
    if (suan_bench_run(&r, m, &limits, &decode, &o, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(r.n_repeat, 3);
    assert_int_equal(r.test.n_tokens, 6);
    assert_true(r.slowest <= r.tokens_per_second && r.tokens_per_second <= r.fastest && r.spread >= 0);
    assert_true(r.limit > 0 && r.share_of_limit == r.tokens_per_second / r.limit);
    double seconds = 0;
    assert_true(r.n_operations > 4);
    for (size_t i = 0; i < r.n_operations; i++) seconds += r.operations[i].seconds;
    assert_true(seconds > 0.3 * r.step_seconds && seconds <= 1.01 * r.step_seconds);
    suan_bench_test prefill = {.kind = SUAN_BENCH_PREFILL, .n_tokens = 40, .batch = 16};
    o.want_operations = false;
    assert_int_equal(suan_bench_run(&r, m, &limits, &prefill, &o, &err), SUAN_OK);
    assert_int_equal(r.n_operations, 0);
    int asked = 0;
    o.cancelled = stop_at_third;
    o.ctx = &asked;
    assert_int_equal(suan_bench_run(&r, m, &limits, &decode, &o, &err), SUAN_STOPPED);
    suan_bench_test bad = {.kind = SUAN_BENCH_PREFILL, .batch = 5000};
    assert_int_equal(suan_bench_run(&r, m, &limits, &bad, NULL, &err), SUAN_ERANGE);
    suan_model_close(&m);
}

static void test_peaks_of_an_unknown_level_are_those_of_c(void **state) {
    assert_string_equal(suan__peaks_get("no such level")->level, "c");
    assert_true(suan__peaks_get("c")->int8() > 1000000 && suan__peaks_get("c")->f32() > 1000000);
}

/* Every byte is read, whatever the number of streams. */
static void test_peaks_read_looks_at_every_byte(void **state) {
    static unsigned char p[8192];
    const suan__peaks *c = suan__peaks_get("c");
    for (int streams = 1; streams <= 4; streams *= 2)
        for (size_t i = 0; i < sizeof p; i += 5) {
            uint64_t before = c->read(p, sizeof p, streams, i % 2 ? 512 : 0);
            p[i] ^= 1;
            assert_true(c->read(p, sizeof p, streams, 0) != before);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median_of_odd_and_even_numbers),
        cmocka_unit_test(test_median_distance_forgets_one_outlier),
        cmocka_unit_test(test_cost_dense_by_hand),
        cmocka_unit_test(test_cost_moe_mla_by_hand),
        cmocka_unit_test(test_cost_seconds_are_a_roofline),
        cmocka_unit_test(test_shape_refuses_what_is_unknown_or_too_large),
        cmocka_unit_test(test_fill_makes_a_long_cache),
        cmocka_unit_test(test_run_says_what_a_test_reached),
        cmocka_unit_test(test_peaks_of_an_unknown_level_are_those_of_c),
        cmocka_unit_test(test_peaks_read_looks_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
