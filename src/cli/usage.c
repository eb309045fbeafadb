/* usage.c: suan usage: what requests to a server cost, summed up from its ledger. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "serve/ledger.h"
#include "serve/state.h"

#define NANO 1e9

typedef struct usage_options {
    const char *ledger, *since, *until, *key, *model;
    int by;
    bool is_json, is_csv;
} usage_options;

/* Where the sums go, and the sum of all of one currency. */
typedef struct report {
    const usage_options *o;
    json_t *list;
    suan__buf table;
    size_t n;
    bool failed;
} report;

/* ---- days ---- */

/* Days from 1970-01-01 to a date of the Gregorian calendar, counted in eras of 400 years that begin in March. */
static int64_t days_before(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = year / 400, of_era = year % 400, of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool digits(const char *s, int n, int *value) {
    *value = 0;
    for (int i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        *value = *value * 10 + (s[i] - '0');
    }
    return true;
}

/* "2026-01-31" (its beginning, UTC) in milliseconds since 1970. */
static bool read_day(const char *text, int64_t *ms) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || !digits(text, 4, &year) || !digits(text + 5, 2, &month) ||
        !digits(text + 8, 2, &day))
        return false;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (month == 2 && is_leap)) return false;
    *ms = days_before(year, month, day) * 86400000;
    return true;
}

/* ---- rows ---- */

static const char *const group_names[] = {"all", "key", "day", "model", "route"};

static bool add_json(report *r, const suan__ledger_sum *s) {
    json_t *row = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o, s:f, s:s}", group_names[r->o->by], s->group, "requests",
        (json_int_t)s->n_requests, "failed", (json_int_t)s->n_failed, "prompt_tokens", (json_int_t)s->n_prompt, "cached_tokens",
        (json_int_t)s->n_cached, "completion_tokens", (json_int_t)s->n_completion, "reasoning_tokens", (json_int_t)s->n_reasoning,
        "queue_seconds", s->queue_seconds, "busy_seconds", s->busy_seconds, "bytes_read", s->bytes_read, "operations", s->operations,
        "joules", s->joules < 0 ? json_null() : json_real(s->joules), "cost", (double)s->cost_nano / NANO, "currency", s->currency);
    return row && json_array_append_new(r->list, row) == 0;
}

/* A cell of a CSV file; names that begin like a formula get a quote in front of them, since spreadsheets would compute them. */
static void add_cell(suan__buf *b, const char *text) {
    suan__buf_append(b, "\"", 1);
    if (*text && strchr("=+-@\t\r", *text)) suan__buf_append(b, "'", 1);
    for (; *text; text++) suan__buf_append(b, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    suan__buf_append(b, "\"", 1);
}

static void add_csv(suan__buf *b, const suan__ledger_sum *s) {
    add_cell(b, s->group);
    suan__buf_printf(b, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.3f,%.3f,%.0f,%.0f,", s->n_requests,
                     s->n_failed, s->n_prompt, s->n_cached, s->n_completion, s->n_reasoning, s->queue_seconds, s->busy_seconds,
                     s->bytes_read, s->operations);
    if (s->joules >= 0) suan__buf_printf(b, "%.1f", s->joules);
    suan__buf_printf(b, ",%.9f,", (double)s->cost_nano / NANO);
    add_cell(b, s->currency);
    suan__buf_append(b, "\n", 1);
}

static void add_line(suan__buf *b, const suan__ledger_sum *s) {
    char joules[32] = "-", cost[64] = "-";
    if (s->joules >= 0) snprintf(joules, sizeof joules, "%.0f", s->joules);
    if (s->cost_nano || *s->currency) snprintf(cost, sizeof cost, "%.4f %s", (double)s->cost_nano / NANO, s->currency);
    size_t n = 0;
    char *shown = cli_visible(*s->group ? s->group : "-", strlen(*s->group ? s->group : "-"), &n);
    suan__buf_printf(b, "%-24s %9" PRIu64 " %7" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %10.1f %9s  %s\n",
                     shown ? shown : "?", s->n_requests, s->n_failed, s->n_prompt, s->n_cached, s->n_completion, s->n_reasoning,
                     s->busy_seconds, joules, cost);
    suan__free(shown);
}

static bool on_sum(void *ctx, const suan__ledger_sum *sum) {
    report *r = ctx;
    r->n++;
    if (r->o->is_json)
        r->failed = !add_json(r, sum);
    else if (r->o->is_csv)
        add_csv(&r->table, sum);
    else
        add_line(&r->table, sum);
    r->failed = r->failed || r->table.failed;
    return !r->failed;
}

/* ---- the command ---- */

static void add_head(report *r) {
    if (r->o->is_csv)
        suan__buf_printf(&r->table,
                         "%s,requests,failed,prompt_tokens,cached_tokens,completion_tokens,reasoning_tokens,queue_seconds,busy_seconds,"
                         "bytes_read,operations,joules,cost,currency\n",
                         group_names[r->o->by]);
    else if (!r->o->is_json)
        suan__buf_printf(&r->table, "%-24s %9s %7s %12s %12s %12s %12s %10s %9s  %s\n", r->o->by ? group_names[r->o->by] : "", "requests",
                         "failed", "prompt", "cached", "completion", "reasoning", "busy s", "joules", "cost");
}

static int put_report(report *r) {
    if (r->failed) return cli_failf("usage", "out of memory");
    if (r->o->is_json) {
        cli_put_json(json_pack("{s:O}", "usage", r->list));
    } else {
        cli_put(r->table.data, r->table.n);
        if (!r->n) cli_note("no requests");
    }
    return cli_output_exit();
}

static int usage(const usage_options *o, const suan__ledger_query *query) {
    suan_error err = {0};
    char *path = NULL;
    report r = {.o = o, .list = json_array()};
    suan_status status = r.list ? SUAN_OK : suan__fail(&err, SUAN_ENOMEM, "out of memory");
    add_head(&r);
    if (status == SUAN_OK && !o->ledger) status = suan__state_path(&path, "ledger.db", false, &err);
    if (status == SUAN_OK) status = suan__ledger_read(o->ledger ? o->ledger : path, query, on_sum, &r, &err);
    int exit_status = status == SUAN_OK ? put_report(&r) : cli_fail("usage", &err);
    suan__free(path);
    suan__buf_fini(&r.table);
    json_decref(r.list);
    return exit_status;
}

static int usage_main(const cli_command *command, int argc, char **argv) {
    usage_options o = {0};
    /* clang-format off */
    const cli_option options[] = {
        CLI_TEXT(0, "ledger", &o.ledger, "FILE", "the ledger; without it ledger.db in the state directory, where suan serve keeps it"),
        CLI_CHOICE(0, "by", &o.by, "all|key|day|model|route", "one line for each (days are those of UTC)"),
        CLI_TEXT(0, "since", &o.since, "DATE", "requests from this day on (2026-01-31)"),
        CLI_TEXT(0, "until", &o.until, "DATE", "requests to this day, which is included"),
        CLI_TEXT(0, "key", &o.key, "NAME", "requests of this API key"),
        CLI_TEXT(0, "model", &o.model, "NAME", "requests for this model"),
        CLI_FLAG(0, "json", &o.is_json, "print one JSON object {\"usage\": [...]}"),
        CLI_FLAG(0, "csv", &o.is_csv, "print CSV with a line of names"),
        CLI_END};
    /* clang-format on */
    cli_texts words = {0};
    cli_parsed parsed = cli_parse(command, options, argc, argv, &words, 0);
    int status = cli_parsed_exit(parsed);
    suan__ledger_query query = {.group = (suan__ledger_group)o.by, .to_ms = INT64_MAX, .key = o.key, .model = o.model};
    if (parsed == CLI_PARSED_OK && o.is_json && o.is_csv) {
        status = cli_usage_error(command, "--json and --csv exclude each other");
    } else if (parsed == CLI_PARSED_OK && o.since && !read_day(o.since, &query.from_ms)) {
        status = cli_usage_error(command, "--since is \"%s\", expected a day like 2026-01-31", o.since);
    } else if (parsed == CLI_PARSED_OK && o.until && !read_day(o.until, &query.to_ms)) {
        status = cli_usage_error(command, "--until is \"%s\", expected a day like 2026-01-31", o.until);
    } else if (parsed == CLI_PARSED_OK) {
        if (o.until) query.to_ms += 86400000;
        status = usage(&o, &query);
    }
    cli_texts_fini(&words);
    return status;
}

const cli_command cli_command_usage = {"usage", "[options]", "Sums up what requests to a server cost: tokens, time, energy and money", NULL,
                                       usage_main};
