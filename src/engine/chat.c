/* chat.c: messages to ids: the model's template writes the prompt, the tokenizer encodes it, and knows of each byte who wrote it. */
#include <string.h>

#include "engine/engine.h"
#include "formats/json.h"
#include "suan/template.h"

/* ---- the time ---- */

/* Reads exactly n digits. */
static bool read_digits(const char **s, int n, int *value) {
    *value = 0;
    for (; n > 0; n--, (*s)++) {
        if (**s < '0' || **s > '9') return false;
        *value = *value * 10 + (**s - '0');
    }
    return true;
}

static int days_of(int year, int month) {
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static suan_status read_time(const char *text, suan_template_time *t, suan_error *err) {
    static const struct {
        int digits;
        char end;
    } fields[6] = {{4, '-'}, {2, '-'}, {2, 'T'}, {2, ':'}, {2, ':'}, {2, 0}};
    int *values[6] = {&t->year, &t->month, &t->day, &t->hour, &t->minute, &t->second};
    const char *s = text;
    bool ok = true;
    for (int i = 0; i < 6 && ok; i++) {
        ok = read_digits(&s, fields[i].digits, values[i]) && *s == fields[i].end;
        if (*s) s++;
    }
    ok = ok && t->year >= 1 && t->month >= 1 && t->month <= 12 && t->day >= 1 && t->day <= days_of(t->year, t->month) && t->hour <= 23 &&
         t->minute <= 59 && t->second <= 59;
    SUAN_CHECK(ok, SUAN_EINVAL, "chat: the time is '%s', expected one like 2026-01-02T03:04:05", text);
    return SUAN_OK;
}

/* ---- the prompt ---- */

/* The special tokens that templates name; those that the vocabulary lacks stay undefined, as Hugging Face does it. */
typedef struct special_tokens {
    suan_template_token tokens[SUAN_N_ROLES];
    size_t n;
} special_tokens;

static special_tokens special_tokens_of(const suan_tokenizer *t) {
    static const struct {
        suan_token_role role;
        const char *name;
    } roles[] = {{SUAN_ROLE_BOS, "bos_token"}, {SUAN_ROLE_EOS, "eos_token"}, {SUAN_ROLE_UNK, "unk_token"}, {SUAN_ROLE_PAD, "pad_token"}};
    special_tokens s = {.n = 0};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        size_t n = 0;
        const char *text = suan_tokenizer_role_text(t, roles[i].role, &n);
        if (text && n > 0) s.tokens[s.n++] = (suan_template_token){roles[i].name, text};
    }
    return s;
}

/* Encodes behind a BOS if the tokenizer wants one, unless the template wrote it already. No EOS: the answer follows. */
static suan_status encode(const suan_tokenizer *t, const suan_rendered *r, suan__ids *ids, suan_error *err) {
    int32_t bos = suan_tokenizer_adds_bos(t) ? suan_tokenizer_role_id(t, SUAN_ROLE_BOS) : -1;
    suan_text_span *spans = suan__malloc(r->n_spans * sizeof *spans);
    SUAN_CHECK(spans, SUAN_ENOMEM, "chat: out of memory for %zu spans", r->n_spans);
    for (size_t i = 0; i < r->n_spans; i++) spans[i] = (suan_text_span){r->spans[i].begin, r->spans[i].end, r->spans[i].trusted};
    suan_status status = suan__tokenizer_encode(t, r->text, r->n, spans, r->n_spans, 0, ids, err);
    suan__free(spans);
    if (status != SUAN_OK || bos < 0 || (ids->n > 0 && ids->v[0] == bos)) return status;
    int32_t *v = suan__realloc(ids->v, ids->n + 1, sizeof *v);
    SUAN_CHECK(v, SUAN_ENOMEM, "chat: out of memory for %zu tokens", ids->n + 1);
    memmove(v + 1, v, ids->n * sizeof *v);
    v[0] = bos;
    *ids = (suan__ids){v, ids->n + 1, ids->n + 1};
    return SUAN_OK;
}

/* A template that is malformed is one: who asks for a chat is told what is wrong with it. */
bool suan_model_has_chat(const suan_model *model) {
    return model->chat || model->chat_tools || model->chat_error.status != SUAN_OK;
}

/* Some models have a template of their own for requests with tools. A request that is no JSON is for the renderer to refuse. */
static const suan_template *template_for(const suan_model *model, const char *request, size_t n) {
    json_t *json = NULL;
    if (!model->chat_tools || suan__json_load(request, n, "request", &json, NULL) != SUAN_OK) return model->chat;
    bool has_tools = json_array_size(json_object_get(json, "tools")) > 0;
    json_decref(json);
    return has_tools || !model->chat ? model->chat_tools : model->chat;
}

suan_status suan_model_chat_encode(const suan_model *model, const char *request, size_t n_request, const char *now, int32_t **ids,
                                   size_t *n_ids, char **text, suan_error *err) {
    *ids = NULL;
    *n_ids = 0;
    if (text) *text = NULL;
    SUAN_CHECK(model->tokenizer, SUAN_EUNSUPPORTED, "%s: the model has no tokenizer, so no chat", model->path);
    SUAN_CHECK(model->chat_error.status == SUAN_OK, model->chat_error.status, "%s: %s", model->path, model->chat_error.message);
    SUAN_CHECK(model->chat || model->chat_tools, SUAN_EUNSUPPORTED, "%s: the model has no chat template; give it a plain prompt",
               model->path);
    suan_template_time time;
    if (now) SUAN_TRY(read_time(now, &time, err));
    special_tokens special = special_tokens_of(model->tokenizer);
    suan_template_options options = {.tokens = special.tokens, .n_tokens = special.n, .now = now ? &time : NULL};
    suan_rendered rendered;
    SUAN_TRY(suan_template_render(template_for(model, request, n_request), request, n_request, &options, &rendered, err));
    suan__ids list = {0};
    suan_status status = encode(model->tokenizer, &rendered, &list, err);
    if (status == SUAN_OK) {
        *ids = list.v;
        *n_ids = list.n;
        if (text) {
            *text = rendered.text;
            rendered.text = NULL;
        }
    } else {
        suan__ids_fini(&list);
    }
    suan_rendered_free(&rendered);
    return status;
}
