/* log.c: the one callback of the process. It is set before other threads run, so reading it needs no lock. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"

static struct {
    suan_log_fn *fn;
    void *ctx;
    suan_log_level level;
} sink;

void suan_log_set(suan_log_fn *fn, void *ctx, suan_log_level level) {
    sink.fn = fn;
    sink.ctx = ctx;
    sink.level = fn ? level : SUAN_LOG_NONE;
}

void suan__log_message(suan_log_level level, const char *format, ...) {
    if (level > sink.level || level <= SUAN_LOG_NONE) return;
    char message[2048];
    va_list args;
    va_start(args, format);
    suan__message_format(message, sizeof message, format, args);
    va_end(args);
    sink.fn(sink.ctx, level, message);
}
