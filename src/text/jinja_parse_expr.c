/* jinja_parse_expr.c: expressions of the template language.
 *
 * Precedence, from weak to strong: x if c else y; or; and; not; comparisons, in, not in (chained); + -; ~; * / // %; ** (from the
 * left, unlike Python); unary - +; then subscripts and calls, then filters and tests. Binary operators are parsed by climbing, so a level of
 * brackets costs two or three frames of stack.
 */
#include <string.h>

#include "text/jinja_parser.h"
#include "text/jinja_run.h"

static jnode *parse_binary(jparser *p, int min);
static jnode *parse_unary(jparser *p, bool with_filter);

enum { P_OR = 1, P_AND, P_NOT, P_COMPARE, P_ADD, P_CONCAT, P_MUL, P_POW, P_UNARY };

/* ---- primary expressions */

static jnode *parse_items(jparser *p, jkind kind, int close) {
    jnode *node = suan__j_node(p, kind, p->tok.line);
    jnodes items = {0};
    bool comma;
    if (!node || !suan__j_advance(p)) return NULL;
    while (p->tok.type != close) {
        if (items.n && !suan__j_expect(p, ',', "','")) return NULL;
        if (p->tok.type == close) break;
        jnode *item = suan__j_parse_expression(p, true);
        if (!item || !suan__j_nodes_push(p->rt, &items, item)) return NULL;
        if (kind != N_DICT) continue;
        if (!suan__j_skip_char(p, ':', &comma)) return NULL;
        if (!comma) {
            suan__j_fail_expected(p, "':'");
            return NULL;
        }
        item = suan__j_parse_expression(p, true);
        if (!item || !suan__j_nodes_push(p->rt, &items, item)) return NULL;
    }
    if (!suan__j_advance(p)) return NULL;
    node->list = items.v;
    node->n = items.n;
    return node;
}

static jnode *parse_string(jparser *p) {
    jnode *node = suan__j_node(p, N_CONST, p->tok.line);
    if (!node) return NULL;
    node->val = p->tok.val;
    if (!suan__j_advance(p)) return NULL;
    if (p->tok.type != T_STRING) return node;
    jbuf b; /* adjacent literals are one */
    suan__j_buf_init(&b, p->rt);
    if (!suan__j_buf_str(&b, node->val.u.s)) return NULL;
    while (p->tok.type == T_STRING)
        if (!suan__j_buf_str(&b, p->tok.val.u.s) || !suan__j_advance(p)) return NULL;
    return suan__j_buf_finish(&b, &node->val) ? node : NULL;
}

static void note_special_name(jparser *p, uint32_t sym) {
    for (jmacro_scope *m = p->macro; m; m = m->outer) {
        m->sig->uses_caller |= sym == SYM_CALLER;
        m->sig->uses_varargs |= sym == SYM_VARARGS;
        m->sig->uses_kwargs |= sym == SYM_KWARGS;
    }
}

static jnode *parse_name(jparser *p, bool with_namespace) {
    jnode *node = suan__j_node(p, N_CONST, p->tok.line);
    jtoken t = p->tok;
    if (!node || !suan__j_advance(p)) return NULL;
    if (suan__j_is_word_token(&t, "true") || suan__j_is_word_token(&t, "True")) {
        node->val = suan__j_bool(true);
    } else if (suan__j_is_word_token(&t, "false") || suan__j_is_word_token(&t, "False")) {
        node->val = suan__j_bool(false);
    } else if (suan__j_is_word_token(&t, "none") || suan__j_is_word_token(&t, "None")) {
        node->val = suan__j_none();
    } else {
        node->kind = N_NAME;
        if (!suan__j_symbol(p, t.p, t.n, &node->sym, &node->name)) return NULL;
        note_special_name(p, node->sym);
        if (with_namespace && p->tok.type == '.') {
            node->kind = N_NSREF;
            if (!suan__j_advance(p)) return NULL;
            if (p->tok.type != T_NAME) {
                suan__j_fail_expected(p, "a name");
                return NULL;
            }
            if (!suan__j_str_borrow(p->rt, p->tok.p, p->tok.n, 0, &node->val) || !suan__j_advance(p)) return NULL;
        }
    }
    return node;
}

static jnode *parse_primary(jparser *p, bool with_namespace) {
    jnode *node;
    switch (p->tok.type) {
    case T_NAME:
        return parse_name(p, with_namespace);
    case T_STRING:
        return parse_string(p);
    case T_INT:
    case T_FLOAT:
        node = suan__j_node(p, N_CONST, p->tok.line);
        if (!node) return NULL;
        node->val = p->tok.val;
        return suan__j_advance(p) ? node : NULL;
    case '(':
        if (!suan__j_advance(p)) return NULL;
        if (p->tok.type == ')') {
            node = suan__j_node(p, N_TUPLE, p->tok.line);
            return node && suan__j_advance(p) ? node : NULL;
        }
        node = suan__j_parse_tuple(p, true, NULL);
        return node && suan__j_expect(p, ')', "')'") ? node : NULL;
    case '[':
        return parse_items(p, N_LIST, ']');
    case '{':
        return parse_items(p, N_DICT, '}');
    default:
        suan__j_fail_expected(p, "an expression");
        return NULL;
    }
}

/* ---- subscripts and calls */

static jnode *parse_subscribed(jparser *p) {
    jnode *parts[3] = {NULL, NULL, NULL};
    bool colon, second;
    uint32_t line = p->tok.line;
    if (p->tok.type != ':') {
        parts[0] = suan__j_parse_expression(p, true);
        if (!parts[0]) return NULL;
        if (p->tok.type != ':') return parts[0];
    }
    if (!suan__j_skip_char(p, ':', &colon)) return NULL;
    if (p->tok.type != ':' && p->tok.type != ']' && p->tok.type != ',' && !(parts[1] = suan__j_parse_expression(p, true))) return NULL;
    if (!suan__j_skip_char(p, ':', &second)) return NULL;
    if (second && p->tok.type != ']' && p->tok.type != ',' && !(parts[2] = suan__j_parse_expression(p, true))) return NULL;
    jnode *node = suan__j_node(p, N_SLICE, line);
    jnode **list = node ? J_NEW(p->rt, jnode *, 3) : NULL;
    if (!list) return NULL;
    memcpy(list, parts, sizeof parts);
    node->list = list;
    node->n = 3;
    return node;
}

static jnode *parse_subscript(jparser *p, jnode *of) {
    uint32_t line = p->tok.line;
    bool is_dot = p->tok.type == '.';
    jnode *node = suan__j_node(p, is_dot ? N_ATTR : N_ITEM, line);
    if (!node || !suan__j_advance(p)) return NULL;
    node->a = of;
    if (is_dot && p->tok.type == T_NAME) {
        if (!suan__j_str_borrow(p->rt, p->tok.p, p->tok.n, 0, &node->val)) return NULL;
        return suan__j_advance(p) ? node : NULL;
    }
    if (is_dot) {
        node->kind = N_ITEM;
        if (p->tok.type != T_INT) {
            suan__j_fail_expected(p, "a name or a number");
            return NULL;
        }
        node->b = parse_primary(p, false);
        return node->b ? node : NULL;
    }
    jnodes args = {0};
    while (p->tok.type != ']') {
        if (args.n && !suan__j_expect(p, ',', "','")) return NULL;
        jnode *one = parse_subscribed(p);
        if (!one || !suan__j_nodes_push(p->rt, &args, one)) return NULL;
        if (one->kind == N_SLICE && (args.n > 1 || p->tok.type == ',')) {
            suan__j_fail(p->rt, "a slice in a tuple subscript is not supported");
            return NULL;
        }
    }
    if (!suan__j_advance(p)) return NULL;
    if (args.n == 1) {
        node->b = args.v[0];
        return node;
    }
    node->b = suan__j_node(p, N_TUPLE, line);
    if (!node->b) return NULL;
    node->b->list = args.v;
    node->b->n = args.n;
    return node;
}

static bool parse_argument(jparser *p, jcall *call, jnodes *args, jnodes *values, jlist *names) {
    bool star, stars;
    if (!suan__j_skip_char(p, '*', &star) || !suan__j_skip_char(p, T_POW, &stars)) return false;
    if (star || stars) {
        if (call->dyn_kwargs || (star && call->dyn_args)) return suan__j_fail(p->rt, "invalid syntax for function call expression");
        jnode *e = suan__j_parse_expression(p, true);
        if (star)
            call->dyn_args = e;
        else
            call->dyn_kwargs = e;
        return e != NULL;
    }
    if (call->dyn_kwargs) return suan__j_fail(p->rt, "invalid syntax for function call expression");
    if (p->tok.type == T_NAME && !suan__j_peek(p)) return false;
    if (p->tok.type == T_NAME && p->ahead.type == '=') {
        jval name;
        if (!suan__j_str_borrow(p->rt, p->tok.p, p->tok.n, 0, &name) || !suan__j_list_push(p->rt, names, name)) return false;
        if (!suan__j_advance(p) || !suan__j_advance(p)) return false;
        jnode *e = suan__j_parse_expression(p, true);
        return e && suan__j_nodes_push(p->rt, values, e);
    }
    if (call->dyn_args || values->n) return suan__j_fail(p->rt, "invalid syntax for function call expression");
    jnode *e = suan__j_parse_expression(p, true);
    return e && suan__j_nodes_push(p->rt, args, e);
}

static jcall *parse_arguments(jparser *p) {
    jcall *call = J_NEW(p->rt, jcall, 1);
    jlist *names = suan__j_list_new(p->rt, 0);
    jnodes args = {0}, values = {0};
    bool first = true;
    if (!call || !names || !suan__j_advance(p)) return NULL;
    *call = (jcall){0};
    while (p->tok.type != ')') {
        if (!first && !suan__j_expect(p, ',', "','")) return NULL;
        if (!first && p->tok.type == ')') break;
        first = false;
        if (!parse_argument(p, call, &args, &values, names)) return NULL;
    }
    if (!suan__j_advance(p)) return NULL;
    call->args = args.v;
    call->n_args = args.n;
    call->values = values.v;
    call->n_kwargs = values.n;
    call->names = J_NEW(p->rt, const jstr *, values.n);
    if (!call->names) return NULL;
    for (uint32_t i = 0; i < values.n; i++) {
        call->names[i] = names->v[i].u.s;
        for (uint32_t k = 0; k < i && values.n <= 64; k++) {
            if (call->names[k]->n != call->names[i]->n || memcmp(call->names[k]->p, call->names[i]->p, call->names[i]->n) != 0) continue;
            suan__j_fail(p->rt, "keyword argument repeated: %.*s", (int)call->names[i]->n, call->names[i]->p);
            return NULL;
        }
    }
    return call;
}

static jnode *parse_call(jparser *p, jnode *of) {
    jnode *node = suan__j_node(p, N_CALL, p->tok.line);
    if (!node) return NULL;
    node->a = of;
    node->call = parse_arguments(p);
    return node->call ? node : NULL;
}

static jnode *parse_postfix(jparser *p, jnode *node) {
    while (node) {
        if (p->tok.type == '.' || p->tok.type == '[')
            node = parse_subscript(p, node);
        else if (p->tok.type == '(')
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}

/* ---- filters and tests */

/* name or name.name...: filters of extensions have dots. */
static bool parse_dotted(jparser *p, const jstr **name) {
    jval v;
    if (p->tok.type != T_NAME) return suan__j_fail_expected(p, "a name");
    const char *begin = p->tok.p;
    size_t n = p->tok.n;
    if (!suan__j_advance(p)) return false;
    while (p->tok.type == '.') {
        if (!suan__j_advance(p)) return false;
        if (p->tok.type != T_NAME) return suan__j_fail_expected(p, "a name");
        n = (size_t)(p->tok.p - begin) + p->tok.n;
        if (!suan__j_advance(p)) return false;
    }
    if (!suan__j_str_borrow(p->rt, begin, n, 0, &v)) return false;
    *name = v.u.s;
    return true;
}

static jcall *no_arguments(jparser *p) {
    jcall *call = J_NEW(p->rt, jcall, 1);
    if (call) *call = (jcall){0};
    return call;
}

jnode *suan__j_parse_filters(jparser *p, jnode *node, bool start_inline) {
    while (p->tok.type == '|' || start_inline) {
        jnode *f = suan__j_node(p, N_FILTER, p->tok.line);
        if (!f || (!start_inline && !suan__j_advance(p)) || !parse_dotted(p, &f->name)) return NULL;
        start_inline = false;
        f->a = node;
        f->def = suan__j_find_filter(f->name);
        f->call = p->tok.type == '(' ? parse_arguments(p) : no_arguments(p);
        if (!f->call) return NULL;
        node = f;
    }
    return node;
}

static bool begins_test_argument(const jtoken *t) {
    switch (t->type) {
    case T_NAME:
        return !suan__j_is_word_token(t, "else") && !suan__j_is_word_token(t, "or") && !suan__j_is_word_token(t, "and");
    case T_STRING:
    case T_INT:
    case T_FLOAT:
    case '[':
    case '{':
        return true;
    default:
        return false;
    }
}

static jnode *parse_test(jparser *p, jnode *of) {
    bool negated;
    jnode *node = suan__j_node(p, N_TEST, p->tok.line);
    if (!node || !suan__j_advance(p) || !suan__j_skip_word(p, "not", &negated) || !parse_dotted(p, &node->name)) return NULL;
    node->a = of;
    node->def = suan__j_find_test(node->name);
    bool has_brackets = p->tok.type == '(';
    node->call = has_brackets ? parse_arguments(p) : no_arguments(p);
    if (!node->call) return NULL;
    if (!has_brackets && begins_test_argument(&p->tok)) {
        /* `x is divisibleby 3`: one argument without brackets */
        if (suan__j_is_word_token(&p->tok, "is")) {
            suan__j_fail(p->rt, "You cannot chain multiple tests with is");
            return NULL;
        }
        jnodes args = {0};
        jnode *arg = parse_postfix(p, parse_primary(p, false));
        if (!arg || !suan__j_nodes_push(p->rt, &args, arg)) return NULL;
        node->call->args = args.v;
        node->call->n_args = 1;
    }
    if (!negated) return node;
    jnode *not_node = suan__j_node(p, N_NOT, node->line);
    if (not_node) not_node->a = node;
    return not_node;
}

static jnode *parse_filter_expr(jparser *p, jnode *node) {
    while (node) {
        if (p->tok.type == '|')
            node = suan__j_parse_filters(p, node, false);
        else if (suan__j_is_word_token(&p->tok, "is"))
            node = parse_test(p, node);
        else if (p->tok.type == '(')
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}

/* ---- operators */

static jnode *parse_unary(jparser *p, bool with_filter) {
    jnode *node;
    if (!suan__j_enter(p)) return NULL;
    if (p->tok.type == '-' || p->tok.type == '+') {
        node = suan__j_node(p, p->tok.type == '-' ? N_NEG : N_POS, p->tok.line);
        if (!node || !suan__j_advance(p) || !(node->a = parse_unary(p, false))) return NULL;
    } else {
        node = parse_primary(p, false);
    }
    if (node) node = parse_postfix(p, node);
    if (node && with_filter) node = parse_filter_expr(p, node);
    p->depth--;
    return node;
}

/* The level and the operation of the operator at hand; 0: none. */
static int operator_level(jparser *p, char *op) {
    const jtoken *t = &p->tok;
    *op = 0;
    switch (t->type) {
    case T_EQ:
        *op = '=';
        return P_COMPARE;
    case T_NE:
        *op = '!';
        return P_COMPARE;
    case '<':
        *op = '<';
        return P_COMPARE;
    case '>':
        *op = '>';
        return P_COMPARE;
    case T_LE:
        *op = 'l';
        return P_COMPARE;
    case T_GE:
        *op = 'g';
        return P_COMPARE;
    case '+':
        *op = '+';
        return P_ADD;
    case '-':
        *op = '-';
        return P_ADD;
    case '~':
        return P_CONCAT;
    case '*':
        *op = '*';
        return P_MUL;
    case '/':
        *op = '/';
        return P_MUL;
    case '%':
        *op = '%';
        return P_MUL;
    case T_FLOORDIV:
        *op = 'f';
        return P_MUL;
    case T_POW:
        *op = 'p';
        return P_POW;
    case T_NAME:
        break;
    default:
        return 0;
    }
    if (suan__j_is_word_token(t, "or")) return P_OR;
    if (suan__j_is_word_token(t, "and")) return P_AND;
    if (suan__j_is_word_token(t, "in")) {
        *op = 'i';
        return P_COMPARE;
    }
    if (suan__j_is_word_token(t, "not")) {
        if (!suan__j_peek(p)) return -1;
        if (suan__j_is_word_token(&p->ahead, "in")) {
            *op = 'n';
            return P_COMPARE;
        }
    }
    return 0;
}

static jnode *parse_comparison(jparser *p, jnode *left) {
    jnode *node = suan__j_node(p, N_COMPARE, left->line);
    jnodes operands = {0};
    jbuf ops;
    char op;
    if (!node) return NULL;
    suan__j_buf_init(&ops, p->rt);
    node->a = left;
    while (operator_level(p, &op) == P_COMPARE) {
        if (!suan__j_buf_put(&ops, &op, 1, 0) || (op == 'n' && !suan__j_advance(p)) || !suan__j_advance(p)) return NULL;
        jnode *right = parse_binary(p, P_ADD);
        if (!right || !suan__j_nodes_push(p->rt, &operands, right)) return NULL;
    }
    node->list = operands.v;
    node->n = operands.n;
    node->ops = ops.p;
    return p->rt->failed ? NULL : node;
}

static jnode *parse_concat(jparser *p, jnode *left) {
    jnode *node = suan__j_node(p, N_CONCAT, left->line);
    jnodes operands = {0};
    if (!node || !suan__j_nodes_push(p->rt, &operands, left)) return NULL;
    while (p->tok.type == '~') {
        jnode *right = suan__j_advance(p) ? parse_binary(p, P_MUL) : NULL;
        if (!right || !suan__j_nodes_push(p->rt, &operands, right)) return NULL;
    }
    node->list = operands.v;
    node->n = operands.n;
    return node;
}

static jnode *parse_one_binary(jparser *p, jnode *left, int level, char op) {
    if (level == P_COMPARE) return parse_comparison(p, left);
    if (level == P_CONCAT) return parse_concat(p, left);
    jnode *node = suan__j_node(p, level == P_OR ? N_OR : level == P_AND ? N_AND : N_BINARY, left->line);
    if (!node || !suan__j_advance(p)) return NULL;
    node->op = op;
    node->a = left;
    node->b = parse_binary(p, level + 1);
    return node->b ? node : NULL;
}

static jnode *parse_binary(jparser *p, int min) {
    jnode *left;
    if (!suan__j_enter(p)) return NULL;
    if (min <= P_NOT && suan__j_is_word_token(&p->tok, "not")) {
        left = suan__j_node(p, N_NOT, p->tok.line);
        if (!left || !suan__j_advance(p) || !(left->a = parse_binary(p, P_NOT))) return NULL;
    } else {
        left = parse_unary(p, true);
    }
    while (left) {
        char op;
        int level = operator_level(p, &op);
        if (level < 0) return NULL;
        if (!level || level < min) break;
        left = parse_one_binary(p, left, level, op);
    }
    p->depth--;
    return left;
}

jnode *suan__j_parse_expression(jparser *p, bool with_condition) {
    jnode *node = parse_binary(p, P_OR);
    bool is_if, is_else;
    while (node && with_condition) {
        if (!suan__j_skip_word(p, "if", &is_if)) return NULL;
        if (!is_if) break;
        jnode *cond = suan__j_node(p, N_COND, node->line);
        if (!cond) return NULL;
        cond->a = node;
        cond->b = parse_binary(p, P_OR);
        if (!cond->b || !suan__j_skip_word(p, "else", &is_else)) return NULL;
        if (is_else) {
            if (!suan__j_enter(p)) return NULL;
            cond->c = suan__j_parse_expression(p, true);
            p->depth--;
            if (!cond->c) return NULL;
        }
        node = cond;
    }
    return node;
}

/* ---- tuples and targets */

static bool is_tuple_end(const jparser *p, const char *end_word) {
    int t = p->tok.type;
    return t == T_VAR_END || t == T_BLOCK_END || t == ')' || (end_word && suan__j_is_word_token(&p->tok, end_word));
}

static jnode *parse_tuple_of(jparser *p, bool with_condition, const char *end_word, bool is_target, bool with_namespace) {
    uint32_t line = p->tok.line;
    jnodes items = {0};
    bool is_tuple = false;
    for (;;) {
        if (items.n && !suan__j_expect(p, ',', "','")) return NULL;
        if (is_tuple_end(p, end_word)) break;
        jnode *item = is_target ? parse_primary(p, with_namespace) : suan__j_parse_expression(p, with_condition);
        if (!item || !suan__j_nodes_push(p->rt, &items, item)) return NULL;
        if (p->tok.type != ',') break;
        is_tuple = true;
    }
    if (!is_tuple && items.n) return items.v[0];
    if (!is_tuple) {
        suan__j_fail_expected(p, "an expression");
        return NULL;
    }
    jnode *node = suan__j_node(p, N_TUPLE, line);
    if (!node) return NULL;
    node->list = items.v;
    node->n = items.n;
    return node;
}

jnode *suan__j_parse_tuple(jparser *p, bool with_condition, const char *end_word) {
    return parse_tuple_of(p, with_condition, end_word, false, false);
}

static bool can_assign(jparser *p, const jnode *node) {
    if (node->kind == N_NAME || node->kind == N_NSREF) return true;
    if (node->kind != N_TUPLE) return suan__j_fail(p->rt, "this is nothing that can be assigned to");
    if (!suan__j_stack_ok(p->rt)) return false;
    for (uint32_t i = 0; i < node->n; i++)
        if (!can_assign(p, node->list[i])) return false;
    return true;
}

jnode *suan__j_parse_target(jparser *p, bool with_namespace, const char *end_word) {
    jnode *node = parse_tuple_of(p, false, end_word, true, with_namespace);
    return node && can_assign(p, node) ? node : NULL;
}
