/* batch_internal.h: what the files of the batch share.
 *
 * Threads. Users' threads submit, cancel, pause, free and ask for figures under the lock; everything else is the batch's own thread's. Fields marked (lock) are used under it,
 * fields marked (any) are atomic; others belong to the batch's thread once a request is in its owner's queue.
 *
 * A request has one choice or more. A choice that is at work has a slot, which is its place in the cache; it can lose it (batch_schedule.c) and come back later: its ids stay. */
#ifndef SUAN_ENGINE_BATCH_INTERNAL_H
#define SUAN_ENGINE_BATCH_INTERNAL_H

#include <pthread.h>

#include "base/energy.h"
#include "engine/batch_pages.h"
#include "engine/engine.h"
#include "engine/output.h"
#include "engine/sampler.h"
#include "engine/think.h"
#include "model/cost.h"
#include "suan/batch.h"

#define SUAN__DRAWS 64        /* that are done together */
#define SUAN__RATE_SECONDS 8u /* over which tokens a second are counted */

typedef struct suan__owner suan__owner;
typedef struct suan__choice suan__choice;

/* A place for a sequence at work. */
typedef struct suan__slot {
    suan__choice *choice; /* NULL: free */
    suan__kv kv;
    uint32_t n_computed; /* positions in the cache */
    uint32_t *pages;     /* [n_pages] of [n_ctx / 256]: those that hold them, and perhaps more; NULL: the model has no pages */
    uint32_t n_pages;
    int32_t *held;   /* [n_ctx] without pages: what a free slot's cache has, */
    uint32_t n_held; /* computed for */
    uint64_t held_owner, held_at;
    uint32_t n_planned, n_logits, first_token; /* of the step that is made: tokens, rows of logits, the first token's number in the step */
    uint32_t i_segment, n_forks, rank;
    uint32_t n_shared, n_foreign; /* positions that others had computed and that are not counted yet; takings from other owners */
} suan__slot;

typedef enum suan__phase { SUAN__PHASE_NEW = 0, SUAN__PHASE_WAITING, SUAN__PHASE_RUNNING, SUAN__PHASE_ENDED } suan__phase;

struct suan__choice {
    suan_request *request;
    suan__slot *slot;   /* RUNNING */
    suan__choice *next; /* WAITING: of its owner's, by age */
    uint64_t age;       /* the order in which choices began: low is old */
    uint32_t index;
    suan__phase phase;
    int32_t *ids; /* prompt and tokens drawn: n_ids, room for `most` */
    uint32_t n_ids, most;
    suan_sampling sampling;
    suan__output output;
    suan_matcher *matcher;
    suan__think think;
    uint32_t n_drawn;
    bool was_stopped; /* it had a slot before */
    bool is_over;     /* the last draw ended it: finish, or status and request->error */
    suan_finish finish;
    bool context_full, time_over;
    suan_status status;
};

struct suan_request {
    suan_batch *batch;
    suan__owner *owner;
    suan_request *next, *before; /* (lock) all that have not ended */
    suan_request *next_queued;   /* (lock) of the owner's queue */
    suan_request *next_forking;  /* of the owner's requests with choices that have not begun */
    uint64_t number;
    int n_refs;     /* (lock) the user's and the batch's */
    bool is_freed;  /* (lock) no events any more */
    bool is_queued; /* (lock) in the queue */
    bool in_step;   /* (lock) it has tokens in the step that runs */
    atomic_bool cancelled, paused;
    bool has_begun, has_prompt; /* its first step was made; its prompt is computed */
    bool is_forking;            /* in that list */
    /* what was asked for */
    int32_t *ids;
    uint32_t n_ids, n_choices, max_tokens, n_logprobs;
    bool to_the_end, ignore_eos, want_logprobs, prompt_logprobs, keep_control, only_prompt;
    suan_pooling pooling;
    suan_sampling sampling;
    suan_logit_bias *bias;
    char **stop; /* [n_stop] in one allocation */
    size_t n_stop;
    suan_grammar *grammar;
    suan__think_rule think;
    double deadline; /* 0: none */
    suan_event_fn *on_event;
    void *ctx;
    /* how far it is */
    suan__choice *choices; /* [n_choices] */
    uint32_t n_begun, n_ended, n_failed;
    uint32_t n_echoed; /* prompt tokens reported */
    suan__output echo;
    float *pooled; /* [n_embd] sums over n_pooled positions */
    uint32_t n_pooled;
    suan_usage usage;
    double submitted, begun, prompted;
    suan_error error; /* the first one */
    bool has_failed;  /* as a whole: error */
};

struct suan__owner {
    uint64_t id;
    uint32_t n_requests;              /* (lock) not ended */
    suan_request *queue, **queue_end; /* (lock) not begun */
    suan__choice *waiting;            /* by age */
    suan_request *forking;            /* in order */
    uint32_t n_slots;
    uint64_t paid; /* tokens of prompts that were planned for it */
    suan__page_root root;
};

/* One draw, or one prompt token's logprob. */
typedef struct suan__draw {
    suan__choice *choice;
    const float *logits;
    int32_t id;
    uint32_t i_token;
    bool is_prompt, is_end;
    float logprob;
    uint32_t n_top;
    suan_logprob *top; /* [SUAN__MAX_TOP] */
    const char *text;
    size_t n_text;
    suan_status status;
    suan_error error;
} suan__draw;

struct suan_batch {
    suan_model *model;
    suan_batch_options options; /* with what was chosen for zeros */
    bool exact;
    uint32_t n_ctx, n_slots, step_tokens;
    suan__step *step;
    char profile[SUAN__PROFILE_TEXT];

    pthread_t thread;
    bool has_thread, has_lock, is_still;
    pthread_mutex_t lock;
    pthread_cond_t wake, told;  /* for the thread: something has changed; for users: an event is over */
    bool is_awake;              /* (lock) something has changed */
    bool is_closing;            /* (lock) */
    suan_request *talking;      /* (lock) whose event is being reported */
    suan_request *first, *last; /* (lock) requests that have not ended */
    suan__owner **owners;       /* (lock) ascending */
    size_t n_owners, owners_capacity, owners_swept;
    uint64_t n_numbers; /* (lock) */
    uint32_t n_queued, n_step_live;
    uint64_t queued_tokens;
    suan_error broken;                  /* (lock) why nothing can be computed any more; SUAN_OK: it can */
    suan_batch_stats stats;             /* (lock) */
    uint32_t rates[SUAN__RATE_SECONDS]; /* (lock) tokens drawn in second rate_second - i */
    uint64_t rate_second;
    double step_begin; /* (lock) 0: none runs */
    atomic_bool step_cancel;

    pthread_mutex_t vocabulary_lock;
    suan_vocabulary *vocabulary;

    bool has_pages;
    suan__pages pages;
    suan__page_root common; /* with share_between_owners */
    suan__slot *slots;      /* [n_slots] */
    uint32_t n_free_slots;
    uint64_t n_ages, n_uses;
    uint64_t turn;                 /* the owner whose turn of admission was last */
    const suan__owner *turn_owner; /* whose turn of prompts it is (may have gone), with so many tokens left */
    uint32_t turn_left;
    uint64_t least_paid; /* by any owner with prompts, when turns last passed on */
    bool is_stuck;       /* the last round had nothing to compute */

    suan__segment *segments; /* [n_slots] */
    suan__slot **planned;    /* [n_slots] whose they are */
    suan__slot **order;      /* [n_slots] scratch of planning */
    uint32_t n_segments, n_step_tokens;

    suan__sampler **samplers; /* [n_threads] */
    uint32_t **masks;         /* [n_threads][n_mask_words] */
    size_t n_mask_words;
    int n_threads;
    suan__draw *draws; /* [SUAN__DRAWS] */
    uint32_t n_draws;
    atomic_uint next_draw;
    float *states; /* [SUAN__DRAWS][n_embd] normed states of embeddings */
    suan__energy energy;
    double joules;
    uint64_t experts_read; /* as suan__step_experts_read said last */
    uint32_t n_moe_layers;
    suan__rates rates_of_machine;     /* for the figures below; all 1 unless somebody measures */
    double least_seconds;             /* that the steps so far need on such a machine; */
    double run_seconds, draw_seconds; /* they took; of these, with draws and what is told of them */
    size_t n_expert_use;
    uint64_t *expert_use;  /* (lock) [n_layer][n_expert] */
    uint32_t *expert_seen; /* the same as the step counts it, modulo 2^32 */
};

/* ---- batch.c ---- */

/* As suan_batch_create, but without a thread: the caller's takes the turns, one at a time. false: there is nothing to do now. Tests see every step. */
suan_status suan__batch_create_still(suan_batch **batch, suan_model *model, const suan_batch_options *options, suan_error *err);
bool suan__batch_turn(suan_batch *b);

/* Figures of what is there now. Under the lock, on the batch's thread. */
void suan__batch_count(suan_batch *b);

/* ---- batch_request.c ---- */

void suan__request_free(suan_request *r);
/* The owner of a number; NULL: there is none (make: out of memory). Under the lock. */
suan__owner *suan__batch_owner(suan_batch *b, uint64_t id, bool make);

/* ---- batch_event.c: on the batch's thread, without the lock ---- */

void suan__batch_tell(suan_request *r, const suan_event *event);
/* START, once. */
void suan__batch_tell_start(suan_request *r);
void suan__batch_tell_draw(const suan__draw *d);
/* What is left of a choice's text, and its end. */
void suan__batch_end_choice(suan__choice *c);
/* END; everything that the batch has of the request is given back. */
void suan__batch_end_request(suan_request *r);
/* Cancels, and notes that a step may have nobody left. Any thread. */
void suan__batch_cancel(suan_request *r);
/* The request is to end with this error. */
void suan__batch_fail(suan_request *r, const suan_error *why);

/* ---- batch_schedule.c ---- */

/* Ends what was cancelled or is out of time. */
void suan__batch_reap(suan_batch *b);
/* Gives free slots to those that wait. */
void suan__batch_admit(suan_batch *b);
/* Chooses the tokens of the next step: b->segments. */
void suan__batch_plan(suan_batch *b);
/* The choice loses its slot for now; for good. */
void suan__batch_suspend(suan__slot *slot);
void suan__batch_leave(suan__slot *slot);
/* A free slot for a choice that goes on from where another one of the request stands; where there is none it waits. */
void suan__batch_fork(suan_batch *b, suan__slot *from, suan__choice *c);
/* Gets a choice that is new ready to draw. */
suan_status suan__batch_begin(suan__choice *c, suan_error *err);
/* The request's prompt is computed, and it has choices that have not begun. */
void suan__batch_list_forking(suan_request *r);
/* Removes from the lists in which choices and requests wait for slots. */
void suan__batch_unlist(suan_request *r);

/* ---- batch_cache.c: where positions are kept ---- */

suan_status suan__batch_cache_create(suan_batch *b, suan_error *err);
void suan__batch_cache_fini(suan_batch *b);
/* Whether the choice fits, now, beside those that run; if so it has a slot (this free one, or one that suits it better) with what is there of its ids. */
bool suan__batch_place(suan_batch *b, suan__slot *slot, suan__choice *c);
/* At a page's beginning: takes what others have computed of what comes next. */
void suan__batch_share(suan_batch *b, suan__slot *slot, bool parts);
/* Pages for n positions in all; false: none is left. */
bool suan__batch_reach(suan_batch *b, suan__slot *slot, uint32_t n);
/* n more positions have been computed. */
void suan__batch_advance(suan_batch *b, suan__slot *slot, uint32_t n);
/* Gives everything back, and remembers what is there. */
void suan__batch_release(suan_batch *b, suan__slot *slot);
/* The slot has what the other one has. */
bool suan__batch_copy(suan_batch *b, const suan__slot *from, suan__slot *slot);
/* How many ids of the choice could be taken from a cache: some have to be computed for what they give. */
uint32_t suan__batch_shareable(const suan__choice *c);
suan__page_root *suan__batch_root(suan_batch *b, const suan__choice *c);

/* ---- batch_step.c ---- */

void suan__batch_run(suan_batch *b);

/* ---- batch_draw.c ---- */

suan__rows_fn suan__batch_on_rows;

/* ---- batch_pool.c ---- */

/* Adds the states of the slot's tokens in the step that was just made; at the end of the prompt the request has its embedding. */
suan_status suan__batch_pool(suan_batch *b, const suan__slot *slot, suan_error *err);

#endif
