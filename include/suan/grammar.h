/* grammar.h: answers of a given form: which tokens may come next.
 *
 * A grammar describes texts (JSON Schema, GBNF or a regular expression); a vocabulary is a tokenizer made ready for masks; a matcher goes
 * along with one answer and says after each token which tokens may follow.
 *
 *     suan_vocabulary_create(&vocabulary, tokenizer, &err);                            once a model
 *     suan_grammar_from_json_schema(&grammar, schema, n_schema, &err);                 once a request (suan_grammar is shared by reference)
 *     suan_matcher_create(&matcher, grammar, vocabulary, &err);                        once an answer
 *     uint32_t mask[suan_mask_words(n_vocab)];
 *     suan_matcher_mask(matcher, mask, &err);                                          before each draw
 *     suan_matcher_accept(matcher, id, &err);                                          behind each draw
 *
 * Grammars, schemas and expressions are programs from strangers: their size, their depth, the states they unfold into and the time they
 * take are bounded, and no input makes anything recurse.
 *
 * Threads: a grammar and a vocabulary are constant to their users and may be shared by threads; a matcher is used by one thread at a time.
 */
#ifndef SUAN_GRAMMAR_H
#define SUAN_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "suan/answer.h"
#include "suan/status.h"
#include "suan/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what texts look like ---- */

typedef struct suan_grammar suan_grammar; /* counted references */

/* A JSON Schema (2020-12; the subset is stated in docs/grammar.md; what is outside it is SUAN_EUNSUPPORTED and named with its JSON pointer, never ignored). The texts are JSON
 * documents, properties in the order of the schema, white space bounded. Errors: SUAN_EINVAL (no valid schema), SUAN_EUNSUPPORTED, SUAN_ELIMIT (depth, size), SUAN_ENOMEM. */
SUAN_API suan_status suan_grammar_from_json_schema(suan_grammar **g, const char *schema, size_t n, suan_error *err);
/* Any JSON object (response_format json_object). */
SUAN_API suan_status suan_grammar_any_json_object(suan_grammar **g, suan_error *err);
/* llama.cpp's GBNF; the start is the rule `root`. */
SUAN_API suan_status suan_grammar_from_gbnf(suan_grammar **g, const char *text, size_t n, suan_error *err);
/* A regular expression that the whole answer matches (syntax in docs/grammar.md; no back references, no look-around). */
SUAN_API suan_status suan_grammar_from_regex(suan_grammar **g, const char *text, size_t n, suan_error *err);

/* How an answer of a chat may go on: reasoning, then text or calls of tools in the syntax of the model's template. Within a call the name is one of the tools' and the
 * arguments follow that tool's schema; what is outside of calls and reasoning follows `content`, or is free. */
typedef enum suan_tool_choice { SUAN_TOOLS_AUTO = 0, SUAN_TOOLS_NONE, SUAN_TOOLS_REQUIRED, SUAN_TOOLS_NAMED } suan_tool_choice;
typedef struct suan_chat_form {
    suan_answer_syntax syntax;
    const char *prompt; /* the rendered prompt or its end: it may have opened the reasoning already. NULL: none */
    size_t n_prompt;
    const char *tools; /* a JSON array as the OpenAI interface has it; NULL: none */
    size_t n_tools;
    suan_tool_choice choice;
    const char *name;      /* SUAN_TOOLS_NAMED: of the tool */
    bool one_call;         /* at most one call (parallel_tool_calls false) */
    suan_grammar *content; /* what the text of the answer follows; NULL: free. Borrowed for the call (a reference is taken) */
} suan_chat_form;
/* *g is NULL with SUAN_OK where nothing is constrained (no content, and no tools or none that may be called; plain text of any form). */
SUAN_API suan_status suan_grammar_from_chat(suan_grammar **g, const suan_chat_form *form, suan_error *err);

SUAN_API suan_grammar *suan_grammar_ref(suan_grammar *g);
SUAN_API void suan_grammar_free(suan_grammar *g); /* gives a reference back; NULL is fine */

/* ---- which tokens ---- */

typedef struct suan_vocabulary suan_vocabulary;
/* t is borrowed until the vocabulary is freed. */
SUAN_API suan_status suan_vocabulary_create(suan_vocabulary **v, const suan_tokenizer *t, suan_error *err);
SUAN_API void suan_vocabulary_free(suan_vocabulary *v);

typedef struct suan_matcher suan_matcher;
/* References to g and v are kept (v: borrowed). Masks are cached with the grammar: answers of one form share them. */
SUAN_API suan_status suan_matcher_create(suan_matcher **m, suan_grammar *g, const suan_vocabulary *v, suan_error *err);
SUAN_API void suan_matcher_free(suan_matcher *m);

static inline size_t suan_mask_words(uint32_t n_vocab) {
    return ((size_t)n_vocab + 31) / 32;
}
/* mask: suan_mask_words(suan_tokenizer_n_vocab) words; bit id % 32 of word id / 32 is 1 when the token may come next. End-of-generation tokens may come exactly where the text is
 * complete. *is_free (may be NULL): every token may come, the mask need not be applied (it is all ones then, end tokens included). At least one bit is set; a text that cannot go
 * on with any token of the vocabulary is SUAN_EUNSUPPORTED. Errors: SUAN_ELIMIT (states), SUAN_ENOMEM. */
SUAN_API suan_status suan_matcher_mask(suan_matcher *m, uint32_t *mask, bool *is_free, suan_error *err);
/* The token that was drawn. SUAN_EINVAL for one that the mask forbids. */
SUAN_API suan_status suan_matcher_accept(suan_matcher *m, int32_t id, suan_error *err);
/* Whether the text so far is complete; and whether nothing but the end may follow. */
SUAN_API bool suan_matcher_is_complete(const suan_matcher *m);
SUAN_API bool suan_matcher_is_over(const suan_matcher *m);

#ifdef __cplusplus
}
#endif
#endif
