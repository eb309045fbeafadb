/* file_posix.c: reading files by position or whole, and paths. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { READ_MAX = 1 << 30 }; /* bytes a call; Linux moves less than 2^31 */

static suan_status status_of_errno(int e) {
    return e == ENOENT || e == ENOTDIR ? SUAN_ENOTFOUND : e == ENOMEM ? SUAN_ENOMEM : SUAN_EIO;
}

/* O_NONBLOCK: opening a FIFO would wait for a writer before we could see that it is one. On regular files it does nothing. */
suan_status suan__file_open(suan__file *f, const char *path, suan_error *err) {
    suan_status status = SUAN_OK;
    *f = (suan__file){.fd = -1};
    f->path = suan__strndup(path, strlen(path));
    SUAN_CHECK(f->path, SUAN_ENOMEM, "%s: out of memory", path);
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    SUAN_CHECK_GOTO(f->fd >= 0, status_of_errno(errno), "%s: cannot open: %s", path, strerror(errno));
    struct stat st;
    SUAN_CHECK_GOTO(fstat(f->fd, &st) == 0, SUAN_EIO, "%s: cannot look at: %s", path, strerror(errno));
    SUAN_CHECK_GOTO(!S_ISDIR(st.st_mode), SUAN_EINVAL, "%s: is a directory, expected a regular file", path);
    SUAN_CHECK_GOTO(S_ISREG(st.st_mode), SUAN_EINVAL, "%s: is no regular file", path);
    f->size = (uint64_t)st.st_size;
    return SUAN_OK;
fail:
    suan__file_close(f);
    return status;
}

void suan__file_close(suan__file *f) {
    if (f->path && f->fd >= 0) close(f->fd);
    suan__free(f->path);
    *f = (suan__file){.fd = -1};
}

suan_status suan__file_read(const suan__file *f, uint64_t offset, void *dst, size_t n, suan_error *err) {
    unsigned char *p = dst;
    SUAN_CHECK(offset <= INT64_MAX && n <= INT64_MAX - offset, SUAN_ERANGE, "%s: no file reaches offset %llu", f->path,
               (unsigned long long)offset);
    while (n > 0) {
        ssize_t got = pread(f->fd, p, n < READ_MAX ? n : READ_MAX, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return suan__fail_at(err, SUAN_EIO, (int64_t)offset, "%s: cannot read: %s", f->path, strerror(errno));
        if (got == 0)
            return suan__fail_at(err, SUAN_EIO, (int64_t)offset, "%s: the file shrank: it ends at or before byte %llu, had %llu bytes",
                                 f->path, (unsigned long long)offset, (unsigned long long)f->size);
        p += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return SUAN_OK;
}

void suan__file_drop(const suan__file *f, uint64_t offset, uint64_t n) {
    if (offset <= INT64_MAX && n <= INT64_MAX - offset) (void)posix_fadvise(f->fd, (off_t)offset, (off_t)n, POSIX_FADV_DONTNEED);
}

suan_status suan__fd_slurp(int fd, const char *name, uint64_t max, char **data, size_t *n, suan_error *err) {
    unsigned char piece[16384];
    suan__buf b = {0};
    *data = NULL;
    *n = 0;
    suan_status status = SUAN_OK;
    bool has_room = suan__buf_append(&b, NULL, 0); /* also an empty file gets its NUL */
    for (;;) {
        SUAN_CHECK_GOTO(has_room, SUAN_ENOMEM, "%s: out of memory after %zu bytes", name, b.n);
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        SUAN_CHECK_GOTO(got >= 0, SUAN_EIO, "%s: cannot read: %s", name, strerror(errno));
        if (got == 0) break;
        SUAN_CHECK_GOTO((uint64_t)got <= max - b.n, SUAN_ELIMIT, "%s: is longer than %llu bytes", name, (unsigned long long)max);
        has_room = suan__buf_append(&b, piece, (size_t)got);
    }
    *data = b.data;
    *n = b.n;
    return SUAN_OK;
fail:
    suan__buf_fini(&b);
    return status;
}

suan_status suan__file_slurp(const char *path, uint64_t max, char **data, size_t *n, suan_error *err) {
    suan__file f;
    *data = NULL;
    *n = 0;
    SUAN_TRY(suan__file_open(&f, path, err));
    suan_status status;
    if (f.size > max)
        status = suan__fail(err, SUAN_ELIMIT, "%s: has %llu bytes, expected at most %llu", path, (unsigned long long)f.size,
                            (unsigned long long)max);
    else
        status = suan__fd_slurp(f.fd, path, max, data, n, err);
    suan__file_close(&f);
    return status;
}

bool suan__is_directory(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool suan__path_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

suan_status suan__path_join_name(char **path, const char *dir, const char *name, size_t n_name, suan_error *err) {
    *path = NULL;
    SUAN_CHECK(n_name > 0, SUAN_EFORMAT, "file name is empty, expected the name of a file in %s", dir);
    bool is_dots = name[0] == '.' && (n_name == 1 || (n_name == 2 && name[1] == '.'));
    bool is_plain = !is_dots && !memchr(name, '/', n_name) && !memchr(name, '\\', n_name) && !memchr(name, 0, n_name);
    int shown = n_name < 256 ? (int)n_name : 256;
    SUAN_CHECK(is_plain, SUAN_EFORMAT, "file name \"%.*s\" leaves its directory, expected the plain name of a file in %s", shown, name,
               dir);
    SUAN_CHECK(n_name <= NAME_MAX, SUAN_EFORMAT, "file name \"%.*s...\" has %zu bytes, expected at most %d", shown, name, n_name, NAME_MAX);
    size_t n_dir = strlen(dir);
    char *joined = suan__malloc(n_dir + 1 + n_name + 1);
    SUAN_CHECK(joined, SUAN_ENOMEM, "%s: out of memory", dir);
    memcpy(joined, dir, n_dir);
    joined[n_dir] = '/';
    memcpy(joined + n_dir + 1, name, n_name);
    joined[n_dir + 1 + n_name] = 0;
    *path = joined;
    return SUAN_OK;
}
