/* tokenizer_json_steps.c: normalizer and pre_tokenizer of tokenizer.json. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/tokenizer_json.h"

enum { MAX_STEPS = 64, MAX_NESTING = 8, WHERE = 192 };

static suan_status no_memory(suan__json_loader *l) {
    return suan__fail(l->err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", l->t->path);
}

/* ---- Typed members ---- */

suan_status suan__json_check(suan__json_loader *l, const json_t *v, const char *where, ...) {
    if (!json_is_object(v)) return suan__fail(l->err, SUAN_EFORMAT, "%s: %s: expected an object", l->t->path, where);
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)v, key, member) {
        va_list args;
        bool known = false;
        va_start(args, where);
        for (const char *name; !known && (name = va_arg(args, const char *)) != NULL;) known = strcmp(name, key) == 0;
        va_end(args);
        if (!known) return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s: unknown field \"%s\"", l->t->path, where, key);
    }
    return SUAN_OK;
}

suan_status suan__json_bool(suan__json_loader *l, const json_t *v, const char *where, const char *key, bool *out) {
    const json_t *m = json_object_get(v, key);
    if (!m || json_is_null(m)) return SUAN_OK;
    if (!json_is_boolean(m)) return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.%s: expected true or false", l->t->path, where, key);
    *out = json_is_true(m);
    return SUAN_OK;
}

suan_status suan__json_string(suan__json_loader *l, const json_t *v, const char *where, const char *key, const char **out, size_t *n) {
    const json_t *m = json_object_get(v, key);
    if (!m) return SUAN_OK;
    if (!json_is_string(m)) return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.%s: expected a string", l->t->path, where, key);
    *n = json_string_length(m);
    *out = suan__arena_strndup(&l->t->arena, json_string_value(m), *n);
    return *out ? SUAN_OK : no_memory(l);
}

suan_status suan__json_int(suan__json_loader *l, const json_t *v, const char *where, const char *key, int64_t min, int64_t max,
                           int64_t *out) {
    const json_t *m = json_object_get(v, key);
    if (!m) return SUAN_OK;
    if (!json_is_integer(m) || json_integer_value(m) < min || json_integer_value(m) > max) {
        return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.%s: expected an integer from %lld to %lld", l->t->path, where, key, (long long)min,
                          (long long)max);
    }
    *out = json_integer_value(m);
    return SUAN_OK;
}

suan_status suan__json_type(suan__json_loader *l, const json_t *v, const char *where, const char **type) {
    const json_t *m = json_object_get(v, "type");
    if (!json_is_string(m)) return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.type: expected a string", l->t->path, where);
    *type = json_string_value(m);
    return SUAN_OK;
}

suan_status suan__json_pattern(suan__json_loader *l, const json_t *v, const char *where, const suan__regex **regex, const char **literal,
                               size_t *n) {
    const json_t *m = json_object_get(v, "pattern");
    char name[WHERE];
    snprintf(name, sizeof name, "%.140s.pattern", where);
    SUAN_TRY(suan__json_check(l, m, name, "Regex", "String", (char *)NULL));
    *regex = NULL;
    *literal = NULL;
    SUAN_TRY(suan__json_string(l, m, name, "String", literal, n));
    if (*literal) return *n ? SUAN_OK : suan__fail(l->err, SUAN_EFORMAT, "%s: %s.String is empty", l->t->path, name);
    const char *text = NULL;
    SUAN_TRY(suan__json_string(l, m, name, "Regex", &text, n));
    if (!text) return suan__fail(l->err, SUAN_EFORMAT, "%s: %s: expected \"Regex\" or \"String\"", l->t->path, name);
    suan__regex *re = NULL;
    suan_status status = suan__regex_compile(&re, &l->t->arena, text, *n, l->err);
    if (status != SUAN_OK) {
        char prefix[WHERE + 64];
        snprintf(prefix, sizeof prefix, "%.60s: %s", l->t->path, name);
        return suan__fail_prefix(l->err, status, prefix);
    }
    *regex = re;
    return SUAN_OK;
}

/* ---- Normalizers ---- */

static suan_status precompiled(suan__json_loader *l, const json_t *v, const char *where, suan__normalizer *norm) {
    const char *text = NULL;
    size_t n = 0;
    SUAN_TRY(suan__json_check(l, v, where, "type", "precompiled_charsmap", (char *)NULL));
    SUAN_TRY(suan__json_string(l, v, where, "precompiled_charsmap", &text, &n));
    char *data = suan__arena_alloc(&l->t->arena, n + 1, 1);
    if (!data) return no_memory(l);
    size_t k = n ? suan__base64_decode(text, n, data) : 0;
    if (k == SIZE_MAX) return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.precompiled_charsmap: expected base64", l->t->path, where);
    norm->type = SUAN__NORM_CHARSMAP;
    return suan__charsmap_init(&norm->charsmap, data, k, l->t->path, l->err);
}

static suan_status one_normalizer(suan__json_loader *l, const json_t *v, const char *where, const char *type) {
    static const struct {
        const char *name;
        suan__normalizer_type type;
    } plain[] = {{"NFC", SUAN__NORM_NFC},
                 {"NFD", SUAN__NORM_NFD},
                 {"NFKC", SUAN__NORM_NFKC},
                 {"NFKD", SUAN__NORM_NFKD},
                 {"Lowercase", SUAN__NORM_LOWERCASE}};
    suan_tokenizer *t = l->t;
    if (!t->normalizers) t->normalizers = SUAN_ARENA_NEW(&t->arena, suan__normalizer, MAX_STEPS);
    if (!t->normalizers) return no_memory(l);
    if (t->n_normalizers == MAX_STEPS) return suan__fail(l->err, SUAN_ELIMIT, "%s: %s: more than %d steps", t->path, where, MAX_STEPS);
    suan__normalizer *norm = &t->normalizers[t->n_normalizers++];
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(type, plain[i].name) != 0) continue;
        norm->type = plain[i].type;
        return suan__json_check(l, v, where, "type", (char *)NULL);
    }
    if (strcmp(type, "Strip") == 0) {
        *norm = (suan__normalizer){.type = SUAN__NORM_STRIP, .left = true, .right = true};
        SUAN_TRY(suan__json_check(l, v, where, "type", "strip_left", "strip_right", (char *)NULL));
        SUAN_TRY(suan__json_bool(l, v, where, "strip_left", &norm->left));
        return suan__json_bool(l, v, where, "strip_right", &norm->right);
    }
    if (strcmp(type, "Prepend") == 0) {
        norm->type = SUAN__NORM_PREPEND;
        SUAN_TRY(suan__json_check(l, v, where, "type", "prepend", (char *)NULL));
        SUAN_TRY(suan__json_string(l, v, where, "prepend", &norm->literal, &norm->n_literal));
        return norm->literal ? SUAN_OK : suan__fail(l->err, SUAN_EFORMAT, "%s: %s.prepend is missing", t->path, where);
    }
    if (strcmp(type, "Replace") == 0) {
        norm->type = SUAN__NORM_REPLACE;
        SUAN_TRY(suan__json_check(l, v, where, "type", "pattern", "content", (char *)NULL));
        SUAN_TRY(suan__json_pattern(l, v, where, &norm->regex, &norm->literal, &norm->n_literal));
        SUAN_TRY(suan__json_string(l, v, where, "content", &norm->content, &norm->n_content));
        return norm->content ? SUAN_OK : suan__fail(l->err, SUAN_EFORMAT, "%s: %s.content is missing", t->path, where);
    }
    if (strcmp(type, "Precompiled") == 0) return precompiled(l, v, where, norm);
    return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s: unsupported type \"%s\"", t->path, where, type);
}

typedef suan_status step_fn(suan__json_loader *l, const json_t *v, const char *where, const char *type);

/* Walks nested Sequences; `list` is the member that holds the steps. */
static suan_status walk(suan__json_loader *l, const json_t *v, const char *where, const char *list, step_fn *fn, int depth) {
    const char *type = NULL;
    if (!v || json_is_null(v)) return SUAN_OK;
    if (depth > MAX_NESTING) return suan__fail(l->err, SUAN_ELIMIT, "%s: %s: nested more than %d deep", l->t->path, where, MAX_NESTING);
    SUAN_TRY(suan__json_type(l, v, where, &type));
    if (strcmp(type, "Sequence") != 0) return fn(l, v, where, type);
    SUAN_TRY(suan__json_check(l, v, where, "type", list, (char *)NULL));
    const json_t *steps = json_object_get(v, list);
    if (!json_is_array(steps)) return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.%s: expected a list", l->t->path, where, list);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        char name[WHERE];
        snprintf(name, sizeof name, "%.100s.%.40s[%zu]", where, list, i);
        SUAN_TRY(walk(l, json_array_get(steps, i), name, list, fn, depth + 1));
    }
    return SUAN_OK;
}

suan_status suan__json_normalizers(suan__json_loader *l) {
    return walk(l, json_object_get(l->root, "normalizer"), "normalizer", "normalizers", one_normalizer, 0);
}

/* ---- Pre-tokenizers ---- */

static suan_status new_step(suan__json_loader *l, const char *where, suan__pretok_step **step) {
    suan_tokenizer *t = l->t;
    if (!t->pretok) t->pretok = SUAN_ARENA_NEW(&t->arena, suan__pretok_step, MAX_STEPS);
    if (!t->pretok) return no_memory(l);
    if (t->n_pretok == MAX_STEPS) return suan__fail(l->err, SUAN_ELIMIT, "%s: %s: more than %d steps", t->path, where, MAX_STEPS);
    if (t->byte_level) return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s: a step behind ByteLevel", t->path, where);
    *step = &t->pretok[t->n_pretok++];
    return SUAN_OK;
}

static suan_status add_regex(suan__json_loader *l, const char *where, const char *pattern, suan__split behavior, bool invert) {
    suan__pretok_step *step = NULL;
    suan__regex *re = NULL;
    SUAN_TRY(new_step(l, where, &step));
    SUAN_TRY(suan__regex_compile(&re, &l->t->arena, pattern, strlen(pattern), l->err));
    *step = (suan__pretok_step){.type = SUAN__PRETOK_SPLIT, .regex = re, .behavior = behavior, .invert = invert};
    return SUAN_OK;
}

static suan_status behavior_of(suan__json_loader *l, const json_t *v, const char *where, suan__split *out) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const json_t *m = json_object_get(v, "behavior");
    for (int i = 0; i < 5; i++) {
        if (!json_is_string(m) || strcmp(json_string_value(m), names[i]) != 0) continue;
        *out = (suan__split)i;
        return SUAN_OK;
    }
    return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s.behavior: unknown behavior", l->t->path, where);
}

static suan_status metaspace(suan__json_loader *l, const json_t *v, const char *where) {
    static const char *const schemes[] = {"never", "first", "always"};
    suan__pretok_step *step = NULL;
    bool split = true, prefix = true;
    const json_t *scheme = json_object_get(v, "prepend_scheme");
    SUAN_TRY(new_step(l, where, &step));
    *step = (suan__pretok_step){.type = SUAN__PRETOK_METASPACE, .literal = "\xE2\x96\x81", .n_literal = 3, .prepend = SUAN__PREPEND_ALWAYS};
    SUAN_TRY(suan__json_check(l, v, where, "type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep", (char *)NULL));
    SUAN_TRY(suan__json_string(l, v, where, "replacement", &step->literal, &step->n_literal));
    SUAN_TRY(suan__json_bool(l, v, where, "split", &split));
    SUAN_TRY(suan__json_bool(l, v, where, "add_prefix_space", &prefix));
    if (step->n_literal == 0 || step->n_literal > 4) {
        return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.replacement: expected one character", l->t->path, where);
    }
    step->split = split;
    if (!prefix) step->prepend = SUAN__PREPEND_NEVER;
    if (!scheme) return SUAN_OK;
    for (int i = 0; i < 3; i++) {
        if (!json_is_string(scheme) || strcmp(json_string_value(scheme), schemes[i]) != 0) continue;
        step->prepend = (suan__prepend)i;
        return SUAN_OK;
    }
    return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s.prepend_scheme: expected \"never\", \"first\" or \"always\"", l->t->path, where);
}

static suan_status byte_level(suan__json_loader *l, const json_t *v, const char *where) {
    bool prefix = true, use_regex = true, trim = true;
    SUAN_TRY(suan__json_check(l, v, where, "type", "add_prefix_space", "trim_offsets", "use_regex", (char *)NULL));
    SUAN_TRY(suan__json_bool(l, v, where, "add_prefix_space", &prefix));
    SUAN_TRY(suan__json_bool(l, v, where, "use_regex", &use_regex));
    SUAN_TRY(suan__json_bool(l, v, where, "trim_offsets", &trim)); /* offsets are not kept here */
    suan__pretok_step *step = NULL;
    if (prefix) {
        SUAN_TRY(new_step(l, where, &step));
        *step = (suan__pretok_step){.type = SUAN__PRETOK_PREFIX_SPACE};
    }
    if (use_regex) SUAN_TRY(add_regex(l, where, suan__pretok_gpt2, SUAN__SPLIT_ISOLATED, false));
    if (l->t->byte_level) return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s: a second ByteLevel", l->t->path, where);
    l->t->byte_level = true;
    return SUAN_OK;
}

static suan_status split_step(suan__json_loader *l, const json_t *v, const char *where) {
    suan__pretok_step *step = NULL;
    SUAN_TRY(new_step(l, where, &step));
    SUAN_TRY(suan__json_check(l, v, where, "type", "pattern", "behavior", "invert", (char *)NULL));
    SUAN_TRY(suan__json_pattern(l, v, where, &step->regex, &step->literal, &step->n_literal));
    SUAN_TRY(behavior_of(l, v, where, &step->behavior));
    step->type = SUAN__PRETOK_SPLIT;
    return suan__json_bool(l, v, where, "invert", &step->invert);
}

/* Rust's char::is_numeric is \p{N}; "punctuation" is that of ASCII, symbols included, and \p{P}. */
/* \w of Rust's expressions also has the joiners and what else is alphabetic: letter numbers, letters in circles and squares. */
#define RUST_WORD "\\w\\p{Nl}\\x{200C}\\x{200D}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"
#define PUNCTUATION "[!-/:-@\\[-`{-~\\p{P}]"

static suan_status one_pretokenizer(suan__json_loader *l, const json_t *v, const char *where, const char *type) {
    if (strcmp(type, "ByteLevel") == 0) return byte_level(l, v, where);
    if (strcmp(type, "Split") == 0) return split_step(l, v, where);
    if (strcmp(type, "Metaspace") == 0) return metaspace(l, v, where);
    if (strcmp(type, "Digits") == 0) {
        bool single = false;
        SUAN_TRY(suan__json_check(l, v, where, "type", "individual_digits", (char *)NULL));
        SUAN_TRY(suan__json_bool(l, v, where, "individual_digits", &single));
        return add_regex(l, where, single ? "\\p{N}" : "\\p{N}+", SUAN__SPLIT_ISOLATED, false);
    }
    if (strcmp(type, "Punctuation") == 0) {
        suan__split behavior = SUAN__SPLIT_ISOLATED;
        SUAN_TRY(suan__json_check(l, v, where, "type", "behavior", (char *)NULL));
        if (json_object_get(v, "behavior")) SUAN_TRY(behavior_of(l, v, where, &behavior));
        return add_regex(l, where, PUNCTUATION, behavior, false);
    }
    if (strcmp(type, "Whitespace") == 0) {
        SUAN_TRY(suan__json_check(l, v, where, "type", (char *)NULL));
        return add_regex(l, where, "[" RUST_WORD "]+|[^" RUST_WORD "\\s]+", SUAN__SPLIT_REMOVED, true);
    }
    if (strcmp(type, "WhitespaceSplit") == 0 || strcmp(type, "BertPreTokenizer") == 0) {
        SUAN_TRY(suan__json_check(l, v, where, "type", (char *)NULL));
        SUAN_TRY(add_regex(l, where, "\\s", SUAN__SPLIT_REMOVED, false));
        return type[0] == 'W' ? SUAN_OK : add_regex(l, where, PUNCTUATION, SUAN__SPLIT_ISOLATED, false);
    }
    if (strcmp(type, "CharDelimiterSplit") == 0) {
        suan__pretok_step *step = NULL;
        SUAN_TRY(new_step(l, where, &step));
        SUAN_TRY(suan__json_check(l, v, where, "type", "delimiter", (char *)NULL));
        SUAN_TRY(suan__json_string(l, v, where, "delimiter", &step->literal, &step->n_literal));
        step->type = SUAN__PRETOK_SPLIT;
        step->behavior = SUAN__SPLIT_REMOVED;
        if (step->n_literal > 0) return SUAN_OK;
        return suan__fail(l->err, SUAN_EFORMAT, "%s: %s.delimiter: expected one character", l->t->path, where);
    }
    return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s: unsupported type \"%s\"", l->t->path, where, type);
}

suan_status suan__json_pretokenizers(suan__json_loader *l) {
    return walk(l, json_object_get(l->root, "pre_tokenizer"), "pre_tokenizer", "pretokenizers", one_pretokenizer, 0);
}
