/* test_dense.c: sparse attention that selects everything is dense attention: DeepSeek-V3.2 against the same file as DeepSeek-V3, without its indexer, bit for bit. */
#include <stdio.h>

#include "../base/scratch.h"
#include "fixture.h"
#include "formats/checkpoint.h"
#include "formats/gguf_write.h"
#include "rows.h"

static suan_error err;
#define OK(call)                                            \
    do {                                                    \
        if ((call) != SUAN_OK) fail_msg("%s", err.message); \
    } while (0)

/* The keys of deepseek32 as those of deepseek2; tensors but the indexer's. */
static void without_indexer(const char *from, const char *to) {
    suan__checkpoint *ck;
    suan__gguf_writer w;
    suan__out out;
    OK(suan__checkpoint_open(&ck, from, &err));
    OK(suan__gguf_writer_init(&w, 32, &err));
    for (uint64_t i = 0; i < ck->gguf->n_values; i++) {
        suan__gguf_value v = ck->gguf->values[i];
        char key[256];
        snprintf(key, sizeof key, "%.*s", (int)v.key.n, v.key.data);
        if (strstr(key, ".indexer.") || strncmp(key, "tokenizer.", 10) == 0) continue;
        if (strcmp(key, "general.architecture") == 0) {
            OK(suan__gguf_put_str(&w, key, "deepseek2", 9, &err));
            continue;
        }
        if (strncmp(key, "deepseek32.", 11) == 0) {
            memmove(key + 10, key + 11, strlen(key + 11) + 1);
            memcpy(key, "deepseek2.", 10);
        }
        v.key = (suan__gguf_string){key, strlen(key)};
        OK(suan__gguf_put_value(&w, &v, &err));
    }
    OK(suan__gguf_put_str(&w, "tokenizer.ggml.model", "no_vocab", 8, &err));
    for (int walk = 0; walk < 2; walk++) {
        if (walk) OK(suan__out_open(&out, to, &err));
        if (walk) OK(suan__gguf_write_header(&w, &out, &err));
        for (uint64_t i = 0; i < ck->n_tensors; i++) {
            const suan__tensor *t = &ck->tensors[i];
            if (strstr(t->name, ".indexer.")) continue;
            if (!walk) {
                OK(suan__gguf_put_tensor(&w, t->name, t->type, t->n_dims, t->ne, &err));
                continue;
            }
            void *data = test_malloc(t->n_bytes);
            OK(suan__checkpoint_read(ck, t, 0, data, t->n_bytes, &err));
            OK(suan__gguf_write_data(&w, &out, data, t->n_bytes, &err));
            test_free(data);
        }
    }
    OK(suan__gguf_write_finish(&w, &out, &err));
    suan__gguf_writer_fini(&w);
    suan__checkpoint_close(&ck);
}

static rows feed(const char *path, const int32_t *ids, uint32_t n, uint32_t n_vocab, suan_kv_type kv, suan_activations activations) {
    suan_session_options o = {.n_ctx = 256, .kv = kv, .activations = activations, .chunk = 3, .rounding = SUAN_ROUNDING_NONE};
    suan_model *model = open_model(path, NULL, test_threads());
    suan_session *session;
    OK(suan_session_create(&session, model, &o, &err));
    rows r = rows_make(n, n_vocab);
    rows_feed(&r, session, ids, 0, n);
    suan_session_close(&session);
    suan_model_close(&model);
    return r;
}

static void test_few_positions_are_dense_attention(void **state) {
    (void)state;
    enum { TOP_K = 8, N = 20 };
    fixture f;
    scratch s;
    if (!fixture_open(&f, "deepseek_v32")) skip();
    scratch_make(&s);
    const char *plain = scratch_path(&s, "plain.gguf");
    without_indexer(f.gguf, plain);
    for (int k = 0; k < 4; k++) {
        suan_kv_type kv = k % 2 ? SUAN_KV_F16 : SUAN_KV_F32;
        suan_activations a = k / 2 ? SUAN_ACTIVATIONS_Q8 : SUAN_ACTIVATIONS_EXACT;
        rows sparse = feed(f.gguf, f.prompts[1].ids, N, (uint32_t)f.n_vocab, kv, a);
        rows dense = feed(plain, f.prompts[1].ids, N, (uint32_t)f.n_vocab, kv, a);
        assert_memory_equal(sparse.data, dense.data, TOP_K * f.n_vocab * sizeof(float));
        for (size_t t = TOP_K; t < N; t++) /* and from there on something is left out */
            assert_true(memcmp(sparse.data + t * f.n_vocab, dense.data + t * f.n_vocab, f.n_vocab * sizeof(float)) != 0);
        test_free(sparse.data);
        test_free(dense.data);
    }
    scratch_remove(&s);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_positions_are_dense_attention)};
    return cmocka_run_group_tests_name("dense", tests, NULL, NULL);
}
