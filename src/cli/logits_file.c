/* logits_file.c: a safetensors header stands before the data, and how many rows there will be is known only behind it. So the header has a
 * fixed size (JSON may end in spaces), is left blank at first and is filled in before the file takes its name. */
#include "cli/logits_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

enum { HEADER_BYTES = 1024, LENGTH_BYTES = 8 }; /* the length of the JSON, then the JSON */

suan_status cli_logits_file_open(cli_logits_file *f, const char *path, uint32_t n_vocab, uint32_t n_ctx, suan_error *err) {
    char blank[HEADER_BYTES];
    *f = (cli_logits_file){.n_vocab = n_vocab, .n_ctx = n_ctx, .out = {.fd = -1}};
    memset(blank, ' ', sizeof blank);
    f->ids = suan__calloc(n_ctx, sizeof *f->ids);
    SUAN_CHECK(f->ids, SUAN_ENOMEM, "out of memory");
    suan_status status = suan__out_open(&f->out, path, err);
    if (status == SUAN_OK) status = suan__out_write(&f->out, blank, sizeof blank, err);
    if (status != SUAN_OK) cli_logits_file_abort(f);
    return status;
}

int cli_logits_file_row(void *ctx, uint32_t position, int32_t id, const float *logits) {
    cli_logits_file *f = ctx;
    if (f->err.status != SUAN_OK) return 1;
    if (position != f->n_ids || position >= f->n_ctx) {
        suan__fail(&f->err, SUAN_EINTERNAL, "%s: the row of position %u came as number %zu", f->out.path, (unsigned)position, f->n_ids);
        return 1;
    }
    f->ids[f->n_ids++] = id;
    return suan__out_write(&f->out, logits, (size_t)f->n_vocab * sizeof *logits, &f->err) != SUAN_OK;
}

/* The header's JSON in HEADER_BYTES with its length before it. */
static suan_status make_header(const cli_logits_file *f, const char *profile, char header[HEADER_BYTES], suan_error *err) {
    json_int_t n = (json_int_t)f->n_ids, n_logits = n * (json_int_t)f->n_vocab * 4, n_total = n_logits + n * 4;
    json_t *root = json_pack("{s:{s:s}, s:{s:s, s:[I,I], s:[i,I]}, s:{s:s, s:[I], s:[I,I]}}", "__metadata__", "profile", profile, "logits",
                             "dtype", "F32", "shape", n, (json_int_t)f->n_vocab, "data_offsets", 0, n_logits, "ids", "dtype", "I32",
                             "shape", n, "data_offsets", n_logits, n_total);
    SUAN_CHECK(root, SUAN_ENOMEM, "out of memory");
    uint64_t n_json = HEADER_BYTES - LENGTH_BYTES;
    memset(header, ' ', HEADER_BYTES);
    for (int i = 0; i < LENGTH_BYTES; i++) header[i] = (char)(unsigned char)(n_json >> (8 * i));
    size_t n_written = json_dumpb(root, header + LENGTH_BYTES, n_json, JSON_COMPACT);
    json_decref(root);
    SUAN_CHECK(n_written > 0 && n_written <= n_json, SUAN_EINTERNAL, "%s: the header does not fit into %d bytes", f->out.path,
               HEADER_BYTES);
    return SUAN_OK;
}

/* Puts the header over the blank one: still in the buffer of a short file, else on the disk. */
static suan_status put_header(cli_logits_file *f, const char header[HEADER_BYTES], suan_error *err) {
    if (f->out.offset == f->out.n_buffered) {
        memcpy(f->out.buffer, header, HEADER_BYTES);
        return SUAN_OK;
    }
    SUAN_CHECK(f->out.temp_path, SUAN_EINVAL, "%s: is no regular file; the header that stands first is known last", f->out.path);
    for (size_t done = 0; done < HEADER_BYTES;) {
        ssize_t n = pwrite(f->out.fd, header + done, HEADER_BYTES - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        SUAN_CHECK(n > 0, SUAN_EIO, "%s: cannot write: %s", f->out.path, strerror(errno));
        done += (size_t)n;
    }
    return SUAN_OK;
}

suan_status cli_logits_file_finish(cli_logits_file *f, const char *profile, suan_error *err) {
    char header[HEADER_BYTES];
    suan_status status = f->err.status;
    if (status != SUAN_OK) {
        if (err) *err = f->err;
        goto fail;
    }
    SUAN_TRY_GOTO(suan__out_write(&f->out, f->ids, f->n_ids * sizeof *f->ids, err));
    SUAN_TRY_GOTO(make_header(f, profile, header, err));
    SUAN_TRY_GOTO(put_header(f, header, err));
    status = suan__out_commit(&f->out, err);
fail:
    cli_logits_file_abort(f);
    return status;
}

void cli_logits_file_abort(cli_logits_file *f) {
    if (f->out.path) suan__out_abort(&f->out);
    suan__free(f->ids);
    f->ids = NULL;
}
