/* test_packed.c: packed files: what convert puts into them, that plain files come out of them again, and that a file which is cut or changed
 * under a running session ends it with an error. That they give the same bits is in tests/oracle/test_bits.c. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/scratch.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "suan/convert.h"
#include "suan/inspect.h"
#include "suan/session.h"

/* Experts, latent attention, rows that are no multiples of 16, a router. */
static const char config[] =
    "{\"model_type\":\"deepseek_v3\",\"vocab_size\":301,\"hidden_size\":256,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
    "\"intermediate_size\":320,\"first_k_dense_replace\":1,\"moe_intermediate_size\":96,\"n_routed_experts\":5,\"num_experts_per_tok\":2,"
    "\"n_shared_experts\":1,\"n_group\":1,\"topk_group\":1,\"routed_scaling_factor\":1.5,\"kv_lora_rank\":64,\"q_lora_rank\":64,"
    "\"qk_nope_head_dim\":40,\"qk_rope_head_dim\":16,\"v_head_dim\":32,\"max_position_embeddings\":512,\"rms_norm_eps\":1e-6,"
    "\"rope_theta\":10000,\"tie_word_embeddings\":false}";

typedef struct places {
    scratch s;
    char config[PATH_MAX], plain[PATH_MAX], packed[PATH_MAX], other[PATH_MAX];
} places;

static void places_make(places *p) {
    scratch_make(&p->s);
    snprintf(p->config, sizeof p->config, "%s", scratch_text(&p->s, "shape/config.json", config));
    snprintf(p->plain, sizeof p->plain, "%s", scratch_path(&p->s, "plain.gguf"));
    snprintf(p->packed, sizeof p->packed, "%s", scratch_path(&p->s, "packed.gguf"));
    snprintf(p->other, sizeof p->other, "%s", scratch_path(&p->s, "other.gguf"));
}

static void make_random(const places *p, const char *out, const char *type, bool packed, bool split) {
    suan_convert_options o = {.type = type, .n_threads = 2, .seed = 3, .packed = packed, .split_kv_b = split};
    suan_error err;
    if (suan_convert_random(p->config, out, &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
}

static void convert(const char *in, const char *out, const char *type, bool packed) {
    suan_convert_options o = {.type = type, .n_threads = 2, .packed = packed};
    suan_error err;
    if (suan_convert(in, out, &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
}

static void expect_same(const char *a, const char *b, const char *what) {
    char *x, *y;
    size_t n, m;
    assert_int_equal(suan__file_slurp(a, 1 << 28, &x, &n, NULL), SUAN_OK);
    assert_int_equal(suan__file_slurp(b, 1 << 28, &y, &m, NULL), SUAN_OK);
    if (n != m || memcmp(x, y, n) != 0) fail_msg("%s: %s and %s differ", what, a, b);
    suan__free(x);
    suan__free(y);
}

/* Whatever way leads to a packed file, it is the same one, and the way back leads to the plain one. */
static void test_packed_all_ways_meet(void **state) {
    (void)state;
    places p;
    places_make(&p);
    for (int split = 0; split < 2; split++) {
        for (size_t i = 0; suan_convert_type(i); i++) {
            const char *type = suan_convert_type(i);
            make_random(&p, p.plain, type, false, split);
            make_random(&p, p.packed, type, true, split);
            convert(p.plain, p.other, NULL, true);
            expect_same(p.packed, p.other, type);
            convert(p.packed, p.other, NULL, true);
            expect_same(p.packed, p.other, type);
            convert(p.packed, p.other, NULL, false);
            expect_same(p.plain, p.other, type);
        }
    }
    /* Another type on the way. */
    make_random(&p, p.plain, "bf16", false, false);
    convert(p.plain, p.packed, "q4_0", true);
    convert(p.plain, p.other, "q4_0", false);
    convert(p.other, p.plain, NULL, true);
    expect_same(p.packed, p.plain, "quantised and packed");
    convert(p.packed, p.plain, "q8_0", false);
    scratch_remove(&p.s);
}

static void test_packed_is_laid_out_as_described(void **state) {
    (void)state;
    places p;
    suan_error err;
    suan__checkpoint *ck;
    suan__gguf_string layout;
    uint32_t version = 0;
    places_make(&p);
    make_random(&p, p.packed, "q4_0", true, false);
    assert_int_equal(suan__checkpoint_open(&ck, p.packed, &err), SUAN_OK);
    assert_int_equal(ck->gguf->alignment, SUAN__PACKED_ALIGNMENT);
    assert_int_equal(suan__gguf_u32(ck->gguf, "suan.packed.version", true, &version, &err), SUAN_OK);
    assert_int_equal(version, SUAN__PACKED_VERSION);
    assert_int_equal(suan__gguf_str(ck->gguf, "suan.packed.layout", true, &layout, &err), SUAN_OK);
    for (uint64_t i = 0; i < ck->n_tensors; i++) {
        const suan__tensor *t = &ck->tensors[i];
        assert_int_equal(t->offset % 4096, 0);
        assert_int_equal(t->is_packed, t->n_dims > 1 && !strstr(t->name, "attn_kv_b"));
    }
    const suan__tensor *e = suan__checkpoint_find(ck, "blk.1.ffn_down_exps.weight"); /* 5 experts of [256, 96] */
    assert_int_equal(e->n_bytes, 4 * 16384 + 256 * 96 / 32 * 18);          /* 13,824 bytes each, filled up to 16,384 but the last */
    const suan__tensor *head = suan__checkpoint_find(ck, "output.weight"); /* 301 rows: 19 panels */
    assert_int_equal(head->n_bytes, 19 * 16 * 256 / 32 * 18);
    assert_int_equal(suan__checkpoint_find(ck, "blk.0.attn_k_b.weight")->type, SUAN__F32); /* used against the direction of its blocks */
    assert_int_equal(suan__checkpoint_find(ck, "blk.0.attn_v_b.weight")->type, SUAN__Q4_0);
    assert_int_equal(suan__checkpoint_find(ck, "blk.0.attn_kv_b.weight")->type, SUAN__Q4_0);
    suan__checkpoint_close(&ck);
    scratch_remove(&p.s);
}

static void test_packed_tensor_expands_as_the_plain_one(void **state) {
    (void)state;
    static const char *const names[] = {"blk.1.ffn_down_exps.weight", "output.weight", "blk.1.ffn_gate_inp.weight", "output_norm.weight"};
    places p;
    char a[PATH_MAX], b[PATH_MAX];
    suan_error err;
    places_make(&p);
    make_random(&p, p.plain, "q5_k", false, false);
    make_random(&p, p.packed, "q5_k", true, false);
    snprintf(a, sizeof a, "%s", scratch_path(&p.s, "a.safetensors"));
    snprintf(b, sizeof b, "%s", scratch_path(&p.s, "b.safetensors"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (suan_inspect_tensor(p.plain, names[i], a, &err) != SUAN_OK) fail_msg("%s", err.message);
        if (suan_inspect_tensor(p.packed, names[i], b, &err) != SUAN_OK) fail_msg("%s", err.message);
        expect_same(a, b, names[i]);
    }
    scratch_remove(&p.s);
}

/* ---- a file that changes under a session ---- */

typedef struct running {
    places p;
    suan_model *model;
    suan_session *session;
} running;

static void start(running *r) {
    static const suan_session_options options = {.n_ctx = 64};
    static const suan_model_options model_options = {.n_threads = 2};
    suan_error err;
    places_make(&r->p);
    make_random(&r->p, r->p.packed, "q8_0", true, false);
    assert_int_equal(suan__map_guard_install(&err), SUAN_OK);
    if (suan_model_open(&r->model, r->p.packed, &model_options, &err) != SUAN_OK) fail_msg("%s", err.message);
    if (suan_session_create(&r->session, r->model, &options, &err) != SUAN_OK) fail_msg("%s", err.message);
}

static suan_status feed(running *r, suan_error *err) {
    static const int32_t ids[] = {1, 2, 3};
    return suan_session_feed(r->session, ids, 3, err);
}

static void expect_broken(running *r) {
    suan_error err = {0};
    for (int i = 0; i < 2; i++) { /* and it stays so */
        assert_int_equal(feed(r, &err), SUAN_EIO);
        assert_non_null(strstr(err.message, "packed.gguf"));
        assert_non_null(strstr(err.message, "cut or changed"));
        assert_null(suan_session_logits(r->session));
    }
    suan_session_close(&r->session);
    suan_model_close(&r->model);
    scratch_remove(&r->p.s);
}

static void test_packed_file_that_shrinks_fails_the_step(void **state) {
    (void)state;
    struct stat st;
    for (int i = 0; i < 3; i++) { /* nothing left, half of it, all but the last bytes of a page that stays */
        running r;
        suan_error err;
        start(&r);
        if (feed(&r, &err) != SUAN_OK) fail_msg("%s", err.message);
        assert_int_equal(stat(r.p.packed, &st), 0);
        assert_int_equal(truncate(r.p.packed, i == 0 ? 0 : i == 1 ? st.st_size / 2 : st.st_size - 5), 0);
        expect_broken(&r);
    }
}

static void test_packed_file_that_is_written_to_fails_the_step(void **state) {
    (void)state;
    running r;
    suan_error err;
    start(&r);
    if (feed(&r, &err) != SUAN_OK) fail_msg("%s", err.message);
    struct timespec old[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}}; /* the clock of file times is coarse */
    int fd = open(r.p.packed, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "x", 1, 5000) == 1 && futimens(fd, old) == 0);
    close(fd);
    expect_broken(&r);
}

/* The name may go, and another file may take it: the mapping is of the old one. */
static void test_packed_file_that_is_replaced_goes_on(void **state) {
    (void)state;
    running r;
    suan_error err;
    start(&r);
    make_random(&r.p, r.p.packed, "q4_0", true, false);
    if (feed(&r, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_int_equal(unlink(r.p.packed), 0);
    if (feed(&r, &err) != SUAN_OK) fail_msg("%s", err.message);
    suan_session_close(&r.session);
    suan_model_close(&r.model);
    scratch_remove(&r.p.s);
}

static void test_packed_out_of_memory(void **state) {
    (void)state;
    places p;
    places_make(&p);
    make_random(&p, p.packed, "q4_0", true, false);
    for (uint64_t n = 1;; n++) {
        suan_model *model;
        suan_model_options o = {.n_threads = 1};
        suan_error err = {0};
        suan__alloc_fail_at(n);
        suan_status status = suan_model_open(&model, p.packed, &o, &err);
        suan__alloc_fail_at(0);
        suan_model_close(&model);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_true(n < 10000);
    }
    suan_convert_options o = {.n_threads = 1, .packed = true}, back = {.n_threads = 1};
    for (int way = 0; way < 2; way++) {
        for (uint64_t n = 1;; n++) {
            suan_error err = {0};
            suan__alloc_fail_at(n);
            suan_status status = suan_convert(p.packed, p.other, way ? &back : &o, NULL, &err);
            suan__alloc_fail_at(0);
            if (status == SUAN_OK) break;
            assert_int_equal(status, SUAN_ENOMEM);
            assert_true(n < 20000);
        }
    }
    scratch_remove(&p.s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_all_ways_meet),
        cmocka_unit_test(test_packed_is_laid_out_as_described),
        cmocka_unit_test(test_packed_tensor_expands_as_the_plain_one),
        cmocka_unit_test(test_packed_file_that_shrinks_fails_the_step),
        cmocka_unit_test(test_packed_file_that_is_written_to_fails_the_step),
        cmocka_unit_test(test_packed_file_that_is_replaced_goes_on),
        cmocka_unit_test(test_packed_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
