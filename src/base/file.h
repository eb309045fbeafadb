/* file.h: reading files by position or by mapping, and writing files that appear whole or not at all. */
#ifndef SUAN_BASE_FILE_H
#define SUAN_BASE_FILE_H

#include "base/error.h"

typedef struct suan__file {
    int fd; /* -1: closed */
    uint64_t size;
    char *path; /* owned, for messages */
} suan__file;

/* Opens a regular file for reading (a directory, a FIFO, a device is an error). */
suan_status suan__file_open(suan__file *f, const char *path, suan_error *err);
void suan__file_close(suan__file *f); /* a zeroed (fd 0 with path NULL) or closed one is fine */
/* Reads exactly n bytes at offset; a short file is SUAN_EIO "... shrank". */
suan_status suan__file_read(const suan__file *f, uint64_t offset, void *dst, size_t n, suan_error *err);
/* Advice: these bytes will not be read again soon, the kernel need not keep them in memory. */
void suan__file_drop(const suan__file *f, uint64_t offset, uint64_t n);
/* Reads a whole file of at most max bytes (SUAN_ELIMIT when it has more) into suan__malloc'ed memory with a NUL behind it (not counted in
 * *n). */
suan_status suan__file_slurp(const char *path, uint64_t max, char **data, size_t *n, suan_error *err);
/* As slurp, from an open descriptor that may be a pipe (stdin). `name` is for messages. */
suan_status suan__fd_slurp(int fd, const char *name, uint64_t max, char **data, size_t *n, suan_error *err);

/* Maps a whole file read-only; f may be closed then. A file that shrinks afterwards: reads of what is gone would raise SIGBUS. Once the
 * process called suan__map_guard_install(), they read zeros instead and the map is marked: suan__map_failed() turns true and stays so.
 * What a cut takes from the last page that is left reads as zeros without any signal, and what somebody writes into the file shows at once:
 * that is noticed when the file is watched. At most 1024 maps at a time (SUAN_ELIMIT). */
typedef struct suan__map {
    const unsigned char *data;
    uint64_t size;
    int slot; /* place in the guard's table, -1: none */
    int fd;   /* our own, -1: the file is not watched */
    int64_t changed_s, changed_ns;
} suan__map;
suan_status suan__map_open(suan__map *m, const suan__file *f, suan_error *err);
void suan__map_close(suan__map *m);
/* From now on suan__map_failed() looks at the file's size and time of change too. Keeps a descriptor of its own. */
suan_status suan__map_watch(suan__map *m, const suan__file *f, suan_error *err);
/* Threads: safe. */
bool suan__map_failed(const suan__map *m);
suan_status suan__map_guard_install(suan_error *err);

/* A file that is written beside its place (".NAME.tmp-XXXXXX"), fsynced and renamed by commit; abort (or a killed process) leaves the old
 * one. A symbolic link stays, what it points to is replaced; the permissions of an old file are kept. A path that is no regular file (a
 * FIFO, a device, /dev/stdout) is written directly. After an error of write, commit fails too. */
typedef struct suan__out {
    int fd;
    char *path, *temp_path;
    uint64_t offset;
    unsigned char *buffer;
    size_t n_buffered;
} suan__out;
suan_status suan__out_open(suan__out *o, const char *path, suan_error *err);
suan_status suan__out_write(suan__out *o, const void *data, size_t n, suan_error *err);
suan_status suan__out_commit(suan__out *o, suan_error *err); /* closes, also on failure */
void suan__out_abort(suan__out *o);                          /* after commit: nothing */

bool suan__is_directory(const char *path);
bool suan__path_exists(const char *path);
/* dir + "/" + name in suan__malloc'ed memory; SUAN_EFORMAT when name is empty, ".", "..", absolute or holds '/' , '\\' or NUL. */
suan_status suan__path_join_name(char **path, const char *dir, const char *name, size_t n_name, suan_error *err);

#endif
