/* memory.c: the heap with its counter and its test switch, arenas, byte buffers, large pages. */
#include "base/memory.h"

#include <linux/mempolicy.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/checked.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 64 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

/* The numbers of allocations so far and of the one that has to fail (0: none); counting starts at 1. The only globals here. */
static _Atomic uint64_t n_allocations;
static _Atomic uint64_t failing_allocation;

/* Counts an allocation; false when it is the one that a test wants to fail. */
static bool count_allocation(void) {
    uint64_t i = atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed) + 1;
    return i != atomic_load_explicit(&failing_allocation, memory_order_relaxed);
}

uint64_t suan__alloc_count(void) {
    return atomic_load_explicit(&n_allocations, memory_order_relaxed);
}

void suan__alloc_fail_at(uint64_t n) {
    atomic_store_explicit(&failing_allocation, n ? suan__alloc_count() + n : 0, memory_order_relaxed);
}

/* No object is larger than PTRDIFF_MAX; the C library refuses that too, but sanitizers end the process over it. */
void *suan__malloc(size_t n) {
    return n <= PTRDIFF_MAX && count_allocation() ? malloc(n ? n : 1) : NULL;
}

void *suan__calloc(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX || !count_allocation()) return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *suan__realloc(void *p, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX || !count_allocation()) return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void suan__free(void *p) {
    free(p);
}

void *suan__malloc_aligned(size_t n) {
    uint64_t bytes;
    if (!suan__align_u64(n ? n : 1, SUAN__ALIGN, &bytes) || bytes > PTRDIFF_MAX || !count_allocation()) return NULL;
    return aligned_alloc(SUAN__ALIGN, (size_t)bytes);
}

char *suan__strndup(const char *s, size_t n) {
    if (n == SIZE_MAX) return NULL;
    char *copy = suan__malloc(n + 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

/* ---- large pages ---- */

enum { HUGE_PAGE = 2 << 20 }; /* bytes: the common size on x86-64 and on AArch64 with 4 KiB pages */

static bool pages_length(size_t n, size_t *length) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), rounded;
    if (!suan__align_u64(n ? n : 1, page, &rounded) || rounded > PTRDIFF_MAX - HUGE_PAGE) return false;
    *length = (size_t)rounded;
    return true;
}

/* Spreads memory over all nodes of a machine that has several, page by page: any thread may read any weight, and so all nodes' bandwidth adds
 * up wherever it was written from. Who set a policy for the process (numactl) keeps it. Kernels and jails that refuse are left alone. */
static void interleave(void *p, size_t n) {
    enum { N_WORDS = 16 };
    unsigned long nodes[N_WORDS] = {0}, n_bits = 8 * sizeof nodes;
    int mode = 0, n_nodes = 0;
    if (syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) != 0 || mode != MPOL_DEFAULT) return;
    if (syscall(SYS_get_mempolicy, NULL, nodes, n_bits, NULL, MPOL_F_MEMS_ALLOWED) != 0) return;
    for (int i = 0; i < N_WORDS; i++) n_nodes += __builtin_popcountl(nodes[i]);
    if (n_nodes > 1) syscall(SYS_mbind, p, n, MPOL_INTERLEAVE, nodes, n_bits + 1, 0);
}

/* Memory of a huge page and more begins at a multiple of one, or the kernel could not use them: we ask for one more and trim. */
void *suan__pages_alloc(size_t n) {
    size_t length;
    if (!pages_length(n, &length) || !count_allocation()) return NULL;
    size_t slack = length >= HUGE_PAGE ? HUGE_PAGE : 0;
    char *p = mmap(NULL, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (!slack) return p;
    size_t head = (size_t)(-(uintptr_t)p & (HUGE_PAGE - 1));
    if (head) munmap(p, head);
    if (slack - head) munmap(p + head + length, slack - head);
    interleave(p + head, length);
    madvise(p + head, length, MADV_HUGEPAGE); /* advice: a kernel without it is as good, only slower */
    return p + head;
}

void suan__pages_free(void *p, size_t n) {
    size_t length;
    if (p && pages_length(n, &length)) munmap(p, length);
}

/* ---- arenas ---- */

/* The header fills one SUAN__ALIGN, so data behind it is aligned. Bytes that are not handed out are poisoned under ASan, and objects
 * have a red zone between them. */
struct suan__arena_chunk {
    struct suan__arena_chunk *next;
    size_t size, used; /* bytes of data behind the header */
};
_Static_assert(sizeof(struct suan__arena_chunk) <= SUAN__ALIGN, "the chunk header has to fit");

enum { CHUNK_DEFAULT = 4096, CHUNK_DOUBLE_MAX = 16 << 20 };

static char *chunk_data(struct suan__arena_chunk *c) {
    return (char *)c + SUAN__ALIGN;
}

static void chunk_free(struct suan__arena_chunk *c) {
    ASAN_UNPOISON_MEMORY_REGION(chunk_data(c), c->size);
    suan__free(c);
}

void suan__arena_init(suan__arena *a, size_t first_chunk_bytes) {
    *a = (suan__arena){.chunk_bytes = first_chunk_bytes ? first_chunk_bytes : CHUNK_DEFAULT};
}

void suan__arena_fini(suan__arena *a) {
    while (a->chunk) {
        struct suan__arena_chunk *c = a->chunk;
        a->chunk = c->next;
        chunk_free(c);
    }
    *a = (suan__arena){0};
}

/* The next chunk, if there is one, holds all that these held: an arena that does the same work after every reset soon has it in one
 * chunk, and allocates no more. */
void suan__arena_reset(suan__arena *a) {
    struct suan__arena_chunk *largest = a->chunk;
    size_t total = 0;
    for (struct suan__arena_chunk *c = a->chunk; c; c = c->next) {
        total += c->size;
        if (c->size > largest->size) largest = c;
    }
    for (struct suan__arena_chunk *c = a->chunk, *next; c; c = next) {
        next = c->next;
        if (c != largest) chunk_free(c);
    }
    if (total > a->chunk_bytes) a->chunk_bytes = total;
    a->chunk = largest;
    a->used_bytes = 0;
    if (!largest) return;
    largest->next = NULL;
    largest->used = 0;
    ASAN_POISON_MEMORY_REGION(chunk_data(largest), largest->size);
}

static bool chunk_add(suan__arena *a, size_t bytes) {
    size_t size = a->chunk_bytes ? a->chunk_bytes : CHUNK_DEFAULT;
    if (size < bytes) size = bytes;
    uint64_t with_header;
    if (!suan__add_u64(size, SUAN__ALIGN, &with_header) || with_header > PTRDIFF_MAX) return false;
    struct suan__arena_chunk *c = suan__malloc_aligned((size_t)with_header);
    if (!c) return false;
    *c = (struct suan__arena_chunk){a->chunk, size, 0};
    ASAN_POISON_MEMORY_REGION(chunk_data(c), size);
    a->chunk = c;
    if (size < CHUNK_DOUBLE_MAX) a->chunk_bytes = size * 2;
    return true;
}

void *suan__arena_alloc(suan__arena *a, size_t n, size_t size) {
    size_t bytes, room;
    if (__builtin_mul_overflow(n, size, &bytes)) return NULL;
    size_t align = bytes >= SUAN__ALIGN ? SUAN__ALIGN : 16;
    if (__builtin_add_overflow(bytes, (size_t)(RED_ZONE + SUAN__ALIGN), &room)) return NULL;
    uint64_t start = a->chunk ? (a->chunk->used + align - 1) & ~(uint64_t)(align - 1) : 0;
    if (!a->chunk || !suan__inside(start, bytes + RED_ZONE, a->chunk->size)) {
        if (!chunk_add(a, room)) return NULL;
        start = 0;
    }
    /* An object of no bytes takes one, so that two of them have different addresses. */
    a->chunk->used = (size_t)start + (bytes ? bytes : 1) + RED_ZONE;
    a->used_bytes += bytes;
    char *p = chunk_data(a->chunk) + start;
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    memset(p, 0, bytes);
    return p;
}

char *suan__arena_strndup(suan__arena *a, const char *s, size_t n) {
    if (n == SIZE_MAX) return NULL;
    char *copy = suan__arena_alloc(a, n + 1, 1);
    if (copy && n) memcpy(copy, s, n);
    return copy;
}

/* ---- byte buffers ---- */

void suan__buf_fini(suan__buf *b) {
    suan__free(b->data);
    *b = (suan__buf){.limit = b->limit};
}

/* Makes room for n more bytes and a NUL; growth by half keeps the cost of many small appends linear. */
static bool buf_reserve(suan__buf *b, size_t n) {
    uint64_t end, wanted;
    if (b->failed) return false;
    b->failed = true;
    if (!suan__add_u64(b->n, n, &end) || (b->limit && end > b->limit) || !suan__add_u64(end, 1, &wanted)) return false;
    if (wanted > b->capacity) {
        uint64_t grown = (uint64_t)b->capacity + b->capacity / 2;
        if (wanted < grown) wanted = grown;
        if (wanted < 64) wanted = 64;
        if (wanted > PTRDIFF_MAX) return false;
        char *data = suan__realloc(b->data, (size_t)wanted, 1);
        if (!data) return false;
        b->data = data;
        b->capacity = (size_t)wanted;
    }
    b->failed = false;
    return true;
}

bool suan__buf_append(suan__buf *b, const void *data, size_t n) {
    if (!buf_reserve(b, n)) return false;
    if (n) memcpy(b->data + b->n, data, n);
    b->n += n;
    b->data[b->n] = 0;
    return true;
}

bool suan__buf_printf(suan__buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) b->failed = true;
    if (n >= 0 && buf_reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->n, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
    return !b->failed;
}

/* ---- what the machine has ---- */

uint64_t suan__memory_available(void) {
    uint64_t machine = suan__machine_memory_left("/proc/meminfo"), group = suan__cgroup_memory_left("");
    return machine < group ? machine : group;
}

uint64_t suan__memory_peak(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss < 0) return 0;
    return (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

const char *suan__bytes_text(char text[SUAN__BYTES_TEXT], uint64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double n = (double)bytes / 1024;
    size_t i = 0;
    for (; n >= 1024 && i + 1 < sizeof units / sizeof units[0]; i++) n /= 1024;
    snprintf(text, SUAN__BYTES_TEXT, "%.2f %s", n, units[i]);
    return text;
}
