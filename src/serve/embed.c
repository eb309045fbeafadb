/* embed.c: texts as vectors. */
#include "serve/embed.h"

#include "base/memory.h"
#include "serve/gather.h"

static void free_embed(void *p) {
    suan__embed *e = p;
    for (size_t i = 0; e->items && i < e->n_added; i++) {
        suan__free(e->items[i].text);
        json_decref(e->items[i].values);
    }
    suan__free(e->items);
    suan__ask_list_fini(&e->list);
    suan__free(e);
}

suan__embed *suan__embed_new(suan__exchange *x, size_t n, suan__embed_fn *fn) {
    suan__embed *e = suan__calloc(1, sizeof *e);
    if (!e || !suan__exchange_keep(x, e, free_embed)) return NULL;
    e->fn = fn;
    e->items = suan__calloc(n, sizeof *e->items);
    return e->items && suan__ask_list_init(&e->list, n) ? e : NULL;
}

static void on_event(void *ctx, suan__exchange *x, const suan__ask_event *event) {
    struct suan__embed_item *item = ctx;
    suan__embed *e = item->embed;
    if (event->kind == SUAN__ASK_EMBEDDING) {
        json_decref(item->values);
        item->values = json_array();
        for (uint32_t i = 0; i < event->n_values; i++) json_array_append_new(item->values, json_real(suan__short_decimal(event->values[i])));
    }
    if (!suan__ask_list_event(x, &e->list, event)) return;
    if (e->list.problem.kind != SUAN__PROBLEM_NONE)
        suan__ask_fail(x, &e->list.problem);
    else
        e->fn(x, e);
}

bool suan__embed_add(suan__exchange *x, suan__embed *e, const char *text, size_t n, suan__problem *problem) {
    struct suan__embed_item *item = &e->items[e->n_added];
    item->embed = e;
    item->text = suan__strndup(text, n);
    if (!item->text) {
        suan__no_memory(problem);
        return false;
    }
    suan__ask *ask = e->list.asks[e->n_added++] = suan__ask_new(x, on_event, item, NULL);
    if (!ask) return false;
    ask->text = item->text, ask->n_text = n;
    ask->params.pooling = SUAN_POOLING_MEAN;
    ask->plain = true;
    return true;
}

bool suan__embed_start(suan__exchange *x, suan__embed *e, suan__problem *problem) {
    return suan__ask_list_start(x, &e->list, problem);
}
