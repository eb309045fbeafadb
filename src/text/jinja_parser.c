/* jinja_parser.c: statements of the template language, symbols, and the checks that Jinja's compiler makes before anything runs. */
#include "text/jinja_parser.h"

#include <string.h>

#include "text/jinja_run.h"

/* ---- helpers shared with jinja_parse_expr.c */

bool suan__j_advance(jparser *p) {
    if (p->has_ahead) {
        p->tok = p->ahead;
        p->has_ahead = false;
    } else if (!suan__j_lex_next(&p->lexer, &p->tok)) {
        return false;
    }
    p->rt->line = p->tok.line;
    return true;
}

bool suan__j_peek(jparser *p) {
    if (!p->has_ahead) {
        if (!suan__j_lex_next(&p->lexer, &p->ahead)) return false;
        p->has_ahead = true;
    }
    return true;
}

bool suan__j_fail_expected(jparser *p, const char *what) {
    const jtoken *t = &p->tok;
    p->rt->line = t->line;
    switch (t->type) {
    case T_EOF:
        return suan__j_fail(p->rt, "unexpected end of template, expected %s", what);
    case T_NAME:
        return suan__j_fail(p->rt, "expected %s, got '%.*s'", what, t->n < 60 ? (int)t->n : 60, t->p);
    case T_STRING:
        return suan__j_fail(p->rt, "expected %s, got a string", what);
    case T_INT:
    case T_FLOAT:
        return suan__j_fail(p->rt, "expected %s, got a number", what);
    case T_VAR_END:
    case T_BLOCK_END:
        return suan__j_fail(p->rt, "expected %s, got the end of the tag", what);
    case T_EQ:
        return suan__j_fail(p->rt, "expected %s, got '=='", what);
    case T_NE:
        return suan__j_fail(p->rt, "expected %s, got '!='", what);
    case T_LE:
        return suan__j_fail(p->rt, "expected %s, got '<='", what);
    case T_GE:
        return suan__j_fail(p->rt, "expected %s, got '>='", what);
    case T_FLOORDIV:
        return suan__j_fail(p->rt, "expected %s, got '//'", what);
    case T_POW:
        return suan__j_fail(p->rt, "expected %s, got '**'", what);
    default:
        return suan__j_fail(p->rt, "expected %s, got '%c'", what, t->type);
    }
}

bool suan__j_skip_word(jparser *p, const char *word, bool *skipped) {
    size_t n = strlen(word);
    *skipped = p->tok.type == T_NAME && p->tok.n == n && memcmp(p->tok.p, word, n) == 0;
    return !*skipped || suan__j_advance(p);
}

bool suan__j_skip_char(jparser *p, int type, bool *skipped) {
    *skipped = p->tok.type == type;
    return !*skipped || suan__j_advance(p);
}

bool suan__j_expect(jparser *p, int type, const char *what) {
    if (p->tok.type != type) return suan__j_fail_expected(p, what);
    return suan__j_advance(p);
}

jnode *suan__j_node(jparser *p, jkind kind, uint32_t line) {
    jnode *node = J_NEW(p->rt, jnode, 1);
    if (node) *node = (jnode){.kind = (uint8_t)kind, .line = line};
    return node;
}

bool suan__j_nodes_push(jrt *rt, jnodes *l, jnode *node) {
    if (l->n == l->cap) {
        if (l->cap > UINT32_MAX / 4) return suan__j_fail_depth(rt);
        uint32_t cap = l->cap ? l->cap * 2 : 4;
        jnode **v = J_NEW(rt, jnode *, cap);
        if (!v) return false;
        if (l->n) memcpy(v, l->v, l->n * sizeof *v);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = node;
    return true;
}

bool suan__j_symbol(jparser *p, const char *s, size_t n, uint32_t *sym, const jstr **name) {
    jval key;
    if (!suan__j_str_borrow(p->rt, s, n, 0, &key)) return false;
    jval *found;
    if (!suan__j_dict_get(p->rt, p->symbols, key, &found)) return false;
    if (found) {
        *sym = (uint32_t)found->u.i;
        if (name) *name = p->symbol_names->v[*sym].u.s;
        return true;
    }
    *sym = p->symbol_names->n;
    if (name) *name = key.u.s;
    return suan__j_dict_set(p->rt, p->symbols, key, suan__j_int(*sym)) && suan__j_list_push(p->rt, p->symbol_names, key);
}

bool suan__j_enter(jparser *p) {
    if (++p->depth > SUAN__J_MAX_NESTING) return suan__j_fail_depth(p->rt);
    return suan__j_stack_ok(p->rt);
}

/* ---- statements */

static jnode *parse_body(jparser *p, const char *const *ends, const char *tag, uint32_t line);

static bool is_end(const jparser *p, const char *const *ends) {
    for (; ends && *ends; ends++) {
        size_t n = strlen(*ends);
        if (p->tok.type == T_NAME && p->tok.n == n && memcmp(p->tok.p, *ends, n) == 0) return true;
    }
    return false;
}

/* The body of a statement after its opening tag, up to one of the words in `ends`, which is left at hand. */
static jnode *parse_statements(jparser *p, const char *const *ends, const char *tag, uint32_t line) {
    bool colon;
    if (!suan__j_skip_char(p, ':', &colon) || !suan__j_expect(p, T_BLOCK_END, "the end of the tag")) return NULL;
    return parse_body(p, ends, tag, line);
}

/* The same with one end word, which is skipped. */
static jnode *parse_block_body(jparser *p, const char *end, const char *tag, uint32_t line) {
    const char *ends[] = {end, NULL};
    jnode *body = parse_statements(p, ends, tag, line);
    return body && suan__j_advance(p) ? body : NULL;
}

static jnode *parse_if(jparser *p, jnode *node) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    jnodes parts = {0};
    node->kind = N_IF;
    for (;;) {
        jnode *test = suan__j_parse_tuple(p, false, NULL);
        jnode *body = test ? parse_statements(p, ends, "if", node->line) : NULL;
        if (!body || !suan__j_nodes_push(p->rt, &parts, test) || !suan__j_nodes_push(p->rt, &parts, body)) return NULL;
        bool is_elif = suan__j_is_word_token(&p->tok, "elif"), is_else = suan__j_is_word_token(&p->tok, "else");
        if (!suan__j_advance(p)) return NULL;
        if (is_elif) continue;
        if (is_else && !(node->c = parse_block_body(p, "endif", "if", node->line))) return NULL;
        node->list = parts.v;
        node->n = parts.n;
        return node;
    }
}

static jnode *parse_for(jparser *p, jnode *node) {
    static const char *const ends[] = {"endfor", "else", NULL};
    bool is_in, is_if;
    node->kind = N_FOR;
    if (!(node->a = suan__j_parse_target(p, false, "in")) || !suan__j_skip_word(p, "in", &is_in)) return NULL;
    if (!is_in) {
        suan__j_fail_expected(p, "'in'");
        return NULL;
    }
    if (!(node->b = suan__j_parse_tuple(p, false, "recursive")) || !suan__j_skip_word(p, "if", &is_if)) return NULL;
    if (is_if && !(node->c = suan__j_parse_expression(p, true))) return NULL;
    if (!suan__j_skip_word(p, "recursive", &node->flag)) return NULL;
    node->list = J_NEW(p->rt, jnode *, 2);
    if (!node->list) return NULL;
    node->n = 2;
    node->list[1] = NULL;
    if (!(node->list[0] = parse_statements(p, ends, "for", node->line))) return NULL;
    bool is_else = suan__j_is_word_token(&p->tok, "else");
    if (!suan__j_advance(p)) return NULL;
    if (is_else && !(node->list[1] = parse_block_body(p, "endfor", "for", node->line))) return NULL;
    return node;
}

static jnode *parse_set(jparser *p, jnode *node) {
    bool assign;
    if (!(node->a = suan__j_parse_target(p, true, NULL)) || !suan__j_skip_char(p, '=', &assign)) return NULL;
    if (assign) {
        node->kind = N_SET;
        node->b = suan__j_parse_tuple(p, true, NULL);
        return node->b ? node : NULL;
    }
    node->kind = N_SETBLOCK;
    if (p->tok.type == '|' && !(node->c = suan__j_parse_filters(p, NULL, false))) return NULL;
    node->b = parse_block_body(p, "endset", "set", node->line);
    return node->b ? node : NULL;
}

/* (a, b=1): the parameters; the brackets are skipped. */
static jsig *parse_signature(jparser *p) {
    jsig *sig = J_NEW(p->rt, jsig, 1);
    jnodes params = {0}, defaults = {0};
    if (!sig || !suan__j_expect(p, '(', "'('")) return NULL;
    *sig = (jsig){0};
    bool has_default = false;
    while (p->tok.type != ')') {
        if (params.n && !suan__j_expect(p, ',', "','")) return NULL;
        if (p->tok.type != T_NAME) {
            suan__j_fail_expected(p, "a name");
            return NULL;
        }
        jnode *param = suan__j_node(p, N_NAME, p->tok.line), *value = NULL;
        bool assign;
        if (!param || !suan__j_symbol(p, p->tok.p, p->tok.n, &param->sym, &param->name) || !suan__j_advance(p)) return NULL;
        if (!suan__j_skip_char(p, '=', &assign)) return NULL;
        if (assign && !(value = suan__j_parse_expression(p, true))) return NULL;
        if (!assign && has_default) {
            suan__j_fail(p->rt, "non-default argument follows default argument");
            return NULL;
        }
        has_default |= assign;
        sig->has_caller_parameter |= param->sym == SYM_CALLER;
        if (!suan__j_nodes_push(p->rt, &params, param) || !suan__j_nodes_push(p->rt, &defaults, value)) return NULL;
    }
    if (!suan__j_advance(p)) return NULL;
    sig->n = params.n;
    sig->defaults = defaults.v;
    sig->syms = J_NEW(p->rt, uint32_t, params.n);
    sig->names = J_NEW(p->rt, const jstr *, params.n);
    if (!sig->syms || !sig->names) return NULL;
    for (uint32_t i = 0; i < params.n; i++) {
        sig->syms[i] = params.v[i]->sym;
        sig->names[i] = params.v[i]->name;
    }
    return sig;
}

static bool parse_macro_body(jparser *p, jnode *node, const char *end, const char *tag) {
    jmacro_scope scope = {p->macro, node->sig};
    p->macro = &scope;
    node->b = parse_block_body(p, end, tag, node->line);
    p->macro = scope.outer;
    return node->b != NULL;
}

static jnode *parse_macro(jparser *p, jnode *node) {
    node->kind = N_MACRO;
    if (p->tok.type != T_NAME) {
        suan__j_fail_expected(p, "a name");
        return NULL;
    }
    if (!suan__j_symbol(p, p->tok.p, p->tok.n, &node->sym, &node->name) || !suan__j_advance(p)) return NULL;
    node->sig = parse_signature(p);
    return node->sig && parse_macro_body(p, node, "endmacro", "macro") ? node : NULL;
}

static jnode *parse_call_block(jparser *p, jnode *node) {
    node->kind = N_CALLBLOCK;
    if (p->tok.type == '(') {
        node->sig = parse_signature(p);
    } else {
        node->sig = J_NEW(p->rt, jsig, 1);
        if (node->sig) *node->sig = (jsig){0};
    }
    if (!node->sig || !(node->a = suan__j_parse_expression(p, true))) return NULL;
    if (node->a->kind != N_CALL) {
        suan__j_fail(p->rt, "expected call");
        return NULL;
    }
    return parse_macro_body(p, node, "endcall", "call") ? node : NULL;
}

static jnode *parse_with(jparser *p, jnode *node) {
    jnodes parts = {0};
    node->kind = N_WITH;
    while (p->tok.type != T_BLOCK_END) {
        if (parts.n && !suan__j_expect(p, ',', "','")) return NULL;
        jnode *target = suan__j_parse_target(p, false, NULL);
        if (!target || !suan__j_expect(p, '=', "'='")) return NULL;
        jnode *value = suan__j_parse_expression(p, true);
        if (!value || !suan__j_nodes_push(p->rt, &parts, target) || !suan__j_nodes_push(p->rt, &parts, value)) return NULL;
    }
    node->list = parts.v;
    node->n = parts.n;
    node->b = parse_block_body(p, "endwith", "with", node->line);
    return node->b ? node : NULL;
}

static jnode *parse_print(jparser *p, jnode *node) {
    jnodes parts = {0};
    node->kind = N_BODY;
    while (p->tok.type != T_BLOCK_END) {
        if (parts.n && !suan__j_expect(p, ',', "','")) return NULL;
        jnode *out = suan__j_node(p, N_OUTPUT, p->tok.line);
        if (!out || !(out->a = suan__j_parse_expression(p, true)) || !suan__j_nodes_push(p->rt, &parts, out)) return NULL;
    }
    node->list = parts.v;
    node->n = parts.n;
    return node;
}

static jnode *parse_block(jparser *p, jnode *node) {
    bool scoped, required, again;
    jtoken name = p->tok;
    node->kind = N_SCOPE;
    if (!suan__j_expect(p, T_NAME, "a name") || !suan__j_skip_word(p, "scoped", &scoped) || !suan__j_skip_word(p, "required", &required))
        return NULL;
    if (required) {
        suan__j_fail(p->rt, "a required block has no parent template here");
        return NULL;
    }
    node->flag = !scoped;
    if (!(node->b = parse_block_body(p, "endblock", "block", node->line))) return NULL;
    again = p->tok.type == T_NAME && p->tok.n == name.n && memcmp(p->tok.p, name.p, name.n) == 0;
    return !again || suan__j_advance(p) ? node : NULL;
}

static jnode *parse_autoescape(jparser *p, jnode *node) {
    jnode *value = suan__j_parse_expression(p, true);
    node->kind = N_SCOPE;
    if (!value) return NULL;
    if (value->kind != N_CONST || suan__j_truth(value->val)) {
        suan__j_fail(p->rt, "{%% autoescape %%} with anything but false is not supported");
        return NULL;
    }
    node->b = parse_block_body(p, "endautoescape", "autoescape", node->line);
    return node->b ? node : NULL;
}

static jnode *parse_scope(jparser *p, jnode *node, const char *end, const char *tag) {
    node->kind = N_SCOPE;
    node->b = parse_block_body(p, end, tag, node->line);
    return node->b ? node : NULL;
}

static jnode *parse_filter_block(jparser *p, jnode *node) {
    node->kind = N_FILTERBLOCK;
    if (!(node->c = suan__j_parse_filters(p, NULL, true))) return NULL;
    node->b = parse_block_body(p, "endfilter", "filter", node->line);
    return node->b ? node : NULL;
}

static jnode *parse_leaf(jnode *node, jkind kind) {
    node->kind = (uint8_t)kind;
    return node;
}

static jnode *parse_statement(jparser *p, const char *tag_inside, uint32_t tag_line) {
    jtoken t = p->tok;
    if (t.type != T_NAME) {
        suan__j_fail(p->rt, "tag name expected");
        return NULL;
    }
    jnode *node = suan__j_node(p, N_BODY, t.line);
    if (!node || !suan__j_enter(p) || !suan__j_advance(p)) return NULL;
    jnode *r = NULL;
    if (suan__j_is_word_token(&t, "if"))
        r = parse_if(p, node);
    else if (suan__j_is_word_token(&t, "for"))
        r = parse_for(p, node);
    else if (suan__j_is_word_token(&t, "set"))
        r = parse_set(p, node);
    else if (suan__j_is_word_token(&t, "macro"))
        r = parse_macro(p, node);
    else if (suan__j_is_word_token(&t, "call"))
        r = parse_call_block(p, node);
    else if (suan__j_is_word_token(&t, "filter"))
        r = parse_filter_block(p, node);
    else if (suan__j_is_word_token(&t, "with"))
        r = parse_with(p, node);
    else if (suan__j_is_word_token(&t, "print"))
        r = parse_print(p, node);
    else if (suan__j_is_word_token(&t, "block"))
        r = parse_block(p, node);
    else if (suan__j_is_word_token(&t, "autoescape"))
        r = parse_autoescape(p, node);
    else if (suan__j_is_word_token(&t, "generation"))
        r = parse_scope(p, node, "endgeneration", "generation");
    else if (suan__j_is_word_token(&t, "break"))
        r = parse_leaf(node, N_BREAK);
    else if (suan__j_is_word_token(&t, "continue"))
        r = parse_leaf(node, N_CONTINUE);
    else if (suan__j_is_word_token(&t, "include") || suan__j_is_word_token(&t, "import") || suan__j_is_word_token(&t, "from") ||
             suan__j_is_word_token(&t, "extends"))
        suan__j_fail(p->rt, "{%% %.*s %%} is not supported: a chat template is one file", (int)t.n, t.p);
    else if (tag_inside)
        suan__j_fail(p->rt, "unknown tag '%.*s' inside the {%% %s %%} of line %u", t.n < 60 ? (int)t.n : 60, t.p, tag_inside, tag_line);
    else
        suan__j_fail(p->rt, "unknown tag '%.*s'", t.n < 60 ? (int)t.n : 60, t.p);
    p->depth--;
    return r;
}

static jnode *parse_body(jparser *p, const char *const *ends, const char *tag, uint32_t line) {
    jnode *body = suan__j_node(p, N_BODY, p->tok.line);
    jnodes list = {0};
    if (!body || !suan__j_enter(p)) return NULL;
    for (;;) {
        jnode *node;
        if (p->tok.type == T_EOF) {
            if (!ends) break;
            suan__j_fail(p->rt, "unexpected end of template: the {%% %s %%} of line %u is not closed", tag, line);
            return NULL;
        } else if (p->tok.type == T_DATA) {
            node = suan__j_node(p, N_DATA, p->tok.line);
            if (!node || !suan__j_str_borrow(p->rt, p->tok.p, p->tok.n, 0, &node->val) || !suan__j_advance(p)) return NULL;
        } else if (p->tok.type == T_VAR_BEGIN) {
            node = suan__j_node(p, N_OUTPUT, p->tok.line);
            if (!node || !suan__j_advance(p) || !(node->a = suan__j_parse_tuple(p, true, NULL))) return NULL;
            if (!suan__j_expect(p, T_VAR_END, "'}}'")) return NULL;
        } else {
            if (!suan__j_expect(p, T_BLOCK_BEGIN, "a tag")) return NULL;
            if (is_end(p, ends)) break;
            node = parse_statement(p, tag, line);
            if (!node || !suan__j_expect(p, T_BLOCK_END, "the end of the tag")) return NULL;
        }
        if (!suan__j_nodes_push(p->rt, &list, node)) return NULL;
    }
    body->list = list.v;
    body->n = list.n;
    p->depth--;
    return body;
}

bool suan__j_parse(jprogram *program, const char *source, size_t n) {
    static const char *const known[SUAN__J_N_SYMS] = {"loop", "caller", "varargs", "kwargs"};
    jrt *rt = &program->rt;
    jparser p = {.rt = rt, .program = program};
    uint32_t sym;
    /* A token of one byte may become a node and a call: a hundred bytes of tree for a byte of source is ample. */
    suan__j_init(rt, ((size_t)1 << 20) + 1024 * (n < SUAN__J_MAX_SOURCE ? n : SUAN__J_MAX_SOURCE), INT64_MAX);
    p.symbols = suan__j_dict_new(rt, 16);
    p.symbol_names = suan__j_list_new(rt, 16);
    if (!p.symbols || !p.symbol_names) return false;
    for (int i = 0; i < SUAN__J_N_SYMS; i++)
        if (!suan__j_symbol(&p, known[i], strlen(known[i]), &sym, NULL)) return false;
    if (!suan__j_lex_begin(&p.lexer, rt, source, n) || !suan__j_advance(&p)) return false;
    program->body = parse_body(&p, NULL, NULL, 0);
    if (!program->body) return rt->failed ? false : suan__j_fail(rt, "the template cannot be read");
    program->n_symbols = p.symbol_names->n;
    program->symbols = J_NEW(rt, const jstr *, program->n_symbols);
    if (!program->symbols) return false;
    for (uint32_t i = 0; i < program->n_symbols; i++) program->symbols[i] = p.symbol_names->v[i].u.s;
    return suan__j_check(program);
}

/* ---- checks of the finished tree */

typedef struct jcheck {
    jrt *rt;
    uint32_t depth;
    bool is_soft; /* inside a condition: an unknown filter is an error only when it is reached */
    bool in_loop;
} jcheck;

static bool check(jcheck *c, const jnode *node);

static bool check_list(jcheck *c, jnode **list, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (!check(c, list[i])) return false;
    return true;
}

static bool check_call(jcheck *c, const jcall *call) {
    return check_list(c, call->args, call->n_args) && check_list(c, call->values, call->n_kwargs) && check(c, call->dyn_args) &&
           check(c, call->dyn_kwargs);
}

static bool check_children(jcheck *c, const jnode *node) {
    bool soft = c->is_soft, loop = c->in_loop, ok;
    switch ((jkind)node->kind) {
    case N_BREAK:
    case N_CONTINUE:
        return c->in_loop || suan__j_fail(c->rt, "{%% break %%} or {%% continue %%} outside of a loop");
    case N_FILTER:
    case N_TEST:
        if (!node->def && !soft)
            return suan__j_fail(c->rt, "No %s named '%.*s'.", node->kind == N_FILTER ? "filter" : "test", (int)node->name->n,
                                node->name->p);
        return check(c, node->a) && check_call(c, node->call);
    case N_CALL:
        return check(c, node->a) && check_call(c, node->call);
    case N_IF:
    case N_COND:
        c->is_soft = true;
        ok = check(c, node->a) && check(c, node->b) && check_list(c, node->list, node->n) && check(c, node->c);
        c->is_soft = soft;
        return ok;
    case N_FOR:
        c->is_soft = false;
        c->in_loop = true;
        ok = check(c, node->a) && check(c, node->list[0]);
        c->in_loop = loop;
        ok = ok && check(c, node->c) && check(c, node->list[1]);
        c->is_soft = soft;
        return ok && check(c, node->b);
    case N_MACRO:
    case N_CALLBLOCK:
    case N_SETBLOCK:
    case N_FILTERBLOCK:
    case N_WITH:
    case N_SCOPE:
        c->is_soft = false;
        c->in_loop = loop && node->kind != N_MACRO && node->kind != N_CALLBLOCK && node->kind != N_SCOPE;
        ok = check(c, node->a) && check(c, node->b) && check_list(c, node->list, node->n);
        if (ok && (node->kind == N_MACRO || node->kind == N_CALLBLOCK)) ok = check_list(c, node->sig->defaults, node->sig->n);
        c->is_soft = soft;
        c->in_loop = loop;
        return ok && check(c, node->c);
    default:
        return check(c, node->a) && check(c, node->b) && check(c, node->c) && check_list(c, node->list, node->n);
    }
}

static bool check(jcheck *c, const jnode *node) {
    if (!node) return true;
    c->rt->line = node->line;
    if (++c->depth > SUAN__J_MAX_TREE) return suan__j_fail_depth(c->rt);
    bool ok = suan__j_stack_ok(c->rt) && check_children(c, node);
    c->depth--;
    return ok;
}

bool suan__j_check(jprogram *p) {
    jcheck c = {.rt = &p->rt};
    return check(&c, p->body);
}
