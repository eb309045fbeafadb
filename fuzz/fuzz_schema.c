/* fuzz_schema.c: JSON Schemas, and tools of chats. First byte: 0 a schema; else a chat: (it - 1) % 9 the syntax, / 9 % 4 the choice, bit 7 one call; the
 * rest is the schema, or the tools.
 *
 * Promises beyond memory: no failure but those the header names, with a sentence; a grammar that is made has a text, and what it accepts of a
 * schema is JSON. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "text/answer_json.h"
#include "text/grammar_internal.h"
#include "text/tokenizer_internal.h"

enum { MAX_STEPS = 400 };

/* Goes along the grammar by the input's own bytes; ends where the text may, or after MAX_STEPS. */
static void walk(const suan_grammar *g, const uint8_t *data, size_t n, bool is_json) {
    suan_tokenizer tokenizer = {0};
    suan_vocabulary vocabulary = {.tokenizer = &tokenizer};
    suan__automaton *a;
    suan_error err = {0};
    char text[MAX_STEPS];
    FUZZ_ASSERT(suan__automaton_create(&a, g, &vocabulary, &err) == SUAN_OK);
    uint32_t state = suan__automaton_start(a);
    FUZZ_ASSERT(state >= STATE_FIRST);
    for (size_t i = 0; i < MAX_STEPS; i++) {
        uint32_t n_classes = g->program.n_classes, class = 0, to = STATE_DEAD;
        a->work = 0;
        if (is_json && a->pool.state[state].is_complete) FUZZ_ASSERT(suan__json_is_value(text, i));
        for (uint32_t k = 0; k < n_classes && to < STATE_FIRST; k++) {
            class = (data[i % n] + k) % n_classes;
            to = suan__automaton_next(a, state, class);
        }
        if (to < STATE_FIRST) break; /* complete, or a limit */
        text[i] = (char)g->program.example[class];
        state = to;
    }
    suan__automaton_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 2 || n > 1u << 14) return 0;
    suan_grammar *g = NULL;
    suan_error err = {0};
    const char *text = (const char *)data + 1;
    int kind = data[0] & 127;
    suan_status status;
    if (kind == 0) {
        status = suan_grammar_from_json_schema(&g, text, n - 1, &err);
    } else {
        suan_chat_form form = {.syntax = (suan_answer_syntax)((kind - 1) % SUAN_N_ANSWER_SYNTAXES),
                               .choice = (suan_tool_choice)((kind - 1) / SUAN_N_ANSWER_SYNTAXES % 4),
                               .tools = text,
                               .n_tools = n - 1,
                               .name = "f",
                               .one_call = data[0] > 127};
        status = suan_grammar_from_chat(&g, &form, &err);
    }
    FUZZ_ASSERT(status == SUAN_OK || status == SUAN_EINVAL || status == SUAN_EUNSUPPORTED || status == SUAN_ELIMIT);
    FUZZ_ASSERT(status == SUAN_OK ? g || kind : !g && err.message[0]);
    if (g) walk(g, data, n, kind == 0);
    suan_grammar_free(g);
    return 0;
}
