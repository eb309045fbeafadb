/* accesslog.h: one line of JSON for each request, when everything about it is known: time, id, key name, method, route, status, milliseconds, tokens.
 *
 * The path stands there as the route's pattern, never as it came; prompts and answers only where the operator wants them (--log-prompts).
 */
#ifndef SUAN_SERVE_ACCESSLOG_H
#define SUAN_SERVE_ACCESSLOG_H

#include "serve/exchange.h"

/* Where lines go: a file that is appended to (made with mode 0600), or NULL for stderr. The library's messages (suan/log.h) go there, too. */
suan_status suan__access_log_open(const char *file, suan_error *err);
/* Opens the file anew, for those who rotate logs; false: that fails, and lines go on to where they went. */
bool suan__access_log_reopen(void);
void suan__access_log_close(void);
void suan__access_log(const suan__exchange *x);
/* A line about the server itself. */
void suan__event_log(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
