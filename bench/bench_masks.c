/* bench_masks.c: how long masks take for a vocabulary.
 *
 *     bench_masks VOCABULARY
 *
 * For each of some grammars a text is gone through token by token, as an answer would be: the time of a mask for a state that was not seen
 * before, of one that is cached, of accepting a token, and the mean over the answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "suan/grammar.h"
#include "text/grammar_internal.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define JSON                                                                                  \
    "ws ::= [ \\n\\t]{0,20}\n"                                                                \
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"          \
    "object ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\n"                                    \
    "pair ::= string ws \":\" ws value ws\n"                                                  \
    "array ::= \"[\" ws (value ws (\",\" ws value ws)*)? \"]\"\n"                             \
    "string ::= \"\\\"\" char* \"\\\"\"\n"                                                    \
    "char ::= [^\"\\\\\\x00-\\x1f\\x7f] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" [0-9a-fA-F]{4})\n" \
    "number ::= \"-\"? (\"0\" | [1-9] [0-9]*) (\".\" [0-9]+)? ([eE] [-+]? [0-9]+)?\n"

static const char answer[] =
    "{\"name\": \"Ada Lovelace\", \"born\": 1815, \"works\": [\"Notes on the Analytical Engine\", "
    "\"\xe8\xae\xa1\xe7\xae\x97\xe6\x9c\xba\"],\n"
    " \"quote\": \"The Analytical Engine weaves algebraic patterns, just as the Jacquard loom weaves flowers and leaves.\",\n"
    " \"alive\": false, \"scores\": [1, 2.5, -3e10, null], \"nested\": {\"a\": {\"b\": {\"c\": []}}}}";

static const struct {
    const char *name, *grammar, *text;
} cases[] = {
    {"JSON object", "root ::= object\n" JSON, answer},
    {"strings of at most 400", "root ::= \"\\\"\" char{0,400} \"\\\"\"\n" JSON,
     "\"The Analytical Engine weaves algebraic patterns, just as the Jacquard loom weaves flowers and leaves.\""},
    {"any text", "root ::= .*", answer},
    {"words", "root ::= ([a-zA-Z]+ [ ,.]+){3,200}",
     "the Analytical Engine weaves algebraic patterns just as the Jacquard loom weaves flowers and leaves. "},
};

typedef struct times {
    double first, worst, cached, accept, sum;
    int n, n_new;
} times;

static suan_status go(const suan_vocabulary *v, suan_grammar *g, const int32_t *ids, size_t n_ids, times *t, suan_error *err) {
    suan_matcher *m;
    static uint32_t mask[1 << 16];
    *t = (times){0};
    if (suan_matcher_create(&m, g, v, err) != SUAN_OK) return err->status;
    suan_status status = SUAN_OK;
    for (size_t i = 0; i < n_ids && status == SUAN_OK; i++) {
        bool is_new = !m->automaton->pool.state[m->state].mask, is_free;
        double a = now();
        status = suan_matcher_mask(m, mask, &is_free, err);
        double b = now();
        if (status == SUAN_OK) status = suan_matcher_accept(m, ids[i], err);
        double c = now();
        if (i == 0) t->first = b - a;
        if (is_new && b - a > t->worst) t->worst = b - a;
        if (!is_new && t->cached < b - a) t->cached = b - a;
        t->accept += c - b;
        t->sum += c - a;
        t->n_new += is_new;
        t->n++;
    }
    suan_matcher_free(m);
    return status;
}

int main(int argc, char **argv) {
    suan_error err = {0};
    suan_tokenizer *tokenizer;
    suan_vocabulary *v;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_masks VOCABULARY\n");
        return 2;
    }
    if (suan_tokenizer_open(&tokenizer, argv[1], &err) != SUAN_OK) goto fail;
    double a = now();
    if (suan_vocabulary_create(&v, tokenizer, &err) != SUAN_OK) goto fail;
    printf("%s: %u tokens, %u nodes, made ready in %.1f ms\n", argv[1], suan_tokenizer_n_vocab(tokenizer), v->n_nodes, 1e3 * (now() - a));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        suan_grammar *g;
        int32_t ids[4096];
        size_t n_ids;
        times cold, warm;
        double b = now();
        if (suan_grammar_from_gbnf(&g, cases[i].grammar, strlen(cases[i].grammar), &err) != SUAN_OK) goto fail;
        double compiled = now() - b;
        if (suan_tokenizer_encode(tokenizer, cases[i].text, strlen(cases[i].text), 0, ids, 4096, &n_ids, &err) != SUAN_OK) goto fail;
        if (go(v, g, ids, n_ids, &cold, &err) != SUAN_OK || go(v, g, ids, n_ids, &warm, &err) != SUAN_OK) goto fail;
        printf("%-24s read in %4.0f us; %3d tokens, %3d new states; first mask %6.0f us, worst %6.0f us, mean with accept %6.1f us; again "
               "%5.1f us (accept %4.1f), worst %5.1f us; %u states, %zu bytes\n",
               cases[i].name, 1e6 * compiled, cold.n, cold.n_new, 1e6 * cold.first, 1e6 * cold.worst, 1e6 * cold.sum / cold.n,
               1e6 * warm.sum / warm.n, 1e6 * warm.accept / warm.n, 1e6 * warm.cached, g->automata->pool.n_state,
               suan__automaton_bytes(g->automata));
        suan_grammar_free(g);
    }
    suan_vocabulary_free(v);
    suan_tokenizer_close(&tokenizer);
    return 0;
fail:
    fprintf(stderr, "bench_masks: %s\n", err.message);
    return 1;
}
