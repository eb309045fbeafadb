/* page_routes.c: the page's files. They are public: they hold nothing, and whoever opens the page types a key into it. */
#include <string.h>

#include "serve/own.h"
#include "serve/page.h"

static void send_file(suan__exchange *x, const char *path) {
    const suan__page_file *file = suan__page_find(path);
    static const suan__problem missing = {.kind = SUAN__PROBLEM_NOT_FOUND, .message = "The page has no such file."};
    if (!file) {
        suan__reply_problem(x, &missing);
        return;
    }
    const char *known = suan__exchange_header(x, "if-none-match");
    suan__reply_header(x, "ETag", file->etag);
    suan__reply_header(x, "Cache-Control", "no-cache");
    suan__reply_header(x, "Content-Security-Policy", suan__page_csp());
    if (known && strcmp(known, file->etag) == 0)
        suan__reply(x, 304, NULL, "", 0);
    else
        suan__reply(x, 200, file->content_type, file->bytes, file->n_bytes);
}

static void root(suan__exchange *x) {
    send_file(x, "/");
}

static void below(suan__exchange *x) {
    char path[256] = "/page/";
    const char *rest = suan__exchange_capture(x);
    if (strlen(rest) < sizeof path - 6) memcpy(path + 6, rest, strlen(rest) + 1);
    send_file(x, path);
}

#define FLAGS (SUAN__ROUTE_PUBLIC | SUAN__ROUTE_NO_BODY | SUAN__ROUTE_ALWAYS | SUAN__ROUTE_QUICK | SUAN__ROUTE_UNLOGGED)
static const suan__route rows[] = {
    {"GET", "/", &suan__own_dialect, root, FLAGS, NULL, "The page"},
    {"GET", "/page/{*}", &suan__own_dialect, below, FLAGS, NULL, "Files of the page"},
};
const suan__routes suan__page_routes = {rows, sizeof rows / sizeof *rows};
