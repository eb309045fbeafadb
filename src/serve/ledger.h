/* ledger.h: what each request cost, kept in an SQLite database.
 *
 * A row is written for every request for a model that was let in, whatever became of it. Rows are handed to a writer thread, so no answer waits for a disk; it commits them as soon as
 * they come. The database is in WAL mode: a killed process leaves every row that was committed. While the disk refuses, rows wait in memory and are tried again.
 */
#ifndef SUAN_SERVE_LEDGER_H
#define SUAN_SERVE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/status.h"

typedef struct suan__ledger suan__ledger;

/* Strings are borrowed for the call. */
typedef struct suan__ledger_row {
    const char *id;                                         /* of the request; one row each */
    const char *key;                                        /* name of the API key, "" without keys */
    const char *model;                                      /* as the server calls it */
    const char *route;                                      /* pattern of the path */
    int64_t time_ms;                                        /* when it came, milliseconds since 1970 */
    int status;                                             /* of HTTP; 499 where the client left first */
    uint32_t n_prompt, n_cached, n_completion, n_reasoning; /* tokens; cached: of the prompt; reasoning: of the completion */
    double queue_seconds, prompt_seconds, decode_seconds, busy_seconds;
    double bytes_read, operations;
    double joules;     /* below 0: unknown */
    int64_t cost_nano; /* 1e-9 of the currency */
    const char *currency;
} suan__ledger_row;

/* Opens the database at `path`, made where there is none (mode 0600), and starts the writer. SUAN_EFORMAT: the file is another's; SUAN_EIO. */
suan_status suan__ledger_open(suan__ledger **ledger, const char *path, suan_error *err);
/* Writes what waits (for five seconds at most), then closes. NULL is fine. */
void suan__ledger_close(suan__ledger **ledger);
/* Any thread; never waits for the disk. false: the row is lost (memory is out, or SUAN__LEDGER_MAX_WAITING rows wait already); that is logged and counted. */
bool suan__ledger_add(suan__ledger *ledger, const suan__ledger_row *row);
#define SUAN__LEDGER_MAX_WAITING 100000
/* Rows written, waiting and lost since it was opened. */
void suan__ledger_counts(suan__ledger *ledger, uint64_t *written, uint64_t *waiting, uint64_t *lost);

/* ---- sums ---- */

typedef enum suan__ledger_group {
    SUAN__LEDGER_ALL = 0,
    SUAN__LEDGER_BY_KEY,
    SUAN__LEDGER_BY_DAY,
    SUAN__LEDGER_BY_MODEL,
    SUAN__LEDGER_BY_ROUTE
} suan__ledger_group;

typedef struct suan__ledger_query {
    suan__ledger_group group;
    int64_t from_ms, to_ms;  /* from <= time < to; both 0: all */
    const char *key, *model; /* NULL: all */
} suan__ledger_query;

typedef struct suan__ledger_sum {
    const char *group;             /* key, day ("2026-01-31", UTC), model or route; "" for all */
    const char *currency;          /* sums of different currencies are not mixed */
    uint64_t n_requests, n_failed; /* failed: a status of 400 and more */
    uint64_t n_prompt, n_cached, n_completion, n_reasoning;
    double queue_seconds, busy_seconds, bytes_read, operations;
    double joules; /* below 0: unknown for all of them */
    int64_t cost_nano;
} suan__ledger_sum;

typedef bool suan__ledger_fn(void *ctx, const suan__ledger_sum *sum); /* borrowed; false: stop */

/* Reads a ledger, also while a server writes it. Groups ascend. SUAN_ENOTFOUND: there is none at `path`. */
suan_status suan__ledger_read(const char *path, const suan__ledger_query *query, suan__ledger_fn *fn, void *ctx, suan_error *err);

#endif
