/* ledger_read.c: the ledger's table, and sums over it. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "serve/ledger.h"
#include "serve/ledger_schema.h"

#define BUSY_MS 5000

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS requests ("
    " id TEXT PRIMARY KEY, key TEXT NOT NULL, model TEXT NOT NULL, route TEXT NOT NULL, currency TEXT NOT NULL,"
    " time_ms INTEGER NOT NULL, status INTEGER NOT NULL, n_prompt INTEGER NOT NULL, n_cached INTEGER NOT NULL,"
    " n_completion INTEGER NOT NULL, n_reasoning INTEGER NOT NULL, cost_nano INTEGER NOT NULL, queue_seconds REAL NOT NULL,"
    " prompt_seconds REAL NOT NULL, decode_seconds REAL NOT NULL, busy_seconds REAL NOT NULL, bytes_read REAL NOT NULL,"
    " operations REAL NOT NULL, joules REAL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS requests_by_time ON requests (time_ms);"
    "PRAGMA application_id = 1937072494; PRAGMA user_version = 1;"
    "COMMIT";

/* A pragma's number; false: it cannot be read. */
static bool get_number(sqlite3 *db, const char *sql, int64_t *n) {
    sqlite3_stmt *s = NULL;
    bool is_good = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW;
    if (is_good) *n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return is_good;
}

suan_status suan__ledger_check(sqlite3 *db, const char *path, bool make, suan_error *err) {
    int64_t application = 0, version = 0, tables = 0;
    /* One transaction: another server may be making the ledger at this moment. */
    bool is_read = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK && get_number(db, "PRAGMA application_id", &application) &&
                   get_number(db, "PRAGMA user_version", &version) && get_number(db, "SELECT count(*) FROM sqlite_master", &tables) &&
                   sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    SUAN_CHECK(is_read, sqlite3_errcode(db) == SQLITE_NOTADB || sqlite3_errcode(db) == SQLITE_CORRUPT ? SUAN_EFORMAT : SUAN_EIO,
               "%s: cannot read the ledger: %s", path, sqlite3_errmsg(db));
    if (application == 0 && version == 0 && tables == 0) {
        SUAN_CHECK(!make || sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK, SUAN_EIO, "%s: cannot make the ledger: %s", path,
                   sqlite3_errmsg(db));
        return SUAN_OK;
    }
    SUAN_CHECK(application == SUAN__LEDGER_APPLICATION, SUAN_EFORMAT, "%s: this database is no ledger of suan", path);
    SUAN_CHECK(version == SUAN__LEDGER_VERSION, SUAN_EFORMAT, "%s: the ledger has version %lld, expected %d", path, (long long)version,
               SUAN__LEDGER_VERSION);
    return SUAN_OK;
}

/* ---- sums ---- */

static const char *const groups[] = {"''", "key", "strftime('%Y-%m-%d', time_ms / 1000, 'unixepoch')", "model", "route"};

static bool build_query(suan__buf *b, const suan__ledger_query *q) {
    suan__buf_printf(b,
                     "SELECT %s AS g, currency, count(*), sum(status >= 400), sum(n_prompt), sum(n_cached), sum(n_completion),"
                     " sum(n_reasoning), sum(queue_seconds), sum(busy_seconds), sum(bytes_read), sum(operations), sum(joules),"
                     " sum(cost_nano) FROM requests WHERE (?1 = 0 AND ?2 = 0 OR time_ms >= ?1 AND time_ms < ?2)"
                     " AND (?3 IS NULL OR key = ?3) AND (?4 IS NULL OR model = ?4) GROUP BY g, currency ORDER BY g, currency",
                     groups[q->group]);
    return !b->failed;
}

static suan__ledger_sum sum_of(sqlite3_stmt *s) {
    const char *group = (const char *)sqlite3_column_text(s, 0), *currency = (const char *)sqlite3_column_text(s, 1);
    return (suan__ledger_sum){
        .group = group ? group : "",
        .currency = currency ? currency : "",
        .n_requests = (uint64_t)sqlite3_column_int64(s, 2),
        .n_failed = (uint64_t)sqlite3_column_int64(s, 3),
        .n_prompt = (uint64_t)sqlite3_column_int64(s, 4),
        .n_cached = (uint64_t)sqlite3_column_int64(s, 5),
        .n_completion = (uint64_t)sqlite3_column_int64(s, 6),
        .n_reasoning = (uint64_t)sqlite3_column_int64(s, 7),
        .queue_seconds = sqlite3_column_double(s, 8),
        .busy_seconds = sqlite3_column_double(s, 9),
        .bytes_read = sqlite3_column_double(s, 10),
        .operations = sqlite3_column_double(s, 11),
        .joules = sqlite3_column_type(s, 12) == SQLITE_NULL ? -1 : sqlite3_column_double(s, 12),
        .cost_nano = sqlite3_column_int64(s, 13),
    };
}

static suan_status read_sums(sqlite3 *db, const char *path, const suan__ledger_query *q, suan__ledger_fn *fn, void *ctx, suan_error *err) {
    suan__buf sql = {0};
    sqlite3_stmt *s = NULL;
    int64_t tables = 0;
    if (!get_number(db, "SELECT count(*) FROM sqlite_master", &tables) || tables == 0) return SUAN_OK; /* empty: no server has begun yet */
    SUAN_CHECK(build_query(&sql, q), SUAN_ENOMEM, "out of memory");
    int rc = sqlite3_prepare_v2(db, sql.data, -1, &s, NULL);
    suan__buf_fini(&sql);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, q->from_ms);
        sqlite3_bind_int64(s, 2, q->to_ms);
        if (q->key) sqlite3_bind_text(s, 3, q->key, -1, SQLITE_STATIC);
        if (q->model) sqlite3_bind_text(s, 4, q->model, -1, SQLITE_STATIC);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            suan__ledger_sum sum = sum_of(s);
            if (!fn(ctx, &sum)) break;
        }
    }
    suan_status status = rc == SQLITE_DONE || rc == SQLITE_ROW
                             ? SUAN_OK
                             : suan__fail(err, SUAN_EIO, "%s: cannot read the ledger: %s", path, sqlite3_errmsg(db));
    sqlite3_finalize(s);
    return status;
}

suan_status suan__ledger_read(const char *path, const suan__ledger_query *query, suan__ledger_fn *fn, void *ctx, suan_error *err) {
    sqlite3 *db = NULL;
    SUAN_CHECK(suan__path_exists(path), SUAN_ENOTFOUND, "%s: there is no ledger", path);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    suan_status status =
        rc == SQLITE_OK ? SUAN_OK
                        : suan__fail(err, SUAN_EIO, "%s: cannot open the ledger: %s", path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    if (status == SUAN_OK) sqlite3_busy_timeout(db, BUSY_MS);
    if (status == SUAN_OK) status = suan__ledger_check(db, path, false, err);
    if (status == SUAN_OK) status = read_sums(db, path, query, fn, ctx, err);
    sqlite3_close(db);
    return status;
}
