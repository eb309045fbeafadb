/* checkpoint.c: tells the containers apart, and keeps what they have in common: files, one list of tensors, one index of names. */
#include <string.h>

#include "base/checked.h"
#include "formats/checkpoint_internal.h"
#include "formats/views.h"

#define ULL(x) ((unsigned long long)(x))

static suan__checkpoint_private *private_of(const suan__checkpoint *ck) {
    return ck->private_;
}

suan_status suan__checkpoint_reserve_files(suan__checkpoint_private *p, uint64_t n, suan_error *err) {
    SUAN_CHECK(n <= SUAN__CHECKPOINT_MAX_FILES, SUAN_ELIMIT, "%s: a model in %llu files, at most %d are opened", p->pub.path, ULL(n),
               SUAN__CHECKPOINT_MAX_FILES);
    suan__file *files = SUAN_ARENA_NEW(&p->arena, suan__file, n);
    SUAN_CHECK(files, SUAN_ENOMEM, "%s: out of memory", p->pub.path);
    if (p->pub.n_files > 0) memcpy(files, p->pub.files, p->pub.n_files * sizeof *files);
    p->pub.files = files;
    return SUAN_OK;
}

suan_status suan__checkpoint_add_file(suan__checkpoint_private *p, const char *path, suan_error *err) {
    SUAN_TRY(suan__file_open(&p->pub.files[p->pub.n_files], path, err));
    p->pub.n_files++;
    return SUAN_OK;
}

suan_status suan__checkpoint_join(suan__checkpoint_private *p, suan__tensor *const *lists, const uint64_t *counts, suan_error *err) {
    uint64_t n = 0, n_names = 0;
    for (uint64_t f = 0; f < p->pub.n_files; f++) n += counts[f]; /* at most 2^12 files of 2^20 tensors */
    for (uint64_t f = 0; f < p->pub.n_files; f++) n_names += suan__natives_count_names(lists[f], counts[f]);
    p->tensors = SUAN_ARENA_NEW(&p->arena, suan__tensor, n);
    SUAN_CHECK(p->tensors && suan__names_init(&p->names, &p->arena, n + n_names), SUAN_ENOMEM, "%s: out of memory for %llu tensors", p->pub.path,
               ULL(n));
    n = 0;
    for (uint64_t f = 0; f < p->pub.n_files; f++) {
        for (uint64_t i = 0; i < counts[f]; i++, n++) {
            p->tensors[n] = lists[f][i];
            p->tensors[n].i_file = (uint32_t)f;
            const char *name = lists[f][i].name;
            uint64_t other = suan__names_add(&p->names, name, (uint32_t)strlen(name), (uint32_t)n);
            SUAN_CHECK(other == SUAN__NAME_NONE, SUAN_EFORMAT, "%s: tensor %s is in %s too", p->pub.files[f].path, name,
                       p->pub.files[p->tensors[other].i_file].path);
        }
    }
    p->pub.tensors = p->tensors;
    p->pub.n_tensors = n;
    return SUAN_OK;
}

/* What a file is shows in its first bytes, never in its name. Pickles hold programs, so they are not read, whatever is in them. */
static suan_status refuse(const suan__file *f, const unsigned char *head, size_t n, suan_error *err) {
    if (n >= 2 && head[0] == 0x80 && head[1] >= 1 && head[1] <= 5)
        return suan__fail(
            err, SUAN_EUNSUPPORTED,
            "%s: a Python pickle, which can run any program when it is opened; suan never reads those: use safetensors or GGUF", f->path);
    if (n >= 4 && memcmp(head, "PK\3\4", 4) == 0)
        return suan__fail(err, SUAN_EUNSUPPORTED,
                          "%s: a zip archive (PyTorch keeps pickles in those), which suan never reads: use safetensors or GGUF", f->path);
    if (n >= 4 && (memcmp(head, "lmgg", 4) == 0 || memcmp(head, "fmgg", 4) == 0 || memcmp(head, "tjgg", 4) == 0))
        return suan__fail(err, SUAN_EUNSUPPORTED, "%s: a ggml file from before GGUF: convert the model anew", f->path);
    if (n >= 9 && head[8] == '{' && head[7] == 0 && head[6] == 0)
        return suan__fail(err, SUAN_EINVAL, "%s: a safetensors file: give the directory that holds it and its config.json", f->path);
    if (n >= 1 && head[0] == '{') return suan__fail(err, SUAN_EINVAL, "%s: a JSON file: give the directory that holds the model", f->path);
    return suan__fail(err, SUAN_EFORMAT, "%s: not a model: it does not begin as a GGUF file does, and is no directory", f->path);
}

static suan_status open_file(suan__checkpoint_private *p, suan_error *err) {
    unsigned char head[16] = {0};
    SUAN_TRY(suan__checkpoint_reserve_files(p, 1, err));
    SUAN_TRY(suan__checkpoint_add_file(p, p->pub.path, err));
    const suan__file *f = &p->pub.files[0];
    size_t n = f->size < sizeof head ? (size_t)f->size : sizeof head;
    SUAN_TRY(suan__file_read(f, 0, head, n, err));
    if (n < 4 || memcmp(head, "GGUF", 4) != 0) return refuse(f, head, n, err);
    return suan__checkpoint_open_gguf(p, err);
}

static suan_status open_path(suan__checkpoint_private *p, const char *path, suan_error *err) {
    size_t n = strlen(path);
    p->pub.path = suan__arena_strndup(&p->arena, path, n);
    SUAN_CHECK(p->pub.path, SUAN_ENOMEM, "out of memory");
    SUAN_CHECK(n > 0, SUAN_EINVAL, "the path of the model is empty");
    if (!suan__is_directory(path)) return open_file(p, err);
    while (n > 1 && path[n - 1] == '/') n--;
    p->pub.dir = suan__arena_strndup(&p->arena, path, n);
    SUAN_CHECK(p->pub.dir, SUAN_ENOMEM, "out of memory");
    return suan__checkpoint_open_hf(p, err);
}

suan_status suan__checkpoint_open(suan__checkpoint **ck, const char *path, suan_error *err) {
    *ck = NULL;
    suan__checkpoint_private *p = suan__calloc(1, sizeof *p);
    SUAN_CHECK(p, SUAN_ENOMEM, "out of memory");
    suan__arena_init(&p->arena, 64 << 10);
    p->pub.private_ = p;
    suan_status status = open_path(p, path, err);
    *ck = &p->pub;
    if (status != SUAN_OK) suan__checkpoint_close(ck);
    return status;
}

void suan__checkpoint_close(suan__checkpoint **ck) {
    if (!ck || !*ck) return;
    suan__checkpoint_private *p = private_of(*ck);
    for (uint64_t i = 0; i < p->pub.n_files; i++) {
        suan__file_close(&p->pub.files[i]);
        if (p->ggufs) suan__gguf_close(&p->ggufs[i]);
    }
    json_decref(p->config);
    json_decref(p->generation_config);
    json_decref(p->tokenizer_config);
    suan__arena_fini(&p->arena);
    suan__free(p);
    *ck = NULL;
}

const suan__tensor *suan__checkpoint_find(const suan__checkpoint *ck, const char *name) {
    size_t n = strlen(name);
    uint64_t i = n > UINT32_MAX ? SUAN__NAME_NONE : suan__names_find(&private_of(ck)->names, name, (uint32_t)n);
    return i == SUAN__NAME_NONE ? NULL : &ck->tensors[i];
}

suan_status suan__checkpoint_read(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, void *dst, size_t n, suan_error *err) {
    if (ck->invention) {
        ck->invention->read(ck->invention, t, begin, dst, n);
        return SUAN_OK;
    }
    if (t->view) return t->view->read(ck, t, begin, dst, n, err);
    if (t->native) return suan__native_read(ck, t, begin, dst, n, err);
    SUAN_CHECK(t->i_file < ck->n_files && suan__inside(begin, n, t->n_bytes), SUAN_EINVAL,
               "tensor %s: bytes %llu to %llu were asked for, it has %llu", t->name, ULL(begin), ULL(begin + n), ULL(t->n_bytes));
    return suan__file_read(&ck->files[t->i_file], t->offset + begin, dst, n, err);
}

void suan__checkpoint_drop(const suan__checkpoint *ck, const suan__tensor *t, uint64_t begin, uint64_t n) {
    uint64_t offset = t->offset + begin;
    if (t->view) return;
    if (t->native) suan__native_place(t, begin, n, &offset, &n);
    suan__file_drop(&ck->files[t->i_file], offset, n);
}
