/* account.c: each request for a model that was let in, into the ledger. */
#include <math.h>
#include <time.h>

#include "serve/ask_internal.h"
#include "serve/ledger.h"

void suan__server_account(suan__server *s, suan__exchange *x, const suan_usage *usage, uint32_t n_reasoning, int status) {
    struct timespec now;
    suan__exchange_account(x, usage, n_reasoning);
    if (!s->ledger) return;
    clock_gettime(CLOCK_REALTIME, &now);
    double spent = usage->queue_seconds + usage->prompt_seconds + usage->decode_seconds;
    suan__ledger_row row = {.id = suan__exchange_id(x),
                            .key = suan__exchange_key_name(x),
                            .model = s->config.model_name,
                            .route = suan__exchange_route(x)->path,
                            .time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - (int64_t)(spent * 1e3),
                            .status = status,
                            .n_prompt = usage->n_prompt,
                            .n_cached = usage->n_cached,
                            .n_completion = usage->n_completion,
                            .n_reasoning = n_reasoning,
                            .queue_seconds = usage->queue_seconds,
                            .prompt_seconds = usage->prompt_seconds,
                            .decode_seconds = usage->decode_seconds,
                            .busy_seconds = usage->busy_seconds,
                            .bytes_read = usage->bytes_read,
                            .operations = usage->operations,
                            .joules = usage->joules,
                            .cost_nano = llrint(suan__usage_cost(&s->config, usage) * 1e9),
                            .currency = s->config.currency ? s->config.currency : ""};
    suan__ledger_add(s->ledger, &row); /* a row that is lost is logged and counted there */
}
