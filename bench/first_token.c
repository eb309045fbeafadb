/* first_token.c: how long it takes from exec to the first byte of an answer.
 *
 *     first_token [-n RUNS] PROGRAM ARGUMENT...
 *     first_token build/suan run -m MODEL -p "Once upon a time" -n 8 --temp 0
 *
 * Starts the program again and again, waits for the first byte on its standard output, and prints the least, the median and the greatest
 * time in milliseconds. The clock starts before fork, so loading the program and its libraries, the model, tokenizer, template and prompt
 * are all in it. What the program says on standard error is dropped. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_RUNS 1000

static double milliseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void run_child(char **argv, int out) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0) _exit(126);
    execvp(argv[0], argv);
    _exit(127);
}

/* Negative when the program wrote nothing or failed. */
static double time_once(char **argv) {
    int fds[2], status;
    char bytes[4096];
    if (pipe2(fds, O_CLOEXEC) != 0) return -1;
    double begin = milliseconds(), first = -1;
    pid_t child = fork();
    if (child == 0) run_child(argv, fds[1]);
    close(fds[1]);
    for (;;) {
        ssize_t n = read(fds[0], bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        if (first < 0) first = milliseconds() - begin;
    }
    close(fds[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return -1;
    return first;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static double times[MAX_RUNS];
    int n_runs = 21, i = 1;
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        n_runs = (int)strtol(argv[2], NULL, 10);
        i = 3;
    }
    if (i >= argc || n_runs < 1 || n_runs > MAX_RUNS) {
        fprintf(stderr, "usage: first_token [-n RUNS] PROGRAM ARGUMENT...\n");
        return 2;
    }
    for (int r = 0; r < n_runs; r++) {
        times[r] = time_once(argv + i);
        if (times[r] < 0) {
            fprintf(stderr, "first_token: %s failed or wrote nothing\n", argv[i]);
            return 1;
        }
    }
    qsort(times, (size_t)n_runs, sizeof *times, compare);
    printf("first byte after %.1f ms (least), %.1f ms (median), %.1f ms (greatest) of %d runs\n", times[0], times[n_runs / 2],
           times[n_runs - 1], n_runs);
    return 0;
}
