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
/* Puts "prefix: " before the message that is already in *err; returns err->status (SUAN_EINTERNAL if err is NULL is never returned: the
 * status given is). */
suan_status suan__fail_prefix(suan_error *err, suan_status status, const char *prefix);

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
