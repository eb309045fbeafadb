/* tokenizer_json_decode.c: decoder and post_processor of tokenizer.json.
 *
 * A decoder is a chain over a list of tokens. What can be settled token by token is settled here, at load: each token gets the bytes it
 * decodes to. What concerns the start of the whole text (Strip behind Fuse, Metaspace) becomes strip_left.
 */
#include <stdio.h>
#include <string.h>

#include "text/tokenizer_json.h"

enum { WHERE = 192, MAX_NESTING = 8 };

typedef struct decoder {
    suan__json_loader *l;
    bool any, byte_level, fallback, fused, stripped;
} decoder;

static suan_status fail(suan__json_loader *l, suan_status status, const char *where, const char *what) {
    return suan__fail(l->err, status, "%s: %s: %s", l->t->path, where, what);
}

static suan_status no_memory(suan__json_loader *l) {
    return suan__fail(l->err, SUAN_ENOMEM, "%s: out of memory for a tokenizer", l->t->path);
}

static bool is_plain(const suan__token *token) {
    return !token->added && token->n_text > 0;
}

/* Replaces a literal in what every plain token decodes to. */
static suan_status replace_all(suan__json_loader *l, const char *from, size_t n_from, const char *to, size_t n_to) {
    suan_tokenizer *t = l->t;
    suan__buf out = {0};
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        suan__token *token = &t->tokens[i];
        if (!is_plain(token)) continue;
        const char *s = token->decoded ? token->decoded : token->bytes, *end = s + (token->decoded ? token->n_decoded : token->n_bytes),
                   *hit;
        if (!memmem(s, (size_t)(end - s), from, n_from)) continue;
        out.n = 0;
        while ((hit = memmem(s, (size_t)(end - s), from, n_from)) != NULL) {
            suan__buf_append(&out, s, (size_t)(hit - s));
            suan__buf_append(&out, to, n_to);
            s = hit + n_from;
        }
        suan__buf_append(&out, s, (size_t)(end - s));
        bool fits = out.n <= SUAN__MAX_TOKEN_BYTES;
        char *copy = out.failed || !fits ? NULL : suan__arena_strndup(&t->arena, out.n ? out.data : "", out.n);
        if (!copy) {
            suan__buf_fini(&out);
            return fits ? no_memory(l) : fail(l, SUAN_ELIMIT, "decoder", "a replaced token is too long");
        }
        token->decoded = copy;
        token->n_decoded = (uint32_t)out.n;
    }
    suan__buf_fini(&out);
    return SUAN_OK;
}

static suan_status byte_fallback(suan__json_loader *l) {
    suan_tokenizer *t = l->t;
    char *bytes = suan__arena_alloc(&t->arena, 256, 1);
    if (!bytes) return no_memory(l);
    for (int b = 0; b < 256; b++) bytes[b] = (char)b;
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        suan__token *token = &t->tokens[i];
        int b = is_plain(token) ? suan__byte_of_token(token->text, token->n_text) : -1;
        if (b < 0) continue;
        token->decoded = bytes + b;
        token->n_decoded = 1;
    }
    return SUAN_OK;
}

/* Strip in front of Fuse: from both ends of every token. */
static void strip_tokens(suan_tokenizer *t, char c, int64_t start, int64_t stop) {
    for (uint32_t i = 0; i < t->n_vocab; i++) {
        suan__token *token = &t->tokens[i];
        if (!is_plain(token)) continue;
        const char *s = token->decoded ? token->decoded : token->bytes;
        uint32_t n = token->decoded ? token->n_decoded : token->n_bytes;
        for (int64_t k = 0; k < start && n > 0 && *s == c; k++) s++, n--;
        for (int64_t k = 0; k < stop && n > 0 && s[n - 1] == c; k++) n--;
        token->decoded = s;
        token->n_decoded = n;
    }
}

static suan_status strip_step(decoder *d, const json_t *v, const char *where) {
    suan__json_loader *l = d->l;
    const char *content = NULL;
    size_t n = 0;
    int64_t start = 0, stop = 0;
    SUAN_TRY(suan__json_check(l, v, where, "type", "content", "start", "stop", (char *)NULL));
    SUAN_TRY(suan__json_string(l, v, where, "content", &content, &n));
    SUAN_TRY(suan__json_int(l, v, where, "start", 0, 1 << 20, &start));
    SUAN_TRY(suan__json_int(l, v, where, "stop", 0, 1 << 20, &stop));
    if (n != 1) return fail(l, SUAN_EUNSUPPORTED, where, "content: expected one ASCII character");
    if (!d->fused) {
        strip_tokens(l->t, *content, start, stop);
        return SUAN_OK;
    }
    if (stop > 0) return fail(l, SUAN_EUNSUPPORTED, where, "stop: the end of a text that is still being written cannot be stripped");
    if (d->stripped) return fail(l, SUAN_EUNSUPPORTED, where, "a second Strip of the whole text");
    d->stripped = true;
    l->t->strip_char = *content;
    l->t->strip_left = (uint32_t)start;
    return SUAN_OK;
}

static suan_status replace_step(decoder *d, const json_t *v, const char *where) {
    suan__json_loader *l = d->l;
    const suan__regex *regex = NULL;
    const char *from = NULL, *to = NULL;
    size_t n_from = 0, n_to = 0;
    SUAN_TRY(suan__json_check(l, v, where, "type", "pattern", "content", (char *)NULL));
    SUAN_TRY(suan__json_pattern(l, v, where, &regex, &from, &n_from));
    SUAN_TRY(suan__json_string(l, v, where, "content", &to, &n_to));
    if (regex || d->fused || !to) return fail(l, SUAN_EUNSUPPORTED, where, "expected a String pattern with content, in front of Fuse");
    return replace_all(l, from, n_from, to, n_to);
}

static suan_status metaspace_step(decoder *d, const json_t *v, const char *where) {
    suan__json_loader *l = d->l;
    const char *replacement = "\xE2\x96\x81", *scheme = "always";
    size_t n = 3, n_scheme;
    bool prefix = true, split = true;
    SUAN_TRY(suan__json_check(l, v, where, "type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep", (char *)NULL));
    SUAN_TRY(suan__json_string(l, v, where, "replacement", &replacement, &n));
    SUAN_TRY(suan__json_string(l, v, where, "prepend_scheme", &scheme, &n_scheme));
    SUAN_TRY(suan__json_bool(l, v, where, "add_prefix_space", &prefix));
    SUAN_TRY(suan__json_bool(l, v, where, "split", &split));
    if (n == 0 || d->fused) return fail(l, SUAN_EUNSUPPORTED, where, "expected a replacement, in front of Fuse");
    l->t->strip_char = ' ';
    l->t->strip_left = prefix && strcmp(scheme, "never") != 0;
    return replace_all(l, replacement, n, " ", 1);
}

static suan_status decoder_step(decoder *d, const json_t *v, const char *where, const char *type) {
    suan__json_loader *l = d->l;
    d->any = true;
    if (strcmp(type, "ByteLevel") == 0) {
        d->byte_level = true;
        return suan__json_check(l, v, where, "type", "add_prefix_space", "trim_offsets", "use_regex", (char *)NULL);
    }
    if (strcmp(type, "Fuse") == 0) {
        d->fused = true;
        return suan__json_check(l, v, where, "type", (char *)NULL);
    }
    if (strcmp(type, "ByteFallback") == 0) {
        SUAN_TRY(suan__json_check(l, v, where, "type", (char *)NULL));
        d->fallback = true;
        return byte_fallback(l);
    }
    if (strcmp(type, "Strip") == 0) return strip_step(d, v, where);
    if (strcmp(type, "Replace") == 0) return replace_step(d, v, where);
    if (strcmp(type, "Metaspace") == 0) return metaspace_step(d, v, where);
    return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s: unsupported type \"%s\"", l->t->path, where, type);
}

static suan_status walk_decoder(decoder *d, const json_t *v, const char *where, int depth) {
    const char *type = NULL;
    suan__json_loader *l = d->l;
    if (depth > MAX_NESTING) return fail(l, SUAN_ELIMIT, where, "nested too deeply");
    SUAN_TRY(suan__json_type(l, v, where, &type));
    if (strcmp(type, "Sequence") != 0) return decoder_step(d, v, where, type);
    SUAN_TRY(suan__json_check(l, v, where, "type", "decoders", (char *)NULL));
    const json_t *steps = json_object_get(v, "decoders");
    if (!json_is_array(steps)) return fail(l, SUAN_EFORMAT, where, "decoders: expected a list");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        char name[WHERE];
        snprintf(name, sizeof name, "%.100s.decoders[%zu]", where, i);
        SUAN_TRY(walk_decoder(d, json_array_get(steps, i), name, depth + 1));
    }
    return SUAN_OK;
}

suan_status suan__json_decoder(suan__json_loader *l) {
    decoder d = {.l = l};
    const json_t *v = json_object_get(l->root, "decoder");
    if (!v || json_is_null(v)) return SUAN_OK; /* tokens decode to what they are spelled as, or to their bytes */
    SUAN_TRY(walk_decoder(&d, v, "decoder", 0));
    if (d.byte_level != l->t->byte_level) {
        return fail(l, SUAN_EUNSUPPORTED, "decoder", "ByteLevel in the pre_tokenizer and in the decoder must go together");
    }
    return SUAN_OK;
}

/* ---- Post-processor ---- */

enum { MAX_WRAP = 64 };

static suan_status add_wrap(suan__json_loader *l, const char *where, int32_t **list, size_t *n, const json_t *id) {
    suan_tokenizer *t = l->t;
    if (!*list) *list = SUAN_ARENA_NEW(&t->arena, int32_t, MAX_WRAP);
    if (!*list) return no_memory(l);
    if (*n == MAX_WRAP) return fail(l, SUAN_ELIMIT, where, "more than 64 tokens around a text");
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= t->n_vocab) {
        return fail(l, SUAN_EFORMAT, where, "a token id outside the vocabulary");
    }
    (*list)[(*n)++] = (int32_t)json_integer_value(id);
    return SUAN_OK;
}

/* One piece of a template: a special token's ids go before or behind the text. */
static suan_status template_piece(suan__json_loader *l, const json_t *piece, const json_t *specials, const char *where, bool *seen) {
    const json_t *special = json_object_get(piece, "SpecialToken"), *sequence = json_object_get(piece, "Sequence");
    SUAN_TRY(suan__json_check(l, piece, where, "SpecialToken", "Sequence", (char *)NULL));
    if (sequence) {
        const char *id = json_string_value(json_object_get(sequence, "id"));
        if (!id || strcmp(id, "A") != 0 || *seen) return fail(l, SUAN_EUNSUPPORTED, where, "expected the sequence \"A\" once");
        *seen = true;
        return SUAN_OK;
    }
    const char *name = json_string_value(json_object_get(special, "id"));
    const json_t *entry = name ? json_object_get(specials, name) : NULL, *ids = json_object_get(entry, "ids");
    if (!json_is_array(ids)) {
        return suan__fail(l->err, SUAN_EFORMAT, "%s: %s: the template's token \"%.80s\" is not among special_tokens", l->t->path, where,
                          name ? name : "");
    }
    suan_tokenizer *t = l->t;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        SUAN_TRY(add_wrap(l, where, *seen ? &t->suffix : &t->prefix, *seen ? &t->n_suffix : &t->n_prefix, json_array_get(ids, i)));
    }
    return SUAN_OK;
}

static suan_status template_processing(suan__json_loader *l, const json_t *v, const char *where) {
    bool seen = false;
    SUAN_TRY(suan__json_check(l, v, where, "type", "single", "pair", "special_tokens", (char *)NULL));
    const json_t *single = json_object_get(v, "single"), *specials = json_object_get(v, "special_tokens");
    if (!json_is_array(single)) return fail(l, SUAN_EFORMAT, where, "single: expected a list");
    for (size_t i = 0; i < json_array_size(single); i++) {
        char name[WHERE];
        snprintf(name, sizeof name, "%.100s.single[%zu]", where, i);
        SUAN_TRY(template_piece(l, json_array_get(single, i), specials, name, &seen));
    }
    return seen ? SUAN_OK : fail(l, SUAN_EFORMAT, where, "single: no sequence \"A\"");
}

/* BertProcessing and RobertaProcessing: [token, id] in front and behind. */
static suan_status bert_processing(suan__json_loader *l, const json_t *v, const char *where) {
    suan_tokenizer *t = l->t;
    SUAN_TRY(suan__json_check(l, v, where, "type", "sep", "cls", "trim_offsets", "add_prefix_space", (char *)NULL));
    SUAN_TRY(add_wrap(l, where, &t->prefix, &t->n_prefix, json_array_get(json_object_get(v, "cls"), 1)));
    return add_wrap(l, where, &t->suffix, &t->n_suffix, json_array_get(json_object_get(v, "sep"), 1));
}

static suan_status walk_post(suan__json_loader *l, const json_t *v, const char *where, int depth) {
    const char *type = NULL;
    if (depth > MAX_NESTING) return fail(l, SUAN_ELIMIT, where, "nested too deeply");
    SUAN_TRY(suan__json_type(l, v, where, &type));
    if (strcmp(type, "ByteLevel") == 0) { /* changes offsets only */
        return suan__json_check(l, v, where, "type", "add_prefix_space", "trim_offsets", "use_regex", (char *)NULL);
    }
    if (strcmp(type, "TemplateProcessing") == 0) return template_processing(l, v, where);
    if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) return bert_processing(l, v, where);
    if (strcmp(type, "Sequence") != 0) {
        return suan__fail(l->err, SUAN_EUNSUPPORTED, "%s: %s: unsupported type \"%s\"", l->t->path, where, type);
    }
    SUAN_TRY(suan__json_check(l, v, where, "type", "processors", (char *)NULL));
    const json_t *steps = json_object_get(v, "processors");
    if (!json_is_array(steps)) return fail(l, SUAN_EFORMAT, where, "processors: expected a list");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        char name[WHERE];
        snprintf(name, sizeof name, "%.100s.processors[%zu]", where, i);
        SUAN_TRY(walk_post(l, json_array_get(steps, i), name, depth + 1));
    }
    return SUAN_OK;
}

suan_status suan__json_post_processor(suan__json_loader *l) {
    const json_t *v = json_object_get(l->root, "post_processor");
    return !v || json_is_null(v) ? SUAN_OK : walk_post(l, v, "post_processor", 0);
}
