/* log.h: messages for people. The library never prints; a program sets a callback to see them. */
#ifndef SUAN_LOG_H
#define SUAN_LOG_H

#include "suan/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum suan_log_level { SUAN_LOG_NONE = 0, SUAN_LOG_ERROR, SUAN_LOG_WARN, SUAN_LOG_INFO, SUAN_LOG_DEBUG } suan_log_level;

/* message: one line without newline, borrowed for the call. May be called from any thread. */
typedef void suan_log_fn(void *ctx, suan_log_level level, const char *message);

/* Sets the callback (NULL: silence, the default) and the highest level that is passed on. Process-wide; call before other threads run. */
SUAN_API void suan_log_set(suan_log_fn *fn, void *ctx, suan_log_level level);

#ifdef __cplusplus
}
#endif
#endif
