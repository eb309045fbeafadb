/* out_posix.c: files that appear whole or not at all.
 *
 * Bytes go to a new file beside the target, which commit makes durable (fsync), moves over the target (rename) and pins in its directory
 * (fsync of that). A pipe, a terminal or a device is written directly: there is nothing to rename over.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

/* A write of a whole huge page, at a multiple of one, lets the kernel keep those bytes in one huge page: a reader that maps the file while it
 * is in memory has few page faults then. */
enum { BUFFER_BYTES = 2 << 20, N_NAME_TRIES = 100, NAME_KEPT = 200 };

static suan_status fail_errno(suan_error *err, const char *path, const char *what, int e) {
    return suan__fail(err, e == ENOMEM ? SUAN_ENOMEM : SUAN_EIO, "%s: cannot %s: %s", path, what, strerror(e));
}

/* Names of descriptors look like regular files when the shell has redirected them to one; renaming over it would detach it. */
static bool names_descriptor(const char *path) {
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
           strncmp(path, "/proc/", 6) == 0;
}

static void name_suffix(char suffix[7], int i_try) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t r = 0;
    if (getrandom(&r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r) {
        struct timespec t; /* the name need not be secret: O_EXCL decides who has it */
        clock_gettime(CLOCK_REALTIME, &t);
        r = (uint64_t)t.tv_nsec * 1000003u + (uint64_t)getpid() * 10007u + (uint64_t)i_try;
    }
    for (int i = 0; i < 6; i++, r /= 36) suffix[i] = letters[r % 36];
    suffix[6] = 0;
}

/* Makes ".NAME.tmp-XXXXXX" beside o->path and opens it. */
static suan_status open_temp(suan__out *o, mode_t mode, suan_error *err) {
    const char *slash = strrchr(o->path, '/'), *name = slash ? slash + 1 : o->path;
    size_t n_dir = (size_t)(name - o->path), n_name = strlen(name), capacity = n_dir + NAME_KEPT + 32;
    SUAN_CHECK(n_name > 0, SUAN_EINVAL, "%s: names a directory, expected a file", o->path);
    if (n_name > NAME_KEPT) n_name = NAME_KEPT; /* the temporary name must not be the one that is too long */
    o->temp_path = suan__malloc(capacity);
    SUAN_CHECK(o->temp_path, SUAN_ENOMEM, "%s: out of memory", o->path);
    for (int i = 0; i < N_NAME_TRIES; i++) {
        char suffix[7];
        name_suffix(suffix, i);
        snprintf(o->temp_path, capacity, "%.*s.%.*s.tmp-%s", (int)n_dir, o->path, (int)n_name, name, suffix);
        o->fd = open(o->temp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (o->fd >= 0) return SUAN_OK;
        if (errno != EEXIST && errno != EINTR) break;
    }
    int e = errno;
    suan__free(o->temp_path);
    o->temp_path = NULL; /* nothing to remove */
    return fail_errno(err, o->path, "create a file beside it", e);
}

suan_status suan__out_open(suan__out *o, const char *path, suan_error *err) {
    char resolved[PATH_MAX];
    struct stat st;
    suan_status status = SUAN_OK;
    *o = (suan__out){.fd = -1};
    bool exists = stat(path, &st) == 0, is_direct = exists && (!S_ISREG(st.st_mode) || names_descriptor(path));
    SUAN_CHECK(!exists || !S_ISDIR(st.st_mode), SUAN_EINVAL, "%s: is a directory, expected a file", path);
    /* Through a symbolic link we replace what it points to, not the link. */
    const char *target = exists && !is_direct && realpath(path, resolved) ? resolved : path;
    o->path = suan__strndup(target, strlen(target));
    o->buffer = suan__malloc(BUFFER_BYTES);
    SUAN_CHECK_GOTO(o->path && o->buffer, SUAN_ENOMEM, "%s: out of memory", path);
    if (is_direct) {
        o->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
        if (o->fd < 0) {
            status = fail_errno(err, path, "open for writing", errno);
            goto fail;
        }
        return SUAN_OK;
    }
    SUAN_TRY_GOTO(open_temp(o, 0666, err));
    if (exists && fchmod(o->fd, st.st_mode & 0777) != 0) {
        status = fail_errno(err, path, "keep its permissions", errno);
        goto fail;
    }
    return SUAN_OK;
fail:
    suan__out_abort(o);
    return status;
}

/* A failed write closes the descriptor, so that a caller that overlooks the error cannot commit a file with a hole. */
static suan_status write_all(suan__out *o, const unsigned char *p, size_t n, suan_error *err) {
    while (n > 0) {
        ssize_t done = write(o->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            int e = done < 0 ? errno : EIO;
            close(o->fd);
            o->fd = -1;
            return fail_errno(err, o->path, "write", e);
        }
        p += done;
        n -= (size_t)done;
    }
    return SUAN_OK;
}

static suan_status flush(suan__out *o, suan_error *err) {
    size_t n = o->n_buffered;
    o->n_buffered = 0;
    return write_all(o, o->buffer, n, err);
}

suan_status suan__out_write(suan__out *o, const void *data, size_t n, suan_error *err) {
    SUAN_CHECK(o->path, SUAN_EINVAL, "the output file is closed");
    SUAN_CHECK(o->fd >= 0, SUAN_EIO, "%s: an earlier write failed", o->path);
    SUAN_CHECK(n <= INT64_MAX - o->offset, SUAN_ERANGE, "%s: no file holds that many bytes", o->path);
    for (const unsigned char *p = data; n > 0;) {
        size_t now = BUFFER_BYTES - o->n_buffered < n ? BUFFER_BYTES - o->n_buffered : n;
        memcpy(o->buffer + o->n_buffered, p, now);
        o->n_buffered += now;
        o->offset += now;
        p += now;
        n -= now;
        if (o->n_buffered == BUFFER_BYTES) SUAN_TRY(flush(o, err));
    }
    return SUAN_OK;
}

/* Makes the rename durable. Some file systems cannot do that for directories, and a directory may be writable but not readable: then the
 * file is in place and there is no more that we could do. */
static suan_status sync_directory(const char *path, suan_error *err) {
    const char *slash = strrchr(path, '/');
    char *dir = slash ? suan__strndup(path, slash == path ? 1 : (size_t)(slash - path)) : suan__strndup(".", 1);
    SUAN_CHECK(dir, SUAN_ENOMEM, "%s: out of memory", path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    suan__free(dir);
    if (fd < 0) return errno == EACCES ? SUAN_OK : fail_errno(err, path, "open its directory", errno);
    int e = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return e == 0 || e == EINVAL || e == ENOTSUP || e == EROFS ? SUAN_OK : fail_errno(err, path, "sync its directory", e);
}

suan_status suan__out_commit(suan__out *o, suan_error *err) {
    suan_status status;
    SUAN_CHECK(o->path, SUAN_EINVAL, "the output file is closed");
    SUAN_CHECK_GOTO(o->fd >= 0, SUAN_EIO, "%s: an earlier write failed", o->path);
    SUAN_TRY_GOTO(flush(o, err));
    if (fsync(o->fd) != 0 && (o->temp_path || (errno != EINVAL && errno != ENOTSUP && errno != EROFS))) {
        status = fail_errno(err, o->path, "sync", errno);
        goto fail;
    }
    int fd = o->fd;
    o->fd = -1;
    if (close(fd) != 0 && errno != EINTR) { /* network file systems report a full disk here */
        status = fail_errno(err, o->path, "close", errno);
        goto fail;
    }
    if (o->temp_path) {
        if (rename(o->temp_path, o->path) != 0) {
            status = fail_errno(err, o->path, "rename the new file to it", errno);
            goto fail;
        }
        suan__free(o->temp_path);
        o->temp_path = NULL;
        SUAN_TRY_GOTO(sync_directory(o->path, err));
    }
    status = SUAN_OK;
fail:
    suan__out_abort(o);
    return status;
}

void suan__out_abort(suan__out *o) {
    if (o->path && o->fd >= 0) close(o->fd);
    if (o->temp_path) unlink(o->temp_path);
    suan__free(o->temp_path);
    suan__free(o->path);
    suan__free(o->buffer);
    *o = (suan__out){.fd = -1};
}
