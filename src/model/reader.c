/* reader.c: one call a hyperparameter, whatever the container it comes from. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/family.h"

bool suan__reader_is_gguf(const suan__reader *r) {
    return r->ck->kind == SUAN__CHECKPOINT_GGUF;
}

const char *suan__reader_file(const suan__reader *r) {
    return r->ck->path;
}

void suan__reader_fail(suan__reader *r, suan_status status, const char *format, ...) {
    if (r->status != SUAN_OK) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->status = suan__fail(r->err, status, "%s: %s", suan__reader_file(r), text);
}

/* Where a value is: the key to read, or NULL when this container does not have it. `text` holds the GGUF key. */
static const char *locate(suan__reader *r, const char *hf, const char *gguf, char text[128]) {
    if (r->status != SUAN_OK) return NULL;
    if (suan__reader_is_gguf(r)) {
        suan__gguf_string arch = {0};
        if (!gguf) return NULL;
        if (suan__gguf_str(r->ck->gguf, "general.architecture", true, &arch, r->err) != SUAN_OK) {
            r->status = SUAN_EFORMAT;
            return NULL;
        }
        snprintf(text, 128, "%.*s.%s", (int)(arch.n < 64 ? arch.n : 64), arch.data, gguf);
        return text;
    }
    if (!hf) return NULL;
    for (const char *p = hf; p;) {
        const char *bar = strchr(p, '|');
        size_t n = bar ? (size_t)(bar - p) : strlen(p);
        snprintf(text, 128, "%.*s", (int)n, p);
        if (!bar || suan__config_get(r->ck, text)) return text;
        p = bar + 1;
    }
    return NULL;
}

/* Defaults of absent keys are the caller's business. */
static void check_range(suan__reader *r, const char *key, double value, double lo, double hi) {
    bool there = suan__reader_is_gguf(r) ? suan__gguf_find(r->ck->gguf, key) != NULL : suan__config_get(r->ck, key) != NULL;
    if (r->status == SUAN_OK && there && !(value >= lo && value <= hi))
        suan__reader_fail(r, SUAN_ERANGE, "%s is %.9g, expected %.9g to %.9g", key, value, lo, hi);
}

/* A scalar, or an array whose elements are all the same (head_count_kv and feed_forward_length may be given by layer). */
static suan_status gguf_u32(suan__reader *r, const char *key, bool required, uint32_t *out) {
    suan_error *err = r->err;
    const suan__gguf_value *v = suan__gguf_find(r->ck->gguf, key);
    if (!v || v->type != SUAN__GGUF_ARRAY) return suan__gguf_u32(r->ck->gguf, key, required, out, err);
    int64_t first = 0, x = 0;
    for (uint64_t i = 0; i < v->n; i++) {
        SUAN_CHECK(suan__gguf_int_at(v, i, &x), SUAN_EFORMAT, "%s: %s[%llu] is not an integer", r->ck->path, key, (unsigned long long)i);
        if (i == 0) first = x;
        SUAN_CHECK(x == first, SUAN_EUNSUPPORTED,
                   "%s: %s differs from layer to layer (%lld and %lld), which this architecture does not use here", r->ck->path, key,
                   (long long)first, (long long)x);
    }
    SUAN_CHECK(v->n > 0 && first >= 0 && first <= UINT32_MAX, SUAN_ERANGE, "%s: %s is empty or out of range", r->ck->path, key);
    *out = (uint32_t)first;
    return SUAN_OK;
}

void suan__read_u32(suan__reader *r, const char *hf, const char *gguf, bool required, uint32_t lo, uint32_t hi, uint32_t *out) {
    char text[128];
    const char *key = locate(r, hf, gguf, text);
    if (!key) return;
    r->status = suan__reader_is_gguf(r) ? gguf_u32(r, key, required, out) : suan__config_u32(r->ck, key, required, out, r->err);
    check_range(r, key, *out, lo, hi);
}

void suan__read_f64(suan__reader *r, const char *hf, const char *gguf, bool required, double lo, double hi, double *out) {
    char text[128];
    const char *key = locate(r, hf, gguf, text);
    if (!key) return;
    if (suan__reader_is_gguf(r)) {
        float f = (float)*out;
        bool there = suan__gguf_find(r->ck->gguf, key) != NULL;
        r->status = suan__gguf_f32(r->ck->gguf, key, required, &f, r->err);
        if (there && r->status == SUAN_OK) *out = f;
    } else {
        r->status = suan__config_f64(r->ck, key, required, out, r->err);
    }
    check_range(r, key, *out, lo, hi);
}

void suan__read_f32(suan__reader *r, const char *hf, const char *gguf, bool required, double lo, double hi, float *out) {
    double d = *out;
    suan__read_f64(r, hf, gguf, required, lo, hi, &d);
    *out = (float)d;
}

void suan__read_bool(suan__reader *r, const char *hf, const char *gguf, bool required, bool *out) {
    char text[128];
    const char *key = locate(r, hf, gguf, text);
    if (!key) return;
    r->status = suan__reader_is_gguf(r) ? suan__gguf_bool(r->ck->gguf, key, required, out, r->err)
                                        : suan__config_bool(r->ck, key, required, out, r->err);
}

const char *suan__read_hf_str(suan__reader *r, const char *hf) {
    const char *s = NULL;
    if (r->status == SUAN_OK && !suan__reader_is_gguf(r)) r->status = suan__config_str(r->ck, hf, false, &s, r->err);
    return s;
}
