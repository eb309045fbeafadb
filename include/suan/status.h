/* status.h: how a function of suan says that it failed, and why.
 *
 * Every fallible function returns a suan_status: 0 is success, a negative value is an error, a positive value is a documented
 * outcome that is no error. A last argument `suan_error *err` (NULL is fine) receives a sentence that names the file, the tensor
 * or the field, what was found and what was expected. On success *err is left as it was.
 */
#ifndef SUAN_STATUS_H
#define SUAN_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the library exports. Everything else is hidden. */
#if defined(__GNUC__)
#define SUAN_API __attribute__((visibility("default")))
#else
#define SUAN_API
#endif

/* X(name, value, text): one row a status; values are never renumbered. */
#define SUAN_STATUS_MAP(X)                        \
    X(SUAN_OK, 0, "success")                      \
    X(SUAN_STOPPED, 1, "stopped by the caller")   \
    X(SUAN_EINVAL, -1, "invalid argument")        \
    X(SUAN_ENOMEM, -2, "out of memory")           \
    X(SUAN_EIO, -3, "input or output failed")     \
    X(SUAN_EFORMAT, -4, "malformed file")         \
    X(SUAN_EUNSUPPORTED, -5, "not supported")     \
    X(SUAN_ENOTFOUND, -6, "not found")            \
    X(SUAN_ERANGE, -7, "out of range")            \
    X(SUAN_ETEMPLATE, -8, "chat template failed") \
    X(SUAN_ELIMIT, -9, "limit reached")           \
    X(SUAN_ENUMERIC, -10, "non-finite value")     \
    X(SUAN_ECONTEXT, -11, "context is full")      \
    X(SUAN_EINTERNAL, -12, "internal error")      \
    X(SUAN_EQUOTA, -13, "share used up")

typedef enum suan_status {
#define SUAN_STATUS_ENUM(name, value, text) name = value,
    SUAN_STATUS_MAP(SUAN_STATUS_ENUM)
#undef SUAN_STATUS_ENUM
} suan_status;

typedef struct suan_error {
    suan_status status;
    int64_t offset;     /* byte offset in the file or text, -1 where there is none */
    char message[1016]; /* one sentence in UTF-8, NUL-terminated, no newline */
} suan_error;

/* "SUAN_EFORMAT" and "malformed file" for a status; static strings, "unknown status" for a value that is none. Threads: safe. */
SUAN_API const char *suan_status_name(suan_status status);
SUAN_API const char *suan_status_text(suan_status status);

#ifdef __cplusplus
}
#endif
#endif
