/* test_second_reader.c: what the library says of real files against what a second reader says that was written from docs/formats.md. */
#include <dirent.h>
#include <limits.h>

#include "formats/checkpoint.h"
#include "formats/native.h"
#include "second_reader.h"

static unsigned n_gguf, n_safetensors, n_tensors;

/* dir/name; `out` holds PATH_MAX bytes. */
static const char *join(char *out, const char *dir, const char *name) {
    size_t n_dir = strlen(dir), n_name = strlen(name);
    if (n_dir + n_name + 2 > PATH_MAX) {
        fail_msg("%s/%s is too long", dir, name);
        return "";
    }
    memcpy(out, dir, n_dir);
    out[n_dir] = '/';
    memcpy(out + n_dir + 1, name, n_name + 1);
    return out;
}

static void compare_data(const suan__checkpoint *ck, const suan__tensor *t, const second_file *f) {
    unsigned char *data = malloc(t->n_bytes + 1);
    suan_error err;
    assert_int_equal(suan__checkpoint_read(ck, t, 0, data, t->n_bytes, &err), SUAN_OK);
    assert_memory_equal(data, f->bytes + t->offset, t->n_bytes);
    free(data);
    n_tensors++;
}

static void compare_gguf(const char *path) {
    second_file f;
    suan__checkpoint *ck;
    suan_error err;
    if (!second_slurp(&f, path)) return;
    second_read_gguf(&f);
    if (suan__checkpoint_open(&ck, path, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(ck->gguf->n_values, f.n_values);
    assert_int_equal(ck->n_tensors, f.n_tensors);
    for (uint64_t i = 0; i < f.n_values; i++) {
        const suan__gguf_value *a = &ck->gguf->values[i];
        const second_value *b = &f.values[i];
        assert_int_equal(a->key.n, b->n_key);
        assert_memory_equal(a->key.data, b->key, b->n_key);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->element_type, b->element_type);
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->n_bytes, b->n_data);
        assert_memory_equal(a->data, b->data, b->n_data);
    }
    for (uint64_t i = 0; i < f.n_tensors; i++) {
        const suan__tensor *a = suan__checkpoint_find(ck, f.tensors[i].name);
        const second_tensor *b = &f.tensors[i];
        assert_non_null(a);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->n_dims, b->n_dims);
        for (int d = 0; d < 4; d++) assert_int_equal(a->ne[d], d < b->n_dims ? b->dims[d] : 1);
        assert_int_equal(a->offset, b->begin);
        assert_int_equal(a->n_bytes, b->end - b->begin);
        compare_data(ck, a, &f);
    }
    suan__checkpoint_close(&ck);
    second_free(&f);
    n_gguf++;
}

/* The tensor as it lies in the file: some of a checkpoint's are made of several of those. */
static const suan__tensor *find_stored(const suan__checkpoint *ck, const char *name) {
    for (uint64_t i = 0; i < ck->n_tensors; i++) {
        const suan__tensor *t = &ck->tensors[i];
        if (!t->native && !t->view && strcmp(t->name, name) == 0) return t;
        const suan__tensor *parts[] = {t->native ? &t->native->codes : NULL, t->native ? &t->native->scales : NULL,
                                       t->native ? &t->native->shape : NULL};
        for (int k = 0; k < 3; k++)
            if (parts[k] && parts[k]->name && strcmp(parts[k]->name, name) == 0) return parts[k];
    }
    return NULL;
}

static void compare_directory(const char *dir) {
    char path[PATH_MAX];
    second_file f;
    suan__checkpoint *ck;
    suan_error err;
    if (!suan__path_exists(join(path, dir, "config.json")) || !second_slurp(&f, join(path, dir, "model.safetensors"))) return;
    second_read_safetensors(&f);
    if (suan__checkpoint_open(&ck, dir, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(ck->n_files, 1);
    uint64_t n_stored = 0;
    for (uint64_t i = 0; i < ck->n_tensors; i++) n_stored += !ck->tensors[i].native && !ck->tensors[i].view;
    assert_true(n_stored <= f.n_tensors);
    for (uint64_t i = 0; i < f.n_tensors; i++) {
        const suan__tensor *a = find_stored(ck, f.tensors[i].name);
        const second_tensor *b = &f.tensors[i];
        assert_non_null(a);
        assert_string_equal(suan__dtype_get(a->type)->name, b->dtype);
        assert_int_equal(a->n_dims, b->n_dims);
        for (int d = 0; d < b->n_dims; d++) assert_int_equal(a->ne[d], b->dims[b->n_dims - 1 - d]);
        assert_int_equal(a->offset, b->begin);
        assert_int_equal(a->n_bytes, b->end - b->begin);
        compare_data(ck, a, &f);
    }
    suan__checkpoint_close(&ck);
    second_free(&f);
    n_safetensors++;
}

/* Every folder below `root`: its model.gguf and its model.safetensors. Returns the number of folders. */
static unsigned compare_all(const char *root) {
    char path[PATH_MAX], file[PATH_MAX];
    unsigned n = 0;
    DIR *d = opendir(root);
    if (!d) return 0;
    for (const struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        if (!suan__is_directory(join(path, root, e->d_name))) continue;
        n++;
        compare_directory(path);
        compare_gguf(join(file, path, "model.gguf"));
    }
    closedir(d);
    return n;
}

static const char *folder(const char *variable, const char *name, char path[PATH_MAX]) {
    const char *root = getenv(variable);
    return join(path, root ? root : "", name);
}

static void test_our_cases(void **state) {
    char path[PATH_MAX];
    assert_true(compare_all(folder("SUAN_TEST_DATA", "oracle", path)) >= 1);
    assert_true(n_gguf >= 1 && n_safetensors >= 1 && n_tensors >= 40);
}

static void test_the_fixtures(void **state) {
    static const char *const quantised[] = {"f16", "f32", "q8_0"};
    char path[PATH_MAX], name[64];
    if (compare_all(folder("SUAN_FIXTURES", "oracle", path)) == 0) {
        print_message("no fixtures at %s: some 70 files are not compared\n", path);
        skip();
    }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "weights/stories260k/stories260k-%s.gguf", quantised[i]);
        compare_gguf(folder("SUAN_FIXTURES", name, path));
    }
    compare_all(folder("SUAN_FIXTURES", "weights", path));
    compare_all(folder("SUAN_FIXTURES", "weights/stories260k", path));
    print_message("%u GGUF files, %u directories, %u tensors are the same to both readers\n", n_gguf, n_safetensors, n_tensors);
    assert_true(n_gguf > 10 && n_safetensors > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_our_cases),
        cmocka_unit_test(test_the_fixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
