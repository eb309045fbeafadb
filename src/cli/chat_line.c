/* chat_line.c: libedit where there is a person, plain bytes otherwise. */
#include "cli/chat_line.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/stop.h"

struct cli_lines {
    EditLine *edit;     /* NULL: not a terminal */
    History *history;   /* with edit */
    char *history_path; /* NULL: nowhere to keep it */
    sigset_t outside;   /* the signals that are blocked while no line is read */
    bool is_going_on;   /* inside a message of several lines: another prompt */
};

enum { HISTORY_LINES = 1000 };

/* ---- history */

static char *path_printf(const char *a, const char *b) {
    suan__buf buf = {0};
    suan__buf_printf(&buf, "%s%s", a, b);
    if (!buf.failed) return buf.data;
    suan__buf_fini(&buf);
    return NULL;
}

static char *history_path(void) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && state[0] == '/') return path_printf(state, "/suan/history");
    return home && home[0] == '/' ? path_printf(home, "/.local/state/suan/history") : NULL;
}

/* Makes the directories above the file, for their owner only. */
static void make_directories(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700); /* what is there already, or cannot be made, shows when the file is opened */
        *slash = '/';
    }
}

/* Another chat may write at the same moment: each writes its own file and puts it in place. */
static void save_history(cli_lines *l) {
    HistEvent event;
    make_directories(l->history_path);
    suan__buf temp = {0};
    suan__buf_printf(&temp, "%s.%ld", l->history_path, (long)getpid());
    int fd = temp.failed ? -1 : open(temp.data, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file) {
        bool is_good = fchmod(fd, 0600) == 0 && history(l->history, &event, H_SAVE_FP, file) >= 0;
        is_good = fclose(file) == 0 && is_good;
        if (!is_good || rename(temp.data, l->history_path) != 0) unlink(temp.data);
    } else if (fd >= 0) {
        close(fd);
        unlink(temp.data);
    }
    suan__buf_fini(&temp);
}

/* ---- editing */

static char *prompt(EditLine *edit) {
    static char first[] = "> ", more[] = "... ";
    cli_lines *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    return l && l->is_going_on ? more : first;
}

/* Waits for a byte; Ctrl-C ends the wait. SIGINT is blocked but for the wait itself, so none is lost between looking and waiting. */
static int read_byte(cli_lines *l, unsigned char *byte) {
    for (;;) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = ppoll(&p, 1, NULL, &l->outside);
        if (ready < 0 && errno == EINTR) {
            if (cli_stop_interrupted()) {
                errno = EINTR;
                return -1;
            }
            el_resize(l->edit); /* the window, or the program came back to the foreground */
            continue;
        }
        if (ready < 0) return -1;
        ssize_t n = read(STDIN_FILENO, byte, 1);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return (int)n;
    }
}

/* libedit's own reading takes a first Ctrl-C for an accident and goes on; this one hands it out. Bytes that are no UTF-8 are left out. */
static int read_character(EditLine *edit, wchar_t *c) {
    cli_lines *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    char bytes[4];
    for (size_t n = 0;;) {
        uint32_t cp = 0;
        unsigned char byte = 0;
        int status = read_byte(l, &byte);
        if (status <= 0) return status;
        bytes[n++] = (char)byte;
        if (suan__utf8_decode(bytes, n, &cp) == n) {
            *c = (wchar_t)cp;
            return 1;
        }
        if (n == sizeof bytes || suan__utf8_incomplete_tail(bytes, n) != n) n = 0;
    }
}

static void on_resize(int number) {
    (void)number; /* the wait ends, and draws anew */
}

static void open_edit(cli_lines *l) {
    struct sigaction action = {.sa_handler = on_resize};
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, NULL);
    HistEvent event;
    /* Editing needs to know how wide a character is; numbers stay in the C locale. */
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
    l->edit = el_init("suan", stdin, stdout, stderr);
    l->history = l->edit ? history_init() : NULL;
    if (!l->history) return;
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    l->history_path = history_path();
    if (l->history_path) history(l->history, &event, H_LOAD, l->history_path);
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_GETCFN, read_character);
    el_set(l->edit, EL_PROMPT, prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

cli_lines *cli_lines_open(void) {
    cli_lines *l = suan__calloc(1, sizeof *l);
    if (l && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        open_edit(l);
        if (!l->history) {
            cli_lines_close(l);
            return NULL;
        }
    }
    return l;
}

void cli_lines_close(cli_lines *l) {
    if (!l) return;
    if (l->history && l->history_path) save_history(l);
    if (l->history) history_end(l->history);
    if (l->edit) el_end(l->edit);
    suan__free(l->history_path);
    suan__free(l);
}

bool cli_lines_is_terminal(const cli_lines *l) {
    return l->edit != NULL;
}

/* ---- reading */

static cli_line read_edited(cli_lines *l, suan__buf *message) {
    HistEvent event;
    sigset_t interrupt;
    int n = 0;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &l->outside);
    cli_stop_interrupted(); /* what came during the answer was for the answer */
    errno = 0;
    const char *line = el_gets(l->edit, &n);
    int e = errno;
    sigprocmask(SIG_SETMASK, &l->outside, NULL);
    if (!line || n <= 0) {
        if (n < 0 && e == EINTR) {
            el_reset(l->edit);
            return CLI_LINE_INTERRUPTED;
        }
        return n < 0 ? CLI_LINE_FAILED : CLI_LINE_END;
    }
    size_t n_line = strlen(line);
    if (n_line && line[n_line - 1] == '\n') n_line--;
    if (n_line) history(l->history, &event, H_ENTER, line);
    return suan__buf_append(message, line, n_line) ? CLI_LINE_OK : CLI_LINE_FAILED;
}

static cli_line read_plain(suan__buf *message) {
    int c = 0;
    size_t n = 0;
    for (; (c = getc(stdin)) != EOF && c != '\n'; n++) {
        char byte = (char)c;
        if (!suan__buf_append(message, &byte, 1)) return CLI_LINE_FAILED;
    }
    if (c != EOF) return CLI_LINE_OK;
    return ferror(stdin) ? CLI_LINE_FAILED : n ? CLI_LINE_OK : CLI_LINE_END;
}

static cli_line read_line(cli_lines *l, suan__buf *message) {
    return l->edit ? read_edited(l, message) : read_plain(message);
}

static bool is_fence(const char *line, size_t n) {
    return n == 3 && memcmp(line, "\"\"\"", 3) == 0;
}

/* The lines of a """ block; the end of the file ends it too. */
static cli_line read_block(cli_lines *l, suan__buf *message) {
    l->is_going_on = true;
    for (bool is_first = true;; is_first = false) {
        size_t before = message->n;
        if (!is_first) suan__buf_append(message, "\n", 1);
        size_t start = message->n;
        cli_line line = read_line(l, message);
        if (line == CLI_LINE_END || (line == CLI_LINE_OK && is_fence(message->data + start, message->n - start))) {
            message->n = before;
            if (message->data) message->data[before] = 0;
            return CLI_LINE_OK;
        }
        if (line != CLI_LINE_OK) return line;
    }
}

static cli_line read_message(cli_lines *l, suan__buf *message) {
    l->is_going_on = false;
    for (;;) {
        size_t start = message->n;
        cli_line line = read_line(l, message);
        if (line != CLI_LINE_OK) return line == CLI_LINE_END && start > 0 ? CLI_LINE_OK : line;
        if (start == 0 && message->data && is_fence(message->data, message->n)) {
            message->n = 0;
            return read_block(l, message);
        }
        if (message->n == start || message->data[message->n - 1] != '\\') return CLI_LINE_OK;
        message->data[message->n - 1] = '\n';
        l->is_going_on = true;
    }
}

cli_line cli_lines_read(cli_lines *l, suan__buf *message) {
    message->n = 0;
    message->failed = false;
    message->limit = CLI_LINES_MAX_BYTES;
    suan__buf_append(message, "", 0);
    return read_message(l, message);
}
