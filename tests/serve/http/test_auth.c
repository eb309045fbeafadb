/* Keys: their file and the check; H-08, A3: the check takes as many instructions whatever it finds. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../base/sanitized.h"
#include "serve/auth.h"

static char path[256];

static int setup(void **state) {
    char directory[] = "/tmp/suan-auth-XXXXXX";
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/keys", directory);
    return 0;
}

static int teardown(void **state) {
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
    return 0;
}

/* Eight at once, four keys each, and half of them taken away again: all that was made and stayed is there. */
static void changes_at_once_lose_nothing(void **state) {
    enum { N = 8, EACH = 4 };
    char key[SUAN__KEY_BYTES], name[SUAN__KEY_NAME_BYTES], keys[N][EACH][SUAN__KEY_BYTES];
    suan__auth *auth = NULL;
    suan_error err = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < N; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child > 0) continue;
        int failed = 0;
        for (int k = 0; k < EACH; k++) {
            char line[2 + SUAN__KEY_BYTES] = {(char)i, (char)k};
            snprintf(name, sizeof name, "at-once-%d-%d", i, k);
            failed |= suan__key_add(path, name, key, NULL) != SUAN_OK;
            memcpy(line + 2, key, SUAN__KEY_BYTES);
            failed |= write(ends[1], line, sizeof line) != sizeof line;
            if (k % 2) failed |= suan__key_remove(path, name, NULL) != SUAN_OK;
        }
        _exit(failed);
    }
    for (int i = 0, status; i < N; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    close(ends[1]);
    for (char line[2 + SUAN__KEY_BYTES]; read(ends[0], line, sizeof line) == sizeof line;)
        memcpy(keys[(int)line[0]][(int)line[1]], line + 2, SUAN__KEY_BYTES);
    close(ends[0]);
    if (suan__auth_open(&auth, path, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < EACH; k++) assert_int_equal(suan__auth_check(auth, keys[i][k], strlen(keys[i][k]), name), k % 2 == 0);
    suan__auth_close(&auth);
}

static void count_names(void *ctx, const char *name) {
    ++*(int *)ctx;
}

static void keys_are_made_and_removed(void **state) {
    char first[SUAN__KEY_BYTES], second[SUAN__KEY_BYTES], name[SUAN__KEY_NAME_BYTES];
    suan_error err = {0};
    suan__auth *auth = NULL;
    struct stat st;
    int n = 0;
    assert_int_equal(suan__auth_open(&auth, path, NULL, &err), SUAN_ENOTFOUND);
    assert_int_equal(suan__key_add(path, "first", first, &err), SUAN_OK);
    assert_int_equal(suan__key_add(path, "second", second, &err), SUAN_OK);
    assert_int_equal(suan__key_add(path, "second", second, &err), SUAN_EINVAL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(suan__auth_open(&auth, path, "an-environment-key", &err), SUAN_OK);
    assert_true(suan__auth_is_needed(auth));
    assert_true(suan__auth_check(auth, first, strlen(first), name));
    assert_string_equal(name, "first");
    assert_true(suan__auth_check(auth, "an-environment-key", 18, name));
    assert_string_equal(name, "env");
    assert_false(suan__auth_check(auth, first, strlen(first) - 1, name));
    assert_string_equal(name, "");
    assert_false(suan__auth_check(auth, "", 0, name));
    assert_int_equal(suan__key_remove(path, "first", &err), SUAN_OK);
    assert_int_equal(suan__key_remove(path, "first", &err), SUAN_ENOTFOUND);
    assert_int_equal(suan__auth_reload(auth, &err), SUAN_OK);
    assert_false(suan__auth_check(auth, first, strlen(first), name));
    assert_int_equal(suan__key_list(path, count_names, &n, &err), SUAN_OK);
    assert_int_equal(n, 1);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(suan__auth_reload(auth, &err), SUAN_EINVAL);
    suan__auth_close(&auth);
    assert_int_equal(suan__auth_owner("a"), suan__auth_owner("a"));
    assert_int_not_equal(suan__auth_owner("a"), suan__auth_owner("b"));
}

/* ---- as many instructions ---- */

/* In a child that is traced: the check between two stops, when everything that it needs has been used once. */
static void check_between_stops(suan__auth *auth, const char *key) {
    char name[SUAN__KEY_NAME_BYTES], copy[SUAN__KEY_BYTES]; /* where a key lies counts too: always here */
    size_t n = strlen(key);
    memcpy(copy, key, n);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(2);
    suan__auth_check(auth, copy, n, name);
    raise(SIGUSR1);
    suan__auth_check(auth, copy, n, name);
    raise(SIGUSR1);
    _exit(0);
}

/* Instructions of the check, counted one by one; 0: this system does not let a process be traced. */
static uint64_t instructions(suan__auth *auth, const char *key) {
    uint64_t n = 0;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) check_between_stops(auth, key);
    bool is_there = waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1;
    while (is_there && ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0) {
        is_there = waitpid(child, &status, 0) == child && WIFSTOPPED(status);
        if (!is_there || WSTOPSIG(status) != SIGTRAP) break;
        n++;
    }
    bool is_whole = is_there && WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return is_whole ? n : 0;
}

static void the_check_takes_as_long_whatever_it_finds(void **state) {
    static const char *const names[] = {"a", "b", "c"};
    char keys[3][SUAN__KEY_BYTES], key[SUAN__KEY_BYTES];
    suan_error err = {0};
    suan__auth *auth = NULL;
#ifdef SANITIZED /* whose own steps are counted too, and are not always as many */
    skip();
#endif
    for (int i = 0; i < 3; i++) assert_int_equal(suan__key_add(path, names[i], keys[i], &err), SUAN_OK);
    assert_int_equal(suan__auth_open(&auth, path, NULL, &err), SUAN_OK);
    uint64_t right = instructions(auth, keys[1]);
    if (right == 0) {
        print_message("[  note  ] instructions cannot be counted here\n");
        suan__auth_close(&auth);
        skip();
    }
    assert_true(right > 100);
    for (size_t n_right = 0; n_right < strlen(keys[1]); n_right++) { /* so many characters are right */
        snprintf(key, sizeof key, "%s", keys[1]);
        for (size_t i = n_right; key[i]; i++) key[i] = '!';
        assert_int_equal(instructions(auth, key), right);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(instructions(auth, keys[i]), right);
    suan__auth_close(&auth);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(keys_are_made_and_removed, setup, teardown),
                                       cmocka_unit_test_setup_teardown(changes_at_once_lose_nothing, setup, teardown),
                                       cmocka_unit_test_setup_teardown(the_check_takes_as_long_whatever_it_finds, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
