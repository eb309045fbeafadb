/* ask_text.c: UTF-8 made whole, and stop strings by one prefix automaton each (Knuth, Morris, Pratt 1977). */
#include "serve/ask_text.h"

#include <string.h>

#include "base/utf8.h"

/* ---- stop strings ---- */

static void fill_failure(const char *s, uint32_t n, uint32_t *failure) {
    failure[0] = 0;
    for (uint32_t i = 1, k = 0; i < n; i++) {
        while (k > 0 && s[i] != s[k]) k = failure[k - 1];
        failure[i] = k += s[i] == s[k];
    }
}

bool suan__stops_init(suan__stops *stops, const char *const *strings, size_t n) {
    *stops = (suan__stops){.strings = strings, .n = n};
    size_t total = 0;
    if (n == 0) return true;
    for (size_t i = 0; i < n; i++) total += strlen(strings[i]);
    stops->offsets = suan__calloc(n, sizeof *stops->offsets);
    stops->lengths = suan__calloc(n, sizeof *stops->lengths);
    stops->failure = suan__calloc(total, sizeof *stops->failure);
    if (!stops->offsets || !stops->lengths || !stops->failure) return false;
    for (uint32_t i = 0, offset = 0; i < n; i++) {
        stops->offsets[i] = offset;
        stops->lengths[i] = (uint32_t)strlen(strings[i]);
        fill_failure(strings[i], stops->lengths[i], stops->failure + offset);
        offset += stops->lengths[i];
    }
    return true;
}

void suan__stops_fini(suan__stops *stops) {
    suan__free(stops->failure);
    suan__free(stops->offsets);
    suan__free(stops->lengths);
    *stops = (suan__stops){0};
}

/* One byte more: the stop string that ends with it (the longest, if several do), or -1. *held: bytes at the end that may be the beginning of one. */
static int feed_stops(const suan__stops *stops, uint32_t *states, char byte, size_t *held) {
    int found = -1;
    *held = 0;
    for (size_t i = 0; i < stops->n; i++) {
        const char *s = stops->strings[i];
        const uint32_t *failure = stops->failure + stops->offsets[i];
        uint32_t k = states[i];
        while (k > 0 && byte != s[k]) k = failure[k - 1];
        states[i] = k += byte == s[k];
        if (k == stops->lengths[i] && (found < 0 || k > stops->lengths[found])) found = (int)i;
        if (k > *held) *held = k;
    }
    return found;
}

/* ---- text ---- */

bool suan__ask_text_init(suan__ask_text *t, const suan__stops *stops) {
    *t = (suan__ask_text){.stops = stops && stops->n > 0 ? stops : NULL};
    if (t->stops) t->states = suan__calloc(stops->n, sizeof *t->states);
    return !t->stops || t->states;
}

void suan__ask_text_fini(suan__ask_text *t) {
    suan__free(t->states);
    suan__buf_fini(&t->buf);
    *t = (suan__ask_text){0};
}

size_t suan__ask_text_waiting(const suan__ask_text *t) {
    return t->buf.n - t->n_ready + t->n_carry;
}

void suan__ask_text_taken(suan__ask_text *t) {
    if (t->n_ready == 0) return;
    memmove(t->buf.data, t->buf.data + t->n_ready, t->buf.n - t->n_ready);
    t->buf.n -= t->n_ready;
    t->n_ready = 0;
}

/* Appends whole characters and looks for stop strings in them. */
static bool append(suan__ask_text *t, const char *s, size_t n) {
    if (!t->stops) {
        if (!suan__buf_append(&t->buf, s, n)) return false;
        t->n_ready = t->buf.n;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        size_t held = 0;
        if (!suan__buf_append(&t->buf, s + i, 1)) return false;
        int found = feed_stops(t->stops, t->states, s[i], &held);
        if (found >= 0) {
            t->stop = t->stops->strings[found];
            t->n_cut = t->stops->lengths[found];
            t->n_ready = t->buf.n - t->n_cut;
            t->buf.n = t->n_ready;
            return true;
        }
        t->n_ready = t->buf.n - held;
    }
    return true;
}

static bool append_replacement(suan__ask_text *t) {
    return append(t, "\xef\xbf\xbd", 3);
}

/* The bytes carried from before and the first of those at s: completes one character. Returns how many bytes of s it took. */
static size_t complete_carry(suan__ask_text *t, const char *s, size_t n, bool *is_good) {
    size_t used = 0;
    uint32_t cp;
    while (t->n_carry > 0 && used < n) {
        t->carry[t->n_carry++] = s[used++];
        if (suan__utf8_decode(t->carry, t->n_carry, &cp) == t->n_carry) {
            *is_good = append(t, t->carry, t->n_carry);
            t->n_carry = 0;
        } else if (suan__utf8_incomplete_tail(t->carry, t->n_carry) != t->n_carry) { /* it cannot become one: the last byte begins anew */
            t->n_carry = 0;
            used--;
            *is_good = append_replacement(t);
        }
    }
    return used;
}

bool suan__ask_text_feed(suan__ask_text *t, const char *bytes, size_t n) {
    bool is_good = true;
    size_t at = complete_carry(t, bytes, n, &is_good);
    while (is_good && at < n && !t->stop) {
        uint32_t cp;
        size_t n_valid = 0, length;
        while (at + n_valid < n && (length = suan__utf8_decode(bytes + at + n_valid, n - at - n_valid, &cp)) > 0) n_valid += length;
        is_good = append(t, bytes + at, n_valid);
        at += n_valid;
        if (at == n || !is_good) break;
        if (suan__utf8_incomplete_tail(bytes + at, n - at) == n - at) {
            t->n_carry = n - at;
            memcpy(t->carry, bytes + at, t->n_carry);
            break;
        }
        is_good = append_replacement(t);
        at++;
    }
    if (t->stop) t->n_carry = 0;
    return is_good;
}

bool suan__ask_text_flush(suan__ask_text *t) {
    bool is_good = true;
    if (t->n_carry > 0 && !t->stop) is_good = append_replacement(t);
    t->n_carry = 0;
    if (t->states) memset(t->states, 0, t->stops->n * sizeof *t->states);
    t->n_ready = t->buf.n;
    return is_good;
}
