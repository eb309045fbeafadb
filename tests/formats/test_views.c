/* test_views.c: tensors made of others: experts that directories hold in one tensor, as MXFP4 blocks and as floats. */
#include "../base/scratch.h"
#include "forge.h"
#include "formats/checkpoint.h"

#define E 2  /* experts */
#define FF 3 /* outputs of gate, and of up */
#define D 64 /* inputs: two blocks */
#define P "model.layers.0.mlp.experts."

/* A file of one or two tensors; data: byte i is (i * 37 + 11) mod 256, scales below 255. */
static unsigned char byte_at(size_t i) {
    return (unsigned char)((i * 37 + 11) % 251);
}

static void write_model(scratch *s, const char *header, size_t n_data) {
    suan__buf b = {0};
    scratch_text(s, "config.json", "{}");
    forge_int(&b, strlen(header), 8);
    forge_bytes(&b, header, strlen(header));
    for (size_t i = 0; i < n_data; i++) forge_int(&b, byte_at(i), 1);
    scratch_write(s, "model.safetensors", b.data, b.n);
    suan__buf_fini(&b);
}

#define N_BLOCKS (E * 2 * FF * 2 * 16)
#define N_SCALES (E * 2 * FF * 2)
static const char blocks_header[] = "{\"" P "gate_up_proj_blocks\":{\"dtype\":\"U8\",\"shape\":[2,6,2,16],\"data_offsets\":[0,384]},"
                                    "\"" P "gate_up_proj_scales\":{\"dtype\":\"U8\",\"shape\":[2,6,2],\"data_offsets\":[384,408]}}";

static unsigned nibble(const unsigned char *p, size_t i) {
    return p[i / 2] >> (i % 2 * 4) & 15;
}

static void test_blocks(void **state) {
    (void)state;
    scratch s;
    suan__checkpoint *ck;
    suan_error err;
    scratch_make(&s);
    write_model(&s, blocks_header, N_BLOCKS + N_SCALES);
    if (suan__checkpoint_open(&ck, s.dir, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (int which = 0; which < 2; which++) {
        const suan__tensor *t = suan__checkpoint_find(ck, which ? P "up_proj.weight" : P "gate_proj.weight");
        assert_non_null(t);
        assert_true(t->type == SUAN__MXFP4 && t->ne[0] == D && t->ne[1] == FF && t->ne[2] == E);
        unsigned char got[E * FF * 2 * 17], part[17];
        assert_int_equal(t->n_bytes, sizeof got);
        assert_int_equal(suan__checkpoint_read(ck, t, 0, got, sizeof got, &err), SUAN_OK);
        for (size_t b = 0; b < E * FF * 2; b++) {
            size_t expert = b / (FF * 2), row = b / 2 % FF, source = (expert * 2 * FF + 2 * row + (size_t)which) * 2 + b % 2;
            unsigned char codes[16];
            for (size_t i = 0; i < 16; i++) codes[i] = byte_at(source * 16 + i);
            assert_int_equal(got[b * 17], byte_at(N_BLOCKS + source));
            for (size_t i = 0; i < 16; i++) {
                assert_int_equal(got[b * 17 + 1 + i] & 15, nibble(codes, i));
                assert_int_equal(got[b * 17 + 1 + i] >> 4, nibble(codes, i + 16));
            }
            assert_int_equal(suan__checkpoint_read(ck, t, b * 17, part, 17, &err), SUAN_OK);
            assert_memory_equal(part, got + b * 17, 17);
        }
        assert_int_equal(suan__checkpoint_read(ck, t, 17, got, sizeof got, &err), SUAN_EINVAL);
    }
    assert_true(suan__checkpoint_find(ck, P "gate_up_proj_blocks")->is_part);
    suan__checkpoint_close(&ck);
    scratch_remove(&s);
}

static void test_floats(void **state) {
    (void)state;
    scratch s;
    suan__checkpoint *ck;
    suan_error err;
    scratch_make(&s);
    write_model(&s,
                "{\"" P "gate_up_proj\":{\"dtype\":\"BF16\",\"shape\":[2,5,6],\"data_offsets\":[0,120]},\"" P
                "gate_up_proj_bias\":{\"dtype\":\"BF16\",\"shape\":[2,6],\"data_offsets\":[120,144]}}",
                144);
    if (suan__checkpoint_open(&ck, s.dir, &err) != SUAN_OK) fail_msg("%s", err.message);
    for (int which = 0; which < 2; which++) {
        const suan__tensor *t = suan__checkpoint_find(ck, which ? P "up_proj.weight" : P "gate_proj.weight");
        const suan__tensor *bias = suan__checkpoint_find(ck, which ? P "up_proj.bias" : P "gate_proj.bias");
        assert_true(t && t->ne[0] == 5 && t->ne[1] == FF && t->ne[2] == E && t->type == SUAN__BF16);
        assert_true(bias && bias->n_dims == 2 && bias->ne[0] == FF && bias->ne[1] == E);
        for (size_t i = 0; i < E * FF * 5; i++) { /* one value at a time, across rows and slices */
            size_t expert = i / (FF * 5), row = i / 5 % FF, at = (expert * 5 + i % 5) * 6 + 2 * row + (size_t)which;
            unsigned char v[2];
            assert_int_equal(suan__checkpoint_read(ck, t, 2 * i, v, 2, &err), SUAN_OK);
            assert_true(v[0] == byte_at(2 * at) && v[1] == byte_at(2 * at + 1));
        }
        unsigned char all[E * FF * 5 * 2], some[21], of_bias[E * FF * 2];
        assert_int_equal(suan__checkpoint_read(ck, t, 0, all, sizeof all, &err), SUAN_OK);
        assert_int_equal(suan__checkpoint_read(ck, t, 16, some, 20, &err), SUAN_OK);
        assert_memory_equal(some, all + 16, 20);
        assert_true(all[2] == byte_at(2 * (6 + (size_t)which)));
        assert_int_equal(suan__checkpoint_read(ck, bias, 0, of_bias, sizeof of_bias, &err), SUAN_OK);
        for (size_t i = 0; i < E * FF; i++) assert_int_equal(of_bias[2 * i], byte_at(120 + 2 * (i / FF * 6 + i % FF * 2 + (size_t)which)));
    }
    suan__checkpoint_close(&ck);
    scratch_remove(&s);
}

static void test_what_does_not_fit(void **state) {
    (void)state;
    static const struct {
        const char *header, *words[2];
        size_t n;
    } cases[] = {
        {"{\"" P "down_proj_blocks\":{\"dtype\":\"U8\",\"shape\":[1,1,1,16],\"data_offsets\":[0,16]}}",
         {"down_proj_scales", "missing"},
         16},
        {"{\"" P "down_proj_blocks\":{\"dtype\":\"U8\",\"shape\":[1,1,1,15],\"data_offsets\":[0,15]},\"" P
         "down_proj_scales\":{\"dtype\":\"U8\",\"shape\":[1,1,1],\"data_offsets\":[15,16]}}",
         {"down_proj_blocks", "expected U8"},
         16},
        {"{\"" P "down_proj_blocks\":{\"dtype\":\"U8\",\"shape\":[1,1,1,16],\"data_offsets\":[0,16]},\"" P
         "down_proj_scales\":{\"dtype\":\"U8\",\"shape\":[1,1,2],\"data_offsets\":[16,18]}}",
         {"down_proj_scales", "each block"},
         18},
        {"{\"" P "gate_up_proj\":{\"dtype\":\"BF16\",\"shape\":[1,2,3],\"data_offsets\":[0,12]}}", {"gate_up_proj", "even"}, 12},
        {"{\"" P "gate_up_proj\":{\"dtype\":\"I8\",\"shape\":[1,2,4],\"data_offsets\":[0,8]}}", {"gate_up_proj", "expected F32"}, 8},
        {"{\"" P "down_proj\":{\"dtype\":\"BF16\",\"shape\":[1,1,2],\"data_offsets\":[0,4]},\"" P
         "down_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[1,1,2],\"data_offsets\":[4,8]}}",
         {"down_proj.weight", "two forms"},
         8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch s;
        suan__checkpoint *ck;
        suan_error err;
        scratch_make(&s);
        write_model(&s, cases[i].header, cases[i].n);
        assert_int_equal(suan__checkpoint_open(&ck, s.dir, &err), SUAN_EFORMAT);
        if (!strstr(err.message, cases[i].words[0]) || !strstr(err.message, cases[i].words[1])) fail_msg("\"%s\"", err.message);
        scratch_remove(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
