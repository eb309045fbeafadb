/* thread.h: a pool of threads that run one function together and meet at a barrier.
 *
 * The calling thread is thread 0 of every run; n_threads - 1 workers wait. The barrier spins for at most 20 microseconds, then waits on
 * a futex. Each run sets the floating point environment of every thread to the contract's (round to nearest, no flush to zero, no
 * denormals-are-zero) and restores the caller's.
 */
#ifndef SUAN_BASE_THREAD_H
#define SUAN_BASE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct suan__pool suan__pool;
typedef void suan__pool_fn(void *ctx, int i_thread, int n_threads);

/* n_threads 1..SUAN__MAX_THREADS; 0 means suan__threads_default(). */
#define SUAN__MAX_THREADS 512
suan_status suan__pool_create(suan__pool **pool, int n_threads, suan_error *err);
/* Binds thread i to the i-th processor of suan__cpus_order(): the workers for good, the caller of a run for the time of the run.
 * SUAN_EINVAL when there are more threads than processors. */
suan_status suan__pool_pin(suan__pool *pool, suan_error *err);
void suan__pool_free(suan__pool *pool); /* NULL is fine */
int suan__pool_n_threads(const suan__pool *pool);
/* Runs fn on all threads and returns when all are done. One run at a time. */
void suan__pool_run(suan__pool *pool, suan__pool_fn *fn, void *ctx);
/* Inside a run: waits until all threads of the run are here. Memory written before is visible after. */
void suan__pool_barrier(suan__pool *pool);
/* The barrier in two halves: the thread that arrives last gets true at once and must open the barrier for the others, who wait in arrive and get
 * false. What it does in between it does alone. */
bool suan__pool_arrive(suan__pool *pool);
void suan__pool_open(suan__pool *pool);
/* How many barriers (and runs) there were since the pool was made. */
uint64_t suan__pool_n_barriers(const suan__pool *pool);

/* As many as the affinity mask and the cgroup quota allow; hyper-threads left out beyond four cores. At least 1. */
int suan__threads_default(void);

/* The floating point environment of the contract; enter returns what to give back to leave. */
uint64_t suan__fp_enter(void);
void suan__fp_leave(uint64_t saved);

#endif
