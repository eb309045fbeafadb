/* ledger.c: rows on their way into the database. */
#include "serve/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/ledger_schema.h"

#define RETRY_SECONDS 1
#define CLOSE_SECONDS 5
#define BUSY_MS 2000

typedef struct waiting {
    struct waiting *next;
    suan__ledger_row row; /* its strings stand behind */
} waiting;

struct suan__ledger {
    sqlite3 *db; /* the writer's */
    sqlite3_stmt *insert;
    char *path;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    waiting *first, **end;
    uint64_t n_waiting, n_written, n_lost;
    bool closing, has_thread, is_refused; /* refused: the last try to write failed */
    double close_by;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the database ---- */

static suan_status open_database(suan__ledger *l, suan_error *err) {
    /* The file is made here, so that nobody else may read it even for a moment. */
    int fd = open(l->path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    SUAN_CHECK(fd >= 0, SUAN_EIO, "%s: cannot open the ledger: %s", l->path, strerror(errno));
    close(fd);
    int rc = sqlite3_open_v2(l->path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    SUAN_CHECK(rc == SQLITE_OK, SUAN_EIO, "%s: cannot open the ledger: %s", l->path, l->db ? sqlite3_errmsg(l->db) : sqlite3_errstr(rc));
    sqlite3_busy_timeout(l->db, BUSY_MS);
    SUAN_TRY(suan__ledger_check(l->db, l->path, true, err));
    rc = sqlite3_exec(l->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(l->db, SUAN__LEDGER_INSERT, -1, &l->insert, NULL);
    SUAN_CHECK(rc == SQLITE_OK, SUAN_EIO, "%s: cannot use the ledger: %s", l->path, sqlite3_errmsg(l->db));
    return SUAN_OK;
}

static int bind_row(sqlite3_stmt *s, const suan__ledger_row *r) {
    const char *texts[] = {r->id, r->key, r->model, r->route, r->currency};
    const int64_t integers[] = {r->time_ms, r->status, r->n_prompt, r->n_cached, r->n_completion, r->n_reasoning, r->cost_nano};
    const double reals[] = {r->queue_seconds, r->prompt_seconds, r->decode_seconds, r->busy_seconds, r->bytes_read, r->operations};
    int at = 1, rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_text(s, at++, texts[i], -1, SQLITE_STATIC);
    for (size_t i = 0; i < sizeof integers / sizeof *integers && rc == SQLITE_OK; i++) rc = sqlite3_bind_int64(s, at++, integers[i]);
    for (size_t i = 0; i < sizeof reals / sizeof *reals && rc == SQLITE_OK; i++) rc = sqlite3_bind_double(s, at++, reals[i]);
    if (rc == SQLITE_OK) rc = r->joules < 0 ? sqlite3_bind_null(s, at) : sqlite3_bind_double(s, at, r->joules);
    return rc;
}

/* All rows of the list in one transaction: all or none. */
static int write_rows(suan__ledger *l, const waiting *first) {
    int rc = sqlite3_exec(l->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK) return rc;
    for (const waiting *w = first; w && rc == SQLITE_OK; w = w->next) {
        rc = bind_row(l->insert, &w->row);
        if (rc == SQLITE_OK) rc = sqlite3_step(l->insert);
        if (rc == SQLITE_DONE) rc = SQLITE_OK;
        sqlite3_reset(l->insert);
    }
    if (rc == SQLITE_OK) rc = sqlite3_exec(l->db, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(l->db)) sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* ---- the writer ---- */

static void free_rows(waiting *first) {
    for (waiting *next; first; first = next) {
        next = first->next;
        suan__free(first);
    }
}

/* Tells of a refusal, and of its end, once each. */
static void tell(suan__ledger *l, int rc, uint64_t n) {
    if (rc != SQLITE_OK && !l->is_refused)
        suan__log_message(SUAN_LOG_ERROR, "ledger %s: %s; %llu rows wait and are tried again", l->path, sqlite3_errstr(rc),
                          (unsigned long long)n); /* the database's own message is that of the rollback */
    if (rc == SQLITE_OK && l->is_refused) suan__log_message(SUAN_LOG_INFO, "ledger %s: written again", l->path);
    l->is_refused = rc != SQLITE_OK;
}

/* With the lock held: for a row, for the end, or (after a refusal) for a second. */
static void wait_for_rows(suan__ledger *l) {
    if (l->is_refused && !l->closing) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += RETRY_SECONDS;
        pthread_cond_timedwait(&l->wake, &l->lock, &until);
    }
    while (!l->first && !l->closing) pthread_cond_wait(&l->wake, &l->lock);
}

static void *writer(void *ctx) {
    suan__ledger *l = ctx;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        wait_for_rows(l);
        if (!l->first) break;
        if (l->closing && l->is_refused && now() > l->close_by) break;
        waiting *rows = l->first, **end = l->end;
        uint64_t n = l->n_waiting;
        l->first = NULL;
        l->end = &l->first;
        pthread_mutex_unlock(&l->lock);
        int rc = write_rows(l, rows);
        if (rc == SQLITE_OK) free_rows(rows);
        if (rc != SQLITE_OK && l->closing) usleep(100000);
        pthread_mutex_lock(&l->lock);
        tell(l, rc, n);
        if (rc == SQLITE_OK) {
            l->n_written += n;
            l->n_waiting -= n;
        } else { /* back in front of what came meanwhile */
            *end = l->first;
            if (l->first == NULL) l->end = end;
            l->first = rows;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- for the others ---- */

suan_status suan__ledger_open(suan__ledger **ledger, const char *path, suan_error *err) {
    suan_status status = SUAN_OK;
    *ledger = NULL;
    suan__ledger *l = suan__calloc(1, sizeof *l);
    SUAN_CHECK(l, SUAN_ENOMEM, "out of memory for a ledger");
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    l->end = &l->first;
    l->path = suan__strndup(path, strlen(path));
    SUAN_CHECK_GOTO(l->path, SUAN_ENOMEM, "out of memory for a ledger");
    SUAN_TRY_GOTO(open_database(l, err));
    int rc = pthread_create(&l->thread, NULL, writer, l);
    SUAN_CHECK_GOTO(rc == 0, SUAN_ENOMEM, "%s: no thread for the ledger: %s", path, strerror(rc));
    l->has_thread = true;
    *ledger = l;
    return SUAN_OK;
fail:
    suan__ledger_close(&l);
    return status;
}

void suan__ledger_close(suan__ledger **ledger) {
    suan__ledger *l = *ledger;
    *ledger = NULL;
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    l->close_by = now() + CLOSE_SECONDS;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    if (l->has_thread) pthread_join(l->thread, NULL);
    if (l->first) suan__log_message(SUAN_LOG_ERROR, "ledger %s: %llu rows are lost", l->path, (unsigned long long)l->n_waiting);
    free_rows(l->first);
    sqlite3_finalize(l->insert);
    sqlite3_close(l->db);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    suan__free(l->path);
    suan__free(l);
}

static char *put_text(char **at, const char *text) {
    char *to = *at;
    size_t n = strlen(text) + 1;
    memcpy(to, text, n);
    *at += n;
    return to;
}

static waiting *copy_row(const suan__ledger_row *row) {
    size_t n = strlen(row->id) + strlen(row->key) + strlen(row->model) + strlen(row->route) + strlen(row->currency) + 5;
    waiting *w = suan__malloc(sizeof *w + n);
    if (!w) return NULL;
    char *at = (char *)(w + 1);
    w->next = NULL;
    w->row = *row;
    w->row.id = put_text(&at, row->id);
    w->row.key = put_text(&at, row->key);
    w->row.model = put_text(&at, row->model);
    w->row.route = put_text(&at, row->route);
    w->row.currency = put_text(&at, row->currency);
    return w;
}

bool suan__ledger_add(suan__ledger *l, const suan__ledger_row *row) {
    waiting *w = copy_row(row);
    pthread_mutex_lock(&l->lock);
    bool is_taken = w && l->n_waiting < SUAN__LEDGER_MAX_WAITING;
    if (is_taken) {
        *l->end = w;
        l->end = &w->next;
        l->n_waiting++;
        pthread_cond_signal(&l->wake);
    } else {
        l->n_lost++;
    }
    uint64_t n_lost = l->n_lost;
    pthread_mutex_unlock(&l->lock);
    if (is_taken) return true;
    suan__free(w);
    suan__log_message(SUAN_LOG_ERROR, "ledger %s: the row of request %s is lost (%llu so far)", l->path, row->id,
                      (unsigned long long)n_lost);
    return false;
}

void suan__ledger_counts(suan__ledger *l, uint64_t *written, uint64_t *n_waiting, uint64_t *lost) {
    pthread_mutex_lock(&l->lock);
    *written = l->n_written;
    *n_waiting = l->n_waiting;
    *lost = l->n_lost;
    pthread_mutex_unlock(&l->lock);
}
