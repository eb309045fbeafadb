/* probe.c: is the engine well: by looking at its steps, and by asking it for a token. */
#include <string.h>

#include "serve/accesslog.h"
#include "serve/http.h"
#include "serve/own.h"

#define PROBE_SECONDS 10.0

const char *suan__engine_trouble(suan__engine_seen *seen, const suan_batch_stats *stats, double limit, double now) {
    bool has_work = stats->n_active + stats->n_queued > stats->n_paused;
    if (!has_work || !seen->has_work || seen->steps != stats->steps)
        *seen = (suan__engine_seen){.has_work = has_work, .steps = stats->steps, .since = now};
    if (stats->is_broken) return "the model cannot be used any more: its file was cut or changed";
    if (stats->step_seconds > limit) return "a step of the engine does not come to its end";
    return has_work && now - seen->since > limit ? "requests wait, and the engine does no step" : NULL;
}

void suan__engine_watch(suan__server *s, double now) {
    suan_batch_stats stats;
    bool is_there = suan__server_stats(s, &stats);
    const char *trouble = is_there ? suan__engine_trouble(&s->seen, &stats, s->config.watch_seconds, now) : NULL;
    const char *before = atomic_exchange(&s->trouble, trouble);
    if (trouble && !before) suan__event_log("stuck", "%s", trouble);
    if (before && !trouble && is_there) suan__event_log("unstuck", "the engine goes on");
}

typedef struct probe {
    suan__exchange *x;
    pthread_mutex_t lock; /* held while the batch takes the request, so that its end finds the pointer */
    suan_request *request;
    double began;
} probe;

static void free_probe(void *p) {
    pthread_mutex_destroy(&((probe *)p)->lock);
    suan__free(p);
}

static int on_event(void *ctx, const suan_event *event) {
    probe *p = ctx;
    if (event->kind != SUAN_EVENT_END) return 0;
    suan__exchange *x = p->x;
    bool is_well = event->status == SUAN_OK;
    suan__reply_json(x, is_well ? 200 : 503,
                     json_pack("{s:s, s:f}", "status", is_well ? "ok" : "failed", "probe_seconds", suan__now() - p->began));
    pthread_mutex_lock(&p->lock);
    suan_request_free(&p->request);
    pthread_mutex_unlock(&p->lock);
    suan__exchange_free(x); /* p may go with it */
    return 0;
}

bool suan__engine_probe(suan__exchange *x) {
    static const int32_t id = 0;
    suan__server *s = suan__exchange_server(x);
    suan_request_params params;
    suan_error err = {0};
    probe *p = suan__calloc(1, sizeof *p);
    if (!p) return false;
    p->x = x;
    p->began = suan__now();
    pthread_mutex_init(&p->lock, NULL);
    if (!suan__exchange_keep(x, p, free_probe)) return false;
    suan_request_params_init(&params);
    params.ids = &id, params.n_ids = 1;
    params.max_tokens = 1;
    params.max_seconds = PROBE_SECONDS;
    params.on_event = on_event, params.ctx = p;
    suan__exchange_ref(x); /* until the end is reported */
    pthread_mutex_lock(&p->lock);
    pthread_rwlock_rdlock(&s->batch_lock);
    suan_status status = s->batch_ends ? SUAN_ELIMIT : suan_batch_submit(s->batch, &params, &p->request, &err);
    pthread_rwlock_unlock(&s->batch_lock);
    pthread_mutex_unlock(&p->lock);
    if (status == SUAN_OK) return true;
    bool is_broken = status != SUAN_ELIMIT && status != SUAN_ENOMEM; /* every other request fails like this one */
    if (is_broken) suan__reply_json(x, 503, json_pack("{s:s}", "status", "failed"));
    suan__exchange_free(x);
    return is_broken;
}
