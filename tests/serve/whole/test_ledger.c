/* test_ledger.c: the ledger: sums, a killed process, a full disk, a file that is another's. With `--make FILE` it writes a ledger for the tests of `suan usage`. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../base/cmocka_all.h"
#include "../../base/scratch.h"
#include "serve/ledger.h"
#include "suan/log.h"

static suan__ledger_row row_of(const char *id, const char *key, int64_t time_ms) {
    return (suan__ledger_row){.id = id,
                              .key = key,
                              .model = "m",
                              .route = "/v1/chat/completions",
                              .time_ms = time_ms,
                              .status = 200,
                              .n_prompt = 10,
                              .n_cached = 4,
                              .n_completion = 5,
                              .n_reasoning = 2,
                              .queue_seconds = 0.5,
                              .busy_seconds = 0.25,
                              .bytes_read = 1e6,
                              .operations = 2e6,
                              .joules = -1,
                              .cost_nano = 1500,
                              .currency = "EUR"};
}

#define DAY INT64_C(86400000)

/* Three of ann on two days, one of "b=ob" that failed and knows its energy. */
static void fill(const char *path) {
    suan_error err = {0};
    suan__ledger *l;
    if (suan__ledger_open(&l, path, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan__ledger_row rows[] = {row_of("r1", "ann", 20000 * DAY), row_of("r2", "ann", 20000 * DAY + DAY - 1),
                               row_of("r3", "ann", 20001 * DAY), row_of("r4", "=b\"ob", 20001 * DAY)};
    rows[3].status = 400;
    rows[3].joules = 2;
    rows[3].model = "n";
    for (size_t i = 0; i < 4; i++) assert_true(suan__ledger_add(l, &rows[i]));
    suan__ledger_close(&l);
    assert_null(l);
}

typedef struct sums {
    suan__ledger_sum v[16];
    char names[16][64];
    size_t n;
} sums;

static bool keep(void *ctx, const suan__ledger_sum *sum) {
    sums *s = ctx;
    assert_true(s->n < 16);
    snprintf(s->names[s->n], sizeof s->names[0], "%s", sum->group);
    s->v[s->n++] = *sum;
    return true;
}

static sums read_all(const char *path, suan__ledger_query query) {
    suan_error err = {0};
    sums s = {.n = 0};
    if (suan__ledger_read(path, &query, keep, &s, &err) != SUAN_OK) fail_msg("%s", err.message);
    return s;
}

static void test_sums(void **state) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", scratch_path(*state, "ledger.db"));
    fill(path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    sums s = read_all(path, (suan__ledger_query){0});
    assert_int_equal(s.n, 1);
    assert_int_equal(s.v[0].n_requests, 4);
    assert_int_equal(s.v[0].n_failed, 1);
    assert_int_equal(s.v[0].n_prompt, 40);
    assert_int_equal(s.v[0].n_cached, 16);
    assert_int_equal(s.v[0].n_completion, 20);
    assert_int_equal(s.v[0].n_reasoning, 8);
    assert_int_equal(s.v[0].cost_nano, 6000);
    assert_true(s.v[0].joules == 2 && s.v[0].queue_seconds == 2 && s.v[0].busy_seconds == 1);
    s = read_all(path, (suan__ledger_query){.group = SUAN__LEDGER_BY_KEY});
    assert_int_equal(s.n, 2);
    assert_string_equal(s.names[0], "=b\"ob");
    assert_string_equal(s.names[1], "ann");
    assert_int_equal(s.v[1].n_requests, 3);
    assert_true(s.v[1].joules < 0);
    s = read_all(path, (suan__ledger_query){.group = SUAN__LEDGER_BY_DAY});
    assert_int_equal(s.n, 2);
    assert_string_equal(s.names[0], "2024-10-04");
    assert_string_equal(s.names[1], "2024-10-05");
    assert_int_equal(s.v[0].n_requests, 2);
    s = read_all(path, (suan__ledger_query){.from_ms = 20001 * DAY, .to_ms = INT64_MAX, .key = "ann"});
    assert_int_equal(s.v[0].n_requests, 1);
    s = read_all(path, (suan__ledger_query){.group = SUAN__LEDGER_BY_MODEL, .model = "n"});
    assert_int_equal(s.n, 1);
    assert_string_equal(s.names[0], "n");
    /* Opened again, it goes on. */
    suan_error err = {0};
    suan__ledger *l;
    assert_int_equal(suan__ledger_open(&l, path, &err), SUAN_OK);
    suan__ledger_row more = row_of("r5", "ann", 1);
    assert_true(suan__ledger_add(l, &more));
    suan__ledger_close(&l);
    s = read_all(path, (suan__ledger_query){0});
    assert_int_equal(s.v[0].n_requests, 5);
}

static void test_foreign(void **state) {
    char path[PATH_MAX];
    suan_error err = {0};
    suan__ledger *l;
    sums s = {.n = 0};
    suan__ledger_query all = {0};
    snprintf(path, sizeof path, "%s", scratch_path(*state, "absent.db"));
    assert_int_equal(suan__ledger_read(path, &all, keep, &s, &err), SUAN_ENOTFOUND);
    snprintf(path, sizeof path, "%s", scratch_path(*state, "text.db"));
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fprintf(f, "this is no database %d\n", i);
    fclose(f);
    assert_int_equal(suan__ledger_open(&l, path, &err), SUAN_EFORMAT);
    assert_null(l);
    assert_non_null(strstr(err.message, "text.db"));
    assert_int_equal(suan__ledger_read(path, &all, keep, &s, &err), SUAN_EFORMAT);
    static const char *const others[] = {"CREATE TABLE t (x); PRAGMA application_id = 7",
                                         "CREATE TABLE t (x); PRAGMA application_id = 1937072494; PRAGMA user_version = 2"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s", scratch_path(*state, i ? "newer.db" : "other.db"));
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, others[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(suan__ledger_open(&l, path, &err), SUAN_EFORMAT);
    }
    assert_non_null(strstr(err.message, "version 2"));
    snprintf(path, sizeof path, "%s", scratch_path(*state, "none/ledger.db"));
    assert_int_equal(suan__ledger_open(&l, path, &err), SUAN_EIO);
}

/* ---- a killed process ---- */

/* Writes rows as fast as it can and says in shared memory how many are known to be committed. */
static void write_until_killed(const char *path, int round, volatile uint64_t *known) {
    suan__ledger *l;
    if (suan__ledger_open(&l, path, NULL) != SUAN_OK) _exit(1);
    for (uint64_t i = 0;; i++) {
        char id[32];
        snprintf(id, sizeof id, "%d-%llu", round, (unsigned long long)i);
        suan__ledger_row row = row_of(id, "k", 1);
        uint64_t waiting, lost;
        if (!suan__ledger_add(l, &row)) usleep(1000);
        suan__ledger_counts(l, (uint64_t *)known, &waiting, &lost);
    }
}

static int64_t count_rows(const char *path) {
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM requests", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void test_killed(void **state) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", scratch_path(*state, "killed.db"));
    volatile uint64_t *known = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(known != MAP_FAILED);
    int64_t before = 0;
    for (int round = 0; round < 12; round++) {
        *known = 0;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) write_until_killed(path, round, known);
        while (*known == 0) usleep(1000);
        usleep((useconds_t)(round * 1700));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        int64_t rows = count_rows(path);
        assert_true(rows >= before + (int64_t)*known);
        before = rows;
    }
    munmap((void *)known, 4096);
}

/* ---- a full disk ---- */

/* What the log said last, of errors. */
static char logged[512];
static void take_log(void *ctx, suan_log_level level, const char *message) {
    if (level == SUAN_LOG_ERROR) snprintf(logged, sizeof logged, "%s", message);
}

static void test_full_disk(void **state) {
    char path[PATH_MAX];
    suan_error err = {0};
    suan__ledger *l;
    uint64_t written, waiting, lost;
    snprintf(path, sizeof path, "%s", scratch_path(*state, "full.db"));
    suan_log_set(take_log, NULL, SUAN_LOG_INFO);
    assert_int_equal(suan__ledger_open(&l, path, &err), SUAN_OK);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small = {.rlim_cur = 4096};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 50; i++) {
        char id[32];
        snprintf(id, sizeof id, "f%d", i);
        suan__ledger_row row = row_of(id, "k", 1);
        assert_true(suan__ledger_add(l, &row));
    }
    usleep(200000);
    suan__ledger_counts(l, &written, &waiting, &lost);
    assert_true(waiting > 0);
    assert_int_equal(written + waiting, 50);
    assert_int_equal(lost, 0);
    setrlimit(RLIMIT_FSIZE, &old);
    suan__ledger_close(&l);
    suan_log_set(NULL, NULL, SUAN_LOG_NONE);
    assert_non_null(strstr(logged, "rows wait"));
    assert_null(strstr(logged, "not an error")); /* the reason is that of the refusal */
    assert_int_equal(count_rows(path), 50);
}

/* Two servers with one ledger. */
static void *add_hundred(void *ctx) {
    suan__ledger *l;
    const char *path = ctx;
    static int which;
    int me = __sync_fetch_and_add(&which, 1);
    if (suan__ledger_open(&l, path, NULL) != SUAN_OK) return NULL;
    for (int i = 0; i < 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "t%d-%d", me, i);
        suan__ledger_row row = row_of(id, "k", 1);
        if (!suan__ledger_add(l, &row)) return NULL;
    }
    suan__ledger_close(&l);
    return ctx;
}

static void test_shared(void **state) {
    char path[PATH_MAX];
    pthread_t threads[4];
    snprintf(path, sizeof path, "%s", scratch_path(*state, "shared.db"));
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, add_hundred, path);
    for (int i = 0; i < 4; i++) {
        void *ended;
        pthread_join(threads[i], &ended);
        assert_non_null(ended);
    }
    assert_int_equal(count_rows(path), 400);
}

static int set_up(void **state) {
    static scratch s;
    scratch_make(&s);
    *state = &s;
    return 0;
}

static int tear_down(void **state) {
    scratch_remove(*state);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--make") == 0) {
        fill(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_foreign), cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_full_disk), cmocka_unit_test(test_shared)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
