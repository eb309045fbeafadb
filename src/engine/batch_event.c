/* batch_event.c: what a request is told, and how it ends. */
#include <string.h>

#include "engine/batch_internal.h"

/* The lock is not held during the call; that the request is spoken of is noted, so that whoever frees it can wait. */
void suan__batch_tell(suan_request *r, const suan_event *event) {
    suan_batch *b = r->batch;
    pthread_mutex_lock(&b->lock);
    bool listens = !r->is_freed && r->on_event;
    if (listens) b->talking = r;
    pthread_mutex_unlock(&b->lock);
    if (!listens) return;
    bool is_out = r->on_event(r->ctx, event) != 0;
    pthread_mutex_lock(&b->lock);
    b->talking = NULL;
    pthread_cond_broadcast(&b->told);
    pthread_mutex_unlock(&b->lock);
    if (is_out && event->kind != SUAN_EVENT_END) suan__batch_cancel(r);
}

void suan__batch_tell_start(suan_request *r) {
    if (r->prompted != 0) return;
    r->prompted = suan__seconds();
    r->usage.prompt_seconds = r->prompted - r->begun;
    suan__batch_tell(r, &(suan_event){.kind = SUAN_EVENT_START, .usage = r->usage});
}

void suan__batch_tell_draw(const suan__draw *d) {
    const suan_request *r = d->choice->request;
    suan_piece piece = {.id = d->id, .text = d->text, .n_text = d->n_text, .logprob = d->logprob, .top = d->top, .n_top = d->n_top};
    suan__batch_tell(d->choice->request, &(suan_event){.kind = d->is_prompt ? SUAN_EVENT_PROMPT : SUAN_EVENT_PIECE,
                                                       .choice = d->choice->index,
                                                       .i_token = d->i_token,
                                                       .piece = piece,
                                                       .usage = r->usage});
}

/* Memory for one answer. */
static void free_choice(suan__choice *c) {
    suan__output_fini(&c->output);
    suan_matcher_free(c->matcher);
    suan__think_fini(&c->think);
    suan__free(c->ids);
    c->matcher = NULL;
    c->ids = NULL;
}

void suan__batch_end_choice(suan__choice *c) {
    suan_request *r = c->request;
    suan_error why = {0};
    if (c->status == SUAN_OK && suan__output_flush(&c->output, &why) != SUAN_OK) {
        c->status = why.status;
        if (r->error.status == SUAN_OK) r->error = why;
    }
    suan_piece piece = {.id = -1};
    piece.text = suan__output_take(&c->output, true, &piece.n_text);
    if (piece.n_text > 0)
        suan__batch_tell(r, &(suan_event){.kind = SUAN_EVENT_PIECE, .choice = c->index, .i_token = c->n_drawn, .piece = piece});
    suan__batch_tell(r, &(suan_event){.kind = SUAN_EVENT_CHOICE,
                                      .choice = c->index,
                                      .finish = c->finish,
                                      .context_full = c->context_full,
                                      .time_over = c->time_over,
                                      .stop = suan__output_found(&c->output),
                                      .status = c->status,
                                      .error = c->status < 0 ? &r->error : NULL,
                                      .usage = r->usage});
    if (c->slot) suan__batch_leave(c->slot);
    c->phase = SUAN__PHASE_ENDED;
    r->n_ended++;
    r->n_failed += c->status != SUAN_OK;
    free_choice(c);
}

void suan__batch_fail(suan_request *r, const suan_error *why) {
    if (r->error.status == SUAN_OK) r->error = *why;
    r->has_failed = true;
}

/* Out of all lists, and out of the figures, before its end is told. The owner stays; owners without anything are swept elsewhere. */
static void remove_request(suan_batch *b, suan_request *r) {
    pthread_mutex_lock(&b->lock);
    *(r->before ? &r->before->next : &b->first) = r->next;
    *(r->next ? &r->next->before : &b->last) = r->before;
    r->owner->n_requests--;
    if (r->has_failed)
        b->stats.n_failed++;
    else if (atomic_load(&r->cancelled))
        b->stats.n_cancelled++;
    else
        b->stats.n_finished++;
    suan__batch_count(b);
    pthread_mutex_unlock(&b->lock);
}

void suan__batch_end_request(suan_request *r) {
    suan_batch *b = r->batch;
    double now = suan__seconds();
    suan__batch_unlist(r);
    for (uint32_t i = 0; i < r->n_begun; i++) {
        if (r->choices[i].slot) suan__batch_leave(r->choices[i].slot);
        free_choice(&r->choices[i]);
        r->choices[i].phase = SUAN__PHASE_ENDED;
    }
    if (r->n_failed == r->n_choices) r->has_failed = true;
    if (r->begun == 0) r->usage.queue_seconds = now - r->submitted;
    if (r->prompted != 0) r->usage.decode_seconds = now - r->prompted;
    bool stopped = !r->has_failed && atomic_load(&r->cancelled);
    remove_request(b, r);
    suan__batch_tell(r, &(suan_event){.kind = SUAN_EVENT_END,
                                      .status = r->has_failed ? r->error.status
                                                : stopped     ? SUAN_STOPPED
                                                              : SUAN_OK,
                                      .error = r->has_failed ? &r->error : NULL,
                                      .usage = r->usage});
    pthread_mutex_lock(&b->lock);
    bool is_last = --r->n_refs == 0;
    pthread_mutex_unlock(&b->lock);
    if (is_last) suan__request_free(r);
}
