/* bench.h: what the files of the benchmark share. */
#ifndef SUAN_ENGINE_BENCH_H
#define SUAN_ENGINE_BENCH_H

#include "engine/engine.h"
#include "suan/bench.h"

/* The middle of n values (n > 0), which it sorts; of an even number the mean of the two. */
double suan__median(double *values, size_t n);
/* The median of the distances of n values from `middle`; n values of scratch. */
double suan__median_distance(const double *values, size_t n, double middle, double *scratch);

/* Fills a new session's cache to `depth` positions without computing them: the first 256 are fed, their entries are copied over the rest. The
 * work of later steps is that of a cache that was computed, the answers are not. */
suan_status suan__session_fill(suan_session *session, uint32_t depth, suan_error *err);

/* Reads n bytes with all threads of the pool, several times, in several patterns: the best, in bytes a second. */
double suan__read_rate(suan__pool *pool, const char *level, const unsigned char *p, size_t n);

#endif
