/* tokenizer.c: what a tokenizer tells about its vocabulary. */
#include "suan/tokenizer.h"

#include <string.h>

#include "text/tokenizer_internal.h"

static const suan__token *token_of(const suan_tokenizer *t, int32_t id) {
    return id >= 0 && (uint32_t)id < t->n_vocab ? &t->tokens[id] : NULL;
}

uint32_t suan_tokenizer_n_vocab(const suan_tokenizer *t) {
    return t->n_vocab;
}

const char *suan_tokenizer_token_text(const suan_tokenizer *t, int32_t id, size_t *n) {
    const suan__token *token = token_of(t, id);
    *n = token ? token->n_text : 0;
    return token ? token->text : NULL;
}

const char *suan_tokenizer_token_bytes(const suan_tokenizer *t, int32_t id, size_t *n) {
    const suan__token *token = token_of(t, id);
    *n = token ? token->n_decoded : 0;
    return token ? token->decoded : NULL;
}

suan_token_type suan_tokenizer_token_type(const suan_tokenizer *t, int32_t id) {
    const suan__token *token = token_of(t, id);
    return token ? (suan_token_type)token->type : SUAN_TOKEN_UNUSED;
}

int32_t suan_tokenizer_find(const suan_tokenizer *t, const char *text, size_t n) {
    for (size_t i = 0; i < t->n_added; i++) {
        if (t->added[i].n == n && memcmp(t->added[i].text, text, n) == 0) return t->added[i].id;
    }
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        if (t->tokens[i].n_text == n && memcmp(t->tokens[i].text, text, n) == 0 && t->tokens[i].type != SUAN_TOKEN_UNUSED)
            return (int32_t)i;
    }
    return -1;
}

int32_t suan_tokenizer_role_id(const suan_tokenizer *t, suan_token_role role) {
    return (unsigned)role < SUAN_N_ROLES ? t->role[role] : -1;
}

const char *suan_tokenizer_role_text(const suan_tokenizer *t, suan_token_role role, size_t *n) {
    bool have = (unsigned)role < SUAN_N_ROLES && t->role_text[role];
    *n = have ? t->n_role_text[role] : 0;
    return have ? t->role_text[role] : "";
}

bool suan_tokenizer_is_eog(const suan_tokenizer *t, int32_t id) {
    for (size_t i = 0; i < t->n_eog; i++) {
        if (t->eog[i] == id) return true;
    }
    return false;
}

const int32_t *suan_tokenizer_eog_ids(const suan_tokenizer *t, size_t *n) {
    *n = t->n_eog;
    return t->eog;
}

static bool holds(const int32_t *v, size_t n, int32_t id) {
    for (size_t i = 0; i < n; i++) {
        if (v[i] == id && id >= 0) return true;
    }
    return false;
}

bool suan_tokenizer_adds_bos(const suan_tokenizer *t) {
    return holds(t->prefix, t->n_prefix, t->role[SUAN_ROLE_BOS]);
}

bool suan_tokenizer_adds_eos(const suan_tokenizer *t) {
    return holds(t->suffix, t->n_suffix, t->role[SUAN_ROLE_EOS]);
}

const char *suan_tokenizer_chat_template(const suan_tokenizer *t, const char *name, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < t->n_templates; i++) {
        if (strcmp(t->templates[i].name, name ? name : "default") != 0) continue;
        *n = t->templates[i].n;
        return t->templates[i].text;
    }
    return NULL;
}

const char *suan_tokenizer_additional_token(const suan_tokenizer *t, size_t i, size_t *n) {
    *n = i < t->n_additional ? strlen(t->additional[i]) : 0;
    return i < t->n_additional ? t->additional[i] : NULL;
}
