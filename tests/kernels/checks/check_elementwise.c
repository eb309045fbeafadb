/* check_elementwise.c: operations on vectors of values, sums, rotations, conversions, quantised activations: every level against C. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

static const size_t lengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 1000, 4099};
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

/* y and its twin for C, three inputs. Every operation here takes some of them. */
typedef struct vectors {
    check_buffer y, expected, a, b, c;
    size_t n;
} vectors;

static float *f(check_buffer *b) {
    return (float *)(void *)b->data;
}

static void vectors_init(check *ck, vectors *v, size_t n, int kind, bool high) {
    size_t skew = (size_t)check_range(ck, 0, 15) * 4;
    check_buffer *all[] = {&v->y, &v->expected, &v->a, &v->b, &v->c};
    v->n = n;
    for (int i = 0; i < 5; i++) check_buffer_init(all[i], n * 4, high, skew);
    check_floats(ck, f(&v->y), n, kind);
    memcpy(v->expected.data, v->y.data, n * 4);
    for (int i = 2; i < 5; i++) {
        check_floats(ck, f(all[i]), n, i == 2 ? kind : check_range(ck, 0, CHECK_KINDS - 1));
        check_buffer_seal(all[i]);
    }
}

/* Compares, and puts y and its twin back to equal values for the next operation. */
static void vectors_check(check *ck, vectors *v) {
    check_equal_floats(ck, f(&v->expected), f(&v->y), v->n);
    check_guards(ck, &v->y, "y");
    check_sealed(ck, &v->a, "a");
    check_sealed(ck, &v->b, "b");
    check_sealed(ck, &v->c, "c");
    memcpy(v->y.data, v->a.data, v->n * 4);
    memcpy(v->expected.data, v->a.data, v->n * 4);
}

static void vectors_fini(vectors *v) {
    check_buffer *all[] = {&v->y, &v->expected, &v->a, &v->b, &v->c};
    for (int i = 0; i < 5; i++) check_buffer_fini(all[i]);
}

/* Runs `call` with k and y for C, then for the level. */
#define BOTH(name, call)                                    \
    do {                                                    \
        check_begin(ck, "%s n=%zu kind=%d", name, n, kind); \
        const suan__kernels *k = ck->c;                     \
        float *y = f(&v.expected);                          \
        call;                                               \
        k = ck->k;                                          \
        y = f(&v.y);                                        \
        call;                                               \
        vectors_check(ck, &v);                              \
    } while (0)

static void check_arithmetic(check *ck, size_t n, int kind, bool high) {
    vectors v;
    vectors_init(ck, &v, n, kind, high);
    const float *a = f(&v.a), *b = f(&v.b), *w = f(&v.c);
    float factor = a[check_random(ck) % n];
    BOTH("add", k->add(y, a, n));
    BOTH("axpy", k->axpy(y, b, factor, n));
    BOTH("rms", y[0] = k->rms(a, n, 1e-6f));
    BOTH("relu_axpy", k->relu_axpy(y, b, factor, n));
    BOTH("div", k->div(y, factor, n));
    BOTH("rms_norm", k->rms_norm(y, a, w, n, 1e-5f));
    BOTH("rms_norm in place", k->rms_norm(y, y, w, n, 0.0f));
    BOTH("swiglu", k->swiglu(y, a, b, n));
    BOTH("swiglu into gate", k->swiglu(y, y, b, n));
    BOTH("swiglu into up", k->swiglu(y, b, y, n));
    BOTH("sigmoid", k->sigmoid(y, a, n));
    BOTH("sigmoid in place", k->sigmoid(y, y, n));
    BOTH("softmax", k->softmax(y, a, n));
    BOTH("softmax in place", k->softmax(y, y, n));
    vectors_fini(&v);
}

/* Every exponent and sign passes through exp: bit patterns in equal steps, from a random start. */
static void check_exponentials(check *ck) {
    enum { N = 4096 };
    static float x[N], expected[N], found[N];
    for (int turn = 0; turn < 64; turn++) {
        uint32_t start = check_random(ck);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t u = start + i * 0x00100801u;
            if ((u & 0x7f800000) == 0x7f800000) u ^= 0x40000000;
            memcpy(x + i, &u, 4);
            if (turn % 2) x[i] = (float)(int32_t)(start + i * 0x00100801u) * 0x1p-24f; /* -128 .. 128 */
        }
        check_begin(ck, "sigmoid of all exponents, turn %d", turn);
        ck->c->sigmoid(expected, x, N);
        ck->k->sigmoid(found, x, N);
        check_equal_floats(ck, expected, found, N);
    }
}

static void check_attention_sums(check *ck, size_t n, int kind, bool high) {
    vectors v;
    float max[2] = {0}, sum[2] = {0}, m[2], s[2];
    vectors_init(ck, &v, n, kind, high);
    check_begin(ck, "attn_softmax n=%zu kind=%d", n, kind);
    ck->c->attn_softmax(f(&v.expected), (int)n, &max[0], &sum[0]);
    ck->k->attn_softmax(f(&v.y), (int)n, &max[1], &sum[1]);
    check_equal_floats(ck, &max[0], &max[1], 1);
    check_equal_floats(ck, &sum[0], &sum[1], 1);
    vectors_check(ck, &v);
    check_floats(ck, m, 2, kind == CHECK_NEAR_MAX ? CHECK_NORMAL : kind);
    s[0] = s[1] = sum[0];
    float m2 = m[1], s2 = sum[1];
    m[1] = m[0];
    check_begin(ck, "attn_merge dv=%zu kind=%d", n, kind);
    ck->c->attn_merge(f(&v.expected), &m[0], &s[0], f(&v.b), m2, s2, (int)n);
    ck->k->attn_merge(f(&v.y), &m[1], &s[1], f(&v.b), m2, s2, (int)n);
    check_equal_floats(ck, &m[0], &m[1], 1);
    check_equal_floats(ck, &s[0], &s[1], 1);
    vectors_check(ck, &v);
    vectors_fini(&v);
}

static void check_conversions(check *ck, size_t n, int kind, bool high) {
    vectors v;
    check_buffer half, found, expected;
    size_t skew = (size_t)check_range(ck, 0, 31) * 2;
    vectors_init(ck, &v, n, kind, high);
    check_buffer_init(&half, n * 2, high, skew);
    check_buffer_init(&found, n * 2, high, skew);
    check_buffer_init(&expected, n * 2, high, skew);
    check_halves(ck, (uint16_t *)(void *)half.data, n, kind);
    check_buffer_seal(&half);
    BOTH("f16_to_f32", k->f16_to_f32(y, (const uint16_t *)(void *)half.data, n));
    if (kind == CHECK_ANY_FINITE || kind == CHECK_MIXED) { /* most are far outside: bring them to the range of halves and its edges */
        static const float edges[] = {65504.0f, 65519.996f, 65520.0f, 0x1p-14f, 0x1p-24f, 0x1p-25f, 0x1.8p-24f, 0x1.000002p-25f, -65520.0f};
        for (size_t i = 0; i < n; i++) {
            float r = f(&v.b)[i], e = edges[check_random(ck) % 9];
            f(&v.a)[i] = check_random(ck) % 3 ? e : (float)(int32_t)check_random(ck) * 0x1p-31f * e * (r > 0 ? 1.0f : -1.5f);
        }
        check_buffer_seal(&v.a);
    }
    check_begin(ck, "f32_to_f16 n=%zu kind=%d", n, kind);
    bool ok_c = ck->c->f32_to_f16((uint16_t *)(void *)expected.data, f(&v.a), n);
    bool ok = ck->k->f32_to_f16((uint16_t *)(void *)found.data, f(&v.a), n);
    check_true(ck, ok == ok_c, "the result differs");
    check_equal_bytes(ck, expected.data, found.data, n * 2);
    check_guards(ck, &found, "y");
    check_sealed(ck, &half, "x");
    check_begin(ck, "all_finite n=%zu kind=%d", n, kind);
    check_true(ck, ck->k->all_finite(f(&v.a), n), "finite values were refused");
    static const uint32_t bad[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xff800001};
    memcpy(v.a.data + check_random(ck) % n * 4, &bad[check_random(ck) % 4], 4);
    check_true(ck, !ck->k->all_finite(f(&v.a), n), "a value that is not finite was not seen");
    check_true(ck, !ck->k->f32_to_f16((uint16_t *)(void *)found.data, f(&v.a), n), "f32_to_f16 did not see a value that is not finite");
    vectors_fini(&v);
    check_buffer_fini(&half);
    check_buffer_fini(&found);
    check_buffer_fini(&expected);
}

static void check_rope(check *ck, size_t n_rot, int kind, bool high) {
    size_t n_head = (size_t)check_range(ck, 1, 3), stride = n_rot + (size_t)check_range(ck, 0, 9), n = (n_head - 1) * stride + n_rot;
    vectors v;
    vectors_init(ck, &v, n, kind, high);
    check_floats(ck, f(&v.b), n, kind == CHECK_NEAR_MAX ? kind : CHECK_NORMAL);
    check_buffer_seal(&v.b);
    const float *cos = f(&v.b), *sin = f(&v.b) + n_rot / 2;
    check_floats(ck, f(&v.y), n, kind);
    memcpy(v.expected.data, v.y.data, n * 4);
    BOTH("rope_interleaved", k->rope_interleaved(y, stride, n_head, n_rot, cos, sin));
    BOTH("rope_half", k->rope_half(y, stride, n_head, n_rot, cos, sin));
    vectors_fini(&v);
}

static void check_quantize(check *ck, size_t n_blocks, size_t block, int kind, bool high) {
    size_t k = n_blocks * block, bytes = suan__q8_row_bytes(k, block), skew = (size_t)check_range(ck, 0, 15) * 4;
    check_buffer x, y, expected;
    check_buffer_init(&x, k * 4, high, skew);
    check_buffer_init(&y, bytes, high, skew);
    check_buffer_init(&expected, bytes, high, skew);
    check_floats(ck, (float *)(void *)x.data, k, kind);
    if (check_random(ck) % 4 == 0) { /* halves after scaling: ties */
        float *p = (float *)(void *)x.data;
        for (size_t i = 0; i < k; i++) p[i] = i % block ? (float)check_range(ck, -254, 254) * 0.5f : 127.0f;
    }
    check_buffer_seal(&x);
    check_begin(ck, "quantize_q8_%zu k=%zu kind=%d", block, k, kind);
    if (block == 32) {
        ck->c->quantize_q8_32(expected.data, (float *)(void *)x.data, k);
        ck->k->quantize_q8_32(y.data, (float *)(void *)x.data, k);
    } else {
        ck->c->quantize_q8_256(expected.data, (float *)(void *)x.data, k);
        ck->k->quantize_q8_256(y.data, (float *)(void *)x.data, k);
    }
    check_equal_bytes(ck, expected.data, y.data, bytes);
    check_guards(ck, &y, "q8");
    check_sealed(ck, &x, "x");
    check_buffer_fini(&x);
    check_buffer_fini(&y);
    check_buffer_fini(&expected);
}

static void run(check *ck) {
    for (int kind = 0; kind < CHECK_KINDS; kind++) {
        for (size_t i = 0; i < N_LENGTHS; i++) {
            check_arithmetic(ck, lengths[i], kind, i % 2);
            check_attention_sums(ck, lengths[i] < 256 ? lengths[i] : 256, kind, i % 2);
            check_conversions(ck, lengths[i], kind, i % 2);
            if (lengths[i] < 300) check_rope(ck, lengths[i] * 2, kind, i % 2);
        }
        for (size_t n = 1; n < 8; n++) {
            check_quantize(ck, n, 32, kind, n % 2);
            check_quantize(ck, n, 256, kind, n % 2);
        }
    }
    check_exponentials(ck);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, run);
}
