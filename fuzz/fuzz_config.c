/* fuzz_config.c: the text of a config.json, read as every type under keys that models ask for. */
#include <math.h>
#include <string.h>

#include "formats/checkpoint.h"
#include "formats/json.h"
#include "fuzz.h"

static const char *const keys[] = {"a", "hidden_size", "rope_scaling", "rope_scaling.factor", "a.b.c.d", "", ".", "a.", "rms_norm_eps"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    json_t *json;
    suan_error err = {0};
    char *text = malloc(n ? n : 1);
    if (!text) return 0;
    memcpy(text, data, n);
    suan_status status = suan__json_load(text, n, "config.json", &json, &err);
    free(text); /* nothing of the value may point into the text */
    FUZZ_ASSERT((status == SUAN_OK) == (json != NULL));
    FUZZ_ASSERT(status == SUAN_OK || (err.status == status && err.message[0]));
    const suan__checkpoint ck = {.kind = SUAN__CHECKPOINT_HF, .path = "dir", .dir = "dir", .config = json};
    for (size_t i = 0; json && i < sizeof keys / sizeof keys[0]; i++) {
        uint32_t u = 1;
        float f = 1;
        double d = 1;
        bool b = true;
        const char *s = "";
        if (suan__config_u32(&ck, keys[i], true, &u, &err) == SUAN_OK) FUZZ_ASSERT(json_is_integer(suan__config_get(&ck, keys[i])));
        if (suan__config_f32(&ck, keys[i], true, &f, &err) == SUAN_OK) FUZZ_ASSERT(isfinite(f));
        if (suan__config_f64(&ck, keys[i], true, &d, &err) == SUAN_OK) FUZZ_ASSERT(isfinite(d));
        if (suan__config_bool(&ck, keys[i], false, &b, &err) == SUAN_OK) FUZZ_ASSERT(b || suan__config_get(&ck, keys[i]));
        if (suan__config_str(&ck, keys[i], true, &s, &err) == SUAN_OK) FUZZ_ASSERT(s && strlen(s) <= n);
    }
    json_decref(json);
    return 0;
}
