/* logits_check.c: logits_check FILE PROMPT_IDS OUTPUT_IDS: whether a file of suan run --logits is whole and says what it should: ids are
 * the prompt and all but the last output token, each output token is the greatest logit of the row before it (greedy), rows are finite. A
 * reader of its own, written from the description of the format. Exit status 1 with a sentence when not. */
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition, ...)           \
    do {                                  \
        if (!(condition)) {               \
            fprintf(stderr, __VA_ARGS__); \
            fprintf(stderr, "\n");        \
            exit(1);                      \
        }                                 \
    } while (0)

enum { MAX_IDS = 4096 };

static size_t read_ids(const char *text, int32_t *ids) {
    size_t n = 0;
    while (*text) {
        char *end = NULL;
        REQUIRE(n < MAX_IDS, "too many ids");
        ids[n++] = (int32_t)strtol(text, &end, 10);
        REQUIRE(end != text, "no ids: %s", text);
        text = *end == ',' ? end + 1 : end;
    }
    return n;
}

/* Checks dtype and shape of a tensor and returns where its data begins. */
static size_t tensor(const json_t *header, const char *name, const char *dtype, size_t n_dims, const size_t *shape, size_t n_data) {
    json_t *t = json_object_get(header, name), *dims = json_object_get(t, "shape"), *offsets = json_object_get(t, "data_offsets");
    size_t n = 4;
    REQUIRE(t && strcmp(json_string_value(json_object_get(t, "dtype")), dtype) == 0, "%s: wrong dtype", name);
    REQUIRE(json_array_size(dims) == n_dims, "%s: wrong number of dimensions", name);
    for (size_t i = 0; i < n_dims; i++) {
        size_t found = (size_t)json_integer_value(json_array_get(dims, i));
        REQUIRE(found == shape[i], "%s: dimension %zu is %zu, expected %zu", name, i, found, shape[i]);
        n *= shape[i];
    }
    size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0)), end = (size_t)json_integer_value(json_array_get(offsets, 1));
    REQUIRE(begin <= end && end <= n_data && end - begin == n, "%s: wrong offsets", name);
    return begin;
}

int main(int argc, char **argv) {
    static int32_t prompt[MAX_IDS], output[MAX_IDS];
    REQUIRE(argc == 4, "usage: logits_check FILE PROMPT_IDS OUTPUT_IDS");
    size_t n_prompt = read_ids(argv[2], prompt), n_output = read_ids(argv[3], output), n = n_prompt + n_output - 1;
    FILE *file = fopen(argv[1], "rb");
    REQUIRE(file && fseek(file, 0, SEEK_END) == 0, "%s: cannot be opened", argv[1]);
    size_t n_file = (size_t)ftell(file);
    char *data = malloc(n_file + 1);
    rewind(file);
    REQUIRE(data && fread(data, 1, n_file, file) == n_file && n_file > 8, "%s: cannot be read", argv[1]);
    fclose(file);
    uint64_t n_header = 0;
    for (int i = 7; i >= 0; i--) n_header = n_header << 8 | (unsigned char)data[i];
    REQUIRE(n_header <= n_file - 8 && n_header % 8 == 0, "the header has %llu bytes", (unsigned long long)n_header);
    json_t *header = json_loadb(data + 8, n_header, JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(header, "the header is no JSON");
    const char *profile = json_string_value(json_object_get(json_object_get(header, "__metadata__"), "profile"));
    REQUIRE(profile && strncmp(profile, "suan-", 5) == 0, "no profile in the metadata");
    size_t n_data = n_file - 8 - n_header;
    size_t n_vocab = (size_t)json_integer_value(json_array_get(json_object_get(json_object_get(header, "logits"), "shape"), 1));
    const char *ids = data + 8 + n_header + tensor(header, "ids", "I32", 1, (size_t[]){n}, n_data);
    const char *logits = data + 8 + n_header + tensor(header, "logits", "F32", 2, (size_t[]){n, n_vocab}, n_data);
    REQUIRE(n_data == n * 4 + n * n_vocab * 4, "%zu bytes of data, expected %zu", n_data, n * 4 + n * n_vocab * 4);
    for (size_t i = 0; i < n; i++) {
        int32_t id;
        memcpy(&id, ids + 4 * i, 4);
        REQUIRE(id == (i < n_prompt ? prompt[i] : output[i - n_prompt]), "id %zu is %d", i, (int)id);
        size_t best = 0;
        float best_value = -INFINITY;
        for (size_t k = 0; k < n_vocab; k++) {
            float value;
            memcpy(&value, logits + 4 * (i * n_vocab + k), 4);
            REQUIRE(isfinite(value), "logit %zu of row %zu is not finite", k, i);
            if (value > best_value) best_value = value, best = k;
        }
        REQUIRE(i + 1 < n_prompt || (int32_t)best == output[i + 1 - n_prompt], "the greatest logit of row %zu is %zu", i, best);
    }
    json_decref(header);
    free(data);
    return 0;
}
