/* scratch.h: a directory for one test, removed with everything in it. */
#ifndef TESTS_BASE_SCRATCH_H
#define TESTS_BASE_SCRATCH_H

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"

typedef struct scratch {
    char dir[PATH_MAX / 4];
    char path[PATH_MAX]; /* what scratch_path made last */
} scratch;

static inline void scratch_make(scratch *s) {
    const char *parent = getenv("TMPDIR");
    snprintf(s->dir, sizeof s->dir, "%s/suan-test-XXXXXX", parent && strlen(parent) < 512 ? parent : "/tmp");
    assert_non_null(mkdtemp(s->dir));
}

/* Not inlined: with sanitizers gcc would warn of a path on which s is NULL, which their own check has made. */
__attribute__((noinline, unused)) static const char *scratch_path(scratch *s, const char *name) {
    snprintf(s->path, sizeof s->path, "%s/%s", s->dir, name);
    return s->path;
}

/* Writes a file, and the directories above it. */
static inline const char *scratch_write(scratch *s, const char *name, const void *data, size_t n) {
    scratch_path(s, name);
    for (char *p = s->path + strlen(s->dir) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(s->path, 0777);
        *p = '/';
    }
    FILE *f = fopen(s->path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return s->path;
}

static inline const char *scratch_text(scratch *s, const char *name, const char *text) {
    return scratch_write(s, name, text, strlen(text));
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void scratch_remove(scratch *s) {
    assert_int_equal(nftw(s->dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
