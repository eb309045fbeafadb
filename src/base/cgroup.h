/* cgroup.h: what the control groups that this process lives in leave it, versions 1 and 2, all ancestors looked at.
 *
 * root is put before every path that is read ("" for this machine), so that a test can bring its own tree of files. Whatever cannot be
 * read does not limit.
 */
#ifndef SUAN_BASE_CGROUP_H
#define SUAN_BASE_CGROUP_H

#include <stdint.h>

/* Bytes that can still be taken before the tightest group is full; file pages that the kernel can drop count as free. UINT64_MAX: no limit.
 */
uint64_t suan__cgroup_memory_left(const char *root);
/* The tightest quota in thousandths of a processor. UINT64_MAX: no limit. */
uint64_t suan__cgroup_cpu_quota(const char *root);
/* MemAvailable in bytes from a file like /proc/meminfo; UINT64_MAX when it does not say. */
uint64_t suan__machine_memory_left(const char *path);

#endif
