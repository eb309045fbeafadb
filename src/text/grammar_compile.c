/* grammar_compile.c: checks of a grammar's nodes, and the program that they become.
 *
 * Three facts about nodes are found first. Whether a node has a text at all, and whether it may be empty, are the least fixed points that a
 * list of nodes to look at reaches in time linear in nodes and parts. Left recursion (a rule that comes back to itself before a byte was
 * read) is a circle in the graph of "may begin with"; a depth-first search with its own stack finds it.
 *
 * Then each node becomes an instruction at the number of the node; parents come before their parts (numbers descend), so each part is told
 * where to go on. A part that has several parents is written once and called.
 */
#include <string.h>

#include "text/grammar_internal.h"

typedef struct compiler {
    suan_grammar *g;
    suan__ir *ir;
    suan__program *p;
    suan_error *err;
    uint32_t *first_user, *user; /* parents of node i: user[first_user[i] .. first_user[i + 1]) */
    uint8_t *has_text, *may_be_empty;
    uint32_t *missing; /* parts of a sequence that a fact is not known of yet */
    uint32_t *list;
    uint32_t *next; /* [n_node]: where a node goes on */
    uint8_t *is_placed;
} compiler;

/* ---- parts ---- */

/* The parts of a node: of a rule its body; markers with nothing behind them have SUAN__NO_NODE. */
static const suan__node *parts_of(const suan__ir *ir, suan__node i, uint32_t *n) {
    const suan__ir_node *node = &ir->node[i];
    *n = 0;
    switch ((node_op)node->op) {
    case NODE_SEQ:
    case NODE_ALT:
        *n = node->b;
        return node->b > 0 ? ir->part + node->a : NULL;
    case NODE_UNTIL:
        *n = node->c;
        return node->c > 0 ? ir->part + node->b : NULL;
    case NODE_REPEAT:
        *n = 1;
        return &node->a;
    case NODE_RULE:
        *n = 1;
        return &ir->rule[node->a].body;
    default:
        return NULL;
    }
}

static bool find_users(compiler *c) {
    const suan__ir *ir = c->ir;
    uint32_t n_parts = 0;
    for (suan__node i = 1; i < ir->n_node; i++) {
        uint32_t n;
        const suan__node *part = parts_of(ir, i, &n);
        for (uint32_t k = 0; k < n; k++) c->first_user[part[k] + 1]++;
        n_parts += n;
    }
    c->user = suan__malloc(((size_t)n_parts + 1) * sizeof *c->user);
    if (!c->user) return false;
    for (suan__node i = 0; i < ir->n_node; i++) c->first_user[i + 1] += c->first_user[i];
    for (suan__node i = 1; i < ir->n_node; i++) {
        uint32_t n;
        const suan__node *part = parts_of(ir, i, &n);
        for (uint32_t k = 0; k < n; k++) c->user[c->first_user[part[k]]++] = i;
    }
    for (suan__node i = ir->n_node; i > 0; i--) c->first_user[i] = c->first_user[i - 1];
    c->first_user[0] = 0;
    return true;
}

static uint32_t n_users(const compiler *c, suan__node i) {
    return c->first_user[i + 1] - c->first_user[i];
}

/* ---- facts ---- */

/* Whether a fact holds for a node whatever its parts are. */
static bool holds_alone(const suan__ir *ir, suan__node i, bool empty) {
    const suan__ir_node *node = &ir->node[i];
    switch ((node_op)node->op) {
    case NODE_BYTES:
        return !empty || node->b == 0;
    case NODE_SET:
    case NODE_TOKEN:
        return !empty;
    case NODE_SEQ:
        return node->b == 0;
    case NODE_REPEAT:
        return node->b == 0;
    case NODE_UNTIL:
        if (node->flag) return true;
        for (uint32_t k = 0; k < node->c && !empty; k++) {
            if (ir->part[node->b + k] == SUAN__NO_NODE) return true;
        }
        return false;
    default:
        return false;
    }
}

/* Fills fact[node] for "has a text" or (empty) "may be empty". */
static void find_fact(compiler *c, uint8_t *fact, bool empty) {
    const suan__ir *ir = c->ir;
    uint32_t n_list = 0;
    for (suan__node i = 1; i < ir->n_node; i++) {
        c->missing[i] = ir->node[i].op == NODE_SEQ ? ir->node[i].b : 1;
        if (holds_alone(ir, i, empty)) {
            fact[i] = 1;
            c->list[n_list++] = i;
        }
    }
    while (n_list > 0) {
        suan__node i = c->list[--n_list];
        for (uint32_t k = c->first_user[i]; k < c->first_user[i + 1]; k++) {
            suan__node user = c->user[k];
            if (fact[user] || (empty && ir->node[user].op == NODE_UNTIL) || --c->missing[user] > 0) continue;
            fact[user] = 1;
            c->list[n_list++] = user;
        }
    }
}

static suan_status fail_rule(const compiler *c, suan_status status, uint32_t rule, const char *what) {
    const suan__ir_rule *r = &c->ir->rule[rule];
    if (r->n_name == 0) return suan__fail(c->err, status, "grammar: a rule without a name %s", what);
    return suan__fail(c->err, status, "grammar: the rule '%.*s' %s", (int)(r->n_name < 200 ? r->n_name : 200), c->ir->bytes + r->name,
                      what);
}

/* The k-th part that a node may begin with; SUAN__NO_NODE behind the last. */
static suan__node beginning(const compiler *c, suan__node i, uint32_t k) {
    uint32_t n;
    const suan__node *part = parts_of(c->ir, i, &n);
    uint8_t op = c->ir->node[i].op;
    if (op == NODE_UNTIL || k >= n) return SUAN__NO_NODE;
    if (op == NODE_SEQ && k > 0 && !c->may_be_empty[part[k - 1]]) return SUAN__NO_NODE;
    return part[k];
}

/* Looks for circles of beginnings. `missing` holds, of nodes on the path, the next beginning to look at; state: 0 new, 1 on the path, 2 done. */
static suan_status check_left_recursion(compiler *c, uint8_t *state) {
    for (suan__node from = 1; from < c->ir->n_node; from++) {
        uint32_t depth = 0;
        if (state[from]) continue;
        c->list[depth++] = from;
        state[from] = 1;
        c->missing[from] = 0;
        while (depth > 0) {
            suan__node i = c->list[depth - 1], to = beginning(c, i, c->missing[i]);
            if (to == SUAN__NO_NODE) {
                state[i] = 2;
                depth--;
                continue;
            }
            c->missing[i]++;
            if (state[to] == 1) { /* the circle goes through a rule: parts alone make none */
                while (depth > 1 && c->ir->node[c->list[depth - 1]].op != NODE_RULE) depth--;
                const suan__ir_node *node = &c->ir->node[c->list[depth - 1]];
                return fail_rule(c, SUAN_EINVAL, node->op == NODE_RULE ? node->a : c->ir->node[to].a,
                                 "begins with itself (left recursion)");
            }
            if (state[to] == 0) {
                state[to] = 1;
                c->missing[to] = 0;
                c->list[depth++] = to;
            }
        }
    }
    return SUAN_OK;
}

static suan_status check_rules(compiler *c) {
    for (uint32_t r = 0; r < c->ir->n_rule; r++) {
        if (c->ir->rule[r].body == SUAN__NO_NODE) return fail_rule(c, SUAN_EINVAL, r, "is used, but not defined");
    }
    return SUAN_OK;
}

/* ---- instructions ---- */

static bool grow(void **array, uint32_t *capacity, size_t size, uint64_t n) {
    if (n <= *capacity) return true;
    uint64_t grown = n + n / 2 + 16;
    void *p = grown < UINT32_MAX ? suan__realloc(*array, (size_t)grown, size) : NULL;
    if (!p) return false;
    *array = p;
    *capacity = (uint32_t)grown;
    return true;
}

/* n new instructions, UINT32_MAX when out of memory. The places of nodes come first. */
static uint32_t new_insts(compiler *c, uint32_t n) {
    suan__program *p = c->p;
    if (!grow((void **)&p->inst, &p->c_inst, sizeof *p->inst, (uint64_t)p->n_inst + n)) return UINT32_MAX;
    memset(p->inst + p->n_inst, 0, n * sizeof *p->inst);
    p->n_inst += n;
    return p->n_inst - n;
}

static uint32_t new_targets(compiler *c, uint32_t n) {
    suan__program *p = c->p;
    if (!grow((void **)&p->target, &p->c_target, sizeof *p->target, (uint64_t)p->n_target + n)) return UINT32_MAX;
    p->n_target += n;
    return p->n_target - n;
}

/* Places of nodes lie behind the two fixed instructions. */
static uint32_t pc_of(suan__node i) {
    return i + 1;
}

/* A literal from place `at` on; the bytes behind the first get new places. */
static bool put_bytes(compiler *c, uint32_t at, const suan__ir_node *node, uint32_t next) {
    if (node->b == 0) {
        c->p->inst[at] = (suan__inst){.op = I_JUMP, .x = next};
        return true;
    }
    const char *s = c->ir->bytes + node->a;
    uint32_t more = new_insts(c, node->b - 1);
    if (more == UINT32_MAX) return false;
    for (uint32_t i = 0; i < node->b; i++) {
        uint32_t pc = i == 0 ? at : more + i - 1;
        c->p->inst[pc] = (suan__inst){.op = I_BYTE, .arg = (uint8_t)s[i], .x = i + 1 < node->b ? more + i : next};
    }
    return true;
}

/* A table with its rows at new places, the first of them at `at` when there is only one. */
static bool put_table(compiler *c, uint32_t at, inst_op op, const suan__ir_table *t, uint32_t exits, bool may_end) {
    uint32_t first = t->n_rows == 1 ? at : new_insts(c, t->n_rows);
    if (first == UINT32_MAX) return false;
    if (first != at) c->p->inst[at] = (suan__inst){.op = I_JUMP, .x = first};
    for (uint32_t i = 0; i < t->n_rows; i++)
        c->p->inst[first + i] = (suan__inst){.op = (uint8_t)op, .arg = may_end, .x = t->first_row + i, .y = first, .z = exits};
    return true;
}

static bool put_set(compiler *c, uint32_t at, const suan__ir_node *node, uint32_t next) {
    uint32_t exits = new_targets(c, 1);
    if (exits == UINT32_MAX) return false;
    c->p->target[exits] = next;
    return put_table(c, at, I_TABLE, &c->ir->table[node->a], exits, false);
}

static bool put_call(compiler *c, uint32_t at, suan__node body, uint32_t next) {
    c->p->inst[at] =
        next == PC_RETURN ? (suan__inst){.op = I_JUMP, .x = pc_of(body)} : (suan__inst){.op = I_CALL, .x = pc_of(body), .y = next};
    return true;
}

/* Where to go for `part` and then on to `next`. A part of one parent is written at its own place; of what several share, small things are
 * written again, larger ones called. UINT32_MAX when out of memory. */
static uint32_t place(compiler *c, suan__node part, uint32_t next) {
    const suan__ir_node *node = &c->ir->node[part];
    if (!c->has_text[part]) return PC_FAIL;
    if (node->op == NODE_BYTES && node->b == 0) return next;
    if (n_users(c, part) <= 1 && part != c->g->start) {
        c->next[part] = next;
        c->is_placed[part] = 1;
        return pc_of(part);
    }
    uint32_t at = new_insts(c, 1);
    if (at == UINT32_MAX) return UINT32_MAX;
    bool ok;
    if (node->op == NODE_RULE)
        ok = put_call(c, at, c->ir->rule[node->a].body, next);
    else if (node->op == NODE_BYTES && node->b <= 8)
        ok = put_bytes(c, at, node, next);
    else if (node->op == NODE_SET && c->ir->table[node->a].n_rows == 1)
        ok = put_set(c, at, node, next);
    else
        ok = put_call(c, at, part, next);
    return ok ? at : UINT32_MAX;
}

static bool emit_list(compiler *c, suan__node i, const suan__ir_node *node, uint32_t next) {
    uint32_t n;
    const suan__node *part = parts_of(c->ir, i, &n);
    if (node->op == NODE_SEQ) {
        for (uint32_t k = n; k-- > 0;) {
            next = place(c, part[k], next);
            if (next == UINT32_MAX) return false;
        }
        c->p->inst[pc_of(i)] = (suan__inst){.op = I_JUMP, .x = next};
        return true;
    }
    uint32_t targets = new_targets(c, node->b);
    if (targets == UINT32_MAX) return false;
    for (uint32_t k = 0; k < node->b; k++) {
        uint32_t at = place(c, part[k], next);
        if (at == UINT32_MAX) return false;
        c->p->target[targets + k] = at;
    }
    c->p->inst[pc_of(i)] = (suan__inst){.op = I_SPLIT, .x = targets, .y = node->b};
    return true;
}

/* {0,1}, {0,} and {1,} are made of choices alone; the rest counts. */
static bool emit_repeat(compiler *c, suan__node i, const suan__ir_node *node, uint32_t next) {
    suan__program *p = c->p;
    uint32_t pc = pc_of(i), loop = pc, body;
    bool may_be_empty = c->may_be_empty[node->a], no_end = node->c == SUAN__NO_END;
    uint32_t min = may_be_empty ? 0 : node->b; /* a body that may be empty comes as often as it likes */
    if (!c->has_text[node->a]) {
        p->inst[pc] = (suan__inst){.op = I_JUMP, .x = next};
        return true;
    }
    if ((no_end && min <= 1) || node->c == 1) {
        uint32_t targets = new_targets(c, 2);
        if (no_end && min == 1) loop = new_insts(c, 1);
        if (targets == UINT32_MAX || loop == UINT32_MAX) return false;
        body = place(c, node->a, no_end ? loop : next);
        if (body == UINT32_MAX) return false;
        p->target[targets] = body;
        p->target[targets + 1] = next;
        if (loop != pc) p->inst[pc] = (suan__inst){.op = I_JUMP, .x = body};
        p->inst[loop] = (suan__inst){.op = I_SPLIT, .x = targets, .y = 2};
        return true;
    }
    if (!grow((void **)&p->count, &p->c_count, sizeof *p->count, (uint64_t)p->n_count + 1)) return false;
    body = place(c, node->a, PC_RETURN);
    if (body == UINT32_MAX) return false;
    p->count[p->n_count] = (suan__count){min, node->c};
    p->inst[pc] = (suan__inst){.op = I_REPEAT, .arg = may_be_empty, .x = body, .y = p->n_count++, .z = next};
    return true;
}

static bool emit_until(compiler *c, suan__node i, const suan__ir_node *node, uint32_t next) {
    const suan__ir_table *t = &c->ir->table[node->a];
    uint32_t exits = new_targets(c, node->c + 1);
    if (exits == UINT32_MAX) return false;
    for (uint32_t k = 0; k < node->c; k++) {
        suan__node then = c->ir->part[node->b + k];
        uint32_t at = then == SUAN__NO_NODE ? next : place(c, then, next);
        if (at == UINT32_MAX) return false;
        c->p->target[exits + 1 + k] = at;
    }
    c->p->target[exits] = next;
    return put_table(c, pc_of(i), I_UNTIL, t, exits + 1, node->flag);
}

static bool emit_token(compiler *c, suan__node i, const suan__ir_node *node, uint32_t next) {
    const suan__ir_token *t = &c->ir->token[node->a];
    uint32_t bytes = PC_FAIL;
    if (t->id < 0 && !t->negated && !node->flag) {
        bytes = new_insts(c, 1);
        if (bytes == UINT32_MAX || !put_bytes(c, bytes, &(suan__ir_node){.op = NODE_BYTES, .a = t->text, .b = t->n}, next)) return false;
    }
    c->p->inst[pc_of(i)] = (suan__inst){.op = I_TOKEN, .x = node->a, .y = next, .z = bytes};
    return true;
}

static bool emit(compiler *c, suan__node i) {
    const suan__ir_node *node = &c->ir->node[i];
    uint32_t next = c->is_placed[i] ? c->next[i] : PC_RETURN;
    if (!c->has_text[i]) {
        c->p->inst[pc_of(i)] = (suan__inst){.op = I_FAIL};
        return true;
    }
    switch ((node_op)node->op) {
    case NODE_BYTES:
        return put_bytes(c, pc_of(i), node, next);
    case NODE_SET:
        return put_set(c, pc_of(i), node, next);
    case NODE_SEQ:
    case NODE_ALT:
        return emit_list(c, i, node, next);
    case NODE_REPEAT:
        return emit_repeat(c, i, node, next);
    case NODE_RULE:
        return put_call(c, pc_of(i), c->ir->rule[node->a].body, next);
    case NODE_UNTIL:
        return emit_until(c, i, node, next);
    case NODE_TOKEN:
        return emit_token(c, i, node, next);
    default:
        return true;
    }
}

/* ---- finishing ---- */

/* Where jumps from pc end. A circle of jumps would be left recursion. */
static uint32_t follow(suan__program *p, uint32_t pc) {
    uint32_t end = pc;
    while (p->inst[end].op == I_JUMP) end = p->inst[end].x;
    while (p->inst[pc].op == I_JUMP) { /* all on the way know it from now on */
        uint32_t next = p->inst[pc].x;
        p->inst[pc].x = end;
        pc = next;
    }
    return end;
}

/* Jumps are followed once for all. A call in front of a return needs no frame: so lists written by recursion at their end stay flat. */
static void shorten(suan__program *p) {
    for (uint32_t pc = p->n_inst; pc-- > 0;) {
        suan__inst *in = &p->inst[pc];
        if (in->op == I_JUMP || in->op == I_CALL || in->op == I_BYTE || in->op == I_REPEAT) in->x = follow(p, in->x);
        if (in->op == I_CALL || in->op == I_TOKEN) in->y = follow(p, in->y);
        if (in->op == I_REPEAT || in->op == I_TOKEN) in->z = follow(p, in->z);
        if (in->op == I_CALL && in->y == PC_RETURN) in->op = I_JUMP;
    }
    for (uint32_t i = 0; i < p->n_target; i++) p->target[i] = follow(p, p->target[i]);
    p->start = follow(p, p->start);
}

/* Splits the classes of bytes by one more distinction: value[b] tells bytes apart. New classes that come from one old class are chained. */
static void refine(suan__program *p, const suan__row value) {
    int first[256], following[256], n = 0;
    uint8_t fresh[256];
    memset(first, -1, sizeof first);
    for (int b = 0; b < 256; b++) {
        int k = first[p->class_of[b]];
        while (k >= 0 && value[p->example[k]] != value[b]) k = following[k];
        if (k < 0) {
            k = n++;
            following[k] = first[p->class_of[b]];
            first[p->class_of[b]] = k;
            p->example[k] = (uint8_t)b;
        }
        fresh[b] = (uint8_t)k;
    }
    memcpy(p->class_of, fresh, sizeof fresh);
    p->n_classes = (uint32_t)n;
}

static void find_classes(const suan__ir *ir, suan__program *p) {
    suan__row value = {0};
    bool used[256] = {false};
    memset(p->class_of, 0, sizeof p->class_of);
    p->n_classes = 1;
    for (uint32_t pc = 0; pc < p->n_inst; pc++) {
        if (p->inst[pc].op == I_BYTE) used[p->inst[pc].arg] = true;
    }
    for (int b = 0; b < 256; b++) value[b] = used[b] ? (uint16_t)(b + 1) : 0;
    refine(p, value);
    for (uint32_t i = 0; i < ir->n_row && p->n_classes < 256; i++) refine(p, ir->row[i]);
}

static suan_status write_program(compiler *c) {
    if (new_insts(c, pc_of(c->ir->n_node)) == UINT32_MAX) return SUAN_ENOMEM;
    c->p->inst[PC_RETURN] = (suan__inst){.op = I_RETURN};
    c->p->inst[PC_FAIL] = (suan__inst){.op = I_FAIL};
    for (suan__node i = c->ir->n_node; i-- > 1;) {
        if (!emit(c, i)) return SUAN_ENOMEM;
    }
    const suan__ir_node *start = &c->ir->node[c->g->start];
    c->p->start = pc_of(start->op == NODE_RULE ? c->ir->rule[start->a].body : c->g->start);
    shorten(c->p);
    find_classes(c->ir, c->p);
    return SUAN_OK;
}

static suan_status compile(compiler *c) {
    SUAN_TRY(check_rules(c));
    if (!find_users(c)) return SUAN_ENOMEM;
    find_fact(c, c->has_text, false);
    find_fact(c, c->may_be_empty, true);
    SUAN_TRY(check_left_recursion(c, c->is_placed));
    if (!c->has_text[c->g->start]) return suan__fail(c->err, SUAN_EINVAL, "grammar: no text can ever be complete");
    memset(c->is_placed, 0, c->ir->n_node);
    return write_program(c);
}

suan_status suan__grammar_compile(suan_grammar *g, suan_error *err) {
    size_t n = g->ir.n_node;
    compiler c = {.g = g, .ir = &g->ir, .p = &g->program, .err = err};
    c.first_user = suan__calloc(n + 2, sizeof *c.first_user);
    c.has_text = suan__calloc(n, 1);
    c.may_be_empty = suan__calloc(n, 1);
    c.missing = suan__malloc(n * sizeof *c.missing);
    c.list = suan__malloc(n * sizeof *c.list);
    c.next = suan__malloc(n * sizeof *c.next);
    c.is_placed = suan__calloc(n, 1);
    suan_status status = SUAN_ENOMEM;
    if (c.first_user && c.has_text && c.may_be_empty && c.missing && c.list && c.next && c.is_placed) status = compile(&c);
    if (status == SUAN_ENOMEM) suan__fail(err, status, "grammar: out of memory for %zu nodes", n);
    suan__free(c.first_user);
    suan__free(c.user);
    suan__free(c.has_text);
    suan__free(c.may_be_empty);
    suan__free(c.missing);
    suan__free(c.list);
    suan__free(c.next);
    suan__free(c.is_placed);
    return status;
}
