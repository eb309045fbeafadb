/* ledger_schema.h: the ledger's table, for who writes and who reads it. */
#ifndef SUAN_SERVE_LEDGER_SCHEMA_H
#define SUAN_SERVE_LEDGER_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

#include "suan/status.h"

#define SUAN__LEDGER_APPLICATION 0x7375616e /* "suan" */
#define SUAN__LEDGER_VERSION 1

#define SUAN__LEDGER_INSERT                                                                                                   \
    "INSERT INTO requests (id, key, model, route, currency, time_ms, status, n_prompt, n_cached, n_completion, n_reasoning, " \
    "cost_nano, queue_seconds, prompt_seconds, decode_seconds, busy_seconds, bytes_read, operations, joules) VALUES "         \
    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"

/* Whether the database is a ledger of this version; an empty one becomes it (make), or is one without rows. SUAN_EFORMAT: it is another's, or newer. */
suan_status suan__ledger_check(sqlite3 *db, const char *path, bool make, suan_error *err);

#endif
