/* test_terminal.c: the program at a terminal (a pseudo-terminal that this test holds): lines are edited and remembered, Ctrl-C stops what it
 * should, a model cannot drive the screen. Needs SUAN (the program) and MODELS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CAPACITY = 1 << 20, TIMEOUT_MS = 60000 };

typedef struct terminal {
    pid_t pid;
    int fd;
    char *text; /* what the program wrote, NUL-terminated */
    size_t n, seen;
} terminal;

static char state_dir[] = "/tmp/suan_terminal_XXXXXX";

static void start(terminal *t, const char *const *args) {
    char *argv[16] = {NULL};
    char model[1024], program[1024];
    struct winsize size = {.ws_row = 24, .ws_col = 200};
    snprintf(program, sizeof program, "%s", getenv("SUAN"));
    snprintf(model, sizeof model, "%s/seed", getenv("MODELS"));
    argv[0] = program;
    for (size_t i = 0; args[i]; i++) argv[i + 1] = strcmp(args[i], "MODEL") == 0 ? model : strdup(args[i]);
    *t = (terminal){.text = calloc(CAPACITY + 1, 1)};
    assert_non_null(t->text);
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        setenv("XDG_STATE_HOME", state_dir, 1);
        setenv("TERM", "xterm", 1);
        execv(program, argv);
        _exit(127);
    }
    for (size_t i = 1; argv[i]; i++) {
        if (argv[i] != model) free(argv[i]);
    }
}

/* Reads what comes within the time; false when nothing did or the program is gone. */
static bool pump(terminal *t, int timeout_ms) {
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) <= 0 || t->n >= CAPACITY) return false;
    ssize_t n = read(t->fd, t->text + t->n, CAPACITY - t->n);
    if (n <= 0) return false;
    t->n += (size_t)n;
    t->text[t->n] = 0;
    return true;
}

static int64_t now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits for a text behind what was seen before. */
static void expect(terminal *t, const char *what) {
    for (int64_t end = now_ms() + TIMEOUT_MS; now_ms() < end;) {
        const char *found = strstr(t->text + t->seen, what);
        if (found) {
            t->seen = (size_t)(found - t->text) + strlen(what);
            return;
        }
        if (!pump(t, 200) && waitpid(t->pid, NULL, WNOHANG) != 0) break;
    }
    fail_msg("\"%s\" did not come; the program wrote:\n%s", what, t->text + t->seen);
}

static void type(terminal *t, const char *text) {
    assert_int_equal(write(t->fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Waits for the end; the exit status, or 128 + a signal. keys (NULL: none) are typed again and again: a Ctrl-D that comes while the terminal is between a line for the
 * program and a line for the editor is not the end but a character; Ctrl-U takes it away. */
static int finish_typing(terminal *t, const char *keys) {
    int status = -1;
    int64_t next = now_ms();
    for (int64_t end = now_ms() + TIMEOUT_MS; now_ms() < end;) {
        if (keys && now_ms() >= next) {
            if (write(t->fd, keys, strlen(keys)) < 0) keys = NULL;
            next = now_ms() + 500;
        }
        pump(t, 50);
        if (waitpid(t->pid, &status, WNOHANG) == t->pid) {
            while (pump(t, 50)) {}
            close(t->fd);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
    kill(t->pid, SIGKILL);
    fail_msg("the program did not end; it wrote:\n%s", t->text);
    return -1;
}
static int finish(terminal *t) {
    return finish_typing(t, NULL);
}

#define START(t, ...) start(t, (const char *const[]){__VA_ARGS__, NULL})

static void test_terminal_chat_answers_and_remembers(void **state) {
    terminal t;
    struct stat st;
    char path[128];
    START(&t, "chat", "-m", "MODEL", "--temp", "0", "-n", "12");
    expect(&t, "> ");
    type(&t, "Who are you?\n");
    expect(&t, "12 tokens");
    expect(&t, "> ");
    type(&t, "\x10"); /* Ctrl-P: the line before */
    expect(&t, "Who are you?");
    type(&t, "\n");
    expect(&t, "12 tokens");
    expect(&t, "> ");
    assert_int_equal(finish_typing(&t, "\x15\x04"), 0);
    free(t.text);
    snprintf(path, sizeof path, "%s/suan/history", state_dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    START(&t, "chat", "-m", "MODEL", "--temp", "0", "-n", "12");
    expect(&t, "> ");
    type(&t, "\x10"); /* from the file */
    expect(&t, "Who are you?");
    type(&t, "\x15/exit\n"); /* Ctrl-U wipes the line */
    assert_int_equal(finish(&t), 0);
    free(t.text);
}

static void test_terminal_ctrl_c_at_the_prompt_keeps_the_chat(void **state) {
    terminal t;
    START(&t, "chat", "-m", "MODEL", "--temp", "0", "-n", "4");
    expect(&t, "> ");
    type(&t, "half a line\x03");
    expect(&t, "\n");
    expect(&t, "> ");
    type(&t, "Hello\n");
    expect(&t, "4 tokens");
    expect(&t, "> ");
    type(&t, "/exit\n");
    assert_int_equal(finish(&t), 0);
    free(t.text);
}

static void test_terminal_ctrl_c_stops_an_answer_and_keeps_the_chat(void **state) {
    terminal t;
    START(&t, "chat", "-m", "MODEL", "--temp", "0", "--ignore-eos", "-c", "200000");
    expect(&t, "> ");
    type(&t, "Tell me a story.\n");
    expect(&t, "Mr. Merrick"); /* the answer has begun; greedy, so it is always the same */
    type(&t, "\x03");
    expect(&t, "stopped]");
    expect(&t, "> ");
    type(&t, "/set\n");
    expect(&t, "temp 0");
    expect(&t, "> ");
    assert_int_equal(finish_typing(&t, "\x15\x04"), 0);
    free(t.text);
}

static void test_terminal_ctrl_c_ends_a_run_with_130(void **state) {
    terminal t;
    START(&t, "run", "-m", "MODEL", "-p", "Tell me a story.", "--temp", "0", "--ignore-eos", "-c", "200000", "-q");
    expect(&t, "Mr. Merrick");
    type(&t, "\x03");
    assert_int_equal(finish(&t), 130);
    free(t.text);
}

static void test_terminal_default_prompt(void **state) {
    terminal t;
    START(&t, "run", "-n", "4", "--temp", "0");
    expect(&t, "No prompt given");
    expect(&t, "answer 4 tokens");
    assert_int_equal(finish(&t), 0);
    free(t.text);
}

static void test_terminal_several_lines_are_one_message(void **state) {
    terminal t;
    START(&t, "chat", "-m", "MODEL", "--temp", "0", "-n", "4");
    expect(&t, "> ");
    type(&t, "\"\"\"\n");
    expect(&t, "... ");
    type(&t, "Who are\n");
    expect(&t, "... ");
    type(&t, "you?\n");
    expect(&t, "... ");
    type(&t, "\"\"\"\n");
    expect(&t, "4 tokens");
    expect(&t, "> ");
    assert_int_equal(finish_typing(&t, "\x15\x04"), 0);
    free(t.text);
}

static int make_state(void **state) {
    (void)state;
    return getenv("SUAN") && getenv("MODELS") && mkdtemp(state_dir) ? 0 : -1;
}

static int remove_state(void **state) {
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/suan/history", state_dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/suan", state_dir);
    rmdir(path);
    return rmdir(state_dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminal_chat_answers_and_remembers),
        cmocka_unit_test(test_terminal_ctrl_c_at_the_prompt_keeps_the_chat),
        cmocka_unit_test(test_terminal_ctrl_c_stops_an_answer_and_keeps_the_chat),
        cmocka_unit_test(test_terminal_ctrl_c_ends_a_run_with_130),
        cmocka_unit_test(test_terminal_default_prompt),
        cmocka_unit_test(test_terminal_several_lines_are_one_message),
    };
    return cmocka_run_group_tests(tests, make_state, remove_state);
}
