/* rope.c: rotary frequencies: none, linear, llama3 and YaRN scaling, from config.json or GGUF.
 *
 * f_j = theta^(-2j/R) in binary64, scaled in binary64, rounded to f32 once (design.md, rule 2).
 * Source: transformers modeling_rope_utils; Peng et al. 2023 (YaRN), arXiv:2309.00071; architectures.md sections 2.2 to 2.4. */
#include <math.h>
#include <string.h>

#include "kernels/math.h"
#include "model/family.h"

#define TWO_PI 6.283185307179586476925286766559

typedef struct scaling {
    double factor, original, beta_fast, beta_slow, low, high, mscale, mscale_all_dim, attention_factor;
    bool truncate;
} scaling;

/* floor and ceil are exact operations of the contract's rule 1 kind; written here so that no libm decides. */
static double floor64(double x) {
    double t = (double)(int64_t)x;
    return t > x ? t - 1 : t;
}

static double ceil64(double x) {
    return -floor64(-x);
}

/* m(k) of architectures.md 2.4: 0.1 k ln(s) + 1, and 1 for s <= 1. */
static double magnitude(double s, double k) {
    return s <= 1 ? 1.0 : 0.1 * k * suan__log(s) + 1.0;
}

static void fill_plain(suan__hparams *hp, double *f) {
    for (uint32_t j = 0; j < hp->n_rot / 2; j++) f[j] = suan__pow(hp->rope_theta, -2.0 * j / hp->n_rot);
}

static void scale_llama3(suan__hparams *hp, double *f, const scaling *s) {
    for (uint32_t j = 0; j < hp->n_rot / 2; j++) {
        double wave = TWO_PI / f[j];
        if (wave > s->original / s->low) {
            f[j] /= s->factor;
        } else if (wave >= s->original / s->high) {
            double t = (s->original / wave - s->low) / (s->high - s->low);
            f[j] = (1 - t) * f[j] / s->factor + t * f[j];
        }
    }
}

/* The pair index that makes n turns over the original context. */
static double correction(const suan__hparams *hp, double original, double n) {
    return hp->n_rot * suan__log(original / (n * TWO_PI)) / (2 * suan__log(hp->rope_theta));
}

static void scale_yarn(suan__hparams *hp, double *f, const scaling *s) {
    double lo = correction(hp, s->original, s->beta_fast), hi = correction(hp, s->original, s->beta_slow);
    if (s->truncate) {
        lo = floor64(lo);
        hi = ceil64(hi);
    }
    if (lo < 0) lo = 0;
    if (hi > hp->n_rot - 1) hi = hp->n_rot - 1;
    if (lo == hi) hi += 0.001;
    for (uint32_t j = 0; j < hp->n_rot / 2; j++) {
        double ramp = (j - lo) / (hi - lo);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        f[j] = f[j] / s->factor * ramp + f[j] * (1 - ramp);
    }
}

/* The name of the scaling: "default", "linear", "llama3", "yarn"; anything else fails. Reads what it needs. */
static const char *read_scaling_hf(suan__reader *r, scaling *s) {
    const char *base = suan__config_get(r->ck, "rope_parameters") ? "rope_parameters" : "rope_scaling";
    const json_t *node = suan__config_get(r->ck, base);
    if (!node) return "default";
    if (!json_is_object(node)) {
        suan__reader_fail(r, SUAN_EFORMAT, "%s is no object", base);
        return NULL;
    }
    const char *type = suan__read_hf_str(r, "rope_parameters.rope_type");
    if (!type) type = suan__read_hf_str(r, "rope_parameters.type");
    if (!type) type = suan__read_hf_str(r, "rope_scaling.rope_type");
    if (!type) type = suan__read_hf_str(r, "rope_scaling.type");
    if (!type || strcmp(type, "default") == 0) return "default";
#define KEY(name) "rope_parameters." name "|rope_scaling." name
    if (strcmp(type, "linear") == 0) {
        suan__read_f64(r, KEY("factor"), NULL, true, 1e-3, 1e6, &s->factor);
        return type;
    }
    if (strcmp(type, "llama3") == 0) {
        suan__read_f64(r, KEY("factor"), NULL, true, 1, 1e6, &s->factor);
        suan__read_f64(r, KEY("low_freq_factor"), NULL, true, 1e-3, 1e6, &s->low);
        suan__read_f64(r, KEY("high_freq_factor"), NULL, true, 1e-3, 1e6, &s->high);
        suan__read_f64(r, KEY("original_max_position_embeddings"), NULL, true, 1, 1e9, &s->original);
        if (r->status == SUAN_OK && !(s->high > s->low))
            suan__reader_fail(r, SUAN_ERANGE, "high_freq_factor %g is not above low_freq_factor %g", s->high, s->low);
        return type;
    }
    if (strcmp(type, "yarn") == 0) {
        suan__read_f64(r, KEY("factor"), NULL, true, 1, 1e6, &s->factor);
        suan__read_f64(r, KEY("original_max_position_embeddings"), NULL, true, 1, 1e9, &s->original);
        suan__read_f64(r, KEY("beta_fast"), NULL, false, 1e-3, 1e6, &s->beta_fast);
        suan__read_f64(r, KEY("beta_slow"), NULL, false, 1e-3, 1e6, &s->beta_slow);
        suan__read_f64(r, KEY("mscale"), NULL, false, 0, 100, &s->mscale);
        suan__read_f64(r, KEY("mscale_all_dim"), NULL, false, 0, 100, &s->mscale_all_dim);
        suan__read_f64(r, KEY("attention_factor"), NULL, false, 1e-6, 1e6, &s->attention_factor);
        suan__read_bool(r, KEY("truncate"), NULL, false, &s->truncate);
        return type;
    }
#undef KEY
    suan__reader_fail(r, SUAN_EUNSUPPORTED, "%s has type \"%.40s\", known are default, linear, llama3, yarn", base, type);
    return NULL;
}

static const char *read_scaling_gguf(suan__reader *r, suan__hparams *hp, scaling *s, bool deepseek) {
    char key[128];
    suan__gguf_string arch = {0}, type = {"none", 4};
    suan__gguf_str(r->ck->gguf, "general.architecture", false, &arch, NULL);
    snprintf(key, sizeof key, "%.*s.rope.scaling.type", (int)(arch.n < 64 ? arch.n : 64), arch.data);
    r->status = r->status == SUAN_OK ? suan__gguf_str(r->ck->gguf, key, false, &type, r->err) : r->status;
    if (r->status != SUAN_OK) return NULL;
    if (type.n == 4 && memcmp(type.data, "none", 4) == 0) {
        double legacy = 1;
        suan__read_f64(r, NULL, "rope.scale_linear", false, 1e-3, 1e6, &legacy);
        s->factor = legacy;
        return legacy == 1 ? "default" : "linear";
    }
    suan__read_f64(r, NULL, "rope.scaling.factor", true, 1e-3, 1e6, &s->factor);
    if (type.n == 6 && memcmp(type.data, "linear", 6) == 0) return "linear";
    if (type.n != 4 || memcmp(type.data, "yarn", 4) != 0) {
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "%s is \"%.*s\", known are none, linear, yarn", key, (int)(type.n < 40 ? type.n : 40),
                          type.data);
        return NULL;
    }
    if (arch.n == 7 && memcmp(arch.data, "gpt-oss", 7) == 0) s->truncate = false; /* as it was trained; there is no key */
    uint32_t original = 0;
    suan__read_u32(r, NULL, "rope.scaling.original_context_length", true, 1, 1u << 30, &original);
    s->original = original;
    /* Kimi K2 (384 experts) was trained with beta_fast = 1, and older converters wrote no betas. */
    if (deepseek && hp->n_expert == 384) s->beta_fast = 1;
    suan__read_f64(r, NULL, "rope.scaling.yarn_beta_fast", false, 1e-3, 1e6, &s->beta_fast);
    suan__read_f64(r, NULL, "rope.scaling.yarn_beta_slow", false, 1e-3, 1e6, &s->beta_slow);
    double log_multiplier = 0, attn_factor = 1;
    suan__read_f64(r, NULL, "rope.scaling.yarn_log_multiplier", false, 0, 10, &log_multiplier);
    suan__read_f64(r, NULL, "rope.scaling.attn_factor", false, 1e-6, 1e6, &attn_factor);
    suan__read_f64(r, NULL, "rope.scaling.yarn_attn_factor", false, 1e-6, 1e6, &attn_factor);
    s->mscale_all_dim = 10 * log_multiplier;
    /* The file's factor comes on top of the rule's own; for DeepSeek files the two magnitudes cancel (mscale = mscale_all_dim in every
     * released model). */
    if (deepseek && log_multiplier > 0)
        s->mscale = s->mscale_all_dim;
    else
        s->attention_factor = attn_factor * magnitude(s->factor, 1);
    return "yarn";
}

/* rope_freqs.weight of GGUF: the ratios f / f' of llama3 scaling. */
static void divide_by_tensor(suan__reader *r, suan__hparams *hp, double *f) {
    const suan__tensor *t = suan__checkpoint_find(r->ck, "rope_freqs.weight");
    if (!t || r->status != SUAN_OK) return;
    uint32_t n = hp->n_rot / 2;
    if (t->type != SUAN__F32 || t->n_dims != 1 || t->ne[0] != n) {
        suan__reader_fail(r, SUAN_EFORMAT, "tensor rope_freqs.weight is not F32 [%u]", n);
        return;
    }
    float *ratio = SUAN_ARENA_NEW(r->arena, float, n);
    if (!ratio) {
        suan__reader_fail(r, SUAN_ENOMEM, "out of memory");
        return;
    }
    r->status = suan__checkpoint_read(r->ck, t, 0, ratio, n * sizeof *ratio, r->err);
    for (uint32_t j = 0; j < n && r->status == SUAN_OK; j++) {
        if (!(ratio[j] > 1e-6f && ratio[j] < 1e9f))
            suan__reader_fail(r, SUAN_ERANGE, "rope_freqs.weight[%u] is %g", j, (double)ratio[j]);
        else
            f[j] /= ratio[j];
    }
}

static const scaling no_scaling = {.factor = 1, .original = 1, .beta_fast = 32, .beta_slow = 1, .low = 1, .high = 4, .truncate = true};

void suan__read_rope_pair(suan__reader *r, suan__hparams *hp) {
    scaling s = no_scaling;
    double near = 10000, far = 0;
    suan__read_f64(r, "rope_theta", "rope.freq_base", false, 1.000001, 1e12, &near);
    suan__read_f64(r, "compress_rope_theta", "attention.compress_rope_freq_base", true, 1.000001, 1e12, &far);
    const char *type = r->status != SUAN_OK ? NULL : suan__reader_is_gguf(r) ? read_scaling_gguf(r, hp, &s, false) : read_scaling_hf(r, &s);
    if (!type || r->status != SUAN_OK) return;
    if (strcmp(type, "default") != 0 && strcmp(type, "yarn") != 0) {
        suan__reader_fail(r, SUAN_EUNSUPPORTED, "the rope scaling is of type \"%.40s\", expected yarn", type);
        return;
    }
    uint32_t n = hp->n_rot / 2;
    double *f = SUAN_ARENA_NEW(r->arena, double, n + 1);
    hp->rope_freq = SUAN_ARENA_NEW(r->arena, float, n + 1);
    hp->far_freq = SUAN_ARENA_NEW(r->arena, float, n + 1);
    if (!f || !hp->rope_freq || !hp->far_freq) {
        suan__reader_fail(r, SUAN_ENOMEM, "out of memory");
        return;
    }
    for (int is_far = 1; is_far >= 0; is_far--) {
        hp->rope_theta = is_far ? far : near;
        fill_plain(hp, f);
        if (is_far && strcmp(type, "yarn") == 0) scale_yarn(hp, f, &s);
        for (uint32_t j = 0; j < n; j++) (is_far ? hp->far_freq : hp->rope_freq)[j] = (float)f[j];
    }
}

void suan__read_rope(suan__reader *r, suan__hparams *hp, bool deepseek, double *attn_mscale) {
    scaling s = no_scaling;
    hp->rope_theta = 10000;
    suan__read_f64(r, "rope_parameters.rope_theta|rope_theta", "rope.freq_base", false, 1.000001, 1e12, &hp->rope_theta);
    const char *type = r->status != SUAN_OK      ? NULL
                       : suan__reader_is_gguf(r) ? read_scaling_gguf(r, hp, &s, deepseek)
                                                 : read_scaling_hf(r, &s);
    if (!type || r->status != SUAN_OK || hp->n_rot < 2 || hp->n_rot > 65536) return;
    uint32_t n = hp->n_rot / 2;
    double *f = SUAN_ARENA_NEW(r->arena, double, n);
    hp->rope_freq = SUAN_ARENA_NEW(r->arena, float, n);
    if (!f || !hp->rope_freq) {
        suan__reader_fail(r, SUAN_ENOMEM, "out of memory");
        return;
    }
    fill_plain(hp, f);
    if (strcmp(type, "linear") == 0)
        for (uint32_t j = 0; j < n; j++) f[j] /= s.factor;
    if (strcmp(type, "llama3") == 0) scale_llama3(hp, f, &s);
    if (strcmp(type, "yarn") == 0) {
        scale_yarn(hp, f, &s);
        if (s.attention_factor > 0)
            hp->rope_factor = s.attention_factor;
        else if (s.mscale > 0 && s.mscale_all_dim > 0)
            hp->rope_factor = magnitude(s.factor, s.mscale) / magnitude(s.factor, s.mscale_all_dim);
        else
            hp->rope_factor = magnitude(s.factor, 1);
        if (attn_mscale && s.mscale_all_dim > 0) *attn_mscale = magnitude(s.factor, s.mscale_all_dim);
    }
    if (suan__reader_is_gguf(r)) divide_by_tensor(r, hp, f);
    for (uint32_t j = 0; j < n; j++) hp->rope_freq[j] = (float)f[j];
}
