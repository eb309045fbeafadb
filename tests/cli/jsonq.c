/* jsonq.c: jsonq FILE PATH: prints the value at a path like "cases.0.prompt_ids" of a JSON file: a string raw, an array of scalars as
 * "1,2,3", other values as JSON. Exit status 1 when the file is no JSON (one value, nothing behind it) or there is no such value. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *step(const json_t *value, const char *name, size_t n) {
    char key[256];
    if (n >= sizeof key) return NULL;
    memcpy(key, name, n);
    key[n] = 0;
    if (!json_is_array(value)) return json_object_get(value, key);
    if (strcmp(key, "#") == 0) return value;
    return strspn(key, "0123456789") == n ? json_array_get(value, strtoul(key, NULL, 10)) : NULL;
}

static void print(const json_t *value, int is_inside) {
    size_t i;
    json_t *item;
    if (json_is_array(value) && !is_inside) {
        json_array_foreach(value, i, item) {
            if (i) putchar(',');
            print(item, 1);
        }
    } else if (json_is_string(value)) {
        fwrite(json_string_value(value), 1, json_string_length(value), stdout);
    } else {
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
    }
}

int main(int argc, char **argv) {
    json_error_t err;
    if (argc != 3) return 2;
    json_t *root = json_load_file(argv[1], JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);
    if (!root) {
        fprintf(stderr, "%s: line %d: %s\n", argv[1], err.line, err.text);
        return 1;
    }
    const json_t *value = root;
    for (const char *at = argv[2]; value && *at;) {
        size_t n = strcspn(at, ".");
        value = step(value, at, n);
        at += n + (at[n] == '.');
    }
    if (value) {
        print(value, 0);
        putchar('\n');
    }
    json_decref(root);
    return value ? 0 : 1;
}
