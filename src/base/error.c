/* error.c: names of the statuses, and messages that are safe to show whatever bytes went into them. */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *suan_status_name(suan_status status) {
    switch (status) {
#define STATUS_NAME(name, value, text) \
    case name:                         \
        return #name;
        SUAN_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "unknown status";
}

const char *suan_status_text(suan_status status) {
    switch (status) {
#define STATUS_TEXT(name, value, text) \
    case name:                         \
        return text;
        SUAN_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

size_t suan__message_clean(char *s, size_t n, bool is_cut) {
    if (is_cut) n -= suan__utf8_incomplete_tail(s, n);
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t length = suan__utf8_decode(s + i, n - i, &cp);
        if (length == 0 || cp < 32 || cp == 127) {
            s[i] = '?';
            length = 1;
        }
        i += length;
    }
    s[n] = 0;
    return n;
}

size_t suan__message_format(char *s, size_t capacity, const char *format, va_list args) {
    int wanted = vsnprintf(s, capacity, format, args);
    if (wanted < 0) {
        /* Only a broken format or more than INT_MAX characters get here; the format itself still says what happened. */
        wanted = snprintf(s, capacity, "%s", format);
        if (wanted < 0) wanted = 0;
    }
    bool is_cut = (size_t)wanted >= capacity;
    return suan__message_clean(s, is_cut ? capacity - 1 : (size_t)wanted, is_cut);
}

/* The message is made beside its place, because an argument may be the old message of the same error. */
static suan_status fail(suan_error *err, suan_status status, int64_t offset, const char *format, va_list args) {
    if (!err) return status;
    char message[sizeof err->message];
    size_t n = suan__message_format(message, sizeof message, format, args);
    memcpy(err->message, message, n + 1);
    err->status = status;
    err->offset = offset;
    return status;
}

suan_status suan__fail(suan_error *err, suan_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail(err, status, -1, format, args);
    va_end(args);
    return status;
}

suan_status suan__fail_at(suan_error *err, suan_status status, int64_t offset, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail(err, status, offset, format, args);
    va_end(args);
    return status;
}

suan_status suan__fail_prefix(suan_error *err, suan_status status, const char *prefix) {
    if (!err) return status;
    /* An error that was never filled has no sentence of its own; the status says at least what kind it is. */
    bool is_filled = err->status != SUAN_OK;
    if (is_filled) status = err->status;
    return suan__fail_at(err, status, is_filled ? err->offset : -1, "%s: %s", prefix, is_filled ? err->message : suan_status_text(status));
}
