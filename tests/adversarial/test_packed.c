/* test_packed.c: packed tensors made to harm who maps them: wrong versions, layouts and alignments, dimensions whose panels do not fit or
 * wrap, tensors that overlap or reach beyond the file, panels of types that have none; and a real packed model with bytes of its tensor list
 * changed. Whatever opens must also run without touching a byte outside the file. */
#include <sys/stat.h>
#include <unistd.h>

#include "../base/scratch.h"
#include "../formats/forge.h"
#include "base/file.h"
#include "formats/checkpoint.h"
#include "model_image.h"
#include "suan/convert.h"

/* One tensor of `data` bytes behind a header that is right but for what the case changes. */
typedef struct forged {
    uint32_t version; /* 0: no such key */
    const char *layout;
    uint32_t alignment, n_dims;
    uint64_t ne[4];
    uint32_t type;
    uint64_t offset;
    size_t data;
} forged;
static const forged right = {1, "panel16", 4096, 2, {64, 17}, SUAN__PACKED_TYPE + SUAN__Q4_0, 0, 32 * 36};

static void forge(suan__buf *b, const forged *f) {
    forge_header(b, 3, 1, 1 + (f->version > 0) + (f->layout != NULL));
    forge_value(b, "general.alignment", SUAN__GGUF_U32, f->alignment, 4);
    if (f->version) forge_value(b, "suan.packed.version", SUAN__GGUF_U32, f->version, 4);
    if (f->layout) {
        forge_string(b, "suan.packed.layout");
        forge_int(b, SUAN__GGUF_STRING, 4);
        forge_string(b, f->layout);
    }
    forge_tensor(b, "my.tensor", f->n_dims, f->ne, f->type, f->offset);
    forge_pad(b, f->alignment);
    forge_data(b, f->data);
}

static void test_packed_header(void **state) {
    (void)state;
    suan__buf b = {0};
    forged f = right;
    forge(&b, &f);
    FORGE_ACCEPTED(&b);
#define REFUSED(change, words) \
    f = right;                 \
    change;                    \
    forge(&b, &f);             \
    FORGE_REFUSED(&b, words)
    REFUSED(f.version = 0, "suan.packed.version");
    REFUSED(f.version = 2, "version 2");
    REFUSED(f.version = UINT32_MAX, "pack the model anew");
    REFUSED(f.layout = NULL, "suan.packed.layout");
    REFUSED(f.layout = "", "expected 1");
    REFUSED(f.layout = "panel8", "panel8");
    REFUSED(f.layout = "panel16x", "panel16x");
    REFUSED(f.alignment = 2048, "need 4096");
    REFUSED(f.offset = 2048, "multiple of the alignment");
    REFUSED(f.type = SUAN__PACKED_TYPE + 200, "packed type");
    REFUSED(f.type = SUAN__PACKED_TYPE + 256, "my.tensor has type");
    REFUSED(f.n_dims = 1, "1 dimensions, expected 2 or 3");
    REFUSED((f.n_dims = 4, f.ne[2] = f.ne[3] = 1), "4 dimensions, expected 2 or 3");
    REFUSED(f.ne[0] = 63, "no whole number of Q4_0 blocks");
    REFUSED(f.data--, "cut short");
    REFUSED(f.ne[1] = 33, "cut short");                /* one row more is one panel more */
    REFUSED((f.n_dims = 3, f.ne[2] = 2), "cut short"); /* the second matrix begins at 4096 */
    REFUSED((f.n_dims = 3, f.ne[2] = 2, f.data = 4096 + 32 * 36 - 1), "cut short");
    REFUSED(f.ne[1] = UINT64_MAX, "overflows"); /* no panel above it */
    REFUSED(f.ne[1] = UINT64_MAX - 14, "overflows");
    REFUSED((f.n_dims = 3, f.ne[2] = UINT64_C(1) << 55), "overflows");                            /* times 4096 */
    REFUSED((f.n_dims = 3, f.ne[1] = 1, f.ne[0] = 32, f.ne[2] = UINT64_C(1) << 52), "overflows"); /* the values alone would fit */
    REFUSED((f.n_dims = 3, f.ne[1] = UINT64_C(1) << 32, f.ne[2] = UINT64_C(1) << 32), "overflows");
#undef REFUSED
    f = right;
    f.n_dims = 3;
    f.ne[2] = 2;
    f.data = 4096 + 32 * 36;
    forge(&b, &f);
    FORGE_ACCEPTED(&b);
    f = right;
    f.version = 0; /* nothing packed: nobody asks */
    f.layout = NULL;
    f.type = SUAN__Q4_0;
    forge(&b, &f);
    FORGE_ACCEPTED(&b);
    suan__buf_fini(&b);
}

/* ---- a packed model, changed ---- */

static const char config[] =
    "{\"model_type\":\"deepseek_v2\",\"vocab_size\":40,\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
    "\"intermediate_size\":64,\"first_k_dense_replace\":1,\"moe_intermediate_size\":32,\"n_routed_experts\":3,\"num_experts_per_tok\":2,"
    "\"n_shared_experts\":1,\"kv_lora_rank\":32,\"qk_nope_head_dim\":32,\"qk_rope_head_dim\":16,\"v_head_dim\":32,\"q_lora_rank\":null,"
    "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,\"tie_word_embeddings\":false}";

typedef struct packed_model {
    scratch s;
    char path[PATH_MAX];
    char *bytes;
    size_t n, list, list_end; /* the file; its list of tensors */
} packed_model;

static void *find_bytes(const packed_model *m, const char *what) {
    char *p = memmem(m->bytes, m->n, what, strlen(what));
    assert_non_null(p);
    return p;
}

static void packed_make(packed_model *m) {
    suan_error err;
    suan_convert_options o = {.type = "q8_0", .n_threads = 1, .packed = true};
    suan__checkpoint *ck;
    scratch_make(&m->s);
    snprintf(m->path, sizeof m->path, "%s", scratch_path(&m->s, "model.gguf"));
    char shape[PATH_MAX];
    snprintf(shape, sizeof shape, "%s", scratch_text(&m->s, "config.json", config));
    if (suan_convert_random(shape, m->path, &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(suan__file_slurp(m->path, 1 << 24, &m->bytes, &m->n, &err), SUAN_OK);
    assert_int_equal(suan__checkpoint_open(&ck, m->path, &err), SUAN_OK);
    m->list = (size_t)((char *)find_bytes(m, ck->tensors[0].name) - m->bytes) - 8;
    const suan__tensor *last = &ck->tensors[ck->n_tensors - 1];
    m->list_end = (size_t)((char *)find_bytes(m, last->name) - m->bytes) + strlen(last->name) + 4 + 8 * (size_t)last->n_dims + 12;
    suan__checkpoint_close(&ck);
    if (image_try(m->path, &err) != SUAN_OK) fail_msg("%s", err.message);
}

static void packed_remove(packed_model *m) {
    suan__free(m->bytes);
    scratch_remove(&m->s);
}

static suan_status attempt(packed_model *m, suan_error *err) {
    image_write_bytes(m->path, m->bytes, m->n);
    return image_try(m->path, err);
}

/* Where the entry of a tensor keeps its first dimension, its type, and its offset. */
static char *entry(const packed_model *m, const char *name, int n_dims, char **type, char **offset) {
    char *p = (char *)find_bytes(m, name) + strlen(name);
    assert_int_equal((uint8_t)p[0], n_dims);
    *type = p + 4 + 8 * n_dims;
    *offset = *type + 4;
    return p + 4;
}

static void expect_refused(packed_model *m, const char *words) {
    suan_error err;
    if (attempt(m, &err) == SUAN_OK) fail_msg("%s: accepted", words);
    if (!strstr(err.message, words)) fail_msg("%s: \"%s\"", words, err.message);
}

static void test_packed_tensors_that_do_not_fit(void **state) {
    (void)state;
    packed_model m;
    suan_error err;
    char *type, *offset, saved[64];
    packed_make(&m);
    /* Two at the same place. */
    entry(&m, "output.weight", 2, &type, &offset);
    memcpy(saved, offset, 8);
    memset(offset, 0, 8);
    expect_refused(&m, "overlap");
    memcpy(offset, saved, 8);
    /* Types of the same or another size: refused, or a matrix of other values inside its own bytes. */
    for (uint32_t t = 0; t < 48; t++) {
        uint32_t id = SUAN__PACKED_TYPE + t;
        memcpy(saved, type, 4);
        memcpy(type, &id, 4);
        suan_status status = attempt(&m, &err);
        if (status == SUAN_OK && t != SUAN__Q8_0 && t != SUAN__Q4_0 && t != SUAN__Q4_1 && t != SUAN__Q5_0 && t != SUAN__Q5_1 &&
            t != SUAN__IQ4_NL && t != SUAN__MXFP4)
            fail_msg("a packed tensor of type %u was accepted", t);
        memcpy(type, saved, 4);
    }
    /* The plain types of what is packed, and the other way round. */
    uint32_t plain = SUAN__Q8_0, packed_f32 = SUAN__PACKED_TYPE + SUAN__F32;
    memcpy(saved, type, 4);
    memcpy(type, &plain, 4);
    attempt(&m, &err); /* other values, finite or not, all inside */
    memcpy(type, saved, 4);
    entry(&m, "output_norm.weight", 1, &type, &offset);
    memcpy(saved, type, 4);
    memcpy(type, &packed_f32, 4);
    expect_refused(&m, "output_norm.weight has 1 dimensions");
    memcpy(type, saved, 4);
    /* Heads that make one flat matrix, an expert more, a row more. */
    char *ne = entry(&m, "blk.0.attn_v_b.weight", 3, &type, &offset);
    memcpy(saved, ne, 24);
    memcpy(ne, (const uint64_t[]){32, 64, 1}, 24);
    expect_refused(&m, "blk.0.attn_v_b.weight has the shape");
    memcpy(ne, saved, 24);
    ne = entry(&m, "blk.1.ffn_up_exps.weight", 3, &type, &offset);
    ne[16]++;
    expect_refused(&m, "blk.1.ffn_up_exps.weight");
    ne[16]--;
    ne[8]++;
    expect_refused(&m, "blk.1.ffn_up_exps.weight");
    ne[8]--;
    assert_int_equal(attempt(&m, &err), SUAN_OK);
    packed_remove(&m);
}

/* Every byte of the list of tensors, one bit after the other in turn. */
static void test_packed_list_with_a_bit_changed(void **state) {
    (void)state;
    packed_model m;
    suan_error err;
    size_t n_accepted = 0;
    packed_make(&m);
    for (size_t i = m.list, k = 0; i < m.list_end; i++, k++) {
        char good = m.bytes[i];
        m.bytes[i] = (char)(good ^ 1 << k % 8);
        n_accepted += attempt(&m, &err) == SUAN_OK;
        m.bytes[i] = good;
    }
    assert_true(n_accepted < (m.list_end - m.list) / 4);
    packed_remove(&m);
}

/* Cut anywhere before it is opened. */
static void test_packed_file_cut_short(void **state) {
    (void)state;
    packed_model m;
    suan_error err;
    packed_make(&m);
    for (size_t n = 0; n < m.n - 4096; n += 1009) {
        image_write_bytes(m.path, m.bytes, n);
        assert_int_not_equal(image_try(m.path, &err), SUAN_OK);
    }
    packed_remove(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_header),
        cmocka_unit_test(test_packed_tensors_that_do_not_fit),
        cmocka_unit_test(test_packed_list_with_a_bit_changed),
        cmocka_unit_test(test_packed_file_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
