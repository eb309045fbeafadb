/* memory.h: all heap memory of the library, so that tests can make the N-th allocation fail and prove that a step makes none.
 *
 * suan__arena: memory with one owner and one end. Objects come from chunks, are never freed one by one, and go together. An arena is
 * used by one thread at a time.
 */
#ifndef SUAN_BASE_MEMORY_H
#define SUAN_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUAN__ALIGN 64 /* bytes: a cache line, and the widest vector */

/* As malloc, calloc (zeroed), realloc, free, but NULL for n = 0 is not returned (n is raised to 1) and n * size is checked. */
void *suan__malloc(size_t n);
void *suan__calloc(size_t n, size_t size);
void *suan__realloc(void *p, size_t n, size_t size);
void suan__free(void *p);
/* Aligned to SUAN__ALIGN; freed by suan__free. */
void *suan__malloc_aligned(size_t n);
/* A copy of n bytes with a NUL behind them. */
char *suan__strndup(const char *s, size_t n);

/* How many allocations this process made through this module so far (a test compares two readings). */
uint64_t suan__alloc_count(void);
/* Makes the n-th allocation from now fail (1 is the next); 0 turns that off. For tests. */
void suan__alloc_fail_at(uint64_t n);

/* Large memory straight from the kernel (zeroed, page-aligned, huge pages advised, spread over the nodes of a NUMA machine), for weights and caches. NULL when it cannot be had. */
void *suan__pages_alloc(size_t n);
void suan__pages_free(void *p, size_t n);

typedef struct suan__arena {
    struct suan__arena_chunk *chunk; /* newest first */
    size_t chunk_bytes;              /* size of the next chunk */
    size_t used_bytes;               /* handed out so far */
} suan__arena;

void suan__arena_init(suan__arena *a, size_t first_chunk_bytes);
void suan__arena_fini(suan__arena *a);  /* frees all; a zeroed or finished arena is fine */
void suan__arena_reset(suan__arena *a); /* empties, keeps the largest chunk */
/* Zeroed memory for n * size bytes, aligned to 16 (SUAN__ALIGN for sizes of 64 and more); NULL when out of memory or on overflow. */
void *suan__arena_alloc(suan__arena *a, size_t n, size_t size);
char *suan__arena_strndup(suan__arena *a, const char *s, size_t n);
#define SUAN_ARENA_NEW(a, type, n) ((type *)suan__arena_alloc((a), (n), sizeof(type)))

/* A growing byte buffer. `failed` is sticky: after out of memory or above the limit, appends do nothing. */
typedef struct suan__buf {
    char *data; /* NUL behind the last byte once anything was appended */
    size_t n, capacity;
    size_t limit; /* 0: none */
    bool failed;
} suan__buf;
void suan__buf_fini(suan__buf *b);
bool suan__buf_append(suan__buf *b, const void *data, size_t n);
bool suan__buf_printf(suan__buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How much memory this process could still take: the least of MemAvailable and of what each cgroup (v1, v2) above us leaves; bytes.
 * UINT64_MAX when nothing can be read. */
uint64_t suan__memory_available(void);
/* Peak resident memory of this process in bytes; 0 when unknown. */
uint64_t suan__memory_peak(void);
/* A number of bytes for a message: "20.94 MiB". Returns text. */
#define SUAN__BYTES_TEXT 32
const char *suan__bytes_text(char text[SUAN__BYTES_TEXT], uint64_t bytes);

#endif
