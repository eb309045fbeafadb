/* stop.h: Ctrl-C and SIGTERM end the answer that is being written, not the program at once.
 *
 * One session at a time is on watch. The first signal cancels it; a second one of a kind that keeps coming ends the program.
 */
#ifndef SUAN_CLI_STOP_H
#define SUAN_CLI_STOP_H

#include "suan/session.h"

/* From now on a signal cancels `session`; NULL: signals do what they did before. */
void cli_stop_watch(suan_session *session);
/* The signal that came since the watch began; 0: none. */
int cli_stop_signal(void);

#endif
