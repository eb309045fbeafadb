/* auth.h: who may ask: named API keys, known by their SHA-256 only.
 *
 * A keys file has a line "NAME:SHA256-IN-HEX" for each key; empty lines and lines that begin with '#' are skipped. It must belong to this user or root, and nobody else may read or
 * write it. One more key may come from the environment (SUAN_API_KEY); its name is "env".
 *
 * Threads  check: any; reload: one at a time, beside checks
 */
#ifndef SUAN_SERVE_AUTH_H
#define SUAN_SERVE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/status.h"

#define SUAN__KEY_NAME_BYTES 64 /* with the NUL */
#define SUAN__KEY_BYTES 52      /* of a key that suan__key_make makes, with the NUL */
#define SUAN__MAX_KEYS 10000

typedef struct suan__auth suan__auth;

/* file: NULL, or a keys file (SUAN_ENOTFOUND where there is none). key: NULL, or one more, of which only the digest is kept. */
suan_status suan__auth_open(suan__auth **auth, const char *file, const char *key, suan_error *err);
void suan__auth_close(suan__auth **auth);
/* Reads the file anew; on failure what was known stays. */
suan_status suan__auth_reload(suan__auth *auth, suan_error *err);
/* Whether there is a file or a key, even if the file is empty: then nobody gets in without one. */
bool suan__auth_is_needed(const suan__auth *auth);
/* Whether `key` is one of the keys: the time does not depend on how much of one it has, or which it is. Its name goes to `name`. */
bool suan__auth_check(suan__auth *auth, const char *key, size_t n, char name[SUAN__KEY_NAME_BYTES]);
/* The owner that requests of a key belong to: from its name, the same in every run. */
uint64_t suan__auth_owner(const char *name);

/* Makes a key ("sk-suan-" and 40 characters, 238 bits) named `name`, and adds it to the file, which is made (mode 0600) where there is none. SUAN_EINVAL: the name is bad or taken. The
 * caller wipes `key`. */
suan_status suan__key_add(const char *file, const char *name, char key[SUAN__KEY_BYTES], suan_error *err);
suan_status suan__key_remove(const char *file, const char *name, suan_error *err);
/* Calls fn with every name, in the order of the file. */
suan_status suan__key_list(const char *file, void (*fn)(void *ctx, const char *name), void *ctx, suan_error *err);

#endif
