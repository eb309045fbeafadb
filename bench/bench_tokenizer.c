/* bench_tokenizer.c: how fast a vocabulary loads, and encodes and decodes a text.
 *
 *     bench_tokenizer VOCABULARY TEXT [RUNS]
 *
 * Prints the median of RUNS (7) for each, on one thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "suan/tokenizer.h"

enum { MAX_RUNS = 101 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

int main(int argc, char **argv) {
    suan_error err = {0};
    suan_tokenizer *t = NULL;
    char *text, *back;
    size_t n, n_ids = 0, n_back = 0;
    double load[MAX_RUNS], encode[MAX_RUNS], decode[MAX_RUNS];
    int runs = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 7;
    if (argc < 3 || runs < 1 || runs > MAX_RUNS) {
        fprintf(stderr, "usage: bench_tokenizer VOCABULARY TEXT [RUNS]\n");
        return 2;
    }
    if (suan__file_slurp(argv[2], 1u << 30, &text, &n, &err) != SUAN_OK) goto fail;
    int32_t *ids = suan__malloc((n + 16) * 4 * sizeof *ids);
    back = suan__malloc(8 * n + 64);
    if (!ids || !back) return 1;
    for (int i = 0; i < runs; i++) {
        suan_tokenizer_close(&t);
        double a = now();
        if (suan_tokenizer_open(&t, argv[1], &err) != SUAN_OK) goto fail;
        double b = now();
        if (suan_tokenizer_encode(t, text, n, 0, ids, 4 * (n + 16), &n_ids, &err) != SUAN_OK) goto fail;
        double c = now();
        if (suan_tokenizer_decode(t, ids, n_ids, false, back, 8 * n + 64, &n_back, &err) != SUAN_OK) goto fail;
        double d = now();
        load[i] = b - a;
        encode[i] = c - b;
        decode[i] = d - c;
    }
    bool same = n_back == n && memcmp(back, text, n) == 0;
    printf("%s: %u tokens, load %.2f ms; %s: %zu bytes, %zu ids, encode %.2f MB/s, decode %.0f MB/s, round trip %s\n", argv[1],
           suan_tokenizer_n_vocab(t), 1e3 * median(load, runs), argv[2], n, n_ids, 1e-6 * (double)n / median(encode, runs),
           1e-6 * (double)n / median(decode, runs), same ? "equal" : "differs");
    suan__free(ids);
    suan__free(back);
    suan__free(text);
    suan_tokenizer_close(&t);
    return 0;
fail:
    fprintf(stderr, "bench_tokenizer: %s\n", err.message);
    return 1;
}
