/* map_posix.c: files mapped into memory, and the guard against those that shrink.
 *
 * The guard is a handler of SIGBUS. It looks the faulting address up in a table of all maps, puts a page of zeros there and marks the map,
 * and the interrupted read goes on. A handler can take no lock, so the table has a fixed length and its slots change by atomic operations:
 * `state` is a sequence number whose low two bits say whether the slot is free, being filled or live, and the handler trusts the bounds
 * only when the state was the same live one before and after it read them.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_SLOTS = 1024 };
enum { SLOT_FREE = 0, SLOT_FILLING = 1, SLOT_LIVE = 2, SLOT_MASK = 3, SLOT_NEXT = 4 };

typedef struct slot {
    _Atomic uint32_t state;
    _Atomic uint32_t is_failed;
    _Atomic uintptr_t begin, end; /* end: behind the last page */
} slot;

/* Process-wide, as the signal is. */
static slot slots[N_SLOTS];
static struct {
    pthread_mutex_t lock;
    bool is_installed;
    struct sigaction previous; /* written once, before our handler can run */
    uintptr_t page_bytes;
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int slot_take(uintptr_t begin, uintptr_t end) {
    for (int i = 0; i < N_SLOTS; i++) {
        slot *s = &slots[i];
        uint32_t state = atomic_load(&s->state);
        if ((state & SLOT_MASK) != SLOT_FREE || !atomic_compare_exchange_strong(&s->state, &state, (state | SLOT_FILLING))) continue;
        atomic_store(&s->is_failed, 0);
        atomic_store(&s->begin, begin);
        atomic_store(&s->end, end);
        atomic_store(&s->state, (state & ~(uint32_t)SLOT_MASK) | SLOT_LIVE);
        return i;
    }
    return -1;
}

static void slot_give(int i) {
    uint32_t state = atomic_load(&slots[i].state);
    atomic_store(&slots[i].state, (state & ~(uint32_t)SLOT_MASK) + SLOT_NEXT);
}

static slot *slot_find(uintptr_t address) {
    for (int i = 0; i < N_SLOTS; i++) {
        slot *s = &slots[i];
        uint32_t state = atomic_load(&s->state);
        if ((state & SLOT_MASK) != SLOT_LIVE) continue;
        uintptr_t begin = atomic_load(&s->begin), end = atomic_load(&s->end);
        if (atomic_load(&s->state) == state && address >= begin && address < end) return s;
    }
    return NULL;
}

/* A signal that is not ours goes where it would have gone without us. */
static void pass_on(int signal_number, siginfo_t *info, void *context) {
    const struct sigaction *previous = &guard.previous;
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(signal_number, info, context);
    } else if (previous->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; /* sent by a process: may be ignored; a fault may not */
    } else if (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        sigaction(signal_number, &action, NULL);
        raise(signal_number); /* blocked now, delivered when we return */
    } else {
        previous->sa_handler(signal_number);
    }
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context) {
    int saved_errno = errno;
    uintptr_t address = (uintptr_t)info->si_addr, page = address & ~(guard.page_bytes - 1);
    slot *s = info->si_code > 0 ? slot_find(address) : NULL;
    if (s && mmap((void *)page, guard.page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
        atomic_store(&s->is_failed, 1);
    else
        pass_on(signal_number, info, context);
    errno = saved_errno;
}

suan_status suan__map_guard_install(suan_error *err) {
    suan_status status = SUAN_OK;
    pthread_mutex_lock(&guard.lock);
    if (!guard.is_installed) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        guard.page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
        guard.is_installed = sigaction(SIGBUS, NULL, &guard.previous) == 0 && sigaction(SIGBUS, &action, NULL) == 0;
        if (!guard.is_installed) status = suan__fail(err, SUAN_EINTERNAL, "cannot handle SIGBUS: %s", strerror(errno));
    }
    pthread_mutex_unlock(&guard.lock);
    return status;
}

suan_status suan__map_open(suan__map *m, const suan__file *f, suan_error *err) {
    static const unsigned char nothing[1] = {0};
    *m = (suan__map){.data = nothing, .slot = -1, .fd = -1};
    if (f->size == 0) return SUAN_OK; /* the kernel maps no empty file */
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    SUAN_CHECK(f->size <= PTRDIFF_MAX - page, SUAN_ERANGE, "%s: %llu bytes cannot be mapped on this machine", f->path,
               (unsigned long long)f->size);
    void *data = mmap(NULL, (size_t)f->size, PROT_READ, MAP_SHARED, f->fd, 0);
    SUAN_CHECK(data != MAP_FAILED, errno == ENOMEM ? SUAN_ENOMEM : SUAN_EIO, "%s: cannot map %llu bytes: %s", f->path,
               (unsigned long long)f->size, strerror(errno));
    uintptr_t begin = (uintptr_t)data;
    int i = slot_take(begin, begin + (uintptr_t)((f->size + page - 1) & ~(page - 1)));
    if (i < 0) {
        munmap(data, (size_t)f->size);
        return suan__fail(err, SUAN_ELIMIT, "%s: %d files are mapped already, which is the most", f->path, N_SLOTS);
    }
    *m = (suan__map){.data = data, .size = f->size, .slot = i, .fd = -1};
    return SUAN_OK;
}

suan_status suan__map_watch(suan__map *m, const suan__file *f, suan_error *err) {
    struct stat st;
    if (!m->size || m->fd >= 0) return SUAN_OK;
    m->fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
    SUAN_CHECK(m->fd >= 0 && fstat(m->fd, &st) == 0, SUAN_EIO, "%s: cannot be watched: %s", f->path, strerror(errno));
    /* Where what is read from the disk now goes into huge pages of the page cache, there are 512 times fewer page faults. Advice. */
    madvise((void *)(uintptr_t)m->data, (size_t)m->size, MADV_HUGEPAGE);
    m->changed_s = st.st_mtim.tv_sec;
    m->changed_ns = st.st_mtim.tv_nsec;
    return SUAN_OK;
}

void suan__map_close(suan__map *m) {
    if (m->size && m->data) {
        if (m->slot >= 0) slot_give(m->slot);
        munmap((void *)(uintptr_t)m->data, (size_t)m->size);
        if (m->fd >= 0) close(m->fd);
    }
    *m = (suan__map){.slot = -1, .fd = -1};
}

bool suan__map_failed(const suan__map *m) {
    struct stat st;
    if (!m->size || m->slot < 0) return false;
    if (atomic_load(&slots[m->slot].is_failed)) return true;
    if (m->fd < 0) return false;
    bool same = fstat(m->fd, &st) == 0 && (uint64_t)st.st_size == m->size && st.st_mtim.tv_sec == m->changed_s &&
                st.st_mtim.tv_nsec == m->changed_ns;
    if (!same) atomic_store(&slots[m->slot].is_failed, 1);
    return !same;
}
