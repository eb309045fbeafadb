/* progress.c: the progress line. The time left is what has passed times what is left over what is done: no smoothing, no promises. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/output.h"

static const double first_after = 0.2, redraw_after = 0.1; /* seconds */

void cli_progress_init(cli_progress *p, const char *what, cli_unit unit) {
    *p = (cli_progress){.what = what, .unit = unit, .is_on = !cli_is_quiet() && isatty(STDERR_FILENO) == 1, .start = cli_seconds()};
}

const char *cli_duration(char s[32], double seconds) {
    uint64_t t = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : (uint64_t)(seconds + 0.5);
    if (t < 60) {
        snprintf(s, 32, "%u s", (unsigned)t);
    } else if (t < 3600) {
        snprintf(s, 32, "%u min %u s", (unsigned)(t / 60), (unsigned)(t % 60));
    } else {
        snprintf(s, 32, "%u h %u min", (unsigned)(t / 3600), (unsigned)(t % 3600 / 60));
    }
    return s;
}

void cli_progress_step(void *ctx, uint64_t done, uint64_t total) {
    cli_progress *p = ctx;
    if (!p || !p->is_on || total == 0) return;
    double now = cli_seconds(), passed = now - p->start;
    if (passed < first_after || now - p->last < redraw_after) return;
    char amount[80], left[32] = "?", a[32], b[32];
    if (p->unit == CLI_UNIT_BYTES) {
        snprintf(amount, sizeof amount, "%s of %s", cli_bytes(a, (double)done), cli_bytes(b, (double)total));
    } else {
        snprintf(amount, sizeof amount, "%llu of %llu tokens", (unsigned long long)done, (unsigned long long)total);
    }
    if (done > 0) cli_duration(left, passed * (double)(total - done) / (double)done);
    fprintf(stderr, "\r\033[K%s: %.0f%%, %s, %s left", p->what, 100.0 * (double)done / (double)total, amount, left);
    fflush(stderr);
    p->last = now;
    p->is_shown = true;
}

void cli_progress_done(cli_progress *p) {
    if (p->is_shown) fputs("\r\033[K", stderr);
    p->is_shown = p->is_on = false;
}
