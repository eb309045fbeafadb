/* replay.c: runs a fuzz target on files and on all files of directories, in the order given; a finding ends the program as a crash.
 * Exit status: 0, or 1 when a file cannot be read or nothing was run. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

/* The bytes lie in a block of exactly their size, so that the address sanitizer guards their end. */
static int run_file(const char *path) {
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        if (f) fclose(f);
        return 1;
    }
    size_t n = (size_t)st.st_size;
    uint8_t *data = malloc(n ? n : 1);
    int failed = !data || fread(data, 1, n, f) != n;
    fclose(f);
    if (failed)
        fprintf(stderr, "%s: cannot be read\n", path);
    else
        LLVMFuzzerTestOneInput(data, n);
    free(data);
    return failed;
}

static int run_directory(const char *path, unsigned *n_run) {
    struct dirent **entries;
    int failed = 0, n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        fprintf(stderr, "%s: cannot be listed\n", path);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        char full[4096];
        int length = snprintf(full, sizeof full, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            failed |= length >= (int)sizeof full || run_file(full);
            ++*n_run;
        }
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv) {
    int failed = 0;
    unsigned n_run = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            failed |= run_directory(argv[i], &n_run);
        } else {
            failed |= run_file(argv[i]);
            n_run++;
        }
    }
    printf("%u inputs\n", n_run);
    return failed || n_run == 0;
}
