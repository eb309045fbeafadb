/* chat_file.c: one table says which figures of the sampling are kept and what they may be; writing and reading both go through it. */
#include "cli/chat_file.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/output.h"

static const char format_name[] = "suan chat 1";
enum { N_DIGEST = 32, N_HEX = 2 * N_DIGEST };
#define CANONICAL (JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9))

typedef struct figure {
    const char *name;
    size_t offset; /* in suan_sampling */
    bool is_float; /* float or int32_t */
    double min, max;
} figure;
static const figure figures[] = {
    {"temperature", offsetof(suan_sampling, temperature), true, 0, 100},
    {"top_k", offsetof(suan_sampling, top_k), false, 0, INT32_MAX},
    {"top_p", offsetof(suan_sampling, top_p), true, 0x1p-126, 1},
    {"min_p", offsetof(suan_sampling, min_p), true, 0, 1},
    {"typical_p", offsetof(suan_sampling, typical_p), true, 0x1p-126, 1},
    {"repetition_penalty", offsetof(suan_sampling, repetition_penalty), true, 0x1p-20, 0x1p20},
    {"presence_penalty", offsetof(suan_sampling, presence_penalty), true, -2, 2},
    {"frequency_penalty", offsetof(suan_sampling, frequency_penalty), true, -2, 2},
    {"penalty_last_n", offsetof(suan_sampling, penalty_last_n), false, -1, INT32_MAX},
};
enum { N_FIGURES = sizeof figures / sizeof *figures };

void cli_conversation_fini(cli_conversation *c) {
    json_decref(c->system);
    json_decref(c->messages);
    json_decref(c->model);
    *c = (cli_conversation){0};
}

json_t *cli_conversation_model(const suan_model_info *info) {
    const char *name = info->name ? info->name : "";
    return json_pack("{s:o, s:s, s:I}", "name", cli_json_text(name, strlen(name)), "architecture", info->architecture, "n_params",
                     (json_int_t)info->n_params);
}

/* ---- writing */

/* The shortest decimal that reads back as the same float, as a double: 0.7f becomes 0.7. */
static double shortest(float f) {
    char text[32];
    for (int precision = 1; precision < 9; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, (double)f);
        double d = strtod(text, NULL);
        if ((float)d == f) return d;
    }
    return (double)f;
}

static json_t *sampling_json(const suan_sampling *sampling) {
    json_t *object = json_object();
    for (size_t i = 0; i < N_FIGURES; i++) {
        const char *place = (const char *)sampling + figures[i].offset;
        float f;
        int32_t n;
        if (figures[i].is_float) {
            memcpy(&f, place, sizeof f);
            json_object_set_new(object, figures[i].name, json_real(shortest(f)));
        } else {
            memcpy(&n, place, sizeof n);
            json_object_set_new(object, figures[i].name, json_integer(n));
        }
    }
    return object;
}

/* The checksum of the object as it stands, as hexadecimal digits and a NUL. */
static suan_status digest(const json_t *root, char hex[N_HEX + 1], suan_error *err) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char *text = json_dumps(root, CANONICAL);
    SUAN_CHECK(text, SUAN_ENOMEM, "out of memory");
    int is_good = EVP_Digest(text, strlen(text), bytes, &n, EVP_sha256(), NULL);
    free(text);
    SUAN_CHECK(is_good && n == N_DIGEST, SUAN_EINTERNAL, "SHA-256 failed");
    for (int i = 0; i < N_DIGEST; i++) snprintf(hex + (size_t)2 * i, 3, "%02x", bytes[i]);
    return SUAN_OK;
}

suan_status cli_chat_save(const cli_conversation *c, const char *path, suan_error *err) {
    char hex[N_HEX + 1], *text = NULL;
    suan__out out = {.fd = -1};
    suan_status status = SUAN_OK;
    json_t *root = json_pack("{s:s, s:s, s:O, s:O?, s:O, s:o}", "format", format_name, "version", suan_version(), "model", c->model,
                             "system", c->system, "messages", c->messages, "sampling", sampling_json(&c->sampling));
    SUAN_CHECK(root, SUAN_ENOMEM, "out of memory");
    SUAN_TRY_GOTO(digest(root, hex, err));
    SUAN_CHECK_GOTO(json_object_set_new(root, "sha256", json_string(hex)) == 0, SUAN_ENOMEM, "out of memory");
    text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    SUAN_CHECK_GOTO(text, SUAN_ENOMEM, "out of memory");
    SUAN_TRY_GOTO(suan__out_open(&out, path, err));
    SUAN_TRY_GOTO(suan__out_write(&out, text, strlen(text), err));
    SUAN_TRY_GOTO(suan__out_write(&out, "\n", 1, err));
    status = suan__out_commit(&out, err);
fail:
    if (out.path) suan__out_abort(&out);
    free(text);
    json_decref(root);
    return status;
}

/* ---- reading */

/* Every key of `object` is one of the `n` names, and every name is there. */
static suan_status check_keys(json_t *object, const char *what, const char *const *names, size_t n, const char *path, suan_error *err) {
    const char *key;
    json_t *value;
    SUAN_CHECK(json_is_object(object), SUAN_EFORMAT, "%s: %s is missing or no object", path, what);
    for (size_t i = 0; i < n; i++)
        SUAN_CHECK(json_object_get(object, names[i]), SUAN_EFORMAT, "%s: %s has no \"%s\"", path, what, names[i]);
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (i < n && strcmp(names[i], key) != 0) i++;
        SUAN_CHECK(i < n, SUAN_EFORMAT, "%s: %s has an unknown key \"%.64s\"", path, what, key);
    }
    return SUAN_OK;
}

static suan_status check_text(json_t *value, const char *what, size_t max, const char *path, suan_error *err) {
    SUAN_CHECK(json_is_string(value), SUAN_EFORMAT, "%s: %s is no string", path, what);
    SUAN_CHECK(json_string_length(value) <= max, SUAN_ELIMIT, "%s: %s has %zu bytes, expected at most %zu", path, what,
               json_string_length(value), max);
    return SUAN_OK;
}

static suan_status check_messages(json_t *messages, const char *path, suan_error *err) {
    static const char *const keys[] = {"role", "content"}, *const roles[] = {"user", "assistant"};
    char what[48];
    SUAN_CHECK(json_is_array(messages), SUAN_EFORMAT, "%s: messages is no array", path);
    size_t n = json_array_size(messages);
    SUAN_CHECK(n <= CLI_CHAT_MAX_MESSAGES, SUAN_ELIMIT, "%s: %zu messages, expected at most %d", path, n, CLI_CHAT_MAX_MESSAGES);
    SUAN_CHECK(n % 2 == 0, SUAN_EFORMAT, "%s: %zu messages, expected as many answers as questions", path, n);
    for (size_t i = 0; i < n; i++) {
        json_t *message = json_array_get(messages, i);
        snprintf(what, sizeof what, "messages[%zu]", i);
        SUAN_TRY(check_keys(message, what, keys, 2, path, err));
        const char *role = json_string_value(json_object_get(message, "role"));
        SUAN_CHECK(role && strcmp(role, roles[i % 2]) == 0, SUAN_EFORMAT, "%s: the role of %s is not \"%s\"", path, what, roles[i % 2]);
        SUAN_TRY(check_text(json_object_get(message, "content"), what, CLI_CHAT_MAX_CONTENT, path, err));
    }
    return SUAN_OK;
}

static suan_status read_sampling(json_t *object, suan_sampling *sampling, const char *path, suan_error *err) {
    const char *names[N_FIGURES];
    for (size_t i = 0; i < N_FIGURES; i++) names[i] = figures[i].name;
    SUAN_TRY(check_keys(object, "sampling", names, N_FIGURES, path, err));
    suan_sampling_init(sampling);
    for (size_t i = 0; i < N_FIGURES; i++) {
        const figure *row = &figures[i];
        json_t *value = json_object_get(object, row->name);
        bool is_kind = row->is_float ? json_is_number(value) : json_is_integer(value);
        double v = json_number_value(value);
        SUAN_CHECK(is_kind && v >= row->min && v <= row->max, SUAN_ERANGE, "%s: sampling.%s is no %s from %g to %g", path, row->name,
                   row->is_float ? "number" : "whole number", row->min, row->max);
        char *place = (char *)sampling + row->offset;
        if (row->is_float) {
            float f = (float)v;
            memcpy(place, &f, sizeof f);
        } else {
            int32_t n = (int32_t)json_integer_value(value);
            memcpy(place, &n, sizeof n);
        }
    }
    return SUAN_OK;
}

static suan_status check_model(json_t *model, const char *path, suan_error *err) {
    static const char *const keys[] = {"name", "architecture", "n_params"};
    SUAN_TRY(check_keys(model, "model", keys, 3, path, err));
    SUAN_TRY(check_text(json_object_get(model, "name"), "model.name", CLI_CHAT_MAX_NAME, path, err));
    SUAN_TRY(check_text(json_object_get(model, "architecture"), "model.architecture", CLI_CHAT_MAX_NAME, path, err));
    json_t *n_params = json_object_get(model, "n_params");
    SUAN_CHECK(json_is_integer(n_params) && json_integer_value(n_params) >= 0, SUAN_EFORMAT, "%s: model.n_params is no whole number", path);
    return SUAN_OK;
}

/* Takes the key out of the object and compares it with what is left. */
static suan_status check_digest(json_t *root, const char *path, suan_error *err) {
    char found[N_HEX + 1], expected[N_HEX + 1];
    json_t *value = json_object_get(root, "sha256");
    SUAN_CHECK(json_string_length(value) == N_HEX, SUAN_EFORMAT, "%s: sha256 is not %d hexadecimal digits", path, N_HEX);
    memcpy(found, json_string_value(value), N_HEX + 1);
    json_object_del(root, "sha256");
    SUAN_TRY(digest(root, expected, err));
    SUAN_CHECK(memcmp(found, expected, N_HEX) == 0, SUAN_EFORMAT, "%s: the checksum is wrong: the file was changed or damaged", path);
    return SUAN_OK;
}

static suan_status check_root(json_t *root, suan_sampling *sampling, const char *path, suan_error *err) {
    static const char *const keys[] = {"format", "version", "model", "system", "messages", "sampling", "sha256"};
    SUAN_TRY(check_keys(root, "the conversation", keys, 7, path, err));
    const char *format = json_string_value(json_object_get(root, "format"));
    SUAN_CHECK(format && strcmp(format, format_name) == 0, SUAN_EUNSUPPORTED, "%s: the format is not \"%s\"", path, format_name);
    SUAN_TRY(check_text(json_object_get(root, "version"), "version", CLI_CHAT_MAX_NAME, path, err));
    SUAN_TRY(check_model(json_object_get(root, "model"), path, err));
    json_t *system = json_object_get(root, "system");
    if (!json_is_null(system)) SUAN_TRY(check_text(system, "system", CLI_CHAT_MAX_CONTENT, path, err));
    SUAN_TRY(check_messages(json_object_get(root, "messages"), path, err));
    SUAN_TRY(read_sampling(json_object_get(root, "sampling"), sampling, path, err));
    return check_digest(root, path, err);
}

suan_status cli_chat_parse(cli_conversation *c, const char *text, size_t n, const char *path, suan_error *err) {
    json_error_t json_err;
    cli_conversation read = {0};
    SUAN_CHECK(n <= CLI_CHAT_MAX_BYTES, SUAN_ELIMIT, "%s: %zu bytes, expected at most %d", path, n, CLI_CHAT_MAX_BYTES);
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &json_err);
    SUAN_CHECK(root, SUAN_EFORMAT, "%s: line %d: %s", path, json_err.line, json_err.text);
    suan_status status = check_root(root, &read.sampling, path, err);
    if (status == SUAN_OK) {
        json_t *system = json_object_get(root, "system");
        read.system = json_is_null(system) ? NULL : json_incref(system);
        read.messages = json_incref(json_object_get(root, "messages"));
        read.model = json_incref(json_object_get(root, "model"));
        cli_conversation_fini(c);
        *c = read;
    }
    json_decref(root);
    return status;
}

suan_status cli_chat_load(cli_conversation *c, const char *path, suan_error *err) {
    char *text = NULL;
    size_t n = 0;
    SUAN_TRY(suan__file_slurp(path, CLI_CHAT_MAX_BYTES, &text, &n, err));
    suan_status status = cli_chat_parse(c, text, n, path, err);
    suan__free(text);
    return status;
}
