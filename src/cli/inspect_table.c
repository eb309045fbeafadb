/* inspect_table.c: prints what the description has and leaves out what it has not; it computes nothing of its own. */
#include "cli/inspect_table.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"

static json_int_t number(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key, const char *otherwise) {
    const char *s = json_string_value(json_object_get(object, key));
    return s && *s ? s : otherwise;
}

/* 9,612,345 */
static void put_grouped(suan__buf *b, json_int_t n) {
    char digits[32];
    int n_digits = snprintf(digits, sizeof digits, "%lld", (long long)n);
    for (int i = 0; i < n_digits; i++) {
        suan__buf_printf(b, i > 0 && (n_digits - i) % 3 == 0 && digits[i - 1] != '-' ? ",%c" : "%c", digits[i]);
    }
}

static void put_bytes(suan__buf *b, json_int_t n) {
    char s[32];
    suan__buf_printf(b, "%s", cli_bytes(s, (double)n));
}

static void put_label(suan__buf *b, const char *label) {
    suan__buf_printf(b, "  %-18s", label);
}

/* ---- parts */

static void put_identity(suan__buf *b, const json_t *root) {
    const json_t *supported = json_object_get(root, "supported");
    suan__buf_printf(b, "%s\n", text(root, "name", text(root, "path", "?")));
    put_label(b, "architecture");
    suan__buf_printf(b, "%s (%s)\n", text(root, "architecture", "not named"), text(root, "format", "?"));
    put_label(b, "runs");
    if (json_is_true(supported)) {
        suan__buf_printf(b, "yes\n");
    } else {
        suan__buf_printf(b, "no: %s\n", text(root, "reason", "no reason given"));
    }
    put_label(b, "parameters");
    put_grouped(b, number(root, "parameters"));
    suan__buf_printf(b, "\n");
    put_label(b, "tensors");
    suan__buf_printf(b, "%zu, ", json_array_size(json_object_get(root, "tensors")));
    put_bytes(b, number(root, "bytes"));
    suan__buf_printf(b, " in %zu file%s%s\n", json_array_size(json_object_get(root, "files")),
                     json_array_size(json_object_get(root, "files")) == 1 ? "" : "s",
                     json_is_true(json_object_get(root, "packed")) ? ", packed" : "");
}

/* A few numbers as they are, a token as its id and text, larger things by their size. */
static void put_structure(suan__buf *b, const json_t *value) {
    const json_t *id = json_object_get(value, "id"), *item;
    size_t i;
    if (json_is_integer(id)) {
        suan__buf_printf(b, "%lld  %s", (long long)json_integer_value(id), text(value, "text", ""));
    } else if (json_is_array(value) && json_array_size(value) <= 16 && json_is_integer(json_array_get(value, 0))) {
        json_array_foreach(value, i, item) {
            suan__buf_printf(b, i ? ", %lld" : "%lld", (long long)json_integer_value(item));
        }
    } else {
        suan__buf_printf(b, "%zu of them", json_is_array(value) ? json_array_size(value) : json_object_size(value));
    }
}

static void put_value(suan__buf *b, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_STRING:
        suan__buf_printf(b, "%s", json_string_value(value));
        break;
    case JSON_INTEGER:
        suan__buf_printf(b, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        suan__buf_printf(b, "%.9g", json_real_value(value));
        break;
    case JSON_TRUE:
        suan__buf_printf(b, "yes");
        break;
    case JSON_FALSE:
        suan__buf_printf(b, "no");
        break;
    case JSON_NULL:
        suan__buf_printf(b, "-");
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        put_structure(b, value);
        break;
    }
}

static void put_object(suan__buf *b, const json_t *root, const char *key, const char *title) {
    json_t *object = json_object_get(root, key), *value;
    const char *name;
    if (json_object_size(object) == 0) return;
    suan__buf_printf(b, "\n%s\n", title);
    json_object_foreach(object, name, value) {
        put_label(b, name);
        suan__buf_append(b, " ", strlen(name) >= 18); /* a label that fills its column */
        put_value(b, value);
        suan__buf_printf(b, "\n");
    }
}

static void put_types(suan__buf *b, const json_t *root) {
    json_t *types = json_object_get(root, "types"), *value;
    const char *name;
    if (json_object_size(types) == 0) return;
    suan__buf_printf(b, "\ntypes\n");
    json_object_foreach(types, name, value) {
        put_label(b, name);
        suan__buf_printf(b, "%lld tensor%s, ", (long long)number(value, "tensors"), number(value, "tensors") == 1 ? "" : "s");
        put_bytes(b, number(value, "bytes"));
        suan__buf_printf(b, "\n");
    }
}

static void put_pair(suan__buf *b, const json_t *memory, const char *key, const char *label) {
    const json_t *pair = json_object_get(memory, key);
    if (!pair) return;
    put_label(b, label);
    put_bytes(b, number(pair, "f16"));
    suan__buf_printf(b, " with an f16 cache, ");
    put_bytes(b, number(pair, "f32"));
    suan__buf_printf(b, " with f32, ");
    put_bytes(b, number(pair, "q8_0"));
    suan__buf_printf(b, " with q8_0\n");
}

static void put_memory(suan__buf *b, const json_t *root) {
    const json_t *memory = json_object_get(root, "memory");
    if (!memory) return;
    suan__buf_printf(b, "\nmemory at %lld positions\n", (long long)number(memory, "n_ctx"));
    put_label(b, "weights");
    put_bytes(b, number(memory, "weights"));
    suan__buf_printf(b, "\n");
    put_pair(b, memory, "kv", "cache");
    put_label(b, "buffers");
    put_bytes(b, number(memory, "scratch"));
    suan__buf_printf(b, "\n");
    put_pair(b, memory, "total", "together");
}

static void put_template(suan__buf *b, const json_t *root) {
    const json_t *chat = json_object_get(root, "chat_template");
    put_label(b, "chat template");
    if (json_is_string(chat)) {
        suan__buf_printf(b, "%zu bytes\n", json_string_length(chat));
    } else {
        suan__buf_printf(b, "none\n");
    }
}

static void put_tensors(suan__buf *b, const json_t *root) {
    json_t *tensors = json_object_get(root, "tensors"), *tensor, *size;
    size_t i, k;
    suan__buf_printf(b, "\nall tensors (outermost dimension first)\n");
    json_array_foreach(tensors, i, tensor) {
        suan__buf_printf(b, "  %-52s %-7s [", text(tensor, "name", "?"), text(tensor, "type", "?"));
        json_array_foreach(json_object_get(tensor, "shape"), k, size) {
            suan__buf_printf(b, k ? ", %lld" : "%lld", (long long)json_integer_value(size));
        }
        suan__buf_printf(b, json_is_true(json_object_get(tensor, "packed")) ? "] packed\n" : "]\n");
    }
}

void cli_inspect_table(const json_t *root, bool all_tensors, suan__buf *b) {
    put_identity(b, root);
    put_object(b, root, "hyperparameters", "hyperparameters");
    put_object(b, root, "tokenizer", "tokenizer");
    put_template(b, root);
    put_types(b, root);
    put_memory(b, root);
    if (all_tensors) put_tensors(b, root);
}
