/* tls.h: the certificate and the key of HTTPS, which may change while the server runs.
 *
 * Each connection takes what is there when its handshake begins. What was replaced is kept until close, because a handshake may still hold it; files that have not changed replace
 * nothing, so that only new certificates take memory.
 *
 * Threads  reload: one at a time, beside handshakes
 */
#ifndef SUAN_SERVE_TLS_H
#define SUAN_SERVE_TLS_H

#include <gnutls/abstract.h>

#include "suan/status.h"

typedef struct suan__tls suan__tls;

/* The paths are copied. SUAN_EFORMAT: no PEM, or certificate and key do not belong together. */
suan_status suan__tls_open(suan__tls **tls, const char *cert_file, const char *key_file, suan_error *err);
/* Reads the files anew; on failure what was there stays. */
suan_status suan__tls_reload(suan__tls *tls, suan_error *err);
void suan__tls_close(suan__tls **tls);
/* The session has its certificate from here. Before its handshake. */
void suan__tls_attach(suan__tls *tls, gnutls_session_t session);
gnutls_certificate_retrieve_function2 suan__tls_retrieve;

#endif
