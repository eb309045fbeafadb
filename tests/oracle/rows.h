/* rows.h: the logits that a session gives, row by row, through the public interface only. */
#ifndef TESTS_ORACLE_ROWS_H
#define TESTS_ORACLE_ROWS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cmocka_all.h"
#include "../base/sanitized.h"
#include "suan/session.h"

/* Two threads, or the first number of SUAN_TEST_THREADS (emulators: 1). */
static inline int test_threads(void) {
    const char *text = getenv("SUAN_TEST_THREADS");
    int n = text ? (int)strtol(text, NULL, 10) : 2;
    return n >= 1 && n <= 64 ? n : 1;
}

static inline suan_model *open_model(const char *path, const char *cpu, int n_threads) {
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    suan_model *model;
    suan_error err;
    options.cpu = cpu;
    options.n_threads = n_threads;
    if (suan_model_open(&model, path, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return model;
}

/* chunk 0: the default, 256. */
static inline suan_session *open_session(suan_model *model, uint32_t n_ctx, suan_kv_type kv, suan_activations activations, uint32_t chunk) {
    suan_session_options options = {.n_ctx = n_ctx, .kv = kv, .activations = activations, .chunk = chunk};
    suan_session *session;
    suan_error err;
    if (suan_session_create(&session, model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
    return session;
}

/* Rows of logits by position: a later run over the same positions must bring the same bits when `compare` is set. */
typedef struct rows {
    float *data; /* [n_rows][n_vocab] */
    uint32_t n_vocab, n_rows;
    uint32_t n_seen, next; /* rows that came, and the position of the one that has to come */
    bool compare;
    uint32_t n_different, first_different;
} rows;

static inline int rows_take(void *ctx, uint32_t position, int32_t id, const float *logits) {
    rows *r = ctx;
    (void)id;
    assert_int_equal(position, r->next);
    assert_true(position < r->n_rows);
    float *row = r->data + (size_t)position * r->n_vocab;
    if (!r->compare) {
        memcpy(row, logits, r->n_vocab * sizeof *row);
    } else if (memcmp(row, logits, r->n_vocab * sizeof *row) != 0) {
        if (!r->n_different++) r->first_different = position;
    }
    r->next++;
    r->n_seen++;
    return 0;
}

static inline rows rows_make(uint32_t n_rows, uint32_t n_vocab) {
    return (rows){.data = test_malloc((size_t)n_rows * n_vocab * sizeof(float)), .n_rows = n_rows, .n_vocab = n_vocab};
}

/* Feeds ids[begin, end) and collects their rows. */
static inline void rows_feed(rows *r, suan_session *session, const int32_t *ids, size_t begin, size_t end) {
    suan_error err;
    assert_int_equal(suan_session_position(session), begin);
    r->next = (uint32_t)begin;
    r->n_seen = 0;
    suan_session_on_logits(session, rows_take, r);
    if (suan_session_feed(session, ids + begin, end - begin, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan_session_on_logits(session, NULL, NULL);
    assert_int_equal(r->n_seen, end - begin);
}

#define FNV1A_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV1A_PRIME UINT64_C(0x100000001b3)
/* FNV-1a, 64 bits, over the values' bytes, least significant first; -0 and +0 differ. Non-finite values fail a request, so there is no NaN
 * to make canonical. Source: Fowler, Noll, Vo (the offset basis and the prime are theirs). */
static inline uint64_t fnv1a(uint64_t hash, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        assert_true(isfinite(x[i]));
        for (int b = 0; b < 4; b++) hash = (hash ^ (bits >> (8 * b) & 255)) * FNV1A_PRIME;
    }
    return hash;
}

#endif
