/* gather.c: parts of answers, and small pieces that several interfaces need. */
#include "serve/gather.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

bool suan__no_memory(suan__problem *problem) {
    return suan__problem_set(problem, SUAN__PROBLEM_INTERNAL, "", "out of memory");
}

bool suan__gather_init(suan__gather *g, uint32_t n_choices) {
    *g = (suan__gather){0};
    g->choices = suan__calloc(n_choices, sizeof *g->choices);
    if (g->choices) g->n_choices = n_choices;
    return g->choices;
}

void suan__gather_fini(suan__gather *g) {
    for (uint32_t c = 0; c < g->n_choices; c++) {
        suan__gathered *choice = &g->choices[c];
        for (size_t i = 0; i < choice->n_parts; i++) {
            suan__buf_fini(&choice->parts[i].text);
            suan__free(choice->parts[i].name);
            suan__free(choice->parts[i].id);
        }
        suan__free(choice->parts);
        suan__free(choice->stop);
        json_decref(choice->tokens);
    }
    suan__free(g->choices);
    *g = (suan__gather){0};
}

/* A new part behind the others; NULL: out of memory. */
static suan__part *add_part(suan__gathered *choice, suan__part_kind kind) {
    if (choice->n_parts == choice->capacity) {
        size_t capacity = choice->capacity ? 2 * choice->capacity : 4;
        suan__part *parts = suan__realloc(choice->parts, capacity, sizeof *parts);
        if (!parts) return NULL;
        choice->parts = parts, choice->capacity = capacity;
    }
    suan__part *part = &choice->parts[choice->n_parts++];
    *part = (suan__part){.kind = kind};
    return part;
}

static bool take_text(suan__gathered *choice, suan__part_kind kind, const char *text, size_t n) {
    if (!n) return true;
    suan__part *part = choice->n_parts ? &choice->parts[choice->n_parts - 1] : NULL;
    if (!part || part->kind != kind) part = add_part(choice, kind);
    return part && suan__buf_append(&part->text, text, n);
}

static bool take_call(suan__gathered *choice, const suan__ask_event *event) {
    suan__part *part = add_part(choice, SUAN__PART_CALL);
    if (!part) return false;
    part->name = suan__strndup(event->name, strlen(event->name));
    part->id = suan__strndup(event->id, strlen(event->id));
    return part->name && part->id && suan__buf_append(&part->text, event->arguments, event->n_arguments);
}

/* The parts of a call follow each other. */
static bool take_more(suan__gathered *choice, const suan__ask_event *event) {
    suan__part *part = choice->n_parts ? &choice->parts[choice->n_parts - 1] : NULL; /* there was no memory for its beginning */
    if (!part) return false;
    part->is_broken = event->is_broken;
    return event->n_arguments == 0 || suan__buf_append(&part->text, event->arguments, event->n_arguments);
}

bool suan__gather_take(suan__gather *g, const suan__ask_event *event) {
    if (event->choice >= g->n_choices) return true;
    suan__gathered *choice = &g->choices[event->choice];
    switch (event->kind) {
    case SUAN__ASK_REASONING:
        return take_text(choice, SUAN__PART_REASONING, event->text, event->n_text);
    case SUAN__ASK_TEXT:
        return take_text(choice, SUAN__PART_TEXT, event->text, event->n_text);
    case SUAN__ASK_CALL:
    case SUAN__ASK_CALL_BEGIN:
        return take_call(choice, event);
    case SUAN__ASK_CALL_MORE:
    case SUAN__ASK_CALL_END:
        return take_more(choice, event);
    case SUAN__ASK_CHOICE:
        choice->has_ended = true;
        choice->finish = event->finish;
        if (event->finish != SUAN__ASK_STOP_STRING || !event->stop) return true;
        choice->stop = suan__strndup(event->stop, strlen(event->stop));
        return choice->stop;
    default:
        return true;
    }
}

bool suan__gather_is_good(suan__exchange *x, const suan__ask_event *end, bool has_failed) {
    suan__problem problem = *end->problem;
    if (problem.kind == SUAN__PROBLEM_NONE && has_failed) suan__no_memory(&problem);
    if (problem.kind == SUAN__PROBLEM_NONE) return true;
    suan__ask_fail(x, &problem);
    return false;
}

/* ---- JSON ---- */

json_t *suan__text_json(const char *s, size_t n) {
    if (suan__utf8_valid(s, n)) return json_stringn_nocheck(s, n);
    suan__buf b = {0};
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t length = suan__utf8_decode(s + i, n - i, &cp);
        suan__buf_append(&b, length ? s + i : "\xef\xbf\xbd", length ? length : 3);
        i += length ? length : 1;
    }
    json_t *text = b.failed ? NULL : json_stringn_nocheck(b.data ? b.data : "", b.n);
    suan__buf_fini(&b);
    return text;
}

json_t *suan__part_json(const suan__part *part) {
    return suan__text_json(part->text.data ? part->text.data : "", part->text.n);
}

/* The brackets that are open at the end of s, and how much of s is whole: up to the last member or element of it. */
static size_t whole_length(const char *s, size_t n, suan__buf *open, suan__buf *open_there) {
    size_t whole = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (in_string) {
            if (s[i] == '\\')
                i++;
            else
                in_string = s[i] != '"';
            continue;
        }
        in_string = s[i] == '"';
        bool opens = s[i] == '{' || s[i] == '[', closes = s[i] == '}' || s[i] == ']';
        if (opens) suan__buf_append(open, s[i] == '{' ? "}" : "]", 1);
        if (closes && open->n > 0) open->n--;
        if (!opens && !closes && s[i] != ',') continue;
        whole = i + (s[i] != ',');
        open_there->n = 0;
        suan__buf_append(open_there, open->data, open->n);
    }
    return whole;
}

json_t *suan__cut_arguments_json(const char *s, size_t n) {
    suan__buf open = {0}, open_there = {0}, text = {0};
    suan__buf_append(&open, "", 0);
    suan__buf_append(&text, s, whole_length(s, n, &open, &open_there));
    while (open_there.n > 0) suan__buf_append(&text, open_there.data + --open_there.n, 1);
    json_t *object = suan__arguments_json(text.data ? text.data : "", text.n);
    suan__buf_fini(&open);
    suan__buf_fini(&open_there);
    suan__buf_fini(&text);
    return object;
}

json_t *suan__arguments_json(const char *s, size_t n) {
    json_t *object = json_loadb(s, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    if (json_is_object(object)) return object;
    json_decref(object);
    return json_object();
}

const char *suan__time_text(char text[SUAN__TIME_TEXT], int64_t seconds, long nanoseconds) {
    struct tm tm;
    time_t t = (time_t)seconds;
    char day[24];
    if (!gmtime_r(&t, &tm) || !strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm)) memcpy(day, "1970-01-01T00:00:00", 20);
    if (nanoseconds < 0)
        snprintf(text, SUAN__TIME_TEXT, "%sZ", day);
    else
        snprintf(text, SUAN__TIME_TEXT, "%s.%09ldZ", day, nanoseconds % 1000000000L);
    return text;
}

/* ---- filling an ask ---- */

bool suan__ask_schema(suan__exchange *x, suan__ask *ask, const json_t *schema, const char *where, suan__problem *problem) {
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return suan__problem_set(problem, SUAN__PROBLEM_INVALID, where, "%s: expected a JSON Schema, an object", where);
    size_t n = 0;
    char *text = suan__json_text(schema, &n);
    if (!text || !suan__exchange_keep(x, text, suan_free)) return suan__no_memory(problem);
    ask->format = SUAN__FORMAT_JSON_SCHEMA;
    ask->format_text = text, ask->n_format_text = n;
    return true;
}

bool suan__ask_extra(suan__ask *ask, const char *name, json_t *value, suan__problem *problem) {
    if (!ask->template_extra) ask->template_extra = json_object();
    return json_object_set_new(ask->template_extra, name, value) == 0 || suan__no_memory(problem);
}
