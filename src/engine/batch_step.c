/* batch_step.c: a step is run, paid for, and what follows from it is done. */
#include <string.h>

#include "engine/batch_internal.h"

/* ---- before and after ---- */

/* Whose step it is: where all of them are cancelled it stops between two layers. */
static void begin_step(suan_batch *b) {
    double now = suan__seconds();
    for (uint32_t i = 0; i < b->n_segments; i++) {
        suan_request *r = b->planned[i]->choice->request;
        if (r->has_begun) continue;
        r->has_begun = true;
        r->begun = now;
        r->usage.queue_seconds = now - r->submitted;
    }
    pthread_mutex_lock(&b->lock);
    b->n_step_live = 0;
    for (uint32_t i = 0; i < b->n_segments; i++) {
        suan_request *r = b->planned[i]->choice->request;
        if (r->in_step || atomic_load(&r->cancelled)) continue;
        r->in_step = true;
        b->n_step_live++;
    }
    atomic_store(&b->step_cancel, b->n_step_live == 0);
    b->step_begin = now;
    pthread_mutex_unlock(&b->lock);
}

/* A step's cost is shared out by tokens. */
static void share_cost(suan_batch *b, double seconds, double bytes, double operations, double joules) {
    for (uint32_t i = 0; i < b->n_segments; i++) {
        suan_usage *u = &b->planned[i]->choice->request->usage;
        double part = (double)b->segments[i].n_tokens / (double)b->n_step_tokens;
        u->busy_seconds += part * seconds;
        u->bytes_read += part * bytes;
        u->operations += part * operations;
        if (joules >= 0) u->joules = (u->joules < 0 ? 0 : u->joules) + part * joules;
    }
}

/* Experts of a layer that had tokens in the step, on average. */
static double experts_busy(suan_batch *b) {
    uint64_t read = suan__step_experts_read(b->step), before = b->experts_read;
    b->experts_read = read;
    return (double)(read - before) / b->n_moe_layers;
}

/* Whether nobody in the step wants states. */
static bool only_logits(const suan_batch *b) {
    bool only = true;
    for (uint32_t i = 0; i < b->n_segments; i++) only &= b->planned[i]->choice->request->pooling == SUAN_POOLING_NONE;
    return only;
}

static void end_step(suan_batch *b, double seconds, uint32_t n_drawn, uint32_t n_prompt) {
    suan__cost cost[SUAN__N_OPS] = {0};
    double bytes = 0, operations = 0, joules = suan__energy_read(&b->energy), used = joules < 0 ? -1 : joules - b->joules;
    suan__step_shape kind = {
        .kv = b->slots[0].kv.type, .exact = b->exact, .only_logits = only_logits(b), .n_busy = b->n_moe_layers ? experts_busy(b) : -1};
    suan__step_cost_many(b->model->graph, &kind, b->segments, b->n_segments, &b->rates_of_machine, cost);
    for (int i = 0; i < SUAN__N_OPS; i++) {
        bytes += cost[i].bytes;
        operations += cost[i].int8_ops + cost[i].f32_ops;
        b->least_seconds += cost[i].seconds;
    }
    b->joules = joules;
    share_cost(b, seconds, bytes, operations, used);
    uint64_t second = (uint64_t)suan__seconds();
    pthread_mutex_lock(&b->lock);
    for (suan_request *r = b->first; r; r = r->next) r->in_step = false;
    b->step_begin = 0;
    b->stats.steps++;
    b->stats.prompt_tokens += n_prompt;
    b->stats.completion_tokens += n_drawn;
    b->stats.busy_seconds += seconds;
    b->stats.bytes_read += bytes;
    b->stats.operations += operations;
    b->stats.joules = joules;
    for (; b->rate_second < second; b->rate_second++) b->rates[(b->rate_second + 1) % SUAN__RATE_SECONDS] = 0;
    b->rates[second % SUAN__RATE_SECONDS] += n_drawn;
    pthread_mutex_unlock(&b->lock);
}

/* ---- what follows ---- */

static void end_choice(suan__choice *c) {
    suan_request *r = c->request;
    suan__batch_end_choice(c);
    if (r->n_ended == r->n_choices) suan__batch_end_request(r);
}

/* Before the prompt is computed it is the request that fails. */
static void fail_choice(suan__choice *c, const suan_error *why) {
    suan_request *r = c->request;
    if (!r->has_prompt) {
        suan__batch_fail(r, why);
        return;
    }
    if (r->error.status == SUAN_OK) r->error = *why;
    c->status = why->status;
    end_choice(c);
}

/* The prompt is computed. */
static void finish_prompt(suan_batch *b, suan__slot *s, uint32_t n_forks) {
    suan_request *r = s->choice->request;
    r->has_prompt = true;
    suan__batch_tell_start(r);
    for (uint32_t i = 0; i < n_forks; i++)
        if (!r->choices[1 + i].is_over) suan__batch_fork(b, s, &r->choices[1 + i]);
    if (r->n_begun < r->n_choices) suan__batch_list_forking(r);
}

static void flush_echo(suan_request *r) {
    suan_error why;
    suan_piece piece = {.id = -1};
    if (suan__output_flush(&r->echo, &why) != SUAN_OK) return;
    piece.text = suan__output_take(&r->echo, true, &piece.n_text);
    if (piece.n_text > 0)
        suan__batch_tell(r, &(suan_event){.kind = SUAN_EVENT_PROMPT, .i_token = r->n_ids, .piece = piece, .usage = r->usage});
}

/* A request that wants nothing drawn has what it wants. */
static void finish_only_prompt(suan_batch *b, suan_request *r) {
    if (r->pooling != SUAN_POOLING_NONE)
        suan__batch_tell(
            r, &(suan_event){.kind = SUAN_EVENT_EMBEDDING, .values = r->pooled, .n_values = b->model->graph->hp.n_embd, .usage = r->usage});
    suan__batch_end_request(r);
}

static void settle(suan_batch *b, suan__slot *s, suan__segment *g) {
    suan__choice *c = s->choice;
    suan_request *r = c->request;
    if (g->status != SUAN_OK) {
        fail_choice(c, &g->error);
        return;
    }
    suan_error why;
    if (r->pooling != SUAN_POOLING_NONE && suan__batch_pool(b, s, &why) != SUAN_OK) {
        suan__batch_fail(r, &why);
        return;
    }
    suan__batch_advance(b, s, s->n_planned);
    if (r->has_failed || atomic_load(&r->cancelled)) return; /* reaped next */
    if (!r->has_prompt && s->n_computed >= r->n_ids) {
        finish_prompt(b, s, s->n_forks);
        if (r->prompt_logprobs) flush_echo(r);
        if (r->only_prompt) {
            finish_only_prompt(b, r);
            return;
        }
        for (uint32_t i = 1; i <= s->n_forks; i++)
            if (r->choices[i].is_over) end_choice(&r->choices[i]);
    }
    if (c->is_over) end_choice(c);
}

/* The step failed as a whole: those in it fail; where the model is broken, so do all others, and those to come. */
static void step_failed(suan_batch *b, const suan_error *why) {
    for (uint32_t i = 0; i < b->n_segments; i++) suan__batch_fail(b->planned[i]->choice->request, why);
    suan_error broken = {0};
    if (suan__model_check(b->model->graph, &broken) == SUAN_OK) return;
    pthread_mutex_lock(&b->lock);
    b->broken = broken;
    pthread_mutex_unlock(&b->lock);
}

static uint64_t count_completions(const suan_batch *b) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < b->n_segments; i++) {
        const suan_request *r = b->planned[i]->choice->request;
        bool is_first = true;
        for (uint32_t k = 0; k < i && is_first; k++) is_first = b->planned[k]->choice->request != r;
        if (is_first) n += r->usage.n_completion;
    }
    return n;
}

void suan__batch_run(suan_batch *b) {
    suan_error why = {0};
    begin_step(b);
    double begin = suan__seconds();
    uint64_t drawn = count_completions(b);
    uint32_t n_prompt = 0;
    for (uint32_t i = 0; i < b->n_segments; i++)
        n_prompt += b->planned[i]->choice->n_drawn > 0 && b->segments[i].n_tokens == 1 ? 0 : b->segments[i].n_tokens;
    suan__step_only_logits(b->step, only_logits(b));
    suan_status status = suan__step_run_many(b->step, b->segments, b->n_segments, b->exact, suan__batch_on_rows, b, &b->step_cancel, &why);
    double taken = suan__seconds() - begin;
    b->run_seconds += taken;
    end_step(b, taken, (uint32_t)(count_completions(b) - drawn), n_prompt);
    if (status == SUAN_STOPPED) return; /* nobody is left who wanted it */
    if (status != SUAN_OK) {
        step_failed(b, &why);
        return;
    }
    for (uint32_t i = 0; i < b->n_segments; i++)
        if (b->planned[i]->n_planned > 0) settle(b, b->planned[i], &b->segments[i]);
}
