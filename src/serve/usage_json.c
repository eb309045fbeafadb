/* usage_json.c: what a request cost, as replies and prices say it. */
#include <math.h>

#include "serve/ask_internal.h"

double suan__usage_cost(const suan__serve_config *config, const suan_usage *usage) {
    uint32_t n_fresh = usage->n_prompt > usage->n_cached ? usage->n_prompt - usage->n_cached : 0;
    return (config->price_prompt * n_fresh + config->price_cached * usage->n_cached + config->price_completion * usage->n_completion) / 1e6;
}

/* Three digits behind the point: more would be noise. */
static json_t *milliseconds(double seconds) {
    return json_real(rint(seconds * 1e6) / 1e3);
}

json_t *suan__usage_json(const suan__exchange *x, const suan_usage *usage) {
    const suan__serve_config *config = &suan__exchange_server(x)->config;
    json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:I, s:o}", "queue_ms", milliseconds(usage->queue_seconds), "prompt_ms",
                             milliseconds(usage->prompt_seconds), "decode_ms", milliseconds(usage->decode_seconds), "busy_ms",
                             milliseconds(usage->busy_seconds), "bytes_read", (json_int_t)usage->bytes_read, "joules",
                             usage->joules >= 0 ? json_real(usage->joules) : json_null());
    bool has_price = config->price_prompt > 0 || config->price_completion > 0 || config->price_cached > 0;
    if (json && has_price) {
        json_object_set_new(json, "cost", json_real(suan__usage_cost(config, usage)));
        json_object_set_new(json, "currency", json_string(config->currency ? config->currency : ""));
    }
    return json;
}
