/* test_gguf.c: GGUF files that are right: every type read and written, large headers, files of several parts, failing memory. */
#include "../base/scratch.h"
#include "forge.h"
#include "formats/checkpoint.h"
#include "formats/gguf_write.h"

typedef struct loaded {
    suan__buf b;
    suan__arena arena;
    suan__gguf g;
} loaded;

static void load(loaded *l) {
    suan_error err;
    suan__arena_init(&l->arena, 1 << 12);
    if (suan__gguf_parse(&l->g, &l->arena, l->b.data, l->b.n, l->b.n, "test.gguf", &err) != SUAN_OK) fail_msg("%s", err.message);
}

static void unload(loaded *l) {
    suan__arena_fini(&l->arena);
    suan__buf_fini(&l->b);
}

static void check_integers(const suan__gguf *g) {
    static const struct {
        const char *key;
        int64_t v;
    } rows[] = {{"v.u8", 200}, {"v.i8", -1}, {"v.u16", 65535}, {"v.i16", -32768}, {"v.u32", 4294967295}, {"v.i32", -1}, {"v.i64", 77}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t v = 0;
        uint32_t u = 5;
        assert_true(suan__gguf_int_at(suan__gguf_find(g, rows[i].key), 0, &v));
        assert_int_equal(v, rows[i].v);
        assert_int_equal(suan__gguf_u32(g, rows[i].key, true, &u, NULL), rows[i].v >= 0 ? SUAN_OK : SUAN_ERANGE);
        assert_int_equal(u, rows[i].v >= 0 ? (uint64_t)rows[i].v : 5);
    }
    int64_t v = 0;
    assert_false(suan__gguf_int_at(suan__gguf_find(g, "v.u64"), 0, &v)); /* 2^64 - 1 */
    assert_false(suan__gguf_int_at(suan__gguf_find(g, "v.true"), 0, &v));
    assert_false(suan__gguf_int_at(suan__gguf_find(g, "v.f32"), 0, &v));
}

static void check_others(const suan__gguf *g) {
    float f = 0;
    double d = 0;
    bool b = false;
    suan__gguf_string s = {0};
    suan_error err;
    assert_int_equal(suan__gguf_f32(g, "v.f32", true, &f, &err), SUAN_OK);
    assert_true(f == 1.5f);
    assert_int_equal(suan__gguf_f32(g, "v.f64", true, &f, &err), SUAN_OK);
    assert_true(f == 0.1f);
    assert_true(suan__gguf_float_at(suan__gguf_find(g, "v.f64"), 0, &d) && d == 0.1);
    assert_int_equal(suan__gguf_f32(g, "v.u8", true, &f, &err), SUAN_EFORMAT);
    assert_int_equal(suan__gguf_bool(g, "v.true", true, &b, &err), SUAN_OK);
    assert_true(b);
    assert_int_equal(suan__gguf_bool(g, "v.u8", true, &b, &err), SUAN_EFORMAT);
    assert_int_equal(suan__gguf_str(g, "general.architecture", true, &s, &err), SUAN_OK);
    assert_int_equal(s.n, 5);
    assert_memory_equal(s.data, "llama", 5);
    assert_int_equal(suan__gguf_str(g, "v.u8", true, &s, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "v.u8 has type u8, expected a string"));
    /* Absent keys, and arrays where a scalar is asked for. */
    f = 9;
    assert_int_equal(suan__gguf_f32(g, "absent", false, &f, &err), SUAN_OK);
    assert_true(f == 9);
    assert_int_equal(suan__gguf_f32(g, "absent", true, &f, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "absent is missing"));
    assert_int_equal(suan__gguf_bool(g, "flags", true, &b, &err), SUAN_EFORMAT);
    assert_int_equal(suan__gguf_str(g, "tokens", true, &s, &err), SUAN_EFORMAT);
}

static void check_arrays(const suan__gguf *g) {
    const suan__gguf_value *tokens = suan__gguf_find(g, "tokens"), *types = suan__gguf_find(g, "types"),
                           *flags = suan__gguf_find(g, "flags");
    suan__gguf_iter it = {0};
    suan__gguf_string s;
    int64_t v;
    bool b;
    assert_int_equal(tokens->n, 3);
    assert_true(suan__gguf_next_string(tokens, &it, &s) && s.n == 1 && s.data[0] == 'a');
    assert_true(suan__gguf_next_string(tokens, &it, &s) && s.n == 2 && memcmp(s.data, "\0\xff", 2) == 0);
    assert_true(suan__gguf_next_string(tokens, &it, &s) && s.n == 0);
    assert_false(suan__gguf_next_string(tokens, &it, &s));
    assert_true(suan__gguf_int_at(types, 0, &v) && v == 1 && suan__gguf_int_at(types, 1, &v) && v == -2);
    assert_true(suan__gguf_bool_at(flags, 0, &b) && !b && suan__gguf_bool_at(flags, 1, &b) && b);
    assert_int_equal(suan__gguf_find(g, "empty")->n, 0);
}

static void check_tensors(const suan__gguf *g) {
    const suan__tensor *t = suan__gguf_find_tensor(g, "c.weight");
    assert_int_equal(g->n_tensors, 3);
    assert_int_equal(t->type, SUAN__F32);
    assert_int_equal(t->n_dims, 3);
    assert_int_equal(t->ne[0], 5);
    assert_int_equal(t->ne[2], 2);
    assert_int_equal(t->ne[3], 1);
    assert_int_equal(t->n_bytes, 40);
    assert_int_equal(t->offset, g->data_offset + 64);
    assert_int_equal(g->data_offset % 32, 0);
    assert_null(suan__gguf_find_tensor(g, "c.weigh"));
    assert_null(suan__gguf_find_tensor(g, ""));
}

static void test_every_type_is_read(void **state) {
    for (uint32_t version = 2; version <= 3; version++) {
        loaded l = {0};
        forge_valid_gguf(&l.b, version);
        load(&l);
        assert_int_equal(l.g.version, version);
        assert_int_equal(l.g.n_values, 16);
        assert_int_equal(l.g.alignment, 32);
        check_integers(&l.g);
        check_others(&l.g);
        check_arrays(&l.g);
        check_tensors(&l.g);
        unload(&l);
    }
}

static void test_floats_must_be_finite(void **state) {
    loaded l = {0};
    float f = 3;
    forge_header(&l.b, 3, 0, 3);
    forge_value(&l.b, "inf", SUAN__GGUF_F32, 0x7f800000u, 4);
    forge_value(&l.b, "nan", SUAN__GGUF_F32, 0x7fc00000u, 4);
    forge_value(&l.b, "big", SUAN__GGUF_F64, UINT64_C(0x7fe0000000000000), 8);
    load(&l);
    assert_int_equal(suan__gguf_f32(&l.g, "inf", true, &f, NULL), SUAN_ERANGE);
    assert_int_equal(suan__gguf_f32(&l.g, "nan", true, &f, NULL), SUAN_ERANGE);
    assert_int_equal(suan__gguf_f32(&l.g, "big", true, &f, NULL), SUAN_ERANGE);
    assert_true(f == 3);
    unload(&l);
}

/* A file copied value by value and tensor by tensor through our writer is the same file: the forged one has the same order and padding. */
static void copy_file(const loaded *from, uint64_t alignment, const char *path) {
    suan__gguf_writer w;
    suan__out o;
    suan_error err = {0};
    assert_int_equal(suan__gguf_writer_init(&w, alignment, &err), SUAN_OK);
    for (uint64_t i = 0; i < from->g.n_values; i++) assert_int_equal(suan__gguf_put_value(&w, &from->g.values[i], &err), SUAN_OK);
    for (uint64_t i = 0; i < from->g.n_tensors; i++) {
        const suan__tensor *t = &from->g.tensors[i];
        assert_int_equal(suan__gguf_put_tensor(&w, t->name, t->type, t->n_dims, t->ne, &err), SUAN_OK);
    }
    assert_int_equal(suan__out_open(&o, path, &err), SUAN_OK);
    assert_int_equal(suan__gguf_write_header(&w, &o, &err), SUAN_OK);
    for (uint64_t i = 0; i < from->g.n_tensors; i++) { /* in pieces of 7 bytes */
        const suan__tensor *t = &from->g.tensors[i];
        for (uint64_t at = 0; at < t->n_bytes; at += 7)
            assert_int_equal(suan__gguf_write_data(&w, &o, from->b.data + t->offset + at, t->n_bytes - at < 7 ? t->n_bytes - at : 7, &err),
                             SUAN_OK);
    }
    assert_int_equal(suan__gguf_write_data(&w, &o, "x", 1, &err), SUAN_EINVAL); /* more than announced */
    assert_int_equal(suan__gguf_write_finish(&w, &o, &err), SUAN_OK);
    suan__gguf_writer_fini(&w);
}

static void test_what_is_written_is_read(void **state) {
    static const uint64_t alignments[] = {8, 32, 4096, 1 << 20};
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < 4; i++) {
        loaded l = {0};
        suan__checkpoint *ck;
        suan_error err;
        char path[PATH_MAX];
        unsigned char data[144];
        forge_valid_gguf(&l.b, 3);
        load(&l);
        snprintf(path, sizeof path, "%s", scratch_path(&s, "copy.gguf"));
        copy_file(&l, alignments[i], path);
        if (suan__checkpoint_open(&ck, path, &err) != SUAN_OK) fail_msg("%s", err.message);
        assert_int_equal(ck->gguf->alignment, alignments[i]);
        check_integers(ck->gguf);
        check_others(ck->gguf);
        check_arrays(ck->gguf);
        for (uint64_t k = 0; k < l.g.n_tensors; k++) {
            const suan__tensor *t = suan__checkpoint_find(ck, l.g.tensors[k].name);
            assert_int_equal(t->offset % alignments[i], 0);
            assert_int_equal(t->n_bytes, l.g.tensors[k].n_bytes);
            assert_int_equal(suan__checkpoint_read(ck, t, 0, data, t->n_bytes, &err), SUAN_OK);
            assert_memory_equal(data, l.b.data + l.g.tensors[k].offset, t->n_bytes);
        }
        suan__checkpoint_close(&ck);
        unload(&l);
    }
    scratch_remove(&s);
}

static void test_the_writer_refuses_what_no_reader_takes(void **state) {
    static const uint64_t ne[] = {32};
    suan__gguf_writer w;
    suan__out o;
    suan_error err;
    scratch s;
    scratch_make(&s);
    assert_int_equal(suan__gguf_writer_init(&w, 12, &err), SUAN_EINVAL);
    assert_int_equal(suan__gguf_writer_init(&w, 32, &err), SUAN_OK);
    assert_int_equal(suan__gguf_put_u32(&w, "", 1, &err), SUAN_EINVAL);
    assert_int_equal(suan__gguf_put_u32(&w, "general.alignment", 64, &err), SUAN_EINVAL);
    assert_int_equal(suan__gguf_put_tensor(&w, "", SUAN__F32, 1, ne, &err), SUAN_EINVAL);
    assert_int_equal(suan__gguf_put_tensor(&w, "t", SUAN__U8, 1, ne, &err), SUAN_EINVAL); /* GGUF has no u8 */
    assert_int_equal(suan__gguf_put_tensor(&w, "t", SUAN__F32, 0, ne, &err), SUAN_EINVAL);
    assert_int_equal(suan__gguf_put_tensor(&w, "t", SUAN__Q4_K, 1, ne, &err), SUAN_EINVAL);
    assert_int_equal(suan__gguf_put_u32(&w, "twice", 1, &err), SUAN_OK);
    assert_int_equal(suan__gguf_put_bool(&w, "twice", true, &err), SUAN_OK);
    assert_int_equal(suan__out_open(&o, scratch_path(&s, "m.gguf"), &err), SUAN_OK);
    assert_int_equal(suan__gguf_write_header(&w, &o, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "twice"));
    suan__out_abort(&o);
    suan__gguf_writer_fini(&w);
    /* Too little data: nothing appears. */
    assert_int_equal(suan__gguf_writer_init(&w, 32, &err), SUAN_OK);
    assert_int_equal(suan__gguf_put_tensor(&w, "t", SUAN__F32, 1, ne, &err), SUAN_OK);
    assert_int_equal(suan__out_open(&o, scratch_path(&s, "m.gguf"), &err), SUAN_OK);
    assert_int_equal(suan__gguf_write_header(&w, &o, &err), SUAN_OK);
    assert_int_equal(suan__gguf_write_data(&w, &o, "1234", 4, &err), SUAN_OK);
    assert_int_equal(suan__gguf_write_finish(&w, &o, &err), SUAN_EINVAL);
    assert_false(suan__path_exists(s.path));
    suan__gguf_writer_fini(&w);
    scratch_remove(&s);
}

/* 150,000 tokens and as many merges: several reads of the file, and the time that opening may take. */
static void test_large_vocabulary_is_read_fast(void **state) {
    enum { N = 150000 };
    suan__buf b = {0};
    suan__checkpoint *ck;
    suan_error err;
    suan__gguf_iter it = {0};
    suan__gguf_string text;
    scratch s;
    char token[32];
    scratch_make(&s);
    forge_header(&b, 3, 1, 2);
    for (int round = 0; round < 2; round++) {
        forge_array_head(&b, round ? "merges" : "tokens", SUAN__GGUF_STRING, N);
        for (int i = 0; i < N; i++) {
            snprintf(token, sizeof token, "token number %d", i * (round + 1));
            forge_string(&b, token);
        }
    }
    forge_tensor(&b, "t", 1, (const uint64_t[]){8}, SUAN__F32, 0);
    forge_pad(&b, 32);
    forge_data(&b, 32);
    scratch_write(&s, "m.gguf", b.data, b.n);
    double begin = forge_milliseconds();
    assert_int_equal(suan__checkpoint_open(&ck, s.path, &err), SUAN_OK);
    double ms = forge_milliseconds() - begin;
    print_message("%zu bytes of header, 2 x %d strings: %.1f ms\n", b.n, N, ms);
    assert_true(ms < 2000); /* 20 is the aim; sanitizers and busy machines take more */
    const suan__gguf_value *merges = suan__gguf_find(ck->gguf, "merges");
    for (int i = 0; i < N; i++) {
        assert_true(suan__gguf_next_string(merges, &it, &text));
        if (i == 77777) assert_memory_equal(text.data, "token number 155554", 19);
    }
    assert_false(suan__gguf_next_string(merges, &it, &text));
    suan__checkpoint_close(&ck);
    suan__buf_fini(&b);
    scratch_remove(&s);
}

/* Every allocation fails once: a status, no leak, nothing half-built. */
static void test_each_allocation_may_fail(void **state) {
    scratch s;
    suan_error err;
    suan__checkpoint *ck;
    suan__buf b = {0};
    scratch_make(&s);
    forge_valid_gguf(&b, 3);
    scratch_write(&s, "m.gguf", b.data, b.n);
    uint64_t n = 0;
    suan_status status;
    do {
        suan__alloc_fail_at(++n);
        status = suan__checkpoint_open(&ck, s.path, &err);
        suan__alloc_fail_at(0);
        assert_true(status == SUAN_OK || (status == SUAN_ENOMEM && !ck));
    } while (status != SUAN_OK && n < 1000);
    assert_int_equal(status, SUAN_OK);
    assert_true(n > 5);
    suan__checkpoint_close(&ck);
    suan__buf_fini(&b);
    scratch_remove(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_is_read),
        cmocka_unit_test(test_floats_must_be_finite),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_the_writer_refuses_what_no_reader_takes),
        cmocka_unit_test(test_large_vocabulary_is_read_fast),
        cmocka_unit_test(test_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
