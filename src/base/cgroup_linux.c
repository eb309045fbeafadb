/* cgroup_linux.c: reading the limits of control groups from the file system.
 *
 * /proc/self/cgroup names our group in each hierarchy ("0::/a/b" in version 2, "4:memory:/a/b" in version 1), relative to the root of the
 * hierarchy; /proc/self/mountinfo says where hierarchies are mounted and which group lies at the mount point (in a container often ours
 * and not the root). The directory of a group is mount point + (group without the mount's root); a limit anywhere between it and the mount
 * point binds us.
 */
#include "base/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum { TEXT_MAX = 4 << 20 }; /* bytes; a mountinfo of thousands of mounts stays below */
static const uint64_t NO_LIMIT = UINT64_MAX;

/* The text of root + path, NULL when it cannot be read. Files of procfs say they are empty, so they are read to their end. */
static char *slurp(const char *root, const char *path) {
    char full[PATH_MAX];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    if (n < 0 || (size_t)n >= sizeof full) return NULL;
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    char *text = NULL;
    size_t length;
    suan_status status = suan__fd_slurp(fd, full, TEXT_MAX, &text, &length, NULL);
    close(fd);
    return status == SUAN_OK ? text : NULL;
}

/* Reads the decimal number at *s and steps over it; false when there is none or it does not fit. */
static bool number(const char **s, uint64_t *value) {
    const char *p = *s;
    if (*p < '0' || *p > '9') return false;
    uint64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v)) return false;
    *s = p;
    *value = v;
    return true;
}

/* The number behind `key` at the beginning of a line. */
static bool keyed_number(const char *text, const char *key, uint64_t *value) {
    size_t n_key = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, n_key) != 0) continue;
        const char *p = line + n_key;
        p += strspn(p, " \t");
        return number(&p, value);
    }
    return false;
}

static char *group_file(const char *root, const char *directory, const char *name) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    return n < 0 || (size_t)n >= sizeof path ? NULL : slurp(root, path);
}

/* The number in a file of a group; false for "max", "-1" and files that are not there. */
static bool group_number(const char *root, const char *directory, const char *name, uint64_t *value) {
    char *text = group_file(root, directory, name);
    const char *p = text;
    bool has_number = text && number(&p, value);
    suan__free(text);
    return has_number;
}

/* ---- the limits of one group ---- */

typedef uint64_t limit_fn(const char *root, const char *directory, bool is_v2);

static uint64_t memory_left(const char *root, const char *directory, bool is_v2) {
    uint64_t limit = NO_LIMIT, high, used = 0, droppable = 0;
    group_number(root, directory, is_v2 ? "memory.max" : "memory.limit_in_bytes", &limit);
    /* Above memory.high the kernel lets a group live, but so slowly that nobody wants to be there. */
    if (is_v2 && group_number(root, directory, "memory.high", &high) && high < limit) limit = high;
    if (limit >= (uint64_t)1 << 62) return NO_LIMIT; /* version 1 writes "none" as the largest number of pages */
    if (!group_number(root, directory, is_v2 ? "memory.current" : "memory.usage_in_bytes", &used)) return NO_LIMIT;
    char *stat = group_file(root, directory, "memory.stat");
    if (stat) keyed_number(stat, is_v2 ? "inactive_file " : "total_inactive_file ", &droppable);
    suan__free(stat);
    used = used > droppable ? used - droppable : 0;
    return limit > used ? limit - used : 0;
}

static uint64_t cpu_quota(const char *root, const char *directory, bool is_v2) {
    uint64_t quota, period, scaled;
    if (is_v2) {
        char *text = group_file(root, directory, "cpu.max"); /* "quota period" or "max period" */
        const char *p = text;
        bool has_both = text && number(&p, &quota) && *p == ' ' && (p++, number(&p, &period));
        suan__free(text);
        if (!has_both) return NO_LIMIT;
    } else if (!group_number(root, directory, "cpu.cfs_quota_us", &quota) || !group_number(root, directory, "cpu.cfs_period_us", &period)) {
        return NO_LIMIT;
    }
    if (period == 0 || __builtin_mul_overflow(quota, (uint64_t)1000, &scaled)) return NO_LIMIT;
    return scaled / period;
}

/* ---- finding the groups ---- */

/* Whether `word` is one of the comma-separated words in list[0..n). */
static bool has_word(const char *list, size_t n, const char *word) {
    size_t n_word = strlen(word);
    for (size_t i = 0; i <= n;) {
        const char *comma = i < n ? memchr(list + i, ',', n - i) : NULL;
        size_t length = comma ? (size_t)(comma - list) - i : n - i;
        if (length == n_word && memcmp(list + i, word, n_word) == 0) return true;
        i += length + 1;
    }
    return false;
}

/* Where a hierarchy is mounted. Names longer than PATH_MAX do not exist; one that does not fit is not used. */
typedef struct mount {
    char point[PATH_MAX];
    char top[PATH_MAX]; /* the group at the mount point */
} mount;

/* Copies up to the next space, with the kernel's octal escapes (\040 is a space) undone; NULL when it does not fit. */
static const char *mount_field(const char *p, char *dst, size_t capacity) {
    size_t n = 0;
    while (*p && *p != ' ' && *p != '\n') {
        if (n + 1 >= capacity) return NULL;
        char c = *p++;
        if (c == '\\' && p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7') {
            c = (char)((p[0] - '0') << 6 | (p[1] - '0') << 3 | (p[2] - '0'));
            p += 3;
        }
        dst[n++] = c;
    }
    dst[n] = 0;
    return *p == ' ' ? p + 1 : NULL;
}

static const char *skip_field(const char *p) {
    size_t n = strcspn(p, " \n");
    return p[n] == ' ' ? p + n + 1 : NULL;
}

/* One line of mountinfo: id parent major:minor root point options [tags] - type source super-options. True when it is the hierarchy of
 * `controller` (version 1) or the version 2 hierarchy. */
static bool mount_parse(const char *line, const char *controller, bool is_v2, mount *m) {
    const char *p = line;
    for (int i = 0; i < 3 && p; i++) p = skip_field(p);
    if (p) p = mount_field(p, m->top, sizeof m->top);
    if (p) p = mount_field(p, m->point, sizeof m->point);
    while (p && strncmp(p, "- ", 2) != 0) p = skip_field(p);
    if (!p) return false;
    p += 2;
    if (is_v2) return strncmp(p, "cgroup2 ", 8) == 0;
    if (strncmp(p, "cgroup ", 7) != 0) return false;
    p = skip_field(p + 7);
    return p && has_word(p, strcspn(p, "\n"), controller);
}

static bool mount_find(const char *mountinfo, const char *controller, bool is_v2, mount *m) {
    for (const char *line = mountinfo; line && *line;) {
        if (mount_parse(line, controller, is_v2, m)) return true;
        line = strchr(line, '\n');
        if (line) line++;
    }
    return false;
}

/* The least limit from our group up to the mount point. `group` has n bytes. */
static uint64_t walk(const char *root, const mount *m, const char *group, size_t n, bool is_v2, limit_fn *limit) {
    char directory[PATH_MAX];
    size_t n_top = strcmp(m->top, "/") == 0 ? 0 : strlen(m->top), n_point = strlen(m->point);
    /* A group that is not below the mount's own (another cgroup namespace: "/../x") cannot be seen; the mount point is what is left. */
    if (n_top > n || memcmp(group, m->top, n_top) != 0 || (n > n_top && group[n_top] != '/')) n = n_top = 0;
    if (n >= 3 && memmem(group, n, "/..", 3)) n = n_top = 0;
    int length = snprintf(directory, sizeof directory, "%s%.*s", m->point, (int)(n - n_top), group + n_top);
    if (length < 0 || (size_t)length >= sizeof directory) return NO_LIMIT;
    size_t end = (size_t)length;
    while (end > n_point && directory[end - 1] == '/') end--;
    for (uint64_t least = NO_LIMIT;;) {
        directory[end] = 0;
        uint64_t here = limit(root, directory, is_v2);
        if (here < least) least = here;
        if (end <= n_point) return least;
        while (end > n_point && directory[end - 1] != '/') end--;
        while (end > n_point && directory[end - 1] == '/') end--;
    }
}

/* The least limit of all hierarchies that may carry `controller`. */
static uint64_t least_limit(const char *root, const char *controller, limit_fn *limit) {
    char *groups = slurp(root, "/proc/self/cgroup"), *mountinfo = slurp(root, "/proc/self/mountinfo");
    uint64_t least = NO_LIMIT;
    for (const char *line = groups; line && mountinfo && *line;) {
        size_t n_line = strcspn(line, "\n");
        const char *list = memchr(line, ':', n_line);
        const char *group = list ? memchr(list + 1, ':', n_line - (size_t)(list + 1 - line)) : NULL;
        if (group) {
            size_t n_list = (size_t)(group - list - 1), n_group = n_line - (size_t)(group + 1 - line);
            bool is_v2 = n_list == 0;
            mount m;
            if (n_group < PATH_MAX && (is_v2 || has_word(list + 1, n_list, controller)) && mount_find(mountinfo, controller, is_v2, &m)) {
                uint64_t here = walk(root, &m, group + 1, n_group, is_v2, limit);
                if (here < least) least = here;
            }
        }
        line += n_line + (line[n_line] == '\n');
    }
    suan__free(groups);
    suan__free(mountinfo);
    return least;
}

uint64_t suan__cgroup_memory_left(const char *root) {
    return least_limit(root, "memory", memory_left);
}

uint64_t suan__cgroup_cpu_quota(const char *root) {
    return least_limit(root, "cpu", cpu_quota);
}

uint64_t suan__machine_memory_left(const char *path) {
    char *text = slurp("", path);
    uint64_t kib = 0, bytes = NO_LIMIT;
    if (text && keyed_number(text, "MemAvailable:", &kib) && !__builtin_mul_overflow(kib, (uint64_t)1024, &bytes)) {
        suan__free(text);
        return bytes;
    }
    suan__free(text);
    return NO_LIMIT;
}
