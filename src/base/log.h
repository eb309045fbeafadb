/* log.h: messages for people, through a callback that the program sets; the library itself never prints. */
#ifndef SUAN_BASE_LOG_H
#define SUAN_BASE_LOG_H
#include "suan/log.h"
/* Formats and passes on when level <= the level set; otherwise costs a compare. */
void suan__log_message(suan_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
