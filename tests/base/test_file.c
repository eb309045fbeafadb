/* Reading files, mapping them, writing them whole or not at all. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "scratch.h"

static int count_entries(const char *dir) {
    DIR *d = opendir(dir);
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void expect_text(const char *path, const char *text) {
    char *data;
    size_t n;
    assert_int_equal(suan__file_slurp(path, 1 << 20, &data, &n, NULL), SUAN_OK);
    assert_string_equal(data, text);
    assert_int_equal(n, strlen(text));
    suan__free(data);
}

static void test_open_takes_regular_files_only(void **state) {
    scratch s;
    scratch_make(&s);
    suan__file f;
    suan_error err;
    assert_int_equal(suan__file_open(&f, scratch_path(&s, "none"), &err), SUAN_ENOTFOUND);
    assert_non_null(strstr(err.message, "none"));
    assert_int_equal(f.fd, -1);
    suan__file_close(&f);
    assert_int_equal(suan__file_open(&f, s.dir, &err), SUAN_EINVAL);
    assert_int_equal(suan__file_open(&f, "/dev/null", &err), SUAN_EINVAL);
    assert_int_equal(mkfifo(scratch_path(&s, "fifo"), 0600), 0);
    assert_int_equal(suan__file_open(&f, s.path, &err), SUAN_EINVAL);
    suan__file zeroed = {0};
    suan__file_close(&zeroed); /* must not close descriptor 0 */
    assert_true(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
    scratch_remove(&s);
}

static void test_read_by_position(void **state) {
    scratch s;
    scratch_make(&s);
    suan__file f;
    suan_error err;
    char got[8] = {0};
    assert_int_equal(suan__file_open(&f, scratch_text(&s, "f", "0123456789"), &err), SUAN_OK);
    assert_int_equal(f.size, 10);
    assert_int_equal(suan__file_read(&f, 3, got, 4, &err), SUAN_OK);
    assert_string_equal(got, "3456");
    assert_int_equal(suan__file_read(&f, 10, got, 0, &err), SUAN_OK);
    assert_int_equal(suan__file_read(&f, 8, got, 4, &err), SUAN_EIO);
    assert_non_null(strstr(err.message, "shrank"));
    assert_non_null(strstr(err.message, s.path));
    assert_int_equal(suan__file_read(&f, UINT64_MAX - 1, got, 4, &err), SUAN_ERANGE);
    suan__file_close(&f);
    suan__file_close(&f);
    scratch_remove(&s);
}

static void test_slurp_up_to_its_limit(void **state) {
    scratch s;
    scratch_make(&s);
    char *data;
    size_t n;
    suan_error err;
    expect_text(scratch_text(&s, "empty", ""), "");
    scratch_text(&s, "f", "0123456789");
    assert_int_equal(suan__file_slurp(s.path, 10, &data, &n, &err), SUAN_OK);
    assert_memory_equal(data, "0123456789", 11);
    suan__free(data);
    assert_int_equal(suan__file_slurp(s.path, 9, &data, &n, &err), SUAN_ELIMIT);
    assert_null(data);
    for (uint64_t i = 1;; i++) {
        suan__alloc_fail_at(i);
        suan_status status = suan__file_slurp(s.path, 10, &data, &n, &err);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_null(data);
    }
    suan__alloc_fail_at(0);
    suan__free(data);
    scratch_remove(&s);
}

static void on_alarm(int signal_number) {
    (void)signal_number;
}

/* A pipe that gives bytes slowly, while a timer interrupts every read. */
static void test_slurp_a_slow_pipe(void **state) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (int i = 0; i < 10; i++) {
            if (write(ends[1], "abc", 3) != 3) _exit(1);
            usleep(5000);
        }
        _exit(0);
    }
    close(ends[1]);
    struct sigaction action = {.sa_handler = on_alarm}, before;
    sigaction(SIGALRM, &action, &before);
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    char *data;
    size_t n;
    suan_error err;
    suan_status status = suan__fd_slurp(ends[0], "pipe", 30, &data, &n, &err);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(status, SUAN_OK);
    assert_int_equal(n, 30);
    suan__free(data);
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "12345", 5), 5);
    assert_int_equal(suan__fd_slurp(ends[0], "pipe", 4, &data, &n, &err), SUAN_ELIMIT);
    assert_non_null(strstr(err.message, "pipe"));
    close(ends[0]);
    close(ends[1]);
}

static void test_join_takes_plain_names_only(void **state) {
    char *path;
    suan_error err;
    assert_int_equal(suan__path_join_name(&path, "/dir", "a..b.gguf", 9, &err), SUAN_OK);
    assert_string_equal(path, "/dir/a..b.gguf");
    suan__free(path);
    static const struct {
        const char *name;
        size_t n;
    } bad[] = {{"", 0}, {".", 1}, {"..", 2}, {"/a", 2}, {"a/b", 3}, {"../a", 4}, {"a\\b", 3}, {"a\0b", 3}, {"\0", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(suan__path_join_name(&path, "d", bad[i].name, bad[i].n, &err), SUAN_EFORMAT);
        assert_null(path);
    }
    char longest[300];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(suan__path_join_name(&path, "d", longest, 255, &err), SUAN_OK);
    suan__free(path);
    assert_int_equal(suan__path_join_name(&path, "d", longest, 256, &err), SUAN_EFORMAT);
}

static void test_exists_and_is_directory(void **state) {
    scratch s;
    scratch_make(&s);
    assert_true(suan__is_directory(s.dir));
    assert_true(suan__path_exists(s.dir));
    assert_false(suan__path_exists(scratch_path(&s, "f")));
    scratch_text(&s, "f", "x");
    assert_true(suan__path_exists(s.path));
    assert_false(suan__is_directory(s.path));
    scratch_remove(&s);
}

/* ---- maps ---- */

static void test_map_equals_the_file(void **state) {
    scratch s;
    scratch_make(&s);
    suan__file f;
    suan__map m;
    unsigned char bytes[10000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 31 >> 3);
    assert_int_equal(suan__file_open(&f, scratch_write(&s, "f", bytes, sizeof bytes), NULL), SUAN_OK);
    assert_int_equal(suan__map_open(&m, &f, NULL), SUAN_OK);
    suan__file_close(&f); /* the map does not need it */
    assert_int_equal(m.size, sizeof bytes);
    assert_memory_equal(m.data, bytes, sizeof bytes);
    assert_false(suan__map_failed(&m));
    suan__map_close(&m);
    suan__map_close(&m);
    assert_int_equal(suan__file_open(&f, scratch_text(&s, "empty", ""), NULL), SUAN_OK);
    assert_int_equal(suan__map_open(&m, &f, NULL), SUAN_OK);
    assert_int_equal(m.size, 0);
    assert_non_null(m.data);
    suan__map_close(&m);
    suan__file_close(&f);
    suan__map zeroed = {0};
    suan__map_close(&zeroed);
    scratch_remove(&s);
}

static void test_guard_turns_a_shrunk_file_into_zeros(void **state) {
    scratch s;
    scratch_make(&s);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 3 * page + 100;
    char *bytes = malloc(n);
    memset(bytes, 'x', n);
    scratch_write(&s, "f", bytes, n);
    assert_int_equal(suan__map_guard_install(NULL), SUAN_OK);
    assert_int_equal(suan__map_guard_install(NULL), SUAN_OK);
    for (int round = 0; round < 3; round++) { /* a slot that is used again starts unmarked */
        suan__file f;
        suan__map m, whole;
        scratch_write(&s, "f", bytes, n);
        assert_int_equal(suan__file_open(&f, s.path, NULL), SUAN_OK);
        assert_int_equal(suan__map_open(&m, &f, NULL), SUAN_OK);
        suan__file other;
        assert_int_equal(suan__file_open(&other, scratch_write(&s, "other", bytes, n), NULL), SUAN_OK);
        assert_int_equal(suan__map_open(&whole, &other, NULL), SUAN_OK);
        assert_int_equal(truncate(scratch_path(&s, "f"), (off_t)page + 5), 0);
        assert_int_equal(m.data[page], 'x');
        assert_false(suan__map_failed(&m));
        errno = 4711;
        assert_int_equal(*(const volatile unsigned char *)&m.data[2 * page], 0);
        assert_int_equal(errno, 4711);
        assert_true(suan__map_failed(&m));
        assert_int_equal(*(const volatile unsigned char *)&m.data[n - 1], 0);
        assert_int_equal(m.data[page - 1], 'x');
        assert_false(suan__map_failed(&whole));
        assert_int_equal(whole.data[n - 1], 'x');
        suan__map_close(&m);
        assert_false(suan__map_failed(&m));
        suan__map_close(&whole);
        suan__file_close(&f);
        suan__file_close(&other);
    }
    free(bytes);
    scratch_remove(&s);
}

/* A map that the guard does not know, of a file that has become empty. */
static const volatile unsigned char *foreign_fault(scratch *s) {
    char bytes[100] = {1};
    int fd = open(scratch_write(s, "foreign", bytes, sizeof bytes), O_RDWR);
    void *p = mmap(NULL, sizeof bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED || ftruncate(fd, 0) != 0) _exit(99);
    close(fd);
    return p;
}

static void on_foreign(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number, (void)context;
    _exit(info->si_addr ? 42 : 43);
}

/* Each kind in a child of its own, because it ends it: the default action for a fault and for a sent signal, and a handler that was there
 * before. Must run before the process itself installs the guard. */
static void test_guard_passes_on_other_faults(void **state) {
    scratch s;
    scratch_make(&s);
    for (int kind = 0; kind < 3; kind++) {
        pid_t child = fork();
        if (child == 0) {
            struct sigaction action = {.sa_flags = 0};
            action.sa_handler = SIG_DFL;
            if (kind == 2) {
                action.sa_flags = SA_SIGINFO;
                action.sa_sigaction = on_foreign;
            }
            sigaction(SIGBUS, &action, NULL);
            if (suan__map_guard_install(NULL) != SUAN_OK) _exit(98);
            if (kind == 1)
                raise(SIGBUS);
            else if (*foreign_fault(&s))
                _exit(97);
            _exit(0); /* the fault was swallowed */
        }
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        if (kind == 2)
            assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 42);
        else
            assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGBUS);
    }
    scratch_remove(&s);
}

static void test_map_table_can_be_full(void **state) {
    enum { N = 1024 };
    static suan__map maps[N + 1];
    scratch s;
    scratch_make(&s);
    suan__file f;
    suan_error err;
    assert_int_equal(suan__file_open(&f, scratch_text(&s, "f", "x"), NULL), SUAN_OK);
    for (int i = 0; i < N; i++) assert_int_equal(suan__map_open(&maps[i], &f, &err), SUAN_OK);
    assert_int_equal(suan__map_open(&maps[N], &f, &err), SUAN_ELIMIT);
    assert_int_equal(maps[N].size, 0);
    suan__map_close(&maps[17]);
    assert_int_equal(suan__map_open(&maps[N], &f, &err), SUAN_OK);
    for (int i = 0; i <= N; i++) suan__map_close(&maps[i]);
    suan__file_close(&f);
    scratch_remove(&s);
}

/* ---- output ---- */

static void test_out_appears_with_commit(void **state) {
    scratch s;
    scratch_make(&s);
    suan__out o;
    suan_error err;
    assert_int_equal(suan__out_open(&o, scratch_path(&s, "f"), &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "hello ", 6, &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "", 0, &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "world", 5, &err), SUAN_OK);
    assert_int_equal(o.offset, 11);
    assert_false(suan__path_exists(s.path));
    assert_int_equal(suan__out_commit(&o, &err), SUAN_OK);
    expect_text(s.path, "hello world");
    suan__out_abort(&o);
    expect_text(s.path, "hello world");
    assert_int_equal(suan__out_commit(&o, &err), SUAN_EINVAL);
    assert_int_equal(suan__out_write(&o, "x", 1, &err), SUAN_EINVAL);
    /* An old file keeps its permissions and, until commit, its bytes; abort leaves no trace. */
    assert_int_equal(chmod(s.path, 0640), 0);
    assert_int_equal(suan__out_open(&o, s.path, &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "new", 3, &err), SUAN_OK);
    suan__out_abort(&o);
    expect_text(s.path, "hello world");
    assert_int_equal(suan__out_open(&o, s.path, &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "new", 3, &err), SUAN_OK);
    expect_text(s.path, "hello world");
    assert_int_equal(suan__out_commit(&o, &err), SUAN_OK);
    expect_text(s.path, "new");
    struct stat st;
    assert_int_equal(stat(s.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(count_entries(s.dir), 1);
    suan__out zeroed = {0};
    suan__out_abort(&zeroed);
    scratch_remove(&s);
}

static void test_out_of_all_piece_sizes(void **state) {
    scratch s;
    scratch_make(&s);
    suan__out o;
    enum { TOTAL = 3 << 20 };
    unsigned char *bytes = malloc(TOTAL);
    for (size_t i = 0; i < TOTAL; i++) bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    assert_int_equal(suan__out_open(&o, scratch_path(&s, "f"), NULL), SUAN_OK);
    for (size_t done = 0, piece = 1; done < TOTAL; piece = piece * 3 % 700001) {
        size_t n = piece < TOTAL - done ? piece : TOTAL - done;
        assert_int_equal(suan__out_write(&o, bytes + done, n, NULL), SUAN_OK);
        done += n;
    }
    assert_int_equal(suan__out_commit(&o, NULL), SUAN_OK);
    char *data;
    size_t n;
    assert_int_equal(suan__file_slurp(s.path, TOTAL, &data, &n, NULL), SUAN_OK);
    assert_int_equal(n, TOTAL);
    assert_memory_equal(data, bytes, TOTAL);
    suan__free(data);
    free(bytes);
    scratch_remove(&s);
}

static void test_out_killed_leaves_the_old_file(void **state) {
    scratch s;
    scratch_make(&s);
    scratch_text(&s, "f", "old");
    pid_t child = fork();
    if (child == 0) {
        suan__out o;
        static const char big[4 << 20];
        if (suan__out_open(&o, s.path, NULL) == SUAN_OK && suan__out_write(&o, big, sizeof big, NULL) == SUAN_OK) raise(SIGKILL);
        _exit(1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    expect_text(s.path, "old");
    scratch_remove(&s);
}

static void test_out_full_disk_names_the_path(void **state) {
    suan__out o;
    suan_error err;
    assert_int_equal(suan__out_open(&o, "/dev/full", &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "x", 1, &err), SUAN_OK); /* still in the buffer */
    assert_int_equal(suan__out_commit(&o, &err), SUAN_EIO);
    assert_non_null(strstr(err.message, "/dev/full"));
    assert_non_null(strstr(err.message, strerror(ENOSPC)));
    static const char big[4 << 20];
    assert_int_equal(suan__out_open(&o, "/dev/full", &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, big, sizeof big, &err), SUAN_EIO);
    assert_int_equal(suan__out_write(&o, "x", 1, &err), SUAN_EIO);
    assert_int_equal(suan__out_commit(&o, &err), SUAN_EIO);
}

/* A file that may not grow: the write is short first, then fails. */
static void test_out_failed_write_cannot_be_committed(void **state) {
    scratch s;
    scratch_make(&s);
    scratch_text(&s, "f", "old");
    struct rlimit before, small = {.rlim_cur = 1000};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    suan__out o;
    suan_error err;
    static const char big[4 << 20];
    assert_int_equal(suan__out_open(&o, s.path, &err), SUAN_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    suan_status status = suan__out_write(&o, big, sizeof big, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, SUAN_EIO);
    assert_non_null(strstr(err.message, s.path));
    assert_int_equal(suan__out_commit(&o, &err), SUAN_EIO);
    expect_text(s.path, "old");
    assert_int_equal(count_entries(s.dir), 1);
    scratch_remove(&s);
}

static void *drain(void *arg) {
    char *data;
    size_t n;
    if (suan__fd_slurp(*(int *)arg, "pipe", 1 << 24, &data, &n, NULL) != SUAN_OK) return NULL;
    suan__free(data);
    return (void *)(uintptr_t)n;
}

static void test_out_writes_directly_what_is_no_file(void **state) {
    scratch s;
    scratch_make(&s);
    suan__out o;
    suan_error err;
    assert_int_equal(suan__out_open(&o, "/dev/null", &err), SUAN_OK);
    assert_null(o.temp_path);
    assert_int_equal(suan__out_write(&o, "x", 1, &err), SUAN_OK);
    assert_int_equal(suan__out_commit(&o, &err), SUAN_OK);
    /* A pipe takes 64 KiB at a time, and must get all. */
    int ends[2];
    char name[64];
    static const char big[3 << 20];
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, drain, &ends[0]), 0);
    assert_int_equal(suan__out_open(&o, name, &err), SUAN_OK);
    close(ends[1]);
    assert_int_equal(suan__out_write(&o, "abc", 3, &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, big, sizeof big, &err), SUAN_OK);
    assert_int_equal(suan__out_commit(&o, &err), SUAN_OK);
    void *n;
    pthread_join(reader, &n);
    assert_int_equal((uintptr_t)n, sizeof big + 3);
    close(ends[0]);
    /* A descriptor that leads to a file is appended to, not replaced. */
    int fd = open(scratch_text(&s, "f", "old "), O_WRONLY | O_APPEND);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    assert_int_equal(suan__out_open(&o, name, &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "new", 3, &err), SUAN_OK);
    assert_int_equal(suan__out_commit(&o, &err), SUAN_OK);
    close(fd);
    expect_text(s.path, "old new");
    scratch_remove(&s);
}

static void test_out_through_a_link_and_into_nothing(void **state) {
    scratch s;
    scratch_make(&s);
    char link[PATH_MAX];
    suan__out o;
    suan_error err;
    snprintf(link, sizeof link, "%s/link", s.dir);
    scratch_text(&s, "f", "old");
    assert_int_equal(symlink("f", link), 0);
    assert_int_equal(suan__out_open(&o, link, &err), SUAN_OK);
    assert_int_equal(suan__out_write(&o, "new", 3, &err), SUAN_OK);
    assert_int_equal(suan__out_commit(&o, &err), SUAN_OK);
    expect_text(s.path, "new");
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(suan__out_open(&o, s.dir, &err), SUAN_EINVAL);
    assert_int_equal(suan__out_open(&o, scratch_path(&s, "no/such/dir"), &err), SUAN_EIO);
    assert_non_null(strstr(err.message, "no/such/dir"));
    assert_int_equal(suan__out_open(&o, "", &err), SUAN_EINVAL);
    /* The longest name there can be: the temporary one must fit too. */
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = 0;
    assert_int_equal(suan__out_open(&o, scratch_path(&s, longest), &err), SUAN_OK);
    assert_int_equal(suan__out_commit(&o, &err), SUAN_OK);
    expect_text(s.path, "");
    scratch_remove(&s);
}

static void test_out_out_of_memory(void **state) {
    scratch s;
    scratch_make(&s);
    scratch_text(&s, "f", "old");
    suan__out o;
    suan_error err;
    for (uint64_t i = 1;; i++) {
        suan__alloc_fail_at(i);
        suan_status status = suan__out_open(&o, s.path, &err);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_int_equal(count_entries(s.dir), 1);
    }
    suan__alloc_fail_at(0);
    suan__out_abort(&o);
    assert_int_equal(count_entries(s.dir), 1);
    expect_text(s.path, "old");
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_takes_regular_files_only),
        cmocka_unit_test(test_read_by_position),
        cmocka_unit_test(test_slurp_up_to_its_limit),
        cmocka_unit_test(test_slurp_a_slow_pipe),
        cmocka_unit_test(test_join_takes_plain_names_only),
        cmocka_unit_test(test_exists_and_is_directory),
        cmocka_unit_test(test_map_equals_the_file),
        cmocka_unit_test(test_guard_passes_on_other_faults),
        cmocka_unit_test(test_guard_turns_a_shrunk_file_into_zeros),
        cmocka_unit_test(test_map_table_can_be_full),
        cmocka_unit_test(test_out_appears_with_commit),
        cmocka_unit_test(test_out_of_all_piece_sizes),
        cmocka_unit_test(test_out_killed_leaves_the_old_file),
        cmocka_unit_test(test_out_full_disk_names_the_path),
        cmocka_unit_test(test_out_failed_write_cannot_be_committed),
        cmocka_unit_test(test_out_writes_directly_what_is_no_file),
        cmocka_unit_test(test_out_through_a_link_and_into_nothing),
        cmocka_unit_test(test_out_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
