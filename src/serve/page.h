/* page.h: the files of the web page, embedded in the program.
 *
 * The page is plain HTML, CSS and JavaScript modules from src/serve/page; the build turns them into one C file
 * (page/embed.sh), so the program carries them and reads no file at run time. The address of the page is "/"; everything
 * else of it lies below "/page/". All references in it are relative: it also works behind a proxy that adds a prefix.
 *
 * Ownership  everything returned is constant and lives as long as the program
 * Errors     none; a path that is not of the page gives NULL
 * Threads    safe
 */
#ifndef SUAN_SERVE_PAGE_H
#define SUAN_SERVE_PAGE_H

#include <stddef.h>

typedef struct suan__page_file {
    const char *path;           /* the address it is found at, as in "/page/app.js"; no query */
    const char *content_type;   /* value of the Content-Type header */
    const char *etag;           /* value of the ETag header with its quotes: the SHA-256 of the bytes in hexadecimal */
    const unsigned char *bytes; /* not ended by a zero */
    size_t n_bytes;
} suan__page_file;

/* The file at `path` (exact, case matters; without a query), or NULL. NULL as path gives NULL. */
const suan__page_file *suan__page_find(const char *path);

/* The files by number, for tests: NULL past the last. */
const suan__page_file *suan__page_at(size_t i_file);

/* Value of the Content-Security-Policy header that every file of the page must be sent with. */
const char *suan__page_csp(void);

#endif
