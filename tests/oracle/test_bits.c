/* test_bits.c: the numeric contract as constants: one hash of the logits for each (model, weight type, activations, cache), the same at
 * every kernel level that can run here, for numbers of threads and chunkings. The hashes are in tests/data/bits.txt.
 *
 *     test_bits oracle        the oracle cases whose rows are whole blocks of 32, in each such type; the long ones over two blocks of
 *                             attention
 *     test_bits generated     random models with rows of 256, in every type with kernels and in two without; prompts of 300 tokens
 *     test_bits --write FILE  computes all hashes with the C functions and writes the table anew; with a pattern behind it, those of some models alone
 *
 * SUAN_TEST_THREADS=1 gives the numbers of threads; "1,2,3" when it is not set ("2" under a sanitizer): all at the best level, in turn from file to file at the others. With a single number each level takes one chunking, each
 * another, which keeps the time bearable under an emulator.
 *
 * A hash that changes is a change of the contract: the version in suan_session_profile changes with it. */
#include <stdio.h>

#include "../base/scratch.h"
#include "base/file.h"
#include "base/memory.h"
#include "fixture.h"
#include "forge_model.h"
#include "kernels/kernels.h"
#include "rows.h"
#include "suan/convert.h"

#define CONTRACT "suan-1"
#define MAX_LINES 2048
#define MAX_THREAD_COUNTS 8
#define N_SHORT 12 /* tokens: several chunks, but hundreds of combinations stay cheap */
#define N_SPARSE 140
#define N_LONG 300 /* two blocks of attention */

static const suan__dtype kernel_types[] = {
#define TYPE(name) SUAN__##name,
    SUAN__GGUF_WEIGHT_MAP(TYPE)
#undef TYPE
};
#define N_KERNEL_TYPES (sizeof kernel_types / sizeof *kernel_types)

/* ---- the table
 * --------------------------------------------------------------------------------------------------------------------------------- */

typedef struct line {
    char key[80]; /* "model type activations kv" */
    uint64_t hash;
    bool used;
} line;
static line lines[MAX_LINES];
static size_t n_lines;
static FILE *writing; /* NULL: checking */
static int thread_counts[MAX_THREAD_COUNTS];
static int n_thread_counts;

static void read_table(void) {
    char path[1024], text[160], model[32], type[16], activations[8], kv[8];
    unsigned long long hash;
    const char *data = getenv("SUAN_TEST_DATA");
    snprintf(path, sizeof path, "%s/bits.txt", data ? data : "tests/data");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(text, sizeof text, f)) {
        if (text[0] == '#') continue;
        assert_int_equal(sscanf(text, "%31s %15s %7s %7s %llx", model, type, activations, kv, &hash), 5);
        assert_true(n_lines < MAX_LINES);
        snprintf(lines[n_lines].key, sizeof lines->key, "%s %s %s %s", model, type, activations, kv);
        lines[n_lines++].hash = hash;
    }
    fclose(f);
}

static bool expected_hash(const char *key, uint64_t *hash) {
    for (size_t i = 0; i < n_lines; i++) {
        if (strcmp(lines[i].key, key) != 0) continue;
        lines[i].used = true;
        *hash = lines[i].hash;
        return true;
    }
    return false;
}

/* A line that nothing computes any more is a hole in the test, where it computes all. */
static void check_all_used(const char *model) {
    size_t n = strlen(model);
    for (size_t i = 0; i < n_lines && !writing && n_thread_counts > 1; i++)
        if (strncmp(lines[i].key, model, n) == 0 && lines[i].key[n] == ' ' && !lines[i].used)
            fail_msg("bits.txt: nothing computes \"%s\"", lines[i].key);
}

/* ---- runs
 * -------------------------------------------------------------------------------------------------------------------------------------- */

typedef struct profile {
    suan_activations activations;
    suan_kv_type kv;
} profile;
static const profile profiles[] = {
    {SUAN_ACTIVATIONS_Q8, SUAN_KV_F16},    {SUAN_ACTIVATIONS_EXACT, SUAN_KV_F32}, {SUAN_ACTIVATIONS_Q8, SUAN_KV_F32},
    {SUAN_ACTIVATIONS_EXACT, SUAN_KV_F16}, {SUAN_ACTIVATIONS_Q8, SUAN_KV_Q8_0}, /* for jobs that ask for it */
};
#define N_PROFILES (sizeof profiles / sizeof *profiles)
#define Q8_CACHE (N_PROFILES - 1)

static const char *activations_name(const profile *p) {
    return p->activations == SUAN_ACTIVATIONS_EXACT ? "exact" : "q8";
}
static const char *kv_name(const profile *p) {
    return p->kv == SUAN_KV_F32 ? "f32" : p->kv == SUAN_KV_F16 ? "f16" : "q8_0";
}

static void read_thread_counts(void) {
    const char *text = getenv("SUAN_TEST_THREADS");
#ifdef SANITIZED
    if (!text) text = "2";
#endif
    for (text = text ? text : "1,2,3"; *text && n_thread_counts < MAX_THREAD_COUNTS;) {
        char *end;
        long n = strtol(text, &end, 10);
        assert_true(end != text && n >= 1 && n <= 64);
        thread_counts[n_thread_counts++] = (int)n;
        text = *end == ',' ? end + 1 : end;
    }
    assert_true(n_thread_counts > 0);
}

/* The chunkings for one level and number of threads; 0 ends the list. Token by token is left to a single thread: with more threads than
 * processors its barriers take long. */
static const uint32_t *chunkings(size_t i_level, int i_threads, size_t n_ids) {
    static const uint32_t small[][4] = {{4096, 1, 5}, {3, 4096}, {5}}, small_single[][2] = {{4096}, {5}, {3}};
    static const uint32_t large[][3] = {{4096, 7}, {64}, {255}}, large_single[][2] = {{4096}, {64}, {255}};
    bool few = n_thread_counts == 1;
    size_t i = few ? i_level % 3 : (size_t)i_threads % 3;
    if (n_ids <= N_SHORT) return few ? small_single[i] : small[i];
    return few ? large_single[i] : large[i];
}

typedef struct job {
    const char *model, *type;
    const int32_t *ids;
    size_t n_ids, n_profiles; /* the first profiles, */
    bool q8_cache;            /* and Q8_CACHE */
    uint64_t hashes[N_PROFILES];
    bool rounded; /* the model has published round trips */
} job;

static bool takes_profile(const job *j, size_t i) {
    return i < j->n_profiles || (i == Q8_CACHE && j->q8_cache);
}

static uint64_t run(suan_model *model, const job *j, const profile *p, uint32_t chunk) {
    char text[64];
    suan_model_info info;
    assert_int_equal(suan_model_get_info(model, &info), SUAN_OK);
    rows r = rows_make((uint32_t)j->n_ids, info.n_vocab);
    suan_session *session = open_session(model, (uint32_t)j->n_ids, p->kv, p->activations, chunk);
    snprintf(text, sizeof text, CONTRACT " act=%s kv=%s round=%s", activations_name(p), kv_name(p), j->rounded ? "published" : "none");
    assert_string_equal(suan_session_profile(session), text);
    rows_feed(&r, session, j->ids, 0, j->n_ids);
    uint64_t hash = fnv1a(FNV1A_BASIS, r.data, j->n_ids * info.n_vocab);
    suan_session_close(&session);
    test_free(r.data);
    return hash;
}

static void make_key(char *key, size_t n, const job *j, const profile *p) {
    snprintf(key, n, "%s %s %s %s", j->model, j->type, activations_name(p), kv_name(p));
}

static void write_lines(suan_model *model, const job *j) {
    char key[80];
    for (size_t i = 0; i < N_PROFILES; i++) {
        if (!takes_profile(j, i)) continue;
        make_key(key, sizeof key, j, &profiles[i]);
        fprintf(writing, "%s %016llx\n", key, (unsigned long long)run(model, j, &profiles[i], 0));
    }
}

static void check_open_model(suan_model *model, const job *j, size_t i_level, int i_threads) {
    char key[80];
    suan_model_info info;
    suan_model_get_info(model, &info);
    for (size_t i = 0; i < N_PROFILES; i++) {
        if (!takes_profile(j, i)) continue;
        make_key(key, sizeof key, j, &profiles[i]);
        for (const uint32_t *chunk = chunkings(i_level, i_threads, j->n_ids); *chunk; chunk++) {
            uint64_t hash = run(model, j, &profiles[i], *chunk);
            if (hash != j->hashes[i])
                fail_msg("%s: %s, %d threads, chunks of %u give %016llx, expected %016llx", key, info.cpu, info.n_threads, *chunk,
                         (unsigned long long)hash, (unsigned long long)j->hashes[i]);
        }
    }
}

static void expect_hashes(job *j) {
    char key[80];
    for (size_t i = 0; i < N_PROFILES; i++) {
        if (!takes_profile(j, i)) continue;
        make_key(key, sizeof key, j, &profiles[i]);
        if (!expected_hash(key, &j->hashes[i])) fail_msg("bits.txt has no \"%s\"", key);
    }
}

static size_t n_files; /* checked so far */

/* The files of instruction sets are built without sanitizers: under those, the best level stands for all. Under an emulator (one number of threads) the files take turns with the
 * levels, which tests/kernels compares one by one. */
static bool is_tested(const char *const *levels, size_t l) {
#ifdef SANITIZED
    return l == 0;
#else
    size_t n = 0;
    while (levels[n]) n++;
    return n_thread_counts > 1 || l == n_files % n;
#endif
}

static void check_file(const char *path, job j) {
    if (writing) {
        suan_model *model = open_model(path, "c", 1);
        write_lines(model, &j);
        suan_model_close(&model);
        return;
    }
    expect_hashes(&j);
    n_files++;
    const char *const *levels = suan__kernels_levels();
    for (size_t l = 0; levels[l]; l++) {
        for (int t = 0; t < n_thread_counts && is_tested(levels, l); t++) {
            if (l > 0 && (size_t)t != (l + n_files) % (size_t)n_thread_counts)
                continue; /* the best level takes all, the others take turns */
            suan_model *model = open_model(path, levels[l], thread_counts[t]);
            check_open_model(model, &j, l, t);
            suan_model_close(&model);
        }
    }
}

/* ---- models
 * ------------------------------------------------------------------------------------------------------------------------------------ */

/* The hash of the file itself tells a quantiser that writes other blocks (no change of the contract: write the table anew) from
 * arithmetic that gives other logits. */
static void check_bytes(const char *path, const job *j) {
    char key[80], *data;
    size_t n;
    suan_error err;
    uint64_t hash = FNV1A_BASIS, expected;
    if (suan__file_slurp(path, 1 << 28, &data, &n, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)data[i]) * FNV1A_PRIME;
    suan__free(data);
    snprintf(key, sizeof key, "%s %s file -", j->model, j->type);
    if (writing)
        fprintf(writing, "%s %016llx\n", key, (unsigned long long)hash);
    else if (!expected_hash(key, &expected))
        fail_msg("bits.txt has no \"%s\"", key);
    else if (hash != expected)
        fail_msg("%s: the model made for the test has other bytes than the table's: its quantiser or its writer changed", key);
}

/* The model packed: the same hashes at every level, and the plain file's bytes again when it is converted back. */
static void check_packed(scratch *s, const char *path, const job *expected) {
    char packed[PATH_MAX], plain[PATH_MAX];
    suan_error err;
    job j = *expected;
    suan_convert_options o = {.packed = true, .n_threads = test_threads()}, back = {.n_threads = test_threads()};
    if (writing) return;
    snprintf(packed, sizeof packed, "%s/packed.gguf", s->dir);
    snprintf(plain, sizeof plain, "%s/plain.gguf", s->dir);
    if (suan_convert(path, packed, &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (suan_convert(packed, plain, &back, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    check_bytes(plain, &j);
    expect_hashes(&j);
    const char *const *levels = suan__kernels_levels();
    for (size_t l = 0; levels[l]; l++) {
        if (!is_tested(levels, l)) continue;
        int t = (int)(l % (size_t)n_thread_counts);
        suan_model *model = open_model(packed, levels[l], thread_counts[t]);
        check_open_model(model, &j, l, t);
        suan_model_close(&model);
    }
}

/* A directory as published, as a plain file, as a packed one, and that as a plain one again: nothing of the weights is lost on any way. */
static void check_converted(scratch *s, const char *path, const job *expected) {
    static const struct {
        const char *from, *to;
        bool packed;
    } ways[] = {{NULL, "plain.gguf", false}, {NULL, "packed.gguf", true}, {"packed.gguf", "unpacked.gguf", false}};
    char files[4][PATH_MAX];
    suan_error err;
    job j = *expected;
    if (writing) return;
    expect_hashes(&j);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        suan_convert_options o = {.packed = ways[w].packed, .n_threads = test_threads()};
        snprintf(files[w], sizeof files[w], "%s/%s", s->dir, ways[w].to);
        if (suan_convert(ways[w].from ? files[1] : path, files[w], &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
        suan_model *model = open_model(files[w], NULL, thread_counts[0]);
        check_open_model(model, &j, 0, 0);
        suan_model_close(&model);
    }
}

/* The model in `path` again in a type (blocks of 256: random ones); n_profiles 4 is every combination of the first two caches, 2 two that differ in both. */
static void check_type(scratch *s, const char *path, suan__dtype type, job j) {
    static size_t n_asked;
    if (n_thread_counts == 1 && n_asked++ % 3 != 0) return; /* an emulator or a sanitizer takes a third of the files */
    j.type = suan__dtype_get(type)->name;
    const char *file = scratch_path(s, "typed.gguf");
    bool random = suan__dtype_get(type)->block == 256;
    assert_int_equal(random ? forge_randomize(path, file, type) : forge_requantize(path, file, type), 0);
    check_bytes(file, &j);
    check_file(file, j);
    check_packed(s, file, &j);
}

/* One type of each sort, where a model takes long. */
static bool is_one_of_few(suan__dtype type) {
    return type == SUAN__BF16 || type == SUAN__F16 || type == SUAN__Q8_0 || type == SUAN__MXFP4;
}

static void test_oracle(void **state) {
    fixture f;
    scratch s;
    if (!fixture_open(&f, *state)) {
        if (writing) fail_msg("%s: no such fixture: the table would lose its lines", (const char *)*state);
        print_message("%s: no such fixture, skipped\n", (const char *)*state);
        skip();
    }
    scratch_make(&s);
    bool is_long = f.prompts[1].n >= N_LONG;
    job j = {.model = f.name, .type = "BF16", .ids = f.prompts[1].ids, .n_ids = is_long ? N_LONG : N_SHORT, .n_profiles = 2};
    assert_true(j.n_ids <= f.prompts[1].n);
    j.rounded = f.prompts[2].rounded || strstr(f.name, "_v4"); /* of one of those the oracle has no rounded logits */
    bool is_sparse = j.rounded || strncmp(f.name, "glm_moe_dsa", 11) == 0 || strcmp(f.name, "gpt_oss") == 0;
    if (is_sparse) { /* beyond windows, runs that are compressed and what is selected */
        j.ids = f.prompts[2].ids;
        j.n_ids = f.prompts[2].n < N_SPARSE ? f.prompts[2].n : N_SPARSE;
    }
    bool is_native = strstr(f.name, "-fp8") || strstr(f.name, "-int4");
    if (is_native) j.type = "native";
    if (!f.gguf[0] || is_native) {
        j.q8_cache = true;
        check_file(f.dir, j);
    } else {
        for (size_t i = 0; i < N_KERNEL_TYPES; i++) {
            j.q8_cache = kernel_types[i] == SUAN__F16;
            if (is_sparse && !is_one_of_few(kernel_types[i])) continue;
            if (forge_divides(f.gguf, kernel_types[i])) check_type(&s, f.gguf, kernel_types[i], j);
        }
    }
    if (is_native) check_converted(&s, f.dir, &j);
    check_all_used(f.name);
    scratch_remove(&s);
    fixture_close(&f);
}

static void make_ids(int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)((i * i * 7 + i * 13 + 5) % FORGE_N_VOCAB);
}

typedef struct generated {
    const char *name, *long_name;
    forge_kind kind;
} generated;
static const generated generated_models[] = {
    {"generated-llama", "generated-llama-300", FORGE_LLAMA},
    {"generated-deepseek", "generated-deepseek-300", FORGE_DEEPSEEK},
    {"generated-split", NULL, FORGE_DEEPSEEK_SPLIT},
};

static void test_generated(void **state) {
    const generated *g = *state;
    char path[PATH_MAX];
    int32_t ids[N_LONG];
    scratch s;
    scratch_make(&s);
    snprintf(path, sizeof path, "%s/base.gguf", s.dir);
    forge_generate(g->kind, path);
    make_ids(ids, N_LONG);
    job j = {.model = g->name, .ids = ids, .n_ids = N_SHORT, .n_profiles = Q8_CACHE};
    if (g->kind == FORGE_DEEPSEEK_SPLIT) { /* only the dialect is new: one type of each sort */
        check_type(&s, path, SUAN__F16, j);
        check_type(&s, path, SUAN__Q8_0, j);
        check_type(&s, path, SUAN__Q4_K, j);
    } else {
        for (size_t i = 0; i < N_KERNEL_TYPES; i++) check_type(&s, path, kernel_types[i], j);
        j.n_profiles = 1;
        check_type(&s, path, SUAN__IQ2_XXS, j);
        check_type(&s, path, SUAN__TQ2_0, j);
        j.model = g->long_name;
        j.n_ids = N_LONG;
        j.q8_cache = true;
        check_type(&s, path, SUAN__Q8_0, j);
        check_all_used(g->long_name);
    }
    check_all_used(g->name);
    scratch_remove(&s);
}

#define N_GENERATED (sizeof generated_models / sizeof *generated_models)

int main(int argc, char **argv) {
    struct CMUnitTest tests[FIXTURE_CASES + N_GENERATED];
    size_t n = 0;
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "--write") == 0 && argc > 2) {
        writing = fopen(argv[2], "w");
        if (!writing) return 1;
        if (argc > 3) cmocka_set_test_filter(argv[3]);
        fputs("# The numeric contract " CONTRACT ": FNV-1a (64 bits) over the f32 logits of all positions, little-endian.\n"
              "# Written by tests/oracle/test_bits --write; model, weight type, activations, cache, hash;\n"
              "# lines with \"file -\" are hashes of the model file itself.\n",
              writing);
    } else {
        if (argc > 2) cmocka_set_test_filter(argv[2]); /* a pattern for the names of the models */
        read_table();
        read_thread_counts();
    }
    for (size_t i = 0; i < FIXTURE_CASES && strcmp(what, "generated") != 0; i++)
        tests[n++] = (struct CMUnitTest){.name = fixture_cases[i], .test_func = test_oracle, .initial_state = (void *)fixture_cases[i]};
    for (size_t i = 0; i < N_GENERATED && strcmp(what, "oracle") != 0; i++)
        tests[n++] = (struct CMUnitTest){
            .name = generated_models[i].name, .test_func = test_generated, .initial_state = (void *)&generated_models[i]};
    int failed = _cmocka_run_group_tests("bits", tests, n, NULL, NULL);
    if (writing && fclose(writing) != 0) failed = 1;
    return failed;
}
