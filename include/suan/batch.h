/* batch.h: many requests at once on one model: their tokens share each pass over the weights, their cache is pages that requests of one owner
 * share where they begin alike.
 *
 *     suan_batch_create(&batch, model, NULL, &err);
 *     suan_request_params params;
 *     suan_request_params_init(&params);
 *     params.ids = ids, params.n_ids = n_ids, params.on_event = on_event, params.ctx = me;
 *     suan_batch_submit(batch, &params, &request, &err);       any thread; events come on the batch's own thread
 *     suan_request_free(&request);                             when it has ended, or to cancel it
 *     suan_batch_close(&batch);
 *
 * What a request gets is the same bits as alone: companions, order, pages shared or computed, memory given back in between (then what a request had is computed again) change
 * nothing. A batch has a thread of its own, and uses the model alone: no session of the model works while a batch does.
 *
 * Order: requests of each owner wait in a queue; owners take turns. A step takes a token of every answer that is being written, and fills up with prompts.
 */
#ifndef SUAN_BATCH_H
#define SUAN_BATCH_H

#include "suan/grammar.h"
#include "suan/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct suan_batch suan_batch;
typedef struct suan_request suan_request;

typedef struct suan_batch_options {
    uint32_t n_ctx; /* positions of a request at most; 0: the model's context, or what the memory for caches allows */
    uint64_t
        cache_bytes; /* for the pages of all requests; 0: n_sequences contexts of 4,096 positions or one of n_ctx, whichever is more, or what memory allows if that is less */
    uint32_t n_sequences; /* answers written at once at most; 0: 32 */
    uint32_t
        step_tokens; /* tokens of a step at most; 0: 512 where the model is a mixture, else 256. At least n_sequences + 16, so that prompts go on beside answers */
    uint32_t n_queued;      /* requests that wait at most, all owners together; 0: 256 */
    uint64_t queued_tokens; /* prompt tokens of those at most; 0: 8,000,000 */
    uint32_t n_owner;       /* requests of one owner, waiting or running, at most; 0: no limit but the others */
    suan_kv_type kv;
    suan_activations activations;
    suan_rounding rounding;
    bool
        share_between_owners; /* prefixes computed for one owner serve others: they can be told by their speed, so only where owners trust each other */
    bool no_prefix_cache;
} suan_batch_options;
#define SUAN_BATCH_OPTIONS_INIT \
    { 0 }

/* Takes all memory at once (SUAN_ENOMEM names need and have) and starts the thread. model: borrowed until the batch closes. */
SUAN_API suan_status suan_batch_create(suan_batch **batch, suan_model *model, const suan_batch_options *options, suan_error *err);
/* Cancels what is left (their ends are reported), waits for the thread, frees. All requests must have been freed or be freed by their on_event. NULL is fine. */
SUAN_API void suan_batch_close(suan_batch **batch);

/* ---- requests ---- */

typedef enum suan_event_kind {
    SUAN_EVENT_START = 0, /* the prompt is computed (with prompt_logprobs: begins to be): first of all, once; n_prompt, n_cached */
    SUAN_EVENT_PROMPT, /* with prompt_logprobs: token i_token of the prompt, its logprob (the first has none: NAN) and top; behind the last, id -1 with bytes held */
    SUAN_EVENT_PIECE,  /* the next token of a choice */
    SUAN_EVENT_CHOICE, /* a choice has ended: finish; or it failed: status and error */
    SUAN_EVENT_EMBEDDING, /* of the whole prompt: values [n_embd] */
    SUAN_EVENT_END /* last of all, once: usage; status is not SUAN_OK where the request failed as a whole (error says why) or was cancelled (SUAN_STOPPED) */
} suan_event_kind;

/* What a request cost. Time, bytes and energy of a step are shared out by the tokens that each request had in it. */
typedef struct suan_usage {
    uint32_t n_prompt, n_cached;   /* tokens of the prompt; of these, from shared pages */
    uint32_t n_completion;         /* tokens drawn, all choices, end tokens included */
    double queue_seconds;          /* until its first step */
    double prompt_seconds;         /* from there to the end of the prompt */
    double decode_seconds;         /* from there to the end */
    double busy_seconds;           /* its share of the steps' time */
    double bytes_read, operations; /* its share of the weights and caches read; of multiply-adds (one is two) */
    double joules;                 /* below 0: the machine does not say */
} suan_usage;

/* Borrowed for the callback. */
typedef struct suan_event {
    suan_event_kind kind;
    uint32_t choice;
    uint32_t i_token;        /* PROMPT, PIECE: 0, 1, .. */
    suan_piece piece;        /* PROMPT, PIECE */
    suan_finish finish;      /* CHOICE */
    bool context_full;       /* CHOICE: finish is LENGTH because the context is full */
    bool time_over;          /* CHOICE: finish is LENGTH because max_seconds are over */
    const char *stop;        /* CHOICE: the stop string that ended it, NULL: none did */
    suan_status status;      /* CHOICE, END */
    const suan_error *error; /* where status is an error */
    const float *values;     /* EMBEDDING */
    uint32_t n_values;
    suan_usage usage; /* START (as far as known) and END */
} suan_event;

/* On the batch's thread: must be quick, must not call suan_batch_close; suan_request_cancel and _pause, and in END suan_request_free, may be called. A value other than 0
 * cancels the request (END follows with SUAN_STOPPED). */
typedef int suan_event_fn(void *ctx, const suan_event *event);

typedef enum suan_pooling { SUAN_POOLING_NONE = 0, SUAN_POOLING_MEAN, SUAN_POOLING_LAST } suan_pooling;

typedef struct suan_request_params {
    const int32_t *ids; /* the prompt, 1 or more; borrowed for the call, as all pointers but ctx are */
    size_t n_ids;
    suan_sampling sampling; /* .choice is the first choice's; the i-th of n_choices adds i */
    uint32_t n_choices;     /* 1 to 128 */
    uint32_t max_tokens;    /* of each choice; 0: until the context is full */
    bool ignore_eos;
    const char *const *stop; /* as in suan_generate_params */
    size_t n_stop;
    bool want_logprobs;
    uint32_t n_logprobs;
    bool prompt_logprobs;          /* also of the prompt's tokens (the prefix cache is not used then) */
    bool keep_control;             /* pieces hold the text of control tokens too, but for those that end the answer: for suan_answer_feed */
    bool only_prompt;              /* nothing is drawn: for prompt_logprobs */
    suan_pooling pooling;          /* not NONE: an embedding of the prompt (L2-normalised), nothing is drawn */
    suan_grammar *grammar;         /* NULL: none; a reference is taken */
    const suan_think_limit *think; /* NULL: reasoning ends where the model ends it. Of each choice */
    uint64_t owner;                /* who asks: shares its prefixes with nobody else, takes turns with others */
    bool is_continued;             /* goes on with work that was taken before: no bound of the queue or of the owner's share refuses it */
    double max_seconds;            /* from submit; then the choices end with LENGTH (time_over). 0: none */
    suan_event_fn *on_event;
    void *ctx;
} suan_request_params;
SUAN_API void suan_request_params_init(suan_request_params *params);

/* Checks everything and queues the request. SUAN_ECONTEXT: the prompt and one token are more than a
 * request's context (the message says both numbers; more max_tokens than there is room for is no error: the answer ends with LENGTH and context_full);
 * SUAN_ELIMIT: the queue is full, SUAN_EQUOTA: the owner's share of it (try again later); others name the field. *request is NULL on failure, and no event comes. */
SUAN_API suan_status suan_batch_submit(suan_batch *batch, const suan_request_params *params, suan_request **request, suan_error *err);
/* Any thread. Takes effect within one step; END follows. */
SUAN_API void suan_request_cancel(suan_request *request);
/* From within a PIECE of this request only: the choice that the piece belongs to draws nothing more; it ends with STOP, its CHOICE comes next, others go on. */
SUAN_API void suan_request_end_choice(suan_request *request, uint32_t choice);
/* Any thread: a paused request keeps its pages (unless others need them) and draws nothing until it goes on. */
SUAN_API void suan_request_pause(suan_request *request, bool paused);
/* Cancels what has not ended; no event comes after the call has returned (from within an event of this request: after that event). NULL is fine; sets *request to NULL. */
SUAN_API void suan_request_free(suan_request **request);

/* ---- how it goes ---- */

typedef struct suan_batch_stats {
    uint32_t n_ctx, n_sequences, step_tokens, max_queued;
    uint32_t n_active, n_paused, n_queued;
    uint64_t queued_tokens;
    uint64_t pages, pages_used, pages_cached, page_bytes, page_positions;           /* used: by requests; cached: kept for later prefixes */
    uint64_t n_requests, n_finished, n_cancelled, n_failed, n_refused, n_preempted; /* since the start, as the rest */
    uint64_t prompt_tokens, cached_tokens, completion_tokens, cross_owner_hits, steps;
    double busy_seconds, bytes_read, operations, joules; /* joules below 0: unknown */
    double tokens_per_second;                            /* drawn, over the last seconds */
    double step_seconds;                                 /* of the step that is running; 0: none: a watchdog looks at it */
    bool is_broken; /* the model cannot be used any more (its file was cut or changed): every request fails */
    uint64_t weight_bytes, cache_bytes;
    const char *profile; /* numeric profile, as suan_session_profile */
} suan_batch_stats;
SUAN_API void suan_batch_get_stats(suan_batch *batch, suan_batch_stats *stats);
/* Counts of how often each expert was used since the start: [n_layer][n_expert] into use (capacity values; NULL only counts). Returns the number of values, 0 without experts. */
SUAN_API size_t suan_batch_expert_use(suan_batch *batch, uint64_t *use, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
