/* The watchdog: when the engine is taken for stuck, from what it says of itself; O10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/own.h"

#define LIMIT 10.0

static void steps_that_do_not_come(void **state) {
    suan__engine_seen seen = {0};
    suan_batch_stats rests = {.steps = 7}, works = {.steps = 7, .n_queued = 1};
    assert_null(suan__engine_trouble(&seen, &rests, LIMIT, 100));
    assert_null(suan__engine_trouble(&seen, &rests, LIMIT, 1000)); /* without work nothing is late */
    assert_null(
        suan__engine_trouble(&seen, &works, LIMIT, 2000)); /* the wait begins with the work, however long it rested and nobody looked */
    assert_null(suan__engine_trouble(&seen, &works, LIMIT, 2009));
    assert_non_null(suan__engine_trouble(&seen, &works, LIMIT, 2011));
    works.steps++;
    assert_null(suan__engine_trouble(&seen, &works, LIMIT, 2012));
    assert_null(suan__engine_trouble(&seen, &works, LIMIT, 2021));
    assert_non_null(suan__engine_trouble(&seen, &works, LIMIT, 2023));
}

static void the_first_request(void **state) { /* no step was ever made */
    suan__engine_seen seen = {0};
    suan_batch_stats works = {.n_active = 1};
    assert_null(suan__engine_trouble(&seen, &works, LIMIT, 1e6));
    assert_non_null(suan__engine_trouble(&seen, &works, LIMIT, 1e6 + 11));
}

static void clients_that_read_nothing(void **state) { /* what is paused waits for them, not for the engine */
    suan__engine_seen seen = {0};
    suan_batch_stats paused = {.n_active = 2, .n_paused = 2};
    assert_null(suan__engine_trouble(&seen, &paused, LIMIT, 0));
    assert_null(suan__engine_trouble(&seen, &paused, LIMIT, 100));
}

static void a_step_that_does_not_end(void **state) {
    suan__engine_seen seen = {0};
    suan_batch_stats t = {.n_active = 1, .step_seconds = 9};
    assert_null(suan__engine_trouble(&seen, &t, LIMIT, 0));
    t.step_seconds = 11;
    assert_non_null(suan__engine_trouble(&seen, &t, LIMIT, 2));
}

static void a_model_that_broke(void **state) {
    suan__engine_seen seen = {0};
    suan_batch_stats broken = {.is_broken = true};
    assert_non_null(suan__engine_trouble(&seen, &broken, LIMIT, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_that_do_not_come), cmocka_unit_test(the_first_request),
                                       cmocka_unit_test(clients_that_read_nothing), cmocka_unit_test(a_step_that_does_not_end),
                                       cmocka_unit_test(a_model_that_broke)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
