/* prompt.c: prompts as ids, as text for the tokenizer, or as a message for the chat template. */
#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/args.h"

/* ---- ids */

static bool is_separator(char c) {
    return c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

suan_status cli_ids_parse(const char *what, const char *text, size_t n, int32_t **ids, size_t *n_ids, suan_error *err) {
    size_t capacity = n / 2 + 1, n_found = 0; /* an id and what separates it take two bytes at least */
    int32_t *found = suan__calloc(capacity, sizeof *found);
    SUAN_CHECK(found, SUAN_ENOMEM, "out of memory");
    bool wants_id = true; /* at the beginning and behind a comma */
    for (size_t i = 0; i < n;) {
        size_t start = i;
        int64_t id = 0;
        if (is_separator(text[i]) && !(text[i] == ',' && wants_id)) {
            wants_id |= text[i] == ',';
            i++;
            continue;
        }
        wants_id = false;
        while (i < n && !is_separator(text[i])) i++;
        if (!cli_parse_i64(text + start, i - start, 0, INT32_MAX, &id)) {
            suan__free(found);
            return suan__fail_at(err, SUAN_EINVAL, (int64_t)start, "%s: \"%.*s\" at byte %zu is no token id", what,
                                 (int)(i - start < 32 ? i - start : 32), text + start, start);
        }
        found[n_found++] = (int32_t)id;
    }
    if (wants_id && n_found) {
        suan__free(found);
        return suan__fail(err, SUAN_EINVAL, "%s: there is no id behind the last comma", what);
    }
    *ids = found;
    *n_ids = n_found;
    return SUAN_OK;
}

/* ---- text */

suan_status cli_text_encode(const suan_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t **ids, size_t *n_ids,
                            suan_error *err) {
    SUAN_TRY(suan_tokenizer_encode(t, text, n, flags, NULL, 0, n_ids, err));
    *ids = suan__calloc(*n_ids, sizeof **ids);
    SUAN_CHECK(*ids, SUAN_ENOMEM, "out of memory");
    suan_status status = suan_tokenizer_encode(t, text, n, flags, *ids, *n_ids, n_ids, err);
    if (status != SUAN_OK) {
        suan__free(*ids);
        *ids = NULL;
    }
    return status;
}

/* ---- messages */

suan_status cli_chat_request(const char *system, size_t n_system, json_t *messages, char **request, suan_error *err) {
    json_t *all = json_array();
    bool is_good =
        all &&
        (!system || json_array_append_new(all, json_pack("{s:s, s:o}", "role", "system", "content", json_stringn(system, n_system))) == 0);
    is_good = is_good && json_array_extend(all, messages) == 0;
    json_t *root = is_good ? json_pack("{s:O, s:b}", "messages", all, "add_generation_prompt", 1) : NULL;
    *request = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    json_decref(all);
    SUAN_CHECK(*request, SUAN_ENOMEM, "out of memory");
    return SUAN_OK;
}

static suan_status encode_chat(const cli_prompt_options *o, cli_prompt *p, const suan_model *model, suan_error *err) {
    size_t n_system = o->system ? strlen(o->system) : 0;
    char *request = NULL;
    SUAN_CHECK(suan__utf8_valid(p->text, p->n), SUAN_EINVAL,
               "the prompt is not valid UTF-8, which a chat template needs; --raw takes any bytes");
    SUAN_CHECK(!o->system || suan__utf8_valid(o->system, n_system), SUAN_EINVAL, "--system: not valid UTF-8");
    json_t *messages = json_pack("[{s:s, s:o}]", "role", "user", "content", json_stringn(p->text, p->n));
    SUAN_CHECK(messages, SUAN_ENOMEM, "out of memory");
    suan_status status = cli_chat_request(o->system, n_system, messages, &request, err);
    json_decref(messages);
    if (status == SUAN_OK) status = suan_model_chat_encode(model, request, strlen(request), o->now, &p->ids, &p->n_ids, &p->rendered, err);
    free(request);
    return status;
}

/* ---- the prompt */

suan_status cli_slurp(const char *path, uint64_t max, char **text, size_t *n, suan_error *err) {
    struct stat st;
    if (strcmp(path, "-") == 0) return suan__fd_slurp(STDIN_FILENO, "stdin", max, text, n, err);
    if (stat(path, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) return suan__file_slurp(path, max, text, n, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    SUAN_CHECK(fd >= 0, SUAN_EIO, "%s: cannot open: %s", path, strerror(errno));
    suan_status status = suan__fd_slurp(fd, path, max, text, n, err);
    close(fd);
    return status;
}

suan_status cli_prompt_read(const cli_prompt_options *o, cli_prompt *p, suan_error *err) {
    if (o->ids) {
        SUAN_TRY(cli_ids_parse("--prompt-ids", o->ids, strlen(o->ids), &p->ids, &p->n_ids, err));
        SUAN_CHECK(p->n_ids > 0, SUAN_EINVAL, "--prompt-ids: there is no id: a model needs at least one token to go on from");
        return SUAN_OK;
    }
    if (o->text) {
        p->n = strlen(o->text);
        p->text = suan__strndup(o->text, p->n);
        SUAN_CHECK(p->text, SUAN_ENOMEM, "out of memory");
        return SUAN_OK;
    }
    return cli_slurp(o->file, CLI_PROMPT_MAX_BYTES, &p->text, &p->n, err);
}

static suan_status encode_raw(const cli_prompt_options *o, cli_prompt *p, const suan_model *model, suan_error *err) {
    const suan_tokenizer *tokenizer = suan_model_tokenizer(model);
    unsigned flags = SUAN_TOKENIZE_ADD_SPECIAL | (o->parse_special ? SUAN_TOKENIZE_PARSE_SPECIAL : 0u);
    SUAN_CHECK(tokenizer, SUAN_EUNSUPPORTED, "the model has no tokenizer; it takes --prompt-ids");
    SUAN_CHECK(!o->system, SUAN_EUNSUPPORTED, "--system: the model has no chat template");
    return cli_text_encode(tokenizer, p->text, p->n, flags, &p->ids, &p->n_ids, err);
}

suan_status cli_prompt_encode(const cli_prompt_options *o, cli_prompt *p, const suan_model *model, suan_error *err) {
    if (o->ids) return SUAN_OK;
    p->used_template = !o->is_raw && suan_model_has_chat(model);
    SUAN_TRY(p->used_template ? encode_chat(o, p, model, err) : encode_raw(o, p, model, err));
    SUAN_CHECK(p->n_ids > 0, SUAN_EINVAL, "the prompt is empty: a model needs at least one token to go on from");
    return SUAN_OK;
}

void cli_prompt_fini(cli_prompt *p) {
    suan__free(p->text);
    suan_free(p->ids);
    suan_free(p->rendered);
    *p = (cli_prompt){0};
}
