/* ask_internal.h: what the files of an ask share. */
#ifndef SUAN_SERVE_ASK_INTERNAL_H
#define SUAN_SERVE_ASK_INTERNAL_H

#include <pthread.h>

#include "base/memory.h"
#include "serve/ask.h"
#include "serve/ask_text.h"
#include "serve/server.h"

/* Tokens whose logprobs wait for their text. `top` of each is at `i_top` until it is handed out. */
typedef struct suan__ask_tokens {
    suan__token *v;
    size_t *i_top;
    size_t n, capacity;
    suan_logprob *top;
    size_t n_top, capacity_top;
} suan__ask_tokens;

typedef struct suan__ask_choice {
    struct suan__ask_state *a;
    uint32_t i;
    suan_answer *answer; /* NULL: plain */
    suan__ask_text text; /* what is visible, on its way through the stop strings */
    suan__ask_text reasoning;
    suan__ask_text arguments; /* of a call that comes in parts */
    suan__ask_tokens tokens;
    bool is_over;      /* its finish was reported */
    bool is_reasoning; /* the last part was */
    bool trims;        /* line ends at the beginning of an answer of a given form only separate it from what was before */
    uint32_t n_calls;
    uint32_t n_reasoning, n_undecided; /* tokens of which nothing showed yet */
} suan__ask_choice;

/* The asks of an exchange: what they cost together, and who hears that the client has gone or is slow. Kept with the exchange, and longer than they are. */
typedef struct suan__ask_group {
    pthread_mutex_t
        lock; /* of all members, and of the requests of the asks; held while the batch takes a request, so no event overtakes the pointer to it */
    struct suan__ask_state *active; /* those that have a request, linked by `next` */
    bool is_watched, is_gone, is_slow;
    uint64_t seed;   /* drawn for all asks of the exchange */
    uint32_t n_open; /* prepared, and not ended */
    suan_usage usage;
    uint32_t n_reasoning;
    int status;
} suan__ask_group;

typedef struct suan__ask_state {
    suan__ask ask; /* first: the interface's view of this */
    suan__exchange *x;
    suan__ask_fn *fn;
    void *ctx;
    void (*free_ctx)(void *);
    suan__ask_group *group;

    char *prompt; /* the rendered prompt; suan_free */
    size_t n_prompt;
    int32_t *ids; /* suan__free */
    size_t n_ids;
    suan_grammar *grammar;
    char *tools; /* as JSON text; free */
    suan__stops stops;
    const char **stop; /* the strings of params.stop */

    suan_request *request;
    struct suan__ask_state *next;
    bool is_prepared;

    uint32_t n_choices, n_over;
    suan__ask_choice *choices;
    bool has_failed;
    suan__problem problem;
} suan__ask_state;

/* ask_prompt.c: fills prompt, ids, tools. */
bool suan__ask_render(suan__ask_state *a, suan__problem *problem);
/* Whether the prompt ends within reasoning; what ends it as the template writes it (reopen: as in suan_answer_think_end). */
bool suan__ask_opens_reasoning(const suan__ask_state *a);
const char *suan__ask_think_end(const suan__ask_state *a, const char **reopen);
/* The limit on an answer's reasoning, if there is one; it points into `a`. */
bool suan__ask_think_limit(const suan__ask_state *a, suan_think_limit *limit);
/* Whether the template speaks of reasoning at all. */
bool suan__ask_has_reasoning(const suan__server *s);
/* Whether the model's templates (the default one, and the one for tools) mention a word. */
bool suan__ask_mentions(const suan_model *model, const char *word);

/* ask_tools.c: whether the answer may have calls; the syntax that they have in this answer. */
bool suan__ask_wants_tools(const suan__ask_state *a);
suan_answer_syntax suan__ask_syntax(const suan__ask_state *a);
/* Whether the template has to be helped with tools; adds their description to the system message, or to the user's first where there can be none. false: out of memory. */
bool suan__ask_describes_tools(const suan__ask_state *a);
bool suan__ask_describe_tools(const suan__ask_state *a, json_t *messages, bool in_user);
/* Calls and results become text. */
bool suan__ask_write_calls(json_t *messages);
/* Whether calls have ids of nine letters and digits; makes such of those of a message. */
#define SUAN__SHORT_ID 9
/* Messages with several calls become one for each, with its results behind it, for templates that write one. */
bool suan__ask_has_single_calls(const suan__server *s);
bool suan__ask_split_calls(json_t *messages);
bool suan__ask_has_short_ids(const suan__server *s);
bool suan__ask_shorten_ids(json_t *message);

/* ask_form.c: the grammar, if one is wanted. */
bool suan__ask_compile(suan__ask_state *a, suan__problem *problem);
/* From an error of the batch; returns false. param: the field where it is not the grammar. */
bool suan__ask_engine_problem(const suan__ask_state *a, suan__problem *problem, const char *param, const suan_error *err);
/* ask_events.c: one choice for each that is asked for; the batch's events. */
bool suan__ask_choices_init(suan__ask_state *a, suan__problem *problem);
void suan__ask_choices_fini(suan__ask_state *a);
suan_event_fn suan__ask_on_event;
/* ask.c: the request has ended; may free the exchange and with it `a`. */
void suan__ask_ended(suan__ask_state *a, const suan_event *event);

/* Sums: times of requests side by side are the longest of them, what they took is added. */
void suan__usage_add(suan_usage *sum, const suan_usage *u);
/* Whether the batch's queue has room for a few more. */
bool suan__ask_may_submit(const suan__exchange *x);

/* account.c: to the ledger and the metrics; status 499: the client left first. */
void suan__server_account(suan__server *s, suan__exchange *x, const suan_usage *usage, uint32_t n_reasoning, int status);
double suan__usage_cost(const suan__serve_config *config, const suan_usage *usage);

#endif
