/* thread_linux.c: the pool and its barrier.
 *
 * Everything waits on one kind of object, a 32-bit generation that only grows. Who waits spins for a while, then counts itself among the
 * sleepers and asks the kernel to sleep as long as the generation is the old one; who advances it enters the kernel only when there are
 * sleepers. Advance and sleeper count are sequentially consistent, so either the sleeper sees the new generation or the advancer sees the
 * sleeper.
 */
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/memory.h"

enum { SPIN_NS = 20000, SPIN_PAUSES = 16, STACK_BYTES = 2 << 20 };

/* ---- a generation to wait for ---- */

typedef struct gate {
    _Alignas(SUAN__ALIGN) _Atomic uint32_t generation;
    _Atomic uint32_t n_sleepers;
} gate;

static void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool gate_is_open(gate *g, uint32_t old) {
    return atomic_load_explicit(&g->generation, memory_order_acquire) != old;
}

/* The clock is asked after every SPIN_PAUSES only: reading it costs about as much as they do. */
static bool gate_spin(gate *g, uint32_t old) {
    uint64_t end = now_ns() + SPIN_NS;
    do {
        for (int i = 0; i < SPIN_PAUSES; i++) {
            if (gate_is_open(g, old)) return true;
            cpu_relax();
        }
    } while (now_ns() < end);
    return false;
}

/* Returns when the generation is no longer `old`. */
static void gate_wait(gate *g, uint32_t old, bool may_spin) {
    if (gate_is_open(g, old) || (may_spin && gate_spin(g, old))) return;
    atomic_fetch_add(&g->n_sleepers, 1);
    while (atomic_load(&g->generation) == old) syscall(SYS_futex, &g->generation, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&g->n_sleepers, 1);
}

static void gate_advance(gate *g) {
    atomic_fetch_add(&g->generation, 1);
    if (atomic_load(&g->n_sleepers)) syscall(SYS_futex, &g->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ---- the pool ---- */

typedef struct worker {
    suan__pool *pool;
    pthread_t thread;
    int i_thread;
} worker;

struct suan__pool {
    gate start;                                  /* opened by the caller: a run begins, or the end */
    gate barrier;                                /* opened by the last thread that arrives */
    _Alignas(SUAN__ALIGN) _Atomic int n_arrived; /* a line of its own: every arrival writes it */
    _Atomic uint64_t n_barriers;
    _Alignas(SUAN__ALIGN) int n_threads;
    int cpu0;      /* the processor of thread 0; -1: not pinned */
    int n_started; /* workers that exist, below n_threads only while the pool is made */
    bool may_spin;
    bool is_ending;    /* this, fn and ctx are written before `start` opens */
    suan__pool_fn *fn; /* borrowed for the run */
    void *ctx;
    worker workers[]; /* [n_threads - 1] */
};

bool suan__pool_arrive(suan__pool *pool) {
    uint32_t old = atomic_load_explicit(&pool->barrier.generation, memory_order_relaxed); /* cannot change before we arrive */
    if (atomic_fetch_add_explicit(&pool->n_arrived, 1, memory_order_acq_rel) + 1 == pool->n_threads) return true;
    gate_wait(&pool->barrier, old, pool->may_spin);
    return false;
}

void suan__pool_open(suan__pool *pool) {
    atomic_store_explicit(&pool->n_arrived, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->n_barriers, 1, memory_order_relaxed);
    gate_advance(&pool->barrier);
}

void suan__pool_barrier(suan__pool *pool) {
    if (suan__pool_arrive(pool)) suan__pool_open(pool);
}

static void *worker_main(void *arg) {
    worker *w = arg;
    suan__pool *pool = w->pool;
    for (uint32_t generation = 0;; generation++) {
        gate_wait(&pool->start, generation, pool->may_spin);
        if (pool->is_ending) return NULL;
        uint64_t saved = suan__fp_enter();
        pool->fn(pool->ctx, w->i_thread, pool->n_threads);
        suan__fp_leave(saved);
        suan__pool_barrier(pool);
    }
}

/* ---- pinning ---- */

enum { CPUS_MAX = 1 << 16, CPU_SET_BYTES = CPUS_MAX / 8 };

/* Binds a thread to one processor; 0, or an errno. */
static int bind_thread(pthread_t thread, int cpu) {
    cpu_set_t *set = suan__calloc(1, CPU_SET_BYTES);
    if (!set) return ENOMEM;
    CPU_SET_S((size_t)cpu, CPU_SET_BYTES, set);
    int failure = pthread_setaffinity_np(thread, CPU_SET_BYTES, set);
    suan__free(set);
    return failure;
}

suan_status suan__pool_pin(suan__pool *pool, suan_error *err) {
    int *cpus = suan__calloc(CPUS_MAX, sizeof *cpus);
    SUAN_CHECK(cpus, SUAN_ENOMEM, "out of memory for a list of processors");
    int n = suan__cpus_order(cpus, CPUS_MAX, NULL), failure = 0, i = 1;
    suan_status status = SUAN_OK;
    if (n == 0)
        status = suan__fail(err, SUAN_EUNSUPPORTED, "threads cannot be pinned: the kernel does not say which processors may be used");
    else if (n < pool->n_threads)
        status = suan__fail(err, SUAN_EINVAL, "%d threads cannot be pinned: this process may use %d processor%s", pool->n_threads, n,
                            n == 1 ? "" : "s");
    for (; status == SUAN_OK && i < pool->n_threads && !failure; i++) failure = bind_thread(pool->workers[i - 1].thread, cpus[i]);
    if (failure)
        status = suan__fail(err, SUAN_EINTERNAL, "thread %d cannot be bound to processor %d: %s", i - 1, cpus[i - 1], strerror(failure));
    if (status == SUAN_OK) pool->cpu0 = cpus[0];
    suan__free(cpus);
    return status;
}

/* Binds the caller for a run; its own affinity is put aside in *before. A mask of more than cpu_set_t's 1,024 processors is left alone:
 * pinning is for speed only. */
static bool caller_enter(const suan__pool *pool, cpu_set_t *before) {
    if (pool->cpu0 < 0 || pool->cpu0 >= CPU_SETSIZE || pthread_getaffinity_np(pthread_self(), sizeof *before, before) != 0) return false;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(pool->cpu0, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

/* ---- runs ---- */

void suan__pool_run(suan__pool *pool, suan__pool_fn *fn, void *ctx) {
    uint64_t saved = suan__fp_enter();
    cpu_set_t before;
    bool is_bound = caller_enter(pool, &before);
    pool->fn = fn;
    pool->ctx = ctx;
    if (pool->n_threads > 1) gate_advance(&pool->start);
    fn(ctx, 0, pool->n_threads);
    suan__pool_barrier(pool);
    if (is_bound) pthread_setaffinity_np(pthread_self(), sizeof before, &before);
    suan__fp_leave(saved);
}

/* Workers take no signals of the process, so its handlers run where the program expects them. Faults are left in: they belong to the
 * thread, and a blocked one kills the process. */
static int start_worker(worker *w) {
    sigset_t blocked, before;
    sigfillset(&blocked);
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&blocked, faults[i]);
    pthread_attr_t attributes;
    int failure = pthread_attr_init(&attributes);
    if (failure) return failure;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    failure = pthread_create(&w->thread, &attributes, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

suan_status suan__pool_create(suan__pool **pool, int n_threads, suan_error *err) {
    *pool = NULL;
    if (n_threads == 0) n_threads = suan__threads_default();
    SUAN_CHECK(n_threads >= 1 && n_threads <= SUAN__MAX_THREADS, SUAN_EINVAL, "number of threads is %d, expected 1 to %d", n_threads,
               SUAN__MAX_THREADS);
    size_t bytes = sizeof(suan__pool) + sizeof(worker) * (size_t)(n_threads - 1);
    suan__pool *p = suan__malloc_aligned(bytes);
    SUAN_CHECK(p, SUAN_ENOMEM, "out of memory for a pool of %d threads", n_threads);
    memset(p, 0, bytes);
    p->n_threads = n_threads;
    p->cpu0 = -1;
    p->may_spin = n_threads <= suan__cpus_allowed(); /* with more threads than processors, spinning keeps away the one that is waited for */
    for (; p->n_started < n_threads - 1; p->n_started++) {
        worker *w = &p->workers[p->n_started];
        *w = (worker){.pool = p, .i_thread = p->n_started + 1};
        int failure = start_worker(w);
        if (failure) {
            int i_failed = p->n_started + 1;
            suan__pool_free(p);
            return suan__fail(err, failure == EAGAIN || failure == ENOMEM ? SUAN_ENOMEM : SUAN_EINTERNAL,
                              "cannot start thread %d of %d: %s", i_failed, n_threads, strerror(failure));
        }
    }
    *pool = p;
    return SUAN_OK;
}

void suan__pool_free(suan__pool *pool) {
    if (!pool) return;
    pool->is_ending = true;
    gate_advance(&pool->start);
    for (int i = 0; i < pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
    suan__free(pool);
}

int suan__pool_n_threads(const suan__pool *pool) {
    return pool->n_threads;
}

uint64_t suan__pool_n_barriers(const suan__pool *pool) {
    return atomic_load_explicit(&pool->n_barriers, memory_order_relaxed);
}
