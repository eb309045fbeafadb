/* state.h: where a server keeps what outlives it: keys and the ledger. */
#ifndef SUAN_SERVE_STATE_H
#define SUAN_SERVE_STATE_H

#include <stdbool.h>

#include "suan/status.h"

/* The path of `name` in the state directory: $STATE_DIRECTORY (as systemd sets it; the first of several), else $XDG_STATE_HOME/suan, else $HOME/.local/state/suan. `make`: creates
 * the directory (mode 0700) where there is none. *path: freed by suan__free. SUAN_ENOTFOUND: none of them is set; SUAN_EIO. */
suan_status suan__state_path(char **path, const char *name, bool make, suan_error *err);

#endif
