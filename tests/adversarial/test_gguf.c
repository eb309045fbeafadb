/* test_gguf.c: GGUF files made to harm a reader: rows G-01 to G-12 of the list of published flaws, and the kinds of broken file that other
 * readers test for. Each must be refused by a sentence, without touching a byte behind the file (run with the sanitizers) and at once. */
#include <unistd.h>

#include "../base/scratch.h"
#include "../formats/forge.h"
#include "base/random.h"
#include "formats/checkpoint.h"

static const uint64_t two_dims[] = {32, 1};

/* An F32 tensor of 128 bytes at 0, and what the header needs around it. */
static void forge_one_tensor(suan__buf *b, const char *name, uint32_t n_dims, const uint64_t *ne, uint32_t type, uint64_t offset) {
    forge_header(b, 3, 1, 0);
    forge_tensor(b, name, n_dims, ne, type, offset);
    forge_pad(b, 32);
    forge_data(b, 128);
}

static void test_valid_is_accepted(void **state) {
    suan__buf b = {0};
    forge_valid_gguf(&b, 3);
    FORGE_ACCEPTED(&b);
    forge_valid_gguf(&b, 2);
    FORGE_ACCEPTED(&b);
    forge_one_tensor(&b, "t", 2, two_dims, 0, 0);
    FORGE_ACCEPTED(&b);
    forge_header(&b, 3, 0, 0);
    FORGE_ACCEPTED(&b);
    suan__buf_fini(&b);
}

static void test_g_01_counts_beyond_the_file(void **state) {
    static const uint64_t counts[] = {1,
                                      UINT64_C(1) << 31,
                                      UINT64_C(1) << 32,
                                      UINT64_C(1) << 63,
                                      UINT64_MAX,
                                      UINT64_MAX / sizeof(suan__gguf_value) + 1,
                                      UINT64_MAX / sizeof(suan__tensor) + 1,
                                      UINT64_C(0x1D1D1D1D1D1D1D1D)};
    suan__buf b = {0};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint64_t allocations = suan__alloc_count();
        forge_header(&b, 3, counts[i], 0);
        FORGE_REFUSED(&b, "tensors");
        forge_header(&b, 3, 0, counts[i]);
        FORGE_REFUSED(&b, "metadata values");
        forge_header(&b, 3, counts[i], counts[i]);
        FORGE_REFUSED(&b, "metadata values");
        assert_true(suan__alloc_count() - allocations < 64);
    }
    /* A file that is long enough for the count by its size alone, but has nothing of it. */
    forge_header(&b, 3, 0, 65536);
    suan_error err;
    assert_int_equal(forge_parse_n(b.data, b.n, UINT64_C(1) << 40, &err), SUAN_EFORMAT);
    b.n = 0;
    forge_header(&b, 3, 0, 65537);
    assert_int_equal(forge_parse_n(b.data, b.n, UINT64_C(1) << 40, &err), SUAN_EFORMAT);
    assert_non_null(strstr(err.message, "limit"));
    suan__buf_fini(&b);
}

static void test_g_02_dimensions_of_all_sizes(void **state) {
    static const uint64_t dims[] = {0, UINT64_MAX, UINT64_C(1) << 31, UINT64_C(1) << 62, INT64_MAX - 2, INT64_MAX, UINT64_C(1) << 63};
    suan__buf b = {0};
    for (uint32_t type = 0; type < 256; type++) {
        const suan__dtype_info *info = suan__dtype_get(type);
        for (int at = 0; at < 4 && info; at++) {
            for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
                uint64_t ne[] = {info->block, 1, 1, 1};
                ne[at] = dims[i];
                forge_one_tensor(&b, "t", 4, ne, type, 0);
                FORGE_REFUSED(&b, "tensor t");
                ne[(at + 1) % 4] = UINT64_C(1) << 62; /* pairs whose product wraps */
                forge_one_tensor(&b, "t", 4, ne, type, 0);
                FORGE_REFUSED(&b, "tensor t");
            }
        }
    }
    forge_one_tensor(&b, "t", 1, (const uint64_t[]){0}, 0, 0);
    FORGE_REFUSED(&b, "dimension 0 of tensor t is 0");
    suan__buf_fini(&b);
}

static void test_g_03_string_lengths_that_wrap(void **state) {
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, INT64_MAX, 4096};
    suan__buf b = {0};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        forge_header(&b, 3, 0, 1); /* the key */
        forge_string_n(&b, "keykeykeykey", lengths[i], 12);
        FORGE_REFUSED(&b, "the file ends");
        forge_header(&b, 3, 0, 1); /* a value */
        forge_string(&b, "key");
        forge_int(&b, SUAN__GGUF_STRING, 4);
        forge_string_n(&b, "value", lengths[i], 5);
        FORGE_REFUSED(&b, "the file ends");
        forge_header(&b, 3, 0, 1); /* an element */
        forge_array_head(&b, "key", SUAN__GGUF_STRING, 2);
        forge_string(&b, "one");
        forge_string_n(&b, "two", lengths[i], 3);
        FORGE_REFUSED(&b, "the file ends");
        forge_header(&b, 3, 1, 0); /* the name of a tensor */
        forge_string_n(&b, "name", lengths[i], 4);
        forge_data(&b, 64);
        FORGE_REFUSED(&b, "the file ends");
    }
    suan__buf_fini(&b);
}

static void test_g_04_arrays_of_what_is_no_element(void **state) {
    static const uint32_t types[] = {13, 14, 255, 256, 1u << 31, UINT32_MAX};
    suan__buf b = {0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        forge_header(&b, 3, 0, 1);
        forge_array_head(&b, "key", types[i], 1);
        forge_data(&b, 64);
        FORGE_REFUSED(&b, "unknown type");
        forge_header(&b, 3, 0, 1);
        forge_value(&b, "key", types[i], 0, 8);
        FORGE_REFUSED(&b, "unknown type");
    }
    forge_header(&b, 3, 0, 1);
    forge_array_head(&b, "key", SUAN__GGUF_ARRAY, 1);
    forge_int(&b, SUAN__GGUF_U8, 4);
    forge_int(&b, 1, 8);
    forge_int(&b, 1, 8);
    FORGE_REFUSED(&b, "arrays of arrays");
    forge_header(&b, 3, 0, 1);
    forge_array_head(&b, "key", SUAN__GGUF_STRING, UINT64_C(1) << 63);
    forge_data(&b, 64);
    FORGE_REFUSED(&b, "strings");
    suan__buf_fini(&b);
}

static void test_g_05_cut_at_every_byte(void **state) {
    suan__buf b = {0};
    forge_valid_gguf(&b, 3);
    for (size_t n = 0; n < b.n; n++) {
        suan_error err;
        if (forge_parse_n(b.data, n, n, &err) != SUAN_EFORMAT) fail_msg("%zu of %zu bytes were accepted", n, b.n);
        /* The same bytes as the beginning of a longer file: not an answer either, as long as the header is cut. */
        if (n < b.n - 272 - 31) assert_int_equal(forge_parse_n(b.data, n, b.n, &err), SUAN_EFORMAT);
    }
    suan__buf_fini(&b);
}

static void test_g_06_sizes_whose_sum_wraps(void **state) {
    static const uint64_t huge[] = {UINT64_C(0x7FFFFFFFFFFFFFC0)};
    suan__buf b = {0};
    forge_header(&b, 3, 2, 0);
    forge_tensor(&b, "a", 1, huge, SUAN__I8, 0);
    forge_tensor(&b, "b", 1, huge, SUAN__I8, huge[0]);
    forge_pad(&b, 32);
    forge_data(&b, 64);
    FORGE_REFUSED(&b, "tensor a");
    suan__buf_fini(&b);
}

/* The size of a tensor against arithmetic that cannot overflow. */
static bool size_by_128_bits(const suan__dtype_info *info, int n_dims, const uint64_t *ne, uint64_t *bytes) {
    unsigned __int128 product = 1, limit = INT64_MAX;
    bool empty = false;
    for (int i = 0; i < n_dims; i++) {
        if (ne[i] == 0) empty = true;
        if (ne[i] != 0) product *= ne[i];
        if (product > limit) return false;
    }
    if ((n_dims ? ne[0] : 1) % info->block != 0) return false;
    product = (product + info->block - 1) / info->block * info->bytes;
    if (product > limit) return false;
    *bytes = empty ? 0 : (uint64_t)product;
    return true;
}

static void test_g_07_tensor_sizes_never_wrap(void **state) {
    uint32_t counter[4] = {0}, key[2] = {7, 7}, r[4];
    uint64_t n_values, n_bytes, expected, n_good = 0, n_refused = 0;
    for (uint32_t i = 0; i < 1000000; i++) {
        counter[0] = i;
        suan__philox4x32(counter, key, r);
        uint32_t type = r[0] % SUAN__DTYPE_END;
        int n_dims = (int)(r[0] >> 16) % 5;
        const suan__dtype_info *info = suan__dtype_get(type);
        if (!info) continue;
        uint64_t ne[4] = {1, 1, 1, 1};
        for (int d = 0; d < n_dims; d++) {
            counter[1] = (uint32_t)d + 1;
            suan__philox4x32(counter, key, r);
            int bits = (int)(r[0] % 65);
            ne[d] = bits == 0 ? 0 : ((uint64_t)r[1] << 32 | r[2]) >> (64 - bits);
            if (r[3] & 1) ne[d] >>= 40; /* small ones often, so that some products fit */
            if (d == 0 && (r[3] & 2)) ne[d] = ne[d] / info->block * info->block;
        }
        counter[1] = 0;
        bool ok = suan__tensor_size((suan__dtype)type, n_dims, ne, &n_values, &n_bytes) == SUAN_OK;
        bool ok_128 = size_by_128_bits(info, n_dims, ne, &expected);
        if (ok != ok_128 || (ok && n_bytes != expected))
            fail_msg("case %u: type %s %llu x %llu x %llu x %llu", i, info->name, (unsigned long long)ne[0], (unsigned long long)ne[1],
                     (unsigned long long)ne[2], (unsigned long long)ne[3]);
        n_good += ok;
        n_refused += !ok;
    }
    assert_true(n_good > 50000 && n_refused > 50000);
    /* The vector of a published flaw: a dimension that made exabytes look like 4 MB. */
    suan__buf b = {0};
    forge_one_tensor(&b, "t", 3, (const uint64_t[]){1024, (UINT64_C(1) << 42) + 1, 1024}, 0, 0);
    FORGE_REFUSED(&b, "overflows");
    suan__buf_fini(&b);
}

static void forge_alignment(suan__buf *b, uint32_t type, uint64_t v, int n_bytes) {
    forge_header(b, 3, 1, 1);
    forge_value(b, "general.alignment", type, v, n_bytes);
    forge_tensor(b, "t", 2, two_dims, 0, 0);
    forge_pad(b, 32);
    forge_data(b, 128);
}

static void test_g_08_alignments(void **state) {
    static const uint64_t bad[] = {0, 1, 2, 3, 4, 13, 31, 33, UINT64_C(1) << 21, UINT64_C(1) << 31, UINT32_MAX};
    suan__buf b = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        forge_alignment(&b, SUAN__GGUF_U32, bad[i], 4);
        FORGE_REFUSED(&b, "general.alignment is");
    }
    forge_alignment(&b, SUAN__GGUF_U32, 32, 4);
    FORGE_ACCEPTED(&b);
    forge_alignment(&b, SUAN__GGUF_I32, 32, 4);
    FORGE_REFUSED(&b, "general.alignment has type i32");
    forge_alignment(&b, SUAN__GGUF_U64, 32, 8);
    FORGE_REFUSED(&b, "general.alignment has type u64");
    forge_header(&b, 3, 0, 1);
    forge_string(&b, "general.alignment");
    forge_int(&b, SUAN__GGUF_STRING, 4);
    forge_string(&b, "32");
    FORGE_REFUSED(&b, "general.alignment has type string");
    forge_header(&b, 3, 0, 2);
    forge_value(&b, "general.alignment", SUAN__GGUF_U32, 32, 4);
    forge_value(&b, "general.alignment", SUAN__GGUF_U32, 64, 4);
    FORGE_REFUSED(&b, "general.alignment occurs twice");
    /* 2^20 is the largest: the data section then begins there, which this file does not reach. */
    forge_alignment(&b, SUAN__GGUF_U32, 1 << 20, 4);
    FORGE_REFUSED(&b, "before its data section at 1048576");
    /* Padding to the alignment must not wrap in the allocator either. */
    suan__arena arena;
    suan__arena_init(&arena, 1 << 12);
    for (size_t n = 1; n < 200; n++) {
        assert_null(suan__arena_alloc(&arena, SIZE_MAX - n, 1));
        assert_null(suan__arena_alloc(&arena, SIZE_MAX / 2 + n, 2));
        assert_null(suan__malloc_aligned(SIZE_MAX - n));
    }
    suan__arena_fini(&arena);
    suan__buf_fini(&b);
}

static void test_g_09_counts_as_loop_bounds(void **state) {
    suan__buf b = {0};
    double begin = forge_milliseconds();
    for (uint32_t type = 0; type < 20; type++) {
        forge_header(&b, 3, 0, 1);
        forge_array_head(&b, "a", type, UINT64_C(1) << 63);
        FORGE_REFUSED(&b, "a");
        forge_header(&b, 3, 0, 1);
        forge_array_head(&b, "a", type, UINT64_C(1) << 60);
        FORGE_REFUSED(&b, "a");
    }
    assert_true(forge_milliseconds() - begin < 2000); /* 40 files; 10 ms each is the aim, with room for a busy machine */
    suan__buf_fini(&b);
}

static void test_g_10_data_behind_the_end(void **state) {
    static const uint64_t offsets[] = {32, 128, 4096, UINT64_C(1) << 40, UINT64_C(1) << 63, UINT64_MAX - 31, UINT64_MAX - 127};
    suan__buf b = {0};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        forge_one_tensor(&b, "t", 2, two_dims, 0, offsets[i]);
        FORGE_REFUSED(&b, "tensor t takes 128 bytes");
    }
    forge_one_tensor(&b, "t", 1, (const uint64_t[]){33}, 0, 0);
    FORGE_REFUSED(&b, "tensor t takes 132 bytes");
    for (uint64_t offset = 1; offset < 32; offset++) {
        forge_one_tensor(&b, "t", 1, (const uint64_t[]){1}, 0, offset);
        FORGE_REFUSED(&b, "alignment");
    }
    suan__buf_fini(&b);
}

static void test_g_10_reads_stay_in_the_tensor(void **state) {
    suan__buf b = {0};
    suan__checkpoint *ck;
    suan_error err;
    scratch s;
    unsigned char got[128];
    scratch_make(&s);
    forge_one_tensor(&b, "t", 2, two_dims, 0, 0);
    forge_data(&b, 64); /* bytes behind the tensor, which nobody may see */
    assert_int_equal(suan__checkpoint_open(&ck, scratch_write(&s, "m.gguf", b.data, b.n), &err), SUAN_OK);
    const suan__tensor *t = suan__checkpoint_find(ck, "t");
    assert_non_null(t);
    assert_int_equal(suan__checkpoint_read(ck, t, 0, got, 128, &err), SUAN_OK);
    assert_memory_equal(got, b.data + t->offset, 128);
    assert_int_equal(suan__checkpoint_read(ck, t, 128, got, 0, &err), SUAN_OK);
    assert_int_equal(suan__checkpoint_read(ck, t, 1, got, 128, &err), SUAN_EINVAL);
    assert_int_equal(suan__checkpoint_read(ck, t, UINT64_MAX, got, 2, &err), SUAN_EINVAL);
    assert_int_equal(suan__checkpoint_read(ck, t, 129, got, 0, &err), SUAN_EINVAL);
    /* The file is cut while it is open: a sentence, no stale bytes. */
    assert_int_equal(truncate(s.path, 100), 0);
    assert_int_equal(suan__checkpoint_read(ck, t, 0, got, 128, &err), SUAN_EIO);
    suan__checkpoint_close(&ck);
    assert_null(ck);
    suan__buf_fini(&b);
    scratch_remove(&s);
}

static void test_g_11_number_of_dimensions(void **state) {
    static const uint64_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const uint32_t bad[] = {0, 5, 6, 8, 1u << 31, UINT32_MAX};
    suan__buf b = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        forge_one_tensor(&b, "t", bad[i], ones, 0, 0);
        FORGE_REFUSED(&b, "dimensions, expected 1 to 4");
    }
    suan__buf_fini(&b);
}

/* Every integer type and every extreme value through the typed reads: a value comes back only if it is the value of the file. */
static void test_g_12_numbers_out_of_range(void **state) {
    static const struct {
        uint32_t type;
        int n_bytes;
        uint64_t raw;
        bool fits;
        uint32_t value;
    } rows[] = {
        {SUAN__GGUF_U32, 4, 0, true, 0},
        {SUAN__GGUF_U32, 4, UINT32_MAX, true, UINT32_MAX},
        {SUAN__GGUF_I32, 4, INT32_MAX, true, INT32_MAX},
        {SUAN__GGUF_I32, 4, 0x80000000u, false, 0},
        {SUAN__GGUF_I32, 4, UINT32_MAX, false, 0},
        {SUAN__GGUF_I8, 1, 0xff, false, 0},
        {SUAN__GGUF_I16, 2, 0x8000, false, 0},
        {SUAN__GGUF_U8, 1, 0xff, true, 255},
        {SUAN__GGUF_U64, 8, UINT32_MAX, true, UINT32_MAX},
        {SUAN__GGUF_U64, 8, UINT64_C(1) << 32, false, 0},
        {SUAN__GGUF_U64, 8, UINT64_MAX, false, 0},
        {SUAN__GGUF_U64, 8, UINT64_C(1) << 63, false, 0},
        {SUAN__GGUF_I64, 8, UINT64_C(1) << 63, false, 0},
        {SUAN__GGUF_I64, 8, UINT32_MAX, true, UINT32_MAX},
        {SUAN__GGUF_F32, 4, 0x40000000, false, 0}, /* 2.0 is no integer */
        {SUAN__GGUF_BOOL, 1, 1, false, 0},
    };
    suan__buf b = {0};
    suan_error err;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        suan__gguf g;
        suan__arena arena;
        uint32_t v = 12345;
        suan__arena_init(&arena, 1 << 12);
        forge_header(&b, 3, 0, 1);
        forge_value(&b, "llama.block_count", rows[i].type, rows[i].raw, rows[i].n_bytes);
        assert_int_equal(suan__gguf_parse(&g, &arena, b.data, b.n, b.n, "forged.gguf", &err), SUAN_OK);
        suan_status status = suan__gguf_u32(&g, "llama.block_count", true, &v, &err);
        assert_int_equal(status == SUAN_OK, rows[i].fits);
        assert_int_equal(v, rows[i].fits ? rows[i].value : 12345);
        if (!rows[i].fits) assert_non_null(strstr(err.message, "llama.block_count"));
        suan__arena_fini(&arena);
        b.n = 0;
    }
    suan__buf_fini(&b);
}

/* The kinds of file that the tests of llama.cpp's reader expect to fail, header, metadata, tensors and data, where no row above has them.
 */
static void test_must_fail_header(void **state) {
    suan__buf b = {0};
    forge_header(&b, 3, 0, 0);
    b.data[0] = 'F';
    FORGE_REFUSED(&b, "not a GGUF file");
    FORGE_REFUSED(&b, "not a GGUF file"); /* an empty file */
    forge_header(&b, 0, 0, 0);
    FORGE_REFUSED(&b, "version 0");
    forge_header(&b, 1, 0, 0);
    FORGE_REFUSED(&b, "version 1");
    forge_header(&b, 4, 0, 0);
    FORGE_REFUSED(&b, "version 4");
    forge_header(&b, UINT32_MAX, 0, 0);
    FORGE_REFUSED(&b, "version 4294967295");
    forge_header(&b, 3u << 24, 0, 0);
    FORGE_REFUSED(&b, "big-endian");
    forge_header(&b, 2u << 24, 0, 0);
    FORGE_REFUSED(&b, "big-endian");
    forge_bytes(&b, "GGUF\3\0\0\0", 8); /* ends behind the version */
    FORGE_REFUSED(&b, "the file ends");
    suan__buf_fini(&b);
}

static void test_must_fail_metadata(void **state) {
    suan__buf b = {0};
    forge_header(&b, 3, 0, 1);
    forge_value(&b, "", SUAN__GGUF_U32, 1, 4); /* an empty key */
    forge_int(&b, 0, 4);
    FORGE_REFUSED(&b, "empty");
    forge_header(&b, 3, 0, 1);
    forge_string_n(&b, "a\0b", 3, 3);
    forge_data(&b, 16);
    FORGE_REFUSED(&b, "UTF-8");
    forge_header(&b, 3, 0, 1);
    forge_string_n(&b, "a\xff", 2, 2);
    forge_data(&b, 16);
    FORGE_REFUSED(&b, "UTF-8");
    forge_header(&b, 3, 0, 2);
    forge_value(&b, "twice", SUAN__GGUF_U32, 1, 4);
    forge_value(&b, "twice", SUAN__GGUF_F32, 1, 4);
    FORGE_REFUSED(&b, "twice occurs twice");
    forge_header(&b, 3, 0, 1);
    forge_value(&b, "flag", SUAN__GGUF_BOOL, 2, 1);
    FORGE_REFUSED(&b, "a bool is 2");
    forge_header(&b, 3, 0, 1);
    forge_array_head(&b, "flag", SUAN__GGUF_BOOL, 3);
    forge_int(&b, 0xff0001, 3);
    FORGE_REFUSED(&b, "a bool is 255");
    suan__buf_fini(&b);
}

static void test_must_fail_tensors(void **state) {
    static const uint32_t removed[] = {4, 5, 31, 32, 33, 36, 37, 38}, fork[] = {97, 139, 158, 202, 256, 262, 300, 399},
                          unknown[] = {43, 96, 159, 201, 400, 1u << 31, UINT32_MAX};
    char name[66];
    suan__buf b = {0};
    memset(name, 'n', sizeof name);
    name[64] = 0;
    forge_one_tensor(&b, name, 2, two_dims, 0, 0); /* 64 bytes */
    FORGE_REFUSED(&b, "64 bytes");
    name[63] = 0;
    forge_one_tensor(&b, name, 2, two_dims, 0, 0);
    FORGE_ACCEPTED(&b);
    forge_one_tensor(&b, "", 2, two_dims, 0, 0);
    forge_data(&b, 64);
    FORGE_REFUSED(&b, "empty");
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        forge_one_tensor(&b, "my.tensor", 2, two_dims, removed[i], 0);
        FORGE_REFUSED(&b, "my.tensor");
        forge_one_tensor(&b, "my.tensor", 2, two_dims, removed[i], 0);
        FORGE_REFUSED(&b, "removed");
    }
    for (size_t i = 0; i < sizeof fork / sizeof fork[0]; i++) {
        forge_one_tensor(&b, "my.tensor", 2, two_dims, fork[i], 0);
        FORGE_REFUSED(&b, "ik_llama.cpp");
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        forge_one_tensor(&b, "my.tensor", 2, two_dims, unknown[i], 0);
        FORGE_REFUSED(&b, "my.tensor has type");
    }
    forge_one_tensor(&b, "t", 1, (const uint64_t[]){31}, SUAN__Q4_0, 0);
    FORGE_REFUSED(&b, "no whole number of Q4_0 blocks of 32");
    forge_one_tensor(&b, "t", 2, (const uint64_t[]){16, 2}, SUAN__Q4_0, 0); /* whole blocks in all, but not in a row */
    FORGE_REFUSED(&b, "no whole number");
    suan__buf_fini(&b);
}

static void forge_two(suan__buf *b, const char *second, uint64_t offset_1, uint64_t offset_2) {
    forge_header(b, 3, 2, 0);
    forge_tensor(b, "one", 2, two_dims, 0, offset_1);
    forge_tensor(b, second, 2, two_dims, 0, offset_2);
    forge_pad(b, 32);
    forge_data(b, 384);
}

static void test_must_fail_data(void **state) {
    suan__buf b = {0};
    forge_two(&b, "one", 0, 128);
    FORGE_REFUSED(&b, "one occurs twice");
    forge_two(&b, "two", 0, 0);
    FORGE_REFUSED(&b, "overlap");
    forge_two(&b, "two", 0, 96);
    FORGE_REFUSED(&b, "overlap");
    forge_two(&b, "two", 96, 0);
    FORGE_REFUSED(&b, "overlap");
    forge_two(&b, "two", 0, 256); /* a hole is allowed, any order is */
    FORGE_ACCEPTED(&b);
    forge_two(&b, "two", 256, 0);
    FORGE_ACCEPTED(&b);
    /* Written with alignment 32, read with 64 as the metadata says: offset 96 does not fit. */
    forge_header(&b, 3, 2, 1);
    forge_value(&b, "general.alignment", SUAN__GGUF_U32, 64, 4);
    forge_tensor(&b, "one", 1, (const uint64_t[]){24}, 0, 0);
    forge_tensor(&b, "two", 1, (const uint64_t[]){24}, 0, 96);
    forge_pad(&b, 64);
    forge_data(&b, 256);
    FORGE_REFUSED(&b, "alignment 64");
    suan__buf_fini(&b);
}

/* A million names that an attacker chose cost no more than a million others: the hash has a secret key. Here: many names, one time limit.
 */
static void test_many_tensors_in_linear_time(void **state) {
    enum { N = 200000 };
    suan__buf b = {0};
    char name[32];
    forge_header(&b, 3, N, 0);
    for (uint64_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "blk.%llu.w", (unsigned long long)i);
        forge_tensor(&b, name, 1, (const uint64_t[]){8}, 0, (N - 1 - i) * 32); /* backwards, so that they must be sorted */
    }
    forge_pad(&b, 32);
    size_t n = b.n;
    suan_error err;
    double begin = forge_milliseconds();
    assert_int_equal(forge_parse_n(b.data, n, n + (uint64_t)N * 32, &err), SUAN_OK);
    double ms = forge_milliseconds() - begin;
    print_message("%d tensors: %.0f ms\n", N, ms);
    assert_true(ms < 20000); /* a quadratic table would take minutes */
    suan__buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_is_accepted),
        cmocka_unit_test(test_g_01_counts_beyond_the_file),
        cmocka_unit_test(test_g_02_dimensions_of_all_sizes),
        cmocka_unit_test(test_g_03_string_lengths_that_wrap),
        cmocka_unit_test(test_g_04_arrays_of_what_is_no_element),
        cmocka_unit_test(test_g_05_cut_at_every_byte),
        cmocka_unit_test(test_g_06_sizes_whose_sum_wraps),
        cmocka_unit_test(test_g_07_tensor_sizes_never_wrap),
        cmocka_unit_test(test_g_08_alignments),
        cmocka_unit_test(test_g_09_counts_as_loop_bounds),
        cmocka_unit_test(test_g_10_data_behind_the_end),
        cmocka_unit_test(test_g_10_reads_stay_in_the_tensor),
        cmocka_unit_test(test_g_11_number_of_dimensions),
        cmocka_unit_test(test_g_12_numbers_out_of_range),
        cmocka_unit_test(test_must_fail_header),
        cmocka_unit_test(test_must_fail_metadata),
        cmocka_unit_test(test_must_fail_tensors),
        cmocka_unit_test(test_must_fail_data),
        cmocka_unit_test(test_many_tensors_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
