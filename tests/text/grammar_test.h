/* grammar_test.h: what the tests of grammars share: a small vocabulary of every byte, some longer tokens and special ones; going through a
 * text with a matcher. */
#ifndef TESTS_TEXT_GRAMMAR_TEST_H
#define TESTS_TEXT_GRAMMAR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "suan/grammar.h"
#include "text/tokenizer.h"

typedef struct words {
    suan_tokenizer *tokenizer;
    suan_vocabulary *vocabulary;
    uint32_t n_vocab;
} words;

/* The character that stands for a byte in byte-level vocabularies. */
static void append_byte(suan__buf *out, unsigned char byte) {
    uint32_t cp = byte, n_before = 0;
    char utf8[4];
    for (uint32_t b = 0; b < byte; b++) n_before += !((b >= 33 && b < 127) || (b >= 161 && b < 173) || b >= 174);
    if (!((byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174)) cp = 256 + n_before;
    if (cp == '"' || cp == '\\') suan__buf_append(out, "\\", 1);
    suan__buf_append(out, utf8, suan__utf8_encode(cp, utf8));
}

/* Tokens 0 .. 255 are the bytes; then the texts, then special tokens, the first of which is the end; a text in front of which a '!' stands is
 * added, but no special token. NULL ends a list. */
static void words_open(words *w, const char *const *texts, const char *const *specials) {
    suan__buf json = {0};
    suan_error err = {0};
    uint32_t n = 256;
    suan__buf_printf(&json, "{\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{");
    for (uint32_t b = 0; b < 256; b++) {
        suan__buf_printf(&json, "%s\"", b ? "," : "");
        append_byte(&json, (unsigned char)b);
        suan__buf_printf(&json, "\":%u", b);
    }
    for (; *texts; texts++) {
        suan__buf_printf(&json, ",\"");
        for (const char *s = *texts; *s; s++) append_byte(&json, (unsigned char)*s);
        suan__buf_printf(&json, "\":%u", n++);
    }
    suan__buf_printf(
        &json,
        "}},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":[");
    for (size_t i = 0; specials[i]; i++) {
        bool special = specials[i][0] != '!';
        suan__buf_printf(&json,
                         "%s{\"id\":%u,\"content\":\"%s\",\"special\":%s,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                         "\"normalized\":false}",
                         i ? "," : "", n++, specials[i] + !special, special ? "true" : "false");
    }
    suan__buf_printf(&json, "]}");
    if (suan__tokenizer_from_json(&w->tokenizer, json.data, json.n, "test.json", &err) != SUAN_OK) fail_msg("%s", err.message);
    suan__buf_fini(&json);
    if (suan_vocabulary_create(&w->vocabulary, w->tokenizer, &err) != SUAN_OK) fail_msg("%s", err.message);
    w->n_vocab = suan_tokenizer_n_vocab(w->tokenizer);
    assert_int_equal(w->n_vocab, n);
}

static void words_close(words *w) {
    suan_vocabulary_free(w->vocabulary);
    suan_tokenizer_close(&w->tokenizer);
}

static inline bool mask_has(const uint32_t *mask, int32_t id) {
    return mask[id / 32] >> (id % 32) & 1;
}

/* How many bytes of the text a matcher takes, a token a byte; *is_complete: whether it may end behind the last of them. Tokens 0 .. 255 are
 * bytes. */
static inline size_t take_text(suan_matcher *m, const char *s, size_t n, bool *is_complete) {
    size_t taken = 0;
    suan_error err = {0};
    while (taken < n && suan_matcher_accept(m, (unsigned char)s[taken], &err) == SUAN_OK) taken++;
    *is_complete = suan_matcher_is_complete(m);
    return taken;
}

/* Whether the grammar has this text. */
static inline bool has_text(suan_grammar *g, const words *w, const char *s, size_t n) {
    suan_matcher *m;
    suan_error err = {0};
    bool is_complete;
    if (suan_matcher_create(&m, g, w->vocabulary, &err) != SUAN_OK) fail_msg("%s", err.message);
    size_t taken = take_text(m, s, n, &is_complete);
    suan_matcher_free(m);
    return taken == n && is_complete;
}

static inline suan_grammar *gbnf(const char *text) {
    suan_grammar *g;
    suan_error err = {0};
    if (suan_grammar_from_gbnf(&g, text, strlen(text), &err) != SUAN_OK) fail_msg("%s: %s", text, err.message);
    return g;
}

static const char *const no_words[] = {NULL};
static const char *const end_only[] = {"<|im_end|>", NULL};

#endif
