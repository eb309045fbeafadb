/* How many tokens are drafted: as many as pay at the times and the hits that are told. */
#include "../base/cmocka_all.h"
#include "engine/pace.h"

/* Rounds on a machine where a step over n tokens takes base + n * each, a guess `guess`, and of every `period` drafts one is wrong. Returns tokens a second. */
static double run(suan__pace *p, double base, double each, double guess, uint32_t period, uint32_t n_rounds, uint32_t *drafted) {
    double tokens = 0, time = 0;
    uint32_t count = 0;
    *drafted = 0;
    for (uint32_t i = 0; i < n_rounds; i++) {
        uint32_t n = suan__pace_choose(p, 8), right = 0;
        assert_true(n <= 8);
        if (n) suan__pace_guesses(p, n, n * guess);
        while (right < n && (period == 0 || ++count % period != 0)) right++;
        suan__pace_step(p, n + 1, base + (n + 1) * each);
        if (n) suan__pace_result(p, right < n ? right + 1 : n, right);
        *drafted += n;
        tokens += right + 1;
        time += base + (n + 1) * each + n * guess;
    }
    return tokens / time;
}

static void test_pace_drafts_where_it_pays(void **state) {
    (void)state;
    suan__pace p;
    uint32_t drafted;
    suan__pace_init(&p);
    assert_int_equal(suan__pace_choose(&p, 8), 0); /* nothing is measured yet */
    /* Steps cost the same whatever their length, guesses nothing, all are right: as many as can be. */
    double rate = run(&p, 1, 0.01, 0, 0, 400, &drafted);
    assert_true(drafted > 400 * 8 * 9 / 10 - 400);
    assert_true(rate > 6);
    /* The same machine, but every third draft is wrong: fewer, and still faster than without. */
    rate = run(&p, 1, 0.1, 0.05, 3, 400, &drafted);
    assert_true(rate > 1.3 / 1.1);
    assert_true(drafted < 400 * 6);
}

static void test_pace_stops_where_it_loses(void **state) {
    (void)state;
    suan__pace p;
    uint32_t drafted;
    suan__pace_init(&p);
    /* A token in company costs what it costs alone: nothing is to be won, and trials cost little. */
    double rate = run(&p, 0, 1, 0.2, 2, 1000, &drafted);
    assert_true(rate > 0.95);
    assert_true(drafted < 60);
    /* It begins again where the drafts become right and steps cheap. */
    rate = run(&p, 1, 0.02, 0, 0, 1000, &drafted);
    assert_true(rate > 1.5); /* 0.98 without */
}

static void test_pace_limits(void **state) {
    (void)state;
    suan__pace p;
    suan__pace_init(&p);
    p.is_fixed = true;
    assert_int_equal(suan__pace_choose(&p, 5), 5);
    assert_int_equal(suan__pace_choose(&p, 0), 0);
    p.is_fixed = false;
    suan__pace_step(&p, 0, 1);
    suan__pace_step(&p, SUAN__MAX_DRAFT + 2, 1); /* outside of the table: ignored */
    suan__pace_step(&p, 1, -1);
    assert_int_equal(suan__pace_choose(&p, 8), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pace_drafts_where_it_pays), cmocka_unit_test(test_pace_stops_where_it_loses),
                                       cmocka_unit_test(test_pace_limits)};
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
