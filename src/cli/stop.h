/* stop.h: Ctrl-C and SIGTERM end the answer that is being written, not the program at once.
 *
 * One session at a time is on watch; a signal cancels it.
 */
#ifndef SUAN_CLI_STOP_H
#define SUAN_CLI_STOP_H

#include <stdbool.h>

#include "suan/session.h"

/* From now on a signal cancels `session`; a second one ends the program as if nobody watched, unless is_patient (a step of a large model
 * takes its time, and whoever talks with it wants to keep the conversation). */
void cli_stop_watch(suan_session *session, bool is_patient);
/* Signals do what they did before. */
void cli_stop_unwatch(void);
/* The signal that came since the watch began; 0: none. */
int cli_stop_signal(void);
/* Ctrl-C does nothing by itself from now on, but cli_stop_interrupted tells of it: for a conversation, between the answers. */
void cli_stop_keep(void);
/* Whether Ctrl-C came since the last question. */
bool cli_stop_interrupted(void);

#endif
