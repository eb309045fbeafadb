/* ask_list.c: many asks of one exchange, a few at a time. */
#include "serve/ask_list.h"

#include "serve/ask_internal.h"

#define WINDOW 16 /* asks in work: enough to fill steps, few enough to leave the queue to others */

bool suan__ask_list_init(suan__ask_list *list, size_t n) {
    *list = (suan__ask_list){.asks = suan__calloc(n, sizeof *list->asks), .n = n};
    return list->asks != NULL;
}

void suan__ask_list_fini(suan__ask_list *list) {
    suan__free(list->asks);
    *list = (suan__ask_list){0};
}

static void drop_rest(suan__exchange *x, suan__ask_list *list) {
    while (list->n > list->n_submitted) suan__ask_drop(x, list->asks[--list->n], 0);
}

bool suan__ask_list_start(suan__exchange *x, suan__ask_list *list, suan__problem *problem) {
    for (size_t i = 0; i < list->n; i++) {
        if (suan__ask_prepare(x, list->asks[i], problem)) continue;
        list->n = i;
        drop_rest(x, list);
        return false;
    }
    list->n_submitted = 1; /* before the first event can come */
    if (suan__ask_submit(x, list->asks[0], problem)) return true;
    suan__ask_drop(x, list->asks[0], suan__problem_status(problem->kind));
    drop_rest(x, list);
    return false;
}

static void fail(suan__exchange *x, suan__ask_list *list, const suan__problem *problem) {
    if (list->problem.kind == SUAN__PROBLEM_NONE) list->problem = *problem;
    drop_rest(x, list);
    for (size_t i = 0; i < list->n_submitted; i++) suan__ask_cancel(list->asks[i]);
}

/* Fills the window. Room in the queue, or in the key's share of it, is waited for while others of the list are in work; the list keeps the place that it was given once. */
static void pump(suan__exchange *x, suan__ask_list *list) {
    while (list->n_submitted < list->n && list->n_submitted - list->n_ended < WINDOW) {
        suan__problem problem = {0};
        suan__ask *ask = list->asks[list->n_submitted];
        bool has_others = list->n_submitted > list->n_ended;
        if (!suan__ask_may_submit(x) && has_others) return;
        ask->params.is_continued = !has_others;
        list->n_submitted++; /* before its first event can come */
        if (suan__ask_submit(x, ask, &problem)) continue;
        if (suan__ask_may_later(&problem) && has_others) {
            list->n_submitted--;
            return;
        }
        suan__ask_drop(x, ask, suan__problem_status(problem.kind));
        list->n_ended++; /* no event of it comes */
        fail(x, list, &problem);
        return;
    }
}

bool suan__ask_list_event(suan__exchange *x, suan__ask_list *list, const suan__ask_event *event) {
    if (event->kind == SUAN__ASK_START) pump(x, list);
    if (event->kind != SUAN__ASK_END) return false;
    list->n_ended++;
    suan__usage_add(&list->usage, &event->usage);
    list->n_reasoning += event->n_reasoning;
    if (event->problem->kind != SUAN__PROBLEM_NONE) fail(x, list, event->problem);
    pump(x, list);
    return list->n_ended == list->n;
}
