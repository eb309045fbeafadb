/* metrics.c: counters, histograms, and their text (Prometheus text format 0.0.4). */
#include "serve/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serve/http.h"
#include "serve/ledger.h"
#include "serve/own.h"

#define MAX_ROUTES 128
#define MAX_BUCKETS 16

static const int statuses[] = {200, 204, 304, 400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 429, 431, 499, 500, 503};
#define N_STATUSES (sizeof statuses / sizeof *statuses)

typedef struct histogram {
    const char *name, *help;
    double bounds[MAX_BUCKETS]; /* ascending; 0 behind the last */
    uint64_t counts[MAX_BUCKETS + 1];
    double sum;
} histogram;

enum { REQUEST_SECONDS, FIRST_TOKEN, PER_TOKEN, QUEUE_SECONDS, N_HISTOGRAMS };

struct suan__metrics {
    pthread_mutex_t lock;
    uint64_t requests[MAX_ROUTES + 1][N_STATUSES + 1]; /* the last row: no route; the last column: other statuses */
    histogram histograms[N_HISTOGRAMS];
    uint64_t reasoning_tokens;
};

static const histogram empty[N_HISTOGRAMS] = {
    [REQUEST_SECONDS] = {"suan_request_duration_seconds",
                         "Time from a request's head to the end of its reply.",
                         {.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}},
    [FIRST_TOKEN] = {"suan_time_to_first_token_seconds",
                     "Time from a request's submission to the end of its prompt.",
                     {.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}},
    [PER_TOKEN] = {"suan_time_per_output_token_seconds",
                   "Time for each token of an answer behind its first.",
                   {.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .5, 1, 2.5}},
    [QUEUE_SECONDS] = {"suan_request_queue_seconds",
                       "Time that requests waited before their first step.",
                       {.001, .005, .01, .05, .1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}},
};

suan__metrics *suan__metrics_create(void) {
    suan__metrics *m = suan__calloc(1, sizeof *m);
    if (!m) return NULL;
    pthread_mutex_init(&m->lock, NULL);
    memcpy(m->histograms, empty, sizeof empty);
    return m;
}

void suan__metrics_free(suan__metrics *m) {
    if (!m) return;
    pthread_mutex_destroy(&m->lock);
    suan__free(m);
}

static void observe(histogram *h, double value) {
    size_t i = 0;
    while (i < MAX_BUCKETS && h->bounds[i] > 0 && value > h->bounds[i]) i++;
    h->counts[i]++;
    h->sum += value;
}

static size_t route_index(const suan__route *route) {
    const suan__route *r;
    for (size_t i = 0; i < MAX_ROUTES && (r = suan__route_at(i)); i++)
        if (r == route) return i;
    return MAX_ROUTES;
}

void suan__metrics_request(suan__metrics *m, const suan__route *route, int status, double seconds) {
    if (!m) return;
    size_t i_route = route ? route_index(route) : MAX_ROUTES, i_status = 0;
    while (i_status < N_STATUSES && statuses[i_status] != status) i_status++;
    pthread_mutex_lock(&m->lock);
    m->requests[i_route][i_status]++;
    observe(&m->histograms[REQUEST_SECONDS], seconds);
    pthread_mutex_unlock(&m->lock);
}

void suan__metrics_usage(suan__metrics *m, const suan_usage *usage, uint32_t n_reasoning) {
    if (!m) return;
    pthread_mutex_lock(&m->lock);
    observe(&m->histograms[QUEUE_SECONDS], usage->queue_seconds);
    if (usage->n_completion > 0) observe(&m->histograms[FIRST_TOKEN], usage->queue_seconds + usage->prompt_seconds);
    if (usage->n_completion > 1) observe(&m->histograms[PER_TOKEN], usage->decode_seconds / (usage->n_completion - 1));
    m->reasoning_tokens += n_reasoning;
    pthread_mutex_unlock(&m->lock);
}

/* ---- text ---- */

static void head(suan__buf *b, const char *name, const char *type, const char *help) {
    suan__buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void value(suan__buf *b, const char *name, const char *type, const char *help, double v) {
    head(b, name, type, help);
    suan__buf_printf(b, "%s %.15g\n", name, v);
}

static void requests_text(const suan__metrics *m, suan__buf *b) {
    head(b, "suan_requests_total", "counter", "Requests by route and status.");
    for (size_t i = 0; i <= MAX_ROUTES; i++) {
        const suan__route *route = i < MAX_ROUTES ? suan__route_at(i) : NULL;
        if (!route && i < MAX_ROUTES) i = MAX_ROUTES;
        for (size_t j = 0; j <= N_STATUSES; j++) {
            char status[16] = "other";
            if (m->requests[i][j] == 0) continue;
            if (j < N_STATUSES) snprintf(status, sizeof status, "%d", statuses[j]);
            suan__buf_printf(b, "suan_requests_total{method=\"%s\",route=\"%s\",interface=\"%s\",status=\"%s\"} %llu\n",
                             route ? route->method : "", route ? route->path : "none", route ? route->dialect->name : "", status,
                             (unsigned long long)m->requests[i][j]);
        }
    }
}

static void histogram_text(const histogram *h, suan__buf *b) {
    uint64_t n = 0;
    head(b, h->name, "histogram", h->help);
    for (size_t i = 0; i < MAX_BUCKETS && h->bounds[i] > 0; i++) {
        n += h->counts[i];
        suan__buf_printf(b, "%s_bucket{le=\"%.15g\"} %llu\n", h->name, h->bounds[i], (unsigned long long)n);
    }
    size_t last = 0;
    while (last < MAX_BUCKETS && h->bounds[last] > 0) last++;
    n += h->counts[last];
    suan__buf_printf(b, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.15g\n%s_count %llu\n", h->name, (unsigned long long)n, h->name, h->sum,
                     h->name, (unsigned long long)n);
}

static void batch_text(const suan_batch_stats *t, suan__buf *b) {
    value(b, "suan_queue_depth", "gauge", "Requests that wait.", t->n_queued);
    value(b, "suan_queue_tokens", "gauge", "Prompt tokens of requests that wait.", (double)t->queued_tokens);
    value(b, "suan_active_requests", "gauge", "Requests at work.", t->n_active);
    value(b, "suan_paused_requests", "gauge", "Of these, with a client that reads too slowly.", t->n_paused);
    value(b, "suan_prompt_tokens_total", "counter", "Tokens of prompts.", (double)t->prompt_tokens);
    value(b, "suan_cached_tokens_total", "counter", "Of these, taken from the prefix cache.", (double)t->cached_tokens);
    value(b, "suan_completion_tokens_total", "counter", "Tokens drawn.", (double)t->completion_tokens);
    value(b, "suan_tokens_per_second", "gauge", "Tokens drawn a second, over the last seconds.", t->tokens_per_second);
    value(b, "suan_steps_total", "counter", "Passes over the weights.", (double)t->steps);
    value(b, "suan_step_seconds", "gauge", "Age of the step that runs; 0 where none does.", t->step_seconds);
    value(b, "suan_busy_seconds_total", "counter", "Time spent in steps.", t->busy_seconds);
    value(b, "suan_bytes_read_total", "counter", "Bytes of weights and caches that steps read.", t->bytes_read);
    value(b, "suan_operations_total", "counter", "Operations of multiply-adds (one is two).", t->operations);
    if (t->joules >= 0) value(b, "suan_energy_joules_total", "counter", "Energy of steps, as the machine measures it.", t->joules);
    value(b, "suan_batch_requests_finished_total", "counter", "Answers that came to their end.", (double)t->n_finished);
    value(b, "suan_batch_requests_cancelled_total", "counter", "Answers that were cancelled.", (double)t->n_cancelled);
    value(b, "suan_batch_requests_failed_total", "counter", "Answers that failed.", (double)t->n_failed);
    value(b, "suan_batch_requests_refused_total", "counter", "Requests that found the queue full.", (double)t->n_refused);
    value(b, "suan_batch_requests_preempted_total", "counter", "Times that a request gave its pages to others.", (double)t->n_preempted);
    value(b, "suan_cross_owner_hits_total", "counter", "Prefixes computed for one key that served another.", (double)t->cross_owner_hits);
    head(b, "suan_cache_pages", "gauge", "Pages of the cache by state.");
    suan__buf_printf(
        b, "suan_cache_pages{state=\"used\"} %llu\nsuan_cache_pages{state=\"cached\"} %llu\nsuan_cache_pages{state=\"free\"} %llu\n",
        (unsigned long long)t->pages_used, (unsigned long long)t->pages_cached,
        (unsigned long long)(t->pages > t->pages_used + t->pages_cached ? t->pages - t->pages_used - t->pages_cached : 0));
    value(b, "suan_cache_bytes", "gauge", "Bytes of the cache, used or not.", (double)t->cache_bytes);
    value(b, "suan_weight_bytes", "gauge", "Bytes of the model's weights.", (double)t->weight_bytes);
}

double suan__resident_bytes(void) {
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fscanf(f, "%llu %llu", &size, &resident) != 2) resident = 0;
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

void suan__metrics_text(suan__server *s, suan__buf *b) {
    suan_batch_stats stats;
    suan__metrics *m = s->metrics;
    if (m) {
        pthread_mutex_lock(&m->lock);
        requests_text(m, b);
        for (size_t i = 0; i < N_HISTOGRAMS; i++) histogram_text(&m->histograms[i], b);
        value(b, "suan_reasoning_tokens_total", "counter", "Tokens of reasoning.", (double)m->reasoning_tokens);
        pthread_mutex_unlock(&m->lock);
    }
    if (suan__server_stats(s, &stats)) batch_text(&stats, b);
    if (s->http) {
        value(b, "suan_connections", "gauge", "Open connections.", atomic_load(&s->http->n_connections));
        value(b, "suan_request_body_bytes", "gauge", "Bytes of request bodies in memory.", (double)atomic_load(&s->http->body_bytes));
    }
    if (s->ledger) {
        uint64_t written, waiting, lost;
        suan__ledger_counts(s->ledger, &written, &waiting, &lost);
        value(b, "suan_ledger_rows_total", "counter", "Rows of the ledger that were written.", (double)written);
        value(b, "suan_ledger_rows_waiting", "gauge", "Rows of the ledger that wait for the disk.", (double)waiting);
        value(b, "suan_ledger_rows_lost_total", "counter", "Rows that could not be kept.", (double)lost);
    }
    value(b, "suan_ready", "gauge", "1 when requests are taken.", atomic_load(&s->ready) && !atomic_load(&s->stopping));
    value(b, "process_resident_memory_bytes", "gauge", "Resident memory.", suan__resident_bytes());
    value(b, "process_start_time_seconds", "gauge", "When the server started, since 1970.", (double)s->started);
}
