/* run_report.c: the figures of a run. */
#include "cli/run_report.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/output.h"

/* ---- logprobs */

static bool grow(cli_logprobs *l, size_t n_top) {
    size_t capacity = l->capacity ? 2 * l->capacity : 256;
    suan_logprob *drawn = suan__realloc(l->drawn, capacity, sizeof *drawn);
    if (!drawn) return false;
    l->drawn = drawn;
    suan_logprob *top = suan__realloc(l->top, capacity, (n_top ? n_top : 1) * sizeof *top);
    if (!top) return false;
    l->top = top;
    l->capacity = capacity;
    return true;
}

void cli_logprobs_add(cli_logprobs *l, const suan_piece *piece) {
    if (l->n == 0) l->n_top = piece->n_top;
    if (l->has_failed || piece->n_top != l->n_top || (l->n == l->capacity && !grow(l, l->n_top))) {
        l->has_failed = true;
        return;
    }
    l->drawn[l->n] = (suan_logprob){.id = piece->id, .logprob = piece->logprob};
    if (l->n_top) memcpy(l->top + l->n * l->n_top, piece->top, l->n_top * sizeof *l->top);
    l->n++;
}

void cli_logprobs_fini(cli_logprobs *l) {
    suan__free(l->drawn);
    suan__free(l->top);
    *l = (cli_logprobs){0};
}

/* ---- figures */

const char *cli_finish_name(suan_finish finish) {
    switch (finish) {
    case SUAN_FINISH_STOP:
        return "stop";
    case SUAN_FINISH_LENGTH:
        return "length";
    case SUAN_FINISH_CANCELLED:
        return "cancelled";
    }
    return "stop";
}

double cli_prompt_rate(const suan_result *r) {
    return r->prompt_seconds > 0 ? (double)(r->n_prompt - r->n_prompt_cached) / r->prompt_seconds : 0;
}

double cli_decode_rate(const suan_result *r) {
    return r->decode_seconds > 0 && r->n_ids > 1 ? (double)(r->n_ids - 1) / r->decode_seconds : 0;
}

const char *cli_drafts_text(char text[CLI_DRAFTS_TEXT], const suan_result *r) {
    text[0] = 0;
    if (r->n_drafted)
        snprintf(text, CLI_DRAFTS_TEXT, ", %llu of %llu drafts right", (unsigned long long)r->n_accepted, (unsigned long long)r->n_drafted);
    return text;
}

/* ---- JSON */

static json_t *ids_json(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n && array; i++) {
        if (json_array_append_new(array, json_integer(ids[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *logprobs_json(const cli_logprobs *l) {
    json_t *rows = json_array();
    for (size_t i = 0; i < l->n && rows; i++) {
        json_t *top = json_array();
        for (size_t k = 0; k < l->n_top; k++) {
            const suan_logprob *t = &l->top[i * l->n_top + k];
            json_array_append_new(top, json_pack("{s:i, s:f}", "id", t->id, "logprob", (double)t->logprob));
        }
        json_t *row = json_pack("{s:i, s:f, s:o}", "id", l->drawn[i].id, "logprob", (double)l->drawn[i].logprob, "top", top);
        if (json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            rows = NULL;
        }
    }
    return rows;
}

static double milliseconds(double seconds) {
    return (double)(int64_t)(seconds * 1e6 + 0.5) / 1e3;
}

static json_t *timings_json(const cli_run_report *r) {
    const suan_result *result = r->result;
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:I, s:I}", "load_ms", milliseconds(r->load_seconds), "first_token_ms",
                     milliseconds(r->first_token_seconds), "prompt_ms", milliseconds(result->prompt_seconds), "decode_ms",
                     milliseconds(result->decode_seconds), "prompt_tokens", (json_int_t)result->n_prompt, "prompt_tokens_cached",
                     (json_int_t)result->n_prompt_cached, "output_tokens", (json_int_t)result->n_ids, "prompt_tokens_per_second",
                     cli_prompt_rate(result), "decode_tokens_per_second", cli_decode_rate(result), "drafted", (json_int_t)result->n_drafted,
                     "accepted", (json_int_t)result->n_accepted);
}

static json_t *model_json(const suan_model_info *info) {
    return json_pack("{s:o, s:o, s:s, s:I, s:s, s:i}", "path", cli_json_text(info->path, strlen(info->path)), "name",
                     cli_json_text(info->name ? info->name : "", info->name ? strlen(info->name) : 0), "architecture", info->architecture,
                     "n_params", (json_int_t)info->n_params, "cpu", info->cpu, "threads", info->n_threads);
}

static json_t *memory_json(const cli_run_report *r) {
    uint64_t a_token = r->kv == SUAN_KV_F32    ? r->info.kv_bytes_per_token_f32
                       : r->kv == SUAN_KV_Q8_0 ? r->info.kv_bytes_per_token_q8_0
                                               : r->info.kv_bytes_per_token_f16;
    uint32_t n_ctx = suan_session_n_ctx(r->session);
    return json_pack("{s:I, s:I, s:I}", "peak_bytes", (json_int_t)suan__memory_peak(), "weight_bytes", (json_int_t)r->info.weight_bytes,
                     "kv_bytes", (json_int_t)(a_token * n_ctx));
}

json_t *cli_run_report_json(const cli_run_report *r) {
    const suan_result *result = r->result;
    json_t *root = json_pack("{s:o, s:o, s:o, s:s, s:b, s:o, s:s, s:o, s:o, s:I, s:I}", "prompt_ids",
                             ids_json(r->prompt_ids, r->n_prompt_ids), "output_ids", ids_json(result->ids, result->n_ids), "text",
                             cli_json_text(result->text ? result->text : "", result->n_text), "finish_reason",
                             cli_finish_name(result->finish), "context_full", (int)result->context_full, "timings", timings_json(r),
                             "profile", suan_session_profile(r->session), "model", model_json(&r->info), "memory", memory_json(r), "n_ctx",
                             (json_int_t)suan_session_n_ctx(r->session), "seed", (json_int_t)r->sampling->seed);
    if (root && r->logprobs) {
        json_t *rows = r->logprobs->has_failed ? NULL : logprobs_json(r->logprobs);
        if (json_object_set_new(root, "logprobs", rows) != 0) {
            json_decref(root);
            root = NULL;
        }
    }
    return root;
}

/* ---- for a person */

void cli_run_report_say(const cli_run_report *r) {
    const suan_result *result = r->result;
    char peak[32], seed[32] = "", drafts[CLI_DRAFTS_TEXT];
    if (result->context_full) {
        cli_note("The context of %u positions is full, so the answer ends here; -c N asks for a larger one.",
                 (unsigned)suan_session_n_ctx(r->session));
    }
    if (r->sampling->temperature > 0) snprintf(seed, sizeof seed, ", seed %llu", (unsigned long long)r->sampling->seed);
    cli_note("prompt %zu tokens in %.2f s (%.1f tokens/s), answer %zu tokens in %.2f s (%.1f tokens/s)%s, memory %s%s%s", result->n_prompt,
             result->prompt_seconds, cli_prompt_rate(result), result->n_ids, result->decode_seconds, cli_decode_rate(result),
             cli_drafts_text(drafts, result), cli_bytes(peak, (double)suan__memory_peak()), seed,
             result->finish == SUAN_FINISH_CANCELLED ? ", stopped" : "");
}
