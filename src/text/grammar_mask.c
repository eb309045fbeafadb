/* grammar_mask.c: the mask of a state: which tokens of a vocabulary may come next.
 *
 * The trie of the vocabulary is walked in the order in which it lies, with the state behind each beginning kept by depth. A beginning that
 * leads nowhere skips all tokens that begin so; one behind which all characters that follow in tokens lead on alike (inside a JSON string, say)
 * takes all of them at once. What remains is looked at byte by byte.
 */
#include <string.h>

#include "text/grammar_internal.h"

static void allow(uint32_t *mask, int32_t id) {
    mask[(uint32_t)id / 32] |= 1u << (uint32_t)id % 32;
}

static void allow_all(uint32_t *mask, const int32_t *ids, uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end; i++) allow(mask, ids[i]);
}

/* Tokens that are text. The work of new states is checked when there is some. */
static suan_status walk(suan__automaton *a, uint32_t state, const suan_vocabulary *v, uint32_t *at, uint32_t *mask, suan_error *err) {
    const uint8_t *class_of = a->grammar->program.class_of;
    uint32_t n_classes = a->grammar->program.n_classes;
    uint64_t worked = a->work;
    at[0] = state;
    for (uint32_t i = 1; i < v->n_nodes;) {
        const suan__vocab_node *node = &v->node[i];
        uint32_t depth = node->depth_byte >> 8, class = class_of[node->depth_byte & 0xff];
        uint32_t to = a->pool.next[(size_t)at[depth - 1] * n_classes + class];
        if (to == STATE_UNKNOWN) {
            to = suan__automaton_make(a, at[depth - 1], class);
            if (a->work - worked > 4096) {
                worked = a->work;
                SUAN_TRY(suan__automaton_check(a, err));
                SUAN_CHECK(suan__automaton_bytes(a) <= 2 * (a->trim_at + SUAN__GRAMMAR_CACHE_BYTES), SUAN_ELIMIT,
                           "grammar: more than %zu bytes of states for one mask", a->trim_at + 2 * (size_t)SUAN__GRAMMAR_CACHE_BYTES);
            }
        }
        if (to == STATE_DEAD) {
            i = node->skip;
            continue;
        }
        if (node->skip > i + 1 && suan__automaton_takes_all(a, to, v->group[i], v->rest[i])) {
            allow_all(mask, v->ids, node->token, v->node[node->skip].token);
            i = node->skip;
            continue;
        }
        at[depth] = to;
        allow_all(mask, v->ids, node->token, node[1].token);
        i++;
    }
    return suan__automaton_check(a, err);
}

/* Tokens that are taken as a whole, special tokens inside free text, and the end. */
static void allow_special(const suan__automaton *a, uint32_t state, const suan_vocabulary *v, uint32_t *mask) {
    const suan__state *s = &a->pool.state[state];
    for (uint32_t i = 0; i < s->n && s->has_token; i++) {
        const suan__inst *in = &a->grammar->program.inst[a->pool.config[s->first + i] >> 32];
        if (in->op != I_TOKEN) continue;
        if (!a->grammar->ir.token[in->x].negated) {
            allow(mask, a->token_id[in->x]);
            continue;
        }
        for (uint32_t id = 0; id < v->n_vocab; id++) {
            if (suan__automaton_wants(a, in, v, (int32_t)id)) allow(mask, (int32_t)id);
        }
    }
    for (uint32_t i = 0; i < v->n_special && (s->has_until || s->is_complete); i++) {
        int32_t id = v->special[i];
        if (s->is_complete && v->kind[id] == TOKEN_END) allow(mask, id);
        if (s->has_until && suan__automaton_special(a, state, v, id)) allow(mask, id);
    }
}

/* Whether all n_vocab bits are 1; *any: whether one is. */
static bool is_full(const uint32_t *mask, uint32_t n_vocab, bool *any) {
    uint32_t every = UINT32_MAX, some = 0, n = n_vocab / 32, rest = n_vocab % 32 ? (1u << n_vocab % 32) - 1 : 0;
    for (uint32_t i = 0; i < n; i++) {
        every &= mask[i];
        some |= mask[i];
    }
    if (rest) {
        every &= mask[n] | ~rest;
        some |= mask[n];
    }
    *any = some != 0;
    return every == UINT32_MAX;
}

suan_status suan__automaton_mask(suan__automaton *a, uint32_t state, const suan_vocabulary *v, uint32_t *depth_state, suan_error *err) {
    size_t n_words = suan_mask_words(v->n_vocab);
    bool any = false;
    if (a->pool.state[state].mask) return SUAN_OK;
    uint32_t *mask = suan__calloc(n_words, sizeof *mask);
    SUAN_CHECK(mask, SUAN_ENOMEM, "grammar: out of memory for a mask");
    suan_status status = walk(a, state, v, depth_state, mask, err);
    if (status == SUAN_OK) {
        allow_special(a, state, v, mask);
        bool is_free = is_full(mask, v->n_vocab, &any);
        if (!any)
            status = a->is_cut ? suan__fail(err, SUAN_ELIMIT, "grammar: the text cannot go on within the limits of its automaton")
                               : suan__fail(err, SUAN_EUNSUPPORTED, "grammar: no token of the vocabulary can go on with the text");
        a->pool.state[state].is_free = is_free;
    }
    if (status != SUAN_OK) {
        suan__free(mask);
        return status;
    }
    a->pool.state[state].mask = mask;
    a->pool.mask_bytes += n_words * sizeof *mask;
    return SUAN_OK;
}
