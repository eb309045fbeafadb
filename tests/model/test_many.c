/* test_many.c: several sequences in one step: whatever runs together, every sequence has the bits that it has alone; what is wrong with one of them is its own affair. All families,
 * all kinds of cache, 1 to 3 threads (SUAN_TEST_THREADS: that number only). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/sanitized.h"
#include "../oracle/fixture.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "model/compress.h"

#define N_CTX 768
#define N_SEQUENCES 9
#define N_PAGES (N_SEQUENCES * N_CTX / SUAN__ATTN_BLOCK)
#define MOST_TOKENS 96 /* of a step */
#define ROWS 7         /* of logits together: groups end within sequences */
#define TWIN 1         /* begins with the first block of sequence 0 */
#define LONG 600       /* ids of those two */

static uint32_t seed;
static uint32_t next_random(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

/* ---- a model and its sequences ---- */

typedef struct sequence {
    int32_t ids[LONG];
    uint64_t alone[LONG]; /* hashes of the logits that a run of its own gives */
    uint32_t n, pos;
    suan__kv kv;
} sequence;

typedef struct bench {
    suan__pool *pool;
    suan__model *model;
    suan__step *step;
    suan__dtype type;
    bool exact, rounding;
    sequence sequences[N_SEQUENCES];
    unsigned char *pages;
    uint32_t free_pages[N_PAGES], n_free;
    uint64_t n_tokens, n_networks, n_rows, n_shared;
} bench;
static bench b;

static const suan__hparams *hparams(void) {
    return &b.model->hp;
}

static void must(suan_status status, const suan_error *err) {
    if (status != SUAN_OK) fail_msg("%s", err->message);
}

static void open_bench(const char *dir, int n_threads, suan__dtype type, bool exact) {
    suan_error err = {0};
    suan__checkpoint *ck;
    const suan__kernels *kernels;
    memset(&b, 0, sizeof b);
    b.type = type;
    b.exact = exact;
    must(suan__kernels_get(&kernels, NULL, &err), &err);
    must(suan__checkpoint_open(&ck, dir, &err), &err);
    must(suan__pool_create(&b.pool, n_threads, &err), &err);
    must(suan__model_load(&b.model, ck, kernels, b.pool, NULL, NULL, &err), &err);
    suan__checkpoint_close(&ck);
    b.rounding = hparams()->has_rounding && !exact;
    must(suan__step_create_many(&b.step, b.model, MOST_TOKENS, N_CTX, ROWS, &err), &err);
    size_t page = (size_t)suan__kv_page_bytes(hparams(), type);
    assert_int_equal(page % 4096, 0);
    b.pages = suan__malloc_aligned(page * N_PAGES + 1);
    assert_non_null(b.pages);
    memset(b.pages, 0xff, page * N_PAGES); /* what nobody has written is not a number */
}

static void close_bench(void) {
    for (int i = 0; i < N_SEQUENCES; i++) suan__kv_free(&b.sequences[i].kv);
    suan__free(b.pages);
    suan__step_free(b.step);
    suan__model_free(b.model);
    suan__pool_free(b.pool);
}

static uint64_t hash_row(const float *row) {
    uint64_t hash = 0xcbf29ce484222325u;
    const unsigned char *p = (const unsigned char *)row;
    for (size_t i = 0; i < hparams()->n_vocab * sizeof *row; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static int keep_hash(void *ctx, uint32_t i_row, const float *logits) {
    uint64_t *hashes = ctx;
    hashes[i_row] = hash_row(logits);
    return 0;
}

/* What the sequence gives alone, in a cache of its own, in chunks of a random length. */
static void run_alone(sequence *s) {
    suan__kv kv;
    suan_error err = {0};
    must(suan__kv_create(&kv, hparams(), N_CTX, b.type, &err), &err);
    kv.rounding = b.rounding;
    for (uint32_t pos = 0, n; pos < s->n; pos += n) {
        n = 1 + next_random(MOST_TOKENS);
        if (n > s->n - pos) n = s->n - pos;
        must(suan__step_run(b.step, &kv, s->ids + pos, n, pos, b.exact, true, keep_hash, s->alone + pos, NULL, &err), &err);
    }
    suan__kv_free(&kv);
}

static void make_sequences(bool is_short) {
    for (uint32_t i = 0; i < N_SEQUENCES; i++) {
        sequence *s = &b.sequences[i];
        s->n = i > TWIN || is_short ? 3 + next_random(90) : 400 + next_random(LONG - 400 + 1);
        for (uint32_t t = 0; t < s->n; t++) s->ids[t] = (int32_t)next_random(hparams()->n_vocab);
        if (i == TWIN && !is_short) memcpy(s->ids, b.sequences[0].ids, SUAN__ATTN_BLOCK * sizeof *s->ids);
        run_alone(s);
    }
}

/* ---- together ---- */

static void give_back_pages(void) {
    b.n_free = 0;
    for (uint32_t i = 0; i < N_PAGES; i++) b.free_pages[b.n_free++] = i;
    for (uint32_t i = N_PAGES; i > 1; i--) { /* in any order */
        uint32_t k = next_random(i), page = b.free_pages[k];
        b.free_pages[k] = b.free_pages[i - 1];
        b.free_pages[i - 1] = page;
    }
}

static void start_sequence(sequence *s) {
    suan_error err = {0};
    suan__kv_free(&s->kv);
    must(suan__kv_create_table(&s->kv, hparams(), N_CTX, b.type, &err), &err);
    s->kv.rounding = b.rounding;
    s->pos = 0;
}

/* Pages for positions up to `end`. */
static void provide_pages(sequence *s, uint32_t end) {
    if (!s->kv.pages) return;
    for (uint32_t block = 0; block * SUAN__ATTN_BLOCK < end; block++)
        if (!s->kv.pages[block])
            suan__kv_set_page(&s->kv, block, b.pages + b.free_pages[--b.n_free] * suan__kv_page_bytes(hparams(), b.type));
}

/* Whether the sequence is the twin, and waits for the block that it shares. */
static bool is_waiting(const sequence *s) {
    return s == &b.sequences[TWIN] && s->kv.pages && s->pos == 0 && s->n > SUAN__ATTN_BLOCK;
}

/* The twin goes on behind the first block of sequence 0. */
static void share_page(void) {
    sequence *from = &b.sequences[0], *to = &b.sequences[TWIN];
    if (!is_waiting(to) || from->pos < SUAN__ATTN_BLOCK) return;
    suan__kv_set_page(&to->kv, 0, from->kv.pages[0]);
    to->pos = SUAN__ATTN_BLOCK;
    b.n_shared++;
}

typedef struct together {
    suan__segment segments[N_SEQUENCES];
    sequence *of[N_SEQUENCES];
    uint32_t next[N_SEQUENCES]; /* token of each whose row comes next */
    uint32_t n, n_tokens, last;
} together;

static int check_rows(void *ctx, uint32_t n_rows, const float *logits, const uint32_t *segment, const uint32_t *token) {
    together *all = ctx;
    assert_true(n_rows >= 1 && n_rows <= ROWS);
    for (uint32_t i = 0; i < n_rows; i++) {
        const suan__segment *s = &all->segments[segment[i]];
        assert_true(segment[i] < all->n && segment[i] >= all->last);
        assert_int_equal(token[i], all->next[segment[i]]++);
        all->last = segment[i];
        if (hash_row(logits + (size_t)i * hparams()->n_vocab) != all->of[segment[i]]->alone[s->pos0 + token[i]])
            fail_msg("sequence %u has other logits at position %u than alone", segment[i], s->pos0 + token[i]);
        b.n_rows++;
    }
    return 0;
}

/* The next tokens of some sequences: of each a few, or many, or none. */
static together choose(bool all_of_them) {
    together c = {.n = 0};
    for (uint32_t i = 0; i < N_SEQUENCES; i++) {
        sequence *s = &b.sequences[i];
        uint32_t left = s->n - s->pos, room = MOST_TOKENS - c.n_tokens - (N_SEQUENCES - i - 1), n = 1;
        if (left == 0 || is_waiting(s) || (!all_of_them && next_random(4) == 0)) continue;
        if (next_random(2)) n += next_random(i <= TWIN ? 80 : 30);
        n = n > left ? left : n;
        n = n > room ? room : n;
        provide_pages(s, s->pos + n);
        uint32_t n_logits = next_random(3) ? 1 : next_random(n + 1);
        c.segments[c.n] = (suan__segment){.kv = &s->kv, .ids = s->ids + s->pos, .n_tokens = n, .pos0 = s->pos, .n_logits = n_logits};
        c.next[c.n] = n - n_logits;
        c.of[c.n++] = s;
        c.n_tokens += n;
    }
    return c;
}

/* The last layer's network is computed for rows of logits alone, where nothing else is wanted. */
static uint32_t tokens_of_last_network(const together *c) {
    uint32_t n_logits = 0;
    for (uint32_t i = 0; i < c->n; i++) n_logits += c->segments[i].n_logits;
    return b.step->only_logits && !hparams()->n_stream ? n_logits : c->n_tokens;
}

static void run_to_the_end(void) {
    suan_error err = {0};
    for (;;) {
        share_page();
        together c = choose(false);
        bool is_done = true;
        for (int i = 0; i < N_SEQUENCES; i++) is_done &= b.sequences[i].pos == b.sequences[i].n;
        if (is_done) return;
        if (c.n == 0) continue;
        suan__step_only_logits(b.step, next_random(2));
        must(suan__step_run_many(b.step, c.segments, c.n, b.exact, check_rows, &c, NULL, &err), &err);
        for (uint32_t i = 0; i < c.n; i++) {
            must(c.segments[i].status, &c.segments[i].error);
            assert_int_equal(c.next[i], c.segments[i].n_tokens);
            c.of[i]->pos += c.segments[i].n_tokens;
        }
        b.n_tokens += c.n_tokens;
        b.n_networks += (uint64_t)c.n_tokens * (hparams()->n_layer - 1) + tokens_of_last_network(&c);
    }
    suan__step_only_logits(b.step, false);
}

/* ---- tests ---- */

/* Fails the running test where the case's folder is not there. */
static bool find_case(char *dir, size_t capacity, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "oracle/%s", name);
    if (fixture_find(dir, capacity, path)) return true;
    print_message("%s: no such fixture, skipped\n", name);
    return false;
}

static int most_threads(int *first) {
    const char *text = getenv("SUAN_TEST_THREADS");
    int n = text ? (int)strtol(text, NULL, 10) : 0;
#ifdef SANITIZED
    if (!text) n = 2;
#endif
    *first = n >= 1 && n <= 64 ? n : 1;
    return n >= 1 && n <= 64 ? n : 3;
}

static uint64_t use_of_experts(void) {
    const uint32_t *use = suan__step_expert_use(b.step);
    uint64_t sum = 0;
    assert_true((use != NULL) == (hparams()->n_expert > 0));
    for (size_t i = 0; use && i < (size_t)hparams()->n_layer * hparams()->n_expert; i++) sum += use[i];
    return sum;
}

static uint32_t n_moe_layers(void) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < hparams()->n_layer; i++) n += b.model->layers[i].router.data != NULL;
    return n;
}

static void test_bits_of_each_are_those_alone(void **state) {
    static const suan__dtype types[] = {SUAN__F16, SUAN__F32, SUAN__Q8_0};
    char dir[1024];
    int first, last = most_threads(&first);
    if (!find_case(dir, sizeof dir, *state)) skip();
    for (int n_threads = first; n_threads <= last; n_threads++)
        for (int i = 0; i < 3; i++) {
            seed = (uint32_t)(n_threads * 10 + i);
            open_bench(dir, n_threads, types[i], i == n_threads % 3);
            make_sequences(i != (n_threads + 1) % 3); /* long ones in one of three */
            give_back_pages();
            for (int k = 0; k < N_SEQUENCES; k++) start_sequence(&b.sequences[k]);
            uint64_t used = use_of_experts();
            run_to_the_end();
            uint64_t n_given =
                n_moe_layers() ? b.n_networks - b.n_tokens * (hparams()->n_layer - n_moe_layers()) : 0; /* dense layers come first */
            assert_int_equal(use_of_experts() - used, n_given * hparams()->n_expert_used);
            assert_true(b.n_rows > N_SEQUENCES);
            if (b.sequences[0].kv.pages && i == (n_threads + 1) % 3) assert_int_equal(b.n_shared, 1);
            close_bench();
        }
}

/* A cache that holds what is not a number. */
static void spoil(sequence *s) {
    if (s->kv.pages)
        memset(s->kv.pages[0], 0xff, (size_t)suan__kv_page_bytes(hparams(), b.type));
    else
        memset(s->kv.memory + hparams()->n_layer * sizeof(suan__past_layer), 0xff,
               s->kv.bytes - hparams()->n_layer * sizeof(suan__past_layer));
}

static void test_what_is_not_finite_spoils_one_alone(void **state) {
    static const suan__dtype types[] = {SUAN__F16, SUAN__F32, SUAN__Q8_0};
    char dir[1024];
    suan_error err = {0};
    if (!find_case(dir, sizeof dir, *state)) skip();
    for (int i = 0; i < 3; i++) {
        seed = (uint32_t)i + 77;
        open_bench(dir, 2, types[i], i == 1);
        make_sequences(true);
        give_back_pages();
        for (int k = 0; k < N_SEQUENCES; k++) start_sequence(&b.sequences[k]);
        for (uint32_t turn = 0; turn < 2; turn++) {
            together c = choose(true);
            uint32_t bad = turn ? next_random(c.n) : UINT32_MAX;
            if (turn) spoil(c.of[bad]);
            suan__step_only_logits(b.step, next_random(2));
            must(suan__step_run_many(b.step, c.segments, c.n, b.exact, check_rows, &c, NULL, &err), &err);
            for (uint32_t k = 0; k < c.n; k++) {
                c.of[k]->pos += c.segments[k].n_tokens;
                if (k == bad) {
                    assert_int_equal(c.segments[k].status, SUAN_ENUMERIC);
                    assert_non_null(strstr(c.segments[k].error.message, "layer"));
                    assert_int_equal(c.next[k], c.segments[k].n_tokens - c.segments[k].n_logits);
                } else {
                    must(c.segments[k].status, &c.segments[k].error);
                    assert_int_equal(c.next[k], c.segments[k].n_tokens);
                }
            }
        }
        close_bench();
    }
}

/* The normed state of a token is that of a run alone, and the head's product of it is the token's logits. */
static void test_normed_states(void **state) {
    char dir[1024];
    suan_error err = {0};
    if (!find_case(dir, sizeof dir, *state)) skip();
    open_bench(dir, 2, SUAN__F32, true);
    seed = 5;
    make_sequences(true);
    give_back_pages();
    for (int k = 0; k < N_SEQUENCES; k++) start_sequence(&b.sequences[k]);
    together c = choose(true);
    size_t d = hparams()->n_embd;
    float *together_states = test_malloc(c.n_tokens * d * sizeof(float)), *alone = test_malloc(MOST_TOKENS * d * sizeof(float));
    must(suan__step_run_many(b.step, c.segments, c.n, b.exact, check_rows, &c, NULL, &err), &err);
    must(suan__step_normed(b.step, 0, c.n_tokens, together_states, &err), &err);
    for (uint32_t k = 0, t0 = 0; k < c.n; t0 += c.segments[k++].n_tokens) {
        suan__kv kv;
        uint32_t n = c.segments[k].n_tokens;
        must(suan__kv_create(&kv, hparams(), N_CTX, b.type, &err), &err);
        must(suan__step_run(b.step, &kv, c.segments[k].ids, n, 0, b.exact, false, NULL, NULL, NULL, &err), &err);
        must(suan__step_normed(b.step, n - 1, 1, alone, &err), &err);
        assert_memory_equal(alone, together_states + (t0 + n - 1) * d, d * sizeof(float));
        suan__kv_free(&kv);
    }
    test_free(together_states);
    test_free(alone);
    close_bench();
}

/* Steps that cannot be run are refused before anything is computed; a caller who had enough stops the step. */
static int stop_at_once(void *ctx, uint32_t n_rows, const float *logits, const uint32_t *segment, const uint32_t *token) {
    (void)ctx, (void)n_rows, (void)logits, (void)segment, (void)token;
    return 1;
}

static void test_steps_that_cannot_be(void **state) {
    char dir[1024];
    suan_error err = {0};
    if (!find_case(dir, sizeof dir, *state)) skip();
    open_bench(dir, 1, SUAN__F16, false);
    make_sequences(true);
    give_back_pages();
    sequence *s = &b.sequences[0];
    int32_t ids[MOST_TOKENS + 1] = {0};
    start_sequence(s);
    suan__segment good = {.kv = &s->kv, .ids = ids, .n_tokens = 2, .n_logits = 1}, two[2] = {good, good};
    provide_pages(s, N_CTX);
    assert_int_equal(suan__step_run_many(b.step, two, 0, false, stop_at_once, NULL, NULL, &err), SUAN_EINVAL);
    two[1].n_tokens = MOST_TOKENS - 1;
    assert_int_equal(suan__step_run_many(b.step, two, 2, false, stop_at_once, NULL, NULL, &err), SUAN_EINVAL);
    assert_non_null(strstr(err.message, "sequence 1"));
    two[0].n_logits = 3;
    assert_int_equal(suan__step_run_many(b.step, two, 1, false, stop_at_once, NULL, NULL, &err), SUAN_EINVAL);
    two[0] = good, two[0].pos0 = N_CTX - 1;
    assert_int_equal(suan__step_run_many(b.step, two, 1, false, stop_at_once, NULL, NULL, &err), SUAN_EINVAL);
    two[0] = good;
    assert_int_equal(suan__step_run_many(b.step, two, 1, false, stop_at_once, NULL, NULL, &err), SUAN_STOPPED);
    atomic_bool cancel = true;
    assert_int_equal(suan__step_run_many(b.step, two, 1, false, stop_at_once, NULL, &cancel, &err), SUAN_STOPPED);
    close_bench();
}

int main(void) {
    static const char *const spoiled[] = {"llama3-tied", "deepseek_v3", "deepseek_v32", "deepseek_v4", "gpt_oss", "long_mla"};
    struct CMUnitTest tests[FIXTURE_CASES + sizeof spoiled / sizeof *spoiled + 4];
    size_t n = 0;
    for (size_t i = 0; i < FIXTURE_CASES; i++)
        tests[n++] = (struct CMUnitTest){
            .name = fixture_cases[i], .test_func = test_bits_of_each_are_those_alone, .initial_state = (void *)fixture_cases[i]};
    for (size_t i = 0; i < sizeof spoiled / sizeof *spoiled; i++)
        tests[n++] = (struct CMUnitTest){
            .name = spoiled[i], .test_func = test_what_is_not_finite_spoils_one_alone, .initial_state = (void *)spoiled[i]};
    static const char *const plain = "llama3-tied", *const streams = "deepseek_v4";
    tests[n++] = (struct CMUnitTest){.name = "normed", .test_func = test_normed_states, .initial_state = (void *)plain};
    tests[n++] = (struct CMUnitTest){.name = "normed streams", .test_func = test_normed_states, .initial_state = (void *)streams};
    tests[n++] = (struct CMUnitTest){.name = "refused", .test_func = test_steps_that_cannot_be, .initial_state = (void *)plain};
    return _cmocka_run_group_tests("many", tests, n, NULL, NULL);
}
