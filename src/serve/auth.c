/* auth.c: API keys: their file, and the check. */
#include "serve/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#define MAX_FILE_BYTES (2u << 20)

typedef struct entry {
    char name[SUAN__KEY_NAME_BYTES];
    unsigned char digest[SHA256_DIGEST_LENGTH];
} entry;

typedef struct entries {
    entry *v;
    size_t n;
} entries;

struct suan__auth {
    pthread_rwlock_t lock; /* keys */
    char *file;            /* NULL: none */
    bool has_extra;
    entry extra; /* of the environment */
    entries keys;
};

static bool is_name(const char *s, size_t n) {
    if (n == 0 || n >= SUAN__KEY_NAME_BYTES) return false;
    for (size_t i = 0; i < n; i++) {
        bool is_plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9');
        if (!is_plain && !(s[i] && strchr("-_.@", s[i]))) return false;
    }
    return true;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- the file ---- */

static suan_status read_line(const char *file, size_t i_line, const char *s, size_t n, entries *keys, suan_error *err) {
    const char *colon = memchr(s, ':', n);
    SUAN_CHECK(colon, SUAN_EFORMAT, "%s: line %zu has no \":\"; expected NAME:SHA256-IN-HEX", file, i_line);
    size_t n_name = (size_t)(colon - s), n_hex = n - n_name - 1;
    SUAN_CHECK(is_name(s, n_name), SUAN_EFORMAT, "%s: line %zu: the name must have 1 to %d letters, digits or -_.@", file, i_line,
               SUAN__KEY_NAME_BYTES - 1);
    SUAN_CHECK(n_hex == 64, SUAN_EFORMAT, "%s: line %zu: the digest has %zu characters, expected the 64 of a SHA-256 in hexadecimal", file,
               i_line, n_hex);
    SUAN_CHECK(keys->n < SUAN__MAX_KEYS, SUAN_ELIMIT, "%s: more than %d keys", file, SUAN__MAX_KEYS);
    for (size_t i = 0; i < keys->n; i++)
        SUAN_CHECK(strlen(keys->v[i].name) != n_name || memcmp(keys->v[i].name, s, n_name) != 0, SUAN_EFORMAT,
                   "%s: line %zu: the name \"%.*s\" is there twice", file, i_line, (int)n_name, s);
    entry *more = suan__realloc(keys->v, keys->n + 1, sizeof *more);
    SUAN_CHECK(more, SUAN_ENOMEM, "out of memory");
    keys->v = more;
    entry *e = &keys->v[keys->n];
    *e = (entry){0};
    memcpy(e->name, s, n_name);
    for (size_t i = 0; i < 32; i++) {
        int high = hex(colon[1 + 2 * i]), low = hex(colon[2 + 2 * i]);
        SUAN_CHECK(high >= 0 && low >= 0, SUAN_EFORMAT, "%s: line %zu: the digest is not hexadecimal", file, i_line);
        e->digest[i] = (unsigned char)(high * 16 + low);
    }
    keys->n++;
    return SUAN_OK;
}

/* A service manager's credentials may show the group's bit: it is the mask of a list that names this user only. */
static bool is_credential(const char *file) {
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    size_t n = directory ? strlen(directory) : 0;
    return n > 1 && strncmp(file, directory, n) == 0 && file[n] == '/' && !strchr(file + n + 1, '/');
}

static suan_status check_mode(const char *file, int fd, suan_error *err) {
    struct stat st;
    mode_t others = is_credential(file) ? 037 : 077;
    SUAN_CHECK(fstat(fd, &st) == 0, SUAN_EIO, "%s: %s", file, strerror(errno));
    SUAN_CHECK(S_ISREG(st.st_mode), SUAN_EFORMAT, "%s: not a regular file", file);
    SUAN_CHECK(st.st_uid == geteuid() || st.st_uid == 0, SUAN_EINVAL, "%s: the keys file belongs to another user", file);
    SUAN_CHECK((st.st_mode & others) == 0, SUAN_EINVAL, "%s: others may read or change the keys file (mode %03o): chmod 600 it", file,
               (unsigned)(st.st_mode & 0777));
    return SUAN_OK;
}

static suan_status read_file(const char *file, entries *keys, suan_error *err) {
    char *text = NULL;
    size_t n = 0;
    suan_status status;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    *keys = (entries){0};
    SUAN_CHECK(fd >= 0, errno == ENOENT ? SUAN_ENOTFOUND : SUAN_EIO, "%s: cannot open the keys file: %s", file, strerror(errno));
    status = check_mode(file, fd, err);
    if (status == SUAN_OK) status = suan__fd_slurp(fd, file, MAX_FILE_BYTES, &text, &n, err);
    close(fd);
    SUAN_TRY(status);
    size_t i_line = 1;
    for (const char *s = text; s < text + n && status == SUAN_OK; i_line++) {
        const char *end = memchr(s, '\n', (size_t)(text + n - s));
        size_t n_line = end ? (size_t)(end - s) : (size_t)(text + n - s);
        size_t n_used = n_line > 0 && s[n_line - 1] == '\r' ? n_line - 1 : n_line;
        if (n_used > 0 && *s != '#') status = read_line(file, i_line, s, n_used, keys, err);
        s += n_line + 1;
    }
    suan__free(text);
    if (status == SUAN_OK) return SUAN_OK;
    suan__free(keys->v);
    *keys = (entries){0};
    return status;
}

/* ---- the check ---- */

suan_status suan__auth_open(suan__auth **auth, const char *file, const char *key, suan_error *err) {
    suan__auth *a = suan__calloc(1, sizeof *a);
    suan_status status = SUAN_OK;
    *auth = NULL;
    SUAN_CHECK(a, SUAN_ENOMEM, "out of memory");
    pthread_rwlock_init(&a->lock, NULL);
    if (file) {
        a->file = suan__strndup(file, strlen(file));
        SUAN_CHECK_GOTO(a->file, SUAN_ENOMEM, "out of memory");
        SUAN_TRY_GOTO(read_file(file, &a->keys, err));
    }
    if (key) {
        SUAN_CHECK_GOTO(strlen(key) >= 16, SUAN_EINVAL, "the API key of the environment has fewer than 16 characters");
        SHA256((const unsigned char *)key, strlen(key), a->extra.digest);
        memcpy(a->extra.name, "env", 4);
        a->has_extra = true;
    }
    *auth = a;
    return SUAN_OK;
fail:
    suan__auth_close(&a);
    return status;
}

void suan__auth_close(suan__auth **auth) {
    suan__auth *a = *auth;
    if (!a) return;
    suan__free(a->keys.v);
    suan__free(a->file);
    pthread_rwlock_destroy(&a->lock);
    suan__free(a);
    *auth = NULL;
}

suan_status suan__auth_reload(suan__auth *a, suan_error *err) {
    entries keys, old;
    if (!a->file) return SUAN_OK;
    SUAN_TRY(read_file(a->file, &keys, err));
    pthread_rwlock_wrlock(&a->lock);
    old = a->keys;
    a->keys = keys;
    pthread_rwlock_unlock(&a->lock);
    suan__free(old.v);
    return SUAN_OK;
}

bool suan__auth_is_needed(const suan__auth *a) {
    return a->file || a->has_extra;
}

/* All digests are compared whole, and the name is copied by mask: nothing branches on what was found. */
static unsigned try_entry(const entry *e, const unsigned char digest[32], char name[SUAN__KEY_NAME_BYTES]) {
    unsigned is_it = CRYPTO_memcmp(e->digest, digest, 32) == 0;
    unsigned char mask = (unsigned char)-is_it;
    for (size_t i = 0; i < SUAN__KEY_NAME_BYTES; i++)
        name[i] = (char)(((unsigned char)name[i] & ~mask) | ((unsigned char)e->name[i] & mask));
    return is_it;
}

bool suan__auth_check(suan__auth *a, const char *key, size_t n, char name[SUAN__KEY_NAME_BYTES]) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned found = 0;
    memset(name, 0, SUAN__KEY_NAME_BYTES);
    SHA256((const unsigned char *)key, n, digest);
    pthread_rwlock_rdlock(&a->lock);
    for (size_t i = 0; i < a->keys.n; i++) found |= try_entry(&a->keys.v[i], digest, name);
    pthread_rwlock_unlock(&a->lock);
    if (a->has_extra) found |= try_entry(&a->extra, digest, name);
    explicit_bzero(digest, sizeof digest);
    return found;
}

uint64_t suan__auth_owner(const char *name) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    uint64_t owner = 0;
    SHA256((const unsigned char *)name, strlen(name), digest);
    for (size_t i = 0; i < 8; i++) owner = owner << 8 | digest[i];
    return owner;
}

/* ---- keys are made and removed ---- */

/* Writes all keys to the file, whole or not at all. */
static suan_status write_file(const char *file, const entries *keys, suan_error *err) {
    static const char head[] = "# API keys of suan serve: NAME:SHA256-IN-HEX. Made and removed by suan key.\n";
    suan__buf b = {0};
    suan__out out;
    suan__buf_append(&b, head, sizeof head - 1);
    for (size_t i = 0; i < keys->n; i++) {
        suan__buf_printf(&b, "%s:", keys->v[i].name);
        for (size_t k = 0; k < 32; k++) suan__buf_printf(&b, "%02x", keys->v[i].digest[k]);
        suan__buf_append(&b, "\n", 1);
    }
    mode_t old = umask(077);
    suan_status status = b.failed ? suan__fail(err, SUAN_ENOMEM, "out of memory") : suan__out_open(&out, file, err);
    umask(old);
    if (status == SUAN_OK) {
        status = suan__out_write(&out, b.data, b.n, err);
        if (status == SUAN_OK) status = suan__out_commit(&out, err);
        suan__out_abort(&out);
    }
    suan__buf_fini(&b);
    return status;
}

/* From reading the file to writing it, its folder is locked: who changes it at the same moment waits. -1: the folder cannot be opened, which reading or writing the file then
 * tells. */
static int lock_folder(const char *file) {
    const char *slash = strrchr(file, '/');
    char *folder = slash ? suan__strndup(file, slash == file ? 1 : (size_t)(slash - file)) : NULL;
    int fd = slash && !folder ? -1 : open(folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    suan__free(folder);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) {}
    return fd;
}

static void unlock_folder(int fd) {
    if (fd >= 0) close(fd);
}

/* "sk-suan-" and 40 of 62 characters; a byte that would favour some of them is drawn again. */
static suan_status make_key(char key[SUAN__KEY_BYTES], suan_error *err) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t n = 8;
    memcpy(key, "sk-suan-", 8);
    while (n < 48) {
        unsigned char byte;
        SUAN_CHECK(getrandom(&byte, 1, 0) == 1, SUAN_EIO, "the system has no random numbers");
        if (byte < 248) key[n++] = digits[byte % 62];
    }
    key[n] = 0;
    return SUAN_OK;
}

static suan_status add_key(const char *file, const char *name, char key[SUAN__KEY_BYTES], suan_error *err) {
    entries keys;
    SUAN_CHECK(is_name(name, strlen(name)) && strcmp(name, "env") != 0, SUAN_EINVAL,
               "\"%s\" cannot name a key: 1 to %d letters, digits or -_.@, and not \"env\"", name, SUAN__KEY_NAME_BYTES - 1);
    suan_status status = read_file(file, &keys, err);
    if (status == SUAN_ENOTFOUND) status = SUAN_OK;
    SUAN_TRY(status);
    for (size_t i = 0; i < keys.n; i++)
        SUAN_CHECK_GOTO(strcmp(keys.v[i].name, name) != 0, SUAN_EINVAL, "%s: there is a key named \"%s\" already", file, name);
    SUAN_CHECK_GOTO(keys.n < SUAN__MAX_KEYS, SUAN_ELIMIT, "%s: more than %d keys", file, SUAN__MAX_KEYS);
    entry *more = suan__realloc(keys.v, keys.n + 1, sizeof *more);
    SUAN_CHECK_GOTO(more, SUAN_ENOMEM, "out of memory");
    keys.v = more;
    keys.v[keys.n] = (entry){0};
    memcpy(keys.v[keys.n].name, name, strlen(name));
    SUAN_TRY_GOTO(make_key(key, err));
    SHA256((const unsigned char *)key, strlen(key), keys.v[keys.n].digest);
    keys.n++;
    status = write_file(file, &keys, err);
fail:
    suan__free(keys.v);
    if (status != SUAN_OK) explicit_bzero(key, SUAN__KEY_BYTES);
    return status;
}

suan_status suan__key_add(const char *file, const char *name, char key[SUAN__KEY_BYTES], suan_error *err) {
    int lock = lock_folder(file);
    suan_status status = add_key(file, name, key, err);
    unlock_folder(lock);
    return status;
}

static suan_status remove_key(const char *file, const char *name, suan_error *err) {
    entries keys;
    SUAN_TRY(read_file(file, &keys, err));
    suan_status status;
    size_t i = 0;
    while (i < keys.n && strcmp(keys.v[i].name, name) != 0) i++;
    if (i == keys.n) {
        status = suan__fail(err, SUAN_ENOTFOUND, "%s: there is no key named \"%s\"", file, name);
    } else {
        memmove(&keys.v[i], &keys.v[i + 1], (keys.n - i - 1) * sizeof *keys.v);
        keys.n--;
        status = write_file(file, &keys, err);
    }
    suan__free(keys.v);
    return status;
}

suan_status suan__key_remove(const char *file, const char *name, suan_error *err) {
    int lock = lock_folder(file);
    suan_status status = remove_key(file, name, err);
    unlock_folder(lock);
    return status;
}

suan_status suan__key_list(const char *file, void (*fn)(void *ctx, const char *name), void *ctx, suan_error *err) {
    entries keys;
    SUAN_TRY(read_file(file, &keys, err));
    for (size_t i = 0; i < keys.n; i++) fn(ctx, keys.v[i].name);
    suan__free(keys.v);
    return SUAN_OK;
}
