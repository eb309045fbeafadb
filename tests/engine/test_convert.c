/* test_convert.c: random models of published shapes, GGUF files of several parts, and what makes a conversion fail: whatever it is, nothing is
 * left behind. */
#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

#include "../base/scratch.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/checkpoint.h"
#include "formats/gguf_write.h"
#include "kernels/kernels.h"
#include "model/plan.h"
#include "suan/convert.h"

/* The smallest model of experts and latent attention that K-quants fit. */
static const char config[] =
    "{\"model_type\":\"deepseek_v3\",\"vocab_size\":300,\"hidden_size\":256,\"num_hidden_layers\":3,\"num_attention_heads\":2,"
    "\"intermediate_size\":320,\"first_k_dense_replace\":1,\"moe_intermediate_size\":64,\"n_routed_experts\":8,\"num_experts_per_tok\":2,"
    "\"n_shared_experts\":1,\"n_group\":1,\"topk_group\":1,\"routed_scaling_factor\":1.5,\"kv_lora_rank\":64,\"q_lora_rank\":64,"
    "\"qk_nope_head_dim\":32,\"qk_rope_head_dim\":16,\"v_head_dim\":32,\"max_position_embeddings\":512,\"rms_norm_eps\":1e-6,"
    "\"rope_theta\":10000,\"tie_word_embeddings\":false}";

typedef struct places {
    scratch s;
    char in[PATH_MAX], out[PATH_MAX], config[PATH_MAX];
} places;

static void places_make(places *p) {
    scratch_make(&p->s);
    snprintf(p->config, sizeof p->config, "%s", scratch_text(&p->s, "shape/config.json", config));
    snprintf(p->in, sizeof p->in, "%s", scratch_path(&p->s, "in.gguf"));
    snprintf(p->out, sizeof p->out, "%s", scratch_path(&p->s, "out.gguf"));
}

static int n_entries(const char *dir) {
    DIR *d = opendir(dir);
    int n = 0;
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void make_random(const places *p, const char *out, const char *type, int n_threads) {
    suan_convert_options o = {.type = type, .n_threads = n_threads, .seed = 7};
    suan_error err;
    if (suan_convert_random(p->config, out, &o, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
}

static bool same_files(const char *a, const char *b) {
    char *x, *y;
    size_t n, m;
    assert_int_equal(suan__file_slurp(a, 1 << 28, &x, &n, NULL), SUAN_OK);
    assert_int_equal(suan__file_slurp(b, 1 << 28, &y, &m, NULL), SUAN_OK);
    bool same = n == m && memcmp(x, y, n) == 0;
    suan__free(x);
    suan__free(y);
    return same;
}

/* ---- shapes ---- */

/* The totals that the published models have: architectures' tables, computed outside. */
static void test_convert_shapes_have_the_published_sizes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint64_t n_params;
    } want[] = {{"deepseek-v2-lite", 15706484224},  {"deepseek-v2", 235741434880},
                {"deepseek-v3", 671026419200},      {"kimi-k2", 1026408232448},
                {"deepseek-v3.2", 671877944064},    {"deepseek-v4-flash", 284332240471},
                {"deepseek-v4-pro", 1572997201763}, {"glm-5", 743911218432},
                {"glm-5.2", 743377019904},          {"gpt-oss-20b", 20914757184},
                {"gpt-oss-120b", 116829156672},     {"llama-3-8b", 8030261248},
                {"llama-3-70b", 70553706496},       {"llama-3.1-405b", 405853388800},
                {"llama-3.2-1b", 1235814400},       {"llama-3.2-3b", 3212749824},
                {"qwen2.5-0.5b", 494032768},        {"qwen2.5-1.5b", 1543714304},
                {"qwen2.5-3b", 3085938688},         {"qwen2.5-7b", 7615616512},
                {"qwen2.5-14b", 14770033664},       {"qwen2.5-32b", 32763876352},
                {"qwen2.5-72b", 72706203648},       {"qwen3-0.6b", 596049920},
                {"qwen3-1.7b", 1720574976},         {"qwen3-4b", 4022468096},
                {"qwen3-8b", 8190735360},           {"qwen3-14b", 14768307200},
                {"qwen3-32b", 32762123264},         {"qwen3-30b-a3b", 30532122624},
                {"qwen3-235b-a22b", 235093634560},  {"qwen3-coder-480b-a35b", 480154875392}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        json_t *json;
        const suan__family *family;
        suan__hparams hp;
        suan__plan plan;
        suan__arena arena;
        suan_error err;
        suan__arena_init(&arena, 1 << 16);
        assert_int_equal(suan__shape_config(want[i].name, &json, &err), SUAN_OK);
        suan__checkpoint ck = {.kind = SUAN__CHECKPOINT_HF, .path = want[i].name, .dir = want[i].name, .config = json};
        if (suan__family_find(&family, &ck, &err) != SUAN_OK || suan__hparams_read(&hp, family, &ck, &arena, &err) != SUAN_OK ||
            suan__plan_make(&plan, family, &hp, &ck, true, false, &arena, &err) != SUAN_OK)
            fail_msg("%s", err.message);
        uint64_t n = 0;
        for (const suan__plan_tensor *t = plan.first; t; t = t->next)
            if (!t->values && !t->n_ids) n += t->ne[0] * t->ne[1] * t->ne[2];
        assert_int_equal(n, want[i].n_params);
        assert_int_equal(plan.n_params, want[i].n_params);
        json_decref(json);
        suan__arena_fini(&arena);
    }
    for (size_t i = 0; suan_convert_shape(i); i++) {
        json_t *json;
        assert_int_equal(suan__shape_config(suan_convert_shape(i), &json, NULL), SUAN_OK);
        json_decref(json);
    }
}

/* Mean and deviation of what every type's random blocks stand for; the same bytes in one piece and in several. */
static void test_convert_random_weights_are_standardised(void **state) {
    (void)state;
    enum { K = 1024, N = 64 * 1024 };
    for (size_t i = 0; suan_convert_type(i); i++) {
        static const suan__dtype types[] = {SUAN__F32,  SUAN__F16,    SUAN__BF16,   SUAN__Q8_0, SUAN__Q4_0, SUAN__Q4_1,
                                            SUAN__Q5_0, SUAN__Q5_1,   SUAN__Q2_K,   SUAN__Q3_K, SUAN__Q4_K, SUAN__Q5_K,
                                            SUAN__Q6_K, SUAN__IQ4_NL, SUAN__IQ4_XS, SUAN__MXFP4};
        assert_true(i < sizeof types / sizeof *types);
        const suan__dtype_info *info = suan__dtype_get(types[i]);
        size_t bytes = (size_t)N / info->block * info->bytes;
        unsigned char *a = test_malloc(bytes), *b = test_malloc(bytes);
        float *x = test_malloc(N * sizeof *x);
        suan__random_weights(types[i], a, K, 0, N, 5);
        for (size_t at = 0; at < N; at += 7 * 256) {
            size_t n = N - at < 7 * 256 ? N - at : 7 * 256;
            suan__random_weights(types[i], b + at / info->block * info->bytes, K, at, n, 5);
        }
        assert_memory_equal(a, b, bytes);
        suan__dequantize_row(types[i], x, a, N);
        double sum = 0, squares = 0;
        for (size_t j = 0; j < N; j++) {
            assert_true(isfinite(x[j]));
            sum += x[j];
            squares += (double)x[j] * x[j];
        }
        double one = 1 / sqrt(K), deviation = sqrt(squares / N) / one, mean = sum / N / one;
        if (fabs(mean) > 0.02 || deviation < (types[i] == SUAN__MXFP4 ? 0.7 : 0.97) || deviation > (types[i] == SUAN__MXFP4 ? 1.42 : 1.03))
            fail_msg("%s: mean %g, deviation %g", info->name, mean, deviation);
        test_free(a);
        test_free(b);
        test_free(x);
    }
}

static void test_convert_random_is_the_same_for_any_threads(void **state) {
    (void)state;
    places p;
    places_make(&p);
    make_random(&p, p.in, "q4_k", 1);
    make_random(&p, p.out, "q4_k", 3);
    assert_true(same_files(p.in, p.out));
    make_random(&p, p.out, "q8_0", 1);
    assert_false(same_files(p.in, p.out));
    scratch_remove(&p.s);
}

/* ---- types, and what gives way ---- */

static void test_convert_rows_that_do_not_divide_give_way(void **state) {
    (void)state;
    places p;
    suan_convert_options o = {.type = "q4_k", .n_threads = 1};
    suan_convert_result r;
    suan_error err;
    suan__checkpoint *ck;
    places_make(&p);
    assert_int_equal(suan_convert_random(p.config, p.in, &o, &r, &err), SUAN_OK);
    assert_int_equal(suan__checkpoint_open(&ck, p.in, &err), SUAN_OK);
    assert_int_equal(suan__checkpoint_find(ck, "blk.0.attn_q_a.weight")->type, SUAN__Q4_K);    /* rows of 256 */
    assert_int_equal(suan__checkpoint_find(ck, "blk.0.ffn_down.weight")->type, SUAN__Q8_0);    /* of 320 */
    assert_int_equal(suan__checkpoint_find(ck, "blk.1.ffn_gate_inp.weight")->type, SUAN__F32); /* the router */
    assert_int_equal(suan__checkpoint_find(ck, "blk.1.attn_norm.weight")->type, SUAN__F32);
    assert_int_equal(suan__checkpoint_find(ck, "blk.1.ffn_gate_exps.weight")->ne[2], 8);
    assert_int_equal(r.n_tensors, ck->n_tensors);
    assert_true(r.n_fallback > 0);
    suan__checkpoint_close(&ck);
    scratch_remove(&p.s);
}

/* Its parts' tensors are those of the whole. */
static void write_split(const places *p, const suan__checkpoint *ck, uint16_t no) {
    char name[64];
    suan__gguf_writer w;
    suan__out out;
    suan_error err;
    scratch s = p->s;
    uint16_t count = 2;
    int32_t total = (int32_t)ck->n_tensors;
    snprintf(name, sizeof name, "part-%05d-of-00002.gguf", no + 1);
    assert_int_equal(suan__gguf_writer_init(&w, 64, &err), SUAN_OK);
    for (uint64_t i = 0; no == 0 && i < ck->gguf->n_values; i++)
        assert_int_equal(suan__gguf_put_value(&w, &ck->gguf->values[i], &err), SUAN_OK);
    assert_int_equal(suan__gguf_put(&w, "split.no", SUAN__GGUF_U16, SUAN__GGUF_U8, &no, 1, &err), SUAN_OK);
    assert_int_equal(suan__gguf_put(&w, "split.count", SUAN__GGUF_U16, SUAN__GGUF_U8, &count, 1, &err), SUAN_OK);
    assert_int_equal(suan__gguf_put(&w, "split.tensors.count", SUAN__GGUF_I32, SUAN__GGUF_U8, &total, 1, &err), SUAN_OK);
    uint64_t half = ck->n_tensors / 2, begin = no ? half : 0, end = no ? ck->n_tensors : half;
    for (uint64_t i = begin; i < end; i++)
        assert_int_equal(
            suan__gguf_put_tensor(&w, ck->tensors[i].name, ck->tensors[i].type, ck->tensors[i].n_dims, ck->tensors[i].ne, &err), SUAN_OK);
    assert_int_equal(suan__out_open(&out, scratch_path(&s, name), &err), SUAN_OK);
    assert_int_equal(suan__gguf_write_header(&w, &out, &err), SUAN_OK);
    for (uint64_t i = begin; i < end; i++) {
        void *data = test_malloc(ck->tensors[i].n_bytes);
        assert_int_equal(suan__checkpoint_read(ck, &ck->tensors[i], 0, data, ck->tensors[i].n_bytes, &err), SUAN_OK);
        assert_int_equal(suan__gguf_write_data(&w, &out, data, ck->tensors[i].n_bytes, &err), SUAN_OK);
        test_free(data);
    }
    assert_int_equal(suan__gguf_write_finish(&w, &out, &err), SUAN_OK);
    suan__gguf_writer_fini(&w);
}

static void test_convert_parts_become_one_file(void **state) {
    (void)state;
    places p;
    suan__checkpoint *ck;
    suan_error err;
    places_make(&p);
    make_random(&p, p.in, "q5_0", 1);
    assert_int_equal(suan__checkpoint_open(&ck, p.in, &err), SUAN_OK);
    write_split(&p, ck, 0);
    write_split(&p, ck, 1);
    suan__checkpoint_close(&ck);
    if (suan_convert(scratch_path(&p.s, "part-00001-of-00002.gguf"), p.out, NULL, NULL, &err) != SUAN_OK) fail_msg("%s", err.message);
    assert_true(same_files(p.in, p.out)); /* the parts were aligned otherwise and said what they are; nothing of it is left */
    scratch_remove(&p.s);
}

/* ---- failures ---- */

static void expect_failure(places *p, const char *in, const suan_convert_options *o, suan_status status, const char *words) {
    suan_error err = {0};
    int before = n_entries(p->s.dir);
    suan_status found = suan_convert(in, p->out, o, NULL, &err);
    if (found != status || !strstr(err.message, words)) fail_msg("%s: found %s, \"%s\"", words, suan_status_name(found), err.message);
    assert_int_equal(n_entries(p->s.dir), before); /* neither a file nor a temporary one */
}

static bool stop_at_once(void *ctx) {
    (void)ctx;
    return true;
}

static void test_convert_failures_leave_nothing(void **state) {
    (void)state;
    places p;
    suan_error err;
    struct stat st;
    places_make(&p);
    make_random(&p, p.in, "f32", 1);
    suan_convert_options bad_type = {.type = "q9_9"}, threads = {.n_threads = 10000}, stop = {.type = "q8_0", .cancelled = stop_at_once},
                         split = {.split_kv_b = true};
    expect_failure(&p, p.in, &bad_type, SUAN_EINVAL, "q4_k");
    expect_failure(&p, p.in, &threads, SUAN_ERANGE, "n_threads");
    expect_failure(&p, p.in, &stop, SUAN_STOPPED, "stopped");
    expect_failure(&p, p.in, &split, SUAN_EUNSUPPORTED, "kv_b");
    expect_failure(&p, "/nowhere/x.gguf", NULL, SUAN_ENOTFOUND, "nowhere");
    assert_int_equal(suan_convert(p.in, "/dev/full", NULL, NULL, &err), SUAN_EIO);
    assert_int_equal(suan_convert(p.in, p.s.dir, NULL, NULL, &err), SUAN_EINVAL);
    assert_int_equal(suan_convert_random("qwen9", p.out, NULL, NULL, &err), SUAN_ENOTFOUND);
    assert_non_null(strstr(err.message, "qwen3-8b"));
    suan_convert_options many = {.n_layer = 62};
    assert_int_equal(suan_convert_random("deepseek-v3", p.out, &many, NULL, &err), SUAN_ERANGE);
    assert_int_equal(stat(p.in, &st), 0);
    assert_int_equal(truncate(p.in, st.st_size / 2), 0); /* offsets beyond the file */
    suan_convert_options q8 = {.type = "q8_0"};
    expect_failure(&p, p.in, &q8, SUAN_EFORMAT, "in.gguf");
    scratch_remove(&p.s);
}

/* One value of the first matrix replaced in the file. */
static void poke(const char *path, float value) {
    suan__checkpoint *ck;
    suan_error err;
    assert_int_equal(suan__checkpoint_open(&ck, path, &err), SUAN_OK);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)ck->tensors[0].offset + 400, SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, f), 1);
    fclose(f);
    suan__checkpoint_close(&ck);
}

static void test_convert_values_that_do_not_fit_are_refused(void **state) {
    (void)state;
    places p;
    suan_convert_options q8 = {.type = "q8_0"}, f16 = {.type = "f16"}, bf16 = {.type = "bf16"};
    suan_error err;
    places_make(&p);
    make_random(&p, p.in, "f32", 1);
    poke(p.in, 1e6f);
    expect_failure(&p, p.in, &f16, SUAN_ENUMERIC, "too large for F16");
    poke(p.in, NAN);
    expect_failure(&p, p.in, &q8, SUAN_ENUMERIC, "token_embd.weight");
    expect_failure(&p, p.in, &bf16, SUAN_ENUMERIC, "not finite");
    poke(p.in, 1e6f);
    assert_int_equal(suan_convert(p.in, p.out, &bf16, NULL, &err), SUAN_OK);
    scratch_remove(&p.s);
}

/* The N-th allocation fails: an error, no leak, no file, until it works. */
static void test_convert_out_of_memory_leaves_nothing(void **state) {
    (void)state;
    places p;
    suan_convert_options o = {.type = "q4_0", .n_threads = 1};
    places_make(&p);
    make_random(&p, p.in, "bf16", 1);
    for (uint64_t n = 1;; n++) {
        suan_error err = {0};
        suan__alloc_fail_at(n);
        suan_status status = suan_convert(p.in, p.out, &o, NULL, &err);
        suan__alloc_fail_at(0);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_int_equal(n_entries(p.s.dir), 2);
        assert_true(n < 10000);
    }
    for (uint64_t n = 1;; n += n / 16 + 1) {
        suan_error err = {0};
        suan__alloc_fail_at(n);
        suan_status status = suan_convert_random(p.config, p.out, &o, NULL, &err);
        suan__alloc_fail_at(0);
        if (status == SUAN_OK) break;
        assert_int_equal(status, SUAN_ENOMEM);
        assert_true(n < 100000);
    }
    scratch_remove(&p.s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_shapes_have_the_published_sizes),
        cmocka_unit_test(test_convert_random_weights_are_standardised),
        cmocka_unit_test(test_convert_random_is_the_same_for_any_threads),
        cmocka_unit_test(test_convert_rows_that_do_not_divide_give_way),
        cmocka_unit_test(test_convert_parts_become_one_file),
        cmocka_unit_test(test_convert_failures_leave_nothing),
        cmocka_unit_test(test_convert_values_that_do_not_fit_are_refused),
        cmocka_unit_test(test_convert_out_of_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
