/* tokenizer_roles.c: tokens with a role, what ends a generation, what goes around a text, chat templates, tokenizer_config.json. */
#include <string.h>

#include "text/tokenizer_internal.h"

static suan_status no_memory(const suan_tokenizer *t, suan_error *err) {
    return suan__fail(err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", t->path);
}

/* The token of this text that is no plain one; -1: none. */
static int32_t find_special(const suan_tokenizer *t, const char *text, size_t n) {
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        const suan__token *token = &t->tokens[i];
        bool special = token->added || token->type == SUAN_TOKEN_CONTROL || token->type == SUAN_TOKEN_UNKNOWN;
        if (special && token->n_text == n && memcmp(token->text, text, n) == 0) return (int32_t)i;
    }
    return -1;
}

suan_status suan__tokenizer_set_role(suan_tokenizer *t, suan_token_role role, const char *text, size_t n, int32_t id, suan_error *err) {
    if (id >= 0 && (uint32_t)id < t->n_vocab && !text) {
        text = t->tokens[id].text;
        n = t->tokens[id].n_text;
    }
    if (!text) return SUAN_OK;
    if (id < 0) id = find_special(t, text, n);
    if (id < 0) id = suan_tokenizer_find(t, text, n);
    t->role[role] = id;
    t->role_text[role] = suan__arena_strndup(&t->arena, text, n);
    t->n_role_text[role] = n;
    return t->role_text[role] ? SUAN_OK : no_memory(t, err);
}

suan_status suan__tokenizer_wrap(suan_tokenizer *t, bool bos, bool eos, suan_error *err) {
    t->n_prefix = t->n_suffix = 0;
    t->prefix = SUAN_ARENA_NEW(&t->arena, int32_t, 1);
    t->suffix = SUAN_ARENA_NEW(&t->arena, int32_t, 1);
    if (!t->prefix || !t->suffix) return no_memory(t, err);
    if (bos && t->role[SUAN_ROLE_BOS] >= 0) t->prefix[t->n_prefix++] = t->role[SUAN_ROLE_BOS];
    if (eos && t->role[SUAN_ROLE_EOS] >= 0) t->suffix[t->n_suffix++] = t->role[SUAN_ROLE_EOS];
    return SUAN_OK;
}

suan_status suan__tokenizer_add_template(suan_tokenizer *t, const char *name, size_t n_name, const char *text, size_t n, suan_error *err) {
    enum { MAX_TEMPLATES = 64 };
    if (!t->templates) t->templates = SUAN_ARENA_NEW(&t->arena, suan__chat_template, MAX_TEMPLATES);
    if (!t->templates) return no_memory(t, err);
    SUAN_CHECK(t->n_templates < MAX_TEMPLATES, SUAN_ELIMIT, "%s: more than %d chat templates", t->path, MAX_TEMPLATES);
    suan__chat_template *c = &t->templates[t->n_templates];
    c->name = suan__arena_strndup(&t->arena, name, n_name);
    c->text = suan__arena_strndup(&t->arena, text, n);
    c->n = n;
    if (!c->name || !c->text) return no_memory(t, err);
    t->n_templates++;
    return SUAN_OK;
}

/* ---- The end of a generation ---- */

/* Tokens that end a turn or a text in the models there are, by name; only control tokens count. The first group is tried for EOT. */
static const char *const end_names[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<end_of_turn>",
    "<|end|>",
    "<|EOT|>",
    "<|eot|>",
    "[EOT]",
    "<EOT>",
    "_<EOT>",
    "<|eom_id|>",
    "<|return|>",
    "<|call|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<｜end▁of▁sentence｜>",
    "[EOS]",
    "</s>",
    "<eos>",
    "<end_of_utterance>",
};
enum { N_END_NAMES = sizeof end_names / sizeof end_names[0], N_TURN_NAMES = 9 };

static suan_status add_eog(suan_tokenizer *t, int32_t id, suan_error *err) {
    enum { MAX_EOG = 256 };
    if (id < 0 || suan_tokenizer_is_eog(t, id)) return SUAN_OK;
    if (!t->eog) t->eog = SUAN_ARENA_NEW(&t->arena, int32_t, MAX_EOG);
    if (!t->eog) return no_memory(t, err);
    SUAN_CHECK(t->n_eog < MAX_EOG, SUAN_ELIMIT, "%s: more than %d end-of-generation tokens", t->path, MAX_EOG);
    t->eog[t->n_eog++] = id;
    return SUAN_OK;
}

static suan_status add_generation_eos(suan_tokenizer *t, const json_t *eos, suan_error *err) {
    size_t n = json_is_array(eos) ? json_array_size(eos) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_is_array(eos) ? json_array_get(eos, i) : eos;
        SUAN_CHECK(json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX, SUAN_EFORMAT,
                   "%s: generation_config.json: eos_token_id: expected a token id or a list of them", t->path);
        if (json_integer_value(v) < t->n_vocab) SUAN_TRY(add_eog(t, (int32_t)json_integer_value(v), err));
    }
    return SUAN_OK;
}

suan_status suan__roles_finish(suan_tokenizer *t, const json_t *generation_config, suan_error *err) {
    int32_t named[N_END_NAMES];
    for (int i = 0; i < N_END_NAMES; i++) named[i] = -1;
    for (uint32_t id = 0; id < t->n_vocab; id++) {
        suan__token *token = &t->tokens[id];
        if (!token->decoded) {
            token->decoded = token->bytes;
            token->n_decoded = token->n_bytes;
        }
        if (token->n_decoded > t->max_token_bytes) t->max_token_bytes = token->n_decoded;
        for (int i = 0; token->type == SUAN_TOKEN_CONTROL && i < N_END_NAMES; i++) {
            if (named[i] < 0 && strlen(end_names[i]) == token->n_text && memcmp(end_names[i], token->text, token->n_text) == 0) {
                named[i] = (int32_t)id;
            }
        }
    }
    for (int i = 0; i < N_TURN_NAMES && t->role[SUAN_ROLE_EOT] < 0; i++) {
        if (named[i] >= 0) SUAN_TRY(suan__tokenizer_set_role(t, SUAN_ROLE_EOT, NULL, 0, named[i], err));
    }
    SUAN_TRY(add_eog(t, t->role[SUAN_ROLE_EOS], err));
    SUAN_TRY(add_eog(t, t->role[SUAN_ROLE_EOT], err));
    const json_t *eos = generation_config ? json_object_get(generation_config, "eos_token_id") : NULL;
    if (eos && !json_is_null(eos)) SUAN_TRY(add_generation_eos(t, eos, err));
    /* In gpt-oss "<|end|>" only closes a message, and generation goes on to "<|return|>" or "<|call|>". */
    int end = 3, give_back = 10, call = 11;
    if (named[give_back] >= 0 && named[call] >= 0 && named[end] >= 0) {
        if (t->role[SUAN_ROLE_EOT] == named[end]) {
            t->n_eog = 0;
            SUAN_TRY(suan__tokenizer_set_role(t, SUAN_ROLE_EOT, NULL, 0, named[give_back], err));
            SUAN_TRY(add_eog(t, t->role[SUAN_ROLE_EOS], err));
            if (eos && !json_is_null(eos)) SUAN_TRY(add_generation_eos(t, eos, err));
        }
        named[end] = -1;
    }
    for (int i = 0; i < N_END_NAMES; i++) SUAN_TRY(add_eog(t, named[i], err));
    return SUAN_OK;
}

/* ---- tokenizer_config.json ---- */

/* A special token is a string or an object with "content"; NULL: absent or null. */
static suan_status special_text(const suan_tokenizer *t, const json_t *v, const char *file, const char *key, const json_t **text,
                                suan_error *err) {
    *text = NULL;
    if (!v || json_is_null(v)) return SUAN_OK;
    if (json_is_object(v)) v = json_object_get(v, "content");
    SUAN_CHECK(json_is_string(v), SUAN_EFORMAT, "%s: %s: %s: expected a string or an object with \"content\"", t->path, file, key);
    *text = v;
    return SUAN_OK;
}

static suan_status config_templates(suan_tokenizer *t, const json_t *v, const char *file, suan_error *err) {
    if (!v || json_is_null(v)) return SUAN_OK;
    if (json_is_string(v)) return suan__tokenizer_add_template(t, "default", 7, json_string_value(v), json_string_length(v), err);
    SUAN_CHECK(json_is_array(v), SUAN_EFORMAT, "%s: %s: chat_template: expected a string or a list", t->path, file);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *name = json_object_get(json_array_get(v, i), "name"), *text = json_object_get(json_array_get(v, i), "template");
        SUAN_CHECK(json_is_string(name) && json_is_string(text), SUAN_EFORMAT,
                   "%s: %s: chat_template[%zu]: expected an object with \"name\" and \"template\"", t->path, file, i);
        SUAN_TRY(suan__tokenizer_add_template(t, json_string_value(name), json_string_length(name), json_string_value(text),
                                              json_string_length(text), err));
    }
    return SUAN_OK;
}

static suan_status config_additional(suan_tokenizer *t, const json_t *v, const char *file, suan_error *err) {
    if (!v || json_is_null(v)) return SUAN_OK;
    SUAN_CHECK(json_is_array(v), SUAN_EFORMAT, "%s: %s: additional_special_tokens: expected a list", t->path, file);
    t->additional = SUAN_ARENA_NEW(&t->arena, const char *, json_array_size(v) + 1);
    if (!t->additional) return no_memory(t, err);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *text;
        SUAN_TRY(special_text(t, json_array_get(v, i), file, "additional_special_tokens", &text, err));
        if (!text) continue;
        t->additional[t->n_additional] = suan__arena_strndup(&t->arena, json_string_value(text), json_string_length(text));
        if (!t->additional[t->n_additional++]) return no_memory(t, err);
    }
    return SUAN_OK;
}

/* add_bos_token and add_eos_token, where the file has them, decide over the post-processor of tokenizer.json, as in transformers. */
static suan_status config_wrap(suan_tokenizer *t, const json_t *config, const char *file, suan_error *err) {
    static const char *const keys[2] = {"add_bos_token", "add_eos_token"};
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(config, keys[i]);
        if (!v || json_is_null(v)) continue;
        SUAN_CHECK(json_is_boolean(v), SUAN_EFORMAT, "%s: %s: %s: expected true or false", t->path, file, keys[i]);
        int32_t id = t->role[i == 0 ? SUAN_ROLE_BOS : SUAN_ROLE_EOS], **list = i == 0 ? &t->prefix : &t->suffix;
        size_t *n = i == 0 ? &t->n_prefix : &t->n_suffix;
        if (json_is_true(v)) {
            if (id < 0 || *n > 0) continue; /* the template has its own */
            *list = SUAN_ARENA_NEW(&t->arena, int32_t, 1);
            if (!*list) return no_memory(t, err);
            (*list)[(*n)++] = id;
        } else if (*n == 1 && (*list)[0] == id) {
            *n = 0;
        }
    }
    return SUAN_OK;
}

suan_status suan__tokenizer_apply_config(suan_tokenizer *t, const json_t *config, const char *file, suan_error *err) {
    static const struct {
        const char *key;
        suan_token_role role;
    } roles[] = {{"bos_token", SUAN_ROLE_BOS}, {"eos_token", SUAN_ROLE_EOS}, {"unk_token", SUAN_ROLE_UNK}, {"pad_token", SUAN_ROLE_PAD}};
    SUAN_CHECK(json_is_object(config), SUAN_EFORMAT, "%s: %s: expected a JSON object", t->path, file);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        const json_t *text;
        SUAN_TRY(special_text(t, json_object_get(config, roles[i].key), file, roles[i].key, &text, err));
        if (!text) continue;
        SUAN_TRY(suan__tokenizer_set_role(t, roles[i].role, json_string_value(text), json_string_length(text), -1, err));
    }
    SUAN_TRY(config_templates(t, json_object_get(config, "chat_template"), file, err));
    SUAN_TRY(config_additional(t, json_object_get(config, "additional_special_tokens"), file, err));
    return config_wrap(t, config, file, err);
}
