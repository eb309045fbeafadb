/* test_page.c: the files of the page in the program are those of the source, with the right type and digest, and its policy is strict. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "serve/page.h"

#define MAX_PAGE 120000 /* bytes of all files: the page stays light */

/* The bytes of a file of the page's folder; the caller frees them. */
static unsigned char *read_source(const char *path, size_t *n) {
    const char *dir = getenv("SUAN_PAGE_DIR"), *name = strcmp(path, "/") ? path + strlen("/page/") : "index.html";
    char full[4096];
    assert_non_null(dir);
    assert_true((size_t)snprintf(full, sizeof full, "%s/%s", dir, name) < sizeof full);
    FILE *f = fopen(full, "rb");
    if (!f) fail_msg("%s: %s", full, strerror(errno));
    unsigned char *bytes = malloc(MAX_PAGE + 1);
    assert_non_null(bytes);
    *n = fread(bytes, 1, MAX_PAGE + 1, f);
    fclose(f);
    return bytes;
}

static void test_page_file_is_the_source(void **state) {
    size_t total = 0, n_files = 0;
    for (const suan__page_file *f; (f = suan__page_at(n_files)); n_files++) {
        size_t n;
        unsigned char *source = read_source(f->path, &n), digest[32];
        char etag[67] = "\"";
        assert_int_equal(f->n_bytes, n);
        assert_memory_equal(f->bytes, source, n);
        free(source);
        assert_int_equal(EVP_Digest(f->bytes, f->n_bytes, digest, NULL, EVP_sha256(), NULL), 1);
        for (size_t i = 0; i < sizeof digest; i++) snprintf(etag + 1 + 2 * i, 3, "%02x", digest[i]);
        etag[65] = '"';
        assert_string_equal(f->etag, etag);
        assert_ptr_equal(suan__page_find(f->path), f);
        total += n;
    }
    assert_true(n_files >= 10);
    if (total > MAX_PAGE) fail_msg("the page has %zu bytes; it may have %d", total, MAX_PAGE);
}

static void test_page_find_other_path_gives_null(void **state) {
    static const char *const others[] = {
        "",   "/page",        "/page/", "/index.html", "/page/index.html", "/page/../index.html", "/PAGE/app.js", "/page/app.js?",
        "//", "/page/csp.txt"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_null(suan__page_find(others[i]));
    assert_null(suan__page_find(NULL));
    assert_null(suan__page_at(SIZE_MAX));
    assert_non_null(suan__page_find("/"));
}

static void test_page_types_by_name(void **state) {
    assert_string_equal(suan__page_find("/")->content_type, "text/html; charset=utf-8");
    assert_string_equal(suan__page_find("/page/app.js")->content_type, "text/javascript; charset=utf-8");
    assert_string_equal(suan__page_find("/page/style.css")->content_type, "text/css; charset=utf-8");
    assert_string_equal(suan__page_find("/page/icon.svg")->content_type, "image/svg+xml");
}

static void test_page_policy_is_strict(void **state) {
    const char *csp = suan__page_csp();
    static const char *const parts[] = {"default-src 'none'",  "script-src 'self';",     "style-src 'self';",
                                        "connect-src 'self';", "img-src 'self';",        "base-uri 'none'",
                                        "form-action 'none'",  "frame-ancestors 'none'", "require-trusted-types-for 'script'"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(csp, parts[i])) fail_msg("%s is not in %s", parts[i], csp);
    assert_null(strstr(csp, "unsafe"));
    assert_null(strstr(csp, "http"));
    assert_null(strstr(csp, "data:"));
    assert_null(strchr(csp, '\n'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_file_is_the_source),
        cmocka_unit_test(test_page_find_other_path_gives_null),
        cmocka_unit_test(test_page_types_by_name),
        cmocka_unit_test(test_page_policy_is_strict),
    };
    return cmocka_run_group_tests_name("serve_page_files", tests, NULL, NULL);
}
