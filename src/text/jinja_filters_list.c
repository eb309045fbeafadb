/* jinja_filters_list.c: filters that take or make sequences, and the look-up of filters.
 *
 * map, select, reject, selectattr, rejectattr, unique, items, batch, slice and (mostly) reverse are generators in Jinja: always true, without
 * length, consumed once, and no JSON. They are here too, but compute everything at their first use.
 */
#include <string.h>

#include "text/jinja_run.h"

#define FILTER(name) static bool name(jinja *in, jval self, const jargs *args, jval *out)

static bool is_given(jval v) {
    return v.tag != J_MISSING && v.tag != J_NONE;
}

static bool flag(jval v, bool otherwise) {
    return v.tag == J_MISSING ? otherwise : suan__j_truth(v);
}

static bool make_iter(jinja *in, jval source, const jargs *args, uint32_t mode, bool (*make)(jinja *, jiter *), jval *out) {
    jiter *it = J_NEW(&in->rt, jiter, 1);
    jargs *copy = J_NEW(&in->rt, jargs, 1); /* the arrays inside live as long */
    if (!it || !copy) return false;
    *copy = *args;
    *it = (jiter){.make = make, .type = "generator", .source = source, .args = copy, .mode = mode};
    *out = (jval){.tag = J_ITER, .taint = source.taint, .u.iter = it};
    return true;
}

/* ---- attributes by path: "a.b.0" */

static bool by_path(jinja *in, jval item, jval path, jval fallback, jval *out) {
    *out = item;
    if (path.tag == J_NONE || path.tag == J_MISSING) return true;
    if (path.tag != J_STR) {
        if (!suan__j_get_item(in, item, path, out)) return false;
        if (is_given(fallback) && out->tag == J_UNDEFINED) *out = fallback;
        return true;
    }
    const jstr *s = path.u.s;
    for (size_t begin = 0; begin <= s->n;) {
        const char *dot = memchr(s->p + begin, '.', s->n - begin);
        size_t end = dot ? (size_t)(dot - s->p) : s->n;
        jval key;
        bool digits = end > begin && end - begin < 18;
        int64_t index = 0;
        for (size_t i = begin; i < end && digits; i++) {
            digits = s->p[i] >= '0' && s->p[i] <= '9';
            index = index * 10 + (s->p[i] - '0');
        }
        if (digits)
            key = suan__j_int(index);
        else if (!suan__j_str_slice(&in->rt, s, begin, end, &key))
            return false;
        if (!suan__j_charge(&in->rt, 1) || !suan__j_get_item(in, *out, key, out)) return false;
        if (is_given(fallback) && out->tag == J_UNDEFINED) *out = fallback;
        begin = end + 1;
    }
    return true;
}

static bool ignore_case(jinja *in, jval *v) {
    return v->tag != J_STR || suan__j_change_case(&in->rt, v->u.s, CASE_LOWER, v);
}

/* The sort key of an item: its attributes (comma separated) as a list, as Jinja compares them. */
static bool sort_key(jinja *in, jval item, jval attribute, bool case_sensitive, jval *out) {
    jlist *l = suan__j_list_new(&in->rt, 1);
    if (!l) return false;
    if (attribute.tag != J_STR) {
        jval v;
        if (!by_path(in, item, attribute, suan__j_missing(), &v) || (!case_sensitive && !ignore_case(in, &v))) return false;
        if (!suan__j_list_push(&in->rt, l, v)) return false;
    } else {
        const jstr *s = attribute.u.s;
        for (size_t begin = 0; begin <= s->n;) {
            const char *comma = memchr(s->p + begin, ',', s->n - begin);
            size_t end = comma ? (size_t)(comma - s->p) : s->n;
            jval path, v;
            if (!suan__j_str_slice(&in->rt, s, begin, end, &path) || !by_path(in, item, path, suan__j_missing(), &v)) return false;
            if ((!case_sensitive && !ignore_case(in, &v)) || !suan__j_list_push(&in->rt, l, v)) return false;
            begin = end + 1;
        }
    }
    *out = suan__j_list_value(l);
    return true;
}

/* ---- map, select and their kin */

static const jargs no_args;

/* args without the first `skip` positional ones */
static jargs tail(const jargs *args, uint32_t skip) {
    jargs t = *args;
    t.pos += skip;
    t.n_pos -= skip;
    return t;
}

static bool make_map(jinja *in, jiter *it) {
    jrt *rt = &in->rt;
    const jargs *args = it->args;
    jval attribute = suan__j_missing(), fallback = suan__j_missing();
    const jdef *filter = NULL;
    const jstr *name = NULL;
    jargs rest = no_args;
    if (it->source.tag != J_ITER && !suan__j_truth(it->source)) return true;
    for (uint32_t i = 0; i < args->n_kw && !args->n_pos; i++) {
        if (suan__j_str_eq(args->kw[i].name, "attribute"))
            attribute = args->kw[i].value;
        else if (suan__j_str_eq(args->kw[i].name, "default"))
            fallback = args->kw[i].value;
        else if (attribute.tag != J_MISSING)
            return suan__j_fail(rt, "Unexpected keyword argument '%.*s'", (int)args->kw[i].name->n, args->kw[i].name->p);
    }
    if (attribute.tag == J_MISSING) {
        if (!args->n_pos) return suan__j_fail(rt, "map requires a filter argument");
        if (args->pos[0].tag != J_STR) return suan__j_fail(rt, "map() takes the name of a filter, not %s", suan__j_type_name(args->pos[0]));
        name = args->pos[0].u.s;
        filter = suan__j_find_filter(name);
        if (!filter) return suan__j_fail(rt, "No filter named '%.*s'.", (int)name->n, name->p);
        rest = tail(args, 1);
    }
    jcursor c;
    if (!suan__j_iter_begin(in, it->source, &c)) return false;
    for (;;) {
        jval item, v;
        bool more;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) return true;
        bool ok = filter ? suan__j_call_filter(in, name, filter, item, &rest, &v) : by_path(in, item, attribute, fallback, &v);
        if (!ok || !suan__j_list_push(rt, it->items, v)) return false;
    }
}

enum { SELECT_REJECT = 1, SELECT_ATTR = 2 };

static bool make_select(jinja *in, jiter *it) {
    jrt *rt = &in->rt;
    const jargs *args = it->args;
    uint32_t off = it->mode & SELECT_ATTR ? 1 : 0;
    const jdef *test = NULL;
    const jstr *name = NULL;
    jargs rest = no_args;
    if (it->source.tag != J_ITER && !suan__j_truth(it->source)) return true;
    if (off && !args->n_pos) return suan__j_fail(rt, "Missing parameter for attribute name");
    if (args->n_pos > off) {
        if (args->pos[off].tag != J_STR)
            return suan__j_fail(rt, "select() takes the name of a test, not %s", suan__j_type_name(args->pos[off]));
        name = args->pos[off].u.s;
        test = suan__j_find_test(name);
        if (!test) return suan__j_fail(rt, "No test named '%.*s'.", (int)name->n, name->p);
        rest = tail(args, off + 1);
    }
    jcursor c;
    if (!suan__j_iter_begin(in, it->source, &c)) return false;
    for (;;) {
        jval item, v;
        bool more, keep;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) return true;
        v = item;
        if (off && !by_path(in, item, args->pos[0], suan__j_missing(), &v)) return false;
        if (test) {
            if (!suan__j_call_test(in, name, test, v, &rest, &keep)) return false;
        } else {
            keep = suan__j_truth(v);
        }
        if (keep == !(it->mode & SELECT_REJECT) && !suan__j_list_push(rt, it->items, item)) return false;
    }
}

FILTER(f_map) {
    return make_iter(in, self, args, 0, make_map, out);
}
FILTER(f_select) {
    return make_iter(in, self, args, 0, make_select, out);
}
FILTER(f_reject) {
    return make_iter(in, self, args, SELECT_REJECT, make_select, out);
}
FILTER(f_selectattr) {
    return make_iter(in, self, args, SELECT_ATTR, make_select, out);
}
FILTER(f_rejectattr) {
    return make_iter(in, self, args, SELECT_ATTR | SELECT_REJECT, make_select, out);
}

static bool make_items(jinja *in, jiter *it) {
    jlist *l;
    if (it->source.tag == J_UNDEFINED) return true;
    if (it->source.tag != J_DICT) return suan__j_fail(&in->rt, "Can only get item pairs from a mapping.");
    if (!suan__j_to_list(in, (jval){.tag = J_VIEW, .aux = 'i', .u.d = it->source.u.d}, &l)) return false;
    it->items = l;
    return true;
}
FILTER(f_items) {
    jval a[1];
    return suan__j_bind(in, "items", args, "", a) && make_iter(in, self, args, 0, make_items, out);
}

static bool make_unique(jinja *in, jiter *it) {
    jval a[2];
    jcursor c;
    jdict *seen = suan__j_dict_new(&in->rt, 0);
    if (!seen || !suan__j_bind(in, "unique", it->args, "case_sensitive,attribute", a) || !suan__j_iter_begin(in, it->source, &c))
        return false;
    for (;;) {
        jval item, key, *found;
        bool more;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) return true;
        if (!by_path(in, item, a[1], suan__j_missing(), &key) || (!flag(a[0], false) && !ignore_case(in, &key))) return false;
        if (!suan__j_dict_get(&in->rt, seen, key, &found)) return false;
        if (found) continue;
        if (!suan__j_dict_set(&in->rt, seen, key, suan__j_none()) || !suan__j_list_push(&in->rt, it->items, item)) return false;
    }
}
FILTER(f_unique) {
    return make_iter(in, self, args, 0, make_unique, out);
}

/* ---- batch, slice, reverse */

static bool fill_up(jinja *in, jlist *l, uint32_t n, jval with) {
    while (is_given(with) && l->n < n)
        if (!suan__j_charge(&in->rt, 1) || !suan__j_list_push(&in->rt, l, with)) return false;
    return true;
}

static bool make_batch(jinja *in, jiter *it) {
    jval a[2], item;
    int64_t size;
    jcursor c;
    bool more;
    jlist *row = NULL;
    if (!suan__j_bind(in, "batch", it->args, "linecount,fill_with", a) || !suan__j_arg_int(in, "batch", a[0], &size)) return false;
    if (!suan__j_iter_begin(in, it->source, &c)) return false;
    for (;;) {
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) break;
        if (!row || row->n == size) {
            row = suan__j_list_new(&in->rt, 4);
            if (!row || !suan__j_list_push(&in->rt, it->items, suan__j_list_value(row))) return false;
        }
        if (!suan__j_list_push(&in->rt, row, item)) return false;
    }
    return !row || fill_up(in, row, size > 0 && size < INT32_MAX ? (uint32_t)size : 0, a[1]);
}
FILTER(f_batch) {
    return make_iter(in, self, args, 0, make_batch, out);
}

static bool make_slice(jinja *in, jiter *it) {
    jval a[2];
    int64_t slices;
    jlist *all;
    if (!suan__j_bind(in, "slice", it->args, "slices,fill_with", a) || !suan__j_arg_int(in, "slice", a[0], &slices)) return false;
    if (!suan__j_to_list(in, it->source, &all)) return false;
    if (slices == 0) return suan__j_fail(&in->rt, "integer division or modulo by zero");
    int64_t each = slices > 0 ? all->n / slices : 0, extra = slices > 0 ? all->n % slices : 0, at = 0;
    for (int64_t k = 0; k < slices; k++) {
        int64_t n = each + (k < extra);
        jlist *part = suan__j_list_new(&in->rt, (uint32_t)n + 1);
        if (!part || !suan__j_charge(&in->rt, 1 + (uint64_t)n)) return false;
        if (n) memcpy(part->v, all->v + at, (size_t)n * sizeof(jval));
        part->n = (uint32_t)n;
        at += n;
        if (is_given(a[1]) && k >= extra && !suan__j_list_push(&in->rt, part, a[1])) return false;
        if (!suan__j_list_push(&in->rt, it->items, suan__j_list_value(part))) return false;
    }
    return true;
}
FILTER(f_slice) {
    return make_iter(in, self, args, 0, make_slice, out);
}

static bool make_reversed(jinja *in, jiter *it) {
    jlist *l;
    if (!suan__j_to_list(in, it->source, &l)) return false;
    for (uint32_t i = 0; i < l->n / 2; i++) {
        jval v = l->v[i];
        l->v[i] = l->v[l->n - 1 - i];
        l->v[l->n - 1 - i] = v;
    }
    it->items = l;
    return true;
}
FILTER(f_reverse) {
    jval a[1];
    if (!suan__j_bind(in, "reverse", args, "", a)) return false;
    if (self.tag == J_STR) return suan__j_slice(in, self, suan__j_missing(), suan__j_missing(), suan__j_int(-1), out);
    if (!suan__j_is_iterable(self)) return suan__j_fail(&in->rt, "argument must be iterable");
    if (!make_iter(in, self, args, 0, make_reversed, out)) return false;
    if (self.tag == J_ITER || self.tag == J_LOOP || self.tag == J_UNDEFINED) { /* reversed() cannot; Jinja makes a list then */
        jlist *l;
        if (!suan__j_to_list(in, *out, &l)) return false;
        *out = suan__j_list_value(l);
    } else {
        out->u.iter->type = self.tag == J_LIST ? "list_reverseiterator" : self.tag == J_RANGE ? "range_iterator" : "reversed";
    }
    return true;
}

/* ---- one value of many */

FILTER(f_length) {
    jval a[1];
    int64_t n;
    if (!suan__j_bind(in, "length", args, "", a)) return false;
    if (self.tag == J_LOOP) {
        jstr name = {.p = "length", .n = 6, .n_cp = 6};
        bool found;
        return suan__j_loop_attribute(in, self, &name, out, &found);
    }
    if (!suan__j_length(&in->rt, self, &n)) return false;
    *out = suan__j_int(n);
    return true;
}
FILTER(f_list) {
    jval a[1];
    jlist *l;
    if (!suan__j_bind(in, "list", args, "", a) || !suan__j_to_list(in, self, &l)) return false;
    *out = suan__j_list_value(l);
    out->taint = self.taint;
    return true;
}
FILTER(f_first) {
    jval a[1];
    jcursor c;
    bool more;
    if (!suan__j_bind(in, "first", args, "", a) || !suan__j_iter_begin(in, self, &c) || !suan__j_iter_next(&c, out, &more)) return false;
    return more || suan__j_undefined_hint(&in->rt, "No first item, sequence was empty.", out);
}
FILTER(f_last) {
    jval a[1];
    jlist *l;
    if (!suan__j_bind(in, "last", args, "", a)) return false;
    if (self.tag == J_ITER || self.tag == J_LOOP || (self.tag == J_UNDEFINED))
        return suan__j_fail(&in->rt, "'%s' object is not reversible", suan__j_type_name(self));
    if (self.tag == J_LIST || self.tag == J_TUPLE || self.tag == J_STR) {
        bool some = self.tag == J_STR ? self.u.s->n != 0 : self.u.l->n != 0;
        if (some) return suan__j_get_item(in, self, suan__j_int(-1), out);
        return suan__j_undefined_hint(&in->rt, "No last item, sequence was empty.", out);
    }
    if (!suan__j_to_list(in, self, &l)) return false;
    if (!l->n) return suan__j_undefined_hint(&in->rt, "No last item, sequence was empty.", out);
    *out = l->v[l->n - 1];
    return true;
}
FILTER(f_default) {
    jval a[2];
    if (!suan__j_bind(in, "default", args, "default_value,boolean", a)) return false;
    *out = self;
    if (self.tag != J_UNDEFINED && !(flag(a[1], false) && !suan__j_truth(self))) return true;
    *out = a[0];
    return a[0].tag != J_MISSING || suan__j_str_c(&in->rt, "", out);
}
FILTER(f_attr) {
    jval a[1];
    if (!suan__j_bind(in, "attr", args, "name", a)) return false;
    if (a[0].tag != J_STR) return suan__j_fail(&in->rt, "attribute name must be string, not '%s'", suan__j_type_name(a[0]));
    if (self.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, self);
    /* No fallback to items: a look-up that would find one is done on a value without any. */
    if (self.tag == J_DICT) {
        jdict *empty = suan__j_dict_new(&in->rt, 0);
        jval *v = suan__j_dict_get_str(&in->rt, self.u.d, a[0].u.s);
        if (!empty || in->rt.failed) return false;
        if (v && !suan__j_find_method(self, a[0].u.s)) self = suan__j_dict_value(empty);
    }
    return suan__j_get_attr(in, self, a[0].u.s, out);
}
FILTER(f_join) {
    jval a[2], d;
    if (!suan__j_bind(in, "join", args, "d,attribute", a)) return false;
    d = a[0];
    if (d.tag == J_MISSING && !suan__j_str_c(&in->rt, "", &d)) return false;
    if (!suan__j_to_str(&in->rt, d, &d)) return false;
    jstr plain = *d.u.s;
    plain.markup = 0;
    if (is_given(a[1])) {
        jcursor c;
        jlist *l = suan__j_list_new(&in->rt, 0);
        if (!l || !suan__j_iter_begin(in, self, &c)) return false;
        for (;;) {
            jval item;
            bool more;
            if (!suan__j_iter_next(&c, &item, &more)) return false;
            if (!more) break;
            if (!by_path(in, item, a[1], suan__j_missing(), &item) || !suan__j_list_push(&in->rt, l, item)) return false;
        }
        self = suan__j_list_value(l);
    }
    return suan__j_join(in, &plain, self, false, out);
}

static bool extreme(jinja *in, jval self, const jargs *args, bool want_max, jval *out) {
    jval a[2], key, best_key = suan__j_missing();
    jcursor c;
    if (!suan__j_bind(in, want_max ? "max" : "min", args, "case_sensitive,attribute", a) || !suan__j_iter_begin(in, self, &c)) return false;
    for (bool first = true;; first = false) {
        jval item;
        bool more;
        int r = 0;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more && first) return suan__j_undefined_hint(&in->rt, "No aggregated item, sequence was empty.", out);
        if (!more) return true;
        if (!by_path(in, item, a[1], suan__j_missing(), &key) || (!flag(a[0], false) && !ignore_case(in, &key))) return false;
        if (!first && !suan__j_compare(&in->rt, key, best_key, want_max ? ">" : "<", &r)) return false;
        if (!first && r != (want_max ? 1 : -1)) continue;
        *out = item;
        best_key = key;
    }
}
FILTER(f_min) {
    return extreme(in, self, args, false, out);
}
FILTER(f_max) {
    return extreme(in, self, args, true, out);
}
FILTER(f_sum) {
    jval a[2], total;
    jcursor c;
    if (!suan__j_bind(in, "sum", args, "attribute,start", a) || !suan__j_iter_begin(in, self, &c)) return false;
    total = a[1].tag == J_MISSING ? suan__j_int(0) : a[1];
    if (total.tag == J_STR) return suan__j_fail(&in->rt, "sum() can't sum strings [use ''.join(seq) instead]");
    for (;;) {
        jval item;
        bool more;
        if (!suan__j_iter_next(&c, &item, &more)) return false;
        if (!more) break;
        if (!by_path(in, item, a[0], suan__j_missing(), &item) || !suan__j_binary(in, '+', total, item, &total)) return false;
    }
    *out = total;
    return true;
}
FILTER(f_random) {
    (void)self;
    (void)args;
    (void)out;
    return suan__j_fail(&in->rt, "the filter 'random' is not supported: a prompt must not depend on chance");
}
FILTER(f_urlize) {
    (void)self;
    (void)args;
    (void)out;
    return suan__j_fail(&in->rt, "the filter 'urlize' is not supported: a prompt is no HTML");
}

/* ---- sort, group */

FILTER(f_sort) {
    jval a[3];
    jlist *l;
    if (!suan__j_bind(in, "sort", args, "reverse,case_sensitive,attribute", a) || !suan__j_to_list(in, self, &l)) return false;
    jval *keys = J_NEW(&in->rt, jval, l->n);
    if (!keys) return false;
    for (uint32_t i = 0; i < l->n; i++)
        if (!sort_key(in, l->v[i], a[2], flag(a[1], false), &keys[i])) return false;
    if (!suan__j_sort(&in->rt, l->v, keys, l->n, flag(a[0], false))) return false;
    *out = suan__j_list_value(l);
    return true;
}

FILTER(f_dictsort) {
    jval a[3];
    jlist *l;
    if (!suan__j_bind(in, "dictsort", args, "case_sensitive,by,reverse", a)) return false;
    bool by_value = a[1].tag == J_STR && suan__j_str_eq(a[1].u.s, "value");
    if (a[1].tag != J_MISSING && !by_value && !(a[1].tag == J_STR && suan__j_str_eq(a[1].u.s, "key")))
        return suan__j_fail(&in->rt, "You can only sort by either \"key\" or \"value\"");
    if (self.tag == J_UNDEFINED) return suan__j_fail_undefined(&in->rt, self);
    if (self.tag != J_DICT) return suan__j_fail(&in->rt, "'%s' object has no attribute 'items'", suan__j_type_name(self));
    if (!suan__j_to_list(in, (jval){.tag = J_VIEW, .aux = 'i', .u.d = self.u.d}, &l)) return false;
    jval *keys = J_NEW(&in->rt, jval, l->n);
    if (!keys) return false;
    for (uint32_t i = 0; i < l->n; i++) {
        keys[i] = l->v[i].u.l->v[by_value];
        if (!flag(a[0], false) && !ignore_case(in, &keys[i])) return false;
    }
    if (!suan__j_sort(&in->rt, l->v, keys, l->n, flag(a[2], false))) return false;
    *out = suan__j_list_value(l);
    return true;
}

FILTER(f_groupby) {
    jval a[3];
    jlist *l, *groups = suan__j_list_new(&in->rt, 0), *members = NULL;
    if (!groups || !suan__j_bind(in, "groupby", args, "attribute,default,case_sensitive", a) || !suan__j_to_list(in, self, &l))
        return false;
    if (a[0].tag == J_MISSING) return suan__j_fail(&in->rt, "groupby() takes the name of an attribute");
    bool case_sensitive = flag(a[2], false);
    jval *keys = J_NEW(&in->rt, jval, l->n);
    if (!keys) return false;
    for (uint32_t i = 0; i < l->n; i++)
        if (!by_path(in, l->v[i], a[0], a[1], &keys[i]) || (!case_sensitive && !ignore_case(in, &keys[i]))) return false;
    if (!suan__j_sort(&in->rt, l->v, keys, l->n, false)) return false;
    for (uint32_t i = 0; i < l->n; i++) {
        bool same = false;
        if (i && !suan__j_equal(&in->rt, keys[i], keys[i - 1], &same)) return false;
        if (!same) {
            jval group, key = keys[i];
            members = suan__j_list_new(&in->rt, 4);
            if (!members || (!case_sensitive && !by_path(in, l->v[i], a[0], a[1], &key))) return false;
            if (!suan__j_tuple2(&in->rt, key, suan__j_list_value(members), &group)) return false;
            group.aux = 1;
            if (!suan__j_list_push(&in->rt, groups, group)) return false;
        }
        if (!suan__j_list_push(&in->rt, members, l->v[i])) return false;
    }
    *out = suan__j_list_value(groups);
    return true;
}

const jdef suan__j_filters_list[] = {
    {"attr", f_attr},
    {"batch", f_batch},
    {"count", f_length},
    {"d", f_default},
    {"default", f_default},
    {"dictsort", f_dictsort},
    {"first", f_first},
    {"groupby", f_groupby},
    {"items", f_items},
    {"join", f_join},
    {"last", f_last},
    {"length", f_length},
    {"list", f_list},
    {"map", f_map},
    {"max", f_max},
    {"min", f_min},
    {"random", f_random},
    {"reject", f_reject},
    {"rejectattr", f_rejectattr},
    {"reverse", f_reverse},
    {"select", f_select},
    {"selectattr", f_selectattr},
    {"slice", f_slice},
    {"sort", f_sort},
    {"sum", f_sum},
    {"unique", f_unique},
    {"urlize", f_urlize},
};
const size_t suan__j_n_filters_list = sizeof suan__j_filters_list / sizeof *suan__j_filters_list;

/* ---- look-up */

const jdef *suan__j_find_filter(const jstr *name) {
    const jdef *def = suan__j_find(suan__j_filters_text, suan__j_n_filters_text, name);
    return def ? def : suan__j_find(suan__j_filters_list, suan__j_n_filters_list, name);
}

bool suan__j_call_filter(jinja *in, const jstr *name, const jdef *def, jval value, const jargs *args, jval *out) {
    if (!def) return suan__j_fail(&in->rt, "No filter named '%.*s' found.", (int)name->n, name->p);
    /* map('map', ...) may nest */
    return suan__j_charge(&in->rt, 1) && suan__j_stack_ok(&in->rt) && def->fn(in, value, args, out);
}
