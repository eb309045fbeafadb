/* report.h: building a JSON document whose strings come from anywhere.
 *
 * Every function takes what jansson could not allocate as a sticky failure of the report, so a builder is written straight down and asked
 * once, at its end. Text that is not UTF-8 (tokens of a vocabulary, names of files) appears with U+FFFD in place of each byte that is
 * wrong.
 */
#ifndef SUAN_ENGINE_REPORT_H
#define SUAN_ENGINE_REPORT_H

#include <jansson.h>

#include "base/error.h"
#include "formats/gguf.h"

typedef struct suan__report {
    bool failed;
} suan__report;

/* New values, owned by the caller; NULL only after a failure. */
json_t *suan__report_object(suan__report *r);
json_t *suan__report_array(suan__report *r);
json_t *suan__report_text(suan__report *r, const char *s, size_t n);
json_t *suan__report_string(suan__report *r, const char *s); /* NULL: null */
/* Above what a signed 64-bit number holds: its digits in a string. */
json_t *suan__report_u64(suan__report *r, uint64_t v);
/* Of two numbers that are the same F32, the one with fewer digits. Not finite: "nan", "inf", "-inf". */
json_t *suan__report_f32(suan__report *r, float v);
json_t *suan__report_f64(suan__report *r, double v);
json_t *suan__report_bool(suan__report *r, bool v);
/* A value of GGUF metadata. Long arrays and texts are described: {"type": "array", "of": "string", "n": 128000, "first": [...]}. */
json_t *suan__report_gguf_value(suan__report *r, const suan__gguf_value *v);

/* Put a value in (it then belongs to the container, also on failure). */
void suan__report_set(suan__report *r, json_t *object, const char *key, json_t *value);
void suan__report_set_text(suan__report *r, json_t *object, const char *key, size_t n_key, json_t *value);
void suan__report_append(suan__report *r, json_t *array, json_t *value);

/* The document as text with a NUL behind it, for suan_free. root is released. */
suan_status suan__report_print(suan__report *r, json_t *root, char **text, suan_error *err);

#endif
