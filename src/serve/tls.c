/* tls.c: certificates and keys, read and read anew. */
#include "serve/tls.h"

#include <openssl/sha.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#define MAX_FILE_BYTES (1u << 20)
#define MAX_CHAIN 16 /* certificates: one and those between it and the root */

typedef struct identity {
    gnutls_pcert_st chain[MAX_CHAIN];
    unsigned n_chain;
    gnutls_privkey_t key;
    unsigned char digest[SHA256_DIGEST_LENGTH]; /* of both files */
    struct identity *older;
} identity;

struct suan__tls {
    char *cert_file, *key_file;
    _Atomic(identity *) present;
};

static void free_identity(identity *i) {
    for (unsigned k = 0; k < i->n_chain; k++) gnutls_pcert_deinit(&i->chain[k]);
    if (i->key) gnutls_privkey_deinit(i->key);
    suan__free(i);
}

static void digest_of(const gnutls_datum_t *cert, const gnutls_datum_t *key, unsigned char digest[SHA256_DIGEST_LENGTH]) {
    unsigned char both[2 * SHA256_DIGEST_LENGTH];
    SHA256(cert->data, cert->size, both);
    SHA256(key->data, key->size, both + SHA256_DIGEST_LENGTH);
    SHA256(both, sizeof both, digest);
}

/* GnuTLS compares the two only where it keeps them itself. */
static int belong_together(const gnutls_datum_t *cert, const gnutls_datum_t *key) {
    gnutls_certificate_credentials_t both;
    int rc = gnutls_certificate_allocate_credentials(&both);
    if (rc < 0) return rc;
    rc = gnutls_certificate_set_x509_key_mem2(both, cert, key, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_certificate_free_credentials(both);
    return rc;
}

static suan_status parse(const suan__tls *tls, const gnutls_datum_t *cert, const gnutls_datum_t *key, identity *i, suan_error *err) {
    unsigned n = MAX_CHAIN;
    int rc = gnutls_pcert_list_import_x509_raw(i->chain, &n, cert, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
    SUAN_CHECK(rc >= 0, SUAN_EFORMAT, "%s: expected certificates in PEM, the server's first and at most %d: %s", tls->cert_file, MAX_CHAIN,
               gnutls_strerror(rc));
    i->n_chain = n;
    rc = gnutls_privkey_init(&i->key);
    if (rc >= 0) rc = gnutls_privkey_import_x509_raw(i->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
    SUAN_CHECK(rc >= 0, SUAN_EFORMAT, "%s: expected a private key in PEM, without a passphrase: %s", tls->key_file, gnutls_strerror(rc));
    rc = belong_together(cert, key);
    SUAN_CHECK(rc >= 0, SUAN_EFORMAT, "%s and %s do not belong together: %s", tls->cert_file, tls->key_file, gnutls_strerror(rc));
    return SUAN_OK;
}

static suan_status use(suan__tls *tls, const gnutls_datum_t *cert, const gnutls_datum_t *key, suan_error *err) {
    identity *old = atomic_load(&tls->present), *i = suan__calloc(1, sizeof *i);
    SUAN_CHECK(i, SUAN_ENOMEM, "out of memory");
    digest_of(cert, key, i->digest);
    bool is_same = old && memcmp(old->digest, i->digest, sizeof i->digest) == 0;
    suan_status status = is_same ? SUAN_OK : parse(tls, cert, key, i, err);
    if (is_same || status != SUAN_OK) {
        free_identity(i);
        return status;
    }
    i->older = old;
    atomic_store(&tls->present, i);
    return SUAN_OK;
}

suan_status suan__tls_reload(suan__tls *tls, suan_error *err) {
    char *cert = NULL, *key = NULL;
    size_t n_cert = 0, n_key = 0;
    suan_status status = suan__file_slurp(tls->cert_file, MAX_FILE_BYTES, &cert, &n_cert, err);
    if (status == SUAN_OK) status = suan__file_slurp(tls->key_file, MAX_FILE_BYTES, &key, &n_key, err);
    if (status == SUAN_OK)
        status = use(tls, &(gnutls_datum_t){(unsigned char *)cert, (unsigned)n_cert},
                     &(gnutls_datum_t){(unsigned char *)key, (unsigned)n_key}, err);
    if (key) explicit_bzero(key, n_key);
    suan__free(key);
    suan__free(cert);
    return status;
}

suan_status suan__tls_open(suan__tls **out, const char *cert_file, const char *key_file, suan_error *err) {
    suan_status status;
    *out = NULL;
    suan__tls *tls = suan__calloc(1, sizeof *tls);
    SUAN_CHECK(tls, SUAN_ENOMEM, "out of memory");
    tls->cert_file = suan__strndup(cert_file, strlen(cert_file));
    tls->key_file = suan__strndup(key_file, strlen(key_file));
    SUAN_CHECK_GOTO(tls->cert_file && tls->key_file, SUAN_ENOMEM, "out of memory");
    SUAN_TRY_GOTO(suan__tls_reload(tls, err));
    *out = tls;
    return SUAN_OK;
fail:
    suan__tls_close(&tls);
    return status;
}

void suan__tls_close(suan__tls **tls_) {
    suan__tls *tls = *tls_;
    if (!tls) return;
    for (identity *i = atomic_load(&tls->present), *older; i; i = older) {
        older = i->older;
        free_identity(i);
    }
    suan__free(tls->cert_file);
    suan__free(tls->key_file);
    suan__free(tls);
    *tls_ = NULL;
}

void suan__tls_attach(suan__tls *tls, gnutls_session_t session) {
    gnutls_session_set_ptr(session, tls);
}

int suan__tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                       const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **chain, unsigned *n_chain,
                       gnutls_privkey_t *key) {
    suan__tls *tls = gnutls_session_get_ptr(session);
    identity *i = tls ? atomic_load(&tls->present) : NULL;
    if (!i) return GNUTLS_E_INTERNAL_ERROR;
    *chain = i->chain;
    *n_chain = i->n_chain;
    *key = i->key;
    return 0;
}
