/* grammar.c: the builder: nodes in growing arrays. Tables of sets and markers are made in grammar_table.c, the program in grammar_compile.c. */
#include "text/grammar.h"

#include <stdlib.h>
#include <string.h>

#include "text/grammar_internal.h"

/* ---- growing ---- */

bool suan__ir_reserve(suan__builder *b, void **array, uint32_t *capacity, size_t size, uint64_t n, uint64_t limit, const char *what) {
    if (b->failure.status != SUAN_OK) return false;
    if (n <= *capacity) return true;
    if (n > limit) {
        suan__builder_fail(b, SUAN_ELIMIT, "grammar: more than %llu %s", (unsigned long long)limit, what);
        return false;
    }
    uint64_t grown = n < 16 ? 16 : n + n / 2;
    if (grown > limit) grown = limit;
    void *p = suan__realloc(*array, (size_t)grown, size);
    if (!p) {
        suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for %llu %s", (unsigned long long)n, what);
        return false;
    }
    *array = p;
    *capacity = (uint32_t)grown;
    return true;
}

suan__node suan__ir_add_node(suan__builder *b, suan__ir_node node) {
    suan__ir *ir = &b->ir;
    if (!suan__ir_reserve(b, (void **)&ir->node, &ir->c_node, sizeof *ir->node, (uint64_t)ir->n_node + 1, SUAN__GRAMMAR_MAX_NODES, "nodes"))
        return SUAN__NO_NODE;
    ir->node[ir->n_node] = node;
    return ir->n_node++;
}

uint32_t suan__ir_add_bytes(suan__builder *b, const char *s, size_t n) {
    suan__ir *ir = &b->ir;
    if (n > SUAN__GRAMMAR_MAX_BYTES) n = (size_t)SUAN__GRAMMAR_MAX_BYTES + 1;
    if (!suan__ir_reserve(b, (void **)&ir->bytes, &ir->c_bytes, 1, (uint64_t)ir->n_bytes + n, SUAN__GRAMMAR_MAX_BYTES, "bytes of text"))
        return UINT32_MAX;
    if (n) memcpy(ir->bytes + ir->n_bytes, s, n);
    ir->n_bytes += (uint32_t)n;
    return ir->n_bytes - (uint32_t)n;
}

uint32_t suan__ir_add_parts(suan__builder *b, const suan__node *parts, size_t n) {
    suan__ir *ir = &b->ir;
    if (n > SUAN__GRAMMAR_MAX_NODES) n = (size_t)SUAN__GRAMMAR_MAX_NODES + 1;
    if (!suan__ir_reserve(b, (void **)&ir->part, &ir->c_part, sizeof *ir->part, (uint64_t)ir->n_part + n, SUAN__GRAMMAR_MAX_NODES,
                          "parts of nodes"))
        return UINT32_MAX;
    if (n) memcpy(ir->part + ir->n_part, parts, n * sizeof *parts);
    ir->n_part += (uint32_t)n;
    return ir->n_part - (uint32_t)n;
}

suan__row *suan__ir_add_row(suan__builder *b) {
    suan__ir *ir = &b->ir;
    if (!suan__ir_reserve(b, (void **)&ir->row, &ir->c_row, sizeof *ir->row, (uint64_t)ir->n_row + 1, SUAN__GRAMMAR_MAX_TABLES,
                          "rows of tables"))
        return NULL;
    memset(ir->row[ir->n_row], 0, sizeof *ir->row);
    return &ir->row[ir->n_row++];
}

void suan__ir_fini(suan__ir *ir) {
    suan__free(ir->node);
    suan__free(ir->part);
    suan__free(ir->bytes);
    suan__free(ir->rule);
    suan__free(ir->table);
    suan__free(ir->row);
    suan__free(ir->token);
    *ir = (suan__ir){0};
}

/* ---- the builder ---- */

suan_status suan__builder_create(suan__builder **b, suan_error *err) {
    *b = suan__calloc(1, sizeof **b);
    SUAN_CHECK(*b, SUAN_ENOMEM, "grammar: out of memory");
    suan__ir_add_node(*b, (suan__ir_node){.op = NODE_NONE});
    if ((*b)->failure.status == SUAN_OK) return SUAN_OK;
    suan_status status = suan__builder_status(*b, err);
    suan__builder_free(*b);
    *b = NULL;
    return status;
}

void suan__builder_free(suan__builder *b) {
    if (!b) return;
    suan__ir_fini(&b->ir);
    suan__free(b->name);
    suan__free(b->known_set);
    suan__free(b);
}

suan_status suan__builder_status(const suan__builder *b, suan_error *err) {
    if (b->failure.status == SUAN_OK) return SUAN_OK;
    if (err) *err = b->failure;
    return b->failure.status;
}

suan__node suan__builder_fail(suan__builder *b, suan_status status, const char *format, ...) {
    if (b->failure.status != SUAN_OK) return SUAN__NO_NODE;
    char text[sizeof b->failure.message];
    va_list args;
    va_start(args, format);
    suan__message_format(text, sizeof text, format, args);
    va_end(args);
    b->failure.offset = -1;
    suan__fail(&b->failure, status, "%s", text);
    return SUAN__NO_NODE;
}

/* ---- nodes ---- */

suan__node suan__node_bytes(suan__builder *b, const char *s, size_t n) {
    uint32_t at = suan__ir_add_bytes(b, s, n);
    if (at == UINT32_MAX) return SUAN__NO_NODE;
    return suan__ir_add_node(b, (suan__ir_node){.op = NODE_BYTES, .a = at, .b = (uint32_t)n});
}

static suan__node add_list(suan__builder *b, node_op op, const suan__node *parts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (parts[i] == SUAN__NO_NODE) return suan__builder_fail(b, SUAN_EINTERNAL, "grammar: a part that is no node");
    }
    if (n == 1) return parts[0];
    uint32_t at = suan__ir_add_parts(b, parts, n);
    if (at == UINT32_MAX) return SUAN__NO_NODE;
    return suan__ir_add_node(b, (suan__ir_node){.op = (uint8_t)op, .a = at, .b = (uint32_t)n});
}

suan__node suan__node_seq(suan__builder *b, const suan__node *parts, size_t n) {
    return n == 0 ? suan__node_bytes(b, "", 0) : add_list(b, NODE_SEQ, parts, n);
}

suan__node suan__node_alt(suan__builder *b, const suan__node *parts, size_t n) {
    return add_list(b, NODE_ALT, parts, n);
}

suan__node suan__node_repeat(suan__builder *b, suan__node part, uint32_t min, uint32_t max) {
    if (part == SUAN__NO_NODE) return suan__builder_fail(b, SUAN_EINTERNAL, "grammar: a part that is no node");
    if (max < min) return suan__builder_fail(b, SUAN_EINVAL, "grammar: a repetition {%u,%u}: the minimum is above the maximum", min, max);
    if (max == 0) return suan__node_bytes(b, "", 0);
    if (min == 1 && max == 1) return part;
    return suan__ir_add_node(b, (suan__ir_node){.op = NODE_REPEAT, .a = part, .b = min, .c = max});
}

static suan__node add_token(suan__builder *b, suan__ir_token token) {
    suan__ir *ir = &b->ir;
    if (!suan__ir_reserve(b, (void **)&ir->token, &ir->c_token, sizeof *ir->token, (uint64_t)ir->n_token + 1, SUAN__GRAMMAR_MAX_NODES,
                          "tokens"))
        return SUAN__NO_NODE;
    ir->token[ir->n_token++] = token;
    return suan__ir_add_node(b, (suan__ir_node){.op = NODE_TOKEN, .a = ir->n_token - 1});
}

static suan__node add_token_text(suan__builder *b, const char *text, size_t n, bool negated) {
    if (n == 0) return suan__builder_fail(b, SUAN_EINVAL, "grammar: a token without a text");
    uint32_t at = suan__ir_add_bytes(b, text, n);
    if (at == UINT32_MAX) return SUAN__NO_NODE;
    return add_token(b, (suan__ir_token){.text = at, .n = (uint32_t)n, .id = -1, .negated = negated});
}

suan__node suan__node_token(suan__builder *b, const char *text, size_t n) {
    return add_token_text(b, text, n, false);
}

suan__node suan__node_token_only(suan__builder *b, const char *text, size_t n) {
    suan__node node = add_token_text(b, text, n, false);
    if (node != SUAN__NO_NODE) b->ir.node[node].flag = 1;
    return node;
}

suan__node suan__node_token_not(suan__builder *b, const char *text, size_t n) {
    return add_token_text(b, text, n, true);
}

suan__node suan__node_token_id(suan__builder *b, int32_t id, bool negated) {
    return add_token(b, (suan__ir_token){.id = id, .negated = negated});
}

/* ---- rules ---- */

static uint32_t hash_bytes(const char *s, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h ^ h >> 15;
}

/* The slot of a name: of its rule, or an empty one. */
static uint32_t *name_slot(const suan__builder *b, uint32_t *table, uint32_t mask, const char *name, size_t n) {
    for (uint32_t i = hash_bytes(name, n);; i++) {
        uint32_t *slot = &table[i & mask];
        if (*slot == 0) return slot;
        const suan__ir_rule *r = &b->ir.rule[*slot - 1];
        if (r->n_name == n && memcmp(b->ir.bytes + r->name, name, n) == 0) return slot;
    }
}

static bool grow_names(suan__builder *b) {
    if (b->name && b->ir.n_rule < b->name_mask / 2) return true;
    uint32_t mask = b->name ? b->name_mask * 2 + 1 : 63;
    uint32_t *table = suan__calloc((size_t)mask + 1, sizeof *table);
    if (!table) {
        suan__builder_fail(b, SUAN_ENOMEM, "grammar: out of memory for %u rules", b->ir.n_rule);
        return false;
    }
    for (uint32_t i = 0; i < b->ir.n_rule; i++) {
        const suan__ir_rule *r = &b->ir.rule[i];
        if (r->n_name) *name_slot(b, table, mask, b->ir.bytes + r->name, r->n_name) = i + 1;
    }
    suan__free(b->name);
    b->name = table;
    b->name_mask = mask;
    return true;
}

suan__node suan__node_rule(suan__builder *b, const char *name, size_t n) {
    suan__ir *ir = &b->ir;
    uint32_t at = 0, *slot = NULL;
    if (b->failure.status != SUAN_OK || !grow_names(b)) return SUAN__NO_NODE;
    if (name && n > 0) {
        slot = name_slot(b, b->name, b->name_mask, name, n);
        if (*slot) return ir->rule[*slot - 1].node;
        at = suan__ir_add_bytes(b, name, n);
        if (at == UINT32_MAX) return SUAN__NO_NODE;
    }
    if (!suan__ir_reserve(b, (void **)&ir->rule, &ir->c_rule, sizeof *ir->rule, (uint64_t)ir->n_rule + 1, SUAN__GRAMMAR_MAX_NODES, "rules"))
        return SUAN__NO_NODE;
    suan__node node = suan__ir_add_node(b, (suan__ir_node){.op = NODE_RULE, .a = ir->n_rule});
    if (node == SUAN__NO_NODE) return SUAN__NO_NODE;
    ir->rule[ir->n_rule++] = (suan__ir_rule){.name = at, .n_name = slot ? (uint32_t)n : 0, .node = node};
    if (slot) *slot = ir->n_rule;
    return node;
}

bool suan__node_is_defined(const suan__builder *b, suan__node rule) {
    return rule != SUAN__NO_NODE && b->ir.node[rule].op == NODE_RULE && b->ir.rule[b->ir.node[rule].a].body != SUAN__NO_NODE;
}

void suan__builder_define(suan__builder *b, suan__node rule, suan__node body) {
    if (b->failure.status != SUAN_OK) return;
    if (rule == SUAN__NO_NODE || body == SUAN__NO_NODE || b->ir.node[rule].op != NODE_RULE) {
        suan__builder_fail(b, SUAN_EINTERNAL, "grammar: a definition of what is no rule");
        return;
    }
    suan__ir_rule *r = &b->ir.rule[b->ir.node[rule].a];
    if (r->body != SUAN__NO_NODE) {
        suan__builder_fail(b, SUAN_EINVAL, "grammar: the rule '%.*s' is defined twice", (int)(r->n_name < 200 ? r->n_name : 200),
                           b->ir.bytes + r->name);
        return;
    }
    r->body = body;
}

/* ---- other grammars ---- */

/* Nodes, parts and tables of g with their numbers moved up behind what is there. Rules lose their names. */
suan__node suan__node_grammar(suan__builder *b, const suan_grammar *g) {
    suan__ir *to = &b->ir;
    const suan__ir *from = &g->ir;
    uint32_t node0 = to->n_node, part0 = to->n_part, rule0 = to->n_rule, table0 = to->n_table, row0 = to->n_row, token0 = to->n_token;
    uint32_t bytes0 = suan__ir_add_bytes(b, from->bytes, from->n_bytes);
    if (bytes0 == UINT32_MAX) return SUAN__NO_NODE;
#define RESERVE(field, limit, what) \
    suan__ir_reserve(b, (void **)&to->field, &to->c_##field, sizeof *to->field, (uint64_t)to->n_##field + from->n_##field, (limit), (what))
    if (!RESERVE(node, SUAN__GRAMMAR_MAX_NODES, "nodes") || !RESERVE(part, SUAN__GRAMMAR_MAX_NODES, "parts of nodes") ||
        !RESERVE(rule, SUAN__GRAMMAR_MAX_NODES, "rules") || !RESERVE(table, SUAN__GRAMMAR_MAX_TABLES, "tables") ||
        !RESERVE(row, SUAN__GRAMMAR_MAX_TABLES, "rows of tables") || !RESERVE(token, SUAN__GRAMMAR_MAX_NODES, "tokens"))
        return SUAN__NO_NODE;
#undef RESERVE
    for (uint32_t i = 0; i < from->n_node; i++) {
        suan__ir_node n = from->node[i];
        if (n.op == NODE_BYTES) n.a += bytes0;
        if (n.op == NODE_SET) n.a += table0;
        if (n.op == NODE_SEQ || n.op == NODE_ALT) n.a += part0;
        if (n.op == NODE_REPEAT) n.a += node0;
        if (n.op == NODE_RULE) n.a += rule0;
        if (n.op == NODE_TOKEN) n.a += token0;
        if (n.op == NODE_UNTIL) {
            n.a += table0;
            n.b += part0;
        }
        to->node[to->n_node++] = n;
    }
    for (uint32_t i = 0; i < from->n_part; i++) to->part[to->n_part++] = from->part[i] == SUAN__NO_NODE ? 0 : from->part[i] + node0;
    for (uint32_t i = 0; i < from->n_rule; i++) {
        const suan__ir_rule *r = &from->rule[i];
        to->rule[to->n_rule++] = (suan__ir_rule){.node = r->node + node0, .body = r->body + node0};
    }
    for (uint32_t i = 0; i < from->n_table; i++) {
        suan__ir_table t = from->table[i];
        t.first_row += row0;
        to->table[to->n_table++] = t;
    }
    if (from->n_row) memcpy(to->row + row0, from->row, from->n_row * sizeof *from->row);
    to->n_row += from->n_row;
    for (uint32_t i = 0; i < from->n_token; i++) {
        suan__ir_token t = from->token[i];
        t.text += bytes0;
        to->token[to->n_token++] = t;
    }
    return g->start + node0;
}

/* ---- grammars ---- */

suan_status suan__builder_finish(suan_grammar **g, suan__builder **b, suan__node start, suan_error *err) {
    *g = NULL;
    suan_grammar *made = NULL;
    suan_status status = suan__builder_status(*b, err);
    if (status != SUAN_OK) goto fail;
    SUAN_CHECK_GOTO(start != SUAN__NO_NODE, SUAN_EINTERNAL, "grammar: no start");
    made = suan__calloc(1, sizeof *made);
    SUAN_CHECK_GOTO(made, SUAN_ENOMEM, "grammar: out of memory");
    atomic_init(&made->references, 1);
    pthread_mutex_init(&made->lock, NULL);
    made->ir = (*b)->ir;
    (*b)->ir = (suan__ir){0};
    made->start = start;
    SUAN_TRY_GOTO(suan__grammar_compile(made, err));
    suan__builder_free(*b);
    *b = NULL;
    *g = made;
    return SUAN_OK;
fail:
    suan_grammar_free(made);
    suan__builder_free(*b);
    *b = NULL;
    return status;
}

suan_grammar *suan_grammar_ref(suan_grammar *g) {
    if (g) atomic_fetch_add(&g->references, 1);
    return g;
}

void suan_grammar_free(suan_grammar *g) {
    if (!g || atomic_fetch_sub(&g->references, 1) != 1) return;
    for (suan__automaton *a = g->automata, *following; a; a = following) {
        following = a->following;
        suan__automaton_free(a);
    }
    suan__ir_fini(&g->ir);
    suan__free(g->program.inst);
    suan__free(g->program.target);
    suan__free(g->program.count);
    pthread_mutex_destroy(&g->lock);
    suan__free(g);
}
