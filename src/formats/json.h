/* json.h: the one way in which JSON text comes into the library: bounded in length, depth and number of values, without duplicate keys.
 *
 * jansson's parser calls itself for each level, so the depth is checked by a linear scan before it runs. An integer that does not fit into
 * 64 bits signed (tokenizer_config.json files carry 10^30 for "no limit") becomes a real; all other integers stay exact.
 *
 * Not accepted: a byte order mark, invalid UTF-8, lone surrogates, \u0000, NaN and Infinity, a scalar as the whole text, anything behind
 * the value. jansson's own memory comes from malloc: its allocator is one for the whole process and belongs to the program.
 */
#ifndef SUAN_FORMATS_JSON_H
#define SUAN_FORMATS_JSON_H

#include <jansson.h>

#include "base/error.h"

#define SUAN__JSON_MAX_DEPTH 128
#define SUAN__JSON_MAX_VALUES 8000000u            /* scalars, arrays, objects and keys together */
#define SUAN__JSON_MAX_CONFIG (UINT64_C(1) << 20) /* bytes of config.json and generation_config.json */
#define SUAN__JSON_MAX_FILE (UINT64_C(64) << 20)  /* bytes of any other JSON file */

/* text[0..n) needs no NUL behind it. name is for messages ("DIR/config.json"). *json is the caller's to json_decref; NULL on failure. */
suan_status suan__json_load(const char *text, size_t n, const char *name, json_t **json, suan_error *err);
/* Reads a file of at most max bytes and loads it. */
suan_status suan__json_load_file(const char *path, uint64_t max, json_t **json, suan_error *err);
/* The scan alone, with limits of the caller's: what suan__json_load refuses before it parses. */
suan_status suan__json_scan(const char *text, size_t n, const char *name, unsigned max_depth, uint64_t max_values, suan_error *err);

/* "an object", "a string", ... for messages; "nothing" for NULL. */
const char *suan__json_type_name(const json_t *json);

#endif
