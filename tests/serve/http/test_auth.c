/* Keys: their file and the check; H-08, A3: the check takes as many instructions whatever it finds. */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

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

static uint64_t instructions(int counter, suan__auth *auth, const char *key) {
    char name[SUAN__KEY_NAME_BYTES];
    uint64_t n = 0, least = UINT64_MAX;
    for (int i = 0; i < 50; i++) { /* the least of many: an interrupt may count too */
        ioctl(counter, PERF_EVENT_IOC_RESET, 0);
        ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
        suan__auth_check(auth, key, strlen(key), name);
        ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
        assert_int_equal(read(counter, &n, sizeof n), sizeof n);
        if (n < least) least = n;
    }
    return least;
}

static void the_check_takes_as_long_whatever_it_finds(void **state) {
    struct perf_event_attr what = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof what,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .disabled = 1,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    char keys[3][SUAN__KEY_BYTES], key[SUAN__KEY_BYTES];
    suan_error err = {0};
    suan__auth *auth = NULL;
    int counter = (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
    if (counter < 0) {
        print_message("[  note  ] instructions cannot be counted here\n");
        skip();
    }
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) assert_int_equal(suan__key_add(path, names[i], keys[i], &err), SUAN_OK);
    assert_int_equal(suan__auth_open(&auth, path, NULL, &err), SUAN_OK);
    uint64_t right = instructions(counter, auth, keys[1]);
    for (size_t n_right = 0; n_right < strlen(keys[1]); n_right++) { /* so many characters are right */
        snprintf(key, sizeof key, "%s", keys[1]);
        for (size_t i = n_right; key[i]; i++) key[i] = '!';
        assert_int_equal(instructions(counter, auth, key), right);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(instructions(counter, auth, keys[i]), right);
    suan__auth_close(&auth);
    close(counter);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(keys_are_made_and_removed, setup, teardown),
                                       cmocka_unit_test_setup_teardown(the_check_takes_as_long_whatever_it_finds, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
