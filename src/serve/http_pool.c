/* http_pool.c: the threads that run handlers. A request whose template or schema takes long keeps one of them busy; streams and other requests do not notice. */
#include "serve/http.h"

static suan__exchange *pop(suan__http *http) {
    suan__exchange *x;
    pthread_mutex_lock(&http->queue_lock);
    while (!http->queue && !http->workers_stop) pthread_cond_wait(&http->queue_filled, &http->queue_lock);
    x = http->queue;
    if (x) {
        http->queue = x->next;
        if (!http->queue) http->queue_end = &http->queue;
        http->n_working++;
    }
    pthread_mutex_unlock(&http->queue_lock);
    return x;
}

static bool has_left(suan__exchange *x) {
    pthread_mutex_lock(&x->lock);
    bool is_gone = x->is_gone;
    pthread_mutex_unlock(&x->lock);
    return is_gone;
}

static void *work(void *ctx) {
    static const suan__problem forgotten = {.kind = SUAN__PROBLEM_INTERNAL, .message = "The request was not answered."};
    suan__http *http = ctx;
    suan__exchange *x;
    pthread_setname_np(pthread_self(), "suan-handler");
    while ((x = pop(http))) {
        x->route->handler(x);
        /* Nobody but this thread and libmicrohttpd's side knows it any more: then nobody will reply. To a client that left nobody has to. */
        if (atomic_load(&x->n_refs) <= 2 && !suan__reply_has_begun(x) && !has_left(x)) suan__reply_problem(x, &forgotten);
        suan__exchange_free(x);
        pthread_mutex_lock(&http->queue_lock);
        http->n_working--;
        pthread_mutex_unlock(&http->queue_lock);
    }
    return NULL;
}

bool suan__workers_start(suan__http *http, uint32_t n) {
    http->queue_end = &http->queue;
    for (; http->n_workers < n; http->n_workers++)
        if (pthread_create(&http->workers[http->n_workers], NULL, work, http) != 0) return http->n_workers > 0;
    return true;
}

void suan__workers_push(suan__http *http, suan__exchange *x) {
    pthread_mutex_lock(&http->queue_lock);
    x->next = NULL;
    *http->queue_end = x;
    http->queue_end = &x->next;
    pthread_cond_signal(&http->queue_filled);
    pthread_mutex_unlock(&http->queue_lock);
}

void suan__workers_stop(suan__http *http) {
    pthread_mutex_lock(&http->queue_lock);
    http->workers_stop = true;
    pthread_cond_broadcast(&http->queue_filled);
    pthread_mutex_unlock(&http->queue_lock);
    for (uint32_t i = 0; i < http->n_workers; i++) pthread_join(http->workers[i], NULL);
    http->n_workers = 0;
}
