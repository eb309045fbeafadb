/* cpus.h: which processors this process may use, and how many threads make sense on them. Linux. */
#ifndef SUAN_BASE_CPUS_H
#define SUAN_BASE_CPUS_H

#include <sched.h>
#include <stddef.h>

/* How many processors can work for us at the same moment: the affinity mask, at most the control groups' quota (rounded up). At least 1. */
int suan__cpus_allowed(void);
/* What suan__threads_default() says for a given mask. root is put before the paths that are read, "" for this machine (tests bring their
 * own). */
int suan__cpus_threads(const char *root, const cpu_set_t *set, size_t set_bytes);

#endif
