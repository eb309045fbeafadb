/* error.h: filling a suan_error, and the macros that check, fail and forward.
 *
 *     suan_status f(const char *path, suan_error *err) {
 *         SUAN_CHECK(n <= MAX, SUAN_ERANGE, "%s: n is %llu, expected at most %llu", path, n, MAX);
 *         SUAN_TRY(g(path, err));
 *         return SUAN_OK;
 *     }
 *
 * Functions that own resources use `goto fail` with one label that calls the ordinary close function (SUAN_CHECK_GOTO,
 * SUAN_TRY_GOTO set the local variable `status`).
 */
#ifndef SUAN_BASE_ERROR_H
#define SUAN_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/status.h"

/* Writes status and the formatted sentence into *err (err may be NULL) and returns status. A message that is too long is cut at a
 * whole UTF-8 character; bytes below 32, DEL and invalid UTF-8 (text from files ends up in messages) are replaced by '?'. */
suan_status suan__fail(suan_error *err, suan_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same with a byte offset. */
suan_status suan__fail_at(suan_error *err, suan_status status, int64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts "prefix: " before the message that is already in *err and returns err->status. When err is NULL or was never filled (its status is
 * SUAN_OK), the status given is returned. */
suan_status suan__fail_prefix(suan_error *err, suan_status status, const char *prefix);

/* What makes messages safe to show, shared with the log. format: at most capacity - 1 bytes into s, cleaned; returns their number. clean: s
 * holds n bytes and room for a NUL; replaces as described above, drops an unfinished last character when is_cut; returns the new n. */
size_t suan__message_format(char *s, size_t capacity, const char *format, va_list args) __attribute__((format(printf, 3, 0)));
size_t suan__message_clean(char *s, size_t n, bool is_cut);

#define SUAN_CHECK(cond, status_, ...)                                                    \
    do {                                                                                  \
        if (__builtin_expect(!(cond), 0)) return suan__fail(err, (status_), __VA_ARGS__); \
    } while (0)
#define SUAN_TRY(call)                                                       \
    do {                                                                     \
        suan_status try_status_ = (call);                                    \
        if (__builtin_expect(try_status_ != SUAN_OK, 0)) return try_status_; \
    } while (0)
#define SUAN_CHECK_GOTO(cond, status_, ...)                   \
    do {                                                      \
        if (__builtin_expect(!(cond), 0)) {                   \
            status = suan__fail(err, (status_), __VA_ARGS__); \
            goto fail;                                        \
        }                                                     \
    } while (0)
#define SUAN_TRY_GOTO(call)                                    \
    do {                                                       \
        status = (call);                                       \
        if (__builtin_expect(status != SUAN_OK, 0)) goto fail; \
    } while (0)

#endif
