/* sampling.c: the model's wishes, the person's, and a seed. */
#include "cli/sampling.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

void cli_sampling_fini(cli_sampling_options *o) {
    cli_texts_fini(&o->logit_bias);
    cli_texts_fini(&o->stop);
}

static suan_status read_bias(const cli_texts *texts, suan_logit_bias **bias, suan_error *err) {
    *bias = NULL;
    if (texts->n == 0) return SUAN_OK;
    suan_logit_bias *rows = suan__calloc(texts->n, sizeof *rows);
    SUAN_CHECK(rows, SUAN_ENOMEM, "out of memory");
    for (size_t i = 0; i < texts->n; i++) {
        const char *text = texts->items[i], *colon = strchr(text, ':');
        int64_t id = 0;
        double value = 0;
        bool is_good = colon && cli_parse_i64(text, (size_t)(colon - text), 0, INT32_MAX, &id) &&
                       cli_parse_f64(colon + 1, strlen(colon + 1), &value) && fabs(value) <= 1e9;
        if (!is_good) {
            suan__free(rows);
            return suan__fail(err, SUAN_EINVAL, "--logit-bias: \"%s\" is not ID:BIAS, a token and a number", text);
        }
        rows[i] = (suan_logit_bias){.id = (int32_t)id, .bias = (float)value};
    }
    *bias = rows;
    return SUAN_OK;
}

suan_status cli_sampling_check(const cli_sampling_options *o, suan_error *err) {
    suan_logit_bias *bias;
    for (size_t i = 0; i < o->stop.n; i++) SUAN_CHECK(o->stop.items[i][0], SUAN_EINVAL, "--stop: the text is empty");
    SUAN_TRY(read_bias(&o->logit_bias, &bias, err));
    suan__free(bias);
    return SUAN_OK;
}

/* 53 bits, so that every reader of JSON keeps the number whole. */
static uint64_t random_seed(void) {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        struct timespec t = {0};
        clock_gettime(CLOCK_REALTIME, &t);
        seed = (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15u + (uint64_t)t.tv_sec + (uint64_t)getpid();
    }
    return seed >> 11;
}

void cli_sampling_apply(const cli_sampling_options *o, suan_sampling *sampling) {
#define TAKE(field) \
    if (o->given.field) sampling->field = o->value.field
    TAKE(temperature);
    TAKE(top_k);
    TAKE(top_p);
    TAKE(min_p);
    TAKE(typical_p);
    TAKE(repetition_penalty);
    TAKE(presence_penalty);
    TAKE(frequency_penalty);
    TAKE(penalty_last_n);
    TAKE(seed);
#undef TAKE
}

suan_status cli_sampling_make(const cli_sampling_options *o, const suan_model *model, suan_sampling *sampling, suan_logit_bias **bias,
                              suan_error *err) {
    *bias = NULL;
    suan_sampling_init(sampling);
    SUAN_TRY(suan_model_sampling(model, sampling, err));
    SUAN_TRY(read_bias(&o->logit_bias, bias, err));
    sampling->seed = random_seed();
    cli_sampling_apply(o, sampling);
    sampling->logit_bias = *bias;
    sampling->n_logit_bias = o->logit_bias.n;
    return SUAN_OK;
}
