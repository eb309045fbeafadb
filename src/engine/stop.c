/* stop.c: stop strings, one prefix automaton each. */
#include "engine/stop.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static void fill_failure(const char *text, size_t n, uint32_t *failure) {
    failure[0] = 0;
    uint32_t k = 0;
    for (size_t i = 1; i < n; i++) {
        while (k > 0 && text[i] != text[k]) k = failure[k - 1];
        if (text[i] == text[k]) k++;
        failure[i] = k;
    }
}

/* Checks the strings and sets the lengths. */
static suan_status measure(suan__stop *stop, const char *const *strings, size_t n, size_t *total, suan_error *err) {
    SUAN_CHECK(n <= SUAN__MAX_STOPS, SUAN_ERANGE, "stop: %zu stop strings, expected at most %d", n, SUAN__MAX_STOPS);
    SUAN_CHECK(n == 0 || strings, SUAN_EINVAL, "stop: n_stop is %zu, but stop is NULL", n);
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        SUAN_CHECK(strings[i] && strings[i][0], SUAN_EINVAL, "stop: stop string %zu is empty", i);
        size_t length = strnlen(strings[i], SUAN__MAX_STOP_BYTES + 1);
        *total += length;
        SUAN_CHECK(*total <= SUAN__MAX_STOP_BYTES, SUAN_ERANGE, "stop: the stop strings have more than %u bytes together",
                   SUAN__MAX_STOP_BYTES);
        SUAN_CHECK(suan__utf8_valid(strings[i], length), SUAN_EINVAL, "stop: stop string %zu is not UTF-8", i);
        stop->patterns[i].n = (uint32_t)length;
    }
    return SUAN_OK;
}

suan_status suan__stop_init(suan__stop *stop, const char *const *strings, size_t n, suan_error *err) {
    *stop = (suan__stop){0};
    size_t total = 0;
    SUAN_TRY(measure(stop, strings, n, &total, err));
    if (n == 0) return SUAN_OK;
    uint32_t *failure = suan__malloc(total * (sizeof *failure + 1)); /* the tables, then the bytes */
    SUAN_CHECK(failure, SUAN_ENOMEM, "stop: out of memory for %zu stop strings", n);
    char *bytes = (char *)(failure + total);
    stop->memory = failure;
    stop->n = n;
    for (size_t i = 0; i < n; i++) {
        suan__stop_pattern *p = &stop->patterns[i];
        memcpy(bytes, strings[i], p->n);
        fill_failure(bytes, p->n, failure);
        p->text = bytes;
        p->failure = failure;
        bytes += p->n;
        failure += p->n;
    }
    return SUAN_OK;
}

void suan__stop_fini(suan__stop *stop) {
    suan__free(stop->memory);
    stop->memory = NULL;
    stop->n = 0;
}

void suan__stop_reset(suan__stop *stop) {
    for (size_t i = 0; i < stop->n; i++) stop->patterns[i].state = 0;
}

size_t suan__stop_feed(suan__stop *stop, char byte) {
    size_t longest = 0;
    for (size_t i = 0; i < stop->n; i++) {
        suan__stop_pattern *p = &stop->patterns[i];
        if (p->state == p->n) p->state = p->failure[p->n - 1];
        while (p->state > 0 && byte != p->text[p->state]) p->state = p->failure[p->state - 1];
        if (byte == p->text[p->state]) p->state++;
        if (p->state == p->n && p->n > longest) longest = p->n;
    }
    return longest;
}

size_t suan__stop_held(const suan__stop *stop) {
    size_t held = 0;
    for (size_t i = 0; i < stop->n; i++) {
        const suan__stop_pattern *p = &stop->patterns[i];
        size_t state = p->state == p->n ? p->failure[p->n - 1] : p->state;
        if (state > held) held = state;
    }
    return held;
}
