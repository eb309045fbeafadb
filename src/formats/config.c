/* config.c: values out of config.json, by a path of member names. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/checkpoint.h"
#include "formats/json.h"

/* Goes down the path; null counts as absent. A member on the way that is no object is an error, since the key below it would be lost in
 * silence. */
static suan_status find(const suan__checkpoint *ck, const char *key, const json_t **node, suan_error *err) {
    const json_t *at = ck->config;
    *node = NULL;
    SUAN_CHECK(at, SUAN_EINVAL, "%s: has no config.json", ck->path);
    for (const char *part = key;;) {
        size_t n = strcspn(part, ".");
        at = json_object_getn(at, part, n);
        if (!at || json_is_null(at)) return SUAN_OK;
        if (part[n] == 0) break;
        SUAN_CHECK(json_is_object(at), SUAN_EFORMAT, "%s/config.json: %.*s is %s, expected an object", ck->dir, (int)(part + n - key), key,
                   suan__json_type_name(at));
        part += n + 1;
    }
    *node = at;
    return SUAN_OK;
}

static suan_status get(const suan__checkpoint *ck, const char *key, bool required, const json_t **node, suan_error *err) {
    SUAN_TRY(find(ck, key, node, err));
    SUAN_CHECK(*node || !required, SUAN_EFORMAT, "%s/config.json: %s is missing", ck->dir, key);
    return SUAN_OK;
}

static suan_status wrong_type(const suan__checkpoint *ck, const char *key, const json_t *node, const char *expected, suan_error *err) {
    return suan__fail(err, SUAN_EFORMAT, "%s/config.json: %s is %s, expected %s", ck->dir, key, suan__json_type_name(node), expected);
}

const json_t *suan__config_get(const suan__checkpoint *ck, const char *key) {
    const json_t *node;
    return find(ck, key, &node, NULL) == SUAN_OK ? node : NULL;
}

/* 1.0 is no integer: a count that is written as a real is a mistake of whoever wrote the file, and guessing would hide it. */
suan_status suan__config_u32(const suan__checkpoint *ck, const char *key, bool required, uint32_t *out, suan_error *err) {
    const json_t *node;
    SUAN_TRY(get(ck, key, required, &node, err));
    if (!node) return SUAN_OK;
    if (!json_is_integer(node)) return wrong_type(ck, key, node, "an integer from 0 to 4294967295", err);
    int64_t x = json_integer_value(node);
    SUAN_CHECK(x >= 0 && x <= UINT32_MAX, SUAN_ERANGE, "%s/config.json: %s is %" PRId64 ", expected an integer from 0 to 4294967295",
               ck->dir, key, x);
    *out = (uint32_t)x;
    return SUAN_OK;
}

/* Configurations write 10000 as often as 10000.0, so integers are numbers too. */
suan_status suan__config_f64(const suan__checkpoint *ck, const char *key, bool required, double *out, suan_error *err) {
    const json_t *node;
    SUAN_TRY(get(ck, key, required, &node, err));
    if (!node) return SUAN_OK;
    if (!json_is_number(node)) return wrong_type(ck, key, node, "a number", err);
    double x = json_number_value(node);
    SUAN_CHECK(isfinite(x), SUAN_ERANGE, "%s/config.json: %s is %g, expected a finite number", ck->dir, key, x);
    *out = x;
    return SUAN_OK;
}

/* The JSON number is a binary64 for everybody who reads configurations (Python above all); from there it is rounded once. */
suan_status suan__config_f32(const suan__checkpoint *ck, const char *key, bool required, float *out, suan_error *err) {
    double x = 0;
    const json_t *node;
    SUAN_TRY(get(ck, key, required, &node, err));
    if (!node) return SUAN_OK;
    SUAN_TRY(suan__config_f64(ck, key, required, &x, err));
    SUAN_CHECK(isfinite((float)x), SUAN_ERANGE, "%s/config.json: %s is %g, too large for a 32-bit float", ck->dir, key, x);
    *out = (float)x;
    return SUAN_OK;
}

suan_status suan__config_bool(const suan__checkpoint *ck, const char *key, bool required, bool *out, suan_error *err) {
    const json_t *node;
    SUAN_TRY(get(ck, key, required, &node, err));
    if (!node) return SUAN_OK;
    if (!json_is_boolean(node)) return wrong_type(ck, key, node, "true or false", err);
    *out = json_is_true(node);
    return SUAN_OK;
}

suan_status suan__config_str(const suan__checkpoint *ck, const char *key, bool required, const char **out, suan_error *err) {
    const json_t *node;
    SUAN_TRY(get(ck, key, required, &node, err));
    if (!node) return SUAN_OK;
    if (!json_is_string(node)) return wrong_type(ck, key, node, "a string", err);
    *out = json_string_value(node);
    return SUAN_OK;
}
