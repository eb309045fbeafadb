/* output.c: stdout, stderr and the terminal. One process has one of each, so their state lives here. */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

static struct {
    int failure; /* errno of the first write that failed */
    bool is_quiet;
} state;

void cli_output_init(void) {
    /* A descriptor that the caller closed is opened the wrong way round: using it fails, and no other file lands on its number. */
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            int opened = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
            if (opened >= 0 && opened != fd) close(opened);
        }
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit of the shell is told as a full disk is, and nothing is left of it */
}

static bool check(bool is_good) {
    if (!is_good && !state.failure) {
        state.failure = errno ? errno : EIO;
        if (state.failure != EPIPE) fprintf(stderr, "suan: cannot write to the standard output: %s\n", strerror(state.failure));
    }
    return !state.failure;
}

bool cli_put(const void *data, size_t n) {
    if (state.failure) return false;
    errno = 0;
    return n == 0 || check(fwrite(data, 1, n, stdout) == n);
}

bool cli_flush(void) {
    if (state.failure) return false;
    errno = 0;
    return check(fflush(stdout) == 0);
}

int cli_output_exit(void) {
    cli_flush();
    return !state.failure ? 0 : state.failure == EPIPE ? 128 + SIGPIPE : 1;
}

bool cli_stdout_is_terminal(void) {
    return isatty(STDOUT_FILENO) == 1;
}

/* ---- text that is safe to show */

static bool is_control(uint32_t cp) {
    return (cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7f && cp < 0xa0);
}

char *cli_visible(const char *text, size_t n, size_t *n_out) {
    suan__buf b = {0};
    suan__buf_append(&b, "", 0);
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t n_char = suan__utf8_decode(text + i, n - i, &cp);
        if (n_char == 0) {
            suan__buf_append(&b, "\xef\xbf\xbd", 3);
            n_char = 1;
        } else if (!is_control(cp)) {
            suan__buf_append(&b, text + i, n_char);
        } else if (cp < 0x80) { /* ESC as ^[, as terminals echo it */
            char caret[2] = {'^', (char)(cp ^ 0x40)};
            suan__buf_append(&b, caret, 2);
        } else {
            suan__buf_printf(&b, "<U+%04X>", (unsigned)cp);
        }
        i += n_char;
    }
    if (b.failed) {
        suan__buf_fini(&b);
        return NULL;
    }
    *n_out = b.n;
    return b.data ? b.data : suan__strndup("", 0);
}

bool cli_put_model_text(const char *text, size_t n) {
    size_t n_visible = 0;
    if (!cli_stdout_is_terminal()) return cli_put(text, n);
    char *visible = cli_visible(text, n, &n_visible);
    bool is_good = visible ? cli_put(visible, n_visible) : check((errno = ENOMEM, false));
    suan__free(visible);
    return is_good;
}

/* ---- JSON */

char *cli_valid_utf8(const char *text, size_t n, size_t *n_out) {
    suan__buf b = {0};
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        size_t n_char = suan__utf8_decode(text + i, n - i, &cp);
        if (n_char) {
            suan__buf_append(&b, text + i, n_char);
        } else {
            suan__buf_append(&b, "\xef\xbf\xbd", 3);
        }
        i += n_char ? n_char : 1;
    }
    if (b.failed) {
        suan__buf_fini(&b);
        return NULL;
    }
    *n_out = b.n;
    return b.data ? b.data : suan__strndup("", 0);
}

json_t *cli_json_text(const char *text, size_t n) {
    size_t n_valid = 0;
    char *valid = cli_valid_utf8(text, n, &n_valid);
    json_t *value = valid ? json_stringn(valid, n_valid) : NULL;
    suan__free(valid);
    return value;
}

static int put_chunk(const char *data, size_t n, void *ctx) {
    return cli_put(data, n) ? 0 : -1;
}

bool cli_put_json(json_t *value) {
    bool is_good = value != NULL;
    if (!value) {
        cli_failf("json", "out of memory");
        state.failure = state.failure ? state.failure : ENOMEM;
    } else if (json_dump_callback(value, put_chunk, NULL, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0) {
        is_good = check((errno = errno ? errno : ENOMEM, false));
    }
    json_decref(value);
    return is_good && cli_put("\n", 1) && cli_flush();
}

/* ---- stderr */

int cli_fail(const char *command, const suan_error *err) {
    fprintf(stderr, "suan %s: %s\n", command, err->message[0] ? err->message : suan_status_text(err->status));
    return 1;
}

int cli_failf(const char *command, const char *format, ...) {
    suan_error err = {.status = SUAN_EINVAL};
    va_list args;
    va_start(args, format);
    suan__message_format(err.message, sizeof err.message, format, args);
    va_end(args);
    return cli_fail(command, &err);
}

void cli_note(const char *format, ...) {
    if (state.is_quiet) return;
    char message[1024];
    va_list args;
    va_start(args, format);
    suan__message_format(message, sizeof message, format, args);
    va_end(args);
    fprintf(stderr, "%s\n", message);
}

void cli_be_quiet(void) {
    state.is_quiet = true;
}

bool cli_is_quiet(void) {
    return state.is_quiet;
}

double cli_seconds(void) {
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

const char *cli_bytes(char s[32], double n) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t i = 0;
    for (; n >= 1024 && i + 1 < sizeof units / sizeof *units; i++) n /= 1024;
    snprintf(s, 32, i ? "%.1f %s" : "%.0f %s", n, units[i]);
    return s;
}
