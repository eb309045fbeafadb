/* fixture.c: eight bytes of length, a JSON header of that length, the data. */
#include "fixture.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fixture_open(fixture *f, const char *name) {
    char path[1024];
    snprintf(path, sizeof(path), "%s/quants/ggml/%s.safetensors", getenv("SUAN_TEST_DATA"), name);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    f->n = (size_t)ftell(file);
    rewind(file);
    f->data = malloc(f->n);
    assert_non_null(f->data);
    assert_int_equal(fread(f->data, 1, f->n, file), f->n);
    fclose(file);
    uint64_t n_header;
    memcpy(&n_header, f->data, 8);
    assert_true(n_header <= f->n - 8);
    f->header = json_loadb(f->data + 8, n_header, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(f->header);
}

void fixture_close(fixture *f) {
    json_decref(f->header);
    free(f->data);
}

void *fixture_tensor(const fixture *f, const char *name, size_t shape[2]) {
    json_t *entry = json_object_get(f->header, name), *dims = json_object_get(entry, "shape");
    json_t *offsets = json_object_get(entry, "data_offsets");
    if (!entry) fail_msg("no tensor %s", name);
    for (size_t i = 0; i < 2; i++) shape[i] = i < json_array_size(dims) ? (size_t)json_integer_value(json_array_get(dims, i)) : 1;
    size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0)), end = (size_t)json_integer_value(json_array_get(offsets, 1));
    uint64_t n_header;
    memcpy(&n_header, f->data, 8);
    assert_true(begin <= end && end <= f->n - 8 - n_header);
    void *copy = malloc(end - begin + 1);
    assert_non_null(copy);
    memcpy(copy, f->data + 8 + n_header + begin, end - begin);
    return copy;
}
