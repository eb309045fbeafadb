/* test_memory.c: what a model takes: one that does not fit is refused before anything is packed, the peak stays near weights and cache, and
 * nothing is allocated once the first token is out.
 *
 * The program starts itself again (test_memory --peak MODEL N_CTX, --cgroup MODEL) where a fresh process is needed. The allocator is counted
 * by functions of this file that stand before the C library's; under a sanitizer, which wants to do that itself, the library's own counter
 * is read instead, and peaks are not compared. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/scratch.h"
#include "base/memory.h"
#include "fixture.h"
#include "forge_model.h"
#include "greedy.h"

#define MIB (UINT64_C(1) << 20)
#define ALLOWANCE (48 * MIB) /* above weights and cache: code, tokenizer, buffers of a step */

/* ---- counting ---- */

#ifndef SANITIZED
__attribute__((unused)) static atomic_ulong n_calls; /* of anything that takes memory, from any thread */

/* glibc exports its own functions under these names too. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

void *malloc(size_t n) {
    atomic_fetch_add(&n_calls, 1);
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
    atomic_fetch_add(&n_calls, 1);
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
    atomic_fetch_add(&n_calls, 1);
    return __libc_realloc(p, n);
}
void *aligned_alloc(size_t alignment, size_t n) {
    atomic_fetch_add(&n_calls, 1);
    return __libc_memalign(alignment, n);
}
void *memalign(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n) {
    return aligned_alloc(alignment, n);
}
int posix_memalign(void **p, size_t alignment, size_t n) {
    *p = aligned_alloc(alignment, n);
    return *p ? 0 : ENOMEM;
}
void *mmap(void *address, size_t n, int protection, int flags, int fd, off_t offset) {
    atomic_fetch_add(&n_calls, 1);
    return (void *)syscall(SYS_mmap, address, n, protection, flags, fd, offset);
}
static unsigned long calls(void) {
    return atomic_load(&n_calls);
}
#else
static unsigned long calls(void) {
    return suan__alloc_count();
}
#endif

typedef struct watch {
    unsigned long at_first, extra;
    size_t n_pieces;
} watch;

static int on_piece(void *ctx, const suan_piece *piece) {
    watch *w = ctx;
    (void)piece;
    if (w->n_pieces++ == 0)
        w->at_first = calls();
    else
        w->extra = calls() - w->at_first;
    return 0;
}

static void check_quiet(const char *path, float temperature, suan_activations activations) {
    static const char *const stop[] = {"a text that does not come", "\n\n\n\n\n\n\n\n"};
    suan_model *model = open_model(path, NULL, test_threads());
    suan_session *session = open_session(model, 512, SUAN_KV_F16, activations, 0);
    suan_generate_params params;
    suan_result result;
    suan_error err;
    watch w = {0};
    int32_t prompt[] = {1, 300, 301};
    suan_generate_params_init(&params);
    params.sampling.temperature = temperature;
    params.sampling.top_k = 40;
    params.sampling.top_p = 0.95f;
    params.sampling.min_p = 0.01f;
    params.sampling.repetition_penalty = 1.1f;
    params.ignore_eos = true;
    params.max_tokens = 300; /* into the second block of attention */
    params.want_logprobs = true;
    params.n_logprobs = 5;
    params.stop = stop;
    params.n_stop = suan_model_tokenizer(model) ? 2 : 0;
    params.on_piece = on_piece;
    params.ctx = &w;
    if (suan_generate(session, prompt, 3, &params, &result, &err) != SUAN_OK) fail_msg("%s: %s", path, err.message);
    if (w.extra) fail_msg("%s: %lu allocations after the first of %zu pieces", path, w.extra, w.n_pieces);
    assert_true(w.n_pieces >= 300);
    suan_result_fini(&result);
    suan_session_close(&session);
    suan_model_close(&model);
}

static void test_nothing_allocated_after_first_token(void **state) {
    static const char *const models[] = {"oracle/llama3-tied", "oracle/deepseek_v3/model.gguf", "weights/stories260k/stories260k-q8_0.gguf",
                                         "weights/stories260k/hf"};
    char path[1024];
    unsigned long before = calls();
    free(malloc(1)); /* the counter counts */
    suan__free(suan__malloc(1));
    assert_true(calls() > before);
    int n = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (!fixture_find(path, sizeof path, models[i])) continue;
        n++;
        check_quiet(path, 0.8f, SUAN_ACTIVATIONS_Q8);
        check_quiet(path, 0, SUAN_ACTIVATIONS_EXACT);
    }
    print_message("%d of %zu models were here\n", n, sizeof models / sizeof *models);
    assert_true(n > 0);
}

/* ---- what does not fit ---- */

static void count_progress(void *ctx, uint64_t done, uint64_t total) {
    (void)done, (void)total;
    ++*(int *)ctx;
}

static suan_status try_open(const char *path, uint64_t memory_bytes, uint32_t n_ctx, int *n_progress, suan_error *err) {
    suan_model *model;
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    options.n_threads = 1;
    options.n_ctx = n_ctx;
    options.memory_bytes = memory_bytes;
    options.progress = count_progress;
    options.progress_ctx = n_progress;
    *n_progress = 0;
    suan_status status = suan_model_open(&model, path, &options, err);
    assert_true((model != NULL) == (status == SUAN_OK));
    suan_model_close(&model);
    return status;
}

static void check_refused(const char *path, uint64_t memory_bytes, uint32_t n_ctx, const char *words) {
    suan_error err;
    int n_progress;
    assert_int_equal(try_open(path, memory_bytes, n_ctx, &n_progress, &err), SUAN_ENOMEM);
    assert_int_equal(n_progress, 0);
    const char *needed[] = {path, "needs", "weights", "available", words};
    for (size_t i = 0; i < 5; i++)
        if (!strstr(err.message, needed[i])) fail_msg("\"%s\" does not speak of \"%s\"", err.message, needed[i]);
}

static void test_model_that_does_not_fit(void **state) {
    char path[PATH_MAX];
    suan_error err;
    int n_progress;
    scratch s;
    scratch_make(&s);
    snprintf(path, sizeof path, "%s/model.gguf", s.dir);
    forge_generate(FORGE_DEEPSEEK, path);
    suan_model *model = open_model(path, NULL, 1);
    suan_model_info info;
    suan_model_get_info(model, &info);
    suan_model_close(&model);
    /* The least that is enough, to a KiB. */
    uint64_t low = 0, high = 1024 * MIB;
    while (high - low > 1024) {
        uint64_t middle = (low + high) / 2;
        suan_status status = try_open(path, middle, 256, &n_progress, &err);
        assert_true(status == SUAN_OK || (status == SUAN_ENOMEM && n_progress == 0));
        if (status == SUAN_OK)
            high = middle;
        else
            low = middle;
    }
    uint64_t cache = 256 * info.kv_bytes_per_token_f16;
    assert_true(high >= info.weight_bytes + cache && high < info.weight_bytes + cache + ALLOWANCE);
    /* F32 weights: a quarter is about Q8_0, an eighth Q4, and with less than any type takes there is none to name. */
    check_refused(path, low, 256, "type Q8_0");
    check_refused(path, high - info.weight_bytes * 3 / 4 + 256 * 1024, 256, "type Q6_K");
    check_refused(path, high - info.weight_bytes * 86 / 100, 256, "type ");
    check_refused(path, 4096, 256, "no weight type");
    check_refused(path, high, 1 << 20, "cache of 1048576 positions");
    scratch_remove(&s);
}

/* ---- a fresh process ---- */

/* The number behind "VmHWM:" in /proc/self/status, in bytes. (ru_maxrss would count what the parent had before exec.) */
static uint64_t peak_bytes(void) {
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1) break;
    if (f) fclose(f);
    return kib * 1024;
}

/* Prints "peak expected" in bytes. */
static int peak_main(const char *path, uint32_t n_ctx) {
    suan_model *model;
    suan_session *session;
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    suan_session_options session_options = {.n_ctx = n_ctx};
    suan_model_info info;
    suan_generate_params params;
    suan_result result;
    suan_error err;
    int32_t ids[256];
    options.n_threads = test_threads();
    suan_generate_params_init(&params);
    params.sampling.temperature = 0;
    params.ignore_eos = true;
    params.max_tokens = 20;
    if (suan_model_open(&model, path, &options, &err) != SUAN_OK || suan_model_get_info(model, &info) != SUAN_OK ||
        suan_session_create(&session, model, &session_options, &err) != SUAN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    size_t n = n_ctx - 20 < 256 ? n_ctx - 20 : 256;
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(i % info.n_vocab);
    if (suan_generate(session, ids, n, &params, &result, &err) != SUAN_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    uint64_t cache = (uint64_t)(n_ctx + 255) / 256 * 256 * info.kv_bytes_per_token_f16;
    printf("%llu %llu\n", (unsigned long long)peak_bytes(), (unsigned long long)(info.weight_bytes + cache));
    suan_result_fini(&result);
    suan_session_close(&session);
    suan_model_close(&model);
    return 0;
}

/* Runs this program again and returns its exit status; the first line of what it prints goes to text. */
static int run_self(char *const *argv, char *text, size_t capacity) {
    int fds[2], status = -1;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    text[0] = 0;
    if (!fgets(text, (int)capacity, f)) text[0] = 0;
    fclose(f);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

__attribute__((unused)) static void check_peak(const char *path, const char *n_ctx, double *most) {
    char text[128], *argv[] = {(char *)"test_memory", (char *)"--peak", (char *)path, (char *)n_ctx, NULL};
    unsigned long long peak = 0, expected = 0;
    if (run_self(argv, text, sizeof text) != 0) fail_msg("%s: the run failed", path);
    assert_int_equal(sscanf(text, "%llu %llu", &peak, &expected), 2);
    double above = ((double)peak - (double)expected) / (double)MIB;
    print_message("%s: peak %.1f MiB, weights and cache %.1f MiB\n", path, (double)peak / (double)MIB, (double)expected / (double)MIB);
    if (peak > expected + ALLOWANCE) fail_msg("%s: %.1f MiB above weights and cache", path, above);
    if (above > *most) *most = above;
}

static void test_peak(void **state) {
    static const char *const files[] = {"hf", "stories260k-f32.gguf", "stories260k-f16.gguf", "stories260k-q8_0.gguf"};
    char path[1100];
    double most = 0;
    int n = 0;
#ifdef SANITIZED
    print_message("the sanitizer's own memory hides the peak, skipped\n");
    skip();
#endif
    for (size_t i = 0; i < FIXTURE_CASES; i++) {
        snprintf(path, sizeof path, "oracle/%s", fixture_cases[i]);
        char dir[1024];
        if (!fixture_find(dir, sizeof dir, path)) continue;
        check_peak(dir, "256", &most);
        n++;
    }
    for (size_t i = 0; i < 4; i++) {
        char dir[1024];
        snprintf(path, sizeof path, "weights/stories260k/%s", files[i]);
        if (!fixture_find(dir, sizeof dir, path)) continue;
        check_peak(dir, "512", &most);
        n++;
    }
    const char *data = getenv("SUAN_TEST_DATA");
    snprintf(path, sizeof path, "%s/../../models/seed", data ? data : "tests/data");
    check_peak(path, "512", &most);
    print_message("%d models, at most %.1f MiB above weights and cache\n", n + 1, most);
}

/* ---- a cgroup ---- */

static bool write_text(const char *dir, const char *name, const char *text) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return ok;
}

/* A group of its own with a limit, version 1 or 2; false where we may not make one. */
static bool make_group(char *dir, size_t capacity, const char *limit) {
    static const struct {
        const char *root, *file;
    } kinds[] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}};
    for (size_t i = 0; i < 2; i++) {
        snprintf(dir, capacity, "%s/suan-test-%d", kinds[i].root, (int)getpid());
        if (mkdir(dir, 0777) != 0) continue;
        if (write_text(dir, kinds[i].file, limit)) return true;
        rmdir(dir);
    }
    return false;
}

/* In a process that is in the group: "refused" or what happened instead. */
static int cgroup_main(const char *path) {
    suan_model *model;
    suan_model_options options = SUAN_MODEL_OPTIONS_INIT;
    suan_error err = {0};
    options.n_threads = 1;
    options.n_ctx = 512;
    suan_status status = suan_model_open(&model, path, &options, &err);
    printf("%s %s\n", status == SUAN_OK ? "opened" : status == SUAN_ENOMEM ? "refused" : "failed", err.message);
    suan_model_close(&model);
    return 0;
}

/* Removes the group. */
static void check_in_group(const char *dir, const char *path, const char *expected) {
    char text[1200];
    char script[PATH_MAX * 2];
    snprintf(script, sizeof script, "%s/cgroup.procs", dir);
    char *argv[] = {(char *)"test_memory", (char *)"--cgroup", (char *)path, script, NULL};
    int status = run_self(argv, text, sizeof text);
    rmdir(dir);
    if (status != 0 || strncmp(text, expected, strlen(expected)) != 0) fail_msg("status %d, \"%s\", expected %s", status, text, expected);
}

static void test_model_that_does_not_fit_into_a_cgroup(void **state) {
    char dir[PATH_MAX], path[1100];
    const char *data = getenv("SUAN_TEST_DATA");
    if (!make_group(dir, sizeof dir, "12582912")) { /* 12 MiB: the weights alone take more */
        print_message("no control group can be made here, skipped\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/../../models/seed", data ? data : "tests/data");
    check_in_group(dir, path, "refused");
    assert_true(make_group(dir, sizeof dir, "536870912"));
    check_in_group(dir, path, "opened");
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "--peak") == 0) return peak_main(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "--cgroup") == 0) {
        FILE *f = fopen(argv[3], "w");
        bool joined = f && fprintf(f, "%d\n", (int)getpid()) > 0;
        if (f && fclose(f) != 0) joined = false;
        return joined ? cgroup_main(argv[2]) : 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_allocated_after_first_token),
        cmocka_unit_test(test_model_that_does_not_fit),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_model_that_does_not_fit_into_a_cgroup),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
