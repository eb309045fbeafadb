/* The pool: results, barriers, faults in workers, and the floating point environment. */
#include "base/thread.h"

#include <fenv.h>
#include <string.h>

#include "base/cpus.h"
#include "base/file.h"
#include "base/memory.h"
#include "scratch.h"

static const int counts[] = {1, 2, 3, 8};
enum { N_COUNTS = sizeof counts / sizeof *counts, N_ROUNDS = 2000 };

typedef struct relay {
    suan__pool *pool;
    uint64_t cells[8]; /* plain memory: the barrier alone orders it */
    int n_wrong[8];
    int n_seen[8];
} relay;

/* In every round each thread writes its cell from its neighbour's of the round before, so one missed barrier shows. */
static void relay_run(void *ctx, int i_thread, int n_threads) {
    relay *r = ctx;
    r->n_seen[i_thread]++;
    for (uint64_t round = 1; round <= N_ROUNDS; round++) {
        uint64_t left = r->cells[(i_thread + 1) % n_threads];
        suan__pool_barrier(r->pool);
        if (left % N_ROUNDS != round - 1) r->n_wrong[i_thread]++;
        r->cells[i_thread] = left + 1;
        suan__pool_barrier(r->pool);
    }
}

static void test_barriers_order_memory(void **state) {
    for (int i = 0; i < N_COUNTS; i++) {
        relay r = {0};
        suan_error err;
        int n = counts[i];
        assert_int_equal(suan__pool_create(&r.pool, n, &err), SUAN_OK);
        assert_int_equal(suan__pool_n_threads(r.pool), n);
        uint64_t before = suan__alloc_count();
        for (int run = 1; run <= 2; run++) {
            suan__pool_run(r.pool, relay_run, &r);
            for (int t = 0; t < n; t++) {
                assert_int_equal(r.n_wrong[t], 0);
                assert_int_equal(r.n_seen[t], run);
                assert_int_equal(r.cells[t], (uint64_t)run * N_ROUNDS);
            }
        }
        assert_int_equal(suan__pool_n_barriers(r.pool), 2 * (2 * N_ROUNDS + 1));
        assert_int_equal(suan__alloc_count(), before);
        suan__pool_free(r.pool);
    }
}

static void add_one(void *ctx, int i_thread, int n_threads) {
    int *cells = ctx;
    cells[i_thread] += n_threads;
}

/* Many short runs, some after the workers have gone to sleep. */
static void test_many_runs(void **state) {
    for (int i = 0; i < N_COUNTS; i++) {
        suan__pool *pool;
        int n = counts[i], cells[8] = {0};
        assert_int_equal(suan__pool_create(&pool, n, NULL), SUAN_OK);
        for (int run = 0; run < 1000; run++) {
            suan__pool_run(pool, add_one, cells);
            if (run % 100 == 0) usleep(1000);
        }
        for (int t = 0; t < 8; t++) assert_int_equal(cells[t], t < n ? 1000 * n : 0);
        assert_int_equal(suan__pool_n_barriers(pool), 1000);
        suan__pool_free(pool);
    }
    suan__pool_free(NULL);
}

static void where_am_i(void *ctx, int i_thread, int n_threads) {
    int *cpus = ctx;
    (void)n_threads;
    cpu_set_t set;
    cpus[i_thread] = -1;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1)
        for (int i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET((size_t)i, &set)) cpus[i_thread] = i;
}

/* Each thread on a processor of its own during a run; the caller's own mask comes back. */
static void test_pinned_threads_keep_apart(void **state) {
    suan__pool *pool;
    suan_error err;
    cpu_set_t before, after;
    int expected[SUAN__MAX_THREADS], cpus[SUAN__MAX_THREADS], n = suan__cpus_order(expected, SUAN__MAX_THREADS, NULL);
    if (n == 0 || sched_getaffinity(0, sizeof before, &before) != 0) skip();
    assert_int_equal(suan__pool_create(&pool, n, &err), SUAN_OK);
    assert_int_equal(suan__pool_pin(pool, &err), SUAN_OK);
    suan__pool_run(pool, where_am_i, cpus);
    for (int i = 0; i < n; i++) assert_int_equal(cpus[i], expected[i]);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    suan__pool_free(pool);
    if (n == SUAN__MAX_THREADS) return;
    assert_int_equal(suan__pool_create(&pool, n + 1, &err), SUAN_OK);
    assert_int_equal(suan__pool_pin(pool, &err), SUAN_EINVAL);
    assert_non_null(strstr(err.message, "cannot be pinned"));
    suan__pool_free(pool);
}

static void test_create_checks_and_defaults(void **state) {
    suan__pool *pool = (suan__pool *)1;
    suan_error err;
    assert_int_equal(suan__pool_create(&pool, -1, &err), SUAN_EINVAL);
    assert_null(pool);
    assert_int_equal(suan__pool_create(&pool, SUAN__MAX_THREADS + 1, &err), SUAN_EINVAL);
    assert_int_equal(suan__pool_create(&pool, 0, &err), SUAN_OK);
    assert_int_equal(suan__pool_n_threads(pool), suan__threads_default());
    suan__pool_free(pool); /* never ran */
    suan__alloc_fail_at(1);
    assert_int_equal(suan__pool_create(&pool, 3, &err), SUAN_ENOMEM);
    suan__alloc_fail_at(0);
    assert_null(pool);
}

static void test_two_pools_live_side_by_side(void **state) {
    suan__pool *a, *b;
    int cells_a[8] = {0}, cells_b[8] = {0};
    assert_int_equal(suan__pool_create(&a, 3, NULL), SUAN_OK);
    assert_int_equal(suan__pool_create(&b, 2, NULL), SUAN_OK);
    for (int i = 0; i < 100; i++) {
        suan__pool_run(a, add_one, cells_a);
        suan__pool_run(b, add_one, cells_b);
    }
    assert_int_equal(cells_a[2], 300);
    assert_int_equal(cells_b[1], 200);
    suan__pool_free(a);
    suan__pool_free(b);
}

/* ---- faults in workers ---- */

typedef struct reader {
    const volatile unsigned char *data;
    size_t page;
    int sum[4];
} reader;

static void read_page(void *ctx, int i_thread, int n_threads) {
    reader *r = ctx;
    (void)n_threads;
    r->sum[i_thread] = r->data[(size_t)i_thread * r->page];
}

static void test_guard_works_in_workers(void **state) {
    scratch s;
    scratch_make(&s);
    reader r = {.page = (size_t)sysconf(_SC_PAGESIZE), .sum = {-1, -1, -1, -1}};
    char *bytes = malloc(4 * r.page);
    memset(bytes, 'x', 4 * r.page);
    suan__file f;
    suan__map m;
    suan__pool *pool;
    assert_int_equal(suan__map_guard_install(NULL), SUAN_OK);
    assert_int_equal(suan__file_open(&f, scratch_write(&s, "f", bytes, 4 * r.page), NULL), SUAN_OK);
    assert_int_equal(suan__map_open(&m, &f, NULL), SUAN_OK);
    assert_int_equal(suan__pool_create(&pool, 4, NULL), SUAN_OK);
    r.data = m.data;
    assert_int_equal(truncate(s.path, (off_t)r.page), 0);
    suan__pool_run(pool, read_page, &r);
    assert_int_equal(r.sum[0], 'x');
    for (int i = 1; i < 4; i++) assert_int_equal(r.sum[i], 0);
    assert_true(suan__map_failed(&m));
    suan__pool_free(pool);
    suan__map_close(&m);
    suan__file_close(&f);
    free(bytes);
    scratch_remove(&s);
}

/* ---- floating point environment ---- */

/* Half of the smallest normal number, times one; zero where subnormals are flushed. The operands are opaque to the compiler. */
static float subnormal(void) {
    volatile float tiny = 0x1p-126f, half = 0.5f;
    return tiny * half;
}

static float third(void) {
    volatile float one = 1.0f, three = 3.0f;
    return one / three;
}

static bool is_subnormal_read(void) {
    volatile uint32_t bits = 1;
    uint32_t copy = bits;
    volatile float f;
    float value;
    memcpy(&value, &copy, sizeof value);
    f = value;
    volatile float big = 0x1p60f;
    return f * big != 0.0f;
}

static uint64_t control_get(void) {
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
    uint64_t v;
    __asm__ volatile("mrs %0, fpcr" : "=r"(v));
    return v;
#else
    return 0;
#endif
}

static void control_set(uint64_t v) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((uint32_t)v);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(v) : "memory");
#endif
}

static uint64_t control_hostile(void) {
#if defined(__x86_64__)
    return 0x1F80 | 1 << 15 | 1 << 6 | 2 << 13; /* flush to zero, denormals are zero, round up */
#elif defined(__aarch64__)
    return (uint64_t)1 << 24 | (uint64_t)1 << 22; /* FZ, round up */
#else
    return 0;
#endif
}

typedef struct seen {
    float subnormals[8], thirds[8];
    bool reads[8];
} seen;

static void look(void *ctx, int i_thread, int n_threads) {
    seen *s = ctx;
    s->subnormals[i_thread] = subnormal();
    s->thirds[i_thread] = third();
    s->reads[i_thread] = is_subnormal_read();
    if (n_threads > 1) control_set(control_hostile()); /* a run that leaves dirt must not reach the next one */
}

static void test_runs_have_the_contract_environment(void **state) {
    if (control_hostile() == 0) skip();
    uint64_t before = control_get();
    for (int i = 0; i < N_COUNTS; i++) {
        suan__pool *pool;
        int n = counts[i];
        control_set(control_hostile()); /* threads inherit it */
        suan_status status = suan__pool_create(&pool, n, NULL);
        seen s[2] = {0};
        if (status == SUAN_OK) suan__pool_run(pool, look, &s[0]);
        if (status == SUAN_OK) suan__pool_run(pool, look, &s[1]);
        uint64_t after = control_get();
        float flushed = subnormal(), up = third();
        bool is_read = is_subnormal_read();
        control_set(before);
        assert_int_equal(status, SUAN_OK);
        for (int k = 0; k < 2 * n; k++) {
            assert_true(s[k % 2].subnormals[k / 2] == 0x1p-127f);
            assert_true(s[k % 2].thirds[k / 2] == 0x1.555556p-2f);
            assert_true(s[k % 2].reads[k / 2]);
        }
        assert_int_equal(after, control_hostile());
        assert_true(flushed == 0.0f); /* or the test could not fail */
        assert_true(up > 0x1.555554p-2f);
        assert_false(is_read);
        suan__pool_free(pool);
    }
}

static void test_enter_and_leave_nest(void **state) {
    if (control_hostile() == 0) skip();
    uint64_t before = control_get();
    control_set(control_hostile());
    uint64_t outer = suan__fp_enter(), inner = suan__fp_enter();
    float inside = subnormal();
    suan__fp_leave(inner);
    float between = subnormal();
    suan__fp_leave(outer);
    uint64_t after = control_get();
    control_set(before);
    assert_true(inside == 0x1p-127f);
    assert_true(between == 0x1p-127f);
    assert_int_equal(after, control_hostile());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barriers_order_memory),
        cmocka_unit_test(test_many_runs),
        cmocka_unit_test(test_pinned_threads_keep_apart),
        cmocka_unit_test(test_create_checks_and_defaults),
        cmocka_unit_test(test_two_pools_live_side_by_side),
        cmocka_unit_test(test_guard_works_in_workers),
        cmocka_unit_test(test_runs_have_the_contract_environment),
        cmocka_unit_test(test_enter_and_leave_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
