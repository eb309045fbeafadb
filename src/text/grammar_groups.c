/* grammar_groups.c: nested groups of sequences and alternatives; numbers. */
#include "text/grammar_groups.h"

#include "text/grammar_internal.h"

static void push(suan__groups *g, suan__node **list, uint32_t *n, uint32_t *capacity, suan__node node) {
    if (node == SUAN__NO_NODE) return;
    if (suan__ir_reserve(g->b, (void **)list, capacity, sizeof **list, (uint64_t)*n + 1, SUAN__GRAMMAR_MAX_NODES, "items"))
        (*list)[(*n)++] = node;
}

bool suan__groups_open(suan__groups *g) {
    if (g->depth > SUAN__GRAMMAR_MAX_DEPTH) return false;
    g->group[g->depth++] = (suan__group){g->n_alt, g->n_item};
    return true;
}

void suan__groups_push(suan__groups *g, suan__node item) {
    push(g, &g->item, &g->n_item, &g->c_item, item);
}

suan__node *suan__groups_last(suan__groups *g) {
    return g->n_item > g->group[g->depth - 1].first_item ? &g->item[g->n_item - 1] : NULL;
}

suan__node suan__groups_sequence(suan__groups *g) {
    uint32_t first = g->group[g->depth - 1].first_item, n = g->n_item - first;
    g->n_item = first;
    return suan__node_seq(g->b, n > 0 ? g->item + first : NULL, n);
}

void suan__groups_alternative(suan__groups *g) {
    suan__node node = suan__groups_sequence(g);
    push(g, &g->alt, &g->n_alt, &g->c_alt, node);
}

suan__node suan__groups_close(suan__groups *g) {
    suan__groups_alternative(g);
    uint32_t first = g->group[--g->depth].first_alt;
    suan__node node = suan__node_alt(g->b, g->n_alt > first ? g->alt + first : NULL, g->n_alt - first);
    g->n_alt = first;
    return node;
}

void suan__groups_fini(suan__groups *g) {
    suan__free(g->item);
    suan__free(g->alt);
}

size_t suan__read_number(const char *s, size_t n, uint32_t *value) {
    uint64_t x = 0;
    size_t i = 0;
    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
        if (x <= UINT32_MAX) x = x * 10 + (uint64_t)(s[i] - '0');
    }
    *value = x < UINT32_MAX ? (uint32_t)x : UINT32_MAX;
    return i;
}

bool suan__read_hex(const char *s, size_t n, size_t digits, uint32_t *value) {
    *value = 0;
    if (n < digits) return false;
    for (size_t i = 0; i < digits; i++) {
        char c = s[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                                                : (uint32_t)(c - 'A' + 10);
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F')) return false;
        *value = *value << 4 | digit;
    }
    return true;
}
