/* test_grammar_match.c: random small grammars: the automaton against a matcher that works on sets of positions, and the masks against
 * trying every token.
 *
 * The other matcher knows nothing of automata: for each rule and each place of a text it keeps the set of places where the rule may end, and
 * repeats until nothing changes.
 */
#include "../base/sanitized.h"
#include "grammar_test.h"
#include "text/grammar_internal.h"

enum { N_RULES = 4, MAX_NODES = 200, MAX_TEXT = 31 };
#ifdef SANITIZED
enum { N_ROUNDS = 1000 };
#else
enum { N_ROUNDS = 3000 };
#endif

typedef enum kind { LITERAL, SET, SEQ, ALT, REPEAT, RULE } kind;
typedef struct node {
    kind kind;
    char text[12];    /* LITERAL */
    uint32_t members; /* SET: bits of letters[] */
    int part[3], n_parts;
    int min, max; /* REPEAT; max -1: no end */
    int rule;
} node;

static node nodes[MAX_NODES];
static int n_nodes, body[N_RULES];
static const char *const letters[] = {"a", "b", "c", "\xc3\xa9", "\xe2\x82\xac"};

static uint32_t seed = 1;
static uint32_t random_below(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(seed ^ seed >> 13) * n) >> 32) % n;
}

static int new_node(int depth) {
    int i = n_nodes++;
    node *x = &nodes[i];
    *x = (node){.kind = (kind)random_below(depth > 3 || n_nodes > MAX_NODES - 20 ? 2 : 6)};
    switch (x->kind) {
    case LITERAL:
        for (uint32_t k = random_below(3); k > 0; k--) {
            size_t n = strlen(x->text);
            snprintf(x->text + n, sizeof x->text - n, "%s", letters[random_below(5)]);
        }
        break;
    case SET:
        x->members = 1 + random_below(31);
        break;
    case SEQ:
    case ALT:
        x->n_parts = 2 + (int)random_below(2);
        break;
    case REPEAT:
        x->n_parts = 1;
        x->min = (int)random_below(3);
        x->max = random_below(2) ? -1 : x->min + (int)random_below(3);
        break;
    case RULE:
        x->rule = (int)random_below(N_RULES);
        break;
    }
    for (int k = 0; k < nodes[i].n_parts; k++) {
        int part = new_node(depth + 1);
        nodes[i].part[k] = part;
    }
    return i;
}

static void print_node(suan__buf *out, int i) {
    const node *x = &nodes[i];
    switch (x->kind) {
    case LITERAL:
        suan__buf_printf(out, "\"%s\"", x->text);
        break;
    case SET:
        suan__buf_printf(out, "[");
        for (int k = 0; k < 5; k++)
            if (x->members >> k & 1) suan__buf_printf(out, "%s", letters[k]);
        suan__buf_printf(out, "]");
        break;
    case RULE:
        suan__buf_printf(out, x->rule ? "r%d" : "root", x->rule);
        break;
    default:
        suan__buf_printf(out, "(");
        for (int k = 0; k < x->n_parts; k++) {
            if (k) suan__buf_printf(out, x->kind == ALT ? " | " : " ");
            print_node(out, x->part[k]);
        }
        suan__buf_printf(out, ")");
        if (x->kind != REPEAT) break;
        if (x->max < 0 && x->min < 2)
            suan__buf_printf(out, x->min ? "+" : "*");
        else if (x->max < 0)
            suan__buf_printf(out, "{%d,}", x->min);
        else
            suan__buf_printf(out, "{%d,%d}", x->min, x->max);
    }
}

/* ---- the other matcher: sets of places as bits ---- */

static const char *text;
static int n_text;
static uint32_t ends[N_RULES][MAX_TEXT + 1];

static uint32_t ends_of(int i, int at);

static uint32_t ends_of_all(int i, uint32_t from) {
    uint32_t to = 0;
    for (int at = 0; at <= n_text; at++)
        if (from >> at & 1) to |= ends_of(i, at);
    return to;
}

static uint32_t ends_of(int i, int at) {
    const node *x = &nodes[i];
    uint32_t to = 0, now = 1u << at;
    switch (x->kind) {
    case LITERAL:
        return (int)strlen(x->text) <= n_text - at && memcmp(text + at, x->text, strlen(x->text)) == 0 ? 1u << (at + (int)strlen(x->text))
                                                                                                       : 0;
    case SET:
        for (int k = 0; k < 5; k++) {
            int n = (int)strlen(letters[k]);
            if (x->members >> k & 1 && n <= n_text - at && memcmp(text + at, letters[k], (size_t)n) == 0) to |= 1u << (at + n);
        }
        return to;
    case SEQ:
        for (int k = 0; k < x->n_parts; k++) now = ends_of_all(x->part[k], now);
        return now;
    case ALT:
        for (int k = 0; k < x->n_parts; k++) to |= ends_of(x->part[k], at);
        return to;
    case REPEAT:
        for (int k = 0; k <= (x->max < 0 ? 2 * MAX_TEXT : x->max); k++) {
            if (k >= x->min) to |= now;
            now = ends_of_all(x->part[0], now);
        }
        return to;
    case RULE:
        return ends[x->rule][at];
    }
    return 0;
}

static bool naive_has(const char *s, int n) {
    text = s;
    n_text = n;
    memset(ends, 0, sizeof ends);
    for (bool changed = true; changed;) {
        changed = false;
        for (int r = 0; r < N_RULES; r++) {
            for (int at = 0; at <= n; at++) {
                uint32_t to = ends[r][at] | ends_of(body[r], at);
                changed |= to != ends[r][at];
                ends[r][at] = to;
            }
        }
    }
    return ends[0][0] >> n & 1;
}

/* ---- tests ---- */

static const char *const more_words[] = {"ab",
                                         "bc",
                                         "abc",
                                         "aaa",
                                         "ca",
                                         "\xc3",
                                         "\xc3\xa9",
                                         "\xa9\x61",
                                         "\x82\xac",
                                         "a\xe2",
                                         "\xe2\x82",
                                         "cc\xc3\xa9"
                                         "b",
                                         NULL};
static const char *const more_specials[] = {"<|im_end|>", "<|other|>", NULL};

static void check_masks(suan_grammar *g, const words *w, const int32_t *ids, size_t n_ids, const uint32_t *mask, const char *grammar) {
    suan_error err = {0};
    for (uint32_t id = 0; id < w->n_vocab; id++) {
        suan_matcher *m;
        assert_int_equal(suan_matcher_create(&m, g, w->vocabulary, &err), SUAN_OK);
        for (size_t i = 0; i < n_ids; i++) assert_int_equal(suan_matcher_accept(m, ids[i], &err), SUAN_OK);
        bool may = suan_matcher_accept(m, (int32_t)id, &err) == SUAN_OK;
        if (may != mask_has(mask, (int32_t)id)) fail_msg("%s: token %u after %zu: mask %d", grammar, id, n_ids, !may);
        suan_matcher_free(m);
    }
}

/* Draws tokens that the masks allow until the end; the text must be one of the grammar's. Returns whether it came to an end. */
static bool walk_at_random(suan_grammar *g, const words *w, const char *grammar, bool check) {
    char s[MAX_TEXT + 16];
    int32_t ids[MAX_TEXT + 1];
    size_t n = 0, n_ids = 0;
    suan_matcher *m;
    suan_error err = {0};
    assert_int_equal(suan_matcher_create(&m, g, w->vocabulary, &err), SUAN_OK);
    bool is_over = false;
    while (n <= MAX_TEXT && !is_over && n_ids < MAX_TEXT) {
        uint32_t mask[32], n_allowed = 0;
        int32_t allowed[512], end = -1;
        if (suan_matcher_mask(m, mask, NULL, &err) != SUAN_OK) fail_msg("%s: %s", grammar, err.message);
        if (check && random_below(8) == 0) check_masks(g, w, ids, n_ids, mask, grammar);
        for (uint32_t id = 0; id < w->n_vocab; id++) {
            if (!mask_has(mask, (int32_t)id)) continue;
            allowed[n_allowed++] = (int32_t)id;
            if (suan_tokenizer_is_eog(w->tokenizer, (int32_t)id)) end = (int32_t)id;
        }
        assert_true(n_allowed > 0);
        assert_int_equal(end >= 0, suan_matcher_is_complete(m));
        if (suan_matcher_is_over(m)) assert_int_equal(n_allowed, 1);
        int32_t id = end >= 0 && (n > 8 || random_below(4) == 0) ? end : allowed[random_below(n_allowed)];
        assert_int_equal(suan_matcher_accept(m, id, &err), SUAN_OK);
        is_over = id == end;
        if (is_over) break;
        size_t k;
        const char *bytes = suan_tokenizer_token_bytes(w->tokenizer, id, &k);
        if (n + k > MAX_TEXT) break;
        memcpy(s + n, bytes, k);
        n += k;
        ids[n_ids++] = id;
    }
    if (is_over && !naive_has(s, (int)n)) fail_msg("%s: drew '%.*s'", grammar, (int)n, s);
    if (is_over) { /* behind the end only the end */
        assert_true(suan_matcher_is_over(m) && suan_matcher_is_complete(m));
        assert_int_equal(suan_matcher_accept(m, 'a', &err), SUAN_EINVAL);
    }
    suan_matcher_free(m);
    return is_over;
}

static void test_random_grammars_equal_sets_of_places(void **state) {
    (void)state;
    words w;
    int n_good = 0, n_left = 0, n_none = 0, n_yes = 0, n_no = 0, n_walks = 0, n_cut = 0;
    words_open(&w, more_words, more_specials);
    for (int round = 0; round < N_ROUNDS; round++) {
        suan__buf out = {0};
        n_nodes = 0;
        for (int r = 0; r < N_RULES; r++) body[r] = new_node(0);
        for (int r = 0; r < N_RULES; r++) {
            suan__buf_printf(&out, r ? "r%d ::= " : "root ::= ", r);
            print_node(&out, body[r]);
            suan__buf_printf(&out, "\n");
        }
        suan_grammar *g;
        suan_error err = {0};
        suan_status status = suan_grammar_from_gbnf(&g, out.data, out.n, &err);
        bool none = status != SUAN_OK && strstr(err.message, "no text");
        if (status != SUAN_OK && !none) {
            if (!strstr(err.message, "left recursion")) fail_msg("%s: %s", out.data, err.message);
            n_left++;
        }
        n_none += none;
        n_good += status == SUAN_OK;
        for (int i = 0; i < 30 && (status == SUAN_OK || none); i++) {
            char s[MAX_TEXT];
            size_t n = 0;
            for (uint32_t k = random_below(8); k > 0; k--) {
                const char *letter = letters[random_below(i % 3 ? 3 : 5)];
                memcpy(s + n, letter, strlen(letter));
                n += strlen(letter);
            }
            if (n > 0 && i % 10 == 9) n--; /* cut inside a character, perhaps */
            bool expected = naive_has(s, (int)n), got = !none && has_text(g, &w, s, n);
            if (expected && !got && g && g->automata->is_cut) { /* too many ways to read it: the documented limit */
                n_cut++;
                continue;
            }
            if (expected != got) fail_msg("%s'%.*s': %d, expected %d", out.data, (int)n, s, got, expected);
            n_yes += expected;
            n_no += !expected;
        }
        for (int i = 0; i < 4 && status == SUAN_OK; i++) n_walks += walk_at_random(g, &w, out.data, round % 16 == 0);
        suan_grammar_free(g);
        suan__buf_fini(&out);
    }
    words_close(&w);
    print_message("%d grammars, %d left-recursive, %d without a text; %d texts are theirs, %d not; %d walks to the end; %d at a limit\n",
                  n_good, n_left, n_none, n_yes, n_no, n_walks, n_cut);
    assert_true(n_cut < N_ROUNDS / 60);
    assert_true(n_good > N_ROUNDS / 3 && n_yes > N_ROUNDS * 2 / 3 && n_no > N_ROUNDS * 2 / 3 && n_walks > N_ROUNDS * 2 / 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_grammars_equal_sets_of_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
