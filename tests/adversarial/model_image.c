/* model_image.c: a model's files in memory, to be changed in one place and written again. */
#include "model_image.h"

#include "base/file.h"
#include "formats/gguf_write.h"
#include "suan/session.h"

static suan_error why;
#define OK(call)                                            \
    do {                                                    \
        if ((call) != SUAN_OK) fail_msg("%s", why.message); \
    } while (0)

static void add_tensor(image *im, const suan__tensor *t) {
    assert_true(im->n_tensors < IMAGE_MAX_TENSORS);
    image_tensor *to = &im->tensors[im->n_tensors++];
    snprintf(to->name, sizeof to->name, "%s", t->name);
    to->type = t->type;
    to->n_dims = t->n_dims;
    memcpy(to->ne, t->ne, sizeof to->ne);
    to->data = im->bytes + t->offset;
    to->n_bytes = t->n_bytes;
}

void image_read(image *im, const char *path) {
    memset(im, 0, sizeof *im);
    OK(suan__file_slurp(path, 1 << 28, &im->bytes, &im->n_bytes, &why));
    suan__arena_init(&im->arena, 1 << 16);
    im->is_gguf = im->n_bytes > 4 && memcmp(im->bytes, "GGUF", 4) == 0;
    if (im->is_gguf) {
        OK(suan__gguf_parse(&im->gguf, &im->arena, im->bytes, im->n_bytes, im->n_bytes, path, &why));
        for (uint64_t i = 0; i < im->gguf.n_tensors; i++) add_tensor(im, &im->gguf.tensors[i]);
    } else {
        suan__safetensors s;
        suan__file file;
        OK(suan__file_open(&file, path, &why));
        OK(suan__safetensors_open(&s, &im->arena, &file, &why));
        for (uint64_t i = 0; i < s.n_tensors; i++) add_tensor(im, &s.tensors[i]);
        suan__file_close(&file);
    }
}

void image_free(image *im) {
    suan__free(im->bytes);
    suan__arena_fini(&im->arena);
}

void image_write_bytes(const char *path, const void *data, size_t n) {
    unlink(path); /* a new file: some file systems write to the disk at once what is put over an old one */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static uint64_t bytes_of(const image_tensor *t) {
    uint64_t n_values, n_bytes;
    assert_int_equal(suan__tensor_size(t->type, t->n_dims, t->ne, &n_values, &n_bytes), SUAN_OK);
    return n_bytes;
}

static void append_data(suan__buf *b, const image_tensor *t) {
    static const char zeros[4096];
    uint64_t n = bytes_of(t), have = n < t->n_bytes ? n : t->n_bytes;
    assert_true(suan__buf_append(b, t->data, have));
    for (uint64_t left = n - have; left;) {
        uint64_t piece = left < sizeof zeros ? left : sizeof zeros;
        assert_true(suan__buf_append(b, zeros, piece));
        left -= piece;
    }
}

static void format_gguf(const image *im, suan__buf *b) {
    suan__gguf_writer w;
    OK(suan__gguf_writer_init(&w, 32, &why));
    for (uint64_t i = 0; i < im->gguf.n_values; i++) {
        const suan__gguf_value *v = &im->gguf.values[i];
        if (v->key.n == 17 && memcmp(v->key.data, "general.alignment", 17) == 0) continue;
        OK(suan__gguf_put_value(&w, v, &why));
    }
    for (size_t i = 0; i < im->n_tensors; i++) {
        const image_tensor *t = &im->tensors[i];
        if (t->name[0]) OK(suan__gguf_put_tensor(&w, t->name, t->type, t->n_dims, t->ne, &why));
    }
    OK(suan__gguf_format_header(&w, b, &why));
    suan__gguf_writer_fini(&w);
    for (size_t i = 0; i < im->n_tensors; i++) {
        if (!im->tensors[i].name[0]) continue;
        append_data(b, &im->tensors[i]);
        while (b->n % 32) assert_true(suan__buf_append(b, "", 1));
    }
}

static bool in_part(const image *im, size_t i, size_t part, size_t n_parts) {
    return im->tensors[i].name[0] && i % n_parts == part;
}

static void format_safetensors(const image *im, suan__buf *b, size_t part, size_t n_parts) {
    suan__st_entry *entries = test_calloc(im->n_tensors, sizeof *entries);
    size_t n = 0;
    for (size_t i = 0; i < im->n_tensors; i++) {
        const image_tensor *t = &im->tensors[i];
        if (!in_part(im, i, part, n_parts)) continue;
        suan__st_entry *e = &entries[n++];
        *e = (suan__st_entry){t->name, suan__safetensors_dtype_name(t->type), t->n_dims, {0}, bytes_of(t)};
        for (int d = 0; d < t->n_dims; d++) e->shape[d] = t->ne[t->n_dims - 1 - d];
    }
    OK(suan__safetensors_format_header(b, entries, n, NULL, &why));
    test_free(entries);
    for (size_t i = 0; i < im->n_tensors; i++)
        if (in_part(im, i, part, n_parts)) append_data(b, &im->tensors[i]);
}

void image_write(const image *im, const char *path, size_t part, size_t n_parts) {
    suan__buf b = {0};
    if (im->is_gguf)
        format_gguf(im, &b);
    else
        format_safetensors(im, &b, part, n_parts);
    image_write_bytes(path, b.data, b.n);
    suan__buf_fini(&b);
}

suan_status image_try(const char *path, suan_error *err) {
    suan_model *model;
    suan_session *session = NULL;
    suan_model_options options = {.n_threads = 1, .n_ctx = 16, .memory_bytes = UINT64_C(512) << 20};
    suan_session_options session_options = {.n_ctx = 16, .chunk = 16};
    int32_t ids[3] = {0, 0, 0};
    memset(err, 0, sizeof *err);
    suan_status status = suan_model_open(&model, path, &options, err);
    if (status == SUAN_OK) {
        status = suan_session_create(&session, model, &session_options, err);
        if (status == SUAN_OK) status = suan_session_feed(session, ids, 3, err);
        assert_true(status == SUAN_OK || err->status == status);
        suan_session_close(&session);
        suan_model_close(&model);
    } else {
        assert_null(model);
        assert_int_equal(err->status, status);
        assert_true(strlen(err->message) > 20);
    }
    return status;
}
