/* jinja_json.c: the request's JSON as values, and |tojson as Python's json.dumps writes it. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_run.h"

static bool from_object(jrt *rt, const json_t *json, uint8_t taint, jval *out) {
    size_t n = json_object_size(json);
    jdict *d = n < INT32_MAX ? suan__j_dict_new(rt, (uint32_t)n) : NULL;
    if (!d) return suan__j_fail_depth(rt);
    for (void *it = json_object_iter((json_t *)(uintptr_t)json); it; it = json_object_iter_next((json_t *)(uintptr_t)json, it)) {
        jval k, v;
        if (!suan__j_str_borrow(rt, json_object_iter_key(it), json_object_iter_key_len(it), taint, &k)) return false;
        if (!suan__j_from_json(rt, json_object_iter_value(it), taint, &v) || !suan__j_dict_set(rt, d, k, v)) return false;
    }
    *out = suan__j_dict_value(d);
    return true;
}

bool suan__j_from_json(jrt *rt, const void *value, uint8_t taint, jval *out) {
    const json_t *json = value;
    if (!suan__j_charge(rt, 1) || !suan__j_stack_ok(rt)) return false;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        if (!from_object(rt, json, taint, out)) return false;
        break;
    case JSON_ARRAY: {
        size_t n = json_array_size(json);
        jlist *l = n < INT32_MAX ? suan__j_list_new(rt, (uint32_t)n) : NULL;
        if (!l) return suan__j_fail_depth(rt);
        for (size_t i = 0; i < n; i++)
            if (!suan__j_from_json(rt, json_array_get(json, i), taint, &l->v[i])) return false;
        l->n = (uint32_t)n;
        *out = suan__j_list_value(l);
        break;
    }
    case JSON_STRING:
        return suan__j_str_borrow(rt, json_string_value(json), json_string_length(json), taint, out);
    case JSON_INTEGER:
        *out = suan__j_int(json_integer_value(json));
        break;
    case JSON_REAL:
        *out = suan__j_float(json_real_value(json));
        break;
    case JSON_TRUE:
        *out = suan__j_bool(true);
        break;
    case JSON_FALSE:
        *out = suan__j_bool(false);
        break;
    case JSON_NULL:
        *out = suan__j_none();
        break;
    }
    out->taint = taint;
    return true;
}

/* ---- json.dumps */

typedef struct jdump {
    jinja *in;
    jbuf b;
    const jstr *item_sep, *key_sep, *indent; /* indent NULL: on one line */
    bool ascii, sort_keys;
    uint32_t depth;
} jdump;

static bool put_json_string(jdump *d, const jstr *s) {
    size_t from = 0;
    if (!suan__j_buf_put(&d->b, "\"", 1, 0)) return false;
    for (size_t i = 0, n; i < s->n; i += n) {
        unsigned char c = (unsigned char)s->p[i];
        uint8_t taint = s->t ? s->t[i] : s->taint;
        uint32_t cp = c;
        char e[16];
        n = 1;
        if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || !d->ascii)) continue;
        if (c >= 0x80) n = suan__utf8_decode(s->p + i, s->n - i, &cp);
        if (!n) return suan__j_fail(d->b.rt, "invalid UTF-8 in a string");
        const char *simple = c == '"'    ? "\\\""
                             : c == '\\' ? "\\\\"
                             : c == '\n' ? "\\n"
                             : c == '\r' ? "\\r"
                             : c == '\t' ? "\\t"
                             : c == '\f' ? "\\f"
                             : c == '\b' ? "\\b"
                                         : NULL;
        if (simple)
            snprintf(e, sizeof e, "%s", simple);
        else if (cp >= 0x10000)
            snprintf(e, sizeof e, "\\u%04x\\u%04x", 0xd7c0 + (cp >> 10), 0xdc00 + (cp & 0x3ff));
        else
            snprintf(e, sizeof e, "\\u%04x", cp);
        bool ok = s->t ? suan__j_buf_put_flags(&d->b, s->p + from, s->t + from, i - from)
                       : suan__j_buf_put(&d->b, s->p + from, i - from, s->taint);
        if (!ok || !suan__j_buf_put(&d->b, e, strlen(e), taint)) return false;
        from = i + n;
    }
    bool ok = s->t ? suan__j_buf_put_flags(&d->b, s->p + from, s->t + from, s->n - from)
                   : suan__j_buf_put(&d->b, s->p + from, s->n - from, s->taint);
    return ok && suan__j_buf_put(&d->b, "\"", 1, 0);
}

static __attribute__((noinline)) bool put_json_number(jbuf *b, jval v) {
    char s[64];
    size_t n;
    if (v.tag == J_INT)
        n = (size_t)snprintf(s, sizeof s, "%lld", (long long)v.u.i);
    else if (isnan(v.u.f))
        n = (size_t)snprintf(s, sizeof s, "NaN");
    else if (isinf(v.u.f))
        n = (size_t)snprintf(s, sizeof s, v.u.f < 0 ? "-Infinity" : "Infinity");
    else
        n = suan__j_format_double(v.u.f, s);
    return suan__j_buf_put(b, s, n, v.taint);
}

static bool new_line(jdump *d) {
    if (!d->indent) return true;
    if (!suan__j_buf_c(&d->b, "\n")) return false;
    for (uint32_t i = 0; i < d->depth; i++)
        if (!suan__j_charge(d->b.rt, 1) || !suan__j_buf_str(&d->b, d->indent)) return false;
    return true;
}

static bool dump(jdump *d, jval v);

static bool dump_list(jdump *d, const jlist *l) {
    if (!l->n) return suan__j_buf_c(&d->b, "[]");
    d->depth++;
    if (!suan__j_buf_c(&d->b, "[")) return false;
    for (uint32_t i = 0; i < l->n; i++) {
        if ((i && !suan__j_buf_str(&d->b, d->item_sep)) || !new_line(d) || !dump(d, l->v[i])) return false;
    }
    d->depth--;
    return new_line(d) && suan__j_buf_c(&d->b, "]");
}

static bool dump_key(jdump *d, jval key) {
    switch ((jtag)key.tag) {
    case J_STR:
        return put_json_string(d, key.u.s);
    case J_BOOL:
    case J_INT:
    case J_FLOAT:
    case J_NONE:
        return suan__j_buf_c(&d->b, "\"") && dump(d, key) && suan__j_buf_c(&d->b, "\"");
    default:
        return suan__j_fail(d->b.rt, "keys must be str, int, float, bool or None, not %s", suan__j_type_name(key));
    }
}

static bool dump_dict(jdump *d, const jdict *o) {
    jval *keys = NULL, *values = NULL;
    if (!o->n) return suan__j_buf_c(&d->b, "{}");
    if (d->sort_keys) {
        keys = J_NEW(d->b.rt, jval, o->n);
        values = J_NEW(d->b.rt, jval, o->n);
        if (!keys || !values) return false;
        for (uint32_t i = 0; i < o->n; i++) {
            keys[i] = o->e[i].key;
            values[i] = o->e[i].value;
        }
        if (!suan__j_sort(d->b.rt, values, keys, o->n, false)) return false;
    }
    d->depth++;
    if (!suan__j_buf_c(&d->b, "{")) return false;
    for (uint32_t i = 0; i < o->n; i++) {
        if ((i && !suan__j_buf_str(&d->b, d->item_sep)) || !new_line(d) || !dump_key(d, keys ? keys[i] : o->e[i].key)) return false;
        if (!suan__j_buf_str(&d->b, d->key_sep) || !dump(d, values ? values[i] : o->e[i].value)) return false;
    }
    d->depth--;
    return new_line(d) && suan__j_buf_c(&d->b, "}");
}

static bool dump(jdump *d, jval v) {
    size_t from = d->b.n;
    bool ok;
    if (!suan__j_charge(d->b.rt, 3) || !suan__j_stack_ok(d->b.rt)) return false;
    switch ((jtag)v.tag) {
    case J_NONE:
        ok = suan__j_buf_put(&d->b, "null", 4, v.taint);
        break;
    case J_BOOL:
        ok = suan__j_buf_put(&d->b, v.u.b ? "true" : "false", v.u.b ? 4 : 5, v.taint);
        break;
    case J_INT:
    case J_FLOAT:
        ok = put_json_number(&d->b, v);
        break;
    case J_STR:
        ok = put_json_string(d, v.u.s);
        break;
    case J_LIST:
    case J_TUPLE:
        ok = dump_list(d, v.u.l);
        break;
    case J_DICT:
        ok = dump_dict(d, v.u.d);
        break;
    default:
        return suan__j_fail(d->b.rt, "Object of type %s is not JSON serializable", suan__j_type_name(v));
    }
    /* An empty container of the request is the request's too. */
    return ok && (!v.taint || suan__j_buf_taint(&d->b, from));
}

static bool read_options(jinja *in, jdump *d, const jval *a) {
    static const jstr comma_space = {.p = ", ", .n = 2, .n_cp = 2}, comma = {.p = ",", .n = 1, .n_cp = 1},
                      colon_space = {.p = ": ", .n = 2, .n_cp = 2};
    jval spaces;
    int64_t n;
    d->ascii = a[0].tag != J_MISSING && suan__j_truth(a[0]);
    d->sort_keys = a[3].tag != J_MISSING && suan__j_truth(a[3]);
    if (a[1].tag == J_STR) {
        d->indent = a[1].u.s;
    } else if (a[1].tag != J_MISSING && a[1].tag != J_NONE) {
        if (!suan__j_arg_int(in, "tojson", a[1], &n) || !suan__j_str_c(&in->rt, " ", &spaces)) return false;
        if (!suan__j_binary(in, '*', spaces, suan__j_int(n), &spaces)) return false;
        d->indent = spaces.u.s;
    }
    d->item_sep = d->indent ? &comma : &comma_space;
    d->key_sep = &colon_space;
    if (a[2].tag == J_MISSING || a[2].tag == J_NONE) return true;
    if ((a[2].tag != J_TUPLE && a[2].tag != J_LIST) || a[2].u.l->n != 2 || a[2].u.l->v[0].tag != J_STR || a[2].u.l->v[1].tag != J_STR)
        return suan__j_fail(&in->rt, "tojson() separators must be a pair of strings");
    d->item_sep = a[2].u.l->v[0].u.s;
    d->key_sep = a[2].u.l->v[1].u.s;
    return true;
}

bool suan__j_tojson(jinja *in, jval value, const jargs *args, jval *out) {
    jval a[4];
    jdump d = {.in = in};
    if (!suan__j_bind(in, "tojson", args, "ensure_ascii,indent,separators,sort_keys", a) || !read_options(in, &d, a)) return false;
    suan__j_buf_init(&d.b, &in->rt);
    if (!dump(&d, value)) return false;
    /* One byte of the request makes all of it the request's: brackets and quotes show where its data begins and ends. */
    if (suan__j_buf_has_taint(&d.b, 0) && !suan__j_buf_taint(&d.b, 0)) return false;
    return suan__j_buf_finish(&d.b, out);
}
