/* cpus.h: which processors this process may use, and how many threads make sense on them. Linux. */
#ifndef SUAN_BASE_CPUS_H
#define SUAN_BASE_CPUS_H

#include <sched.h>
#include <stddef.h>

/* How many processors can work for us at the same moment: the affinity mask, at most the control groups' quota (rounded up). At least 1. */
int suan__cpus_allowed(void);
/* The allowed processors in the order in which threads should be bound to them, at most `capacity`: first one of each core, those of faster
 * kinds before slower ones, then the cores' other hyper-threads. Returns how many; *n_cores (may be NULL): on how many cores. By hwloc, else by
 * sysfs, else in the order of their numbers. 0: the kernel does not say which ones are allowed. */
int suan__cpus_order(int *cpus, int capacity, int *n_cores);
/* The same by hwloc alone for the processors of a mask (NULL: all); synthetic: hwloc's description of a machine that does not exist, NULL: this
 * one. 0: hwloc cannot tell. Only where SUAN__HAVE_HWLOC is defined. */
int suan__cpus_hwloc(const char *synthetic, const cpu_set_t *set, size_t set_bytes, int *cpus, int capacity, int *n_cores);
/* The same by sysfs. */
int suan__cpus_sysfs(const char *root, const cpu_set_t *set, size_t set_bytes, int *cpus, int capacity, int *n_cores);

/* What suan__threads_default() says for a given mask. root is put before the paths that are read, "" for this machine (tests bring their
 * own). */
int suan__cpus_threads(const char *root, const cpu_set_t *set, size_t set_bytes);

#endif
